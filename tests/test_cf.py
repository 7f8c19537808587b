"""What is saved of a map and of a cube as NetCDF keeps to the CF conventions."""

import contextlib
import io
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import icemap
from icemap import Grid
from icemap.config import load_config
from icemap.config_sections import TargetConfig
from icemap.gridded import create_gridded, describe_gridded
from icemap.mapping.map_schema import map_variables, target_of
from icemap.virtual_arctic.demo import write_demo
from icemap.words import map_words

GRIDS = [Grid(160, 60, 200, 70, 1.0), Grid(-180, 60, 180, 80, 4.0)]
THAW = TargetConfig(name="alt", long_name="thaw depth", unit="cm", bounds=(0.1, 500.0))
FREE = TargetConfig(name="magt", long_name="ground temperature", unit="degC", bounds=None)


def report(path: Path) -> str:
    """What the checker has to say of a file; empty where all is well."""
    pytest.importorskip("compliance_checker", reason="compliance-checker is not installed")
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    CheckSuite.load_all_available_checkers()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        passed, failed = ComplianceChecker.run_checker(
            str(path), ["cf:1.11"], 0, "strict", output_filename="-", output_format="text"
        )
    return "" if passed and not failed else said.getvalue()


def write_map(folder: Path, target: TargetConfig, grid: Grid) -> str:
    url = str(folder / "map.zarr")
    create_gridded(url, grid, map_variables(target), {"title": "A map", "source": "s"}, chunk=16)
    return url


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("target", [TargetConfig(), THAW, FREE], ids=lambda target: target.name)
def test_a_saved_map_keeps_to_cf(tmp_path, target, grid):
    url = write_map(tmp_path, target, grid)
    describe_gridded(url, map_variables(target), {"history": "made by a test"})
    icemap.open_map(url).to_netcdf(tmp_path / "map.nc")
    assert report(tmp_path / "map.nc") == ""


def test_a_saved_cube_keeps_to_cf(tmp_path):
    catalog = write_demo(str(tmp_path), "small").replace("config.yaml", "catalog.yaml")
    names, masks = ["maat", "deposit"], [{"source": "land_fraction", "counts": "part"}]
    cube = icemap.build_cube(catalog, Grid(100, 60, 140, 70, 2.0), names, masks)
    cube.to_netcdf(tmp_path / "cube.nc")
    assert report(tmp_path / "cube.nc") == ""


def test_the_checker_is_asked(tmp_path):
    with netCDF4.Dataset(tmp_path / "wrong.nc", "w") as file:
        file.createVariable("vic", "f4").units = "parrots"
    assert "parrots" in report(tmp_path / "wrong.nc")


def test_flags_and_limits_have_the_type_of_their_variable(tmp_path):
    url = write_map(tmp_path, THAW, GRIDS[0])
    icemap.open_map(url).to_netcdf(tmp_path / "map.nc")
    with netCDF4.Dataset(tmp_path / "map.nc") as file:
        for name, keys in {"aoa": ("flag_values", "valid_range"), "alt": ("valid_range",)}.items():
            for key in keys:
                assert np.asarray(file[name].getncattr(key)).dtype == file[name].dtype, (name, key)
        for name in ("latitude", "longitude"):
            assert "_FillValue" not in file[name].ncattrs()
    assert target_of(icemap.open_map(url)) == THAW


def test_coordinates_have_no_fill_value_in_the_store(tmp_path):
    import xarray as xr

    raw = xr.open_zarr(write_map(tmp_path, THAW, GRIDS[0]), decode_cf=False)
    assert "_FillValue" not in raw.latitude.attrs
    assert "_FillValue" not in raw.longitude.attrs


def test_a_map_says_where_it_is(tmp_path):
    attrs = icemap.open_map(write_map(tmp_path, THAW, GRIDS[0])).attrs
    assert (attrs["geospatial_lon_min"], attrs["geospatial_lon_max"]) == (160, -160)
    assert (attrs["geospatial_lat_min"], attrs["geospatial_lat_max"]) == (60, 70)


def test_words_of_the_config_come_and_go(tmp_path):
    config = load_config(write_demo(str(tmp_path / "demo"), "small"))
    said = config.model_copy(
        update={"author": "A. Person", "licence": "CC-BY-4.0", "citation": "A. Person (2026)"}
    )
    url = write_map(tmp_path, THAW, GRIDS[0])
    describe_gridded(url, map_variables(THAW), map_words(said))
    attrs = icemap.open_map(url).attrs
    assert (attrs["creator_name"], attrs["license"]) == ("A. Person", "CC-BY-4.0")
    assert attrs["references"] == "A. Person (2026)"
    assert config.title in attrs["summary"]
    describe_gridded(url, map_variables(THAW), map_words(config))
    assert not {"creator_name", "license", "references"} & set(icemap.open_map(url).attrs)
