"""Missing values, units and kinds that NetCDF, HDF and Zarr declare, in every type and way of
writing them.
"""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.raster import Raster
from icemap.predictors.sources import open_source
from tests.small_rasters import source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)


def read(path, **keys) -> np.ndarray:
    with open_source(source(path, **keys), GRID) as raster:
        return whole(raster)


def whole(raster: Raster) -> np.ndarray:
    return raster.read(slice(0, raster.shape[0]), slice(0, raster.shape[1]))


def write(path, first, rest=7, dtype="f4", fill=None, axes=(), steps=1, **attrs):
    """A variable of ``rest`` whose first columns hold ``first``, as stored."""
    file = netCDF4.Dataset(path, "w")
    for name, values, units in (
        ("lat", np.arange(65.5, 60, -1), "degrees_north"),
        ("lon", np.arange(100.5, 110), "degrees_east"),
    ):
        file.createDimension(name, len(values))
        file.createVariable(name, "f8", (name,))[:] = values
        file[name].units = units
    for name in axes:
        file.createDimension(name, steps)
    variable = file.createVariable("v", dtype, (*axes, "lat", "lon"), fill_value=fill)
    variable.set_auto_maskandscale(False)
    stored = np.full(variable.shape, rest, dtype=dtype)
    stored[..., : len(first)] = np.array(first, dtype=dtype)
    variable[:] = stored
    for key, value in attrs.items():
        variable.setncattr(key, value)
    file.close()
    return path


i1, u1, i2, f4, f8 = np.int8, np.uint8, np.int16, np.float32, np.float64
GAPS = {
    "missing value": ([-9999], {"missing_value": f4(-9999)}),
    "several missing values": ([-9999, -8888, 1e20], {"missing_value": f4([-9999, -8888, 1e20])}),
    "fill and missing value": ([-1, -2], {"fill": -1, "missing_value": f4(-2)}),
    "as text": ([-9999], {"missing_value": "-9999.0"}),
    "in double precision": ([1e20], {"missing_value": f8(1e20)}),
    "fill and valid range": ([-1, 300, -50], {"fill": -1, "valid_range": f4([0, 100])}),
    "valid range as text": ([300, -50], {"valid_range": "0, 100"}),
    "valid min": ([-50], {"valid_min": f4(0)}),
    "valid max": ([300], {"valid_max": f4(100)}),
    "HDF-EOS": ([-9999.9], {"CodeMissingValue": "-9999.9"}),
    "infinite": ([np.inf, -np.inf, np.nan], {}),
    "default of doubles": ([netCDF4.default_fillvals["f8"]], {"dtype": "f8"}),
    "default of shorts": ([-32767], {"dtype": "i2"}),
    "default of integers": ([-2147483647], {"dtype": "i4"}),
    "default of unsigned shorts": ([65535], {"dtype": "u2"}),
    "packed range": (
        [-200, 2000],
        {"dtype": "i2", "scale_factor": 0.1, "rest": 70, "valid_range": i2([-100, 1000])},
    ),
    "physical range of packed values": (
        [-200, 2000],
        {"dtype": "i2", "scale_factor": 0.1, "rest": 70, "valid_range": f8([-10, 100])},
    ),
    "physical missing value": (
        [-9999],
        {"dtype": "i2", "scale_factor": 0.1, "rest": 70, "missing_value": f8(-999.9)},
    ),
    "packed missing value as float": (
        [-9999],
        {"dtype": "i2", "scale_factor": 0.1, "rest": 70, "missing_value": f4(-9999)},
    ),
    "unsigned bytes": (
        [-1, -56],
        {"dtype": "i1", "_Unsigned": "true", "fill": i1(-1), "valid_range": i1([0, -106])},
    ),
}


@pytest.mark.parametrize(("first", "keys"), GAPS.values(), ids=GAPS)
def test_what_the_file_says_is_missing_is(tmp_path, first, keys) -> None:
    values = read(write(tmp_path / "a.nc", first, **keys))
    assert np.isnan(values[:, : len(first)]).all()
    np.testing.assert_allclose(values[:, len(first) :], 7, rtol=1e-6)


