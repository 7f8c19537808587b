"""Which band is which month of the year."""

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from affine import Affine
from rasterio.shutil import copy

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from icemap.predictors.months import Stamp, months_of_names, place_of_band
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 104, 62, 1)
NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
AS_TEXT = sorted(range(1, 13), key=str)
FROM_OCTOBER = [10, 11, 12, *range(1, 10)]


def read(path, **keys):
    """What a derivation gets for January, February, ..."""
    found = []
    for step in range(12):
        source = Source(
            name=f"t[{step}]",
            url=str(path),
            family="climate",
            long_name="monthly means",
            unit="degC",
            step=(keys.get("along", "band"), step, 12),
        )
        with open_source(source, GRID) as raster:
            found.append(float(raster.read(slice(0, 1), slice(0, 1))[0, 0]))
    return found


def bands(path, months, names=None, tags=None, file_tags=None):
    keys = {"driver": "GTiff", "height": 2, "width": 4, "count": 12, "crs": "EPSG:4326"}
    with rasterio.open(
        path, "w", dtype="float32", transform=Affine(1, 0, 100, 0, -1, 62), **keys
    ) as file:
        file.write(np.broadcast_to(np.array(months, "f4")[:, None, None], (12, 2, 4)))
        if names:
            file.descriptions = tuple(names)
        for number, own in enumerate(tags or [], 1):
            file.update_tags(number, **own)
        file.update_tags(**(file_tags or {}))
    return path


@pytest.mark.parametrize(
    ("months", "name"),
    [
        (AS_TEXT, "tavg_{}"),
        (AS_TEXT, "{}"),
        (FROM_OCTOBER, "wc2.1_10m_tavg_{:02d}"),
        ([*range(12, 0, -1)], "tas month {}"),
    ],
)
def test_numbers_in_names_of_bands_count(tmp_path, months, name) -> None:
    path = bands(tmp_path / "a.tif", months, [name.format(month) for month in months])
    assert read(path) == list(range(1, 13))


def test_numbers_from_zero_count(tmp_path) -> None:
    path = bands(tmp_path / "a.tif", AS_TEXT, [f"b{month - 1}" for month in AS_TEXT])
    assert read(path) == list(range(1, 13))


def test_words_and_dates_in_names_count(tmp_path) -> None:
    by_letter = sorted(range(1, 13), key=lambda month: NAMES[month - 1])
    words = bands(tmp_path / "a.tif", by_letter, [f"tas_{NAMES[m - 1]}" for m in by_letter])
    assert read(words) == list(range(1, 13))
    dated = [f"t2m_{2000 + (month < 10)}-{month:02d}-15" for month in FROM_OCTOBER]
    assert read(bands(tmp_path / "b.tif", FROM_OCTOBER, dated)) == list(range(1, 13))


@pytest.mark.parametrize(
    "names",
    [None, list("abcdefghijkl"), ["tas"] * 12, [f"level {k}" for k in range(10, 130, 10)]],
)
def test_bands_that_say_nothing_begin_with_january(tmp_path, names) -> None:
    assert read(bands(tmp_path / "a.tif", range(1, 13), names)) == list(range(1, 13))


def test_times_of_a_translated_netcdf_count(tmp_path) -> None:
    tags = [{"NETCDF_DIM_time": str(30.5 * k + 10), "NETCDF_VARNAME": "t"} for k in range(12)]
    since = {"time#units": "days since 2000-10-01", "time#calendar": "noleap"}
    path = bands(tmp_path / "a.tif", FROM_OCTOBER, None, tags, since)
    assert read(path) == list(range(1, 13))
    hours = bands(tmp_path / "b.tif", range(12), None, tags, {"time#units": "hours since 2000-1-1"})
    with pytest.raises(IcemapError, match=r"The source 't' .* January to December in its bands"):
        read(hours)
    tags[6]["NETCDF_VARNAME"] = "u"
    with pytest.raises(IcemapError, match="its bands are of 't' and 'u'"):
        read(bands(tmp_path / "c.tif", range(12), None, tags, since))


