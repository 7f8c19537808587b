"""Variables in groups of NetCDF, HDF and Zarr, and tiles that only xarray reads."""

import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source
from tests.small_rasters import read_whole, source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
VALUES = np.arange(60.0).reshape(6, 10)
LAT, LON = np.arange(65.5, 60, -1), np.arange(100.5, 110)


def dataset(lat=LAT, lon=LON, values=VALUES):
    return xr.Dataset(
        {"v": (("lat", "lon"), values)},
        coords={
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def read(path, **keys) -> np.ndarray:
    return read_whole(source(path, **keys), GRID)


@pytest.mark.parametrize("group", ["data", "data/monthly", "a/b/c"])
@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_a_variable_is_named_with_its_groups(tmp_path, group, kind) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "nc":
        dataset().to_netcdf(path, group=group)
    else:
        dataset().to_zarr(path, group=group, zarr_format=3, consolidated=False)
    np.testing.assert_array_equal(read(path, variable=f"{group}/v"), VALUES)
    np.testing.assert_array_equal(read(path, variable=f"/{group}/v"), VALUES)
    with pytest.raises(IcemapError, match=rf"has no variable '{group}/w', it has {group}/v\."):
        read(path, variable=f"{group}/w")
    with pytest.raises(
        IcemapError,
        match=(
            rf"has no raster outside of groups, it has the variables {group}/v: name one as"
            r" 'variable'"
        ),
    ):
        read(path)
    with pytest.raises(
        IcemapError, match=rf"has no group 'elsewhere', it has the variables {group}/v"
    ):
        read(path, variable="elsewhere/v")


def test_axes_and_projection_may_be_above(tmp_path) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, values in (("y", np.arange(6.0)[::-1] * 1000), ("x", np.arange(10.0) * 1000)):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        crs = file.createVariable("crs", "i4")
        crs.crs_wkt = pyproj.CRS(3413).to_wkt()
        variable = file.createGroup("data").createVariable("v", "f8", ("y", "x"))
        variable.grid_mapping = "crs"
        variable[:] = VALUES
    source = Source(
        name="a",
        url=str(tmp_path / "a.nc"),
        family="climate",
        long_name="a",
        unit="1",
        variable="data/v",
    )
    with open_source(source, GRID) as raster:
        assert pyproj.CRS(raster.crs).to_epsg() == 3413
        np.testing.assert_array_equal(raster.read(slice(0, 6), slice(0, 10)), VALUES)


@pytest.mark.parametrize("where", ["", "axes"])
def test_plain_hdf_ties_no_axes_to_its_variables(tmp_path, where) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        axes = file.createGroup(where) if where else file
        data = file.createGroup("data")
        for group, names in ((axes, ("d0", "d1")), (data, ("phony_dim_2", "phony_dim_3"))):
            for name, size in zip(names, (6, 10)):
                group.createDimension(name, size)
        axes.createVariable("lat", "f8", ("d0",))[:] = LAT
        axes.createVariable("lon", "f8", ("d1",))[:] = LON
        data.createVariable("v", "f8", ("phony_dim_2", "phony_dim_3"))[:] = VALUES
    (tmp_path / "a.nc").rename(tmp_path / "a.h5")
    if where:
        with pytest.raises(IcemapError, match="none of its dimensions"):
            read(tmp_path / "a.h5", variable="data/v")
    else:
        np.testing.assert_array_equal(read(tmp_path / "a.h5", variable="data/v"), VALUES)


def test_a_variable_may_be_called_by_a_number(tmp_path) -> None:
    dataset().rename(v="2").assign(w=dataset().v).to_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(read(tmp_path / "a.nc", variable=2), VALUES)


def catalogue(folder, url, **keys):
    import yaml

    entry = {
        "kwargs": {"data": "{data(a)}"},
        "metadata": {"family": "climate", "long_name": "a", "unit": "1", **keys},
    }
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump(
            {"version": 2, "data": {"a": {"kwargs": {"url": url}}}, "entries": {"a": entry}}
        )
    )
    return load_sources(str(folder / "catalog.yaml"), ["a"])["a"]


@pytest.mark.parametrize("kind", ["nc", "h5", "zarr"])
def test_a_star_joins_tiles_that_only_xarray_reads(tmp_path, kind) -> None:
    values = np.where(VALUES == 33, np.nan, VALUES)
    for number, columns in enumerate((slice(0, 4), slice(3, 10))):
        part = dataset(lon=LON[columns], values=values[:, columns])
        # The second one has its south first.
        part = part.isel(lat=slice(None, None, -1)) if number else part
        if kind == "zarr":
            part.to_zarr(tmp_path / f"t{number}.zarr", zarr_format=3, consolidated=False)
        else:
            part.to_netcdf(
                tmp_path / f"t{number}.{kind}",
                engine="netcdf4",
                encoding={"v": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}},
            )
    source = catalogue(tmp_path, f"t*.{kind}", variable="v")
    with open_source(source, GRID) as raster:
        np.testing.assert_array_equal(raster.read(slice(0, 6), slice(0, 10)), values)
        np.testing.assert_array_equal(raster.read(slice(2, 4), slice(2, 6)), values[2:4, 2:6])


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_whole_rasters_under_a_star_are_not_tiles(tmp_path, kind) -> None:
    for month in range(3):
        part = dataset(values=VALUES + month)
        (
            part.to_netcdf(tmp_path / f"t{month}.nc")
            if kind == "nc"
            else part.to_zarr(tmp_path / f"t{month}.zarr", zarr_format=3, consolidated=False)
        )
    with (
        pytest.raises(
            IcemapError,
            match=(
                rf"made of 3 files of which .*t0\.{kind} and .*t1\.{kind} cover one"
                r" another.*'overlay: true'"
            ),
        ),
        open_source(catalogue(tmp_path, f"t*.{kind}"), GRID),
    ):
        pass
    with open_source(catalogue(tmp_path, f"t*.{kind}", overlay=True), GRID) as raster:
        np.testing.assert_array_equal(raster.read(slice(0, 6), slice(0, 10)), VALUES)


def test_dates_of_yaml_are_dates(tmp_path) -> None:
    time = xr.date_range("2019-01-01", periods=12, freq="MS")
    data = xr.concat(
        [dataset(values=VALUES + month) for month in range(12)], dim="time"
    ).assign_coords(time=time)
    data.to_netcdf(tmp_path / "a.nc")
    (tmp_path / "catalog.yaml").write_text(
        "version: 2\ndata: {a: {kwargs: {url: a.nc}}}\nentries:\n  a: {kwargs: {data: '{data(a)}'},"
        " metadata: {family: climate, long_name: a, unit: '1', select: {time: 2019-07-01}}}\n  b:"
        " {kwargs: {data: '{data(a)}'}, metadata: {family: climate, long_name: a, unit: '1',"
        " select: {time: 2019-07}}}\n"
    )
    for one in load_sources(str(tmp_path / "catalog.yaml"), ["a", "b"]).values():
        with open_source(one, GRID) as raster:
            np.testing.assert_array_equal(raster.read(slice(0, 6), slice(0, 10)), VALUES + 6)
