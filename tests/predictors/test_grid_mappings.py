"""A projected file is where its own grid mapping puts it, and refused where that is incomplete."""

import netCDF4
import numpy as np
import pyproj
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, resampling
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(102, 62, 108, 64, 1)
NSIDC = {
    "grid_mapping_name": "polar_stereographic",
    "straight_vertical_longitude_from_pole": -45.0,
    "latitude_of_projection_origin": 90.0,
    "standard_parallel": 70.0,
}
UTM = {
    "grid_mapping_name": "transverse_mercator",
    "longitude_of_central_meridian": 105.0,
    "latitude_of_projection_origin": 0.0,
    "scale_factor_at_central_meridian": 0.9996,
    "false_easting": 500000.0,
}
CONIC = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": [50.0, 65.0],
    "longitude_of_central_meridian": 100.0,
    "latitude_of_projection_origin": 60.0,
}
EQUAL_AREA = {
    "grid_mapping_name": "lambert_azimuthal_equal_area",
    "longitude_of_projection_origin": 0.0,
    "latitude_of_projection_origin": 90.0,
}
ELLIPSOID = {"semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563}


def write(path, mapping, named="crs", further=None):
    """Latitudes in the projection of a mapping, and the mappings of a file."""
    crs = pyproj.CRS.from_cf({**mapping, **ELLIPSOID})
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x0, y0 = to.transform(105, 63)
    x, y = x0 + 10_000 * np.arange(-40, 41), y0 + 10_000 * np.arange(40, -41, -1)
    lon, lat = to.transform(*np.meshgrid(x, y), direction="INVERSE")
    with netCDF4.Dataset(path, "w") as file:
        for name, at in (("y", y), ("x", x)):
            file.createDimension(name, at.size)
            file.createVariable(name, "f8", (name,))[:] = at
        for name, values in (("v", lat), ("lat", lat), ("lon", lon)):
            file.createVariable(name, "f8", ("y", "x"))[:] = values
        file["v"].grid_mapping = named
        file["v"].coordinates = "lat lon"
        for name, attrs in ({"crs": {**mapping, **ELLIPSOID}} | (further or {})).items():
            file.createVariable(name, "i4", ()).setncatts(attrs)
    return path


def without(path, key):
    with netCDF4.Dataset(path, "a") as file:
        file["crs"].delncattr(key)
        # They would show that the places are wrong.
        file.renameVariable("lat", "a")
        file.renameVariable("lon", "b")
    return path


def error(path, **keys) -> float:
    source = Source(
        name="a", url=str(path), family="climate", long_name="a", unit="1", variable="v", **keys
    )
    with open_source(source, GRID) as raster:
        (chunk,) = GRID.chunks(100)
        found = align(raster, GRID, chunk, resampling(raster, GRID))
    return float(np.abs(found - GRID.latitudes[:, None]).max())


@pytest.mark.parametrize("mapping", [NSIDC, UTM, CONIC, EQUAL_AREA])
@pytest.mark.parametrize("named", ["crs", "crs: x y", "wgs: lat lon crs: x y", "crs : y x"])
def test_a_file_is_where_the_mapping_of_its_axes_puts_it(tmp_path, mapping, named) -> None:
    wgs = {"wgs": {"grid_mapping_name": "latitude_longitude", **ELLIPSOID}}
    assert error(write(tmp_path / "a.nc", mapping, named, wgs)) < 0.02


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        (NSIDC, "standard_parallel"),
        (UTM, "scale_factor_at_central_meridian"),
        (UTM, "longitude_of_central_meridian"),
        (CONIC, "latitude_of_projection_origin"),
        (CONIC, "longitude_of_central_meridian"),
        (EQUAL_AREA, "latitude_of_projection_origin"),
    ],
)
def test_a_mapping_without_what_its_places_depend_on_is_refused(tmp_path, mapping, key) -> None:
    path = without(write(tmp_path / "a.nc", mapping), key)
    with pytest.raises(IcemapError, match=rf"its grid mapping '.*' has no {key}.*give the 'crs'"):
        error(path)
    whole = pyproj.CRS.from_cf({**mapping, **ELLIPSOID}).to_wkt()
    assert error(path, crs=whole) < 0.02


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        (NSIDC, "semi_major_axis"),
        (UTM, "latitude_of_projection_origin"),
        ({**CONIC, "standard_parallel": 60.0}, "latitude_of_projection_origin"),
    ],
)
def test_what_goes_without_saying_is_not_asked_for(tmp_path, mapping, key) -> None:
    assert error(without(write(tmp_path / "a.nc", mapping), key)) < 0.02


def test_a_whole_crs_stands_in_for_parameters(tmp_path) -> None:
    path = without(write(tmp_path / "a.nc", NSIDC), "standard_parallel")
    with netCDF4.Dataset(path, "a") as file:
        file["crs"].crs_wkt = pyproj.CRS("EPSG:3413").to_wkt()
    assert error(path) < 0.02


def test_a_whole_crs_that_its_parameters_contradict_is_refused(tmp_path) -> None:
    path = without(write(tmp_path / "a.nc", NSIDC), "inverse_flattening")
    for epsg in (3413, 3995):
        with netCDF4.Dataset(path, "a") as file:
            file["crs"].inverse_flattening = ELLIPSOID["inverse_flattening"]
            file["crs"].crs_wkt = pyproj.CRS(epsg).to_wkt()
        if epsg == 3413:
            assert error(path) < 0.02
    with pytest.raises(IcemapError, match=r"is WGS 84 / Arctic Polar .* by its whole CRS, and"):
        error(path)
    assert error(path, crs="EPSG:3413") < 0.02
