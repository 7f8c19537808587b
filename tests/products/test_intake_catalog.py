from __future__ import annotations

import json
import shutil
from pathlib import Path

import intake
import numpy as np
import pytest

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables
from icemap.products.cog import write_cogs
from icemap.products.intake_catalog import write_catalog
from icemap.zarr_groups import write_chunk

GRID = Grid(100, 50, 140, 70, 1.0)
TARGET = TargetConfig(
    name="alt", long_name="active-layer thickness", unit="cm", bounds=(0.0, 500.0)
)
TITLE = "Active layer, a test"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("made") / "run"
    url = str(run / "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {"title": TITLE}, chunk=16)
    rng = np.random.default_rng(0)
    for chunk in GRID.chunks(16):
        write_chunk(
            url, chunk, {v.name: rng.integers(0, 2, chunk.shape) for v in map_variables(TARGET)}
        )
    write_cogs(url, str(run / "products"), TARGET)
    write_catalog(str(run), TITLE)
    # Everything must still be found after a move: addresses are relative.
    moved = run.parent / "elsewhere"
    shutil.move(run, moved)
    return moved


def test_intake_opens_every_entry(run):
    catalog = intake.open_catalog(str(run / "catalog.yaml"))
    assert set(catalog) == {"map", "ALT", "ALT_lower95", "ALT_upper95", "ALT_sd", "ALT_aoa"}
    stored = catalog["map"].read()
    assert stored.alt.chunks is not None, "opened lazily"
    published = catalog["ALT"].read()
    np.testing.assert_array_equal(published.band_data.values[0], stored.alt.values)


def test_no_address_is_absolute(run):
    text = (run / "catalog.yaml").read_text()
    assert str(run) not in text
    assert str(run.parent) not in text


def test_a_group_is_consolidated_before_the_catalogue_says_so(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    description = tmp_path / "run" / "map.zarr" / "zarr.json"
    content = json.loads(description.read_text())
    assert content.pop("consolidated_metadata")
    description.write_text(json.dumps(content))
    write_catalog(str(tmp_path / "run"), TITLE)
    assert json.loads(description.read_text())["consolidated_metadata"]