@pytest.mark.parametrize(
    ("first", "expected", "keys"),
    [
        ([-127], -127, {"dtype": "i1", "rest": -120}),
        ([0], 0, {}),
        ([-1], 255, {"dtype": "i1", "_Unsigned": "true", "rest": -6}),
        ([-100], 156, {"dtype": "i1", "_Unsigned": "true", "rest": -106}),
        ([100], 100, {"valid_range": f4([0, 100])}),
        ([-10.1], -10.1, {"valid_min": f8(-10.1)}),
        ([0], 5, {"dtype": "i2", "scale_factor": 0.1, "add_offset": 5.0, "valid_min": i2(0)}),
    ],
    ids=[
        "bytes have no default",
        "zero",
        "255",
        "unsigned bytes",
        "the limit itself",
        "a rounded limit",
        "the packed limit",
    ],
)
def test_what_it_does_not_say_is_not(tmp_path, first, expected, keys) -> None:
    np.testing.assert_allclose(
        read(write(tmp_path / "a.nc", first, **keys))[:, 0], expected, rtol=1e-6
    )


def test_nodata_of_the_catalogue_is_the_stored_value(tmp_path) -> None:
    path = write(tmp_path / "a.nc", [-9999], dtype="i2", rest=70, scale_factor=0.1)
    assert np.isnan(read(path, nodata=(-9999,))[:, 0]).all()
    with pytest.raises(
        IcemapError,
        match=(
            r"holds the value -9999 in 6 of 60 cells, far outside the others \(70 to 70\).*'nodata:"
            r" \[-9999\]'"
        ),
    ):
        read(path, nodata=(-999.9,))


SUSPECTS = {
    "f4": (-9999, -999, -99, 999, 9999, -3.4028235e38, 3.4e38, 1e20, 1e30, -1e30, -999.9, -9999.9),
    "f8": (-1.7976931348623157e308, 32767, -32768, 9.96921e36 * 1.1),
    "i2": (-32768, 32767, -9999, 9999),
    "u2": (9999,),
    "u1": (255,),
    "i1": (-128,),
    "i4": (2147483647, 99999),
}


@pytest.mark.parametrize(
    ("dtype", "value"), [(dtype, value) for dtype, values in SUSPECTS.items() for value in values]
)
def test_a_code_that_nothing_declares_is_asked_about(tmp_path, dtype, value) -> None:
    path = write(tmp_path / "a.nc", [value, 3, 5, 30], dtype=dtype)
    with pytest.raises(
        IcemapError, match=r"holds the value .* nothing says that it means missing: give 'nodata: "
    ):
        read(path)
    assert np.isnan(read(path, nodata=(float(np.array(value, dtype)),))[:, 0]).all()
    if abs(value) < 1e5:
        assert (read(path, valid_range=(-1e5, 1e5))[:, 0] == np.float32(value)).all()


def test_a_window_of_nothing_else_is_asked_about(tmp_path) -> None:
    with pytest.raises(IcemapError, match="holds the value -9999 in 60 of 60 cells and no other"):
        read(write(tmp_path / "a.nc", [-9999], rest=-9999))


def zarr_store(path, version, fill, values, attrs=None, dtype="f4"):
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, dims, data, more in (
        ("lat", ["lat"], np.arange(65.5, 60, -1), {"units": "degrees_north"}),
        ("lon", ["lon"], np.arange(100.5, 110), {"units": "degrees_east"}),
        ("v", ["lat", "lon"], np.asarray(values, dtype), attrs or {}),
    ):
        named = (
            {"dimension_names": dims}
            if version == 3
            else {"attributes": {"_ARRAY_DIMENSIONS": dims, **more}}
        )
        array = group.create_array(
            name,
            shape=data.shape,
            dtype=data.dtype,
            fill_value=fill if name == "v" else 0,
            **({"attributes": more} if version == 3 else {}),
            **named,
        )
        array[:] = data
    return path


