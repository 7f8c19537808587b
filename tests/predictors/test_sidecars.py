"""What stands next to a raster, and in it besides its values: masks, statistics, headers, world
files, projections.
"""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source
from icemap.store import write_bytes

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
TRANSFORM = Affine(1, 0, 100, 0, -1, 66)
VALUES = np.arange(60, dtype="f4").reshape(6, 10)
LEFT = np.zeros((6, 10), dtype=bool)
LEFT[:, :3] = True
EXPECTED = np.where(LEFT, np.nan, VALUES)
NODATA = (
    "<PAMDataset><PAMRasterBand"
    ' band="1"><NoDataValue>-9999</NoDataValue></PAMRasterBand></PAMDataset>'
)


def write(path, values, **keys) -> Path:
    bands = values[None] if values.ndim == 2 else values
    profile = {
        "driver": "GTiff",
        "height": 6,
        "width": 10,
        "count": len(bands),
        "dtype": bands.dtype,
        "crs": "EPSG:4326",
        "transform": TRANSFORM,
    }
    with rasterio.open(
        path, "w", **{key: value for key, value in {**profile, **keys}.items() if value is not None}
    ) as dataset:
        dataset.write(bands)
    return Path(path)


def read(path, **keys) -> np.ndarray:
    source = Source(
        **{
            "name": "a",
            "url": str(path),
            "family": "topography",
            "long_name": "a",
            "unit": "1",
            **keys,
        }
    )
    with open_source(source, GRID) as raster:
        rows, cols = raster.shape
        return raster.read(slice(0, rows), slice(0, cols))


