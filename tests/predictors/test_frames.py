"""CRSs on other meridians, in other units and of no place; rasters across the date line."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
import xarray as xr
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, require_overlap, resampling
from icemap.predictors.frames import frame_of
from icemap.predictors.sources import open_source
from tests.small_rasters import source, write_tif

pytestmark = pytest.mark.quick

# Degrees east of Greenwich: NTF and MGI on the meridians of Paris and Ferro, in grads and degrees.
PARIS, FERRO = 2.33722917, -17.66666666666667
LOCAL = 'LOCAL_CS["arbitrary",UNIT["metre",1],AXIS["E",EAST],AXIS["N",NORTH]]'
ENGINEERING = (
    'ENGCRS["a building site",EDATUM["a'
    ' corner"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
)
WGS84_FERRO = (
    'GEOGCS["WGS 84 (Ferro)",DATUM["WGS_1984",SPHEROID["WGS'
    " "
    '84",6378137,298.257223563]],PRIMEM["Ferro",-17.6666666666667],UNIT["degree",0.0174532925199433]]'
)
PARIS_GRADS = (
    'GEOGCS["WGS 84 (Paris)",DATUM["WGS_1984",SPHEROID["WGS'
    ' 84",6378137,298.257223563]],PRIMEM["Paris",2.33722917],UNIT["grad",0.01570796326794897]]'
)
IN_RADIANS = (
    'GEOGCS["WGS 84 (rad)",DATUM["WGS_1984",SPHEROID["WGS'
    ' 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["radian",1]]'
)


def whole(path, grid: Grid, chunk: int = 1000, **keys) -> np.ndarray:
    out = np.full(grid.shape, np.nan, np.float32)
    with open_source(source(path, **keys), grid) as raster:
        require_overlap(raster, grid)
        how = resampling(raster, grid)
        for part in grid.chunks(chunk):
            out[part.rows, part.cols] = align(raster, grid, part, how)
    return out


@pytest.mark.parametrize(
    ("crs", "degrees", "meridian"),
    [
        ("EPSG:4326", 1, 0),
        ("OGC:CRS84", 1, 0),
        ("EPSG:4258", 1, 0),
        ("EPSG:32633", 1, 0),
        ("EPSG:3413", 1, 0),
        ("EPSG:27572", 1, 0),
        ("EPSG:4807", 0.9, PARIS),
        ("EPSG:4805", 1, FERRO),
        (WGS84_FERRO, 1, FERRO),
        (PARIS_GRADS, 0.9, PARIS),
        (IN_RADIANS, 180 / np.pi, 0),
    ],
)
def test_meridian_and_unit_of_angle_are_read(crs, degrees, meridian):
    frame = frame_of(crs, "a")
    assert (frame.degrees, frame.meridian) == pytest.approx((degrees, meridian), abs=1e-8)
    known = pyproj.CRS.from_user_input(frame.crs)
    if degrees != 1 or meridian:
        assert known.prime_meridian.longitude == 0
        assert known.axis_info[0].unit_conversion_factor == pytest.approx(np.pi / 180)
    else:
        assert frame.crs == crs


@pytest.mark.parametrize("code", ["EPSG:4807", "EPSG:4805", "EPSG:4806", "EPSG:4818", "EPSG:4904"])
def test_coordinates_of_a_frame_are_those_that_pyproj_finds(code):
    """The datum stays as it was: only the count of longitudes changes."""
    frame, original = frame_of(code, "a"), pyproj.CRS(code)
    own = np.array([10.0, 52.0])
    place = pyproj.Transformer.from_crs(
        original, original.geodetic_crs.to_3d().to_2d(), always_xy=True
    ).transform(*own)
    counted = (own[0] * frame.degrees + frame.meridian, own[1] * frame.degrees)
    expected = pyproj.Transformer.from_crs(original, frame.crs, always_xy=True).transform(*place)
    assert counted == pytest.approx(expected, abs=1e-7)
    assert pyproj.CRS(frame.crs).ellipsoid == original.ellipsoid


@pytest.mark.parametrize("crs", [LOCAL, ENGINEERING], ids=["LOCAL_CS", "ENGCRS"])
def test_a_crs_of_no_place_is_refused(crs):
    with pytest.raises(
        IcemapError,
        match=(
            r"^The source 'a': its CRS '.*' is a local one, tied to no place on the globe: give the"
            r" true one as 'crs'"
        ),
    ):
        frame_of(crs, "The source 'a'")


@pytest.mark.parametrize("crs", ["EPSG:999999", "nonsense", ""])
def test_no_crs_is_refused(crs):
    with pytest.raises(IcemapError, match="is not a CRS: give 'crs' in the catalogue"):
        frame_of(crs, "The source 'a'")


def test_a_raster_in_a_local_crs_is_refused_unless_the_catalogue_knows_better(tmp_path):
    lon = np.broadcast_to(np.arange(10.5, 20, dtype="f4"), (5, 10)).copy()
    path = write_tif(tmp_path / "a.tif", lon, Affine(1, 0, 10, 0, -1, 65), LOCAL)
    grid = Grid(10, 60, 20, 65, 1)
    with pytest.raises(IcemapError, match="is a local one, tied to no place on the globe"):
        whole(path, grid)
    np.testing.assert_allclose(whole(path, grid, crs="EPSG:4326")[0], grid.longitudes)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:3413"])
def test_a_raster_without_georeference_is_refused(tmp_path, crs):
    path = write_tif(tmp_path / "a.tif", np.ones((90, 180), "f4"), None, crs)
    with pytest.raises(IcemapError, match="has no georeference: its cells are at no place"):
        whole(path, Grid(10, 60, 20, 65, 1), crs=crs or "EPSG:4326")
    with pytest.raises(IcemapError, match="has no georeference: its cells are at no place"):
        whole(path, Grid(10, 60, 20, 65, 1))


@pytest.mark.parametrize(
    ("crs", "unit", "meridian"),
    [("EPSG:4805", 1.0, FERRO), ("EPSG:4807", 0.9, PARIS), (IN_RADIANS, 180 / np.pi, 0.0)],
    ids=["Ferro", "Paris in grads", "radians"],
)
@pytest.mark.parametrize("told_by", ["the file", "the catalogue"])
def test_a_raster_on_another_meridian_is_where_it_belongs(tmp_path, crs, unit, meridian, told_by):
    """Each cell holds its longitude from Greenwich, or its latitude."""
    lon, lat = np.arange(0.125, 40, 0.25), np.arange(69.875, 55, -0.25)
    transform = Affine(0.25 / unit, 0, (0 - meridian) / unit, 0, -0.25 / unit, 70 / unit)
    grid = Grid(10, 60, 20, 65, 0.5)
    in_file, keys = (crs, {}) if told_by == "the file" else ("EPSG:4326", {"crs": crs})
    for values, expected in (
        (lon[None, :], grid.longitudes[None, :]),
        (lat[:, None], grid.latitudes[:, None]),
    ):
        stored = np.broadcast_to(values, (60, 160)).astype("f4")
        found = whole(write_tif(tmp_path / "a.tif", stored, transform, in_file), grid, **keys)
        # The datums are up to 200 m apart.
        np.testing.assert_allclose(found, np.broadcast_to(expected, grid.shape), atol=4e-3)


def test_a_netcdf_on_another_meridian_is_where_it_belongs(tmp_path):
    lon, lat = np.arange(0.5, 40), np.arange(69.5, 50, -1)
    mapping = {
        "crs_wkt": WGS84_FERRO,
        "grid_mapping_name": "latitude_longitude",
        "longitude_of_prime_meridian": FERRO,
    }
    dataset = xr.Dataset(
        {
            "v": (("lat", "lon"), np.broadcast_to(lon, (20, 40)).copy(), {"grid_mapping": "crs"}),
            "crs": ((), 0, mapping),
        },
        coords={
            "lon": ("lon", lon - FERRO, {"units": "degrees_east"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
        },
    )
    dataset.to_netcdf(tmp_path / "a.nc")
    grid = Grid(10, 60, 20, 65, 1)
    found = whole(tmp_path / "a.nc", grid, variable="v")
    np.testing.assert_allclose(found, np.broadcast_to(grid.longitudes, grid.shape), atol=1e-3)


@pytest.mark.parametrize(
    ("crs", "unit", "meridian"),
    [(WGS84_FERRO, 1.0, FERRO), (PARIS_GRADS, 0.9, PARIS)],
    ids=["Ferro", "Paris in grads"],
)
def test_polygons_on_another_meridian_are_where_they_belong(tmp_path, crs, unit, meridian):
    west, east = ((place - meridian) / unit for place in (12, 15))
    shape = shapely.box(west, 61 / unit, east, 64 / unit)
    gpd.GeoDataFrame({"n": ["a"]}, geometry=[shape], crs=crs).to_file(tmp_path / "a.gpkg")
    grid = Grid(10, 60, 20, 65, 1)
    found = whole(tmp_path / "a.gpkg", grid, rasterize={"into": "fraction"})
    expected = np.zeros(grid.shape)
    expected[1:4, 2:5] = 1
    np.testing.assert_allclose(found, expected, atol=0.03)


def smooth(lon, lat):
    return (
        10 * np.sin(np.radians(lat)) + 5 * np.cos(np.radians(lon - 50)) * np.cos(np.radians(lat))
    ).astype("f4")


def named(path: Path, west: float, width: int = 30, edge: float = 1.0) -> Path:
    lon, lat = np.meshgrid(west + edge * (np.arange(width) + 0.5), np.arange(69.5, 60, -1))
    return write_tif(path, smooth(lon, lat), Affine(edge, 0, west, 0, -1, 70))


@pytest.mark.parametrize("chunk", [1000, 7])
@pytest.mark.parametrize("west", [170.0, -190.0, 530.0])
@pytest.mark.parametrize(
    "edges", [(160, 210), (150, 205), (170, -160), (175, 185), (-180, 180), (0, 360), (100, 460)]
)
def test_a_raster_across_the_date_line_is_the_same_on_any_grid(tmp_path, west, edges, chunk):
    grid = Grid(edges[0], 60, edges[1], 70, 1)
    found = whole(named(tmp_path / "a.tif", west), grid, chunk)
    expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes))
    # The raster is from 170 to 200.
    inside = ((grid.longitudes - 170) % 360) < 30
    assert inside.sum() == min(30, grid.shape[1])
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-5)
    assert np.isnan(found[:, ~inside]).all()


@pytest.mark.parametrize("chunk", [1000, 7])
@pytest.mark.parametrize(
    ("west", "width", "edge", "edges"),
    [
        (-170.0, 15, 1.0, (160, 210)),
        (-180.0, 15, 1.0, (175, 200)),
        (172.0, 40, 0.7, (160, 210)),
        (-188.0, 40, 0.7, (-180, 180)),
        (-188.0, 40, 0.7, (160, 210)),
        (172.0, 40, 0.7, (100, 460)),
        (-10.0, 40, 0.7, (0, 360)),
    ],
)
def test_a_region_whose_cells_do_not_go_round_is_found_at_every_count(
    tmp_path, chunk, west, width, edge, edges
):
    """Cells of 0.7 degrees do not make up a circle; a raster from -170 on is at 190 in a grid
    across the line.
    """
    grid = Grid(edges[0], 61, edges[1], 69, 1)
    found = whole(named(tmp_path / "a.tif", west, width, edge), grid, chunk)
    expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes))
    inside = ((grid.longitudes - west - edge) % 360) < (width - 2) * edge
    outside = ((grid.longitudes - west + 1) % 360) > width * edge + 2
    assert inside.sum() > 10
    assert np.abs(found[:, inside] - expected[:, inside]).max() < 4e-3
    assert np.isnan(found[:, outside]).all()


@pytest.mark.parametrize("west", [-180.0, 0.0, -0.5, 20.0])
def test_a_global_raster_has_no_seam_in_a_grid_across_the_date_line(tmp_path, west):
    path = named(tmp_path / "a.tif", west, 360)
    coarse = Grid(160, 62, 210, 68, 1)
    fine = Grid(160, 62, 210, 68, 0.25)
    for grid in (coarse, fine):
        found = whole(path, grid)
        expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes))
        # Bilinear interpolation over 1 degree; half a cell of shift would err by ten times as much.
        assert np.abs(found - expected).max() < 4e-3


@pytest.mark.parametrize("sides", [("a", "b"), ("b", "a")])
def test_two_tiles_on_either_side_of_the_date_line_are_one_source(tmp_path, sides):
    """One ends at 180, the other begins at -180."""
    named(tmp_path / f"{sides[0]}.tif", 170.0, 10)
    named(tmp_path / f"{sides[1]}.tif", -180.0, 10)
    grid = Grid(170, 60, 190, 70, 1)
    found = whole(
        tmp_path / "a.tif", grid, parts=(str(tmp_path / "a.tif"), str(tmp_path / "b.tif"))
    )
    expected = smooth(*np.meshgrid(grid.longitudes, grid.latitudes))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_raster_beside_a_grid_across_the_date_line_is_refused(tmp_path):
    with pytest.raises(IcemapError, match=r"covers no part of the grid \(160 to 210 E"):
        whole(named(tmp_path / "a.tif", 100.0), Grid(160, 60, 210, 70, 1))


@pytest.mark.parametrize("names", [(178, 182), (-182, -178)])
def test_polygons_across_the_date_line_are_the_same_on_any_grid(tmp_path, names):
    shape = shapely.box(names[0], 62, names[1], 64)
    gpd.GeoDataFrame({"n": ["a"]}, geometry=[shape], crs="EPSG:4326").to_file(tmp_path / "a.gpkg")
    for edges in ((160, 210), (-180, 180), (100, 460), (0, 360)):
        grid = Grid(edges[0], 60, edges[1], 66, 1)
        found = whole(tmp_path / "a.gpkg", grid, 20, rasterize={"into": "fraction"})
        inside = (
            (grid.latitudes[:, None] > 62)
            & (grid.latitudes[:, None] < 64)
            & (((grid.longitudes - 178) % 360) < 4)
        )
        assert inside.sum() == 8
        np.testing.assert_array_equal(found, inside)
