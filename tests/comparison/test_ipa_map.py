"""The worked case: the IPA map (Brown et al. 2002) gives the totals that were published from it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from icemap.comparison.class_table import read_class_table
from icemap.comparison.other_map import open_other
from icemap.config_sections import TargetConfig
from icemap.grid import Chunk, Grid

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "examples" / "ipa_classes.csv"
REAL = Path(os.environ.get("ICEMAP_DATA", ROOT.parent / "shared" / "realcase")) / "ipa_map"
# Of a cell of 12.5337625 km in an equal-area projection of a sphere, km2.
CELL = 12.5337625**2
GRID = Grid(-180, 20, 180, 90, 1.0)
# Zhang et al. 1999 (doi:10.1080/10889379909377670) print 11,370 to 36,550 km3 and 22.79 million
# km2, Zhang et al. 2000 (doi:10.1080/10889370009377692) 12.21 to 16.98 million km2.
PUBLISHED_KM3, PUBLISHED_REGION, PUBLISHED_AREA = (11_370, 36_550), 22.79e6, (12.21e6, 16.98e6)

needs_map = pytest.mark.skipif(
    not (REAL / "nhipa.byte").is_file(),
    reason="ICEMAP_DATA names no folder with ipa_map/nhipa.byte",
)


@pytest.fixture(scope="module")
def raster(tmp_path_factory) -> Path:
    """The file as published, with the header that is given with the examples."""
    folder = tmp_path_factory.mktemp("ipa")
    shutil.copy(REAL / "nhipa.byte", folder / "nhipa.byte")
    shutil.copy(ROOT / "examples" / "nhipa.hdr", folder / "nhipa.hdr")
    return folder / "nhipa.byte"


def test_the_table_has_the_classes_of_the_map():
    table = read_class_table(str(TABLE), "%", numbers=True)
    assert [int(one.code) for one in table.classes] == list(range(1, 26))
    assert len(table.known) == 20
    assert (table.ice, table.depth) == ("excess", 10)
    assert {one.depth for one in table.known if "thick" in one.name} == {20}
    assert {one.depth for one in table.known if "thin" in one.name} == {10}


@needs_map
def test_counted_cells_give_the_published_totals(raster):
    # Whatever a test before has made GDAL's own setting: the header is next to the raster.
    listed = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE")
    with listed, rasterio.open(raster) as file:
        codes, counts = np.unique(file.read(1, masked=True).compressed(), return_counts=True)
    areas = {str(code): float(count * CELL) for code, count in zip(codes, counts)}
    own = read_class_table(str(TABLE), "%", numbers=True).total(areas)
    low, middle, high = own.volume_km3
    assert (round(low), round(high)) == (11_241, 36_562)
    assert (low, high) == pytest.approx(PUBLISHED_KM3, rel=0.02)
    assert own.region_km2 == pytest.approx(23.39e6, rel=1e-3)
    assert own.region_km2 == pytest.approx(PUBLISHED_REGION, rel=0.03)
    assert (own.counted_km2[0], own.counted_km2[2]) == pytest.approx((12.56e6, 17.42e6), rel=1e-3)
    assert (own.counted_km2[0], own.counted_km2[2]) == pytest.approx(PUBLISHED_AREA, rel=0.03)
    shallow = read_class_table(str(TABLE), "%", numbers=True).total(areas, 5.0)
    assert [round(km3, -1) for km3 in shallow.volume_km3] == [3400, 7590, 13_000]
    # What 54,600 km3 in 5 m are to it, and to the whole depth.
    assert 54_600 / shallow.volume_km3[1] == pytest.approx(7.2, abs=0.05)
    assert 54_600 / middle == pytest.approx(2.4, abs=0.05)


@needs_map
def test_opened_as_another_map_it_gives_them_on_the_ellipsoid(raster):
    """The sphere of the projection is 0.6 % smaller in the Arctic than the ellipsoid."""
    with open_other(str(raster), GRID, TargetConfig(), str(TABLE)) as other:
        own, shallow = other.own_total(None), other.own_total(5.0)
        chunk = Chunk((0, 0), slice(10, 30), slice(0, 360))
        values = other.values(chunk)
    assert (own.volume_km3[0], own.volume_km3[2]) == pytest.approx(
        (11_241 * 1.0065, 36_562 * 1.0065), rel=1e-3
    )
    assert own.region_km2 == pytest.approx(23.5e6, rel=2e-3)
    assert shallow.volume_km3 == pytest.approx(np.array([3398, 7590, 13_000]) * 1.0065, rel=1e-3)
    known = np.isfinite(values.middle)
    area = np.broadcast_to(GRID.cell_area()[chunk.rows][:, None], known.shape)
    # Between 60 and 80 N, on the grid: as much excess ice in 5 m as the classes have, without their
    # extents.
    assert 9e6 < area[known].sum() < 14e6
    assert (values.low[known] <= values.middle[known]).all()
    assert (values.middle[known] <= values.high[known]).all()
    assert 25 >= values.middle[known].max() > 20
