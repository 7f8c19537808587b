"""What a dry run says: what would be made, why, and how long that took before."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from icemap.cli import main
from icemap.config import PREVIEW_TITLE, load_config
from icemap.pipeline import plan, train
from icemap.pipeline.chain import STEPS
from icemap.pipeline.steps import digests_of, open_context
from icemap.provenance import Provenance
from icemap.virtual_arctic.demo import write_demo

NAMES = [step.name for step in STEPS]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(write_demo(str(tmp_path / "project"), "small"))


def change(config: Path, **changes) -> None:
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**content, **changes}))


@pytest.fixture
def recorded(config, monkeypatch) -> Path:
    """The config of a run whose record says that everything was made, a minute a step."""
    monkeypatch.setattr(plan, "lost_product", lambda *of: "")
    settings = load_config(str(config))
    with open_context(settings, "serial", 1, print) as context:
        for name, found in digests_of(STEPS, context).items():
            context.provenance.start(name, found.key, found.depends)
            context.provenance.finish(name, words=found.words, seconds=60.0)
    return config


def dry_run(config: Path, *options: str) -> list[str]:
    done = CliRunner().invoke(main, ["run", str(config), "--dry-run", *options])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def said_by(lines: list[str]) -> dict[str, str]:
    """What is said of each step."""
    words = (line.split(maxsplit=1) for line in lines)
    return {name: said for name, said in words if name in NAMES}


def test_nothing_is_written(config):
    lines = dry_run(config)
    assert [line.split()[0] for line in lines[:-1]] == NAMES
    assert all(line.endswith("to be made") for line in lines[:-1])
    assert "not known" in lines[-1]
    assert not (config.parent / "run").exists()


def test_a_finished_run_has_nothing_to_do(recorded):
    lines = dry_run(recorded)
    assert all("there already" in line for line in lines[:-1])
    assert lines[-1].startswith("Nothing to do")


def test_a_changed_setting_is_named_with_what_follows_and_how_long_it_takes(recorded):
    ensemble = yaml.safe_load(recorded.read_text())["ensemble"]
    change(recorded, ensemble={**ensemble, "replicates": 9})
    said = said_by(dry_run(recorded))
    assert said["cube"] == said["boreholes"] == "there already"
    assert said["train"] == ("to be made again (replicates: 8, now 9), took 60 s last time")
    assert said["verify"] == "to be made again (after train), took 60 s last time"
    # Train, verify, map, storage, publish and report.
    *_, total, warning = dry_run(recorded)
    assert total == "About 6 min in all, if it takes as long as last time."
    assert "other settings" in warning


def test_a_changed_input_is_named(recorded):
    layers = recorded.with_name("layers.csv")
    layers.write_text("\n".join(layers.read_text().splitlines()[:-1]) + "\n")
    said = said_by(dry_run(recorded))
    assert said["cube"] == "there already"
    assert "the content of an input" in said["boreholes"]


def test_a_predictor_that_is_left_out_is_said_to_be_so(recorded):
    predictors = yaml.safe_load(recorded.read_text())["predictors"]
    change(recorded, predictors=[name for name in predictors if name != "elevation"])
    said = said_by(dry_run(recorded))["cube"]
    assert said.startswith("to be made again (elevation is left out), took")


def test_inputs_and_names_that_are_new_are_said_to_be_so():
    digest = "0" * 64
    old = [["a", "b"], {"a": {"unit": "m"}, "b": digest}, {"seed": 3, "of": ["x"]}]
    new = [["a", "c"], {"a": {"unit": "m"}, "c": digest}, {"seed": 4, "of": ["x", "y"]}]
    changes = dict.fromkeys(plan._changes(old, new))
    assert list(changes) == ["b is left out", "c is new", "seed: 3, now 4", "of: x, now x, y"]


def test_changed_words_are_only_written(recorded):
    change(recorded, title="Other words")
    said = said_by(dry_run(recorded))
    assert said["map"] == "words to be written"
    assert "to be made" not in "".join(said.values())


def test_a_preview_is_planned(recorded):
    said = said_by(dry_run(recorded, "--quick"))
    assert said["boreholes"] == "words to be written"
    assert "replicates: 8, now 4" in said["train"]


def test_a_missing_input_is_one_sentence(config):
    config.with_name("layers.csv").unlink()
    done = CliRunner().invoke(main, ["run", str(config), "--dry-run"])
    assert done.exit_code == 2
    assert "layers.csv" in done.output


def test_settings_of_a_preview(config):
    change(config, ensemble={"replicates": 200}, verification={"folds": 10})
    full, quick = load_config(str(config)), load_config(str(config), quick=True)
    assert (full.quick, full.preview) == (False, "")
    assert (quick.ensemble.replicates, quick.ensemble.folds) == (4, 3)
    assert (quick.verification.folds, quick.verification.competitors) == (3, ())
    assert quick.title == full.title + PREVIEW_TITLE
    assert "chosen once with all sites" in quick.preview
    # What is less already stays.
    change(config, quick=True, ensemble={"replicates": 2})
    assert load_config(str(config)).ensemble.replicates == 2


def test_a_preview_is_made_again_from_its_record_as_it_was(config):
    quick = load_config(str(config), quick=True)
    record = Provenance(quick.run)
    record.describe({}, config=quick.model_dump(mode="json"), sources={})
    again = load_config(record.url)
    assert again.title == quick.title
    assert again.ensemble == quick.ensemble


def test_an_ensemble_of_another_format_is_trained_again(recorded, monkeypatch):
    monkeypatch.setattr(train, "ENSEMBLE_FORMAT", train.ENSEMBLE_FORMAT + 1)
    said = said_by(dry_run(recorded))
    assert said["boreholes"] == "there already"
    assert "format of the ensemble" in said["train"]
    assert said["map"] != "there already"
