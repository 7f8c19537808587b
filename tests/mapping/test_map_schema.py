from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import is_published, map_variables, open_map, target_of
from icemap.zarr_groups import write_chunk

GRID = Grid(0, 60, 16, 76, 1.0)


@pytest.fixture
def map_url(tmp_path) -> str:
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, map_variables(TargetConfig()), {"title": "t"}, chunk=8)
    return url


def test_the_fixed_names():
    assert [v.name for v in map_variables(TargetConfig())] == [
        "vic",
        "vic_sd_ensemble",
        "vic_lower95",
        "vic_upper95",
        "dissimilarity",
        "aoa",
        "extrapolated",
    ]


def test_every_variable_is_described(map_url):
    for name, variable in open_map(map_url).data_vars.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["units"] in {"%", "1"}, name
        assert variable.attrs["grid_mapping"] == "spatial_ref"
    stored = xr.open_zarr(map_url, consolidated=False)
    assert set(stored.vic.attrs["ancillary_variables"].split()) == set(stored.data_vars) - {"vic"}


@pytest.mark.parametrize(
    "target",
    [
        TargetConfig(),
        TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None),
    ],
)
def test_the_map_says_what_it_is_about(tmp_path, target):
    create_gridded(str(tmp_path / "map.zarr"), GRID, map_variables(target), {}, chunk=8)
    assert target_of(open_map(str(tmp_path / "map.zarr"))) == target


def test_what_no_task_wrote_is_nodata(map_url):
    chunk = next(iter(GRID.chunks(8)))
    write_chunk(
        map_url,
        chunk,
        {"aoa": np.zeros(chunk.shape, "uint8"), "vic": np.zeros(chunk.shape, "float32")},
    )
    dataset = open_map(map_url)
    for name in ("vic", "aoa", "extrapolated"):
        assert np.isnan(dataset[name].values[8:]).all(), name


def test_other_data_is_refused(tmp_path):
    create_gridded(
        str(tmp_path / "cube.zarr"),
        GRID,
        [v for v in map_variables(TargetConfig()) if v.name == "aoa"],
        {},
        chunk=8,
    )
    with pytest.raises(IcemapError, match=r"cube\.zarr is not a map of icemap"):
        target_of(open_map(str(tmp_path / "cube.zarr")))


def test_a_level_that_is_not_there_says_which_are(map_url):
    for level in (1, -1):
        with pytest.raises(IcemapError, match=f"no level {level} of the map .*no coarser levels"):
            open_map(map_url, level=level)
    assert open_map(map_url, level=0).vic.shape == GRID.shape


def test_the_recipe_of_a_map_is_what_it_says(map_url):
    dataset = open_map(map_url)
    assert is_published(dataset) is False
    assert is_published(dataset.assign_attrs(recipe="icemap")) is False
    assert is_published(dataset.assign_attrs(recipe="published")) is True
