import numpy as np
import pytest
import xarray as xr

from icemap.mapping import places
from icemap.mapping.places import CubePlaces, choose_places, weighed_places

PLACES = CubePlaces(np.array([0, 1, 1]), np.array([0, 0, 1]), np.zeros(3), np.zeros(3))


@pytest.mark.parametrize(
    ("fraction", "weight"),
    [
        ([[0.5, 1.0], [0.5, 1.0]], [0.25, 0.25, 0.5]),
        ([[0.0, 1.0], [0.0, 0.0]], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_a_place_stands_for_the_part_of_its_cell_that_counts(fraction, weight):
    dims = ("latitude", "longitude")
    cube = xr.Dataset(
        {"maat": (dims, [[1.0, 2.0], [3.0, 4.0]]), "fraction": (dims, np.array(fraction))}
    )
    X, found = weighed_places(cube, PLACES, ["maat"])
    assert X.tolist() == [[1.0], [3.0], [4.0]]
    assert found.tolist() == pytest.approx(weight)


def test_places_are_drawn_by_area_from_every_mapped_cell(monkeypatch):
    latitude, longitude = np.array([80.0, 60.0, 0.0]), np.array([100.0, 181.0])
    valid = (("latitude", "longitude"), np.array([[1, 0], [1, 1], [0, 1]]))
    cube = xr.Dataset({"valid": valid}, {"latitude": latitude, "longitude": longitude})
    every = choose_places(cube, 10, seed=0)
    found = sorted(zip(every.row.tolist(), every.col.tolist(), strict=True))
    assert found == [(0, 0), (1, 0), (1, 1), (2, 1)]
    assert every.longitude[every.col == 1].tolist() == [-179.0, -179.0]
    assert every.latitude.tolist() == latitude[every.row].tolist()
    first = [int(choose_places(cube, 1, seed).row[0]) for seed in range(400)]
    # Cosines of 80, 60 (twice) and 0 degrees.
    expected = np.array([0.1736, 1.0, 1.0]) / 2.1736
    assert np.bincount(first) / 400 == pytest.approx(expected, abs=0.08)
    monkeypatch.setattr(places, "_MAX_CELLS", 1)
    thinned = choose_places(cube, 10, seed=0)
    assert list(zip(thinned.row.tolist(), thinned.col.tolist(), strict=True)) == [(0, 0)]
