"""Polygons onto grids: area shares, classes and values that are known."""

from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.shutil import copy
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import require_overlap, resampling
from icemap.predictors.fields import ChunkFields
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.vectors import require_layer
from icemap.source import Source
from tests.small_rasters import write_tif

pytestmark = pytest.mark.quick


def source(path, rasterize, **keys):
    return Source(
        **{
            "name": "rock",
            "family": "geology",
            "long_name": "rock",
            "unit": "1",
            "url": str(path),
            "rasterize": rasterize,
            **keys,
        }
    )


def whole(path, grid, rasterize, chunk=10_000, **keys):
    made = source(path, rasterize, **keys)
    with open_source(made, grid) as raster:
        require_overlap(raster, grid)
        ways = {made.name: resampling(raster, grid)}
    require_layer(open_layer_of(made, grid), grid)
    out = np.full(grid.shape, -7, np.float32)
    for part in grid.chunks(chunk):
        out[part.rows, part.cols] = ChunkFields(grid, ways, part, [made]).read(made)
    return out


def write(path, shapes, crs="EPSG:4326", **columns):
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return path


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson"])
def test_area_shares_of_boxes_are_exact_where_edges_fall_on_samples(tmp_path: Path, suffix) -> None:
    path = write(
        tmp_path / f"a.{suffix}",
        [box(10.25, 60, 12.5, 61.5), box(13, 62, 14, 63)],
        rock=["granite", "ice"],
    )
    out = whole(path, Grid(10, 60, 15, 63, 1), {"into": "fraction"})
    np.testing.assert_allclose(
        out, [[0, 0, 0, 1, 0], [0.375, 0.5, 0.25, 0, 0], [0.75, 1, 0.5, 0, 0]], atol=1e-6
    )
    percent = whole(
        path,
        Grid(10, 60, 15, 63, 1),
        {"into": "fraction", "attribute": "rock", "only": ["ice"]},
        unit="%",
    )
    np.testing.assert_allclose(percent, [[0, 0, 0, 100, 0], [0] * 5, [0] * 5], atol=1e-4)


def test_area_shares_of_any_shape_err_by_less_the_more_samples(tmp_path: Path) -> None:
    disk = Point(15.3, 64.7).buffer(3.1)
    path = write(tmp_path / "a.gpkg", [disk])
    grid = Grid(10, 60, 20, 70, 0.5)
    exact = np.array(
        [
            [
                box(x - 0.25, y - 0.25, x + 0.25, y + 0.25).intersection(disk).area * 4
                for x in grid.longitudes
            ]
            for y in grid.latitudes
        ]
    )
    errors = [
        np.abs(whole(path, grid, {"into": "fraction", "samples": samples}) - exact).max()
        for samples in (2, 8, 32)
    ]
    assert errors[1] < 0.06
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_lines_become_the_part_of_points_that_they_pass(tmp_path: Path) -> None:
    """A meridian passes one column of 8 x 8 points in every cell that it crosses, and no other."""
    grid = Grid(0, 60, 4, 64, 1.0)
    path = write(tmp_path / "lines.gpkg", [LineString([(2.3, 61), (2.3, 64)])])
    found = whole(path, grid, {"into": "fraction"})
    expected = np.zeros((4, 4))
    expected[:3, 2] = 1 / 8
    assert found == pytest.approx(expected, abs=1 / 64)
    with pytest.raises(
        IcemapError,
        match="holds LineString, but only polygons can be rasterized, or lines into 'fraction'",
    ):
        whole(path, grid, {"into": "value", "attribute": "x"})


def jumping(west, east, south, north):
    """A box across the date line, as drawn by tools that keep longitudes within 180 degrees."""
    return Polygon([(west, south), (east, south), (east, north), (west, north)])


ACROSS = {
    "cut": MultiPolygon([box(170, 65, 180, 70), box(-180, 65, -165, 70)]),
    "beyond 180": box(170, 65, 195, 70),
    "below -180": box(-190, 65, -165, 70),
    "jumping": jumping(170, -165, 65, 70),
}


@pytest.mark.parametrize("drawn", ACROSS)
@pytest.mark.parametrize(
    "grid",
    [Grid(-180, 60, 180, 75, 1), Grid(160, 60, 180, 75, 1), Grid(-180, 60, -160, 75, 1)],
    ids=["globe", "west of it", "east of it"],
)
def test_polygons_across_the_date_line_however_drawn(tmp_path: Path, drawn, grid) -> None:
    out = whole(
        write(tmp_path / "a.gpkg", [ACROSS[drawn]]),
        grid,
        {"into": "fraction", "samples": 4},
        chunk=16,
    )
    lon, lat = np.meshgrid(grid.longitudes, grid.latitudes)
    inside = ((lon > 170) | (lon < -165)) & (lat > 65) & (lat < 70)
    np.testing.assert_array_equal(out, inside)


