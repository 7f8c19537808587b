"""Every mistake in the input ends in one sentence and exit code 2, and leaves nothing that a later
run takes for finished.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from click.testing import CliRunner

from icemap.cli import main
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.running.run import SerialExecutor
from tests.small_chain import in_little
from tests.small_rasters import write_tif

WEST, SOUTH, EAST, NORTH = 90, 60, 130, 76
RASTERS = {"elevation": "topography", "maat": "climate", "flat": "geology"}
SITES = {"table": "sites.csv", "value": "ice", "unit": "%"}
CONFIG = {
    "run": "run",
    "grid": {
        "west": WEST,
        "south": SOUTH,
        "east": EAST,
        "north": NORTH,
        "resolution": 1,
        "chunk": 16,
    },
    "catalog": "catalog.yaml",
    "predictors": ["elevation", "maat"],
    "sites": SITES,
    "ensemble": {
        "members": ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"],
        "replicates": 2,
        "folds": 2,
        "prior_strength": 100,
        "climatology": 0,
        "position": False,
    },
    "verification": {"folds": 3, "places": 100, "competitors": []},
}


def write_raster(
    path: Path,
    values: np.ndarray,
    west: float = WEST - 5,
    north: float = NORTH + 5,
    crs: str | None = "EPSG:4326",
) -> None:
    write_tif(path, values.astype("f4"), rasterio.Affine(0.5, 0, west, 0, -0.5, north), crs)


def write_project(folder: Path) -> Path:
    """Rasters, sites, catalogue and config of a chain that runs in seconds."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:52, 0:100]
    fields = {
        "elevation": 500 + 400 * np.sin(x / 9) * np.cos(y / 7),
        "maat": -5 - 0.1 * y + rng.normal(size=y.shape),
        "flat": np.full(y.shape, 3.0),
    }
    for name, values in fields.items():
        write_raster(folder / f"{name}.tif", values)
    lon, lat = rng.uniform(WEST, EAST, 160), rng.uniform(SOUTH, NORTH, 160)
    ice = np.clip(40 + 20 * np.sin((lon - WEST + 5) * 2 / 9) + 6 * rng.normal(size=160), 0, 100)
    pd.DataFrame({"lon": lon, "lat": lat, "ice": ice}).to_csv(folder / "sites.csv", index=False)
    write_catalog(folder)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    return config


def write_catalog(folder: Path, entry: dict | None = None, **urls: str) -> None:
    """The catalogue; ``entry`` adds metadata to elevation, ``urls`` replace files."""
    content: dict = {"version": 2, "data": {}, "entries": {}}
    for name, family in RASTERS.items():
        content["data"][name] = {"kwargs": {"url": urls.get(name, f"{name}.tif")}}
        metadata = {
            "family": family,
            "long_name": name,
            "unit": "1",
            **((entry or {}) if name == "elevation" else {}),
        }
        content["entries"][name] = {"kwargs": {"data": f"{{data({name})}}"}, "metadata": metadata}
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))


def change(config: Path, **changes) -> None:
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **changes}))


def run_here(config: Path, names: list[str] | None = None) -> None:
    context = Context(load_config(str(config)), "serial", 1, lambda line: None)
    with in_little():
        run_steps(STEPS, context, names or [step.name for step in STEPS])


