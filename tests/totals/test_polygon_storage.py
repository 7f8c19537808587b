"""Totals of areas drawn after the map was made."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
import yaml
import zarr
from click.testing import CliRunner

from icemap.cli import main
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded, describe_gridded
from icemap.mapping.map_schema import HELD_OUT, map_variables
from icemap.mapping.replicate_fields import ReplicateFields, StoredReplicates, replicates_url
from icemap.mapping.sums import chunk_sums, to_records
from icemap.mapping.zones import masks_of
from icemap.running.ledger import Ledger
from icemap.totals.ice_storage import ice_storage, write_ice_storage
from icemap.totals.opened_map import ResidualFacts
from icemap.totals.residual_field import Variogram, residual_total_sd
from icemap.verification.interval_scope import NORMAL_95
from icemap.zarr_groups import write_chunk

GRID = Grid(60, 50, 124, 82, 0.5)
REPLICATES = 12
VARIOGRAM = Variogram(60.0, 200.0, 20.0)


def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    mean = 50 + 20 * np.sin(lon / 9) + 10 * np.cos(lat)
    replicates = np.clip(
        mean
        + rng.normal(0, 3, (REPLICATES, 1, 1))
        + 2 * np.sin(lat / 5 + rng.normal(0, 3, (REPLICATES, 1, 1))),
        0,
        100,
    )
    return {
        "mapped": (lon + lat) % 7 > 1.5,
        "fraction": np.clip((lat - 40) / 30, 0, 1).astype("f4"),
        "replicates": replicates,
        "lon": lon,
        "lat": lat,
    }


def make_run(folder: Path) -> str:
    url = str(folder / "map.zarr")
    create_gridded(url, GRID, map_variables(TargetConfig()), {HELD_OUT: 0.1}, chunk=64)
    stored = ReplicateFields(replicates_url(url), REPLICATES, 0.0, 100.0)
    stored.create(GRID, 64)
    all_fields, ledger = fields(), Ledger(str(folder / "ledger" / "map"))
    for chunk in GRID.chunks(64):
        part = {name: values[..., chunk.rows, chunk.cols] for name, values in all_fields.items()}
        valid = part["mapped"]
        means = part["replicates"][:, valid]

        def raster(values, missing=np.nan, valid=valid):
            full = np.full(valid.shape, missing)
            full[valid] = values
            return full

        vic = means.mean(axis=0)
        flag = raster(vic > 50, 255).astype("u1")
        values = {
            "vic": vic,
            "vic_sd_ensemble": means.std(axis=0, ddof=1),
            "vic_lower95": vic - 15,
            "vic_upper95": vic + 15,
            "dissimilarity": vic / 100,
        }
        write_chunk(
            url,
            chunk,
            {name: raster(v).astype("f4") for name, v in values.items()}
            | {"aoa": flag, "extrapolated": flag},
        )
        codes = stored.empty(chunk)
        codes[:, valid] = stored.codes(means)
        stored.write(chunk, codes, np.where(valid, part["fraction"], np.nan))
        row, _ = np.nonzero(valid)
        area, fraction = GRID.cell_area()[chunk.rows][row], part["fraction"][valid]
        sums = {}
        for mask, counted in masks_of(fraction).items():
            here = chunk_sums(
                area, counted, means, np.full(len(area), 30 / 3.919927969080108), vic > 50
            )
            sums |= {
                name if mask == "fraction" else f"{name} / {mask}": value
                for name, value in here.items()
            }
        ledger.write(chunk.key, {"sums": to_records(sums)})
    row, col = np.nonzero(all_fields["mapped"])
    weight = GRID.cell_area()[row] * all_fields["fraction"][row, col]
    residual = {
        "all": residual_total_sd(GRID.longitudes[col], GRID.latitudes[row], weight, VARIOGRAM)
    }
    write_ice_storage(
        str(folder / "ice_storage.json"),
        ice_storage(url),
        ResidualFacts(5.0, VARIOGRAM, residual),
    )
    return url


@pytest.fixture(scope="module")
def map_url(tmp_path_factory) -> str:
    return make_run(tmp_path_factory.mktemp("run"))


def polygons(path: Path, **shapes) -> str:
    gpd.GeoDataFrame(
        {"name": list(shapes)}, geometry=list(shapes.values()), crs="EPSG:4326"
    ).to_file(path)
    return str(path)


def test_an_area_round_everything_has_the_totals_of_the_ledger(map_url, tmp_path):
    drawn = ice_storage(
        map_url, polygons(tmp_path / "all.gpkg", everything=shapely.box(0, 0, 180, 90))
    ).iloc[0]
    kept = ice_storage(map_url, "all").iloc[0]
    for column in (
        "area_km2",
        "area_aoa_km2",
        "ice_km3",
        "water_km3",
        "ice_km3_independent_lower95",
        "ice_km3_correlated_upper95",
    ):
        assert drawn[column] == pytest.approx(kept[column], rel=1e-6), column
    # The spread of the replicates comes back from one byte a cell.
    assert drawn["ice_km3_sd"] == pytest.approx(kept["ice_km3_sd"], rel=0.01)
    assert drawn["residual_sd"] == pytest.approx(kept["residual_sd"], rel=0.01)
    assert 0 < kept["share_residual"] < 1
    assert drawn["ice_km3_aoa"] == pytest.approx(kept["ice_km3_aoa"], rel=1e-3)


def test_the_total_of_an_area_does_not_depend_on_what_the_interval_is_for(map_url, tmp_path):
    everything = polygons(tmp_path / "all.gpkg", everything=shapely.box(0, 0, 180, 90))
    plain = ice_storage(map_url, everything).iloc[0]
    copied = tmp_path / "map.zarr"
    shutil.copytree(Path(map_url).parent, tmp_path, dirs_exist_ok=True)
    dataset = xr.open_zarr(copied, consolidated=False)
    # Twice as far from the mean, and then with a nugget of 9.
    half = NORMAL_95 * np.hypot(2 * 15 / NORMAL_95, 9.0)
    for name, end in (("vic_lower95", -half), ("vic_upper95", half)):
        stored = zarr.open_array(str(copied / name))
        stored[:] = np.where(np.isnan(stored[:]), np.nan, dataset.vic.to_numpy() + end)
    describe_gridded(
        str(copied),
        map_variables(TargetConfig()),
        {**dataset.attrs, "interval_stretch": 2.0, "interval_nugget": 9.0},
    )
    wider = ice_storage(str(copied), everything).iloc[0]
    for column in ("ice_km3_independent_lower95", "ice_km3_correlated_upper95"):
        assert wider[column] == pytest.approx(plain[column], rel=1e-4), column


@pytest.mark.parametrize("mask", ["fraction", "majority", "whole"])
def test_an_area_that_cuts_cells_has_the_sum_over_their_parts(map_url, tmp_path, mask):
    # Two rows of cells; the northern one by a quarter.
    shape = shapely.box(70, 60, 80, 60.625)
    row = ice_storage(map_url, polygons(tmp_path / "strip.geojson", strip=shape), mask=mask).iloc[0]
    f = fields()
    inside = (f["lon"] > 70) & (f["lon"] < 80) & f["mapped"]
    cover = np.where(
        inside & (abs(f["lat"] - 60.25) < 0.1),
        1.0,
        np.where(inside & (abs(f["lat"] - 60.75) < 0.1), 0.25, 0.0),
    )
    weight = cover * masks_of(f["fraction"])[mask] * GRID.cell_area()[:, None]
    totals = np.einsum("ij,rij->r", weight, f["replicates"]) * 5e-5
    assert row["area_km2"] == pytest.approx(weight.sum(), rel=1e-5)
    assert row["ice_km3"] == pytest.approx(totals.mean(), rel=1e-5)
    ensemble = row["share_ensemble"] ** 0.5 * row["ice_km3_sd"]
    assert ensemble == pytest.approx(3 * totals.std(ddof=1), rel=0.03)


def test_only_the_windows_an_area_meets_are_read(map_url, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(Path(map_url).parent, run)
    chunks = [path for path in run.glob("map.zarr/**/c/*/*") if path.is_file()] + [
        p for p in run.glob("map.zarr/replicates/value/c/*/*/*") if p.is_file()
    ]
    for path in chunks:
        if (
            path.parts[-2:] != ("0", "1")
            and "latitude" not in path.parts
            and "longitude" not in path.parts
        ):
            path.write_bytes(b"damaged")
    shape = polygons(tmp_path / "east.gpkg", east=shapely.box(100, 60, 105, 65))
    assert ice_storage(str(run / "map.zarr"), shape)["ice_km3"].item() == pytest.approx(
        ice_storage(map_url, shape)["ice_km3"].item()
    )


def test_a_copy_of_the_map_alone_still_gives_totals_of_areas(map_url, tmp_path):
    shutil.copytree(map_url, tmp_path / "copy.zarr")
    shape = polygons(
        tmp_path / "a.gpkg", a=shapely.box(80, 60, 90, 70), sea=shapely.box(0, 0, 1, 1)
    )
    row = ice_storage(str(tmp_path / "copy.zarr"), shape)
    assert row["region"].tolist() == ["a"]
    assert row["ice_km3"].item() == pytest.approx(ice_storage(map_url, shape)["ice_km3"].item())
    assert (
        row["share_residual"].item() == 0
    )  # without ice_storage.json nothing is known of the residual


def test_areas_without_totals_are_sentences(map_url, tmp_path):
    with pytest.raises(IcemapError, match="The zone 'sea' does not hold a cell that counts"):
        ice_storage(map_url, polygons(tmp_path / "sea.gpkg", sea=shapely.box(-40, 40, -30, 45)))
    with pytest.raises(IcemapError, match="None of the 2 zones holds a cell that counts"):
        ice_storage(
            map_url,
            polygons(
                tmp_path / "seas.gpkg", a=shapely.box(-40, 40, -30, 45), b=shapely.box(-10, 0, 0, 5)
            ),
        )
    bare = tmp_path / "map.zarr"
    create_gridded(str(bare), GRID, map_variables(TargetConfig()), {}, chunk=64)
    with pytest.raises(
        IcemapError, match=r"without the predictions of its replicates.*map\.replicate_fields"
    ):
        ice_storage(str(bare), polygons(tmp_path / "a.gpkg", a=shapely.box(80, 60, 90, 70)))


def test_one_byte_a_cell_keeps_values_to_a_quarter_percent(map_url):
    values, fraction = StoredReplicates(map_url).read(slice(0, 64), slice(0, 128))
    f = fields()
    assert np.nanmax(abs(values - np.where(f["mapped"], f["replicates"], np.nan))) <= 0.2501
    assert np.array_equal(np.isfinite(fraction), f["mapped"])


def test_totals_of_polygons_are_of_the_layer_of_the_run_and_say_so(map_url, tmp_path):
    """Thickness and variogram are read back from the run, into the totals and into their file."""
    run = tmp_path / "run"
    shutil.copytree(Path(map_url).parent, run)
    known = json.loads((run / "ice_storage.json").read_text())
    (run / "ice_storage.json").write_text(json.dumps({**known, "thickness_m": 2.0}))
    settings = {
        "run": "run",
        "catalog": "catalog.yaml",
        "grid": {"west": 80, "south": 60, "east": 90, "north": 70, "resolution": 1},
        "predictors": ["maat"],
        "masks": [],
        "sites": {"table": "sites.csv", "value": "vic", "unit": "%"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    shape = polygons(tmp_path / "box.gpkg", box=shapely.box(81, 61, 89, 69))
    done = CliRunner().invoke(main, ["storage", str(tmp_path / "config.yaml"), "--polygons", shape])
    assert done.exit_code == 0, done.output
    content = json.loads((run / "products" / "ice_storage_box.json").read_text())
    assert content["thickness_m"] == 2.0
    assert content["residual_variogram"] == asdict(VARIOGRAM)
    five_metres = ice_storage(map_url, shape).iloc[0]
    (row,) = content["regions"]
    assert row["ice_km3"] == pytest.approx(0.4 * five_metres["ice_km3"])
    assert row["residual_sd"] == pytest.approx(five_metres["residual_sd"])
    assert row["residual_sd"] > 0
