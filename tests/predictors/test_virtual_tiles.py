"""Virtual rasters, and the files behind them that say otherwise."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from icemap.predictors.sources import open_source
from tests.small_rasters import read_whole, source, write_tif

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
VALUES = np.arange(60, dtype="f4").reshape(6, 10) + 10
HOLED = np.where(VALUES % 10 < 2, 0, VALUES).astype("f4")


def tiles(folder, values=VALUES, left=None, right=None):
    """Two tiles of five columns each, with what each says of its values."""
    for name, column, about in (("left", 0, left), ("right", 5, right)):
        about = dict(about or {})
        scale, unit = about.pop("scale", 1), about.pop("unit", None)
        profile = {"driver": "GTiff", "height": 6, "width": 5, "count": 1, "dtype": values.dtype}
        profile |= {"crs": "EPSG:4326", "transform": Affine(1, 0, 100 + column, 0, -1, 66)}
        with rasterio.open(folder / f"{name}.tif", "w", **profile, **about) as dataset:
            dataset.write(values[:, column : column + 5], 1)
            dataset.scales = (scale,)
            dataset.units = (unit,)


def joined(folder, inside="", dtype="Float32", each="", kind="SimpleSource", places=(0, 5)):
    """A virtual raster of both, with what it says of its band, and of each tile."""
    parts = "".join(
        f'<{kind}><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename>'
        '<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="5" ySize="6"/>'
        f'<DstRect xOff="{place}" yOff="0" xSize="5" ySize="6"/>{each}</{kind}>'
        for name, place in zip(("left", "right"), places, strict=False)
    )
    (folder / "a.vrt").write_text(
        '<VRTDataset rasterXSize="10" rasterYSize="6"><SRS>EPSG:4326</SRS>'
        f"<GeoTransform>100,1,0,66,0,-1</GeoTransform>"
        f'<VRTRasterBand dataType="{dtype}" band="1">{inside}{parts}</VRTRasterBand></VRTDataset>'
    )
    return folder / "a.vrt"


def read(path, **keys) -> np.ndarray:
    return read_whole(source(path, unit="m", **keys), GRID)


def test_a_virtual_raster_that_says_what_its_tiles_say(tmp_path) -> None:
    tiles(tmp_path, VALUES.astype("i2"), {"scale": 0.1, "unit": "m"}, {"scale": 0.1, "unit": "m"})
    path = joined(tmp_path, "<Scale>0.1</Scale><UnitType>metre</UnitType>", "Int16")
    np.testing.assert_allclose(read(path), VALUES * 0.1, rtol=1e-6)
    assert not check_source(source(path, unit="m"), GRID).notes


def test_a_scale_and_a_unit_of_the_virtual_raster_alone(tmp_path) -> None:
    tiles(tmp_path, VALUES.astype("i2"))
    path = joined(tmp_path, "<Scale>0.1</Scale><UnitType>dm</UnitType>", "Int16")
    np.testing.assert_allclose(read(path), VALUES * 0.01, rtol=1e-6)


def test_a_scale_that_the_virtual_raster_has_lost(tmp_path) -> None:
    tiles(tmp_path, VALUES.astype("i2"), {"scale": 0.1}, {"scale": 0.1})
    path = joined(tmp_path, dtype="Int16")
    with pytest.raises(IcemapError, match=r"left\.tif has the scale 0\.1 .*a\.vrt 1 and 0: "):
        read(path)
    np.testing.assert_allclose(read(path, scale=0.1), VALUES * 0.1, rtol=1e-6)


def test_a_scale_that_one_tile_has(tmp_path) -> None:
    tiles(tmp_path, VALUES.astype("i2"), {"scale": 0.1})
    path = joined(tmp_path, "<Scale>0.1</Scale>", "Int16")
    with pytest.raises(IcemapError, match=r"right\.tif has the scale 1 .*left\.tif 0\.1 and 0: "):
        read(path)


def test_values_that_the_virtual_raster_has_scaled(tmp_path) -> None:
    tiles(tmp_path, VALUES.astype("i2"), {"scale": 0.1, "nodata": -1}, {"scale": 0.1, "nodata": -1})
    path = joined(tmp_path, each="<ScaleRatio>0.1</ScaleRatio>", kind="ComplexSource")
    np.testing.assert_allclose(read(path), VALUES * 0.1, rtol=1e-6)


def test_units_of_the_tiles(tmp_path) -> None:
    tiles(tmp_path, VALUES, {"unit": "ft"}, {"unit": "ft"})
    np.testing.assert_allclose(read(joined(tmp_path)), VALUES * 0.3048, rtol=1e-6)
    path = joined(tmp_path, "<UnitType>m</UnitType>")
    with pytest.raises(IcemapError, match=r"'ft' by .*left\.tif, and 'm' by .*a\.vrt"):
        read(path)
    np.testing.assert_array_equal(read(path, file_unit="m"), VALUES)
    tiles(tmp_path, VALUES, {"unit": "ft"}, {"unit": "m"})
    with pytest.raises(IcemapError, match=r"'m' by .*right\.tif, and 'ft' by .*left\.tif"):
        read(joined(tmp_path))


def test_a_code_for_missing_that_the_virtual_raster_has_lost(tmp_path) -> None:
    tiles(tmp_path, HOLED, {"nodata": 0}, {"nodata": 0})
    path = joined(tmp_path)
    with pytest.raises(IcemapError, match=r"value 0 in 12 of 60 .*(left|right)\.tif, but not by"):
        read(path)
    assert np.isnan(read(path, nodata=[0])).sum() == 12
    np.testing.assert_array_equal(read(path, valid_range=[0, 100]), HOLED)
    heeded = joined(
        tmp_path, "<NoDataValue>-1</NoDataValue>", "Float32", "<NODATA>0</NODATA>", "ComplexSource"
    )
    assert np.isnan(read(heeded)).sum() == 12


def test_cells_behind_which_is_no_file(tmp_path) -> None:
    tiles(tmp_path)
    path = joined(tmp_path, places=(0,))
    with pytest.raises(IcemapError, match=r"value 0 in 30 of 60 .*a\.vrt where no file is behind"):
        read(path)
    assert np.isnan(read(path, nodata=[0])).sum() == 30
    assert (
        np.isnan(read(joined(tmp_path, "<NoDataValue>-1</NoDataValue>", places=(0,)))).sum() == 30
    )


def test_files_that_are_not_there_are_named(tmp_path) -> None:
    tiles(tmp_path)
    path = joined(tmp_path)
    (tmp_path / "right.tif").unlink()
    with pytest.raises(IcemapError, match=r"a\.vrt\) is made of .*right\.tif, which is not there"):
        read(path)
    outer = tmp_path / "outer.vrt"
    head, _, _ = path.read_text().partition("<SimpleSource>")
    name = '<SourceFilename relativeToVRT="1">a.vrt</SourceFilename>'
    end = "</VRTRasterBand></VRTDataset>"
    outer.write_text(f"{head}<SimpleSource>{name}</SimpleSource>{end}")
    with pytest.raises(IcemapError, match=r"outer\.vrt\) is made of .*right\.tif, which is not"):
        read(outer)
    # What the grid does not need may be elsewhere.
    with open_source(source(path, unit="m"), Grid(100, 60, 104, 66, 1)) as opened:
        assert opened.read(slice(0, 6), slice(0, 4)).tolist() == VALUES[:, :4].tolist()


def test_parts_that_become_whole_numbers_are_told(tmp_path) -> None:
    tiles(tmp_path)
    assert (
        "makes int16 of float32"
        in check_source(source(joined(tmp_path, dtype="Int16")), GRID).notes[0]
    )


CODES = np.where(VALUES % 2, 5, 1).astype("u1")
TILL, ROCK = {1: "till", 5: "rock"}, {1: "rock", 5: "till"}


def named(names) -> str:
    """The names of classes as GDAL writes them, in the order of the codes."""
    words = (names.get(code, "") for code in range(6))
    return f"<CategoryNames>{''.join(f'<Category>{word}</Category>' for word in words)}" + (
        "</CategoryNames>"
    )


def classified(folder, left, right, inside=""):
    """A virtual raster of two tiles with names of classes."""
    tiles(folder, CODES)
    for name, names in (("left", left), ("right", right)):
        (folder / f"{name}.tif.aux.xml").write_text(
            f'<PAMDataset><PAMRasterBand band="1">{named(names)}</PAMRasterBand></PAMDataset>'
        )
    return joined(folder, inside, "Byte")


def test_names_of_classes_of_the_tiles(tmp_path) -> None:
    path = classified(tmp_path, TILL, {**TILL, 3: "peat"})
    with pytest.raises(IcemapError, match="has names of classes"):
        read(path)
    with open_source(source(path, kind="class"), GRID) as opened:
        assert opened.classes == {**TILL, 3: "peat"}
    np.testing.assert_array_equal(read(path, kind="continuous"), CODES)
    with pytest.raises(IcemapError, match="calls the code 1 'rock', which by the file is the code"):
        read(path, kind="class", classes=ROCK)


@pytest.mark.parametrize(("right", "inside"), [(ROCK, ""), (TILL, named(ROCK))])
def test_names_of_classes_that_the_files_give_to_other_codes(right, inside, tmp_path) -> None:
    path = classified(tmp_path, TILL, right, inside)
    with pytest.raises(IcemapError, match="files call the class code 1 '"):
        read(path, kind="class", classes=TILL)
    np.testing.assert_array_equal(read(path, kind="continuous"), CODES)


def test_a_colour_table_of_the_tiles(tmp_path) -> None:
    tiles(tmp_path, CODES)
    for name in ("left", "right"):
        with rasterio.open(tmp_path / f"{name}.tif", "r+") as tile:
            tile.write_colormap(1, {1: (1, 2, 3, 255), 5: (9, 9, 9, 255)})
    with pytest.raises(IcemapError, match="has a colour table"):
        read(joined(tmp_path, dtype="Byte"))
    # One of its colours is a quantity.
    red = "<ColorTableComponent>1</ColorTableComponent>"
    found = read(joined(tmp_path, dtype="Byte", each=red, kind="ComplexSource"))
    np.testing.assert_array_equal(found, np.where(CODES == 1, 1, 9))


FINE = {"crs": "EPSG:4326", "transform": Affine(0.25, 0, 100, 0, -0.25, 66)}
POLAR = Affine(50_000, 0, 1_500_000, 0, -50_000, 2_500_000)


def warped(folder, transform, side, nodata=None, **options):
    """A virtual raster in degrees of a polar one that holds zeros, too."""
    values = np.tile(np.array([0, 5], "f4"), (side, side // 2))
    write_tif(folder / "polar.tif", values, transform, "EPSG:3413", nodata=nodata)
    with (
        rasterio.open(folder / "polar.tif") as file,
        WarpedVRT(file, width=40, height=24, **FINE, **options) as made,
    ):
        copy(made, str(folder / "a.vrt"), driver="VRT")
    return folder / "a.vrt"


def test_cells_that_a_warp_does_not_reach(tmp_path) -> None:
    path = warped(tmp_path, POLAR, 40)
    with pytest.raises(IcemapError, match=r"missing by .*a\.vrt where .*polar\.tif does not reach"):
        read(path)
    assert np.nanmin(read(path, nodata=[0])) == 5
    assert np.nanmin(read(path, valid_range=(0, 9))) == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"transform": Affine(50_000, 0, -4e6, 0, -50_000, 4e6), "side": 160},
        {"transform": POLAR, "side": 40, "add_alpha": True},
        {"transform": POLAR, "side": 40, "nodata": -1},
    ],
)
def test_a_warp_that_reaches_all_or_says_where(tmp_path, keys) -> None:
    found = read(warped(tmp_path, **keys))
    assert {0, 5} == set(np.unique(found[np.isfinite(found)]))
