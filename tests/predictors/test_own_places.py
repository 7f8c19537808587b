"""Longitudes and latitudes of cells in a projected file, against its CRS."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import xarray as xr

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 104, 64, 1.0)
MAPPING = {
    "grid_mapping_name": "polar_stereographic",
    "latitude_of_projection_origin": 90.0,
    "standard_parallel": 70.0,
    "straight_vertical_longitude_from_pole": -45.0,
    "false_easting": 0.0,
    "false_northing": 0.0,
    "semi_major_axis": 6378137.0,
    "inverse_flattening": 298.257223563,
}


def write(folder: Path, names=("lon", "lat"), packed=False, missing=False, **mapping) -> Path:
    x = np.arange(-3e6, 3e6, 20e3) + 10e3
    turn = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
    lon, lat = turn.transform(*np.meshgrid(x, x[::-1]))
    if missing:
        lon[:60], lat[:60] = np.nan, -999.0
    axes = {
        name: (name, values, {"units": "m", "standard_name": f"projection_{name}_coordinate"})
        for name, values in (("x", x), ("y", x[::-1]))
    }
    places = {
        name: (("y", "x"), np.round(values * 100).astype("i2"), {"scale_factor": 0.01})
        if packed
        else (("y", "x"), values.astype("f4"))
        for name, values in zip(names, (lon, lat))
    }
    dataset = xr.Dataset(
        {"a": (("y", "x"), lat.astype("f4"), {"grid_mapping": "crs"}), **places}, coords=axes
    )
    dataset["crs"] = ((), 0, {**MAPPING, **mapping})
    dataset.to_netcdf(folder / "a.nc")
    return folder / "a.nc"


def opened(path: Path, **keys: str) -> None:
    about = {"name": "a", "family": "climate", "long_name": "a", "unit": "degree", "variable": "a"}
    with open_source(Source(**about, url=str(path), **keys), GRID):
        pass


@pytest.mark.parametrize(
    "mapping",
    [
        {"straight_vertical_longitude_from_pole": 0.0},
        {"standard_parallel": 90.0},
        {"false_easting": 3e6},
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_crs_that_the_places_of_cells_deny_is_refused(tmp_path: Path, mapping, packed) -> None:
    path = write(tmp_path, packed=packed, **mapping)
    with pytest.raises(IcemapError, match=r"by 'lon' and 'lat' of the file .* km off: correct"):
        opened(path)
    opened(path, crs="EPSG:3413")


def test_the_catalogue_may_be_wrong(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="Arctic Polar Stereographic"):
        opened(write(tmp_path, names=("longitude", "latitude")), crs="EPSG:3995")


@pytest.mark.parametrize("keys", [{}, {"packed": True}, {"missing": True}])
def test_places_that_agree_are_left(tmp_path: Path, keys) -> None:
    opened(write(tmp_path, **keys))


def test_a_sphere_in_place_of_an_ellipsoid_is_near_enough(tmp_path: Path) -> None:
    opened(write(tmp_path, semi_major_axis=6371228.0, inverse_flattening=0.0))
