"""Alignment against sources whose values are known functions of position."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, fill_nearest, require_overlap, resampling
from icemap.predictors.sources import open_source
from tests.small_rasters import source, write_tif

pytestmark = pytest.mark.quick


def whole(path, grid, chunk=10_000, **keys):
    with open_source(source(path, **keys), grid) as raster:
        require_overlap(raster, grid)
        how = resampling(raster, grid)
        out = np.full(grid.shape, np.nan, np.float32)
        for part in grid.chunks(chunk):
            out[part.rows, part.cols] = align(raster, grid, part, how)
    return out, how


def smooth(lon, lat):
    return 10 * np.sin(np.radians(lat)) + 5 * np.cos(np.radians(lon)) * np.cos(np.radians(lat))


def global_netcdf(path, lon, lat, names=("lon", "lat"), units=True):
    x, y = names
    array = xr.DataArray(
        smooth(*np.meshgrid(lon, lat)).astype("f4"),
        dims=(y, x),
        coords={y: lat, x: lon},
        name="field",
    )
    if units:
        array[x].attrs["units"], array[y].attrs["units"] = "degrees_east", "degrees_north"
    array.to_dataset().to_netcdf(path)
    return path


@pytest.mark.parametrize(
    ("first", "columns"),
    [(-179.5, 360), (0.5, 360), (20.5, 361), (-180.0, 361)],
    ids=["centred", "0-360", "0-380 with overlap", "first column repeated"],
)
def test_any_longitude_convention_gives_the_same_map_also_across_the_date_line(
    tmp_path: Path, first: float, columns: int
) -> None:
    lon, lat = first + np.arange(columns), np.arange(-89.5, 90, 1.0)
    grid = Grid(-180, 40, 180, 90, 0.5)
    out, how = whole(global_netcdf(tmp_path / "a.nc", lon, lat), grid)
    assert (how.method, how.samples) == ("bilinear", 1)
    expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes))
    # Bilinear interpolation of this field over 1 degree errs by at most 1/8 of the second
    # difference; half a cell of shift would err by 0.08.
    assert np.abs(out - expected)[1:].max() < 3e-3
    assert np.isfinite(out).all()


@pytest.mark.parametrize("west", [170.0, -190.0, 530.0])
def test_a_region_across_the_date_line_lies_on_both_sides_of_it(
    tmp_path: Path, west: float
) -> None:
    lon, lat = np.meshgrid(west + 0.5 + np.arange(25), np.arange(69.5, 60, -1))
    path = write_tif(
        tmp_path / "a.tif", smooth(lon, lat).astype("f4"), Affine(1, 0, west, 0, -1, 70)
    )
    grid = Grid(-180, 60, 180, 70, 1)
    out, _ = whole(path, grid, chunk=50)
    expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes)).astype("f4")
    inside = (grid.longitudes > 170) | (grid.longitudes < -165)
    np.testing.assert_allclose(out[:, inside], expected[:, inside], atol=1e-5)
    assert np.isnan(out[:, ~inside]).all()
    with pytest.raises(IcemapError, match="covers no part of the grid"):
        whole(path, Grid(0, 60, 100, 70, 1))


def test_rising_latitudes_are_turned(tmp_path: Path) -> None:
    lat = np.arange(-89.5, 90, 1.0)
    lon = np.arange(-179.5, 180, 1.0)
    rising, _ = whole(global_netcdf(tmp_path / "a.nc", lon, lat), Grid(0, 40, 90, 80, 0.5))
    falling, _ = whole(global_netcdf(tmp_path / "b.nc", lon, lat[::-1]), Grid(0, 40, 90, 80, 0.5))
    np.testing.assert_array_equal(rising, falling)


def test_the_order_of_axes_in_a_file_does_not_matter(tmp_path: Path) -> None:
    lon, lat = np.arange(-179.5, 180), np.arange(-89.5, 90)
    expected, _ = whole(global_netcdf(tmp_path / "a.nc", lon, lat), Grid(0, 40, 90, 80, 0.5))
    with xr.open_dataset(tmp_path / "a.nc") as dataset:
        dataset.transpose("lon", "lat").to_netcdf(tmp_path / "b.nc")
    np.testing.assert_array_equal(whole(tmp_path / "b.nc", Grid(0, 40, 90, 80, 0.5))[0], expected)


def test_a_raster_whose_rows_go_north_is_turned(tmp_path: Path) -> None:
    lon, lat = np.meshgrid(np.arange(0.5, 90), np.arange(40.5, 80))
    grid = Grid(5, 45, 85, 75, 0.5)
    north = whole(
        write_tif(tmp_path / "a.tif", smooth(lon, lat).astype("f4"), Affine(1, 0, 0, 0, 1, 40)),
        grid,
    )[0]
    south = whole(
        write_tif(
            tmp_path / "b.tif", smooth(lon, lat)[::-1].astype("f4"), Affine(1, 0, 0, 0, -1, 80)
        ),
        grid,
    )[0]
    np.testing.assert_allclose(north, south, atol=1e-6)


@pytest.mark.parametrize(
    "crs",
    [None, "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84"],
    ids=["in the file", "in the catalogue"],
)
def test_a_model_grid_with_a_rotated_pole_lies_in_its_place(tmp_path: Path, crs) -> None:
    """The grid of regional climate models over Europe, as their files describe it."""
    import pyproj

    rlon, rlat = np.arange(-20, 20, 0.25), np.arange(-20, 20, 0.25)
    rotated = pyproj.CRS(
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84"
    )
    lon, lat = pyproj.Transformer.from_crs(rotated, "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(rlon, rlat)
    )
    field = xr.DataArray(
        smooth(lon, lat).astype("f4"),
        dims=("rlat", "rlon"),
        coords={"rlat": rlat, "rlon": rlon},
        name="field",
    )
    dataset = field.to_dataset()
    if crs is None:
        dataset["field"].attrs["grid_mapping"] = "rotated_pole"
        dataset["rotated_pole"] = xr.DataArray(
            0,
            attrs={
                "grid_mapping_name": "rotated_latitude_longitude",
                "grid_north_pole_latitude": 39.25,
                "grid_north_pole_longitude": -162.0,
            },
        )
    dataset.to_netcdf(tmp_path / "a.nc")
    grid = Grid(0, 55, 30, 65, 0.25)
    out, _ = whole(tmp_path / "a.nc", grid, x="rlon", y="rlat", crs=crs)
    np.testing.assert_allclose(
        out, smooth(*np.meshgrid(grid.longitudes, grid.latitudes)), atol=2e-3
    )


def test_a_projected_netcdf_says_its_crs_as_the_conventions_have_it(tmp_path: Path) -> None:
    import pyproj

    x = np.arange(-2e6, 2e6, 2e4)
    _, lat = pyproj.Transformer.from_crs("EPSG:3995", "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(x, x)
    )
    field = xr.DataArray(
        lat.astype("f4"),
        dims=("y", "x"),
        coords={"y": x, "x": x},
        name="field",
        attrs={"grid_mapping": "polar"},
    )
    dataset = field.to_dataset()
    dataset["polar"] = xr.DataArray(
        0,
        attrs={
            key: value for key, value in pyproj.CRS("EPSG:3995").to_cf().items() if key != "crs_wkt"
        },
    )
    dataset.to_netcdf(tmp_path / "a.nc")
    grid = Grid(0, 78, 90, 82, 0.1)
    out, _ = whole(tmp_path / "a.nc", grid)
    assert np.abs(out - grid.latitudes[:, None]).max() < 0.01


def test_swapped_axes_are_named(tmp_path: Path) -> None:
    lon, lat = np.arange(-179.5, 180), np.arange(30.5, 84)
    write_tif(tmp_path / "a.tif", np.ones((360, 54), "f4"), Affine(1, 0, 30, 0, -1, 180))
    field = xr.DataArray(
        np.ones((54, 360), "f4"), dims=("lon", "lat"), coords={"lat": lon, "lon": lat}, name="field"
    )
    field.to_dataset().to_netcdf(tmp_path / "a.nc")
    for file in ("a.tif", "a.nc"):
        with pytest.raises(
            IcemapError,
            match=(
                r"'a' .* latitudes up to 180 and longitudes of at most 84: its axes are swapped"
            ),
        ):
            whole(tmp_path / file, Grid(0, 40, 90, 80, 0.5))
    # Told which is which, the second can be read.
    assert (
        whole(tmp_path / "a.nc", Grid(0, 40, 90, 80, 0.5), x="lat", y="lon", crs="EPSG:4326")[0]
        == 1
    ).all()


def test_finer_sources_are_averaged_by_area(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(400, 400)).astype("f4")
    path = write_tif(tmp_path / "a.tif", values, Affine(0.025, 0, 10, 0, -0.025, 60))
    out, how = whole(path, Grid(10, 50, 20, 60, 0.25))
    assert how.method == "average"
    np.testing.assert_allclose(out, values.reshape(40, 10, 40, 10).mean(axis=(1, 3)), atol=1e-5)


def test_partly_covered_cells_average_what_is_there(tmp_path: Path) -> None:
    values = np.full((4, 4), 7.0, "f4")
    values[:, :2] = -9999
    out, _ = whole(
        write_tif(tmp_path / "a.tif", values, Affine(0.25, 0, 0, 0, -0.25, 51), nodata=-9999),
        Grid(0, 50, 1, 51, 1),
    )
    assert out[0, 0] == 7


@pytest.mark.parametrize("kind", ["continuous", "class"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("cell", "west", "north", "rows", "cols"),
    [
        (0.02, 105, 66, 30, 50),
        (0.1, 105, 66, 60, 100),
        (0.05, 104.5, 64.5, 40, 40),
        (0.05, 101, 65, 80, 160),
        (0.02, 105.2, 64.9, 25, 25),
        (1 / 120, 104.5, 65.5, 240, 120),
    ],
)
def test_a_raster_that_ends_within_the_grid_has_all_its_cells_and_no_others(
    tmp_path: Path, cell, west, north, rows, cols, turned, kind
) -> None:
    values = np.full((rows, cols), 7, "u1")
    transform = Affine(cell, 0, west, 0, -cell, north)
    if turned:
        values, transform = values.T, Affine(0, cell, west, -cell, 0, north)
    path = write_tif(tmp_path / "a.tif", values, transform)
    keys = {"kind": "class", "classes": {7: "till"}} if kind == "class" else {}
    grid = Grid(100, 60, 110, 66, 1)
    out, how = whole(path, grid, chunk=4, **keys)
    assert how.method == ("mode" if kind == "class" else "average")
    # How much of a cell of one degree is inside, along each axis.
    lon, lat = (axis[:, None] + [-0.5, 0.5] for axis in (grid.longitudes, grid.latitudes))
    across = np.minimum(lon[:, 1], west + cols * cell) - np.maximum(lon[:, 0], west)
    down = np.minimum(lat[:, 1], north) - np.maximum(lat[:, 0], north - rows * cell)
    inside = (down[:, None] > 1e-6) & (across > 1e-6)
    np.testing.assert_array_equal(np.isfinite(out), inside)
    assert (out[inside] == 7).all()


def test_classes_take_the_mode_and_keep_their_codes(tmp_path: Path) -> None:
    codes = (
        np.random.default_rng(1).choice([1, 5, 9], p=[0.6, 0.2, 0.2], size=(100, 100)).astype("u1")
    )
    out, how = whole(
        write_tif(tmp_path / "a.tif", codes, Affine(0.1, 0, 0, 0, -0.1, 60)),
        Grid(0, 50, 10, 60, 1),
        kind="class",
        classes={1: "a", 5: "b", 9: "c"},
    )
    assert how.method == "mode"
    assert set(np.unique(out)) <= {1.0, 5.0, 9.0}
    assert (out == 1).mean() > 0.95


def polar(path, size=500, cell=20_000.0, crs="EPSG:3995"):
    """A polar-stereographic raster whose value is the latitude."""
    import pyproj

    half = size * cell / 2
    x = -half + (np.arange(size) + 0.5) * cell
    _, lat = pyproj.Transformer.from_crs("EPSG:3995", "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(x, -x)
    )
    return write_tif(path, lat.astype("f4"), Affine(cell, 0, -half, 0, -cell, half), crs=crs)


@pytest.mark.parametrize(("resolution", "samples"), [(1.0, True), (0.1, False)])
def test_polar_stereographic_sources_land_on_their_latitudes_up_to_the_pole(
    tmp_path: Path, resolution: float, samples: bool
) -> None:
    grid = Grid(-180, 50, 180, 90, resolution)
    out, how = whole(polar(tmp_path / "a.tif"), grid)
    assert (how.samples > 1) == samples
    assert np.isfinite(out).all()
    # A cell of the source is about 0.2 degrees; within one of them the latitude is not known better
    # when cells are averaged.
    assert np.abs(out - grid.latitudes[:, None]).max() < 0.16


def test_chunks_join_without_a_trace(tmp_path: Path) -> None:
    grid = Grid(-180, 50, 180, 90, 1)
    path = polar(tmp_path / "a.tif")
    np.testing.assert_array_equal(whole(path, grid, chunk=16)[0], whole(path, grid)[0])


def test_chunks_join_without_a_trace_also_between_the_cells_of_a_turned_raster(
    tmp_path: Path,
) -> None:
    """GDAL widens its bilinear kernel by the mean scale of a window, which differs from chunk to
    chunk.
    """
    noise = np.random.default_rng(0).normal(size=(500, 500)).astype("f4")
    path = write_tif(
        tmp_path / "a.tif", noise, Affine(20_000, 0, -5e6, 0, -20_000, 5e6), crs="EPSG:3995"
    )
    grid = Grid(-180, 50, 180, 90, 0.25)
    joined, how = whole(path, grid, chunk=64)
    assert how.method == "bilinear"
    assert np.nanmax(np.abs(joined - whole(path, grid)[0])) < 1e-5


def test_select_and_reduce_along_further_axes(tmp_path: Path) -> None:
    lon, lat = np.arange(0.5, 40), np.arange(40.5, 60)
    base = smooth(*np.meshgrid(lon, lat))
    monthly = xr.DataArray(
        np.stack([base + month for month in range(1, 13)]),
        dims=("month", "lat", "lon"),
        coords={"month": range(1, 13), "lat": lat, "lon": lon},
        name="t",
    )
    monthly.to_dataset().to_netcdf(tmp_path / "a.nc")
    grid = Grid(5, 45, 30, 55, 1)
    july, _ = whole(tmp_path / "a.nc", grid, select={"month": 7})
    january, _ = whole(tmp_path / "a.nc", grid, select={"month": 1})
    mean, _ = whole(tmp_path / "a.nc", grid, reduce={"month": "mean"})
    spread, _ = whole(tmp_path / "a.nc", grid, reduce={"month": "range"})
    np.testing.assert_allclose(july - january, 6, atol=1e-5)
    np.testing.assert_allclose(mean - january, 5.5, atol=1e-5)
    np.testing.assert_allclose(spread, 11, atol=1e-5)


def test_a_month_that_its_file_stamps_with_the_end_is_chosen_by_its_bounds(tmp_path: Path) -> None:
    lon, lat = np.arange(0.5, 40), np.arange(40.5, 60)
    edges = np.array([0, 31, 59, 90])
    fields = np.broadcast_to(np.arange(1.0, 4)[:, None, None], (3, len(lat), len(lon)))
    stamped = {"units": "days since 2019-01-01", "bounds": "time_bnds"}
    xr.Dataset(
        {
            "t": (("time", "lat", "lon"), fields),
            "time_bnds": (("time", "nv"), np.column_stack([edges[:-1], edges[1:]])),
        },
        {"time": ("time", edges[1:], stamped), "lat": lat, "lon": lon},
    ).to_netcdf(tmp_path / "a.nc")
    grid = Grid(5, 45, 30, 55, 1)
    february, _ = whole(tmp_path / "a.nc", grid, variable="t", select={"time": "2019-02"})
    np.testing.assert_allclose(february, 2)


def test_scale_offset_nodata_and_infinities(tmp_path: Path) -> None:
    values = np.array([[100, 200], [-9999, -8888]], "i2")
    grid = Grid(0, 50, 2, 52, 1)
    out, _ = whole(
        write_tif(tmp_path / "a.tif", values, Affine(1, 0, 0, 0, -1, 52)),
        grid,
        scale=0.1,
        offset=-5,
        nodata=[-9999, -8888],
    )
    np.testing.assert_allclose(out, [[5, 15], [np.nan, np.nan]], atol=1e-6)
    infinite = np.array([[1.0, np.inf], [-np.inf, 2.0]], "f4")
    out, _ = whole(write_tif(tmp_path / "b.tif", infinite, Affine(1, 0, 0, 0, -1, 52)), grid)
    np.testing.assert_allclose(out, [[1, np.nan], [np.nan, 2]])


def test_the_scale_and_offset_of_a_raster_count_unless_the_catalogue_gives_others(
    tmp_path: Path,
) -> None:
    """As CHELSA is stored: int16 tenths of a kelvin."""
    path = write_tif(
        tmp_path / "a.tif",
        np.array([[2731, 2981], [-32768, 2531]], "i2"),
        Affine(1, 0, 0, 0, -1, 52),
        nodata=-32768,
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (-273.15,)
    grid = Grid(0, 50, 2, 52, 1)
    celsius = np.array([[-0.05, 24.95], [np.nan, -20.05]])
    np.testing.assert_allclose(whole(path, grid)[0], celsius, atol=1e-4)
    np.testing.assert_allclose(whole(path, grid, offset=0)[0], celsius + 273.15, atol=1e-4)
    np.testing.assert_allclose(
        whole(path, grid, scale=1, offset=0)[0], [[2731, 2981], [np.nan, 2531]]
    )
    # Codes of nodata are those in the file.
    np.testing.assert_allclose(
        whole(path, grid, nodata=[2531])[0], [[-0.05, 24.95], [np.nan, np.nan]], atol=1e-4
    )


def test_class_codes_are_not_scaled(tmp_path: Path) -> None:
    path = write_tif(
        tmp_path / "a.tif", np.array([[1, 2], [2, 2]], "u1"), Affine(1, 0, 0, 0, -1, 52)
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5,), (3,)
    grid = Grid(0, 50, 2, 52, 1)
    np.testing.assert_array_equal(
        whole(path, grid, kind="class", classes={1: "a", 2: "b"})[0], [[1, 2], [2, 2]]
    )
    np.testing.assert_allclose(
        whole(path, grid, fraction_of=[2], classes={1: "a", 2: "b"})[0], [[0, 1], [1, 1]], atol=1e-6
    )


def test_gaps_are_filled_only_as_far_as_asked() -> None:
    row = np.array([[1, np.nan, np.nan, np.nan, np.nan, 2]], np.float32)
    np.testing.assert_array_equal(fill_nearest(row, 1), [[1, 1, np.nan, np.nan, 2, 2]])
    np.testing.assert_array_equal(fill_nearest(row, 2), [[1, 1, 1, 2, 2, 2]])


@pytest.mark.parametrize(
    ("keys", "make", "sentence"),
    [
        ({}, lambda p: None, "is not there"),
        ({}, lambda p: p.write_text("no raster"), "not a raster that GDAL knows"),
        (
            {},
            lambda p: write_tif(p, np.ones((4, 4), "f4"), Affine(1, 0, 0, 0, -1, 60), crs=None),
            "has no CRS",
        ),
        (
            {"crs": "EPSG:3995"},
            lambda p: write_tif(p, np.ones((4, 4), "f4"), Affine(1, 0, 0, 0, -1, 60)),
            "look like degrees",
        ),
        ({"crs": "EPSG:4326"}, lambda p: polar(p), "too large for degrees"),
        ({"crs": "EPSG:nonsense"}, lambda p: polar(p), "is not a CRS"),
        (
            {},
            lambda p: write_tif(p, np.ones((4, 4), "f4"), Affine(1, 0, -150, 0, -1, 10)),
            "covers no part of the grid",
        ),
    ],
    ids=[
        "missing",
        "broken",
        "no crs",
        "degrees called metres",
        "metres called degrees",
        "no such crs",
        "elsewhere",
    ],
)
def test_bad_rasters_are_refused_by_name(tmp_path: Path, keys, make, sentence) -> None:
    make(tmp_path / "a.tif")
    with pytest.raises(IcemapError, match=sentence) as error:
        whole(tmp_path / "a.tif", Grid(0, 50, 10, 60, 1), **keys)
    assert "'a'" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"variable": "clay"}, "must be the number of a band"),
        ({"variable": "2"}, "has 1 bands, but 'variable' asks for band 2"),
        ({"select": {"month": 1}}, "no axes to 'select': choose its band with 'variable'"),
        ({"step": ("band", 3, 12)}, "has 1 bands and not 12 along 'band'"),
    ],
)
def test_bad_bands_are_refused_by_name(tmp_path: Path, keys, sentence) -> None:
    path = write_tif(tmp_path / "a.tif", np.ones((4, 4), "f4"), Affine(1, 0, 0, 0, -1, 60))
    with pytest.raises(IcemapError, match=sentence) as error:
        whole(path, Grid(0, 56, 4, 60, 1), **keys)
    assert "'a'" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"variable": "nothing"}, "no variable 'nothing', it has a, b"),
        ({}, "name one as 'variable'"),
        ({"variable": "a"}, "further axis 'time': choose"),
        ({"variable": "a", "select": {"time": 99}}, "99.0 is not on its axis 'time'"),
        ({"variable": "a", "select": {"depth": 1}}, "'select' names 'depth'"),
        ({"variable": "b", "x": "easting"}, "no dimension 'easting'"),
    ],
)
def test_bad_netcdf_selections_are_refused_by_name(tmp_path: Path, keys, sentence) -> None:
    lon, lat = np.arange(0.5, 10), np.arange(50.5, 60)
    data = {
        "a": (("time", "lat", "lon"), np.zeros((2, 10, 10))),
        "b": (("lat", "lon"), np.zeros((10, 10))),
    }
    xr.Dataset(data, coords={"time": [1, 2], "lat": lat, "lon": lon}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(IcemapError, match=sentence):
        whole(tmp_path / "a.nc", Grid(0, 50, 10, 60, 1), **keys)


def test_uneven_axes_are_refused(tmp_path: Path) -> None:
    lat = np.array([50, 51, 53, 56.0])
    xr.Dataset(
        {"a": (("lat", "lon"), np.zeros((4, 4)))}, coords={"lat": lat, "lon": np.arange(4.0)}
    ).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(IcemapError, match="axis 'lat' is not evenly spaced"):
        whole(tmp_path / "a.nc", Grid(0, 50, 4, 56, 1))


def test_a_truncated_raster_is_refused(tmp_path: Path) -> None:
    path = write_tif(
        tmp_path / "a.tif",
        np.random.default_rng(0).normal(size=(300, 300)).astype("f4"),
        Affine(0.1, 0, 0, 0, -0.1, 60),
    )
    path.write_bytes(path.read_bytes()[:150_000])
    with pytest.raises(IcemapError, match="broken or truncated"):
        whole(path, Grid(0, 30, 30, 60, 1))


SHARED = Path(__file__).parents[2] / "../shared/realcase"
REAL = {
    "soil_clay": ({"variable": "T_CLAY", "unit": "%"}, "T_CLAY.nc4", 1e-4),
    "t_range": (
        {"reduce": {"month": "range"}, "unit": "K"},
        "itu_p1510_monthly_t_0.75deg.nc",
        5e-3,
    ),
    "ndvi_jun": ({}, "rasterdiv_copNDVI.tif", 1e-3),
    "heat_flow": ({"variable": "ghf", "unit": "mW m-2"}, "Lucazeau2019_GHF.nc", 1e-3),
    "sed_thick": ({"variable": "H_sed", "unit": "m"}, "Mooney2023_Sediments.nc", 1e-3),
    "landcover": (
        {"kind": "class", "classes": {i: str(i) for i in range(20)}},
        "tmap_land_cover.tif",
        0,
    ),
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.skipif(not SHARED.exists(), reason="the real grids are not on this machine")
def test_real_sources_agree_with_the_grids_made_from_them_independently(name: str) -> None:
    keys, file, tolerance = REAL[name]
    ours, _ = whole(SHARED / "grids_native" / file, Grid(-180, 30, 180, 84, 1 / 6), **keys)
    with rasterio.open(SHARED / "grids_10min" / f"{name}.tif") as dataset:
        theirs = dataset.read(1, masked=True).astype("f4").filled(np.nan)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.sum() > 200_000
    difference = np.abs(ours - theirs)[both]
    # They took the range of interpolated months where we interpolate the range, and filled or cut
    # some cells along coasts otherwise.
    assert np.quantile(difference, 0.99) <= tolerance * np.ptp(theirs[both])
    assert np.corrcoef(ours[both], theirs[both])[0, 1] > 0.999


@pytest.mark.parametrize(("degrees", "samples"), [(0.05, (2, 12)), (5.0, (24, 24))])
def test_points_of_a_cell_grow_with_the_cells_of_a_rotated_raster_up_to_a_limit(
    tmp_path: Path, degrees, samples
) -> None:
    """A polar raster of 1 km: a few points a side in a cell of a few km, 24 in one of 500 km."""
    shift = Affine.translation(-200_000, -1_900_000)
    write_tif(
        tmp_path / "polar.tif",
        np.ones((400, 400), np.float32),
        shift * Affine.scale(1000, -1000),
        "EPSG:3413",
    )
    grid = Grid(-50, 70, -40, 75, degrees)
    with open_source(source(tmp_path / "polar.tif"), grid) as raster:
        how = resampling(raster, grid)
    assert how.method == "average"
    assert samples[0] <= how.samples <= samples[1]


@pytest.mark.parametrize("kind", ["continuous", "class", "share"])
@pytest.mark.parametrize(
    ("west", "north", "columns", "rows"),
    [
        (0, 70, 40, 20),
        (-2, 72, 60, 30),
        (5, 66, 12, 5),
        (-180, 90, 1440, 720),
        (180, 90, 1440, 720),
    ],
    ids=["the grid itself", "beyond it", "a part of it", "the globe", "the globe from 180"],
)
def test_cells_that_are_the_grids_are_taken_as_they_are(
    tmp_path, monkeypatch, kind, west, north, columns, rows
):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 9, (rows, columns)).astype(np.float32)
    if kind == "continuous":
        values += rng.random(values.shape).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = -9
    transform = Affine(0.25, 0, west, 0, -0.25, north)
    path = write_tif(tmp_path / "a.tif", values, transform, nodata=-9)
    grid = Grid(0.0, 65.0, 10.0, 70.0, 0.25)
    keys = {
        "continuous": {},
        "class": {"kind": "class", "classes": {code: f"class {code}" for code in range(1, 10)}},
        "share": {
            "classes": {code: f"class {code}" for code in range(1, 10)},
            "fraction_of": [1, 2],
        },
    }[kind]
    taken, _ = whole(path, grid, chunk=7, **keys)
    warped = []
    monkeypatch.setattr(
        "icemap.predictors.align._first_of_own_cells", lambda *args: warped.append(1)
    )
    by_gdal, _ = whole(path, grid, chunk=7, **keys)
    assert warped
    assert np.isnan(taken).any()
    assert np.isfinite(taken).any()
    np.testing.assert_array_equal(taken, by_gdal)


@pytest.mark.parametrize("off", [0.0, 0.01, 0.5])
def test_cells_that_lie_a_little_off_are_resampled(tmp_path, off):
    values = np.random.default_rng(0).random((20, 40)).astype(np.float32)
    path = write_tif(tmp_path / "a.tif", values, Affine(0.25, 0, 0.25 * off, 0, -0.25, 70))
    found, _ = whole(path, Grid(0.0, 65.0, 10.0, 70.0, 0.25))
    inner = np.s_[2:-2, 2:-2]
    weighed = (1 - off) * values + off * np.roll(values, 1, axis=1)
    np.testing.assert_allclose(found[inner], weighed[inner], atol=2e-6)
    assert np.array_equal(found[inner], values[inner]) == (off == 0)


@pytest.mark.parametrize("crs", ["EPSG:4284", "EPSG:4267"], ids=["Pulkovo 1942", "NAD27"])
def test_cells_of_another_datum_are_not_the_grids(tmp_path, monkeypatch, crs):
    values = np.random.default_rng(0).random((20, 40)).astype(np.float32)
    path = write_tif(tmp_path / "a.tif", values, Affine(0.25, 0, 0, 0, -0.25, 70), crs=crs)
    grid = Grid(0.0, 65.0, 10.0, 70.0, 0.25)
    found, _ = whole(path, grid)
    monkeypatch.setattr("icemap.predictors.align._first_of_own_cells", lambda *args: None)
    by_gdal, _ = whole(path, grid)
    np.testing.assert_array_equal(found, by_gdal)
    if crs == "EPSG:4284":
        assert np.abs(found - values).max() > 1e-4
