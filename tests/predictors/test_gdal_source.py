"""Which band of a raster is meant, and what its classes are called."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.errors import IcemapError
from icemap.grid import Grid
from tests.small_rasters import read_whole, source

pytestmark = pytest.mark.quick

MONTHS = ["Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep"]


def raster(folder, names, dtype="float32"):
    """Each band holds the number of the band, from 1."""
    profile = {"driver": "GTiff", "height": 6, "width": 10, "count": len(names), "dtype": dtype}
    place = {"crs": "EPSG:4326", "transform": Affine(1, 0, 100, 0, -1, 66)}
    with rasterio.open(folder / "a.tif", "w", **profile, **place) as dataset:
        dataset.write(np.repeat(np.arange(1, len(names) + 1, dtype=dtype), 60).reshape(-1, 6, 10))
        dataset.descriptions = names
    return folder / "a.tif"


def read(path, **keys) -> np.ndarray:
    return read_whole(source(path, **keys), Grid(100, 60, 110, 66, 1))


def band_of(path, **keys) -> float:
    return float(read(path, **keys)[0, 0])


@pytest.mark.parametrize("keys", [{"name": "elevation"}, {"long_name": "Elevation"}])
def test_a_number_of_a_band_that_is_called_otherwise(keys, tmp_path) -> None:
    path = raster(tmp_path, ["slope", "elevation"])
    with pytest.raises(IcemapError, match=r"band 1 is called 'slope', .* band 2, which is called"):
        band_of(path, variable="1", **keys)
    assert band_of(path, variable="2", **keys) == 2
    assert band_of(path, variable="slope", **keys) == 1


def test_a_number_of_another_month(tmp_path) -> None:
    path = raster(tmp_path, MONTHS)
    july = {"long_name": "July temperature", "unit": "1"}
    with pytest.raises(IcemapError, match=r"band 7 is called 'Apr', .* band 10, .* 'Jul'"):
        band_of(path, variable="7", **july)
    assert band_of(path, variable="10", **july) == 10
    assert band_of(path, variable="Apr", **july) == 7
    assert band_of(path, variable="7", long_name="temperature", unit="1") == 7


def test_names_that_say_nothing_of_the_others(tmp_path) -> None:
    assert band_of(raster(tmp_path, ["B4", "B8"]), variable="2", long_name="elevation") == 2
    assert band_of(raster(tmp_path, [None, None]), variable="2", long_name="elevation") == 2
    assert band_of(raster(tmp_path, ["0", "1"]), variable="1", long_name="elevation") == 1


def classed(folder):
    path = raster(folder, [None], "uint8")
    with rasterio.open(path, "r+") as dataset:
        dataset.write((np.arange(60).reshape(6, 10) % 3).astype("u1"), 1)
    names = "".join(
        f"<Category>{name}</Category>"
        for name in ("Evergreen forest", "Shrub tundra", "Open water")
    )
    (folder / "a.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames>'
        "</PAMRasterBand></PAMDataset>"
    )
    return path


def test_names_of_classes_in_another_order(tmp_path) -> None:
    path = classed(tmp_path)
    with pytest.raises(
        IcemapError, match=r"0 'water', by the file 'Evergreen forest' .and 2 'Open"
    ):
        read(path, kind="class", classes={0: "water", 1: "forest", 2: "tundra"})


@pytest.mark.parametrize(
    "classes",
    [
        {0: "forest", 1: "tundra", 2: "water"},
        {0: "Wald", 1: "Tundra", 2: "Wasser"},
        {0: "evergreen", 1: "shrubs", 2: "lakes and open water"},
        # One of them may be called so by chance.
        {0: "taiga", 1: "dwarf birch", 2: "tundra"},
    ],
)
def test_names_of_classes_in_other_words(classes, tmp_path) -> None:
    assert read(classed(tmp_path), kind="class", classes=classes).max() == 2


def test_a_file_of_several_rasters_is_asked_to_be_taken_apart(tmp_path) -> None:
    pages = tmp_path / "pages.tif"
    for further in ({}, {"APPEND_SUBDATASET": "YES"}):
        copy(str(raster(tmp_path, ["a"])), str(pages), driver="GTiff", **further)
    with pytest.raises(IcemapError, match=r"holds 2 rasters .* \(gdal_translate GTIFF_DIR:2:"):
        read(pages)
    # Overviews and masks are pages of the same raster.
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(tmp_path / "a.tif", "r+") as one:
        one.build_overviews([2])
        one.write_mask(np.full((6, 10), 255, "u1"))
    assert band_of(tmp_path / "a.tif") == 1
