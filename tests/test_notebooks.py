"""Notebooks are stored executed and without errors; the slow test executes them anew."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
NEEDS = {"read_a_map.ipynb": "demo/run/map.zarr"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_it_is_stored_executed(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    for cell in cells:
        assert cell.execution_count is not None, cell.source
        assert not [output for output in cell.outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_it_runs(path: Path) -> None:
    from nbclient import NotebookClient

    needed = NEEDS.get(path.name)
    if needed and not (path.parents[1] / needed).exists():
        pytest.skip(f"{needed} is not there: run 'make demo' first")
    NotebookClient(nbformat.read(path, as_version=4), timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