def columns(first, rest=7.0):
    values = np.full((6, 10), rest)
    values[:, : len(first)] = first
    return values


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("fill", "first", "missing", "attrs"),
    [
        (0, [0], False, {}),
        (1, [1], False, {}),
        (-9999, [-9999], True, {}),
        (float("nan"), [np.nan], True, {}),
        (0, [0], True, {"_FillValue": 0}),
        (0, [-9999], True, {"_FillValue": -9999.0}),
        (0, [-9999, -1], True, {"missing_value": [-9999, -1]}),
        (0, [300], True, {"valid_max": 100}),
    ],
    ids=[
        "zeros",
        "ones",
        "code",
        "nan",
        "declared zeros",
        "declared code",
        "missing values",
        "valid max",
    ],
)
def test_zarr_fills_unwritten_chunks_and_declares_missing_ones(
    tmp_path, version, fill, first, missing, attrs
) -> None:
    values = read(zarr_store(tmp_path / "a.zarr", version, fill, columns(first), attrs))
    np.testing.assert_array_equal(
        np.isnan(values), np.isnan(columns(first)) | (missing & (columns(first) != 7))
    )


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_as_xarray_writes_it(tmp_path, version) -> None:
    data = xr.Dataset(
        {"v": (("lat", "lon"), columns([np.nan, 0, 0.5]))},
        coords={"lat": np.arange(65.5, 60, -1), "lon": np.arange(100.5, 110)},
    )
    data.to_zarr(
        tmp_path / "a.zarr",
        zarr_format=version,
        encoding={"v": {"dtype": "i2", "scale_factor": 0.1, "_FillValue": -32768}},
        consolidated=False,
    )
    np.testing.assert_allclose(read(tmp_path / "a.zarr"), columns([np.nan, 0, 0.5]), rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "values", "how", "expected"),
    [
        ("i1", [-100, 100], "range", 200),
        ("i1", [100, 100], "sum", 200),
        ("u1", [10, 200], "range", 190),
        ("i2", [-30000, 30000], "range", 60000),
        ("u1", [255, 254], "mean", 254.5),
        ("i2", [20000, 20001], "sum", 40001),
        ("i4", [2000000000, 2000000000], "mean", 2e9),
        ("f4", [16777216, 1], "sum", 16777217),
        ("i2", [5, -7], "min", -7),
        ("i2", [5, -7], "max", 5),
    ],
)
def test_axes_are_reduced_in_double_precision(tmp_path, dtype, values, how, expected) -> None:
    path = write(tmp_path / "a.nc", [], dtype=dtype, axes=("time",), steps=2)
    with netCDF4.Dataset(path, "a") as file:
        file["v"][:] = np.array(values, dtype)[:, None, None]
    np.testing.assert_array_equal(read(path, reduce={"time": how}), np.float32(expected))


def test_two_axes_are_reduced_in_their_order_and_gaps_stay(tmp_path) -> None:
    stored = np.random.default_rng(0).integers(0, 100, (3, 4, 6, 10))
    path = write(tmp_path / "a.nc", [], dtype="i2", axes=("time", "depth"), steps=3, fill=-1)
    with netCDF4.Dataset(path, "a") as file:
        file["v"][:] = stored[:, :3]
        file["v"][1, 2, 0, 0] = np.ma.masked
    values = read(path, reduce={"depth": "max", "time": "mean"})
    assert np.isnan(values[0, 0])
    np.testing.assert_allclose(
        values.ravel()[1:], stored[:, :3].max(axis=1).mean(axis=0).ravel()[1:], rtol=1e-6
    )
    values = read(path, reduce={"time": "range", "depth": "sum"})
    np.testing.assert_allclose(
        values.ravel()[1:], np.ptp(stored[:, :3], axis=0).sum(axis=0).ravel()[1:], rtol=1e-6
    )


def test_axes_may_be_packed(tmp_path) -> None:
    path = write(tmp_path / "a.nc", [3])
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("lat", "old")
        packed = file.createVariable("lat", "i2", ("lat",))
        packed.set_auto_maskandscale(False)
        packed[:] = np.arange(655, 600, -10)
        packed.setncatts({"units": "degrees_north", "scale_factor": 0.1})
    with open_source(source(path, variable="v"), GRID) as raster:
        assert raster.transform.f == pytest.approx(66)


