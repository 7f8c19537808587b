import numpy as np
import pytest
import xarray as xr

from icemap.mapping.places import CubePlaces, weighed_places

PLACES = CubePlaces(np.array([0, 1, 1]), np.array([0, 0, 1]), np.zeros(3), np.zeros(3))


@pytest.mark.parametrize(
    ("fraction", "weight"),
    [
        ([[0.5, 1.0], [0.25, 0.25]], [0.5, 0.25, 0.25]),
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
