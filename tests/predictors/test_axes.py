"""Where the cells of a file are: its axes, their bounds and their units."""

from __future__ import annotations

import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, require_overlap, resampling
from icemap.predictors.axes import Axis, read_axis
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
DEGREES = pyproj.CRS("EPSG:4326")
POLAR = pyproj.CRS("EPSG:3413")
GOES = pyproj.CRS("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80")
WHO = "The source 'a': a.nc"


def axis(values, crs=DEGREES, *, bounds=None, is_x=True, name="x", **attrs) -> Axis:
    dataset = xr.Dataset(coords={name: (name, np.asarray(values), attrs)})
    if isinstance(bounds, str):
        dataset[name].attrs["bounds"] = bounds
    elif bounds is not None:
        dataset[name].attrs["bounds"] = "edges"
        dataset["edges"] = (
            tuple(f"d{n}" if n else name for n in range(np.ndim(bounds))),
            np.asarray(bounds),
        )
    dataset["v"] = ((name,), np.zeros(len(values)))
    return read_axis(dataset, dataset["v"], name, crs, WHO, is_x=is_x)


def pairs(edges):
    return np.stack([edges[:-1], edges[1:]], axis=1)


def close(found: Axis, edge: float, step: float) -> None:
    assert (found.edge, found.step) == pytest.approx((edge, step), rel=1e-9, abs=1e-9)


def test_without_bounds_coordinates_are_centres():
    close(axis(np.arange(100.5, 110)), 100, 1)
    close(axis(np.arange(65.5, 60, -1), is_x=False), 66, -1)


@pytest.mark.parametrize(
    "of_centres", [0.0, 0.5, 1.0], ids=["western edges", "centres", "eastern edges"]
)
def test_bounds_say_where_cells_are_wherever_coordinates_are_in_them(of_centres):
    edges = np.arange(100.0, 111)
    close(axis(edges[:-1] + of_centres, bounds=pairs(edges)), 100, 1)
    # Both orders of the edges in a pair are in use.
    close(axis(edges[:-1] + of_centres, bounds=pairs(edges)[:, ::-1]), 100, 1)


def test_bounds_of_a_falling_axis():
    edges = np.arange(66.0, 59, -1)
    close(axis(edges[:-1] - 1, bounds=pairs(edges), is_x=False), 66, -1)
    close(axis(edges[:-1] - 1, bounds=pairs(edges)[:, ::-1], is_x=False), 66, -1)


def test_bounds_are_in_the_unit_of_their_axis():
    edges = np.arange(-500.0, 501, 100)
    close(axis(edges[:-1], POLAR, bounds=pairs(edges), units="km"), -500_000, 100_000)


def test_one_cell_needs_bounds():
    close(axis([105.0], bounds=[[100.0, 110.0]]), 100, 10)
    with pytest.raises(IcemapError, match="'x' has one coordinate and no bounds"):
        axis([105.0])


def test_bounds_may_count_longitudes_otherwise_than_their_axis():
    edges = np.arange(175.0, 186)
    as_written = np.where(edges > 180, edges - 360, edges)
    close(axis(as_written[:-1], bounds=pairs(as_written)), 175, 1)
    close(axis(as_written[:-1], bounds=pairs(edges)), 175, 1)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (pairs(np.arange(200.0, 211)), "outside of their own bounds"),
        (pairs(np.arange(100.0, 111)) + np.array([0, -0.4]), "leave gaps between cells or overlap"),
        (
            pairs(np.arange(100.0, 111)) + np.array([-0.5, 0.5]),
            "leave gaps between cells or overlap",
        ),
        (np.repeat(np.arange(100.5, 110)[:, None], 2, axis=1), "cells without an extent"),
        (np.full((10, 2), np.nan), "cells without an extent"),
        (np.zeros((10, 4)), "not two edges for each of the 10 cells"),
    ],
)
def test_bounds_that_do_not_fit_their_axis_are_refused(bounds, message):
    with pytest.raises(IcemapError, match=message):
        axis(np.arange(100.5, 110), bounds=bounds)


