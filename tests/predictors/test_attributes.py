"""Numbers and words of polygons are heard like those of rasters."""

from pathlib import Path

import geopandas as gpd
import pytest
from shapely import box

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(10, 60, 14, 62, 1)
VALUE = {"into": "value", "attribute": "ice"}


def polygons(path: Path, column) -> Path:
    shapes = [box(10, 60, 12, 62), box(12, 60, 14, 62)]
    gpd.GeoDataFrame({"ice": column}, geometry=shapes, crs="EPSG:4326").to_file(path)
    return path


def source(path: Path, rasterize, **keys) -> Source:
    described = {"family": "geology", "long_name": "ice", "unit": "%"}
    return Source(name="ice", url=str(path), rasterize=rasterize, **{**described, **keys})


def burnt(one: Source) -> list[float]:
    """The values of both polygons, after the look that the cube takes first."""
    problems = check_source(one, GRID).problems
    if problems:
        raise IcemapError(" ".join(problems))
    with open_source(one, GRID) as raster:
        rows, cols = raster.shape
        values = raster.read(slice(0, rows), slice(0, cols))
        places = [(~raster.transform) @ (lon, 61) for lon in (11, 13)]
    return [float(values[int(row), int(col)]) for col, row in places]


@pytest.mark.parametrize(
    ("column", "keys", "expected"),
    [
        ([30.0, 70.0], {"unit": "m", "file_unit": "cm"}, [0.3, 0.7]),
        ([30.0, 70.0], {"unit": "1", "file_unit": "%"}, [0.3, 0.7]),
        (["30", "70"], {"unit": "1", "file_unit": "%"}, [0.3, 0.7]),
        ([263.15, 270.15], {"unit": "degC", "file_unit": "K"}, [-10, -3]),
        ([300, 700], {"file_unit": "g/kg"}, [30, 70]),
        ([3, 7], {"unit": "m", "scale": 10, "file_unit": "cm"}, [0.3, 0.7]),
        ([30.0, 70.0], {}, [30, 70]),
        ([0.3, 0.7], {"unit": "1"}, [0.3, 0.7]),
    ],
)
def test_numbers_are_converted_from_the_unit_that_they_have(
    tmp_path, column, keys, expected
) -> None:
    made = burnt(source(polygons(tmp_path / "a.gpkg", column), VALUE, **keys))
    assert made == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("column", "keys", "words"),
    [
        ([263.0, 265.0], {"unit": "degC"}, "263 to 265 degC, which are no temperatures"),
        ([0.3, 1.0], {}, "looks like parts of 1"),
        ([300, 700], {}, "looks like parts of 1000"),
        ([30, 70], {"valid_range": (40, 100)}, "30 to 30 % in 1 of 2 polygons, outside"),
        ([0.0, 359.0], {"unit": "degree"}, "no mean can be taken of directions"),
        ([1, 2], {"unit": "1", "long_name": "soil type"}, "look like codes"),
        (["30,5", "70"], {}, "holds '30,5' in 'ice', which is no number"),
    ],
)
def test_numbers_that_cannot_be_what_is_said_are_asked_about(tmp_path, column, keys, words) -> None:
    with pytest.raises(IcemapError, match=words):
        burnt(source(polygons(tmp_path / "a.gpkg", column), VALUE, **keys))


@pytest.mark.parametrize("other", ["Till", "till ", " TILL"])
def test_words_in_two_spellings_are_asked_about(tmp_path, other) -> None:
    path = polygons(tmp_path / "a.gpkg", ["till", other])
    chosen = {"into": "fraction", "attribute": "ice", "only": ["till"]}
    with pytest.raises(IcemapError, match=rf"others '{other}', which 'only' does not choose"):
        burnt(source(path, chosen, unit="1"))
    assert burnt(source(path, {**chosen, "only": ["till", other]}, unit="1")) == [1, 1]
    rock = polygons(tmp_path / "b.gpkg", ["till", "tillite"])
    assert burnt(source(rock, chosen, unit="1")) == [1, 0]


@pytest.mark.parametrize(
    ("rasterize", "keys", "words"),
    [
        ({"into": "fraction", "attribute": "ice"}, {}, "only to choose polygons by 'only'"),
        (VALUE, {"variable": "ice"}, "rasterized into value take no 'variable'"),
        (VALUE, {"select": {"ice": 2}}, "take no 'select'"),
        (VALUE, {"reduce": {"time": "mean"}}, "take no 'reduce'"),
        (VALUE, {"fill_nearest": 2}, "take no 'fill_nearest'"),
        (VALUE, {"fraction_of": [1], "classes": {1: "a"}}, "take no 'fraction_of'"),
        ({"into": "fraction"}, {"scale": 0.01}, "rasterized into fraction take no 'scale'"),
        ({"into": "fraction"}, {"file_unit": "1"}, "take no 'file_unit'"),
        (
            {"into": "class", "attribute": "ice"},
            {"kind": "class", "classes": {1: "a"}, "scale": 2},
            "rasterized into class take no 'scale'",
        ),
    ],
)
def test_keys_that_would_be_passed_over_are_refused(rasterize, keys, words) -> None:
    with pytest.raises(ValueError, match=words):
        source(Path("a.gpkg"), rasterize, **keys)
