"""Totals by the classes of a raster."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import rasterio

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.totals.ice_storage import ice_storage

_spec = spec_from_file_location("compared", Path(__file__).parents[1] / "compared.py")
made = module_from_spec(_spec)
sys.modules["compared"] = made
_spec.loader.exec_module(made)

GRID = made.GRID


@pytest.fixture(scope="module")
def map_url(tmp_path_factory) -> str:
    return made.make_run(tmp_path_factory.mktemp("run")) + "/map.zarr"


def zones(lon, lat):
    """Two classes whose edge cuts cells at a quarter, and nodata."""
    return np.select([lon < 68.125, lon < 76], [3, 12], 0)


def test_zones_are_summed_with_the_part_of_each_cell(map_url, tmp_path):
    table = ice_storage(map_url, zones=made.class_raster(tmp_path / "zones.tif", zones)).set_index(
        "region"
    )
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    part = np.clip((68.125 - (lon - 0.25)) / 0.5, 0, 1)
    weight = GRID.cell_area()[:, None] * made.fraction_at(lon, lat)
    assert list(table.index) == ["3", "12"]
    for name, cover in {"3": part, "12": (1 - part) * (lon < 76)}.items():
        assert table.loc[name, "area_km2"] == pytest.approx((weight * cover).sum(), rel=1e-6)
        assert table.loc[name, "ice_km3"] == pytest.approx(
            (weight * cover * made.value_at(lon, lat)).sum() * 5e-5, rel=1e-6
        )
        assert (
            table.loc[name, "ice_km3_lower95"]
            < table.loc[name, "ice_km3"]
            < table.loc[name, "ice_km3_upper95"]
        )
        assert table.loc[name, "share_residual"] > 0


def test_zones_over_everything_add_up_to_the_total_of_the_ledger(map_url, tmp_path):
    """In another projection, whose cells are turned against the map's."""
    raster = made.polar_raster(
        tmp_path / "zones.tif", lambda lon, lat: 1 + (lon > 70) + 2 * (lat > 68), dtype="uint8"
    )
    table, whole = ice_storage(map_url, zones=raster), ice_storage(map_url, "all").iloc[0]
    assert len(table) == 4
    assert table["area_km2"].sum() == pytest.approx(whole["area_km2"], rel=1e-6)
    assert table["ice_km3"].sum() == pytest.approx(whole["ice_km3"], rel=1e-6)


def test_a_table_or_the_raster_itself_names_the_zones(map_url, tmp_path):
    raster, names = made.class_raster(tmp_path / "zones.tif", zones), tmp_path / "names.csv"
    names.write_text("code,name\n12,tundra\n3,forest\n")
    assert list(ice_storage(map_url, zones=raster, classes=str(names))["region"]) == [
        "tundra",
        "forest",
    ]
    own = tmp_path / "named.vrt"
    with rasterio.open(raster) as file:
        rasterio.shutil.copy(file, own, driver="VRT")
    categories = "".join(
        f"<Category>{name}</Category>" for name in ("", "", "", "wood", *[""] * 8, "heath")
    )
    text = own.read_text().replace(
        "<ColorInterp>Gray</ColorInterp>",
        f"<ColorInterp>Gray</ColorInterp><CategoryNames>{categories}</CategoryNames>",
    )
    own.write_text(text)
    assert list(ice_storage(map_url, zones=str(own))["region"]) == ["wood", "heath"]


def test_wrong_zones_are_one_sentence(map_url, tmp_path):
    raster, names = made.class_raster(tmp_path / "zones.tif", zones), tmp_path / "names.csv"
    names.write_text("code,name\n3,forest\n")
    with pytest.raises(
        IcemapError, match=r"holds the class code 12, which .*names.csv does not have"
    ):
        ice_storage(map_url, zones=raster, classes=str(names))
    with pytest.raises(IcemapError, match="which is no code of a class"):
        ice_storage(map_url, zones=made.polar_raster(tmp_path / "values.tif", made.value_at))
    with pytest.raises(IcemapError, match="no raster of zones at"):
        ice_storage(map_url, zones=str(tmp_path / "gone.tif"))
    with pytest.raises(IcemapError, match="covers no part of the grid"):
        ice_storage(
            map_url,
            zones=made.class_raster(
                tmp_path / "far.tif", zones, grid=Grid(-120, 60, -100, 76, 0.5)
            ),
        )
    with pytest.raises(IcemapError, match="No cell that counts"):
        ice_storage(
            map_url, zones=made.class_raster(tmp_path / "none.tif", lambda lon, lat: 0 * lon)
        )
    with pytest.raises(IcemapError, match="give one of them"):
        ice_storage(map_url, "all", zones=raster)
    with pytest.raises(IcemapError, match="give it with --zones"):
        ice_storage(map_url, classes=str(names))


def test_the_command_writes_the_totals_of_zones(map_url, tmp_path):
    from click.testing import CliRunner

    from icemap.cli import main

    config = tmp_path / "config.yaml"
    run = str(Path(map_url).parent)
    config.write_text(
        f"run: {run}\ngrid: {{west: 60, south: 60, east: 80, north: 76, resolution: 0.5}}\ncatalog:"
        " c.yaml\npredictors: [x]\nsites: {table: t.csv, value: v}\n"
    )
    raster = made.class_raster(tmp_path / "zones.tif", zones)
    result = CliRunner().invoke(main, ["storage", str(config), "--zones", raster])
    assert result.exit_code == 0, result.output
    written = json.loads((Path(run) / "products" / "ice_storage_zones.json").read_text())
    assert [row["region"] for row in written["regions"]] == ["3", "12"]
    refused = CliRunner().invoke(
        main, ["storage", str(config), "--zones", raster, "--polygons", "x.gpkg"]
    )
    assert refused.exit_code == 2
    assert "--polygons or --zones" in refused.output
    refused = CliRunner().invoke(main, ["storage", str(config), "--classes", "x.csv"])
    assert refused.exit_code == 2
    assert "give that with --zones" in refused.output
