"""Units, kinds and classes of a raster against those of the catalogue."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source

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
    source = Source(
        **{
            "name": "a",
            "url": str(path),
            "family": "climate",
            "long_name": "a",
            "unit": "1",
            **keys,
        }
    )
    with open_source(source, GRID) as raster:
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
