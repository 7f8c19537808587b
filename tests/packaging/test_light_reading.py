"""A map is read with a short list of packages, that of docs/how-to/read-a-map.md."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables
from icemap.zarr_groups import write_chunk

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "read-a-map.md"
ABSENT = """
import sys
from importlib.machinery import PathFinder

class Absent(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

ABSENT = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent)
"""
READ = """
import icemap
ds = icemap.open_map(f"{sys.argv[2]}/map.zarr")
value = ds.vic.sel(latitude=64.5, longitude=104.5, method="nearest").values
at_one = icemap.query(f"{sys.argv[2]}/map.zarr", 104.5, 64.5)
at_many = ds.icemap.query([104.5, 105.5], [64.5, 64.5])
assert float(value) == at_one["vic"] == at_many["vic"][0] == 2.0
assert ds.vic.chunks is not None
"""
COMMAND = """
from icemap.cli import main
main(sys.argv[2:])
"""


def short_list() -> list[str]:
    """The packages that the page names besides icemap itself."""
    (line,) = re.findall(r"^pip install (?!--no-deps)(.*zarr.*)$", PAGE.read_text(), re.M)
    return [name for name in line.partition("#")[0].split() if name != "s3fs"]


def with_what_they_need(names: list[str]) -> set[str]:
    """Packages and all that they require here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:  # of another system or Python
            continue
        waiting += [
            one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


@cache
def absent() -> str:
    """The modules here that are of no package on the list and of none that one on it needs."""
    there = with_what_they_need(short_list()) | {"icemap"}
    modules = [
        module
        for module, names in packages_distributions().items()
        if not there & {canonicalize_name(name) for name in names}
        and not module.startswith(("_", "icemap"))
    ]
    assert {"rasterio", "matplotlib", "sklearn", "numba", "geopandas", "pyarrow"} <= set(modules)
    return ",".join(modules)


def run_without_the_rest(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ABSENT + code, absent(), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def run(tmp_path) -> Path:
    grid, variables = Grid(100, 60, 110, 70, 1.0), map_variables(TargetConfig())
    url = str(tmp_path / "map.zarr")
    create_gridded(url, grid, variables, {}, chunk=10)
    (chunk,) = grid.chunks(10)
    write_chunk(url, chunk, {v.name: np.full(chunk.shape, 2, v.dtype) for v in variables})
    return tmp_path


def test_a_map_is_opened_and_asked(run):
    done = run_without_the_rest(READ, str(run))
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_command_asks_it(run):
    done = run_without_the_rest(COMMAND, "query", str(run), "--lon", "104.5", "--lat", "64.5")
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^vic +2$", done.stdout, re.MULTILINE)


def test_a_command_that_needs_more_says_so(run):
    done = run_without_the_rest(COMMAND, "view", str(run))
    assert done.returncode == 2
    assert done.stderr.startswith("icemap: 'icemap view' needs the module tornado")
    assert "pip install icemap" in done.stderr
    assert "Traceback" not in done.stderr
