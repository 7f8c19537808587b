"""A place on an axis by value, label or date, in every calendar."""

import numpy as np
import pytest
import xarray as xr

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from icemap.predictors.choosing import choose, uneven_months
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

HOURS = "hours since 1900-01-01"


def axis(values, units="", calendar=None):
    attrs = {key: value for key, value in {"units": units, "calendar": calendar}.items() if value}
    values = np.asarray(values)
    return xr.DataArray(
        np.zeros(len(values)), dims="time", coords={"time": ("time", values, attrs)}
    )


def chosen(wanted, *args):
    return choose(axis(*args), "time", wanted, "The source 'a'")


@pytest.mark.parametrize(
    ("wanted", "values", "units", "calendar", "expected"),
    [
        (1043115, np.arange(1043112.0, 1043160), HOURS, None, 3),
        (1043115, np.arange(1043112.0, 1043160).astype("f4"), HOURS, None, 3),
        ("2019-01-01T03", np.arange(1043136, 1043160), HOURS, None, 3),
        ("2019-01-01 03:00", np.arange(1043136, 1043160), HOURS, None, 3),
        ("2019-01-01T03:00:00Z", np.arange(1043136, 1043160), HOURS, None, 3),
        ("2001-03", [0, 31, 59, 90], "days since 2001-01-01", None, 2),
        ("2001-03-01", [0, 31, 59, 90], "days since 2001-01-01", None, 2),
        ("2001", [0, 365], "days since 2000-01-01", "noleap", 1),
        ("2000-02-30", np.arange(360), "days since 2000-01-01", "360_day", 59),
        ("2000-03-01", np.arange(366), "days since 2000-01-01", "365_day", 59),
        ("2000-07", np.arange(12), "months since 2000-01-01", None, 6),
        ("2000-03", np.arange(12) + 0.5, "months since 2000-01-01", None, 2),
        ("2000-02", np.arange(12, dtype="f4") / 12, "years since 2000-01-01", None, 1),
        ("2010", np.arange(20), "years since 2000-01-01", None, 10),
        ("2001-01-01T06", [0.0, 0.25, 0.5, 0.75], "days since 2001-01-01", None, 1),
        ("1582-10-15", [0, 1], "days since 1582-10-04", "gregorian", 1),
        (0.1, np.arange(5, dtype="f4") / 10, "", None, 1),
        (-20000, [-21000, -20000, -19000], "years since 1950-01-01", None, 1),
        ("JJA", ["DJF", "MAM", "JJA"], "", None, 2),
        ("JJA", np.array([b"DJF", b"MAM", b"JJA"]), "", None, 2),
        ("7", [6, 7, 8], "", None, 1),
        (7, ["6", "7", "8"], "", None, 1),
    ],
)
def test_a_place_is_found(wanted, values, units, calendar, expected) -> None:
    assert chosen(wanted, values, units, calendar) == expected


@pytest.mark.parametrize(
    ("wanted", "values", "units", "sentence"),
    [
        (5.5, np.arange(10.0), "", "5.5 is not on its axis 'time', which holds 0.0, 1.0"),
        (
            99,
            np.arange(100, 200),
            "",
            r"99 is not on its axis .*100, 101, .* \.\.\. \(100 in all\)",
        ),
        (
            "2019-01-02",
            np.arange(1043136, 1043160),
            HOURS,
            "2019-01-02 is not on its axis 'time', which holds 2019-01-01, 2019-01-01T01:00",
        ),
        (
            "2019-01-01",
            np.arange(1043136, 1043160),
            HOURS,
            "2019-01-01 is at 24 places of its axis 'time'",
        ),
        ("2019", [0, 31], "days since 2019-01-01", "2019 is at 2 places"),
        (1, [1, 1, 2], "", "1 is at 2 places"),
        ("2019", [0, 1], "days since a day", "gives no dates: choose by a value"),
        ("JJA", [1.0, 2.0], "", "JJA is not on its axis"),
    ],
)
def test_what_is_not_there_or_not_alone_is_said(wanted, values, units, sentence) -> None:
    with pytest.raises(IcemapError, match=f"The source 'a'.*{sentence}"):
        chosen(wanted, values, units)


MONTHS = np.array([0, 31, 59, 90, 120])