def external_mask(folder):
    path = write(folder / "a.tif", np.where(LEFT, 40, VALUES).astype("f4"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(~LEFT)
    assert (folder / "a.tif.msk").exists()
    return path


def external_mask_and_nodata(folder):
    """GDAL heeds the mask alone."""
    path = write(folder / "a.tif", np.where(LEFT, -1, VALUES).astype("f4"), nodata=-1)
    mask = ~LEFT
    mask[:, 1] = True
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    return path


def internal_mask(folder):
    path = write(folder / "a.tif", np.where(LEFT, 40, VALUES).astype("f4"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(~LEFT)
    return path


def alpha(folder):
    bands = np.stack([np.where(LEFT, 40, VALUES), np.where(LEFT, 0, 255)]).astype("u1")
    return write(folder / "a.tif", bands, alpha="yes")


def alpha_and_nodata(folder):
    bands = np.stack([np.where(LEFT, 40, VALUES), np.where(LEFT, 0, 255)]).astype("u1")
    bands[0, :, 0] = 200
    return write(folder / "a.tif", bands, alpha="yes", nodata=200)


def statistics_with_nodata(folder):
    path = write(folder / "a.tif", np.where(LEFT, -9999, VALUES).astype("f4"))
    (folder / "a.tif.aux.xml").write_text(NODATA)
    return path


def esri_bil(folder):
    np.where(LEFT, -9999, VALUES).astype("<i2").tofile(folder / "a.bil")
    header = {
        "NROWS": 6,
        "NCOLS": 10,
        "NBANDS": 1,
        "NBITS": 16,
        "PIXELTYPE": "SIGNEDINT",
        "BYTEORDER": "I",
        "NODATA": -9999,
    }
    header |= {"ULXMAP": 100.5, "ULYMAP": 65.5, "XDIM": 1, "YDIM": 1}
    (folder / "a.hdr").write_text("".join(f"{key} {value}\n" for key, value in header.items()))
    (folder / "a.prj").write_text(
        rasterio.crs.CRS.from_epsg(4326).to_wkt(morph_to_esri_dialect=True)
    )
    return folder / "a.bil"


def envi(folder):
    return write(
        folder / "a.img", np.where(LEFT, -9999, VALUES).astype("f4"), driver="ENVI", nodata=-9999
    )


def envi_without_suffix(folder):
    envi(folder).rename(folder / "a")
    return folder / "a"


def ascii_grid(folder):
    rows = "\n".join(
        " ".join(f"{value:g}" for value in row) for row in np.where(LEFT, -9999, VALUES)
    )
    (folder / "a.asc").write_text(
        f"ncols 10\nnrows 6\nxllcorner 100\nyllcorner 60\ncellsize 1\nNODATA_value -9999\n{rows}\n"
    )
    (folder / "a.prj").write_text(
        rasterio.crs.CRS.from_epsg(4326).to_wkt(morph_to_esri_dialect=True)
    )
    return folder / "a.asc"


def world_file(folder):
    path = write(
        folder / "a.tif",
        np.where(LEFT, -9999, VALUES).astype("f4"),
        crs=None,
        transform=None,
        nodata=-9999,
    )
    (folder / "a.tfw").write_text("1\n0\n0\n-1\n100.5\n65.5\n")
    (folder / "a.prj").write_text(
        rasterio.crs.CRS.from_epsg(4326).to_wkt(morph_to_esri_dialect=True)
    )
    return path


def georeference_in_statistics(folder):
    path = write(
        folder / "a.tif", np.where(LEFT, -9999, VALUES).astype("f4"), crs=None, transform=None
    )
    wkt = rasterio.crs.CRS.from_epsg(4326).to_wkt().replace('"', "&quot;")
    (folder / "a.tif.aux.xml").write_text(
        NODATA.replace(
            "<PAMDataset>",
            f"<PAMDataset><SRS>{wkt}</SRS><GeoTransform>100,1,0,66,0,-1</GeoTransform>",
        )
    )
    return path


def png(folder):
    path = write(folder / "t.tif", np.where(LEFT, 200, VALUES).astype("u1"), nodata=200)
    copy(str(path), str(folder / "a.png"), driver="PNG", WORLDFILE="YES")
    return folder / "a.png"


def virtual(folder):
    copy(str(external_mask(folder)), str(folder / "a.vrt"), driver="VRT")
    return folder / "a.vrt"


KINDS = (
    external_mask,
    external_mask_and_nodata,
    internal_mask,
    alpha,
    alpha_and_nodata,
    statistics_with_nodata,
    esri_bil,
    envi,
    envi_without_suffix,
    ascii_grid,
    world_file,
    georeference_in_statistics,
    png,
    virtual,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_gaps_and_places_are_read_whoever_says_them(tmp_path, kind) -> None:
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
        path = kind(tmp_path)
    np.testing.assert_array_equal(read(path), EXPECTED)


@pytest.mark.parametrize(
    "kind",
    [external_mask, statistics_with_nodata, esri_bil, world_file, envi],
    ids=lambda kind: kind.__name__,
)
def test_they_are_read_in_a_bucket_too(tmp_path, s3_url, kind) -> None:
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
        path = kind(tmp_path)
    for file in tmp_path.iterdir():
        write_bytes(f"{s3_url}/{file.name}", file.read_bytes())
    np.testing.assert_array_equal(read(f"{s3_url}/{path.name}"), EXPECTED)


def test_a_crs_beside_the_file_goes_before_the_one_in_it(tmp_path) -> None:
    path = write(
        tmp_path / "a.tif", VALUES, crs="EPSG:3995", transform=Affine(1000, 0, 0, 0, -1000, 0)
    )
    wkt = rasterio.crs.CRS.from_epsg(3413).to_wkt().replace('"', "&quot;")
    (tmp_path / "a.tif.aux.xml").write_text(f"<PAMDataset><SRS>{wkt}</SRS></PAMDataset>")
    source = Source(name="a", url=str(path), family="topography", long_name="a", unit="1")
    with open_source(source, Grid(-90, 80, 90, 90, 1)) as raster:
        assert rasterio.crs.CRS.from_wkt(raster.crs).to_epsg() == 3413


def test_a_projection_file_without_a_projection_is_said(tmp_path) -> None:
    path = write(tmp_path / "a.tif", VALUES, crs=None)
    (tmp_path / "a.prj").write_text("a map")
    with pytest.raises(IcemapError, match=r"a\.prj holds no CRS"):
        read(path)


def test_a_star_names_rasters_and_not_what_stands_beside_them(tmp_path) -> None:
    statistics_with_nodata(tmp_path)
    (tmp_path / "a.tif.ovr").write_bytes(b"")
    (tmp_path / "catalog.yml").write_text(
        "version: 2\ndata: {a: {kwargs: {url: 'a*'}}}\nentries: {a: {kwargs: {data: '{data(a)}'},"
        " metadata: {family: topography, long_name: a, unit: '1'}}}\n"
    )
    assert [
        Path(part).name for part in load_sources(str(tmp_path / "catalog.yml"), ["a"])["a"].parts
    ] == ["a.tif"]


def test_a_band_is_asked_for_by_number_or_name(tmp_path) -> None:
    path = write(tmp_path / "a.tif", np.stack([VALUES, VALUES + 100, VALUES + 200]))
    with pytest.raises(IcemapError, match=r"has the 3 bands 1, 2, 3: name one as 'variable'"):
        read(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("bio1", "bio12", "bio15")
    with pytest.raises(IcemapError, match=r"bands 1 \(bio1\), 2 \(bio12\), 3 \(bio15\)"):
        read(path)
    np.testing.assert_array_equal(read(path, variable=2), VALUES + 100)
    np.testing.assert_array_equal(read(path, variable="bio15"), VALUES + 200)
    with pytest.raises(
        IcemapError, match="number of a band or its name, which has bio1, bio12, bio15"
    ):
        read(path, variable="bio3")
