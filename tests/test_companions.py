"""A change of anything that is read with a source changes its identity."""

import shutil
import time

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from icemap.companions import companions
from icemap.predictors.stamps import file_stamp
from icemap.provenance import fingerprint


def write_raster(path, value: float, left: float = 0.0) -> None:
    profile = {
        "driver": "GTiff",
        "height": 4,
        "width": 4,
        "count": 1,
        "dtype": "float32",
        "transform": Affine(1, 0, left, 0, -1, 60),
    }
    with rasterio.open(path, "w", crs="EPSG:4326", **profile) as file:
        file.write(np.full((4, 4), value, np.float32), 1)


def vrt(path, *tiles: str, relative: bool = True) -> None:
    sources = "".join(
        "<SimpleSource><SourceFilename "
        f'relativeToVRT="{int(relative)}">{tile}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        for tile in tiles
    )
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Float32"'
        f' band="1">{sources}</VRTRasterBand></VRTDataset>'
    )


@pytest.mark.parametrize(
    "name",
    ["a.tif.aux.xml", "a.aux.xml", "a.tif.msk", "a.tfw", "A.TFW", "a.prj", "a.hdr", "a.tif.ovr"],
)
def test_what_stands_beside_a_raster_counts(tmp_path, name):
    write_raster(tmp_path / "a.tif", 1)
    write_raster(tmp_path / "ab.tif", 1)
    before = fingerprint(str(tmp_path / "a.tif")), file_stamp(str(tmp_path / "a.tif"))
    (tmp_path / name).write_text("something")
    after = fingerprint(str(tmp_path / "a.tif")), file_stamp(str(tmp_path / "a.tif"))
    assert all(a != b for a, b in zip(before, after))
    (tmp_path / "ab.tfw").write_text("of another raster")
    assert (fingerprint(str(tmp_path / "a.tif")), file_stamp(str(tmp_path / "a.tif"))) == after


@pytest.mark.parametrize("relative", [True, False])
def test_tiles_behind_virtual_rasters_count_through_several_of_them(tmp_path, relative):
    write_raster(tmp_path / "tile.tif", 1)
    inside = "tile.tif" if relative else str(tmp_path / "tile.tif")
    vrt(tmp_path / "inner.vrt", inside, relative=relative)
    vrt(tmp_path / "outer.vrt", "inner.vrt")
    url = str(tmp_path / "outer.vrt")
    assert [path.rsplit("/", 1)[-1] for path in companions(url)] == ["inner.vrt", "tile.tif"]
    before = fingerprint(url), file_stamp(url)
    write_raster(tmp_path / "tile.tif", 2)
    assert all(a != b for a, b in zip(before, (fingerprint(url), file_stamp(url))))


def test_virtual_rasters_that_name_each_other_have_an_end(tmp_path):
    vrt(tmp_path / "a.vrt", "b.vrt")
    vrt(tmp_path / "b.vrt", "a.vrt", "lost.tif")
    assert [path.rsplit("/", 1)[-1] for path in companions(str(tmp_path / "a.vrt"))] == ["b.vrt"]


def test_every_part_of_a_shapefile_counts(tmp_path):
    path = tmp_path / "a.shp"
    geopandas.GeoDataFrame({"t": [3.0]}, geometry=[box(5, 62, 12, 68)], crs=4326).to_file(path)
    before = fingerprint(str(path)), file_stamp(str(path))
    geometry = path.read_bytes()
    time.sleep(0.01)
    geopandas.GeoDataFrame({"t": [4.0]}, geometry=[box(5, 62, 12, 68)], crs=4326).to_file(path)
    assert path.read_bytes() == geometry
    assert all(a != b for a, b in zip(before, (fingerprint(str(path)), file_stamp(str(path)))))


def test_a_table_has_nothing_beside_it(tmp_path):
    (tmp_path / "sites.csv").write_text("lon,lat\n")
    before = fingerprint(str(tmp_path / "sites.csv"))
    (tmp_path / "sites.txt").write_text("notes")
    assert fingerprint(str(tmp_path / "sites.csv")) == before


def test_a_chunk_of_a_zarr_store_counts_on_disk(tmp_path):
    import zarr

    array = zarr.create_array(
        str(tmp_path / "a.zarr" / "v"), shape=(4, 4), chunks=(2, 2), dtype="f4"
    )
    array[:] = 1
    before = file_stamp(str(tmp_path / "a.zarr"))
    time.sleep(0.01)
    array[0, 0] = 2
    assert file_stamp(str(tmp_path / "a.zarr")) != before


def test_in_a_bucket_siblings_tiles_and_objects_count(s3_url, tmp_path):
    from icemap.store import write_bytes

    write_raster(tmp_path / "tile.tif", 1)
    vrt(tmp_path / "a.vrt", "tile.tif")
    for name in ("tile.tif", "a.vrt"):
        write_bytes(f"{s3_url}/{name}", (tmp_path / name).read_bytes())
    write_bytes(f"{s3_url}/z.zarr/v/c/0", b"1")
    urls = [f"{s3_url}/{name}" for name in ("a.vrt", "tile.tif", "z.zarr")]
    before = [(fingerprint(url), file_stamp(url)) for url in urls]
    write_bytes(f"{s3_url}/tile.tif.aux.xml", b"<PAMDataset/>")
    write_bytes(f"{s3_url}/z.zarr/v/c/0", b"2")
    after = [(fingerprint(url), file_stamp(url)) for url in urls]
    assert all(a != b for old, new in zip(before, after) for a, b in zip(old, new))


def test_the_copy_of_a_raster_with_its_sidecars_has_their_identity(tmp_path):
    write_raster(tmp_path / "a.tif", 1)
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n0.5\n59.5\n")
    (tmp_path / "there").mkdir()
    for name in ("a.tif", "a.tfw"):
        shutil.copy(tmp_path / name, tmp_path / "there" / name)
    assert fingerprint(str(tmp_path / "a.tif")) == fingerprint(str(tmp_path / "there" / "a.tif"))
