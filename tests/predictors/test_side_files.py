"""Rasters that the files next to them contradict."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from tests.small_rasters import read_whole, source

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
TRANSFORM = Affine(1, 0, 100, 0, -1, 66)
VALUES = np.arange(60, dtype="f4").reshape(6, 10) + 10


def raster(folder, values=VALUES, band="", top="", **keys):
    """A GeoTIFF with what its auxiliary file says of it, and of its band."""
    about = {key: keys.pop(key) for key in ("scales", "offsets", "units") if key in keys}
    profile = {"driver": "GTiff", "height": 6, "width": 10, "count": 1, "dtype": values.dtype}
    profile |= {"crs": "EPSG:4326", "transform": TRANSFORM, **keys}
    with rasterio.open(folder / "a.tif", "w", **profile) as dataset:
        dataset.write(values, 1)
        for key, value in about.items():
            setattr(dataset, key, [value])
    if band or top:
        (folder / "a.tif.aux.xml").write_text(
            f'<PAMDataset>{top}<PAMRasterBand band="1">{band}</PAMRasterBand></PAMDataset>'
        )
    return folder / "a.tif"


def metadata(**items) -> str:
    return f"<Metadata>{''.join(f'<MDI key={k!r}>{v}</MDI>' for k, v in items.items())}</Metadata>"


HOLED = np.where(VALUES < 30, 200, VALUES).astype("u1")


def read(path, **keys) -> np.ndarray:
    return read_whole(source(path, **{"unit": "m", **keys}), GRID)


def test_two_codes_for_missing_of_which_one_is_among_the_values(tmp_path) -> None:
    path = raster(tmp_path, HOLED, "<NoDataValue>0</NoDataValue>", nodata=200)
    with pytest.raises(IcemapError, match=r"value 200 in 20 of 60 .*a\.tif, in .*aux\.xml says 0"):
        read(path)
    assert np.isnan(read(path, nodata=[200])).sum() == 20
    assert (read(path, valid_range=[0, 250]) == 200).sum() == 20


def test_two_codes_for_missing_that_nothing_holds(tmp_path) -> None:
    path = raster(tmp_path, VALUES, "<NoDataValue>-1</NoDataValue>", nodata=-9999)
    np.testing.assert_array_equal(read(path), VALUES)


def test_codes_of_classes_that_one_file_calls_missing(tmp_path) -> None:
    codes = (VALUES % 3).astype("u1")
    path = raster(tmp_path, codes, "<NoDataValue>255</NoDataValue>", nodata=2)
    keys = {"kind": "class", "unit": "1"}
    with pytest.raises(IcemapError, match="the value 2 in 20 of 60"):
        read(path, classes={0: "till", 1: "rock"}, **keys)
    np.testing.assert_array_equal(
        read(path, classes={0: "till", 1: "rock", 2: "ice"}, **keys), codes
    )


@pytest.mark.parametrize(
    ("own", "other", "said", "settle", "factor"),
    [
        ({"scales": 0.1}, "<Scale>0.01</Scale>", "scale 0.1 .* 0.01", {"scale": 0.1}, 0.1),
        ({"offsets": 10}, "<Offset>-5</Offset>", "offset 10, .* -5", {"offset": 0}, 1),
        ({"units": "m"}, "<UnitType>ft</UnitType>", "'m' by .* 'ft'", {"file_unit": "m"}, 1),
    ],
)
def test_scale_offset_and_unit(own, other, said, settle, factor, tmp_path) -> None:
    path = raster(tmp_path, VALUES.astype("i2"), other, **own)
    with pytest.raises(IcemapError, match=f"{said}.*{next(iter(settle))}"):
        read(path)
    np.testing.assert_allclose(read(path, **settle), VALUES * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("other", "keys"),
    [
        ("<Scale>0.1</Scale>", {}),
        ("<UnitType>dm</UnitType>", {}),
        ("<Scale>0.1</Scale><UnitType>metre</UnitType>", {"scales": 0.1, "units": "m"}),
    ],
)
def test_what_one_of_them_says_or_both_in_two_spellings(other, keys, tmp_path) -> None:
    path = raster(tmp_path, VALUES.astype("i2"), other, **keys)
    np.testing.assert_allclose(read(path), VALUES * 0.1, rtol=1e-6)


def test_a_place_that_is_corrected_is_told(tmp_path) -> None:
    corrected = "<GeoTransform>100.5,1,0,66,0,-1</GeoTransform>"
    path = raster(tmp_path, top=corrected)
    assert "100.5, 66" in check_source(source(path, unit="m"), GRID).notes[0]
    wkt = rasterio.crs.CRS.from_epsg(3413).to_wkt().replace('"', "&quot;")
    path = raster(
        tmp_path,
        top=f"<SRS>{wkt}</SRS>",
        crs="EPSG:3995",
        transform=Affine(1e5, 0, -5e5, 0, -1e5, 3e5),
    )
    polar = Grid(-180, 80, 180, 90, 1)
    assert "Sea Ice Polar Stereographic" in check_source(source(path, unit="m"), polar).notes[0]


def test_a_crs_in_two_spellings_is_one(tmp_path) -> None:
    wkt = rasterio.crs.CRS.from_epsg(4326).to_wkt(version="WKT1_ESRI").replace('"', "&quot;")
    path = raster(tmp_path, top=f"<SRS>{wkt}</SRS>")
    assert not check_source(source(path, unit="m"), GRID).notes


def test_a_world_file_of_another_place(tmp_path) -> None:
    path = raster(tmp_path)
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n100.5\n65.5\n")
    np.testing.assert_array_equal(read(path), VALUES)
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n101.5\n65.5\n")
    with pytest.raises(IcemapError, match=r"a\.tif has its first cell at 100, 66 .*a\.tfw .* 101"):
        read(path)


POLAR = {"crs": "EPSG:3413", "transform": Affine(1e5, 0, -5e5, 0, -1e5, 3e5)}


def prj(epsg) -> str:
    return rasterio.crs.CRS.from_epsg(epsg).to_wkt(version="WKT1_ESRI")


def test_a_projection_file_of_another_crs(tmp_path) -> None:
    path = raster(tmp_path, **POLAR)
    (tmp_path / "a.prj").write_text(prj(3995))
    with pytest.raises(IcemapError, match=r"Sea Ice .* by .*a\.tif, and .*Arctic Polar .*a\.prj"):
        read(path)
    np.testing.assert_array_equal(read(path, crs="EPSG:3413"), VALUES)


@pytest.mark.parametrize(
    ("text", "neighbour"), [(prj(3413), ""), (prj(3995), "a.shp"), ("none", "")]
)
def test_a_projection_file_that_says_the_same_or_nothing(tmp_path, text, neighbour) -> None:
    path = raster(tmp_path, **POLAR)
    (tmp_path / "a.prj").write_text(text)
    if neighbour:
        # It is that of polygons of the same name.
        (tmp_path / neighbour).touch()
    np.testing.assert_array_equal(read(path), VALUES)


def test_a_broken_auxiliary_file_is_passed_over_as_by_gdal(tmp_path) -> None:
    path = raster(tmp_path)
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><PAMRasterBand")
    np.testing.assert_array_equal(read(path), VALUES)


def test_values_of_another_size_than_the_statistics(tmp_path) -> None:
    other = metadata(STATISTICS_MINIMUM=0.1, STATISTICS_MAXIMUM=6.9)
    path = raster(tmp_path, band=other)
    with pytest.raises(IcemapError, match=r"holds 10 to 69, but its statistics go from 0.1 to 6.9"):
        read(path)
    np.testing.assert_allclose(read(path, scale=0.1), VALUES * 0.1, rtol=1e-6)
    np.testing.assert_array_equal(read(path, valid_range=[0, 100]), VALUES)


def test_one_value_that_did_not_count_in_the_statistics(tmp_path) -> None:
    values = np.where(VALUES < 30, 0, VALUES).astype("f4")
    path = raster(tmp_path, values, metadata(STATISTICS_MINIMUM=30, STATISTICS_MAXIMUM=69))
    with pytest.raises(IcemapError, match=r"the value 0 in 20 of 60 cells, .* as if it meant miss"):
        read(path)
    assert np.isnan(read(path, nodata=[0])).sum() == 20
    np.testing.assert_array_equal(read(path, valid_range=[0, 100]), values)


@pytest.mark.parametrize(
    "statistics",
    [
        {"STATISTICS_MINIMUM": -500, "STATISTICS_MAXIMUM": 8800},
        {"STATISTICS_MINIMUM": 12, "STATISTICS_MAXIMUM": 68},
        {"STATISTICS_MINIMUM": 1, "STATISTICS_MAXIMUM": 2, "STATISTICS_APPROXIMATE": "YES"},
        {"STATISTICS_MINIMUM": 1, "STATISTICS_MAXIMUM": 2, "STATISTICS_SKIPFACTORX": 4},
        {"STATISTICS_MINIMUM": "10.0000", "STATISTICS_MAXIMUM": "6.9e1"},
        {"STATISTICS_MINIMUM": "none", "STATISTICS_MAXIMUM": 2},
    ],
)
def test_statistics_of_a_larger_file_and_of_some_cells(statistics, tmp_path) -> None:
    path = raster(tmp_path, band=metadata(**statistics))
    np.testing.assert_array_equal(read(path), VALUES)


def test_statistics_of_what_packed_values_become(tmp_path) -> None:
    path = raster(
        tmp_path,
        VALUES.astype("i2"),
        metadata(STATISTICS_MINIMUM=1, STATISTICS_MAXIMUM=6.9),
        scales=0.1,
    )
    np.testing.assert_allclose(read(path), VALUES * 0.1, rtol=1e-6)
