"""What the README and the pages of the docs show is what the program takes: every block of YAML is
loaded, every block of Python runs and every command is one.

Blocks marked with ``<!-- run: demo -->`` are run one after another, as by a newcomer (in the slow
lane). A block under ``<!-- not run: REASON -->`` is only compiled, or parsed.
"""

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
import yaml

import icemap
from icemap.boreholes.readers import READERS
from icemap.catalog import load_sources
from icemap.cli import main
from icemap.config import Config, load_config
from icemap.config_sections import EnsembleConfig, GridConfig, TargetConfig
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
# What a part of a config that stands alone in a block is completed by.
REST = {
    "run": "run",
    "grid": {"south": 60, "resolution": 1},
    "catalog": "catalog.yaml",
    "predictors": ["elevation"],
}
SITES = {"sites": {"table": "sites.csv", "value": "vic"}}


@dataclass(frozen=True)
class Block:
    """A block of code of a page, and what a comment above it says of running it."""

    page: str
    language: str
    text: str
    run: str
    reason: str

    def __str__(self) -> str:
        first = self.text.strip().splitlines()[0]
        return f"{self.page}: {first[:40]}"


def blocks_of(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    mark = r"(?:<!-- run: (\w+) -->\n|<!-- not run: ([^\n]+) -->\n)?"
    found = re.findall(rf"^{mark}```(?!\{{)(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for run, reason, language, content in found:
        yield Block(page, language, content, run, reason)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language: str, word: str = "") -> list[Block]:
    found = [block for block in BLOCKS if block.language == language and word in block.text]
    assert found, f"no page has a {language} block with {word}"
    return found


def test_the_blocks_are_found() -> None:
    assert {"README.md", "docs/quickstart.md"} <= {block.page for block in BLOCKS}
    # A marker that nothing follows would leave its block out.
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    marked = sum(len(re.findall("<!-- (?:not )?run:", text)) for text in texts)
    assert marked == sum(bool(block.run or block.reason) for block in BLOCKS)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_is_taken(block: Block, tmp_path: Path) -> None:
    content = yaml.safe_load(block.text)
    if block.reason:
        return
    if "entries" in content:
        (tmp_path / "catalog.yaml").write_text(block.text)
        (tmp_path / "dem").mkdir()
        (tmp_path / "dem" / "n60.tif").touch()
        names = list(content["entries"])
        assert set(load_sources(str(tmp_path / "catalog.yaml"), names)) == set(names)
        return
    if "predictors" in content:
        (tmp_path / "config.yaml").write_text(block.text)
        load_config(str(tmp_path / "config.yaml"))
        return
    sites = {} if {"sites", "boreholes"} & set(content) else SITES
    Config.model_validate({**REST, **sites, **content})


def test_the_whole_config_is_one_with_either_kind_of_sites(tmp_path: Path) -> None:
    (block,) = of("yaml", "# sites: {table")
    (tmp_path / "config.yaml").write_text(block.text)
    config = load_config(str(tmp_path / "config.yaml"))
    assert config.grid.grid.shape == (2040, 6000)
    assert config.boreholes is not None
    # The line in a comment stands in place of the one above it.
    lines = [line for line in block.text.splitlines() if not line.startswith("boreholes:")]
    other = "\n".join(
        line.removeprefix("# ") if line.startswith("# sites:") else line for line in lines
    )
    (tmp_path / "config.yaml").write_text(other)
    assert load_config(str(tmp_path / "config.yaml")).sites is not None


def test_the_settings_of_the_recipe_as_printed_are_ones() -> None:
    (block,) = of("yaml", "recipe: published,")
    config = EnsembleConfig.model_validate(yaml.safe_load(block.text)["ensemble"])
    assert (config.recipe, config.fitted_on, config.replicates) == ("published", None, 200)


def test_both_grids_across_the_date_line_are_the_same() -> None:
    blocks = [block for block in of("yaml", "west: 160") if "date-line" in block.page]
    grids = [GridConfig.model_validate(yaml.safe_load(one.text)["grid"]).grid for one in blocks]
    assert len(grids) == 2
    assert grids[0] == grids[1]


def test_the_columns_of_layers_are_read(tmp_path: Path) -> None:
    (text,) = (block.text for block in of("") if block.text.startswith("site, longitude"))
    header = [name.strip() for name in text.replace("\n", " ").split(",")]
    numbers = {"longitude [deg]": "100", "latitude [deg]": "70", "base [m]": "1", "year": "2007"}
    row = [numbers.get(name, "0.5" if "[" in name else "") for name in header]
    row[0] = "a"
    (tmp_path / "layers.csv").write_text(",".join(header) + "\n" + ",".join(row) + "\n")
    records = READERS["icemap"](str(tmp_path / "layers.csv"))
    assert not [flag for flag in records.flags["rule"] if flag == "unknown column"]


def test_every_reader_is_named() -> None:
    text = (ROOT / "docs/how-to/my-table.md").read_text(encoding="utf-8")
    assert [name for name in READERS if name != "icemap" and f"`{name}`" not in text] == []


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps that it opens by the name of a run are there; what is on the web is not asked for, but
    the call must be one that the function takes.
    """
    program = compile(block.text, block.page, "exec")
    if block.reason:
        return
    monkeypatch.chdir(tmp_path)
    grid = icemap.Grid(-180, 60, 180, 80, 1)
    for url in set(re.findall(r'"([^":]*map\.zarr)"', block.text)):
        name = re.search(r"^ds\.(\w+)\.", block.text, re.MULTILINE)
        assert name is not None
        target = TargetConfig(name=name[1], unit="1", bounds=None)
        create_gridded(url, grid, map_variables(target), {}, chunk=64)
    real = icemap.open_map

    def open_map(url: str, **options):
        bound = inspect.signature(real).bind(url, **options)
        if "://" not in bound.arguments["url"]:
            return real(url, **options)
        return None

    monkeypatch.setattr(icemap, "open_map", open_map, raising=False)
    rng = np.random.default_rng(0)
    y = rng.uniform(5, 95, 80)
    names = {"F": y[:, None] + rng.normal(size=(80, 3)), "y": y}
    exec(program, names)


def commands() -> Iterator[tuple[str, str]]:
    """Commands of icemap in blocks and in the text, with the page that has them."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for line in re.findall(r"`icemap ([a-z]+(?:\s[^`|]*)?)`", prose):
            yield page, " ".join(line.split())
        for block in blocks_of(page):
            if block.language != "text":
                text = block.text.replace("\\\n", " ")
                for line in re.findall(r"^(?:\$ )?icemap ([a-z].*)$", text, re.MULTILINE):
                    yield page, re.sub(r"\s+[#>].*", "", line)


COMMANDS = sorted(set(commands()))


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_is_one(page: str, line: str) -> None:
    name, *words = shlex.split(line)
    command = main.commands.get(name)
    assert command is not None, f"{page}: there is no icemap {name}"
    try:
        command.make_context(name, list(words))
    except click.MissingParameter:
        pass  # Prose names a command, or an option of it, alone.
    except click.UsageError as error:
        pytest.fail(f"{page}: icemap {line}: {error.message}")


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_marked_blocks_run_one_after_another(tmp_path: Path) -> None:
    """The first minutes of a newcomer, in the words of the quickstart."""
    here = [block for block in BLOCKS if block.run == "demo"]
    assert len(here) >= 3
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    for block in here:
        program = {
            "sh": ["bash", "-euc", block.text],
            "python": [sys.executable, "-c", block.text],
        }[block.language]
        subprocess.run(program, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "demo" / "run" / "report.html").is_file()
