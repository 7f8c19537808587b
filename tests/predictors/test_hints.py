"""What files say about their numbers in ways that nothing applies is asked about."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.errors import IcemapError
from icemap.predictors.sources import open_source
from icemap.source import Source
from tests.netcdf_field import GRID, write_field

pytestmark = pytest.mark.quick

RAMP = np.add.outer(np.arange(6) * 10, np.arange(10))


def netcdf(folder: Path, values, attrs, dtype="i2") -> Path:
    return write_field(folder / "a.nc", values, attrs, dtype=dtype)


def tiff(folder: Path, values, tags, dtype="i2", unit="", scale=None) -> Path:
    keys = {"driver": "GTiff", "height": 6, "width": 10, "count": 1, "crs": "EPSG:4326"}
    at = Affine(1, 0, 100, 0, -1, 66)
    with rasterio.open(
        folder / "a.tif", "w", dtype=np.dtype(dtype).name, transform=at, **keys
    ) as file:
        file.write(np.broadcast_to(values, (6, 10)).astype(dtype), 1)
        file.update_tags(1, **tags)
        if unit:
            file.units = (unit,)
        if scale is not None:
            file.scales, file.offsets = (scale,), (5.0,)
    return folder / "a.tif"


def opened(path: Path, **keys):
    described = {"family": "climate", "long_name": "a field", "unit": "m"}
    source = Source(name="a", url=str(path), **{**described, **keys})
    with open_source(source, GRID) as raster:
        return raster.read(slice(0, 6), slice(0, 10))


BOTH = pytest.mark.parametrize("write", [netcdf, tiff])


@BOTH
@pytest.mark.parametrize("key", ["intercept", "Offset", "scaling_offset"])
def test_an_offset_that_nobody_adds_is_asked_about(tmp_path, write, key) -> None:
    path = write(tmp_path, RAMP, {key: -5})
    with pytest.raises(IcemapError, match=rf"the attribute '{key}' -5, which may have to be added"):
        opened(path)
    assert opened(path, offset=-5)[2, 3] == 18
    assert opened(path, offset=0)[2, 3] == 23
    # What is written in floating point has been unpacked.
    assert opened(write(tmp_path, RAMP, {key: -5}, "f4"))[2, 3] == 23
    assert opened(write(tmp_path, RAMP, {key: 0}))[2, 3] == 23


def test_a_scale_of_zero_is_asked_about(tmp_path) -> None:
    path = tiff(tmp_path, RAMP, {}, scale=0.0)
    with pytest.raises(IcemapError, match=r"its scale is 0, .* give the true one as 'scale'"):
        opened(path)
    assert opened(path, scale=1, offset=0)[2, 3] == 23
    assert opened(tiff(tmp_path, RAMP, {}, scale=0.5))[2, 3] == 16.5
    path = netcdf(tmp_path, RAMP, {"scale_factor": 0.0})
    with pytest.raises(IcemapError, match=r"its scale is 0, .*: correct the file\."):
        opened(path)


@pytest.mark.parametrize("unit", ["m*10", "m x 10", "Meters * 100", "m·1000"])
def test_a_power_of_ten_behind_a_unit_is_asked_about(tmp_path, unit) -> None:
    for path in (tiff(tmp_path, RAMP, {}, unit=unit), netcdf(tmp_path, RAMP, {"units": unit})):
        with pytest.raises(IcemapError, match=r"which it cannot be converted to: .* 'file_unit'"):
            opened(path)
        assert opened(path, file_unit="dm")[2, 3] == pytest.approx(2.3)


@pytest.mark.parametrize(
    ("unit", "wanted", "expected"),
    [("0.1 m", "m", 2.3), ("10 m", "m", 230), ("NDVI", "1", 23), ("m2 s-2", "m2 s-2", 23)],
)
def test_a_number_before_a_unit_is_a_part_of_it(tmp_path, unit, wanted, expected) -> None:
    path = tiff(tmp_path, RAMP, {}, unit=unit)
    assert opened(path, unit=wanted)[2, 3] == pytest.approx(expected)


def test_an_index_times_a_power_of_ten_is_asked_about(tmp_path) -> None:
    path = tiff(tmp_path, RAMP, {}, unit="NDVI*10000")
    with pytest.raises(IcemapError, match=r"'NDVI\*10000' by the file"):
        opened(path, unit="1")
    assert opened(path, unit="1", file_unit="0.0001")[2, 3] == pytest.approx(0.0023)


CODES = np.where(RAMP > 40, 3, np.where(RAMP > 20, 2, 1))


@BOTH
@pytest.mark.parametrize("dtype", ["i2", "f4"])
@pytest.mark.parametrize(
    "said",
    [
        {"comment": "1: till, 2: bedrock, 3: peat"},
        {"legend": "1 = till; 2 = bedrock; 3=peat; 9 = water"},
        {"description": "(1) none; 0 - unknown 1 - till 2 - bedrock 3 - peat"},
    ],
)
def test_codes_that_the_words_of_a_file_list_are_codes(tmp_path, write, dtype, said) -> None:
    path = write(tmp_path, CODES, said, dtype)
    with pytest.raises(IcemapError, match="each of which its file lists with a meaning"):
        opened(path)
    assert opened(path, kind="continuous")[2, 3] == 2
    classes = {1: "till", 2: "rock", 3: "peat"}
    assert opened(path, kind="class", classes=classes)[2, 3] == 2


@BOTH
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (RAMP, {"comment": "flags: 253: lake, 254: night, 255: cloud"}),
        (RAMP, {"comment": "1: till, 2: bedrock, 3: peat"}),
        (RAMP > 20, {"comment": "0: thawed, 1: frozen"}),
        (CODES, {"comment": "version 1.2: made at 1 km, tile 2"}),
    ],
)
def test_words_about_other_numbers_are_left(tmp_path, write, values, said) -> None:
    opened(write(tmp_path, values, said))


@BOTH
def test_types_are_codes_in_floating_point_too(tmp_path, write) -> None:
    path = write(tmp_path, CODES, {"long_name": "Type of low vegetation"}, "f8")
    with pytest.raises(IcemapError, match="holds whole numbers, which look like codes"):
        opened(path, unit="1")
    shares = write(tmp_path, CODES / 2, {"long_name": "Type of low vegetation"}, "f8")
    assert opened(shares, unit="1")[2, 3] == 1
    assert opened(write(tmp_path, CODES, {"long_name": "frost number"}, "f8"), unit="1")[2, 3] == 2


def test_flags_without_values_ask_for_a_kind(tmp_path) -> None:
    path = netcdf(tmp_path, CODES, {"flag_meanings": "till bedrock peat"})
    with pytest.raises(IcemapError, match=r"has flags \(flag_meanings without flag_values\)"):
        opened(path)
    assert opened(netcdf(tmp_path, CODES > 1, {"flag_meanings": "no yes"}))[2, 3] == 1


def test_signed_bytes_of_the_whole_range_are_asked_about(tmp_path) -> None:
    whole = (RAMP * 4).astype("u1").view("i1")
    path = netcdf(tmp_path, whole, {}, "i1")
    with pytest.raises(IcemapError, match=r'-128 to 124, .* attribute _Unsigned = "true"'):
        opened(path)
    assert opened(path, valid_range=(-128, 127))[5, 5] == -36
    assert opened(netcdf(tmp_path, whole, {"_Unsigned": "true"}, "i1"))[5, 5] == 220
    assert opened(netcdf(tmp_path, RAMP - 30, {}, "i1"))[2, 3] == -7


@BOTH
@pytest.mark.parametrize(
    ("said", "word", "wanted"),
    [
        ("snow depth [mm]", "'mm' in brackets", "m"),
        ("snow depth (cm)", "'cm' in brackets", "m"),
        ("lakes (%)", "'%' in brackets", "1"),
        ("mean of lakes [percent] in 2000", "'percent' in brackets", "1"),
        ("air temperature (K)", "'K' in brackets", "degC"),
        ("snow depth, cm", "'cm'", "m"),
        ("snow depth in centimetres", "'centimetres'", "m"),
        ("snow_depth_cm", "'cm'", "m"),
        ("cover in %", "'%'", "1"),
        ("air temperature, K", "'K'", "degC"),
    ],
)
def test_a_unit_in_a_name_is_asked_about(tmp_path, write, said, word, wanted) -> None:
    path = write(tmp_path, RAMP + 240, {"long_name": said}, "f4")
    asked = rf"has no unit, but .* has {word}, and .*say with 'file_unit'"
    with pytest.raises(IcemapError, match=asked):
        opened(path, unit=wanted)
    assert opened(path, unit=wanted, file_unit=wanted, valid_range=(0, 400))[2, 3] == 263


@BOTH
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("snow depth [m]", "m"),
        ("temperature at 2 m (min)", "degC"),
        ("level 2[cm] of the soil", "m"),
        ("share (2)", "1"),
        ("snow depth (mean)", "m"),
        ("snow water (Smith)", "mm"),
        ("wind_10_m", "km/h"),
        ("air temperature in July", "degC"),
        ("snow depth, m", "m"),
        ("snow_depth_min", "m"),
        ("depth in m, of which cm are rounded", "m"),
        ("duration_min", "d"),
        ("sum_dd", "d"),
        ("age_na", "a"),
    ],
)
def test_other_words_in_names_are_left(tmp_path, write, said, wanted) -> None:
    path = write(tmp_path, RAMP, {"long_name": said}, "f4")
    assert opened(path, unit=wanted)[2, 3] == 23


@BOTH
@pytest.mark.parametrize("key", ["description", "Comment"])
def test_a_unit_in_a_sentence_is_asked_about(tmp_path, write, key) -> None:
    said = "Quality-checked mean of March, in cm. Flags are left out."
    path = write(tmp_path, RAMP, {key: said}, "f4")
    asked = r"has no unit, but 'Quality-checked .*' has 'cm', and .*say with 'file_unit'"
    with pytest.raises(IcemapError, match=asked):
        opened(path, long_name="snow depth")
    assert opened(path, file_unit="cm")[2, 3] == pytest.approx(0.23)
    assert opened(path, unit="cm")[2, 3] == 23


@BOTH
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Sediment thickness (Smith 2023), km or m as in the source", "m"),
        ("Annual range of monthly mean temperature (K)", "degC"),
        ("Mean elevation of cells of 25 km (m)", "m"),
        ("Freezing degree days from monthly means (K d)", "degC d"),
        ("topsoil (0-30 cm) clay (% weight)", "%"),
    ],
)
def test_other_sentences_are_left(tmp_path, write, said, wanted) -> None:
    path = write(tmp_path, RAMP, {"description": said}, "f4")
    assert opened(path, unit=wanted)[2, 3] == 23


@BOTH
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Permafrost fraction (%), mean over years, cells of 1 km", "1"),
        ("Distance to the coast (km), grid of 100 m", "m"),
        ("January temperature (K) at 2 m", "degC"),
    ],
)
def test_other_units_in_sentences_are_asked_about(tmp_path, write, said, wanted) -> None:
    path = write(tmp_path, RAMP + 240, {"description": said}, "f4")
    with pytest.raises(IcemapError, match="say with 'file_unit'"):
        opened(path, unit=wanted)


def test_the_description_of_a_whole_file_is_heard(tmp_path) -> None:
    path = tiff(tmp_path, RAMP, {}, "f4")
    with rasterio.open(path, "r+") as file:
        file.update_tags(TIFFTAG_IMAGEDESCRIPTION="snow depth [cm]")
    with pytest.raises(IcemapError, match=r"'snow depth \[cm\]' has 'cm' in brackets"):
        opened(path)


def test_a_unit_by_hand_goes_before_brackets(tmp_path) -> None:
    path = netcdf(tmp_path, RAMP, {"long_name": "snow depth [mm]"}, "f4")
    assert opened(path, scale=0.001)[2, 3] == pytest.approx(0.023)


@BOTH
@pytest.mark.parametrize(
    ("said", "unit"), [("snow depth [mm]", "cm"), ("snow depth (cm)", "m"), ("lakes (%)", "1")]
)
def test_brackets_that_contradict_the_unit_are_asked_about(tmp_path, write, said, unit) -> None:
    path = write(tmp_path, RAMP / 100, {"long_name": said, "units": unit}, "f4")
    wanted = unit if unit == "1" else "m"
    with pytest.raises(IcemapError, match=rf"has the unit '{unit}', and '.*' has '.*' in brackets"):
        opened(path, unit=wanted)
    opened(path, unit=wanted, file_unit=unit)


@BOTH
@pytest.mark.parametrize(
    ("said", "unit", "wanted"),
    [
        ("snow depth [m]", "metre", "m"),
        ("height at 2 m (mean)", "m", "m"),
        ("range of temperature (K)", "degC", "degC"),
        ("depth (Smith)", "m", "m"),
    ],
)
def test_brackets_that_say_the_same_are_left(tmp_path, write, said, unit, wanted) -> None:
    path = write(tmp_path, RAMP / 100, {"long_name": said, "units": unit}, "f4")
    assert opened(path, unit=wanted)[2, 3] == pytest.approx(0.23)


@BOTH
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("comment", "snow depth; 23 = missing"),
        ("note", "Missing values are set to 23."),
        ("description", "no data: 23"),
        ("comment", "A value of 23 indicates missing data"),
    ],
)
def test_a_code_that_words_call_missing_is_asked_about(tmp_path, write, key, text) -> None:
    path = write(tmp_path, RAMP, {key: text}, "f4")
    with pytest.raises(IcemapError, match=rf"holds the value 23 .* by the attribute '{key}'"):
        opened(path)
    assert np.isnan(opened(path, nodata=[23])[2, 3])
    assert opened(path, valid_range=(0, 100))[2, 3] == 23


@BOTH
@pytest.mark.parametrize(
    "text",
    ["missing: 23 % of cells", "23 stations", "no data for 23 days", "99 = missing", "v1.23: fill"],
)
def test_other_numbers_in_words_are_values(tmp_path, write, text) -> None:
    assert opened(write(tmp_path, RAMP, {"comment": text}, "f4"))[2, 3] == 23


def test_the_header_of_envi_says_unit_and_scale(tmp_path) -> None:
    def envi(dtype: str, line: str) -> Path:
        keys = {"driver": "ENVI", "height": 6, "width": 10, "count": 1, "crs": "EPSG:4326"}
        at = Affine(1, 0, 100, 0, -1, 66)
        with rasterio.open(tmp_path / "a.img", "w", dtype=dtype, transform=at, **keys) as file:
            file.write(RAMP.astype(dtype), 1)
        with (tmp_path / "a.hdr").open("a") as header:
            header.write(f"{line}\n")
        return tmp_path / "a.img"

    assert opened(envi("float32", "data units = feet"))[2, 3] == pytest.approx(23 * 0.3048)
    path = envi("int16", "reflectance scale factor = 10000")
    with pytest.raises(IcemapError, match="'reflectance_scale_factor' 10000, which may be"):
        opened(path, unit="1")
    assert opened(path, unit="1", scale=1e-4)[2, 3] == pytest.approx(0.0023)
