import numpy as np
import pytest
import rioxarray  # noqa: F401  (gives datasets their .rio)
import xarray as xr
import zarr
from pyproj import CRS

from icemap import Grid, IcemapError
from icemap.gridded import Variable, create_gridded, grid_of, open_gridded
from icemap.zarr_groups import read_chunk, write_chunk

GRID = Grid(-10, 60, 20, 80, 0.5)
VARIABLES = [
    Variable("vic", attrs={"long_name": "volumetric ice content", "units": "%"}),
    Variable("aoa", "uint8", {"long_name": "inside the area of applicability", "units": "1"}),
]


@pytest.fixture(params=[None, 32], ids=["chunks", "shards"])
def url(request, tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, VARIABLES, {"title": "Ground ice"}, chunk=16, shard=request.param)
    return url


def test_new_group_is_empty(url):
    dataset = open_gridded(url, "map")
    assert dataset.vic.shape == dataset.aoa.shape == (40, 60)
    assert np.isnan(dataset.vic.values).all()
    assert np.isnan(dataset.aoa.values).all()


def test_coordinates_and_attributes_say_where_and_what(url):
    dataset = open_gridded(url, "map")
    assert dataset.attrs["Conventions"].startswith("CF-")
    assert dataset.attrs["title"] == "Ground ice"
    assert dataset.latitude.values == pytest.approx(GRID.latitudes)
    assert dataset.longitude.values == pytest.approx(GRID.longitudes)
    assert dataset.latitude.attrs["units"] == "degrees_north"
    assert dataset.vic.attrs["units"] == "%"
    assert CRS.from_wkt(dataset.spatial_ref.attrs["crs_wkt"]).equals(
        CRS.from_epsg(4326), ignore_axis_order=True
    )


def test_rioxarray_understands_the_place(url):
    vic = open_gridded(url, "map").vic.rio.set_spatial_dims("longitude", "latitude")
    assert vic.rio.crs.to_epsg() == 4326
    assert vic.rio.bounds() == pytest.approx((-10, 60, 20, 80))
    assert vic.rio.resolution() == (0.5, -0.5)


def test_opening_is_lazy(url):
    assert open_gridded(url, "map").vic.chunks is not None


@pytest.mark.parametrize(
    "grid",
    [
        GRID,
        Grid(-180, 30, 180, 84, 1 / 6),
        Grid(-180, 25, 180, 90, 1 / 120),
        Grid(-141.7, 60.1, -130.9, 68.2, 0.3),
        Grid(0, 0, 0.7, 0.7, 0.1),
    ],
    ids=lambda grid: f"{grid.resolution:.4f}",
)
def test_grid_comes_back(tmp_path, grid):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, grid, VARIABLES[:1], {}, chunk=512)
    again = grid_of(open_gridded(url, "map"))
    assert again.shape == grid.shape
    for edge in ("west", "south", "east", "north", "resolution"):
        assert getattr(again, edge) == pytest.approx(getattr(grid, edge), abs=1e-9)
    assert again.longitudes == pytest.approx(grid.longitudes, abs=1e-9)


def test_old_group_is_replaced(url):
    write_chunk(url, next(GRID.chunks(32)), {"vic": np.ones((32, 32))})
    create_gridded(url, GRID, VARIABLES[:1], {}, chunk=16)
    dataset = open_gridded(url, "map")
    assert list(dataset.data_vars) == ["vic"]
    assert np.isnan(dataset.vic.values).all()


def test_no_data_are_written_before_the_first_chunk(tmp_path):
    url = tmp_path / "map.zarr"
    create_gridded(str(url), Grid(-180, 25, 180, 90, 1 / 120), VARIABLES, {}, chunk=512)
    assert sum(file.stat().st_size for file in url.rglob("*") if file.is_file()) < 1_000_000
    assert not (url / "vic" / "c").exists()


def test_zarr_is_version_three_and_chunked_as_asked(tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, VARIABLES, {}, chunk=16, shard=32)
    array = zarr.open_group(url, mode="r")["vic"]
    assert (array.metadata.zarr_format, array.chunks, array.shards) == (3, (16, 16), (32, 32))


def test_xarray_alone_opens_it(url):
    with xr.open_zarr(url, consolidated=False) as dataset:
        assert dict(dataset.sizes) == {"latitude": 40, "longitude": 60}


def test_missing_group_is_named(tmp_path):
    with pytest.raises(
        IcemapError,
        match=rf"There is no map at {tmp_path}/absent\.zarr: check the address, or make it first",
    ):
        open_gridded(f"{tmp_path}/absent.zarr", "map")
    chunk = next(GRID.chunks(16))
    with pytest.raises(
        IcemapError, match=rf"Cannot write {tmp_path}/absent\.zarr: there is no such file"
    ):
        write_chunk(f"{tmp_path}/absent.zarr", chunk, {"vic": np.zeros(chunk.shape)})
    with pytest.raises(
        IcemapError, match=rf"Cannot read {tmp_path}/absent\.zarr: there is no such file"
    ):
        read_chunk(f"{tmp_path}/absent.zarr", chunk, ["vic"])
