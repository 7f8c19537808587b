"""Units, kinds and classes of a raster against those of the catalogue."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from tests.small_rasters import source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
TABLE = """<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable tableType="thematic">
<FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="1"><Name>Count</Name><Type>0</Type><Usage>1</Usage></FieldDefn>
<FieldDefn index="2"><Name>LandCover</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>13</F><F>5</F><F>urban</F></Row><Row index="1"><F>17</F><F>9</F><F>water</F></Row>
</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""
NAMES = (
    "<PAMDataset><PAMRasterBand"
    ' band="1"><CategoryNames>{}</CategoryNames></PAMRasterBand></PAMDataset>'
)


def write(path, value=10.0, unit="", dtype="f4", colours=None, tags=None, **keys):
    profile = {
        "driver": "GTiff",
        "height": 6,
        "width": 10,
        "count": 1,
        "crs": "EPSG:4326",
        "transform": Affine(1, 0, 100, 0, -1, 66),
        "dtype": np.dtype(dtype).name,
        **keys,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.broadcast_to(np.asarray(value, dtype), (6, 10)).copy(), 1)
        if unit:
            dataset.units = (unit,)
        if tags:
            dataset.update_tags(1, **tags)
        if colours:
            dataset.write_colormap(1, colours)
    return path


def opened(path, **keys):
    with open_source(source(path, **keys), GRID) as raster:
        return raster, raster.read(slice(0, 6), slice(0, 10))


@pytest.mark.parametrize(
    ("value", "theirs", "ours", "expected"),
    [
        (263.15, "K", "degC", -10),
        (1000, "US survey foot", "m", 304.8006096),
        (50, "%", "1", 0.5),
        (0.5, "1", "%", 50),
        (20, "mm", "cm", 2),
        (14, "degF", "K", 263.15),
    ],
)
def test_the_unit_of_the_file_is_converted_and_said(
    tmp_path, value, theirs, ours, expected
) -> None:
    raster, values = opened(write(tmp_path / "a.tif", value, theirs), unit=ours)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert raster.note == f"converted from {theirs} to {ours}"


def test_the_unit_may_stand_among_the_tags(tmp_path) -> None:
    assert opened(write(tmp_path / "a.tif", 263.15, tags={"units": "kelvin"}), unit="degC")[1][
        0, 0
    ] == pytest.approx(-10)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("m", "degC"),
        ("kg m-2", "mm"),
        ("K", "1"),
        ("mm d-1", "mm"),
        ("days since 1970-01-01", "days"),
        ("degC x 10", "degC"),
    ],
)
def test_units_that_contradict_are_named_with_the_keys(tmp_path, theirs, ours) -> None:
    path = write(tmp_path / "a.tif", 10, theirs)
    with pytest.raises(
        IcemapError,
        match=(
            rf"the unit is '{theirs}' by the file, but '{ours}' by the 'unit' of the catalogue.*"
            r" correct 'unit', or say with 'file_unit'"
        ),
    ):
        opened(path, unit=ours)
    assert opened(path, unit=ours, file_unit=ours)[1][0, 0] == 10


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("mm per year", "mm"),
        ("mm", "mm year-1"),
        ("none", "m"),
        ("NDVI", "1"),
        ("degrees Celsius", "degC"),
    ],
)
def test_units_that_do_not_are_left_alone(tmp_path, theirs, ours) -> None:
    raster, values = opened(write(tmp_path / "a.tif", 10, theirs), unit=ours)
    assert (values == 10).all()
    assert raster.note == ""


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"scale": 0.1, "offset": -273.15}, 2631.5 / 10 - 273.15),
        ({"scale": 0.1, "file_unit": "K"}, -10),
        ({"scale": 0.1, "offset": -273.15, "file_unit": "degC"}, -10),
    ],
)
def test_a_conversion_by_hand_is_not_made_twice(tmp_path, keys, expected) -> None:
    assert opened(write(tmp_path / "a.tif", 2631.5, "K"), unit="degC", **keys)[1][
        0, 0
    ] == pytest.approx(expected, abs=1e-4)


def test_a_scale_that_does_not_convert_is_asked_about(tmp_path) -> None:
    with pytest.raises(
        IcemapError,
        match="'scale' and 'offset' do not convert the one to the other: say with 'file_unit'",
    ):
        opened(write(tmp_path / "a.tif", 2631.5, "K"), unit="degC", scale=0.1)


def test_a_unit_for_a_file_that_says_none(tmp_path) -> None:
    assert opened(write(tmp_path / "a.tif", 1000), unit="m", file_unit="ft")[1][
        0, 0
    ] == pytest.approx(304.8)


