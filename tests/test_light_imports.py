"""What is asked often starts fast: libraries are imported when they are used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables
from icemap.zarr_groups import write_chunk

FITTING = ["lightgbm", "pygam", "sklearn.ensemble", "sklearn.svm", "pyvinecopulib", "skops"]
DRAWING = ["matplotlib", "rasterio", "geopandas"]
READING = ["pandas", "xarray", "dask", "distributed"]
LEARNING = ["sklearn", "numba", "scipy"]


def loaded(code: str, watched: list[str]) -> list[str]:
    """Which of some modules are there after code ran in a process of its own."""
    code = f"import sys\n{code}\nprint(*[m for m in {watched} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def run(tmp_path):
    grid, variables = Grid(100, 60, 110, 70, 1.0), map_variables(TargetConfig())
    create_gridded(str(tmp_path / "map.zarr"), grid, variables, {}, chunk=10)
    (chunk,) = grid.chunks(10)
    values = {v.name: np.ones(chunk.shape, v.dtype) for v in variables}
    write_chunk(str(tmp_path / "map.zarr"), chunk, values)
    return tmp_path


def test_the_ensembles_class_comes_without_what_fits_it():
    assert loaded("import icemap; icemap.IceEnsemble", FITTING + DRAWING + ["numba"]) == []


def test_names_of_icemaps_own_members_are_known_without_what_fits_them():
    code = "from icemap.ensemble.imported_members import require_member as ask; ask('lightgbm')"
    assert loaded(code, FITTING + LEARNING) == []


def test_a_query_reads_with_zarr_alone(run):
    code = (
        "from click.testing import CliRunner; from icemap.cli import main\n"
        f"done = CliRunner().invoke(main, ['query', {str(run)!r}, '--lon', '104', '--lat', '64'])\n"
        "assert done.exit_code == 0, done.output; print(done.output.split('vic')[1].split()[0])"
    )
    assert loaded(code, FITTING + DRAWING + READING + LEARNING) == ["1"]