def test_text_is_no_predictor(tmp_path) -> None:
    data = xr.Dataset(
        {"v": (("lat", "lon"), np.full((6, 10), "x", dtype=object))},
        coords={"lat": np.arange(6.0), "lon": np.arange(10.0)},
    )
    data.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(IcemapError, match="a predictor is made of real numbers"):
        read(tmp_path / "a.nc", variable="v")


@pytest.mark.parametrize(
    "attrs",
    [
        {"flag_values": i1([1, 2, 3]), "flag_meanings": "till rock ice"},
        {"flag_masks": i1([1, 2]), "flag_meanings": "a b"},
    ],
)
def test_flags_ask_for_a_kind(tmp_path, attrs) -> None:
    path = write(tmp_path / "a.nc", [1, 2], rest=3, dtype="i1", **attrs)
    with pytest.raises(IcemapError, match=r"has flags .*say in the catalogue 'kind: class'"):
        read(path)
    wide = read(path, kind="continuous", valid_range=(0, 5))
    assert (wide[:, 0] == 1).all()


@pytest.mark.parametrize("keys", [{"kind": "continuous"}, {"scale": 2.0}])
def test_flags_contradict_a_continuous_kind(tmp_path, keys) -> None:
    flags = {"flag_values": i1([1, 2, 3]), "flag_meanings": "till rock ice"}
    path = write(tmp_path / "a.nc", [1, 2], rest=3, dtype="i1", **flags)
    with pytest.raises(IcemapError, match=r"the value 1 in .*'till' by its flag_values.*'kind"):
        read(path, **keys)


def test_flags_give_the_classes(tmp_path) -> None:
    path = write(
        tmp_path / "a.nc",
        [1, 2],
        rest=3,
        dtype="i1",
        flag_values=i1([1, 2, 3]),
        flag_meanings="till bed_rock ice",
    )
    with open_source(source(path, kind="class"), GRID) as raster:
        assert raster.classes == {1: "till", 2: "bed rock", 3: "ice"}
    assert (read(path, fraction_of=(2,))[0] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).all()
    with pytest.raises(
        IcemapError, match="calls the code 1 'ice', which by the file is the code 3"
    ):
        read(path, kind="class", classes={1: "ice", 2: "bed rock", 3: "till"})
    with pytest.raises(
        IcemapError,
        match=r"class code 4 of 'fraction_of' is not among those that the file names, \[1, 2, 3\]",
    ):
        read(path, fraction_of=(4,))


def test_no_and_yes_may_be_averaged(tmp_path) -> None:
    path = write(
        tmp_path / "a.nc", [0], rest=1, dtype="i1", flag_values=i1([0, 1]), flag_meanings="no yes"
    )
    assert set(np.unique(read(path))) == {0, 1}


@pytest.mark.parametrize(
    ("attrs", "keys", "said"),
    [
        ({"scale_factor": 0.1}, {"scale": 0.1}, "the scale 0.1 is applied by the file itself"),
        ({"scale_factor": 0.1, "units": "mm"}, {"scale": 0.1}, "leave 'scale' out, or"),
        ({"add_offset": 5.0}, {"offset": 5}, "the offset 5 is applied by the file itself"),
        ({"Scale": 0.1}, {}, "has the attribute 'Scale' 0.1"),
        ({"slope": 0.1, "intercept": 5.0}, {}, "has the attribute 'slope' 0.1"),
    ],
)
def test_a_scale_counts_once(tmp_path, attrs, keys, said) -> None:
    path = write(tmp_path / "a.nc", [70, 71], dtype="i2", **attrs)
    with pytest.raises(IcemapError, match=said):
        read(path, unit="mm", **keys)


