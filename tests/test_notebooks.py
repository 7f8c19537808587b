"""Notebooks are stored executed, without errors, small, and say where their data come from;
tests/test_jupyterhub.py executes them.
"""

import re
from pathlib import Path

import nbformat
import pytest

import icemap

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_they_are_in_order():
    assert [path.name[0] for path in NOTEBOOKS] == [str(number) for number in range(7)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_is_stored_executed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not [output for output in cell.outputs if output.output_type == "error"]
        # Progress is told there, too; a warning has no place in what people read.
        assert "arning" not in "".join(
            output.text for output in cell.outputs if output.get("name") == "stderr"
        )
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    assert path.stat().st_size < 400_000
    assert any(
        "nothing on this page is data about the Earth" in cell.source for cell in notebook.cells
    )


@pytest.mark.parametrize("path", NOTEBOOKS[:-1], ids=lambda path: path.name)
def test_it_leads_to_the_next(path: Path) -> None:
    last = nbformat.read(path, as_version=4).cells[-1].source
    assert f"({NOTEBOOKS[NOTEBOOKS.index(path) + 1].name})" in last


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_uses_public_names_only(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert not re.findall(r"^\s*(?:from|import)\s+icemap\.\S+|^\s*from\s+icemap\b.*", code, re.M)
    used = set(re.findall(r"(?<![\w.\"'/])icemap\.(\w+)(?=[.(])", code))
    assert used
    assert used <= set(icemap.__all__)
