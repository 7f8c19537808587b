"""What a command that was killed leaves behind in a run folder, and only that."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from icemap.store import TEMPORARY, is_remote, local_path

# Folders in which icemap alone writes; of the run's own folder only the files are looked at.
OURS = ("cube.zarr", "map.zarr", "ensemble", "ledger", "products", "stac", "comparison")
_FILE = re.compile(r"\..+\.[0-9a-f]{12}" + re.escape(TEMPORARY))
# Zarr writes a chunk under such a name until it is whole.
_CHUNK = re.compile(r".+\.[0-9a-f]{32}\.partial")
# Folder in which a GeoTIFF is made, before it is moved to its place.
COG_FOLDER = ".icemap-cog-"
# How the folder of a run begins in which a comparison is made, before it is moved to its place.
COMPARISON_FOLDER = ".icemap-comparison-"


def sweep(run_url: str) -> None:
    """Remove temporary files of commands that were killed; a bucket, where nothing is ever half
    there, has none.

    To be called by the one command that works on the run: a file of another that still writes is
    not told from one that nobody will finish.
    """
    if is_remote(run_url):
        return
    run = local_path(run_url)
    for path in list(_leftovers(run)):
        # What cannot be removed hurts nobody.
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _leftovers(run: Path) -> Iterator[Path]:
    folders = [run / name for name in OURS]
    for folder, names, files in [_listed(run), *(one for top in folders for one in os.walk(top))]:
        unfinished = [name for name in names if name.startswith((COG_FOLDER, COMPARISON_FOLDER))]
        yield from (Path(folder, name) for name in unfinished)
        names[:] = [name for name in names if name not in unfinished]
        zarr = ".zarr" in folder.removeprefix(str(run))
        yield from (Path(folder, name) for name in files if _is_ours(name, zarr=zarr))


def _listed(run: Path) -> tuple[str, list[str], list[str]]:
    if not run.is_dir():
        return str(run), [], []
    unfinished = [path.name for path in run.glob(f"{COMPARISON_FOLDER}*") if path.is_dir()]
    return str(run), unfinished, [path.name for path in run.iterdir() if path.is_file()]


def _is_ours(name: str, *, zarr: bool) -> bool:
    return bool(_FILE.fullmatch(name) or (zarr and _CHUNK.fullmatch(name)))
