"""The example with real ground ice: its samples alone, and joined to real grids where these are at
hand.
"""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import icemap
from icemap.cli import main
from icemap.pipeline.steps import Context
from icemap.running.run import SerialExecutor

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("ICEMAP_DATA", ROOT.parent / "shared" / "realcase"))
COARSE = {"west": -142, "south": 54, "east": -64, "north": 71, "resolution": 0.5, "chunk": 64}
needs_grids = pytest.mark.skipif(
    not (REAL / "grids_10min").is_dir(), reason="ICEMAP_DATA names no folder with grids_10min/"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example in a folder of its own, on a coarse grid."""
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "data")
    shutil.copy(ROOT / "examples" / "ground_ice_catalog.yaml", tmp_path)
    content = yaml.safe_load((ROOT / "examples" / "ground_ice.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**content, "run": "run", "grid": COARSE}))
    return tmp_path / "config.yaml"


def test_the_samples_alone_give_sites_and_a_page(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ICEMAP_DATA", raising=False)
    result = CliRunner().invoke(main, ["boreholes", str(config)])
    assert result.exit_code == 0, result.stderr
    sites = pd.read_csv(config.parent / "run" / "sites.csv", keep_default_na=False)
    assert (len(sites), sites["used"].sum()) == (91, 88)
    assert (sites["used"] == (sites["reason"] == "")).all()
    # The numbers of docs/explanation/statistics.md.
    used = sites[sites["used"]]
    assert used["grade"].value_counts().to_dict() == {"D": 57, "C": 31}
    assert used["standard_error"].astype(float).median() == pytest.approx(11.9, abs=0.05)


@needs_grids
def test_the_samples_are_joined_to_real_grids(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICEMAP_DATA", str(REAL))
    icemap.run(str(config), ["cube", "boreholes"])
    samples = pd.read_parquet(config.parent / "run" / "samples.parquet")
    assert samples["sites"].sum() == 88
    assert 25 < len(samples) < 45
    assert samples["january_temperature"].between(-40, -10).all()
    assert samples["value"].between(20, 100).all()


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL / "boreholes/real_ice_layers.csv").is_file(),
    reason="ICEMAP_DATA names no folder with boreholes/",
)
@needs_grids
def test_a_table_of_real_layers_goes_to_the_report_in_one_command(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """160 boreholes as published, on 10': a minute or two."""
    monkeypatch.setenv("ICEMAP_DATA", str(REAL))
    content = yaml.safe_load(config.read_text())
    changes = {
        "grid": {"south": 50, "north": 83, "resolution": "10 arcmin", "chunk": 256},
        "boreholes": {"layers": [{"path": str(REAL / "boreholes/real_ice_layers.csv")}]},
        "ensemble": {"replicates": 2, "folds": 3, "candidates": 0},
        "verification": {"folds": 3, "places": 300, "competitors": []},
    }
    config.write_text(yaml.safe_dump({**content, **changes}))
    result = CliRunner().invoke(main, ["run", str(config)])
    assert result.exit_code == 0, result.stderr
    run = config.parent / "run"
    assert len(pd.read_parquet(run / "samples.parquet")) == 61
    assert (run / "report.html").is_file()
    assert (run / "verification.html").is_file()


def test_soil_groups_explain_half_of_the_samples() -> None:
    """The R2 of docs/explanation/statistics.md, from the published water contents."""
    table = pd.read_csv(
        ROOT / "examples/data/thaw_settlement/sample_details_with_derived_parameters.csv"
    )
    table = table.dropna(subset=["volumetric_wc_calc", "soil_group"])
    vic = table["volumetric_wc_calc"] / 0.917
    within = vic - vic.groupby(table["soil_group"]).transform("mean")
    assert len(table) == 433
    assert 1 - within.var(ddof=0) / vic.var(ddof=0) == pytest.approx(0.52, abs=0.005)
