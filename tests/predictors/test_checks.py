"""A look at sources before the cube is made finds what its making would stop at."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.config_sections import MaskConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors import checks
from icemap.predictors.checks import check_source, require_none
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 0.5)
COUNTS = MaskConfig(source="a", counts="part")


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


@pytest.mark.parametrize("size", [6, 300])
def test_a_code_in_a_corner_is_found(tmp_path, monkeypatch, size) -> None:
    monkeypatch.setattr(checks, "MAX_WHOLE", 10_000)
    values = np.random.default_rng(0).random((size, size * 10 // 6))
    values[-2:, -2:] = -9999
    (problem,) = check_source(source(tmp_path / "a.tif", values), GRID).problems
    assert "holds the value -9999" in problem


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
    problems = check_source(source(tmp_path / "a.tif", values, unit), GRID, masks=[COUNTS]).problems
    assert words in problems[0] if words else problems == ()
    assert check_source(source(tmp_path / "a.tif", values, unit), GRID).problems == ()


def percent(high: float) -> np.ndarray:
    return np.linspace(0, high, 60).reshape(6, 10)


@pytest.mark.parametrize(
    ("values", "unit", "limit", "words"),
    [
        (percent(100), "%", {"at_least": 0.5}, "less than one percent: give 50 if 50 % are meant"),
        (percent(100), "%", {"at_most": 0.1}, "give 10 if"),
        (percent(100), "1", {"at_least": 0.5}, "correct 'unit' and 'file_unit'"),
        (percent(1), "1", {"at_most": 50}, "more than any of them"),
        (percent(1), "%", {"at_most": 50}, "more than any of them"),
        (percent(1).round(), "1", {"at_most": 50}, "more than any of them"),
        (percent(100), "%", {"at_least": 50}, ""),
        (percent(100), "%", {"at_least": 0.001}, ""),
        (percent(100), "%", {"at_least": 0}, ""),
        (percent(100), "m", {"at_least": 0.5}, ""),
        (percent(1), "1", {"at_least": 0.5, "at_most": 1}, ""),
        (percent(0), "%", {"at_most": 50}, ""),
        (percent(20), "1", {"at_least": 0.5}, ""),
        (percent(200) - 100, "1", {"at_least": 0.5}, ""),
    ],
)
def test_limits_are_in_the_unit_of_what_they_divide(tmp_path, values, unit, limit, words) -> None:
    one = source(tmp_path / "a.tif", values, unit)
    masks = [MaskConfig(source="a", **limit)]
    problems = check_source(one, GRID, masks=masks).problems
    assert words in problems[0] if words else problems == ()
    settled = one.model_copy(update={"valid_range": (-100, 200)})
    assert check_source(settled, GRID, masks=masks).problems == ()
    # The same limit of a derivation.
    derived = Source(
        name="d",
        family="climate",
        long_name="d",
        unit="km",
        derived={"how": "distance_to", "of": ["a"], "radius": 10, **limit},
        inputs=(one,),
    )
    problems = check_source(derived, GRID).problems
    assert words in problems[0] if words else problems == ()


def test_parts_of_one_in_bytes_are_no_percents(tmp_path) -> None:
    one = source(tmp_path / "a.tif", percent(1).round(), "%")
    (problem,) = check_source(one, GRID, masks=[COUNTS]).problems
    assert "looks like parts of 1" in problem


def test_a_mask_without_zeros_is_asked_about_where_its_parts_count(tmp_path) -> None:
    masks = [COUNTS]
    values = np.ones((60, 100))
    values[:, :35] = np.nan
    (problem,) = check_source(source(tmp_path / "a.tif", values), GRID, masks=masks).problems
    assert "a cell of the grid which it covers in part would count as covered" in problem
    # Cells of its own are covered or not; parts, zeros and predictors say what they are.
    own = source(tmp_path / "b.tif", values[::5, ::5])
    zeros = source(tmp_path / "c.tif", np.nan_to_num(values))
    parts = source(tmp_path / "d.tif", values * 0.5)
    for right in (own, zeros, parts):
        assert check_source(right, GRID, masks=masks).problems == ()
    alone = source(tmp_path / "e.tif", values)
    assert check_source(alone, GRID).problems == ()
    # Where it only says which cells are mapped, it is right but for those at its edge.
    limit = MaskConfig(source="a", at_least=0.5)
    assert check_source(alone, GRID, masks=[limit]).problems == ()


@pytest.mark.parametrize(
    ("low", "high", "unit", "asked"),
    [
        (0, 359, "degree", True),
        (-179, 179, "degrees", True),
        (0, 6.28, "radian", True),
        (0, 80, "degree", False),
        (0, 359, "m", False),
    ],
)
def test_no_mean_is_taken_of_directions(tmp_path, low, high, unit, asked) -> None:
    one = source(tmp_path / "a.tif", np.linspace(low, high, 60).reshape(6, 10), unit)
    problems = check_source(one, GRID).problems
    assert "no mean can be taken of directions" in problems[0] if asked else problems == ()
    for keys in ({"long_name": "longitude"}, {"valid_range": (-180, 360)}):
        assert check_source(one.model_copy(update=keys), GRID).problems == ()


@pytest.mark.parametrize(
    ("top", "looks"), [(1, "parts of 1,"), (1000, "parts of 1000,"), (600, "parts of 1000,")]
)
def test_predictors_in_percent_are_no_parts(tmp_path, top, looks) -> None:
    values = np.linspace(0, top, 61)[1:].reshape(6, 10)
    one = source(tmp_path / "a.tif", values, "%")
    (problem,) = check_source(one, GRID).problems
    assert looks in problem
    for keys in ({"file_unit": "1" if top == 1 else "g/kg"}, {"valid_range": (0, 1000)}):
        assert check_source(one.model_copy(update=keys), GRID).problems == ()


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(0, 0.8, "%"), (0, 100, "%"), (20, 220, "%"), (0, 1, "1"), (-1, 1, "%"), (0, 1.7, "%")],
)
def test_predictors_in_percent_may_be_small_and_large(tmp_path, low, high, unit) -> None:
    values = np.linspace(low, high, 60).reshape(6, 10)
    assert check_source(source(tmp_path / "a.tif", values, unit), GRID).problems == ()


def test_one_problem_of_all_steps_of_a_source_is_said_once() -> None:
    steps = [f"The source 'a[month {step}]': it has no axis." for step in range(12)]
    with pytest.raises(IcemapError, match=r"^The source 'a': it has no axis\.$"):
        require_none(steps)
    with pytest.raises(IcemapError, match=r"^The source 'a\[month 3\]'"):
        require_none(steps[3:4])
    with pytest.raises(
        IcemapError, match=r"^2 problems .*\(1\) The source 'a': .*\(2\) Another\.$"
    ):
        require_none([*steps, "Another."])
