"""What the README shows is what the program takes: its snippets are read and run."""

import inspect
import re
from pathlib import Path

import click
import numpy as np
import pytest
import yaml

import icemap
from icemap.boreholes.readers import READERS
from icemap.catalog import load_sources
from icemap.cli import main
from icemap.config import BoreholesConfig, EnsembleConfig, TargetConfig, load_config
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language: str, word: str) -> list[str]:
    found = [text for kind, text in BLOCKS if kind == language and word in text]
    assert found, f"the README has no {language} block with {word}"
    return found


def test_every_yaml_block_is_tested_here() -> None:
    words = ("predictors:", "entries:", "boreholes:", "recipe: published,")
    assert all(any(word in text for word in words) for kind, text in BLOCKS if kind == "yaml")


def test_the_config_is_one(tmp_path: Path) -> None:
    (text,) = blocks("yaml", "predictors:")
    (tmp_path / "config.yaml").write_text(text)
    config = load_config(str(tmp_path / "config.yaml"))
    assert config.grid.grid.shape == (2040, 6000)
    # The line in a comment stands in place of the one above it.
    lines = [line for line in text.splitlines() if not line.startswith("boreholes:")]
    other = "\n".join(
        line.removeprefix("# ") if line.startswith("# sites:") else line for line in lines
    )
    (tmp_path / "config.yaml").write_text(other)
    assert load_config(str(tmp_path / "config.yaml")).sites is not None


def test_the_catalogue_is_one(tmp_path: Path) -> None:
    (text,) = blocks("yaml", "entries:")
    (tmp_path / "dem").mkdir()
    (tmp_path / "dem" / "n60.tif").touch()
    (tmp_path / "catalog.yaml").write_text(text)
    names = list(yaml.safe_load(text)["entries"])
    assert set(load_sources(str(tmp_path / "catalog.yaml"), names)) == set(names)


def test_the_settings_of_the_recipe_as_printed_are_ones() -> None:
    (text,) = blocks("yaml", "recipe: published,")
    config = EnsembleConfig.model_validate(yaml.safe_load(text)["ensemble"])
    assert (config.recipe, config.fitted_on, config.replicates) == ("published", None, 200)


def test_the_settings_of_layer_tables_are_ones() -> None:
    for text in blocks("yaml", "boreholes:"):
        BoreholesConfig.model_validate(yaml.safe_load(text)["boreholes"])


def test_the_columns_of_layers_are_read(tmp_path: Path) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "" and text.startswith("site, longitude"))
    header = [name.strip() for name in text.replace("\n", " ").split(",")]
    numbers = {"longitude [deg]": "100", "latitude [deg]": "70", "base [m]": "1", "year": "2007"}
    row = [numbers.get(name, "0.5" if "[" in name else "") for name in header]
    row[0] = "a"
    (tmp_path / "layers.csv").write_text(",".join(header) + "\n" + ",".join(row) + "\n")
    records = READERS["icemap"](str(tmp_path / "layers.csv"))
    assert not [flag for flag in records.flags["rule"] if flag == "unknown column"]


@pytest.mark.parametrize("code", blocks("python", "icemap"))
def test_python_runs(code: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    grid = icemap.Grid(-180, 60, 180, 80, 1)
    target = TargetConfig(name="alt", unit="cm", bounds=None)
    create_gridded("runs/active_layer/map.zarr", grid, map_variables(target), {}, chunk=64)
    real = icemap.open_map

    def open_map(url: str, **options):
        # What is on the web is not asked for, but the call must be one that the function takes.
        bound = inspect.signature(real).bind(url, **options)
        return (
            real("runs/active_layer/map.zarr")
            if "://" in bound.arguments["url"]
            else real(url, **options)
        )

    monkeypatch.setattr(icemap, "open_map", open_map, raising=False)
    rng = np.random.default_rng(0)
    y = rng.uniform(5, 95, 80)
    names = {"F": y[:, None] + rng.normal(size=(80, 3)), "y": y}
    exec(compile(code, "README.md", "exec"), names)


def test_every_command_and_option_is_there() -> None:
    named = re.findall(r"`(?:\.venv/bin/)?icemap ([a-z]+)((?: [^`]*)?)`", TEXT)
    named += re.findall(
        r"^(?:\.venv/bin/)?icemap ([a-z]+)(.*)$",
        "\n".join(text for _, text in BLOCKS),
        re.MULTILINE,
    )
    assert len(named) > 5
    for command, rest in named:
        known = main.commands.get(command)
        assert known is not None, f"icemap {command}"
        options = {
            name for item in known.params if isinstance(item, click.Option) for name in item.opts
        }
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", rest)) <= {
            *options,
            "--help",
        }, f"icemap {command}{rest}"