def test_a_range_of_temperatures_is_asked_about(tmp_path) -> None:
    path = write(tmp_path / "a.tif", 30, "degC")
    with pytest.raises(IcemapError, match="a temperature or a difference of temperatures"):
        opened(path, unit="K", long_name="annual range of temperature")
    assert (
        opened(path, unit="K", long_name="annual range of temperature", file_unit="K")[1][0, 0]
        == 30
    )


def test_tiles_in_different_units_are_refused(tmp_path) -> None:
    write(tmp_path / "a.tif", 10, "m")
    write(tmp_path / "b.tif", 10, "ft", transform=Affine(1, 0, 110, 0, -1, 66))
    with pytest.raises(
        IcemapError, match=r"bands of .*b\.tif have another unit than those of .*a\.tif"
    ):
        opened("a", unit="m", parts=(str(tmp_path / "a.tif"), str(tmp_path / "b.tif")))


COLOURS = {13: (255, 0, 0, 255), 17: (0, 0, 255, 255)}


def test_a_colour_table_asks_for_a_kind(tmp_path) -> None:
    path = write(tmp_path / "a.tif", 13, dtype="u1", colours=COLOURS)
    with pytest.raises(
        IcemapError, match=r"has a colour table.* 'kind: class' .*'kind: continuous'"
    ):
        opened(path)
    assert opened(path, kind="continuous")[1][0, 0] == 13
    with pytest.raises(IcemapError, match="names no classes: give 'classes'"):
        opened(path, kind="class")
    assert opened(path, fraction_of=(13,), classes={13: "urban", 17: "water"})[1][0, 0] == 1


def test_the_attribute_table_gives_the_classes(tmp_path) -> None:
    path = write(tmp_path / "a.tif", 13, dtype="u1")
    (tmp_path / "a.tif.aux.xml").write_text(TABLE)
    assert opened(path, kind="class")[0].classes == {13: "urban", 17: "water"}
    with pytest.raises(IcemapError, match="has names of classes"):
        opened(path)
    with pytest.raises(
        IcemapError,
        match=(
            "'classes' in the catalogue calls the code 13 'Water', which by the file is the code 17"
        ),
    ):
        opened(path, kind="class", classes={13: "Water", 17: "Urban"})
    assert opened(path, kind="class", classes={13: "town", 17: "lakes"})[0].classes == {
        13: "town",
        17: "lakes",
    }


def test_category_names_give_the_classes(tmp_path) -> None:
    path = write(tmp_path / "a.tif", 2, dtype="u1")
    (tmp_path / "a.tif.aux.xml").write_text(
        NAMES.format("<Category></Category><Category>till</Category><Category>rock</Category>")
    )
    assert opened(path, kind="class")[0].classes == {1: "till", 2: "rock"}
    copy(str(path), str(tmp_path / "a.vrt"), driver="VRT")
    assert opened(tmp_path / "a.vrt", kind="class")[0].classes == {1: "till", 2: "rock"}


def test_an_envi_classification_gives_the_classes(tmp_path) -> None:
    np.full((6, 10), 2, "u1").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 10\nlines = 6\nbands = 1\ndata type = 1\ninterleave = bsq\nfile type ="
        " ENVI Classification\nclasses = 3\nclass names = {unclassified, till, rock}\nclass lookup"
        " = {0,0,0, 1,2,3, 4,5,6}\nmap info = {Geographic Lat/Lon, 1, 1, 100, 66, 1, 1, WGS-84}\n"
    )
    assert opened(tmp_path / "a.dat", kind="class", crs="EPSG:4326")[0].classes == {
        0: "unclassified",
        1: "till",
        2: "rock",
    }


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (-9999, "f4"),
        (-3.4028234663852886e38, "f4"),
        (32767, "i2"),
        (255, "u1"),
        (-1.7e308, "f8"),
        (1e20, "f4"),
    ],
)
def test_codes_that_nothing_declares_are_asked_about(tmp_path, value, dtype) -> None:
    values = np.tile(np.r_[value, np.arange(9)], (6, 1))
    path = write(tmp_path / "a.tif", values, dtype=dtype)
    with pytest.raises(
        IcemapError,
        match=r"holds the value .* in 6 of 60 cells, far outside the others \(0 to 8\).*'nodata: ",
    ):
        opened(path)
    assert np.isnan(
        opened(
            write(tmp_path / "b.tif", values, dtype=dtype, nodata=np.array(value, dtype).item())
        )[1][:, 0]
    ).all()