@pytest.fixture
def project(tmp_path) -> Path:
    """Config of a project of which nothing has been made."""
    return write_project(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    config = write_project(tmp_path_factory.mktemp("made"))
    run_here(config)
    return config


@pytest.fixture
def finished(made, tmp_path) -> Path:
    """Config of a finished project: a copy in whose catalogue the rasters, the same ones, have
    absolute addresses.
    """
    folder = tmp_path / "finished"
    shutil.copytree(made.parent, folder)
    write_catalog(folder, **{name: str(made.with_name(f"{name}.tif")) for name in RASTERS})
    change(folder / "config.yaml", sites={**SITES, "table": str(made.with_name("sites.csv"))})
    return folder / "config.yaml"


def sentence(code: int, stderr: str) -> str:
    """The one line on stderr; a progress bar overwrites its own line with carriage returns and ends
    it.
    """
    lines = [
        part
        for line in stderr.splitlines()
        for part in line.split("\r")
        if part.strip() and not _is_progress(part)
    ]
    assert code == 2, stderr
    assert len(lines) == 1, stderr
    assert lines[0].startswith("icemap: ")
    assert "Traceback" not in stderr
    return lines[0]


def _is_progress(line: str) -> bool:
    """The bar, or the notice of a worker on members that have no fast kernel."""
    bar = line.split(":")[0] in ("cube", "train", "verify", "map") and "%|" in line
    return bar or line.startswith("Without a fast kernel: ")


def refused(*words) -> str:
    """What a command that needs no cluster says."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    return sentence(result.exit_code, result.stderr)


def refused_by_cluster(*words) -> str:
    """What a command with workers says, and the workers with it."""
    program = [str(Path(sys.executable).with_name("icemap")), *map(str, words), "--workers", "1"]
    result = subprocess.run(
        program,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert "Traceback" not in result.stdout
    return sentence(result.returncode, result.stderr)


def refused_here(monkeypatch, *words) -> str:
    """What a command says whose chunks are made in this process."""
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    return refused(*words)


@pytest.mark.quick
def test_missing_config(tmp_path):
    said = refused("run", tmp_path / "absent.yaml")
    assert f"{tmp_path}/absent.yaml: there is no such file" in said


@pytest.mark.quick
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replicats": 5}, ["config.yaml", "unknown key 'replicats'"]),
        ({"ensemble": {"replicate": 5}}, ["config.yaml", "unknown key 'ensemble.replicate'"]),
        ({"target": {"bounds": [100, 0]}}, ["config.yaml", "'target'", "not in rising order"]),
        ({"grid": {**CONFIG["grid"], "west": 140}}, ["config.yaml", "'grid'", "west=140"]),
        (
            {"grid": {**CONFIG["grid"], "resolution": 0.3}},
            ["config.yaml", "'grid'", "whole number"],
        ),
        ({"catalog": "no.yaml"}, ["no.yaml", "'catalog'"]),
        ({"predictors": ["elevation", "slop"]}, ["catalog.yaml", "no entry 'slop'"]),
        ({"masks": [{"source": "land", "at_least": 1}]}, ["catalog.yaml", "no entry 'land'"]),
        (
            {"sites": {**SITES, "table": "{env(ICEMAP_NOWHERE)}/s.csv"}},
            ["config.yaml", "ICEMAP_NOWHERE", "not set"],
        ),
        ({"sites": {**SITES, "table": "absent.csv"}}, ["absent.csv", "there is no such file"]),
        ({"ensemble": {"members": ["svr", "forest"]}}, ["'forest'", "random_forest"]),
        (
            {"ensemble": {"members": ["svr", "sklearn.linear_model.Rigde"]}},
            ["'sklearn.linear_model.Rigde'"],
        ),
        (
            {"ensemble": {"members": ["svr", "sklearn.cluster.KMeans"]}},
            ["'sklearn.cluster.KMeans'", "regressor"],
        ),
        (
            {"ensemble": {"members": ["svr", "collections.OrderedDict"]}},
            ["'collections.OrderedDict'"],
        ),
    ],
)
def test_wrong_settings_are_named_before_any_work(project, changes, words):
    change(project, **changes)
    said = refused("run", project)
    assert all(word in said for word in words), said
    assert not (project.parent / "run").exists()


@pytest.mark.quick
@pytest.mark.parametrize("text", ["grid: [1, 2\nrun: x", "a: b: c", "\t- x", "run: 'x"])
def test_unreadable_yaml(project, text):
    project.write_text(text)
    assert f"{project} is not readable YAML (line " in refused("run", project)
    write_project(project.parent)
    (project.parent / "catalog.yaml").write_text(text)
    assert f"{project.parent}/catalog.yaml is not readable YAML (line " in refused("run", project)


@pytest.mark.quick
def test_config_that_is_no_text_or_no_mapping(project):
    project.write_bytes(b"run: \xff\xfe")
    assert "is not UTF-8 text" in refused("run", project)
    project.write_text("- run\n- grid\n")
    assert "holds no settings" in refused("run", project)
    project.write_text("")
    assert "holds no settings" in refused("run", project)
    assert "Cannot read" in refused("run", project.parent)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("entry", "url", "words"),
    [
        ({}, "absent.tif", ["absent.tif", "'elevation'", "no such file"]),
        ({}, "{env(ICEMAP_NOWHERE)}/x.tif", ["catalog.yaml", "ICEMAP_NOWHERE"]),
        ({"crs": "EPSG:3413"}, None, ["'elevation'", "NSIDC", "look like degrees", "'crs'"]),
        ({"crs": "EPSG:99999999"}, None, ["'elevation'", "EPSG:99999999", "not a CRS"]),
        ({"colour": "blue"}, None, ["catalog.yaml", "'elevation'", "'colour'"]),
        ({"kind": "class"}, None, ["catalogue", "'elevation'", "'classes'"]),
        ({}, "catalog.yaml", ["catalog.yaml", "'elevation'", "not a raster"]),
        ({}, "elsewhere.tif", ["'elevation'", "covers no part of the grid"]),
        ({}, "no_crs.tif", ["no_crs.tif", "'elevation'", "no CRS"]),
        ({}, "empty.nc", ["empty.nc", "'elevation'", "is empty"]),
    ],
)
def test_wrong_sources_are_named_before_any_chunk(project, entry, url, words):
    folder = project.parent
    write_raster(folder / "elsewhere.tif", np.ones((20, 20)), west=-60)
    write_raster(folder / "no_crs.tif", np.ones((60, 100)), crs=None)
    (folder / "empty.nc").write_bytes(b"")
    write_catalog(folder, entry, **({"elevation": url} if url else {}))
    said = refused("run", project)
    assert all(word in said for word in words), said
    assert not (folder / "run" / "cube.zarr").exists()
    assert "cube" not in _finished_steps(project)


def _finished_steps(config: Path) -> set[str]:
    record = config.parent / "run" / "provenance.json"
    if not record.exists():
        return set()
    steps = json.loads(record.read_text())["steps"]
    # What is to be replaced is there until then.
    return {name for name, step in steps.items() if step["finished"] and "next" not in step}


def test_a_broken_raster_ends_on_the_workers_and_mended_goes_on(project):
    path = project.with_name("elevation.tif")
    whole = path.read_bytes()
    path.write_bytes(whole[:4000])
    said = refused_by_cluster("cube", project)
    assert "'elevation'" in said
    assert str(path) in said
    assert "broken or truncated" in said or "not a raster" in said
    assert _finished_steps(project) == set()
    path.write_bytes(whole)
    run_here(project, ["cube"])
    assert _finished_steps(project) == {"cube"}


def test_values_outside_the_valid_range_and_unknown_classes(project, monkeypatch):
    write_catalog(project.parent, {"valid_range": [0, 10]})
    said = refused_here(monkeypatch, "cube", project)
    assert "'elevation'" in said
    assert "valid_range [0.0, 10.0]" in said
    write_raster(project.with_name("elevation.tif"), np.full((52, 100), 7))
    write_catalog(project.parent, {"kind": "class", "classes": {1: "sand"}})
    said = refused_here(monkeypatch, "cube", project)
    assert "'elevation' holds the class code 7" in said
    assert _finished_steps(project) == set()


def test_masks_that_leave_nothing(project, monkeypatch):
    change(project, masks=[{"source": "elevation", "at_least": 1e6}])
    said = refused_here(monkeypatch, "cube", project)
    assert "No cell of the grid is inside the masks elevation" in said
    assert _finished_steps(project) == set()


def test_a_mask_whose_limit_is_in_another_unit(project, monkeypatch):
    write_catalog(project.parent, {"unit": "%"})
    write_raster(project.with_name("elevation.tif"), np.tile(np.arange(100.0), (52, 1)))
    change(project, masks=[{"source": "elevation", "at_least": 0.5}])
    said = refused_here(monkeypatch, "cube", project)
    assert "'at_least' is 0.5, less than one percent: give 50" in said
    assert _finished_steps(project) == set()


def test_a_predictor_without_any_value(project, monkeypatch):
    write_catalog(project.parent, {"nodata": [1.0]})
    write_raster(project.with_name("elevation.tif"), np.ones((52, 100)))
    said = refused_here(monkeypatch, "cube", project)
    assert "'elevation'" in said
    assert "elevation.tif" in said
    assert "no value in any cell" in said


def test_a_predictor_that_is_constant_over_the_sites(finished):
    change(finished, predictors=["elevation", "flat"])
    run_here(finished, ["cube"])
    samples = finished.parent / "run" / "samples.parquet"
    before = samples.read_bytes()
    said = refused("boreholes", finished)
    assert "The predictor flat (always 3) is the same in all" in said
    assert "boreholes" not in _finished_steps(finished)
    assert samples.read_bytes() == before
    assert "'boreholes' comes before and is not done" in refused("train", finished)
    change(finished, predictors=["elevation", "maat"])
    run_here(finished, ["cube", "boreholes", "train"])
    assert "train" in _finished_steps(finished)


SITE_TABLES = {
    "no sites inside": (
        "lon,lat,ice\n" + "10,50,3\n" * 3,
        SITES,
        ["No site can be used", "outside the grid"],
    ),
    "no values": ("lon,lat,ice\n100,70,\n101,70,\n", SITES, ["No site can be used", "no value"]),
    "no units": (
        "lon,lat,ice\n100,70,3\n",
        {"table": "sites.csv", "value": "ice"},
        ["sites.csv", "'ice'", "unit", "sites.unit"],
    ),
    "another quantity": (
        "lon,lat,ice\n100,70,3\n",
        {**SITES, "unit": "m"},
        ["sites.csv", "'ice'", "'m'", "cannot be converted"],
    ),
    "no such column": ("lon,lat,vic\n100,70,3\n", SITES, ["sites.csv", "no column 'ice'"]),
    "no coordinates": ("x,y,ice\n100,70,3\n", SITES, ["sites.csv", "no column 'lon'"]),
    "no rows": ("lon,lat,ice\n", SITES, ["sites.csv"]),
    "empty": ("", SITES, ["sites.csv"]),
    "a row too long": ("lon,lat,ice\n100,70,3\n100,70,3,4,5\n", SITES, ["sites.csv", "line 3"]),
}


@pytest.mark.parametrize("case", SITE_TABLES)
def test_a_site_table_that_gives_no_samples(finished, case):
    text, sites, words = SITE_TABLES[case]
    change(finished, sites={**sites, "table": "sites.csv"})
    good = finished.with_name("sites.csv").read_text()
    finished.with_name("sites.csv").write_text(text)
    samples = finished.parent / "run" / "samples.parquet"
    before = samples.read_bytes()
    said = refused("run", finished)
    assert all(word in said for word in words), said
    assert samples.read_bytes() == before
    assert "boreholes" not in _finished_steps(finished)
    finished.with_name("sites.csv").write_text(good)
    change(finished, sites={**SITES, "table": "sites.csv"})
    result = CliRunner().invoke(main, ["boreholes", str(finished)])
    assert result.exit_code == 0, result.stderr
    assert "boreholes" in _finished_steps(finished)


def test_too_few_samples(finished):
    rows = finished.with_name("sites.csv").read_text().splitlines()[:41]
    finished.with_name("sites.csv").write_text("\n".join(rows))
    change(finished, sites={**SITES, "table": "sites.csv"})
    said = refused("run", finished)
    assert "samples.parquet" in said
    assert "an ensemble needs at least 50" in said
    assert "train" not in _finished_steps(finished)


@pytest.mark.parametrize("count", [1, 2, 8, 12])
def test_a_handful_of_sites_is_refused_before_the_cube(project, count):
    sites = project.with_name("sites.csv").read_text().splitlines()[: count + 1]
    project.with_name("sites.csv").write_text("\n".join(sites))
    change(project, sites={**SITES, "table": "sites.csv"})
    said = refused("run", project)
    assert f"{count} of {count} sites can be used" in said
    assert "needs at least 50 cells with sites" in said
    assert not (project.parent / "run" / "cube.zarr").exists()


@pytest.mark.parametrize(
    ("shifted", "words"),
    [
        # Some are outside, and still enough of them inside.
        (40, []),
        (140, ["in 20 cells of the grid", "140 are outside the grid", "or add sites"]),
        (
            160,
            ["in 0 cells of the grid", "160 are outside the grid", "change the grid, or correct"],
        ),
    ],
)
def test_doctor_says_that_sites_are_outside_the_grid(project, shifted, words):
    sites = pd.read_csv(project.with_name("sites.csv"))
    sites.loc[: shifted - 1, "lon"] -= 60
    sites.to_csv(project.with_name("sites.csv"), index=False)
    done = CliRunner().invoke(main, ["doctor", str(project), "--cluster", "serial"])
    assert done.exit_code == (2 if words else 0), done.output
    assert all(word in done.output for word in words), done.output
    assert bool(words) == ("outside the grid" in done.output)


@pytest.mark.parametrize("count", [1, 8])
def test_the_page_of_a_handful_of_sites_is_made_and_says_how_many_are_needed(finished, count):
    sites = finished.with_name("sites.csv").read_text().splitlines()[: count + 1]
    finished.with_name("sites.csv").write_text("\n".join(sites))
    change(finished, sites={**SITES, "table": "sites.csv"})
    result = CliRunner().invoke(main, ["boreholes", str(finished)])
    assert result.exit_code == 0, result.stderr
    assert "too few to train on: at least 50 are needed" in result.output
    assert (finished.parent / "run" / "boreholes.html").exists()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder where nothing can be made")
def test_a_run_folder_where_nothing_can_be_made(project):
    change(project, run="/proc/icemap-run")
    assert "Cannot write /proc/icemap-run/lock.json: nothing can be made" in refused("run", project)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (13, "permission denied"),
        (27, "ulimit -f"),
        (28, "the disk is full"),
        (30, "read-only"),
    ],
)
def test_what_a_place_refuses_wherever_it_is_met_is_a_sentence(project, monkeypatch, number, words):
    def met(*given, **named):
        raise OSError(number, os.strerror(number), "/somewhere/run")

    monkeypatch.setattr("icemap.pipeline.chain.run", met)
    said = refused("run", project)
    assert said.startswith("icemap: Cannot use /somewhere/run: ")
    assert words in said


def test_what_a_place_without_a_name_refuses_is_a_sentence(project, monkeypatch):
    def met(*given, **named):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("icemap.pipeline.chain.run", met)
    assert refused("run", project).startswith("icemap: Cannot use a place: the disk is full")


def test_a_folder_that_may_not_be_looked_into_is_a_sentence(project, monkeypatch):
    # As for other users; the tests may run as one to whom everything is open.
    hidden = project.with_name("hidden")
    change(project, run="hidden/run")
    look = Path.stat

    def stat(path, **named):
        if hidden in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **named)

    monkeypatch.setattr(Path, "stat", stat)
    assert "hidden/run" in (said := refused("run", project))
    assert "permission denied" in said


def test_a_run_folder_that_cannot_be_written(project):
    project.with_name("file").write_text("x")
    change(project, run="file/run")
    said = refused("run", project)
    assert f"Cannot write {project.parent}/file/run/" in said
    assert "not a folder" in said
    assert "There is no run at" in refused("status", project.parent / "file" / "run")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"steps": 3}', "\udcff"])
def test_a_broken_record_of_the_run(finished, text):
    record = finished.parent / "run" / "provenance.json"
    record.write_bytes(text.encode(errors="surrogateescape"))
    said = refused("run", finished)
    assert str(record) in said
    assert str(record) in refused("status", record.parent)
    record.unlink()
    assert "'cube' comes before and is not done" in refused("map", finished)


@pytest.mark.parametrize("text", ["", '{"seconds": 1', "[]", "\udcff"])
def test_a_broken_ledger_record(finished, text, monkeypatch):
    run = finished.parent / "run"
    content = json.loads((run / "provenance.json").read_text())
    content["steps"]["cube"]["finished"] = None
    (run / "provenance.json").write_text(json.dumps(content))
    record = run / "ledger" / "cube" / "r000c001.json"
    record.write_bytes(text.encode(errors="surrogateescape"))
    # All other chunks have a record: no worker is needed.
    said = refused_here(monkeypatch, "cube", finished)
    assert f"{record} is not valid JSON: delete it and run again" in said
    record.unlink()
    result = CliRunner().invoke(main, ["cube", str(finished)])
    assert result.exit_code == 0, result.stderr
    assert record.is_file()


@pytest.mark.parametrize("content", [{}, [], {"table": 5}, 3])
@pytest.mark.parametrize(
    ("file", "step"),
    [
        ("ensemble/calibration.json", "map"),
        ("ensemble/applicability.json", "map"),
        ("verification.json", "storage"),
        ("verification.json", "report"),
        ("ice_storage.json", "report"),
        ("influence.json", "report"),
    ],
)
def test_a_file_of_the_run_with_other_content(finished, monkeypatch, file, step, content):
    run = finished.parent / "run"
    begin_anew(run, step)
    # Of the same size, by which the record of the run would know it for another file.
    size = (run / file).stat().st_size
    (run / file).write_text(json.dumps(content).ljust(size))
    said = refused_here(monkeypatch, step, finished)
    assert f"{run}/{file}" in said
    assert "delete it" in said


def test_a_tampered_ensemble(finished, monkeypatch):
    run = finished.parent / "run"
    replicate = run / "ensemble" / "replicates" / "s001.json"
    replicate.write_text(replicate.read_text().replace("0.", "0.0", 1))
    shutil.rmtree(run / "map.zarr")
    said = refused_here(monkeypatch, "map", finished)
    assert f"{replicate} is not the file that the manifest describes" in said
    assert "map" not in _finished_steps(finished)
    assert "'map' comes before and is not done" in refused("publish", finished)
    (run / "ensemble" / "manifest.json").unlink()
    run_here(finished)
    assert "report" in _finished_steps(finished)


def test_an_ensemble_of_a_foreign_type(finished, monkeypatch):
    """A file that fits its digest but holds a type that is not allowed is not loaded."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    run = finished.parent / "run"
    content = skops.io.dumps([FunctionTransformer(func=os.getcwd)] * 2)
    (run / "ensemble" / "replicates" / "s000.skops").write_bytes(content)
    manifest = json.loads((run / "ensemble" / "manifest.json").read_text())
    manifest["files"]["replicates/s000.skops"] = hashlib.sha256(content).hexdigest()
    (run / "ensemble" / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(run / "map.zarr")
    said = refused_here(monkeypatch, "map", finished)
    assert "s000.skops holds the type posix.getcwd, which icemap does not load" in said
    assert "map" not in _finished_steps(finished)


def test_a_truncated_chunk_of_the_cube_is_named_the_rest_is_done_and_mended_it_goes_on(finished):
    run = finished.parent / "run"
    shutil.rmtree(run / "map.zarr")
    shard = run / "cube.zarr" / "maat" / "c" / "0" / "1"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    said = refused_by_cluster("map", finished)
    assert "Chunk r000c001 of 'maat' in " in said
    assert "is damaged" in said
    ledger = run / "ledger" / "map"
    kept = {path.name: path.stat().st_mtime_ns for path in ledger.glob("[!.]*.json")}
    assert set(kept) == {"r000c000.json", "r000c002.json"}
    status = CliRunner().invoke(main, ["status", str(run)]).stdout
    assert " not finished, 2 parts in the ledger" in status
    assert "60.0 % of 640 pixels, stopped: the same command continues" in status
    assert f"r000c001 failed: {said.removeprefix('icemap: ')}" in status
    shard.write_bytes(whole)
    run_here(finished, ["map"])
    after = {path.name: path.stat().st_mtime_ns for path in ledger.glob("[!.]*.json")}
    assert set(after) == {*kept, "r000c001.json"}
    assert {name: after[name] for name in kept} == kept


def test_an_ensemble_of_another_cube_is_refused_before_the_first_chunk(finished, monkeypatch):
    run = finished.parent / "run"
    manifest = json.loads((run / "ensemble" / "manifest.json").read_text())
    manifest["predictors"]["maat"]["unit"] = "degF"
    (run / "ensemble" / "manifest.json").write_text(json.dumps(manifest, indent=2))
    shutil.rmtree(run / "map.zarr")
    said = refused_here(monkeypatch, "map", finished)
    assert (
        "do not belong together: the predictor 'maat' has the unit '1' and had 'degF' in training"
        in said
    )
    assert not (run / "map.zarr").exists()


@pytest.mark.quick
def test_no_cluster_and_no_run(project):
    assert "'kubernets' is not a cluster" in refused("cube", project, "--cluster", "kubernets")
    assert "There is no run at" in refused("status", project.parent / "nothing")
    assert "There is no map at" in refused(
        "query", project.parent / "nothing", "--lon", 0, "--lat", 70
    )


def test_places_off_the_map(finished):
    run = finished.parent / "run"
    assert "is outside the map" in refused("query", run, "--lon", 0, "--lat", 70)
    assert "is outside the map" in refused("query", run, "--lon", "nan", "--lat", 70)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "icemap", "status", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("icemap: There is no run at nowhere")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("mounting a file system takes an administrator")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def on_disk(finished: Path, disk: Path) -> Path:
    """The run moved to a disk; its folder there."""
    shutil.copytree(finished.parent / "run", disk / "run")
    change(finished, run=str(disk / "run"))
    return disk / "run"


def leave(disk: Path, room: int) -> Path:
    """Fill the disk up to so many bytes."""
    with open(disk / "filler", "wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - room))
    return disk / "filler"


def content_of(folder: Path, pattern: str = "**/*") -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.glob(pattern)
        if path.is_file()
    }


def begin_anew(run: Path, step: str) -> None:
    """As if a step had been begun, and nothing of it finished."""
    record = json.loads((run / "provenance.json").read_text())
    record["steps"][step]["finished"] = None
    (run / "provenance.json").write_text(json.dumps(record))


def is_unfinished(run: Path, step: str) -> bool:
    return json.loads((run / "provenance.json").read_text())["steps"][step]["finished"] is None


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_map_on_a_full_disk_stops_and_goes_on_when_there_is_room(
    finished, small_disk, monkeypatch, share
):
    run = on_disk(finished, small_disk)
    undisturbed, full = content_of(run / "map.zarr"), shutil.disk_usage(small_disk).free
    begin_anew(run, "map")
    shutil.rmtree(run / "map.zarr")
    shutil.rmtree(run / "ledger" / "map")
    need = shutil.disk_usage(small_disk).free - full
    filler = leave(small_disk, int(need * share))
    assert "the disk is full. Free some space, then the same command continues." in refused_here(
        monkeypatch, "map", finished
    )
    assert is_unfinished(run, "map")
    kept = content_of(run / "ledger" / "map", "[!.]*.json")
    assert len(kept) < 3
    assert [
        name
        for name, content in content_of(run / "map.zarr", "**/c/**/*").items()
        if content != undisturbed[name]
    ] == []
    filler.unlink()
    run_here(finished, ["map"])
    after = content_of(run / "ledger" / "map", "[!.]*.json")
    assert {name: after[name] for name in kept} == kept
    assert content_of(run / "map.zarr") == undisturbed


@pytest.mark.parametrize("room", [1_000, 20_000, 40_000, 150_000])
def test_publishing_on_a_full_disk_leaves_only_whole_files(finished, small_disk, monkeypatch, room):
    run = on_disk(finished, small_disk)
    undisturbed = content_of(run / "products", "*.tif")
    assert len(undisturbed) == 5
    begin_anew(run, "publish")
    shutil.rmtree(run / "products")
    filler = leave(small_disk, room)
    said = refused_here(monkeypatch, "publish", finished)
    assert "the disk" in said
    assert is_unfinished(run, "publish")
    made = content_of(run / "products")
    assert {
        name: content for name, content in made.items() if name.endswith(".tif")
    }.items() <= undisturbed.items()
    assert [name for name in made if ".icemap" in name or name.startswith(".")] == []
    filler.unlink()
    run_here(finished, ["publish"])
    assert content_of(run / "products", "*.tif") == undisturbed


def test_on_a_read_only_disk_nothing_changes_and_it_is_said(finished, small_disk, monkeypatch):
    run = on_disk(finished, small_disk)
    for step in ("map", "publish"):
        begin_anew(run, step)
    shutil.rmtree(run / "ledger" / "map")
    before = content_of(run)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for step in ("map", "publish"):
        said = refused_here(monkeypatch, step, finished)
        if step == "map":
            assert "the file system is read-only. Choose another place." in said
            assert str(run) in said
    assert content_of(run) == before
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    run_here(finished, ["map", "publish"])
    assert {name for name in content_of(run) if name.startswith("map.zarr")} == {
        name for name in before if name.startswith("map.zarr")
    }