@pytest.mark.parametrize(
    ("attrs", "keys", "expected"),
    [
        ({"SCALE_FACTOR": 0.1, "ADD_OFFSET": 1.0}, {"unit": "mm"}, 8),
        ({"scale_factor": 0.1}, {"unit": "mm", "scale": 10}, 70),
        ({"scale_factor": 0.01, "units": "%"}, {"unit": "1", "scale": 0.01}, 0.007),
        ({"scale_factor": 0.01}, {"unit": "1", "scale": 0.01, "file_unit": "1"}, 0.007),
        ({"scale": 50000.0}, {"unit": "mm"}, 70),
        ({"Scale": 0.1}, {"unit": "mm", "scale": 1}, 70),
    ],
)
def test_a_scale_in_capitals_or_after_the_own_one_counts(tmp_path, attrs, keys, expected) -> None:
    path = write(tmp_path / "a.nc", [70, 71], dtype="i2", **attrs)
    assert read(path, **keys)[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("attrs", "words"),
    [
        ({"valid_range": np.array([50, 0], "f4")}, "valid_range .* two numbers, the lower"),
        ({"valid_range": np.float32(50)}, "valid_range .* two numbers"),
        ({"valid_range": np.array([0, 50, 60], "f4")}, "valid_range .* two numbers"),
        ({"valid_range": "0 to fifty"}, "valid_range .* two numbers"),
        ({"valid_range": np.array([np.nan, 50], "f4")}, "valid_range .* two numbers"),
        ({"valid_max": "50 m"}, "valid_max .* one number"),
        ({"valid_min": np.array([0, 1], "f4")}, "valid_min .* one number"),
        ({"valid_min": np.float32(50), "valid_max": np.float32(0)}, "above its valid_max 0"),
    ],
)
def test_limits_that_would_be_passed_over_are_refused(tmp_path, attrs, words) -> None:
    with pytest.raises(IcemapError, match=words):
        read(write(tmp_path / "a.nc", [60], **attrs))


@pytest.mark.parametrize(
    "attrs",
    [
        {"valid_range": "0, 50"},
        {"valid_range": "[0 50]"},
        {"valid_range": np.array([0, 50], "f4")},
        {"valid_min": np.float32(0), "valid_max": np.float32(50)},
        {"valid_max": "50.0"},
    ],
)
def test_limits_in_other_writings_count(tmp_path, attrs) -> None:
    values = read(write(tmp_path / "a.nc", [60], **attrs))
    assert np.isnan(values).any()
    assert np.nanmax(values) == 7


def test_a_range_of_packed_values_that_is_that_of_unpacked_ones(tmp_path) -> None:
    about = {"scale_factor": 0.1, "valid_range": np.array([0, 500], "i2")}
    path = write(tmp_path / "a.nc", np.arange(800, 5300, 500), 450, dtype="i2", **about)
    with pytest.raises(IcemapError, match=r"stores 450 to 4800, .* 0 to 500, .*45 to 480"):
        read(path, unit="mm")


@pytest.mark.parametrize("first", [[800, 900], [30000] * 8, np.arange(32761, 32767)])
def test_a_range_that_leaves_out_some_values_or_codes(tmp_path, first) -> None:
    about = {"scale_factor": 0.001, "valid_range": np.array([0, 500], "i2")}
    path = write(tmp_path / "a.nc", first, 450, dtype="i2", **about)
    values = read(path, unit="mm")
    assert np.isnan(values).sum() == 6 * len(first)
    assert np.nanmax(values) == pytest.approx(0.45)


@pytest.mark.parametrize("name", ["VI quality detailed QA", "QC_Day", "bit field of the retrieval"])
def test_flags_of_quality_are_no_quantity(tmp_path, name) -> None:
    path = write(tmp_path / "a.nc", [2, 66], 130, dtype="u2", long_name=name)
    with pytest.raises(IcemapError, match=r"holds 2 to 130 as 'v .* look like codes"):
        read(path, long_name="NDVI")
    assert read(path, long_name="quality of the soil", name="soil_quality").max() == 130
    assert read(path, long_name="NDVI", kind="continuous").max() == 130


def test_depths_are_no_elevations(tmp_path) -> None:
    path = write(tmp_path / "a.nc", [10], units="m", positive="down")
    with pytest.raises(IcemapError, match=r"downwards .* calls them 'elevation': give 'scale: -1'"):
        read(path, unit="m", long_name="elevation")
    turned = read(path, unit="m", long_name="elevation", scale=-1, file_unit="m")
    assert turned.min() == -10
    assert read(path, unit="m", long_name="depth of the table").max() == 10