def test_complex_values_are_no_predictor(tmp_path) -> None:
    with pytest.raises(IcemapError, match="a predictor is made of real numbers"):
        opened(write(tmp_path / "a.tif", 1, dtype="complex64"))


@pytest.mark.parametrize("code", ["missing_value", "_FillValue"])
def test_scale_and_missing_values_among_the_tags_count(tmp_path, code) -> None:
    stored = np.full((6, 10), -85)
    stored[0, 0] = 77
    tags = {"scale_factor": "0.1", "add_offset": "1", code: "77"}
    path = write(tmp_path / "a.tif", stored, "degC", "i2", tags=tags)
    values = opened(path, unit="degC")[1]
    assert np.isnan(values[0, 0])
    assert values[1, 1] == pytest.approx(-7.5)
    # What is written in floating point has been unpacked.
    values = opened(write(tmp_path / "b.tif", stored, "degC", "f4", tags=tags), unit="degC")[1]
    assert values[1, 1] == pytest.approx(-85)


@pytest.mark.parametrize(
    ("value", "theirs"), [(263.15, ""), (263.15, "degC"), (-10, "K"), (0, "K"), (-273.15, "degC")]
)
def test_what_is_no_temperature_is_asked_about(tmp_path, value, theirs) -> None:
    path = write(tmp_path / "a.tif", value, theirs)
    with pytest.raises(IcemapError, match=r"which are no temperatures: say with 'file_unit'"):
        opened(path, unit="degC")
    assert np.isfinite(opened(path, unit="degC", valid_range=(-1000, 1000))[1]).all()
    # A difference may be anything.
    keys = {"unit": "degC", "long_name": "range of temperatures", "file_unit": "degC"}
    assert np.isfinite(opened(path, **keys)[1]).all()


@pytest.mark.parametrize(("over", "asked"), [(254, True), (200, True), (140, False)])
def test_codes_among_bytes_of_percent_are_asked_about(tmp_path, over, asked) -> None:
    path = write(tmp_path / "a.tif", np.uint8(over), dtype="uint8")
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read()
        values[:, 2:] = 50
        dataset.write(values)
    if asked:
        with pytest.raises(IcemapError, match=f"holds {over} to {over} in .* 'nodata'"):
            opened(path, unit="%")
        assert np.isnan(opened(path, unit="%", nodata=[over])[1]).any()
    assert opened(path, unit="%", valid_range=(0, 300))[1].max() == over
    assert opened(path, unit="1")[1].max() == over


# With decimals, from 0 to 90; the first column is left to a code.
VALUES = np.tile(np.r_[0, np.linspace(0.5, 90, 9)], (6, 1))


def coded(path, code, values=VALUES, cells=6, **keys):
    values = values.astype("f8").copy()
    values[:cells, 0] = code
    return write(path, values, **keys)


@pytest.mark.parametrize(
    ("code", "unit", "dtype"),
    [
        (255, "m", "f4"),
        (254, "%", "f4"),
        (-128, "mm", "f4"),
        (-1, "m", "f4"),
        (-1, "%", "i2"),
        (-9, "1", "f8"),
        (127, "%", "i1"),
        (200, "%", "i4"),
        (254, "m", "u1"),
        (65534, "m", "u2"),
        (-10000, "m", "f4"),
        (1e10, "m", "f4"),
        (6553.5, "mm", "f4"),
        (-3276.8, "mm", "f4"),
    ],
)
def test_codes_that_were_converted_are_asked_about(tmp_path, code, unit, dtype) -> None:
    path = coded(tmp_path / "a.tif", code, dtype=dtype)
    with pytest.raises(IcemapError, match="'nodata"):
        opened(path, unit=unit)
    code = float(np.array(code, dtype))
    assert np.isnan(opened(path, unit=unit, nodata=[code])[1][:, 0]).all()
    assert opened(path, unit=unit, valid_range=(-1e11, 1e11))[1][0, 0] == code


@pytest.mark.parametrize(
    ("code", "scale", "cells", "keys"),
    [
        (255, 3.0, 6, {}),
        (255, 1.0, 1, {}),
        (127, 1.0, 6, {}),
        (-1, 1.0, 1, {}),
        (120, 1.0, 6, {"unit": "%"}),
        (-1, 1.0, 6, {"dtype": "i2"}),
        (-1, 1.0, 6, {"dtype": "i2", "unit": "%", "long_name": "change of the cover"}),
        (2.5, 0.01, 6, {}),
    ],
)
def test_numbers_that_may_be_values_are_left(tmp_path, code, scale, cells, keys) -> None:
    dtype = keys.pop("dtype", "f4")
    path = coded(tmp_path / "a.tif", code, VALUES * scale, cells, dtype=dtype)
    assert opened(path, **{"unit": "m", **keys})[1][0, 0] == pytest.approx(code)


