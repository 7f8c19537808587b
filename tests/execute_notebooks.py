"""Execute the notebooks again, in order, and keep their outputs; 'make notebooks' does it."""

import base64
import io
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

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
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _with_few_colours(data["image/png"])
    path.write_text(nbformat.writes(notebook).replace(f"{path.parent}/", "") + "\n")


def _with_few_colours(png: str) -> str:
    """The same picture in 256 colours, a third of the size; rare colours of a scale stay."""
    picture, made = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
        made, "PNG", optimize=True
    )
    return base64.b64encode(made.getvalue()).decode()


if __name__ == "__main__":
    for name in ("own_data", "virtual_arctic"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in sorted(FOLDER.glob("*.ipynb")):
        print(path.name)
        execute(path)
