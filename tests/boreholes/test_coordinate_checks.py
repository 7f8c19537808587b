from pathlib import Path

import numpy as np
import pytest

from icemap import IcemapError, read_boreholes

Place = tuple[float, float]


def scattered(n: int = 40, west: float = -160, width: float = 45) -> list[Place]:
    rng = np.random.default_rng(5)
    return [
        (round(west + width * x, 4), round(61 + 10 * y, 4))
        for x, y in rng.uniform(size=(n, 2)).tolist()
    ]


def minutes(degrees: float, seconds: str = "") -> str:
    size = abs(degrees)
    return f"{'-' * (degrees < 0)}{int(size)}.{int(size % 1 * 60):02d}{seconds}"


def read_layers(folder: Path, places: list[tuple[object, object]], **source: object):
    path = folder / "layers.csv"
    rows = [f"b{i},{lon},{lat},0,6,{20 + i}" for i, (lon, lat) in enumerate(places)]
    path.write_text("\n".join(["site,lon,lat,top [m],base [m],vic [%]", *rows]) + "\n")
    return read_boreholes(path, **source)


def read_values(folder: Path, places: list[tuple[object, object]], **source: object):
    path = folder / "sites.csv"
    rows = [f"{lon},{lat},{20 + i}" for i, (lon, lat) in enumerate(places)]
    path.write_text("\n".join(["lon,lat,vic [%]", *rows]) + "\n")
    return read_boreholes(path, value="vic", **source)


READERS = pytest.mark.parametrize("read", [read_layers, read_values])


@READERS
@pytest.mark.parametrize("seconds", ["", "30"])
def test_minutes_written_as_decimals_are_refused(tmp_path: Path, read, seconds: str) -> None:
    written = [(minutes(lon, seconds), minutes(lat, seconds)) for lon, lat in scattered()]
    with pytest.raises(IcemapError, match=r"of 40 places no 'lon' or 'lat' has decimals of .60"):
        read(tmp_path, written)
    sites = read(tmp_path, written, crs="EPSG:4326")
    assert sites["lat"].to_numpy() == pytest.approx([float(lat) for _, lat in written])


@READERS
@pytest.mark.parametrize(
    "places",
    [
        scattered(),
        [(10 + i / 2, 60 + i % 20 / 2) for i in range(60)],
        [(133.3 + i / 400, 68.45 - i / 400) for i in range(60)],
        [(100 + i, 60 + i % 12) for i in range(50)],
    ],
    ids=["decimals", "halves of a degree", "one small region", "whole degrees"],
)
def test_decimal_degrees_are_read(tmp_path: Path, read, places: list[Place]) -> None:
    assert read(tmp_path, places)["lon"].to_numpy() == pytest.approx([lon for lon, _ in places])


@READERS
@pytest.mark.parametrize(("axis", "name"), [(0, "lon"), (1, "lat")])
def test_one_place_that_lost_its_sign_is_named(tmp_path: Path, read, axis: int, name: str) -> None:
    places = [list(place) for place in scattered()]
    places[7][axis] *= -1
    with pytest.raises(IcemapError, match=rf"line 9: '{name}' is -?{abs(places[7][axis]):g}, and"):
        read(tmp_path, [tuple(place) for place in places])
    sites = read(tmp_path, [tuple(place) for place in places], crs="EPSG:4326")
    assert sites[name][7] == pytest.approx(places[7][axis])


@READERS
@pytest.mark.parametrize(
    "other",
    [(15.6, 78.2), (177.2, 64.7), (128.0, 40.0), (-68.2, -67.5)],
    ids=["Svalbard", "Chukotka", "south of all", "Antarctica"],
)
def test_a_real_place_on_the_other_side_is_read(tmp_path: Path, read, other: Place) -> None:
    places = [*scattered(west=-178), other]
    assert read(tmp_path, places)["lon"].iloc[-1] == pytest.approx(other[0])


@READERS
def test_few_places_and_both_hemispheres_tell_nothing_of_signs(tmp_path: Path, read) -> None:
    few = [*scattered(8), (140.2, 65.1)]
    mixed = [*scattered(20), *[(-lon, lat) for lon, lat in scattered(5)]]
    for places in (few, mixed):
        assert (read(tmp_path, places)["lon"] > 0).any()