def test_bounds_that_are_named_but_not_there_are_refused():
    with pytest.raises(IcemapError, match="names the bounds 'x_bnds', which it does not have"):
        axis(np.arange(100.5, 110), bounds="x_bnds")


@pytest.mark.parametrize(
    ("unit", "per_metre"),
    [
        ("m", 1),
        ("metre", 1),
        ("km", 1e-3),
        ("kilometers", 1e-3),
        ("1000 m", 1e-3),
        ("cm", 100),
        ("", 1),
    ],
)
def test_lengths_are_converted_to_the_unit_of_the_crs(unit, per_metre):
    centres = np.array([-12_500.0, 12_500, 37_500]) * per_metre
    close(axis(centres, POLAR, units=unit), -25_000, 25_000)


def test_kilometres_of_a_crs_in_kilometres_are_its_own():
    in_km = pyproj.CRS("+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +datum=WGS84 +units=km")
    close(axis([-12.5, 12.5, 37.5], in_km, units="km"), -25, 25)
    close(axis([-12_500.0, 12_500, 37_500], in_km, units="m"), -25, 25)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("degrees_east", 1), ("degree", 1), ("radian", np.pi / 180), ("arc_minute", 60)],
)
def test_angles_are_converted_to_degrees(unit, factor):
    close(axis(np.arange(100.5, 110) * factor, units=unit), 100, 1)


@pytest.mark.parametrize(
    ("unit", "factor"), [("radian", 1.0), ("rad", 1.0), ("microradian", 1e6), ("1", 1.0)]
)
def test_scanning_angles_of_a_satellite_become_metres(unit, factor):
    found = axis(np.array([-28e-6, 28e-6, 84e-6]) * factor, GOES, units=unit)
    assert (found.edge, found.step) == pytest.approx(
        (-56e-6 * 35786023, 56e-6 * 35786023), rel=1e-9
    )


@pytest.mark.parametrize(
    ("unit", "crs"),
    [
        ("km", DEGREES),
        ("m", DEGREES),
        ("degrees_east", POLAR),
        ("radian", POLAR),
        ("degrees", POLAR),
    ],
)
def test_a_unit_that_the_crs_denies_is_refused(unit, crs):
    with pytest.raises(
        IcemapError,
        match=f"'x' is in '{unit}', which coordinates of its CRS .* are not in: correct 'crs'",
    ):
        axis([1.0, 2, 3], crs, units=unit)


def test_axes_taken_one_for_the_other_are_refused():
    with pytest.raises(
        IcemapError,
        match="'x' has the unit 'degrees_north', but is read as 'x': exchange 'x' and 'y'",
    ):
        axis([1.0, 2, 3], units="degrees_north")
    with pytest.raises(
        IcemapError, match="has the unit 'degrees_east', but is read as 'y': exchange"
    ):
        axis([1.0, 2, 3], units="degrees_east", is_x=False)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_rounded_coordinates_are_those_of_an_even_axis(digits):
    step = {1: 0.75, 2: 1 / 12, 3: 1 / 120}[digits]
    true = -180 + step * (np.arange(480) + 0.5)
    found = axis(np.round(true, digits))
    assert found.step == pytest.approx(step, rel=1e-4)
    assert abs(found.edge + 180) < 0.05 * step
    assert abs(found.edge + 480 * found.step - (-180 + 480 * step)) < 0.05 * step


def test_single_precision_does_not_move_cells():
    true = -180 + (np.arange(43_200) + 0.5) / 120
    found = axis(true.astype("f4"))
    assert abs(found.edge + 180) < 0.01 / 120
    assert abs(found.edge + 43_200 * found.step - 180) < 0.01 / 120


@pytest.mark.parametrize("off", [0.04, 0.08, -0.08])
def test_one_coordinate_off_by_less_than_a_tenth_of_a_cell_is_accepted(off):
    centres = np.arange(100.5, 130)
    centres[7] += off
    found = axis(centres)
    assert (found.edge, found.step) == pytest.approx((100, 1), abs=0.01)


