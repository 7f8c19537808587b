"""How a chain of steps is made."""

import json
from pathlib import Path

import yaml

from icemap import store
from icemap.config import load_config
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context, Step
from icemap.virtual_arctic.demo import write_demo


def test_files_that_go_with_a_replaced_folder_are_not_told_of_any_more(tmp_path):
    """As the calibration, which the verification puts into the folder of the ensemble."""
    config = Path(write_demo(str(tmp_path), "small"))

    def make(context: Context) -> dict[str, int]:
        store.write_text(f"{context.place(f'{context.config.run}/a')}/own", "own")
        return {}

    def fill(context: Context) -> dict[str, int]:
        store.write_text(f"{context.config.run}/a/later", "later")
        return {}

    steps = [
        Step("one", (), lambda c: c.config.seed, make, lambda c: [f"{c.run}/a/own"]),
        Step("two", ("one",), lambda c: None, fill, lambda c: [f"{c.run}/a/later"]),
    ]

    def run(*names: str) -> dict[str, dict[str, object]]:
        context = Context(load_config(str(config)), "local", 1, print)
        run_steps(steps, context, names)
        return json.loads((tmp_path / "run" / "provenance.json").read_text())["steps"]

    assert all(record["finished"] for record in run("one", "two").values())
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "seed": 1}))
    records = run("one")
    assert records["one"]["finished"]
    assert records["two"]["finished"] is None
    config.write_text(yaml.safe_dump(settings))
    assert all(record["finished"] for record in run("one", "two").values())
    assert (tmp_path / "run" / "a" / "later").read_text() == "later"
