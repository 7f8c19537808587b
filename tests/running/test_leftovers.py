"""What a killed command leaves in a run folder goes at the next start, and nothing else does."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import zarr

from icemap.running.leftovers import sweep

HEX = "0123456789abcdef" * 2
THEIRS = [
    "notes.partial",
    ".icemap-part",
    f"field.{HEX}.partial",
    ".hidden",
    ".provenance.json.swp",
    ".icemap-lock.json",
    "products/mine.partial",
    f"products/mine.{HEX}.partial",
    "products/.mine.tif.bak",
    "mine/.x.json.0a0a0a0a0a0a.icemap-part",
    "mine/.icemap-cog-abc/raw.tif",
    "map.zarr/notes.partial",
    "map.zarr/vic/c/0/0",
    "ledger/map/.progress.json",
    "icemap-cog-notes/raw.tif",
    "comparison/mine.tif",
    "mine/.icemap-comparison-ipa.zarr/zarr.json",
]
OURS = [
    ".provenance.json.0a0a0a0a0a0a.icemap-part",
    "products/.icemap-cog-abcd1234/raw.tif",
    "products/.map.png.0a0a0a0a0a0a.icemap-part",
    "ledger/map/.r000c000.json.0a0a0a0a0a0a.icemap-part",
    "ensemble/.manifest.json.0a0a0a0a0a0a.icemap-part",
    "stac/T5m_VIC/.T5m_VIC.json.0a0a0a0a0a0a.icemap-part",
    f"cube.zarr/dem/c/0/1.{HEX}.partial",
    f"map.zarr/vic/c/0/0.{HEX}.partial",
    f"map.zarr/zarr.{HEX}.partial",
    ".icemap-comparison-ipa.zarr/zarr.json",
    "comparison/.icemap-cog-abcd1234/raw.tif",
]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_our_own_temporary_files_are_swept(tmp_path):
    for name in [*THEIRS, *OURS]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    sweep(str(tmp_path))
    assert files(tmp_path) == set(THEIRS)
    assert not (tmp_path / "products" / ".icemap-cog-abcd1234").exists()


def test_a_run_that_is_not_there_yet_and_one_in_a_bucket_have_none(tmp_path):
    sweep(str(tmp_path / "run"))
    sweep("s3://bucket/run")
    assert not (tmp_path / "run").exists()


def test_what_writers_that_are_killed_really_leave_is_swept(tmp_path):
    """Of icemap's own writers and of Zarr's, by their present names."""
    zarr.create_array(str(tmp_path / "map.zarr" / "vic"), data=np.arange(4.0), chunks=(2,))
    code = """
        import os, pathlib, sys
        import zarr, zarr.storage._local
        from icemap import store
        from icemap.products import cog
        run = sys.argv[1]
        end = lambda *paths: os._exit(9)
        if sys.argv[2] == "file":
            os.replace = end
            store.write_text(f"{run}/provenance.json", "new")
        elif sys.argv[2] == "chunk":
            pathlib.Path.replace = end
            zarr.open_array(f"{run}/map.zarr/vic")[:] = 1.0
        else:
            with cog._workplace(f"{run}/products/T5m_VIC.tif") as folder:
                (folder / "raw.tif").write_bytes(b"II")
                os._exit(9)
    """
    whole = files(tmp_path)
    for what in ("file", "chunk", "cog"):
        program = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), what]
        assert subprocess.run(program, check=False, env=os.environ).returncode == 9
        assert files(tmp_path) > whole, what
        sweep(str(tmp_path))
        assert files(tmp_path) == whole, what
