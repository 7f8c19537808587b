"""Sites where nothing is mapped are trained on all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import yaml
from affine import Affine

from icemap.config import load_config
from icemap.pipeline.boreholes import STEP as BOREHOLES
from icemap.pipeline.cube import STEP as CUBE
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.running.ledger import Ledger

SHAPE = (32, 64)


def write_run(folder: Path) -> Path:
    """Two predictors, a mask that leaves the western half, sites on both sides."""
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    layers = {"maat": row - 10.0, "slope": col + 0.1 * row, "land": (col < 16).astype(float)}
    for name, values in layers.items():
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan}
        profile |= {"height": SHAPE[0], "width": SHAPE[1], "crs": "EPSG:4326"}
        with rasterio.open(
            folder / f"{name}.tif", "w", transform=Affine(1, 0, 0, 0, -1, 80), **profile
        ) as raster:
            raster.write(values.astype("f4"), 1)
    entries = {
        name: {
            "kwargs": {"data": f"{{data({name}_file)}}"},
            "metadata": {"family": "climate", "long_name": name, "unit": "1", "kind": "continuous"},
        }
        for name in layers
    }
    data = {
        f"{name}_file": {
            "kwargs": {"url": f"{name}.tif"},
            "metadata": {"licence": "CC0-1.0", "citation": "made for a test"},
        }
        for name in layers
    }
    catalog = {"version": 2, "data": data, "entries": entries}
    (folder / "catalog.yaml").write_text(yaml.safe_dump(catalog))
    settings = {
        "run": "run",
        "grid": {
            "west": 0,
            "south": 48,
            "east": 64,
            "north": 80,
            "resolution": 1,
            "chunk": 16,
        },
        "catalog": "catalog.yaml",
        "predictors": ["maat", "slope"],
        "masks": [{"source": "land", "at_least": 0.5}],
        "sites": {"table": "sites.csv", "value": "vic", "unit": "%"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder / "config.yaml"


def write_sites(folder: Path, more: list[tuple[float, float]]) -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(16 * 32, 60, replace=False)
    places = [(c % 16 + 0.5, 79.5 - c // 16) for c in cells.tolist()] + more
    table = pd.DataFrame(places, columns=["lon", "lat"])
    table["vic"] = rng.uniform(10, 60, len(table)).round(2)
    table.insert(0, "site", [f"s{i}" for i in range(len(table))])
    table.to_csv(folder / "sites.csv", index=False)


def made(config: Path) -> list[str]:
    said: list[str] = []
    context = Context(load_config(str(config)), "serial", 1, said.append)
    run_steps([CUBE, BOREHOLES], context, ["cube", "boreholes"])
    return said


def unread(folder: Path) -> set[str]:
    records = Ledger(str(folder / "run" / "ledger" / "cube")).records()
    return {key for key, record in records.items() if record.get("unread")}


def test_the_cube_is_completed_where_sites_are_and_nothing_is_mapped(tmp_path):
    config = write_run(tmp_path)
    write_sites(tmp_path, [])
    made(config)
    # The neighbours of sites at the edge could lend them a predictor.
    assert unread(tmp_path) == {f"r{i:03d}c{j:03d}" for i in range(2) for j in range(2, 4)}
    write_sites(tmp_path, [(40.5, 70.5)])
    said = made(config)
    assert "cube: there already" in said
    assert "  predictors of 1 chunks that hold sites, but no mapped cell" in said
    assert "r000c002" not in unread(tmp_path)
    assert "r000c003" in unread(tmp_path)
    samples = pd.read_parquet(tmp_path / "run" / "samples.parquet")
    own = samples[samples.lon == 40.5].iloc[0]
    assert (own.maat, own.slope, own.in_domain) == (-1.0, np.float32(40.9), False)
    assert len(samples) == 61
    assert not any("predictors of" in line for line in made(config))