def test_water_by_its_mass_is_told_as_a_height(tmp_path) -> None:
    path = write(tmp_path / "a.nc", [10], units="kg m-2 s-1")
    with pytest.raises(IcemapError, match="1 kg of water on a m2 is 1 mm: then 'file_unit: mm s-1"):
        read(path, unit="mm/year")
    assert read(path, unit="mm/d", file_unit="mm s-1").max() == pytest.approx(864000)
    assert read(path, unit="mm/d", long_name="precipitation").max() == pytest.approx(864000)
    for called in ("snow depth", "carbon", "height of the rain gauge"):
        with pytest.raises(IcemapError, match="1 kg of water on a m2 is 1 mm"):
            read(path, unit="mm/d", long_name=called)
    path = write(tmp_path / "b.nc", [10], units="kg m-2", standard_name="surface_snow_amount")
    assert read(path, unit="mm", long_name="snow water equivalent").max() == 10
    with pytest.raises(IcemapError, match="1 kg of water on a m2 is 1 mm"):
        read(path, unit="mm", long_name="snow depth")


@pytest.mark.parametrize("said", ["", "none", np.array([np.nan, np.nan], "f4")])
def test_limits_that_say_nothing_are_left(tmp_path, said) -> None:
    assert np.nanmax(read(write(tmp_path / "a.nc", [60], valid_range=said))) == 60


@pytest.mark.parametrize("keys", [{}, {"reduce": {"time": "mean"}}])
def test_a_file_without_a_step_is_said(tmp_path, keys) -> None:
    with netCDF4.Dataset(write(tmp_path / "a.nc", [7]), "a") as file:
        file.createDimension("time", None)
        file.createVariable("t", "f4", ("time", "lat", "lon"))
    with pytest.raises(IcemapError, match="its axis 'time' has no places"):
        read(tmp_path / "a.nc", variable="t", **keys)


@pytest.mark.parametrize(
    ("lat", "lon", "words"),
    [
        ("longitude", "latitude", "'lon' has the standard_name 'latitude'"),
        ("grid_latitude", "grid_longitude", "grid_longitude, counted from a rotated pole"),
    ],
)
@pytest.mark.parametrize("units", ["", "degrees"])
def test_standard_names_that_deny_an_axis_are_refused(tmp_path, lat, lon, words, units) -> None:
    write(tmp_path / "a.nc", [7])
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        for axis, standard in (("lat", lat), ("lon", lon)):
            file[axis].setncatts({"standard_name": standard, "units": units})
    with pytest.raises(IcemapError, match=words):
        read(tmp_path / "a.nc")


@pytest.mark.parametrize("units", ["", "degrees"])
def test_standard_names_that_fit_are_left(tmp_path, units) -> None:
    write(tmp_path / "a.nc", [7])
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        for axis, standard in (("lat", "latitude"), ("lon", "longitude")):
            file[axis].setncatts({"standard_name": standard, "units": units})
    assert read(tmp_path / "a.nc").max() == 7


def test_values_of_another_size_than_the_range_that_there_is(tmp_path) -> None:
    path = write(tmp_path / "a.nc", [10, 20], rest=30, dtype="i2", actual_range=f4([1, 3]))
    with pytest.raises(IcemapError, match=r"holds 10 to 30, but its statistics go from 1 to 3"):
        read(path)
    assert read(path, scale=0.1)[0, 0] == pytest.approx(1)
    assert read(path, valid_range=(0, 100))[0, 0] == 10


@pytest.mark.parametrize(
    "attrs",
    [
        {"actual_range": f4([-500, 8800])},
        {"actual_range": f4([10, 30])},
        {"actual_range": f4([1, 3]), "scale_factor": 0.1},
        {"actual_range": i2([10, 30]), "scale_factor": 0.1},
        {"actual_range": "unknown"},
        {"actual_range": f4([3])},
    ],
)
def test_ranges_that_hold_all_values_or_none_are_left(tmp_path, attrs) -> None:
    path = write(tmp_path / "a.nc", [10, 20], rest=30, dtype="i2", **attrs)
    assert read(path)[0, 0] == pytest.approx(10 * attrs.get("scale_factor", 1))
