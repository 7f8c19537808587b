"""What is finished stays until its successor is complete; the record tells of what is there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from s3_chain import write_inputs

import icemap
from icemap import store
from icemap.cli import main
from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.pipeline import steps
from icemap.pipeline.chain import STEPS
from icemap.pipeline.check import check_run
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.products.pages import predictors as predictors_page
from icemap.provenance import Provenance
from icemap.running.run import SerialExecutor
from icemap.virtual_arctic.demo import write_demo


def change(config: Path, **changes) -> None:
    settings = {**yaml.safe_load(config.read_text()), **changes}
    config.write_text(yaml.safe_dump(settings))


def change_source(config: Path, **changes) -> None:
    catalog = config.with_name("catalog.yaml")
    content = yaml.safe_load(catalog.read_text())
    content["entries"]["elevation"]["metadata"] |= changes
    catalog.write_text(yaml.safe_dump(content))


def make(config: Path, *names: str, executor=None) -> list[str]:
    said: list[str] = []
    context = Context(load_config(str(config)), "local", 1, said.append)
    context.__dict__["executor"] = executor or SerialExecutor()
    run_steps(STEPS, context, names or ["cube"])
    return said


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def products(folder: Path) -> dict[str, bytes]:
    """What is there apart from the record and what is being made."""
    there = content(folder).items()
    return {name: x for name, x in there if not name.startswith((".next", "provenance.json"))}


def record(folder: Path) -> dict:
    return json.loads((folder / "provenance.json").read_text())


class Killed(SerialExecutor):
    """Ends after some parts, as by a signal."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def map(self, function, items):
        for item in items[: self.parts]:
            yield item, function(item)
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project whose cube is finished."""
    folder = tmp_path_factory.mktemp("made")
    write_inputs(folder)
    change(folder / "config.yaml", run="run")
    make(folder / "config.yaml")
    return folder


@pytest.fixture
def project(made, tmp_path) -> Path:
    """The config of a run whose cube is finished."""
    shutil.copytree(made, tmp_path / "project")
    return tmp_path / "project" / "config.yaml"


SITES = {"table": "points/sites.csv", "value": "ice", "unit": "%"}
TYPOS = {
    "a range without a value": lambda config: change_source(config, valid_range=[1e6, 2e6]),
    "a range that holds some values": lambda config: change_source(config, valid_range=[0, 500]),
    "another unit": lambda config: change_source(config, unit="degC", file_unit="s"),
    "a band that is not there": lambda config: change_source(config, variable="7"),
    "a mask that leaves nothing": lambda config: change(
        config,
        predictors=["maat"],
        masks=[{"source": "elevation", "at_least": 2e6}],
    ),
    "a column that is not there": lambda config: change(
        config,
        predictors=["maat"],
        sites={**SITES, "value": "eis"},
    ),
}


@pytest.mark.parametrize("name", TYPOS)
def test_a_wrong_setting_leaves_the_finished_cube_and_its_record(project, name):
    run = project.parent / "run"
    before, told = products(run), record(run)
    good = project.read_text(), project.with_name("catalog.yaml").read_text()
    TYPOS[name](project)
    with pytest.raises(IcemapError):
        make(project)
    assert products(run) == before
    now = record(run)
    assert now.keys() == told.keys()
    assert all(now[key] == told[key] for key in ("config", "sources", "versions"))
    assert now["steps"]["cube"].items() >= told["steps"]["cube"].items()
    assert check_run(str(run), print) == []
    project.write_text(good[0])
    project.with_name("catalog.yaml").write_text(good[1])
    assert make(project) == ["cube: there already"]
    assert record(run) == told
    assert not list((run / ".next").glob("*"))


def test_a_cube_that_is_complete_takes_the_place_of_the_other(project):
    run = project.parent / "run"
    change(project, predictors=["maat"])
    assert make(project)[0].startswith("cube: making ")
    assert "elevation" not in icemap.open_cube(str(run / "cube.zarr"))
    now = record(run)
    assert now["config"]["predictors"] == ["maat"]
    assert set(now["steps"]["cube"]) & {"next", "replacing", "made_from"} == set()
    assert not (run / ".next").exists()
    assert check_run(str(run), print) == []
    fresh = project.with_name("fresh.yaml")
    fresh.write_text(project.read_text().replace("run: run", "run: fresh"))
    make(fresh)
    assert content(run / "cube.zarr") == content(project.parent / "fresh" / "cube.zarr")
    assert len(list((run / "ledger" / "cube").glob("r*"))) == 10


def test_a_kill_leaves_the_finished_cube_and_the_rest_is_done_later(project):
    run = project.parent / "run"
    before = products(run)
    change(project, predictors=["maat"])
    with pytest.raises(KeyboardInterrupt):
        make(project, executor=Killed(1))
    assert products(run) == before
    assert record(run)["config"]["predictors"] == ["elevation", "maat"]
    assert make(project)[0].startswith("cube: continuing ")
    assert record(run)["config"]["predictors"] == ["maat"]
    assert not (run / ".next").exists()


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (Provenance, "replace", 1),
        (steps, "replace_folder", 1),
        (steps, "replace_folder", 2),
        (Provenance, "describe", 1),
        (Provenance, "replaced", 1),
        (predictors_page, "write_predictors_page", 1),
    ],
)
def test_a_kill_while_it_is_put_in_place_loses_nothing(project, monkeypatch, owner, name, number):
    """Before each of the moves and notes of it."""
    run = project.parent / "run"
    change(project, predictors=["maat"])
    interrupt_before(monkeypatch, owner, name, number)
    with pytest.raises(KeyboardInterrupt):
        make(project)
    monkeypatch.undo()
    said = make(project)
    assert said[0].startswith("cube: continuing ")
    assert_made_of_maat(str(run))
    assert not (run / ".next").exists()


def interrupt_before(monkeypatch, owner, name: str, number: int) -> None:
    """Interrupt the call of a function with this number."""
    function, calls = getattr(owner, name), []

    def call(*words, **options):
        calls.append(name)
        if len(calls) == number:
            raise KeyboardInterrupt
        return function(*words, **options)

    monkeypatch.setattr(owner, name, call)


def assert_made_of_maat(url: str) -> None:
    cube = icemap.open_cube(f"{url}/cube.zarr").load()
    assert "elevation" not in cube
    assert np.isfinite(cube.maat.to_numpy()).any()
    assert store.read_json(f"{url}/provenance.json")["config"]["predictors"] == ["maat"]
    assert check_run(url, print) == []


def test_what_other_settings_made_says_which(project):
    """The table of samples is of the earlier predictors when the next one cannot be made."""
    run = project.parent / "run"
    make(project, "cube", "boreholes")
    told = record(run)
    before = (run / "samples.parquet").read_bytes()
    change(project, predictors=["maat"])
    make(project, "cube")
    now = record(run)
    assert now["config"]["predictors"] == ["maat"]
    assert now["steps"]["boreholes"]["made_from"]["config"] == told["config"]
    assert (run / "samples.parquet").read_bytes() == before
    make(project, "boreholes")
    assert "made_from" not in record(run)["steps"]["boreholes"]


def test_a_lost_record_does_not_cost_the_products(project):
    run = project.parent / "run"
    (run / "provenance.json").unlink()
    before = products(run)
    with pytest.raises(KeyboardInterrupt):
        make(project, executor=Killed(1))
    assert products(run) == before


def test_a_linked_product_is_refused_and_a_linked_run_is_not(project, tmp_path):
    run = project.parent / "run"
    (run / "cube.zarr").rename(tmp_path / "elsewhere.zarr")
    (run / "cube.zarr").symlink_to(tmp_path / "elsewhere.zarr")
    assert make(project) == ["cube: there already"]
    before = content(tmp_path / "elsewhere.zarr")
    change(project, predictors=["maat"])
    with pytest.raises(IcemapError, match=r"cube\.zarr is a link to .*elsewhere\.zarr, and the"):
        make(project)
    assert content(tmp_path / "elsewhere.zarr") == before
    (run / "cube.zarr").unlink()
    run.rename(tmp_path / "large")
    run.symlink_to(tmp_path / "large")
    make(project)
    assert run.is_symlink()
    assert (tmp_path / "large" / "cube.zarr" / "zarr.json").is_file()


def test_in_a_bucket_too(project, s3_url, monkeypatch):
    change(project, run=f"{s3_url}/run")
    make(project)
    change(project, predictors=["maat"])
    with pytest.raises(KeyboardInterrupt):
        make(project, executor=Killed(1))
    assert "elevation" in icemap.open_cube(f"{s3_url}/run/cube.zarr").load()
    for owner, name in ((Provenance, "describe"), (steps, "remove")):
        # Of its own: what the bucket needs is in the environment by the other.
        with monkeypatch.context() as patch:
            interrupt_before(patch, owner, name, 1)
            with pytest.raises(KeyboardInterrupt):
                make(project)
    make(project)
    assert_made_of_maat(f"{s3_url}/run")


def test_the_demo_keeps_what_is_there(tmp_path):
    config = Path(write_demo(str(tmp_path), "small"))
    before = content(tmp_path)
    assert write_demo(str(tmp_path), "small") == str(config)
    with pytest.raises(IcemapError, match=r"config\.yaml is there and is not what this demo"):
        write_demo(str(tmp_path), "full")
    (tmp_path / "layers.csv").unlink()
    (tmp_path / "catalog.yaml").write_text("mine")
    with pytest.raises(IcemapError, match=r"catalog\.yaml is there and is not"):
        write_demo(str(tmp_path), "small")
    assert (tmp_path / "catalog.yaml").read_text() == "mine"
    assert not (tmp_path / "layers.csv").exists()
    assert before.keys() == {"layers.csv", "catalog.yaml", "config.yaml"}


def test_status_tells_of_both(project):
    run = project.parent / "run"
    change(project, predictors=["maat"])
    with pytest.raises(KeyboardInterrupt):
        make(project, executor=Killed(3))
    lines = CliRunner().invoke(main, ["status", str(run)]).stdout.splitlines()
    assert lines[0].startswith("cube       finished 20")
    assert lines[0].endswith(", 10 parts in the ledger")
    assert lines[1].strip().startswith("to be replaced: begun 20")
    assert lines[1].endswith(", not finished, 3 parts in the ledger")
    assert lines[2].strip().startswith("30.0 % of 2,560 cells, stopped")
