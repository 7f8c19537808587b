"""Entries of a catalogue opened by intake are what icemap reads."""

from pathlib import Path

import intake
import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from affine import Affine

import icemap
from icemap import Grid, IcemapError
from icemap.catalog import load_sources
from icemap.predictors.intake_reader import CHUNK

HERE = Path(__file__).parents[2]
GRID = Grid(60, 60, 80, 70, 0.5)
READER = "icemap.predictors.intake_reader:PredictorReader"
MONTHS = {
    "variable": "t2m",
    "family": "climate",
    "unit": "degC",
}
ENTRIES = {
    "july": {**MONTHS, "long_name": "July", "select": {"month": 7}},
    "yearly": {**MONTHS, "long_name": "all the year", "reduce": {"month": "mean"}},
    "range": {**MONTHS, "unit": "K", "long_name": "range", "reduce": {"month": "range"}},
    "frost": {
        "family": "climate",
        "long_name": "freezing degree days",
        "unit": "degC d",
        "derived": {"how": "freezing_degree_days", "of": ["months"], "along": "month"},
    },
    "months": {**MONTHS, "long_name": "months"},
    "scaled": {"family": "geology", "long_name": "scaled", "unit": "m", "scale": 0.1, "offset": 5},
    "cover": {
        "family": "remote_sensing",
        "long_name": "cover",
        "unit": "1",
        "kind": "class",
        "classes": {1: "open water", 2: "trees/shrub"},
    },
    "lakes": {
        "family": "remote_sensing",
        "long_name": "lakes",
        "unit": "1",
        "classes": {1: "open water", 2: "trees/shrub"},
        "fraction_of": [1],
    },
}
FILES = {"scaled": "scaled", "cover": "cover", "lakes": "cover"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    lon, lat = np.arange(50.25, 90, 0.5), np.arange(55.25, 75, 0.5)
    month = np.arange(1, 13)
    kelvin = (
        273.15
        + 20 * np.cos((month - 7) / 6 * np.pi)[:, None, None]
        + lat[None, :, None] / 10
        + lon[None, None, :] / 100
    )
    xr.Dataset(
        {"t2m": (("month", "lat", "lon"), kelvin.astype("f4"), {"units": "K"})},
        {"month": month, "lat": lat, "lon": lon},
    ).to_netcdf(folder / "months.nc")
    shape = (len(lat), len(lon))
    for name, values in {
        "scaled": np.arange(shape[0] * shape[1]).reshape(shape),
        "cover": 1 + np.arange(shape[0] * shape[1]).reshape(shape) % 2,
    }.items():
        with rasterio.open(
            folder / f"{name}.tif",
            "w",
            driver="GTiff",
            width=shape[1],
            height=shape[0],
            count=1,
            dtype="uint16",
            nodata=0,
            crs="EPSG:4326",
            transform=Affine(0.5, 0, 50, 0, -0.5, 75),
        ) as raster:
            raster.write(values.astype("u2"), 1)
    data = {
        name: {
            "datatype": f"intake.readers.datatypes:{kind}",
            "kwargs": {"url": f"{{CATALOG_DIR}}/{file}"},
            "metadata": {"licence": "CC0", "citation": "nobody"},
            "user_parameters": {},
        }
        for name, kind, file in (
            ("months_file", "HDF5", "months.nc"),
            ("scaled_file", "TIFF", "scaled.tif"),
            ("cover_file", "TIFF", "cover.tif"),
        )
    }
    entries = {}
    for name, metadata in ENTRIES.items():
        kwargs = {"catalog": "{CATALOG_PATH}", "name": name}
        if "derived" not in metadata:
            kwargs["data"] = f"{{data({FILES.get(name, 'months')}_file)}}"
        entries[name] = {
            "reader": READER,
            "output_instance": "xarray:DataArray",
            "kwargs": kwargs,
            "metadata": metadata,
            "user_parameters": {},
        }
    content = {"version": 2, "metadata": {}, "user_parameters": {}, "data": data}
    content |= {"entries": entries, "aliases": {name: name for name in entries}}
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def catalog(folder):
    return intake.open_catalog(str(folder / "catalog.yaml"))


def test_a_month_is_that_month_in_its_unit(folder, catalog):
    july = catalog["july"].read()
    assert july.chunks is not None
    assert (july.dims, july.attrs["units"]) == (("latitude", "longitude"), "degC")
    raw = xr.open_dataset(folder / "months.nc")["t2m"].sel(month=7)
    there = raw.sel(lat=july.latitude, lon=july.longitude)
    np.testing.assert_allclose(july, there - 273.15, atol=1e-4)
    assert july.rio.crs.to_epsg() == 4326
    assert july.attrs["licence"] == "CC0"
    assert "K" in july.attrs["conversion"]
    assert july.latitude[0] > july.latitude[-1]


def test_reductions_differ_from_months(catalog):
    july, yearly, span = (catalog[name].read() for name in ("july", "yearly", "range"))
    assert float((july - yearly).mean()) == pytest.approx(20, abs=0.01)
    assert float(span.mean()) == pytest.approx(40, abs=0.01)


def test_scale_offset_and_missing_codes(catalog):
    scaled = catalog["scaled"].read()
    assert np.isnan(scaled[0, 0]), "0 is nodata as stored"
    assert float(scaled[0, 10]) == pytest.approx(6.0)


def test_classes_are_named(catalog):
    cover = catalog["cover"].read()
    assert cover.attrs["flag_values"] == [1, 2]
    assert cover.attrs["flag_meanings"] == "open_water trees_shrub"
    assert set(np.unique(cover)) == {1.0, 2.0}


@pytest.mark.parametrize("name", [name for name in ENTRIES if name != "months"])
def test_an_entry_on_a_grid_is_the_field_of_the_cube(folder, catalog, name):
    cube = icemap.build_cube(folder / "catalog.yaml", GRID, [name])
    xr.testing.assert_identical(catalog[name].read(grid=GRID).compute(), cube[name].compute())
    assert np.isfinite(cube[name]).all()


def test_cells_of_the_grid_are_those_of_the_file(catalog):
    """A file on the very cells of the grid is not resampled."""
    for name in ("july", "scaled", "cover"):
        own = catalog[name].read().sel(latitude=slice(70, 60), longitude=slice(60, 80))
        np.testing.assert_allclose(own, catalog[name].read(grid=GRID), rtol=1e-6)


def test_a_large_raster_is_read_in_parts(folder, monkeypatch):
    from icemap.predictors import intake_reader

    catalog = intake.open_catalog(str(folder / "catalog.yaml"))
    whole = catalog["july"].read().compute()
    monkeypatch.setattr(intake_reader, "CHUNK", 16)
    parts = catalog["july"].read()
    assert parts.chunks is not None
    assert len(parts.chunks[1]) > 1
    xr.testing.assert_identical(parts.compute(), whole)
    assert CHUNK > 16


def test_what_is_wrong_is_a_sentence(folder, catalog):
    with pytest.raises(IcemapError, match=r"'frost' has no cells of its own.*read\(grid="):
        catalog["frost"].read()
    with pytest.raises(IcemapError, match="further axis 'month'"):
        catalog["months"].read()
    with pytest.raises(IcemapError, match="'kwargs' holds engine"):
        catalog["july"].read(engine="netcdf4")


@pytest.mark.parametrize("name", ["catalog.yaml", "examples/sources.yaml"])
def test_every_entry_of_ours_is_read_this_way(name, monkeypatch, tmp_path):
    monkeypatch.setenv("ICEMAP_DATA", str(tmp_path))
    content = yaml.safe_load((HERE / name).read_text())
    catalog = intake.open_catalog(str(HERE / name))
    for entry, described in content["entries"].items():
        assert described["reader"] == READER, entry
        reader = catalog[entry]
        assert reader.kwargs["name"] == entry
        assert load_sources(reader.kwargs["catalog"], [entry])