@pytest.mark.parametrize(
    "centres",
    [
        pytest.param(
            np.where(np.arange(30) == 7, 0.2, 0) + np.arange(100.5, 130), id="one off by a fifth"
        ),
        pytest.param(np.delete(np.arange(100.5, 130), 11), id="one left out"),
        pytest.param(np.geomspace(1, 60, 30), id="growing steps"),
        pytest.param(
            np.degrees(np.arcsin(np.linspace(-0.95, 0.95, 30))), id="latitudes of equal areas"
        ),
        pytest.param(np.full(5, 3.0), id="one place"),
        pytest.param(np.array([1.0, 2, 1, 2, 1]), id="to and fro"),
    ],
)
def test_uneven_axes_are_refused_in_one_sentence(centres):
    with pytest.raises(IcemapError) as caught:
        axis(centres, POLAR)
    assert str(caught.value) == f"{WHO}: its axis 'x' is not evenly spaced; regrid the file first."


def test_gaps_and_words_are_no_coordinates():
    with pytest.raises(IcemapError, match="'x' has gaps among its coordinates"):
        axis([1.0, np.nan, 3])
    with pytest.raises(IcemapError, match="'x' holds no numbers"):
        axis(["a", "b"])


@pytest.mark.parametrize(
    ("centres", "edge", "step"),
    [
        (np.r_[170.5:180:1, -179.5:-170:1], 170, 1),
        (np.r_[0.5:180:1, -179.5:0:1], 0, 1),
        (np.r_[-170.5:-180:-1, 179.5:170:-1], -170, -1),
        (np.r_[350.5:360:1, 0.5:10:1], 350, 1),
    ],
)
def test_longitudes_that_jump_go_on(centres, edge, step):
    close(axis(centres), edge, step)


def opened(tmp_path, coords, dims=("y", "x"), values=None, **keys) -> np.ndarray:
    """What an opened NetCDF file gives on the grid."""
    sizes = [len(coords[dim][1]) if dim in coords else 8 for dim in dims]
    dataset = xr.Dataset(
        {"v": (dims, np.zeros(sizes) if values is None else values)}, coords=coords
    )
    for name in [one for one in dataset.coords if "bounds" in dataset[one].attrs]:
        centres = dataset[name].to_numpy()
        dataset[dataset[name].attrs["bounds"]] = (
            (name, "nv"),
            np.stack([centres, centres + 1], axis=1),
        )
    dataset.to_netcdf(tmp_path / "a.nc")
    return read_on_grid(tmp_path / "a.nc", **keys)


def read_on_grid(path, **keys) -> np.ndarray:
    made = {
        "name": "a",
        "url": str(path),
        "family": "climate",
        "long_name": "a",
        "unit": "1",
        "variable": "v",
        **keys,
    }
    with open_source(Source(**made), GRID) as raster:
        require_overlap(raster, GRID)
        chunk = next(iter(GRID.chunks(100)))
        return align(raster, GRID, chunk, resampling(raster, GRID))


def test_axes_without_coordinates_are_refused(tmp_path):
    with pytest.raises(
        IcemapError,
        match="'x' has no coordinates, only numbers of rows or columns: grid the file first",
    ):
        opened(tmp_path, {}, x="x", y="y", crs="EPSG:4326")


def test_axes_that_only_count_are_refused(tmp_path):
    coords = {"x": ("x", np.arange(10)), "y": ("y", np.arange(6))}
    with pytest.raises(IcemapError, match="axes 'x' and 'y' only count columns and rows"):
        opened(tmp_path, coords, crs="EPSG:4326", x="x", y="y")


def test_small_whole_degrees_with_a_unit_are_coordinates(tmp_path):
    coords = {
        "lon": ("lon", np.arange(0.0, 120), {"units": "degrees_east"}),
        "lat": ("lat", np.arange(0.0, 70), {"units": "degrees_north"}),
    }
    lon = np.broadcast_to(np.arange(120.0), (70, 120))
    found = opened(tmp_path, coords, ("lat", "lon"), lon)
    np.testing.assert_allclose(found, np.broadcast_to(GRID.longitudes, GRID.shape), atol=1e-4)