def test_a_ring_round_the_pole_and_a_box_round_the_globe_hold_the_pole(tmp_path: Path) -> None:
    grid = Grid(-180, 60, 180, 90, 2)
    ring = Polygon([(lon, 75) for lon in np.arange(-175, 180, 10)])
    for k, shape in enumerate([ring, box(-180, 75, 180, 90)]):
        out = whole(write(tmp_path / f"{k}.gpkg", [shape]), grid, {"into": "fraction"}, chunk=32)
        # The edge at 75 degrees halves the row from 74 to 76.
        np.testing.assert_allclose(
            out,
            np.repeat(np.clip((grid.latitudes[:, None] - 74) / 2, 0, 1), 180, axis=1),
            atol=1e-6,
        )


@pytest.mark.parametrize("resolution", [0.5, 2])
def test_polar_layers_hold_their_area_across_date_line_and_pole(tmp_path: Path, resolution) -> None:
    """An equal-area disk about a point next to the pole; the sum of share times cell area is its
    area.
    """
    centre, radius = (-600_000, 900_000), 1_500_000
    path = write(tmp_path / "a.gpkg", [Point(centre).buffer(radius, quad_segs=90)], crs="EPSG:3573")
    grid = Grid(-180, 50, 180, 90, resolution)
    out = whole(path, grid, {"into": "fraction"}, chunk=64)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(
        (out * grid.cell_area()[:, None]).sum(),
        np.pi * (radius / 1000) ** 2,
        rtol=2e-3 * max(resolution, 1),
    )
    x, y = pyproj.Transformer.from_crs(4326, 3573, always_xy=True).transform(
        *np.meshgrid(grid.longitudes, grid.latitudes)
    )
    distance, cell = np.hypot(x - centre[0], y - centre[1]), 80_000 * resolution
    assert (out[distance < radius - cell] == 1).all()
    assert (out[distance > radius + cell] == 0).all()


def test_chunks_join_without_a_trace(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.gpkg",
        [Point(0, 0).buffer(2_000_000), box(1e6, 1e6, 3e6, 2e6)],
        crs="EPSG:3995",
        t=[3.0, 8.0],
    )
    grid = Grid(-180, 60, 180, 90, 1)
    for rasterize in ({"into": "fraction"}, {"into": "value", "attribute": "t"}):
        np.testing.assert_array_equal(
            whole(path, grid, rasterize, chunk=17), whole(path, grid, rasterize)
        )


def test_classes_by_word_and_by_number_and_values(tmp_path: Path) -> None:
    shapes = [box(10, 60, 11.6, 61), box(11.6, 60, 13, 61), box(13, 60, 13.2, 61)]
    path = write(
        tmp_path / "a.gpkg",
        shapes,
        rock=["granite", "clay", None],
        code=[4, 6, 4],
        depth=[10.0, 20.0, np.nan],
    )
    grid = Grid(10, 60, 15, 61, 1)
    classes = {"kind": "class", "classes": {0: "none", 4: "granite", 6: "clay"}}
    words = {"into": "class", "attribute": "rock", "codes": {"granite": 4, "clay": 6}}
    np.testing.assert_array_equal(whole(path, grid, words, **classes)[0], [4, 4, 6, np.nan, np.nan])
    np.testing.assert_array_equal(
        whole(path, grid, words, **classes, fill_value=0)[0], [4, 4, 6, 0, 0]
    )
    numbers = {"into": "class", "attribute": "code"}
    # Without a fill value the rest of a cell has no say, with it the rest outvotes a fifth of the
    # cell.
    np.testing.assert_array_equal(whole(path, grid, numbers, **classes)[0], [4, 4, 6, 4, np.nan])
    np.testing.assert_array_equal(
        whole(path, grid, numbers, **classes, fill_value=0)[0], [4, 4, 6, 0, 0]
    )
    value = whole(
        path, grid, {"into": "value", "attribute": "depth", "samples": 10}, unit="m", scale=2
    )[0]
    np.testing.assert_allclose(
        value, [20, 2 * (10 * 0.6 + 20 * 0.4), 40, np.nan, np.nan], rtol=1e-5
    )


@pytest.mark.parametrize("column", [[10.0, -9999.0, 12.0], [10, -9999, 12]])
def test_a_code_for_missing_in_an_attribute_is_asked_about(tmp_path: Path, column) -> None:
    path = write(
        tmp_path / "a.gpkg",
        [box(10, 60, 11, 61), box(11, 60, 12, 61), box(12, 60, 13, 61)],
        depth=column,
    )
    grid, rasterize = Grid(10, 60, 13, 61, 1), {"into": "value", "attribute": "depth"}
    with pytest.raises(
        IcemapError, match=r"-9999 in 1 of 3 polygons, far outside .* give 'nodata: \[-9999\]'"
    ):
        whole(path, grid, rasterize, unit="m")
    np.testing.assert_array_equal(
        whole(path, grid, rasterize, unit="m", nodata=[-9999])[0], [10, np.nan, 12]
    )


