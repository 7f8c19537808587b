"""A look at sources before the cube is made finds what its making would stop at."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors import checks
from icemap.predictors.checks import check_source, require_readable
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 0.5)


def source(path, values, unit="1", theirs="", **keys) -> Source:
    rows, cols = values.shape
    profile = {
        "driver": "GTiff",
        "height": rows,
        "width": cols,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
    }
    with rasterio.open(
        path, "w", transform=Affine(10 / cols, 0, 100, 0, -6 / rows, 66), **profile
    ) as raster:
        raster.write(values.astype("f4"), 1)
        raster.units = (theirs,)
    return Source(name=path.stem, url=str(path), family="climate", long_name="a", unit=unit, **keys)


def test_a_good_source_has_no_problems_and_says_what_is_converted(tmp_path) -> None:
    found = check_source(source(tmp_path / "t.tif", np.full((6, 10), 280.0), "degC", "K"), GRID)
    assert found.problems == ()
    assert found.notes == ("t: converted from K to degC",)
    require_readable(source(tmp_path / "u.tif", np.ones((6, 10))), GRID)


@pytest.mark.parametrize("size", [6, 300])
def test_a_code_in_a_corner_is_found(tmp_path, monkeypatch, size) -> None:
    monkeypatch.setattr(checks, "MAX_WHOLE", 10_000)
    values = np.random.default_rng(0).random((size, size * 10 // 6))
    values[-2:, -2:] = -9999
    (problem,) = check_source(source(tmp_path / "a.tif", values), GRID).problems
    assert "holds the value -9999" in problem
    with pytest.raises(IcemapError, match="holds the value -9999"):
        require_readable(source(tmp_path / "a.tif", values), GRID)


def test_every_input_of_a_derived_source_is_looked_at(tmp_path) -> None:
    inputs = tuple(
        source(tmp_path / f"{name}.tif", np.full((6, 10), 5.0), "degC", "m") for name in "ab"
    )
    derived = Source(
        name="d",
        family="climate",
        long_name="d",
        unit="degC",
        derived={"how": "difference", "of": ["a", "b"]},
        inputs=inputs,
    )
    problems = check_source(derived, GRID).problems
    assert [problem.split("'")[1] for problem in problems] == ["a", "b"]


def test_what_is_not_there_or_elsewhere_is_found(tmp_path) -> None:
    gone = Source(
        name="a", url=str(tmp_path / "gone.tif"), family="climate", long_name="a", unit="1"
    )
    assert "is not there" in check_source(gone, GRID).problems[0]
    assert (
        "covers no part of the grid"
        in check_source(
            source(tmp_path / "b.tif", np.ones((6, 10))), Grid(0, 0, 10, 10, 1)
        ).problems[0]
    )


@pytest.mark.parametrize(
    ("high", "unit", "words"),
    [
        (30, "1", "from 0 to 1: correct 'unit'"),
        (0.3, "%", "looks like parts of 1, but its unit is '%'"),
        (30, "%", ""),
        (0.3, "1", ""),
        (101, "percent", "0 to 100"),
    ],
)
def test_parts_of_a_cell_are_in_their_range(tmp_path, high, unit, words) -> None:
    values = np.linspace(0, high, 60).reshape(6, 10)
    problems = check_source(source(tmp_path / "a.tif", values, unit), GRID, counts=True).problems
    assert words in problems[0] if words else problems == ()
    assert check_source(source(tmp_path / "a.tif", values, unit), GRID).problems == ()
