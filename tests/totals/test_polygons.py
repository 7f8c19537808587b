from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.totals.polygons import Zone, read_zones

GLOBE = Grid(-180, 40, 180, 90, 2.0)
WHOLE = (slice(0, GLOBE.shape[0]), slice(0, GLOBE.shape[1]))


def write(path, shapes, crs="EPSG:4326", **columns) -> str:
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(path)
    return str(path)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(42, 88)), min_size=3, max_size=8))
def test_covered_parts_of_cells_add_up_to_the_polygon(points):
    hull = shapely.MultiPoint(points).convex_hull
    if hull.geom_type != "Polygon" or hull.area < 1e-3:
        return
    cover = Zone("hull", hull).coverage(GLOBE, *WHOLE)
    assert cover.max() <= 1
    assert cover.sum() * GLOBE.resolution**2 == pytest.approx(hull.area, rel=1e-5)


def test_windows_fit_together_and_holes_are_holes():
    area = Zone(
        "ring", shapely.Point(10.3, 60.2).buffer(15).difference(shapely.Point(12, 61).buffer(5))
    )
    whole = area.coverage(GLOBE, *WHOLE)
    parts = np.zeros_like(whole)
    for chunk in GLOBE.chunks(7):
        parts[chunk.rows, chunk.cols] = area.coverage(GLOBE, chunk.rows, chunk.cols)
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    assert whole[GLOBE.locate(12, 61)] == 0
    assert whole[GLOBE.locate(1, 60)] == 1


def test_across_the_date_line_however_it_is_drawn(tmp_path):
    beyond = shapely.box(170, 60, 190, 70)
    jumping = shapely.Polygon([(170, 60), (-170, 60), (-170, 70), (170, 70)])
    cut = shapely.MultiPolygon([shapely.box(170, 60, 180, 70), shapely.box(-180, 60, -170, 70)])
    for i, shape in enumerate((beyond, jumping, cut)):
        (area,) = read_zones(write(tmp_path / f"{i}.gpkg", [shape]))
        cover = area.coverage(GLOBE, *WHOLE)
        assert cover.sum() == pytest.approx(10 * 5), i
        assert cover[12, 1] == pytest.approx(1)
        assert cover[12, 90] == 0


def test_a_polygon_round_the_pole_in_a_polar_projection(tmp_path):
    disc = shapely.Point(0, 0).buffer(1_500_000, quad_segs=64)
    (area,) = read_zones(write(tmp_path / "cap.gpkg", [disc], crs="EPSG:3413", name=["cap"]))
    assert area.name == "cap"
    covered = area.coverage(GLOBE, *WHOLE)
    assert (covered * GLOBE.cell_area()[:, None]).sum() == pytest.approx(
        np.pi * 1500**2, rel=0.07
    )  # the projection is not of equal area
    assert covered[0].min() == pytest.approx(1)
    assert covered[-1].max() == 0


def test_names_come_from_an_attribute_the_first_words_or_a_number(tmp_path):
    shapes = [shapely.box(0, 50, 10, 60), shapely.box(20, 50, 30, 60), shapely.box(40, 50, 50, 60)]
    path = write(
        tmp_path / "c.geojson", shapes, code=["x", "x", "y"], land=["Alpha", "Beta", "Gamma"]
    )
    assert [area.name for area in read_zones(path)] == ["Alpha", "Beta", "Gamma"]
    joined = read_zones(path, "code")
    assert [area.name for area in joined] == ["x", "y"]
    assert joined[0].geometry.area == pytest.approx(200)
    assert [area.name for area in read_zones(write(tmp_path / "n.gpkg", shapes))] == ["1", "2", "3"]
    with pytest.raises(IcemapError, match=r"c\.geojson has no attribute 'iso': it has code, land"):
        read_zones(path, "iso")


def test_files_that_hold_no_areas_are_sentences(tmp_path):
    with pytest.raises(IcemapError, match="holds Point, but a zone needs polygons"):
        read_zones(write(tmp_path / "p.gpkg", [shapely.Point(1, 60)]))
    (tmp_path / "words.geojson").write_text("no shapes here")
    with pytest.raises(IcemapError, match="is not a vector file"):
        read_zones(str(tmp_path / "words.geojson"))
    with pytest.raises(IcemapError, match="no such file"):
        read_zones(str(tmp_path / "none.gpkg"))
    with pytest.raises(IcemapError, match="has no CRS"):
        read_zones(write(tmp_path / "nowhere.gpkg", [shapely.box(0, 50, 10, 60)], crs=None))
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(IcemapError, match=r"holds no polygons|without shapes"):
        read_zones(str(tmp_path / "empty.geojson"))


def test_without_exactextract_the_extra_is_named(tmp_path, monkeypatch):
    url = write(tmp_path / "a.gpkg", [shapely.box(0, 60, 1, 61)], name=["one"])
    # As importing does where a package is not installed.
    monkeypatch.setattr("icemap.totals.polygons.find_spec", lambda name: None)
    with pytest.raises(IcemapError, match=r"pip install 'icemap\[polygons\]'"):
        read_zones(url)