@pytest.mark.parametrize(
    ("rasterize", "keys", "sentence"),
    [
        ({"into": "value", "attribute": "deep"}, {}, "has no attribute 'deep', it has rock, depth"),
        (
            {"into": "value", "attribute": "rock"},
            {},
            "holds 'granite' in 'rock', which is no number: choose an attribute with numbers",
        ),
        (
            {"into": "class", "attribute": "rock"},
            {},
            "give 'codes', a mapping from word to class code",
        ),
        (
            {"into": "class", "attribute": "rock", "codes": {"granite": 1}},
            {},
            "holds 'clay' in 'rock', which its 'codes'",
        ),
        (
            {"into": "class", "attribute": "depth"},
            {},
            "class code 10 in 'depth', which its 'classes'",
        ),
        (
            {"into": "fraction", "attribute": "rock", "only": ["ice"]},
            {},
            "no polygon has 'ice' in 'rock', which holds granite, clay",
        ),
        ({"into": "fraction", "layer": "other"}, {}, "has no layer 'other', it has a"),
        ({"into": "fraction"}, {"crs": "EPSG:3995"}, "look like degrees"),
        ({"into": "fraction"}, {"crs": "EPSG:nonsense"}, "is not a CRS"),
    ],
)
def test_bad_rasterizing_is_refused_by_name(tmp_path: Path, rasterize, keys, sentence) -> None:
    path = write(
        tmp_path / "a.gpkg",
        [box(10, 60, 12, 61), box(12, 60, 13, 61)],
        rock=["granite", "clay"],
        depth=[10, 20],
    )
    classes = {"kind": "class", "classes": {1: "granite"}} if rasterize["into"] == "class" else {}
    with pytest.raises(IcemapError, match=sentence) as error:
        whole(path, Grid(10, 60, 15, 61, 1), rasterize, **keys, **classes)
    assert "'rock'" in str(error.value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: None, "is not there"),
        (lambda p: p.write_text("no vector file"), "not a vector file that GDAL knows, or broken"),
        (lambda p: write(p, [Point(11, 60)]), "holds Point, but only polygons"),
        (lambda p: write(p, [box(10, 60, 11, 61)], crs=None), "has no CRS"),
        (lambda p: write(p, [box(40, 10, 41, 11)]), "covers no part of the grid"),
        (
            lambda p: write(p, [box(4e6, 4e6, 5e6, 5e6)], crs="EPSG:3995"),
            "covers no part of the grid",
        ),
        (lambda p: write(p, [box(4e6, 4e6, 5e6, 5e6)], crs="EPSG:4326"), "too large for degrees"),
        (
            lambda p: p.write_bytes(
                write(p.with_name("b.gpkg"), [box(10, 60, 11, 61)]).read_bytes()[:5000]
            ),
            "not a vector file that GDAL knows, or broken",
        ),
    ],
    ids=[
        "missing",
        "text",
        "points",
        "no crs",
        "elsewhere",
        "elsewhere, projected",
        "metres called degrees",
        "truncated",
    ],
)
def test_bad_vector_files_are_refused_by_name(tmp_path: Path, make, sentence) -> None:
    make(tmp_path / "a.gpkg")
    with pytest.raises(IcemapError, match=sentence) as error:
        whole(tmp_path / "a.gpkg", Grid(10, 60, 15, 61, 1), {"into": "fraction"})
    assert "'rock'" in str(error.value)


def test_polygons_without_rasterize_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", [box(10, 60, 11, 61)])
    with pytest.raises(IcemapError, match="say with 'rasterize' in the catalogue what they become"):
        whole(path, Grid(10, 60, 15, 61, 1), None)


def test_the_table_of_a_shapefile_counts_among_its_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [box(10, 60, 11, 61)])
    assert source(path, {"into": "fraction"}).files == (str(path), str(path)[:-4] + ".dbf")


@pytest.mark.parametrize(
    ("other", "into", "fine"),
    [
        (Point(12.5, 61.5), "value", False),
        (Point(12.5, 61.5), "fraction", False),
        (LineString([(12, 61), (13, 62)]), "value", False),
        (LineString([(12, 61), (13, 62)]), "fraction", True),
        (MultiPolygon([box(12, 61, 13, 62)]), "value", True),
    ],
)
def test_shapes_without_an_area_among_polygons(tmp_path: Path, other, into, fine) -> None:
    path = write(tmp_path / "a.geojson", [box(10, 60, 12, 63), other], x=[1.0, 5.0])
    rasterize = {"into": into} | ({"attribute": "x"} if into == "value" else {})
    if fine:
        assert np.nanmax(whole(path, Grid(10, 60, 15, 63, 1), rasterize)) > 0
        return
    with pytest.raises(IcemapError, match=rf"a {other.geom_type} among its polygons, which covers"):
        whole(path, Grid(10, 60, 15, 63, 1), rasterize)


def test_a_raster_in_a_geopackage_is_called_so(tmp_path: Path) -> None:
    made = write_tif(tmp_path / "a.tif", np.ones((6, 10), "f4"), Affine(1, 0, 100, 0, -1, 66))
    copy(str(made), str(tmp_path / "a.gpkg"), driver="GPKG")
    with (
        pytest.raises(IcemapError, match="is a raster in a GeoPackage"),
        open_source(source(tmp_path / "a.gpkg", None), Grid(100, 60, 110, 66, 1)),
    ):
        pass
