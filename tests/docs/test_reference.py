"""The reference says what the program is today."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import icemap
from icemap.config_sections import GridConfig
from icemap.run_folder import RunFolder
from icemap.source import DERIVATIONS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"

pytestmark = pytest.mark.quick


def load(name: str) -> ModuleType:
    """A file of the folder docs, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


generate = load("generate")


@pytest.mark.parametrize("page", sorted({page for page, _, _ in generate.PARTS}))
def test_the_generated_parts_are_of_today(page: str) -> None:
    written = (REFERENCE / page).read_text(encoding="utf-8")
    assert written == generate.filled(page), f"{page} is old: 'make docs' writes it"


def test_a_new_key_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = GridConfig.model_fields
    monkeypatch.setitem(fields, "depth", fields["chunk"])
    assert "| `depth` | whole number, at least 16 | `256` |" in generate.filled("config.md")


def test_every_place_of_a_run_is_described() -> None:
    text = (REFERENCE / "run-folder.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`([^`]+)`", text))
    run = RunFolder("run")
    places = [name for name, one in vars(RunFolder).items() if isinstance(one, property)]
    named = {run.name_of(getattr(run, name)) for name in places}
    named |= {"ledger", ".next", run.name_of(run.storage_of("NAME"))}
    assert {name for name in named if not {name, f"{name}/", f"{name}/*.tif"} & paths} == set()


def test_every_derivation_is_described() -> None:
    text = (REFERENCE / "catalog.md").read_text(encoding="utf-8")
    table = text.partition("| `how` |")[2].partition("<!-- generated")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(DERIVATIONS)


def test_every_public_name_has_its_place() -> None:
    names = load("api_names")
    assert sorted(name for group in names.grouped().values() for name in group) == icemap.__all__
    text = (REFERENCE / "api.md").read_text(encoding="utf-8")
    assert text.count(names.PLACE) == 1