@pytest.mark.parametrize(("code", "dtype"), [(254, "u1"), (-5, "f4"), (101, "i2")])
def test_what_leaves_the_valid_range_is_not_lost_in_a_mean(tmp_path, code, dtype) -> None:
    path = coded(tmp_path / "a.tif", code, cells=1, dtype=dtype)
    with pytest.raises(
        IcemapError, match=rf"holds {code} to {code} % in 1 of 60 cells, outside its valid_range"
    ):
        opened(path, unit="%", valid_range=(0, 100))
    assert np.isnan(opened(path, unit="%", valid_range=(0, 100), nodata=[code])[1][0, 0])
    # Single precision rounds.
    path = write(tmp_path / "b.tif", 0.1)
    assert opened(path, valid_range=(0, 0.1))[1][0, 0] == np.float32(0.1)


@pytest.mark.parametrize(
    ("value", "unit", "name"),
    [
        (-10, "K", "mean annual air temperature"),
        (2630, "K", "x"),
        (-250, "degC", "temperature of January"),
        (2631, "degC", "x"),
    ],
)
def test_temperatures_in_another_unit_or_in_tenths_are_asked_about(
    tmp_path, value, unit, name
) -> None:
    path = write(tmp_path / "a.tif", value)
    with pytest.raises(IcemapError, match="which are no temperatures"):
        opened(path, unit=unit, long_name=name)
    assert opened(path, unit=unit, long_name=name, valid_range=(-1e4, 1e4))[1][0, 0] == value
    # A difference may be negative.
    keys = {"unit": "K", "long_name": "warming since the last glacial maximum"}
    assert opened(write(tmp_path / "b.tif", -10), **keys)[1][0, 0] == -10
    assert opened(write(tmp_path / "c.tif", 263.15), unit="K", long_name="temperature")


def test_percents_said_to_be_parts_of_one_are_asked_about(tmp_path) -> None:
    path = write(tmp_path / "a.tif", VALUES + 1, "1")
    with pytest.raises(IcemapError, match=r"is in '1' and goes to 91, which would be 9100 %"):
        opened(path, unit="%")
    assert opened(path, unit="%", file_unit="%")[1].max() == 91
    assert opened(write(tmp_path / "b.tif", VALUES / 90, "1"), unit="%")[1].max() == 100


@pytest.mark.parametrize("key", ["Scale", "SCALE", "slope", "gain", "scaling_factor"])
def test_an_attribute_that_may_be_a_scale_is_asked_about(tmp_path, key) -> None:
    path = write(tmp_path / "a.tif", 50, dtype="i2", tags={key: "0.1"})
    with pytest.raises(IcemapError, match=rf"has the attribute '{key}' 0\.1, which may be"):
        opened(path, unit="mm")
    assert opened(path, unit="mm", scale=0.1)[1][0, 0] == 5
    assert opened(path, unit="mm", scale=1)[1][0, 0] == 50
    others = {"scale": "50000", "SCALE_FACTOR": "0.1", "ADD_OFFSET": "1"}
    assert opened(write(tmp_path / "b.tif", 50, dtype="i2", tags=others), unit="mm")[1][0, 0] == 6
    assert opened(write(tmp_path / "c.tif", 50, tags={key: "0.1"}), unit="mm")[1][0, 0] == 50


@pytest.mark.parametrize("name", ["land cover", "lithology", "soil type", "class of the landform"])
def test_whole_numbers_that_are_called_classes_ask_for_a_kind(tmp_path, name) -> None:
    path = write(tmp_path / "a.tif", np.arange(60).reshape(6, 10) % 7, dtype="u1")
    with pytest.raises(IcemapError, match=rf"is called '{name}' and holds whole numbers"):
        opened(path, long_name=name)
    assert opened(path, long_name=name, kind="continuous")[1].max() == 6
    for right in (f"number of the {name}", "elevation"):
        assert opened(path, long_name=right)[1].max() == 6
    yes = write(tmp_path / "b.tif", np.arange(60).reshape(6, 10) % 2, dtype="u1")
    assert opened(yes, long_name=name)[1].max() == 1
    assert opened(write(tmp_path / "c.tif", 6.0), long_name=name)[1].max() == 6