@pytest.mark.parametrize(
    ("wanted", "expected"), [("2019-03", 2), ("2019-04-01", 2), ("2019-01", 0), ("2019-05-01", 3)]
)
def test_a_month_stamped_with_its_end_is_that_of_its_bounds(wanted, expected) -> None:
    array = axis(MONTHS[1:], "days since 2019-01-01")
    periods = np.column_stack([MONTHS[:-1], MONTHS[1:]]).astype(float)
    assert choose(array, "time", wanted, "The source 'a'", periods) == expected


def test_whole_months_are_those_that_begin_their_periods() -> None:
    periods = np.column_stack([np.arange(12.0), np.arange(1.0, 13.0)])
    ends = axis(np.arange(1, 13), "months since 2019-01-01")
    assert choose(ends, "time", "2019-08", "The source 'a'", periods) == 7


@pytest.mark.parametrize(("wanted", "expected"), [("place 1", 0), ("Place 12", 11)])
def test_an_axis_without_values_is_asked_for_a_place(wanted, expected):
    """A number would be counted from 0 by some and from 1 by others."""
    months = xr.DataArray(np.zeros(12), dims="month")
    assert choose(months, "month", wanted, "The source 'a'") == expected


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (7, "its axis 'month' has no values, so 7 .* 'place 1'"),
        ("7", "has no values"),
        ("2019-07", "has no values"),
        ("place 0", "has the places 1 to 12, not 0"),
        ("place 13", "has the places 1 to 12, not 13"),
    ],
)
def test_anything_else_on_an_axis_without_values_is_refused(wanted, says):
    months = xr.DataArray(np.zeros(12), dims="month")
    with pytest.raises(IcemapError, match=says):
        choose(months, "month", wanted, "The source 'a'")


@pytest.mark.parametrize(
    ("months", "uneven"),
    [(18, True), (30, True), (12, False), (24, False), (8, False), (365, False)],
)
def test_months_that_are_there_more_often_than_others_are_told(tmp_path, months, uneven) -> None:
    lon, lat = np.arange(100.5, 104), np.arange(60.5, 64)
    time = ("time", 15 + 30.4375 * np.arange(months), {"units": "days since 2001-01-01"})
    values = np.ones((months, 4, 4), "f4")
    dims = ("time", "lat", "lon")
    dataset = xr.Dataset({"a": (dims, values)}, {"time": time, "lat": lat, "lon": lon})
    dataset.to_netcdf(tmp_path / "a.nc")
    about = {"name": "a", "family": "climate", "long_name": "a", "unit": "m"}
    source = Source(**about, url=str(tmp_path / "a.nc"), reduce={"time": "mean"})
    grid = Grid(100, 60, 104, 64, 1.0)
    with open_source(source, grid) as raster:
        assert ("towards which means lean" in raster.note) == uneven
    assert bool(check_source(source, grid).notes) == uneven


def _months(count: int, left_out=()) -> xr.DataArray:
    """The middle of months from January 2001 on, but for some."""
    days = 15 + 30.4375 * np.array([k for k in range(count) if k not in left_out])
    return axis(np.round(days), "days since 2001-01-01")


@pytest.mark.parametrize(
    ("months", "said"),
    [
        (_months(12, [6]), "2001-08 comes after 2001-06: means lean away"),
        (_months(48, [6, 20]), "2001-08 comes after 2001-06 (of 2 such places): means"),
        (axis(np.r_[15, 45, 46, 74, 105, 135], "days since 2001-01-01"), "2001-02 comes after 20"),
        (_months(120, [35, 36, 37, 47, 48, 49]), "some are there 10 times and others 8"),
    ],
)
def test_months_that_are_skipped_or_there_twice_are_told(months, said) -> None:
    assert said in uneven_months(months, "time", "who")


@pytest.mark.parametrize(
    "months",
    [
        # Summers, quarters, days, and periods of 30 days.
        _months(48, [k for k in range(48) if k % 12 not in (5, 6, 7)]),
        _months(48, [k for k in range(48) if k % 3]),
        axis(np.arange(60), "days since 2001-01-01"),
        axis(1 + 30 * np.arange(36), "days since 2001-01-01"),
        _months(8),
    ],
)
def test_seasons_and_other_periods_are_no_gaps(months) -> None:
    assert uneven_months(months, "time", "who") == ""


@pytest.mark.parametrize("units", ["days since 2001-01-01", "days since 0000-01-01", "", "months"])
def test_other_axes_have_no_months(units) -> None:
    assert uneven_months(axis(np.arange(40.0), units), "time", "who") == ""
