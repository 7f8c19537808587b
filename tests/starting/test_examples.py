"""Examples that are copied out of the package."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from icemap.catalog import load_sources
from icemap.cli import main
from icemap.config import load_config

NAMES = ["virtual", "ground_ice", "alaska"]


def copy(folder: Path, name: str):
    return CliRunner().invoke(main, ["init", str(folder), "--example", name])


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_whole(tmp_path, name, monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", "somewhere")
    folder = tmp_path / "new" / name
    done = copy(folder, name)
    assert done.exit_code == 0, done.output
    config = load_config(str(folder / "config.yaml"))
    masks = [mask.source for mask in config.masks]
    assert load_sources(config.catalog, [*config.predictors, *masks])
    # Everything of the run stays in the folder, and no path leads to the repository.
    assert config.run == str(folder / "run")
    assert config.catalog == str(folder / "catalog.yaml")
    for file in ("config.yaml", "catalog.yaml"):
        text = (folder / file).read_text(encoding="utf-8")
        assert text.startswith("# yaml-language-server: $schema=icemap-")
        assert "examples/" not in text.replace("examples/data", "")
    assert (folder / "icemap-config.schema.json").is_file()


def test_the_table_of_the_samples_is_copied_and_read(tmp_path, monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", "somewhere")
    assert copy(tmp_path, "ground_ice").exit_code == 0
    done = CliRunner().invoke(main, ["boreholes", str(tmp_path / "config.yaml")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "sites.csv").is_file()


def test_the_virtual_arctic_passes_the_doctor(tmp_path):
    assert copy(tmp_path, "virtual").exit_code == 0
    done = CliRunner().invoke(
        main, ["doctor", str(tmp_path / "config.yaml"), "--cluster", "serial"]
    )
    assert done.exit_code == 0, done.output


def test_what_a_user_has_changed_is_left_alone(tmp_path):
    assert copy(tmp_path, "virtual").exit_code == 0
    assert copy(tmp_path, "virtual").exit_code == 0
    (tmp_path / "config.yaml").write_text("mine")
    done = copy(tmp_path, "alaska")
    assert done.exit_code == 2
    assert "config.yaml is there and is not what this example holds" in done.output
    assert (tmp_path / "config.yaml").read_text() == "mine"
    assert not list(tmp_path.glob("data"))
