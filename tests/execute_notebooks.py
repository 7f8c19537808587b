"""Execute the notebooks again, in order, and keep their outputs; 'make notebooks' does it."""

import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def execute(path: Path) -> None:
    """Execute in place. Paths are stored as seen from the notebook, not from the root of this
    machine.
    """
    notebook = nbformat.read(path, as_version=4)
    # Coalesced, a progress bar is its last state.
    NotebookClient(
        notebook,
        timeout=1200,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    path.write_text(nbformat.writes(notebook).replace(f"{path.parent}/", "") + "\n")


if __name__ == "__main__":
    for name in ("own_data", "virtual_arctic"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in sorted(FOLDER.glob("*.ipynb")):
        print(path.name)
        execute(path)
