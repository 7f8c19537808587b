from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rio_cogeo.cogeo import cog_validate

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables, open_map
from icemap.products import cog
from icemap.products.cog import write_cog, write_cogs
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 40, 180, 90, 0.25)
TARGET = TargetConfig()


@pytest.fixture(scope="module")
def map_url(tmp_path_factory) -> str:
    """A map with values in the west and nothing in the east."""
    url = str(tmp_path_factory.mktemp("run") / "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {"title": "A test of products"}, chunk=128)
    rng = np.random.default_rng(3)
    for chunk in GRID.chunks(128):
        if chunk.cols.start >= 768:
            continue
        value = rng.uniform(0, 100, chunk.shape)
        value[rng.random(chunk.shape) < 0.3] = -np.nan
        flag = np.where(np.isnan(value), 255, value > 50)
        arrays = {
            v.name: flag.astype("uint8") if v.dtype == "uint8" else value.astype("float32")
            for v in map_variables(TARGET)
        }
        write_chunk(url, chunk, arrays)
    return url


@pytest.fixture(scope="module")
def written(map_url, tmp_path_factory) -> dict[str, str]:
    folder = str(tmp_path_factory.mktemp("products"))
    urls = write_cogs(map_url, folder, TARGET)
    return {os.path.basename(url): url for url in urls}


def test_names_are_the_published_ones(written):
    assert sorted(written) == [
        "T5m_VIC.tif",
        "T5m_VIC_aoa.tif",
        "T5m_VIC_lower95.tif",
        "T5m_VIC_sd.tif",
        "T5m_VIC_upper95.tif",
    ]
    folder = os.path.dirname(written["T5m_VIC.tif"])
    assert sorted(os.listdir(folder)) == sorted(written), "no temporary file is left"


@pytest.mark.parametrize("file", ["T5m_VIC.tif", "T5m_VIC_aoa.tif"])
def test_is_a_valid_cog(written, file):
    valid, errors, warnings = cog_validate(written[file], strict=True)
    assert (valid, errors, warnings) == (True, [], [])


def test_a_copy_that_is_no_cog_is_refused_and_the_earlier_file_stays(
    map_url, tmp_path, monkeypatch
):
    out = tmp_path / "vic.tif"
    out.write_bytes(b"earlier")
    monkeypatch.setattr(cog, "_to_cog", lambda raw, finished: shutil.copy(raw, finished))
    with pytest.raises(
        IcemapError,
        match=(
            r"vic\.tif was not written: it would not be a Cloud Optimized GeoTIFF, there are no"
            r" overviews"
        ),
    ):
        write_cog(map_url, "vic", str(out))
    assert out.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["vic.tif"]


def test_every_cell_equals_the_map(map_url, written):
    dataset = open_map(map_url)
    with rasterio.open(written["T5m_VIC.tif"]) as src:
        np.testing.assert_array_equal(src.read(1), dataset.vic.values)
        assert np.isnan(src.nodata)
        assert src.crs.to_epsg() == 4326
        assert src.transform.almost_equals(GRID.transform)
        assert (src.descriptions, src.units, src.scales) == (
            ("volumetric ice content",),
            ("%",),
            (1.0,),
        )
        assert src.tags()["title"] == "A test of products"
        statistics = {k: float(v) for k, v in src.tags(1).items() if k.startswith("STATISTICS")}
    values = dataset.vic.values[np.isfinite(dataset.vic.values)].astype(float)
    assert statistics["STATISTICS_MEAN"] == pytest.approx(values.mean(), rel=1e-8)
    assert statistics["STATISTICS_STDDEV"] == pytest.approx(values.std(), rel=1e-6)
    assert statistics["STATISTICS_MAXIMUM"] == pytest.approx(values.max(), rel=1e-8)
    with rasterio.open(written["T5m_VIC_aoa.tif"]) as src:
        raw = src.read(1)
        assert src.nodata == 255
        np.testing.assert_array_equal(np.where(raw == 255, np.nan, raw), dataset.aoa.values)


def test_overviews_average_values_and_keep_classes(written):
    with (
        rasterio.open(written["T5m_VIC.tif"], overview_level=0) as half,
        rasterio.open(written["T5m_VIC.tif"]) as full,
    ):
        block = full.read(1)[:2, :2]
        assert half.read(1)[0, 0] == pytest.approx(np.nanmean(block), rel=1e-5)
    with rasterio.open(written["T5m_VIC_aoa.tif"], overview_level=0) as half:
        assert set(np.unique(half.read(1))) <= {0, 1, 255}


def test_a_corrupt_copy_is_refused_and_the_earlier_file_stays(map_url, tmp_path, monkeypatch):
    out = tmp_path / "vic.tif"
    out.write_bytes(b"earlier")
    to_cog = cog._to_cog

    def damage(raw, finished):
        with rasterio.open(raw, "r+") as file:
            file.write(np.full((1, 1), 7.0, "float32"), 1, window=((5, 6), (5, 6)))
        to_cog(raw, finished)

    monkeypatch.setattr(cog, "_to_cog", damage)
    with pytest.raises(IcemapError, match="1 of 1 windows differ from the map"):
        write_cog(map_url, "vic", str(out))
    assert out.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["vic.tif"]


@pytest.mark.parametrize("limit", [200_000, 1_200_000])
def test_a_full_disk_is_a_sentence_and_leaves_the_earlier_file(map_url, tmp_path, limit):
    import resource

    out = tmp_path / "vic.tif"
    out.write_bytes(b"earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (limit, before[1])
    )  # no file may grow beyond it, as on a full disk
    try:
        with pytest.raises(IcemapError, match=r"vic\.tif.*[Cc]heck the"):
            write_cog(map_url, "vic", str(out))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert out.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["vic.tif"]


def test_bad_places_and_names_are_sentences(map_url, tmp_path):
    with pytest.raises(IcemapError, match="no variable 'alt': it has vic"):
        write_cog(map_url, "alt", str(tmp_path / "alt.tif"))
    with pytest.raises(IcemapError, match="There is no map at"):
        write_cog(str(tmp_path / "nothing.zarr"), "vic", str(tmp_path / "vic.tif"))
    (tmp_path / "file").write_text("")
    with pytest.raises(IcemapError, match="Cannot write"):
        write_cog(map_url, "vic", str(tmp_path / "file" / "vic.tif"))


def test_an_empty_map_is_refused(tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {}, chunk=256)
    with pytest.raises(IcemapError, match="no mapped cell"):
        write_cog(url, "vic", str(tmp_path / "vic.tif"))
    assert not (tmp_path / "vic.tif").exists()


def test_an_unfinished_map_is_refused(map_url, tmp_path):
    run = os.path.dirname(map_url)
    ledger = os.path.join(run, "ledger", "map")
    os.makedirs(ledger)
    keys = [chunk.key for chunk in GRID.chunks(128)]
    try:
        for key in keys[1:]:
            with open(os.path.join(ledger, f"{key}.json"), "w") as file:
                file.write("{}")
        with pytest.raises(
            IcemapError, match=f"1 of {len(keys)} chunks are missing, r000c000 first"
        ):
            write_cogs(map_url, str(tmp_path / "products"), TARGET)
        assert not (tmp_path / "products").exists()
    finally:
        shutil.rmtree(os.path.join(run, "ledger"))