def test_a_file_whose_coordinates_are_corners_is_put_where_its_bounds_say(tmp_path):
    """Values of cells by their lower left corner: without the bounds everything is half a cell
    off.
    """
    lon, lat = np.arange(100.0, 110), np.arange(60.0, 66)
    values = lon[None, :] + 0.5 + 100 * (lat[:, None] + 0.5)
    coords = {
        "lon": ("lon", lon, {"units": "degrees_east", "bounds": "lon_b"}),
        "lat": ("lat", lat, {"units": "degrees_north", "bounds": "lat_b"}),
    }
    found = opened(tmp_path, coords, ("lat", "lon"), values)
    expected = GRID.longitudes[None, :] + 100 * GRID.latitudes[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_kilometres_of_a_projected_file_are_put_where_they_belong(tmp_path):
    found = {}
    for unit, scale in (("m", 1.0), ("km", 1e-3)):
        x = np.arange(-4_000_000, 4_000_001, 50_000.0)
        to_degrees = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
        lat = to_degrees.transform(*np.meshgrid(x, x[::-1]))[1]
        coords = {
            "x": ("x", x * scale, {"units": unit}),
            "y": ("y", x[::-1] * scale, {"units": unit}),
        }
        found[unit] = opened(tmp_path, coords, values=lat, crs="EPSG:3413")
    np.testing.assert_allclose(
        found["m"], np.broadcast_to(GRID.latitudes[:, None], GRID.shape), atol=0.05
    )
    np.testing.assert_allclose(found["km"], found["m"], rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ({"standard_name": "longitude"}, {"standard_name": "latitude"}),
        ({"axis": "X"}, {"axis": "Y"}),
        (
            {"standard_name": "projection_x_coordinate"},
            {"standard_name": "projection_y_coordinate"},
        ),
    ],
)
def test_axes_of_any_name_are_known_by_what_they_say(tmp_path, x, y):
    coords = {
        "i": ("i", np.arange(0.5, 120), x),
        "j": ("j", np.arange(0.5, 70), y),
    }
    lon = np.broadcast_to(np.arange(120.0), (70, 120))
    found = opened(tmp_path, coords, ("j", "i"), lon, crs="EPSG:4326")
    np.testing.assert_array_equal(found[0], np.arange(100, 110))


def test_places_cell_by_cell_may_be_called_as_the_axes_are(tmp_path):
    lon, lat = np.meshgrid(np.arange(100.5, 110), np.arange(60.5, 66))
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in (("lat", 6), ("lon", 10)):
            file.createDimension(name, size)
        for name, places in (("lat", lat), ("lon", lon), ("v", lon)):
            file.createVariable(name, "f8", ("lat", "lon"))[:] = places
        file["lat"].units, file["lon"].units = "degrees_north", "degrees_east"
    with pytest.raises(IcemapError, match=r"cell by cell \(lat, lon\), as curvilinear grids"):
        read_on_grid(tmp_path / "a.nc")


def test_an_axis_that_is_both_is_refused(tmp_path):
    coords = {
        "lon": ("lon", np.arange(100.5, 110), {"units": "degrees_north"}),
        "lat": ("lat", np.arange(60.5, 66), {"units": "degrees_east"}),
    }
    dataset = xr.Dataset({"v": (("lat", "lon"), np.zeros((6, 10)))}, coords=coords)
    dataset.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(IcemapError, match=r"its axis 'lat' is x by .* and y by"):
        read_on_grid(tmp_path / "a.nc")


def test_curvilinear_grids_are_called_so(tmp_path):
    lon, lat = np.meshgrid(np.arange(100.5, 110), np.arange(60.5, 66))
    coords = {
        "there": (("y", "x"), lon, {"units": "degrees_east"}),
        "up": (("y", "x"), lat + 0.1 * lon, {"standard_name": "latitude"}),
    }
    dataset = xr.Dataset({"v": (("y", "x"), np.zeros(lon.shape))}, coords=coords)
    dataset.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(IcemapError, match=r"cell by cell \(there, up\), as curvilinear grids"):
        read_on_grid(tmp_path / "a.nc")