@pytest.mark.parametrize("factor", [10, 1000, 10000])
def test_a_factor_that_may_divide_is_asked_about(tmp_path, factor) -> None:
    path = write(tmp_path / "a.tif", 5000, dtype="i2", tags={"scale_factor": str(factor)})
    with pytest.raises(IcemapError, match=rf"scale: {1 / factor:g}' if it divides, or"):
        opened(path)
    assert opened(path, scale=1 / factor)[1][0, 0] == pytest.approx(5000 / factor)
    assert opened(path, scale=factor)[1][0, 0] == pytest.approx(5000 * factor)


@pytest.mark.parametrize(("factor", "dtype"), [(0.1, "i2"), (25, "i2"), (1, "i2")])
def test_other_factors_multiply(tmp_path, factor, dtype) -> None:
    path = write(tmp_path / "a.tif", 5, dtype=dtype, tags={"scale_factor": str(factor)})
    assert opened(path)[1][0, 0] == pytest.approx(5 * factor)


ELEVATION = np.arange(60.0).reshape(6, 10) * 3


def test_numbers_that_lost_their_sign_are_asked_about(tmp_path) -> None:
    lost = (ELEVATION - 6).astype("i2").view("u2")
    path = write(tmp_path / "a.tif", lost, dtype="u2")
    with pytest.raises(IcemapError, match=r"in 2 cells and 0 to 171 .* lost their sign .* is -3\)"):
        opened(path, unit="m")
    assert opened(path, unit="m", valid_range=(0, 65535))[1].max() == 65533
    codes = np.unique(lost)[-2:].tolist()
    assert np.isnan(opened(path, unit="m", nodata=codes)[1]).sum() == 2


@pytest.mark.parametrize(
    "values", [ELEVATION * 300, ELEVATION * 300 + 12_000, ELEVATION + 60_000, ELEVATION]
)
def test_large_numbers_without_a_sign_are_left(tmp_path, values) -> None:
    path = write(tmp_path / "a.tif", values, dtype="u2")
    np.testing.assert_array_equal(opened(path, unit="m")[1], values)


def test_a_thematic_layer_asks_for_a_kind(tmp_path) -> None:
    codes = np.where(ELEVATION % 2, 5, 1)
    path = write(tmp_path / "a.tif", codes, dtype="u1", tags={"LAYER_TYPE": "thematic"})
    with pytest.raises(IcemapError, match="has the LAYER_TYPE 'thematic', so that its values look"):
        opened(path)
    np.testing.assert_array_equal(opened(path, kind="continuous")[1], codes)
    path = write(tmp_path / "a.tif", codes, dtype="u1", tags={"LAYER_TYPE": "athematic"})
    np.testing.assert_array_equal(opened(path)[1], codes)


def test_what_a_file_says_of_all_of_its_bands_counts(tmp_path) -> None:
    path = write(tmp_path / "a.tif", 20, dtype="i2", count=2)
    with rasterio.open(path, "r+") as dataset:
        dataset.write(np.full((6, 10), 30, "i2"), 2)
        dataset.update_tags(units="cm", scale_factor="0.1", long_name="two bands [mm]")
    assert opened(path, variable="2", unit="m")[1][0, 0] == pytest.approx(0.03)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.units = (1, 2), ("mm", "mm")
    # What a band says itself goes before it.
    assert opened(path, variable="2", unit="m")[1][0, 0] == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.where(ELEVATION < 9, -1, ELEVATION > 90), "-1 to -1"), (ELEVATION / 3, "2 to 59")],
)
def test_parts_of_one_beyond_it_are_asked_about(tmp_path, values, said) -> None:
    path = write(tmp_path / "a.tif", values, dtype="i2")
    with pytest.raises(IcemapError, match=rf"holds {said} in .* is from 0 to 1: give the codes"):
        opened(path, long_name="part of the cell that is lake")
    assert opened(path, long_name="part of the cell", valid_range=(-1, 60))[1].max() >= 1
    further = ("probability density", "fraction_class", "share index", "share-size", "part number")
    for called in ("change of the part of the cell", "index of lakes", "department", *further):
        assert opened(path, long_name=called)[1].max() >= 1


def test_parts_of_one_are_left(tmp_path) -> None:
    path = write(tmp_path / "a.tif", ELEVATION / 173)
    assert opened(path, long_name="share of lakes")[1].max() == pytest.approx(177 / 173)
    path = write(tmp_path / "b.tif", ELEVATION / 3, dtype="u1")
    made = opened(path, long_name="share of lakes", file_unit="%")[1]
    assert made.max() == pytest.approx(0.59)