def test_words_along_an_axis_count(tmp_path) -> None:
    order = [NAMES[month - 1] for month in FROM_OCTOBER]
    xr.DataArray(
        np.broadcast_to(np.array(FROM_OCTOBER, "f4")[:, None, None], (12, 2, 4)),
        [("month", order), ("lat", [61.5, 60.5]), ("lon", np.arange(100.5, 104))],
        name="t",
    ).to_netcdf(tmp_path / "a.nc")
    assert read(tmp_path / "a.nc", along="month") == list(range(1, 13))


def test_a_mean_is_of_the_month_in_the_middle_of_its_period() -> None:
    ends = [
        Stamp("t", (2001, month, 1, 0), (2001 + month // 12, month % 12 + 1, 1, 0))
        for month in FROM_OCTOBER
    ]
    assert [place_of_band(month, ends, [""] * 12, "a") for month in (0, 9)] == [3, 0]
    forecasts = [Stamp("t", (2001, 1, 1, 0), (2001, month, 15, 0)) for month in FROM_OCTOBER]
    assert [place_of_band(month, forecasts, [""] * 12, "a") for month in (0, 9)] == [3, 0]


@pytest.mark.parametrize(
    "names", [[f"t{k}" for k in range(2, 14)], [f"{'ab'[k % 2]}{k}" for k in range(1, 13)]]
)
def test_other_names_are_no_months(names) -> None:
    assert months_of_names(names) is None


def check(folder, names, files, how="thawing_degree_days"):
    """Problems with a derivation of twelve entries."""
    entries, data = {}, {}
    for name, file in zip(names, files):
        path = folder / file
        if not path.exists():
            copy(str(bands(folder / "twelve.tif", range(12))), str(path), bands=1)
        data[name] = {"kwargs": {"url": file}}
        described = {"family": "climate", "long_name": "a", "unit": "degC", "variable": 1}
        entries[name] = {"metadata": described, "kwargs": {"data": f"{{data({name})}}"}}
    derived = {"family": "climate", "long_name": "a", "unit": "1"}
    entries["d"] = {"metadata": derived | {"derived": {"how": how, "of": list(names)}}}
    content = {"version": 2, "data": data, "entries": entries}
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    source = load_sources(str(folder / "catalog.yaml"), ["d"])["d"]
    return " ".join(check_source(source, GRID).problems)


ORDERS = [AS_TEXT, FROM_OCTOBER, [*range(12, 0, -1)]]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["tavg_{}", "m{:02d}", "t2m_2001-{:02d}"])
def test_entries_in_another_order_are_refused(tmp_path, order, name) -> None:
    names = [name.format(month) for month in order]
    said = check(tmp_path, names, [f"f{chr(97 + place)}.tif" for place in range(12)])
    assert "needs January to December in this order" in said
    assert names[0] in said
    # What is called otherwise may have files that tell.
    letters = [f"n{chr(97 + place)}" for place in range(12)]
    assert "in this order" in check(tmp_path, letters, [f"{name}.tif" for name in names])
    # The range is that of twelve months in any order.
    assert not check(tmp_path, names, [f"{name}.tif" for name in names], "temperature_range")


@pytest.mark.parametrize("name", ["tavg_{}", "m{:02d}", "t2m_2001-{:02d}"])
def test_entries_in_order_are_not(tmp_path, name) -> None:
    names = [name.format(month) for month in range(1, 13)]
    assert not check(tmp_path, names, [f"{name}.tif" for name in names])


def test_one_field_for_two_months_is_refused(tmp_path) -> None:
    names = [f"t{chr(97 + place)}" for place in range(12)]
    files = [f"f{chr(97 + place)}.tif" for place in range(12)]
    with pytest.raises(IcemapError, match="'of' names 'te' and 'tf', which are one field of fe"):
        check(tmp_path, names, [*files[:5], files[4], *files[6:]])
    with pytest.raises(IcemapError, match="'of' names 'te' twice"):
        check(tmp_path, [*names[:5], names[4], *names[6:]], files)