@READERS
def test_among_places_of_a_continent_the_mirrored_one_must_meet_another(
    tmp_path: Path, read
) -> None:
    places = scattered(west=-165, width=100)
    assert len(read(tmp_path, [*places, (112.0, 66.0)])) == 41
    neighbour = (-places[3][0] + 0.01, places[3][1])
    with pytest.raises(IcemapError, match="have the other sign"):
        read(tmp_path, [*places, neighbour])


def test_a_site_whose_rows_differ_by_the_sign_is_named(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    head = "site,lon,lat,top [m],base [m],vic [%]\na,-150.5,65.5,0,1,30\n"
    path.write_text(head + "a,150.5,65.5,1,3,40\n")
    with pytest.raises(IcemapError, match=r"'lon' of 'a' is 150\.5 here and -150\.5 in"):
        read_boreholes(path)
    path.write_text(head + "b,150.5,65.5,1,3,40\n")
    assert len(read_boreholes(path)) == 2


@READERS
@pytest.mark.parametrize("bare", [149.25, "149 15 00"])
def test_letters_in_some_cells_do_not_speak_for_the_others(tmp_path: Path, read, bare) -> None:
    with pytest.raises(IcemapError, match="'lon' gives the direction in some cells"):
        read(tmp_path, [("150.5 W", "65.5 N"), ("148.5 W", "65.5 N"), (bare, 66.1)])
    # Far from the others it is as likely east.
    sites = read(tmp_path, [("150.5 W", "65.5 N"), (62.25, 66.1), ("140.5 E", "64.5 N")])
    assert sites["lon"].tolist() == [-150.5, 62.25, 140.5]
    sites = read(tmp_path, [("150.5 W", "65.5 N"), (-149.25, 66.1), ("140.5 E", "64.5 N")])
    assert sites["lon"].tolist() == [-150.5, -149.25, 140.5]


def test_degrees_confirmed_by_their_crs_keep_their_rounding(tmp_path: Path) -> None:
    """Two holes that are rounded to one place are two, as without the key."""
    path = tmp_path / "layers.csv"
    rows = "".join(f"{site},-122.12,62.33,0,6,{vic}\n" for site, vic in (("a", 30), ("b", 31)))
    path.write_text(f"site,lon,lat,top [m],base [m],vic [%]\n{rows}")
    for source in ({}, {"crs": "EPSG:4326"}):
        assert read_boreholes(path, **source)["used"].all()


@READERS
def test_one_place_with_both_coordinates_exchanged_is_named(tmp_path: Path, read) -> None:
    places = [(76 + 0.3 * i % 3, 69 + 0.07 * i) for i in range(12)]
    with pytest.raises(IcemapError, match=r"exchanged this one is among them"):
        read(tmp_path, [*places, (69.31, 77.5)])
    # Another region, too few to judge by, and a place that is near the others as it is.
    assert len(read(tmp_path, [*places, (15.6, 78.2)])) == 13
    assert len(read(tmp_path, [*places[:8], (69.31, 77.5)])) == 9
    assert len(read(tmp_path, [*places, (71.5, 71.2)])) == 13


@READERS
def test_one_of_few_neighbours_that_lost_its_sign_is_named(tmp_path: Path, read) -> None:
    near = [(-148.1, 65.2), (-147.3, 66.1), (-149.2, 64.9)]
    assert read(tmp_path, [*near, (129.6, 62.1)])["used"].all()
    with pytest.raises(IcemapError, match=r"'lon' is 147\.9, and 3 of 4 places have the other"):
        read(tmp_path, [*near, (147.9, 65.7)])


@READERS
def test_one_column_in_the_place_of_both_is_refused(tmp_path: Path, read) -> None:
    places = [(65.1, 65.1), (66.2, 66.2), (64.3, 64.3)]
    with pytest.raises(IcemapError, match="'lon' and 'lat' are the same in all of 3 places"):
        read(tmp_path, places)
    assert read(tmp_path, [*places, (65.2, 65.1)])["used"].all()
