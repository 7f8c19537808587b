from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import rasterio
import xarray as xr

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded, grid_of
from icemap.mapping.map_schema import map_variables, open_map
from icemap.products import overviews
from icemap.products.cog import write_cog
from icemap.products.figures.maps import map_figure
from icemap.products.overviews import coarser_grids, write_overviews
from icemap.running.ledger import Ledger
from icemap.running.run import SerialExecutor, run_job
from icemap.zarr_groups import read_chunk, write_chunk

# Rows become odd at the second level.
GRID = Grid(-180, 33.5, 180, 90, 0.25)
TARGET = TargetConfig()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> str:
    """A map with values, gaps and an empty third."""
    url = str(tmp_path_factory.mktemp("run") / "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {"title": "A test"}, chunk=128)
    rng = np.random.default_rng(1)
    for chunk in GRID.chunks(128):
        if chunk.cols.start < 900:
            value = np.where(
                rng.random(chunk.shape) < 0.3, np.nan, rng.uniform(0, 100, chunk.shape)
            ).astype("float32")
            flag = np.where(np.isnan(value), 255, value > 50).astype("uint8")
            write_chunk(
                url,
                chunk,
                {v.name: flag if v.dtype == "uint8" else value for v in map_variables(TARGET)},
            )
    return url


@pytest.fixture
def map_url(made, tmp_path) -> str:
    shutil.copytree(made, tmp_path / "run" / "map.zarr")
    return str(tmp_path / "run" / "map.zarr")


def overview(map_url: str, executor=None) -> int:
    def ledger(name: str) -> Ledger:
        return Ledger(f"{Path(map_url).parent}/ledger/{name}")

    return write_overviews(
        map_url,
        lambda job, name: run_job(job, ledger(name), executor or SerialExecutor(), progress=False),
        ledger,
    )


def test_of_emptiness_nothing_is_stored_and_little_read(map_url, monkeypatch):
    read = []

    def noted(url, chunk, names):
        read.extend(names)
        return read_chunk(url, chunk, names)

    monkeypatch.setattr(overviews, "read_chunk", noted)
    overview(map_url)
    assert 0 < read.count("aoa") < read.count("vic")
    level = Path(map_url) / "overviews" / "1"
    # 720 columns in chunks of 128, of which the map ends after 512.
    for name in ("vic", "aoa"):
        assert {path.name for path in (level / name / "c" / "0").iterdir()} == set("0123")


def test_each_level_is_the_mean_of_the_one_before(map_url):
    assert overview(map_url) == 2
    full = open_map(map_url)
    first, second = open_map(map_url, level=1), open_map(map_url, level=2)
    assert [dict(level.sizes) for level in (first, second)] == [
        {"latitude": 113, "longitude": 720},
        {"latitude": 57, "longitude": 360},
    ]
    assert list(first.data_vars) == list(full.data_vars)
    expected = full.vic.coarsen(latitude=2, longitude=2).mean()
    np.testing.assert_allclose(first.vic, expected, rtol=1e-5)
    np.testing.assert_allclose(first.latitude, expected.latitude)
    np.testing.assert_array_equal(first.aoa, full.aoa[::2, ::2])
    np.testing.assert_allclose(
        second.vic, first.vic.coarsen(latitude=2, longitude=2, boundary="pad").mean(), rtol=1e-5
    )
    assert second.vic.chunks is not None, "opened lazily"
    assert first.vic.attrs["cell_methods"] == "area: mean"
    assert first.aoa.attrs["cell_methods"] == "area: point"
    assert grid_of(second).resolution == 1.0


def test_levels_are_those_of_the_geotiff(map_url, tmp_path):
    overview(map_url)
    for name in ("vic", "aoa"):
        write_cog(map_url, name, str(tmp_path / f"{name}.tif"))
        with rasterio.open(tmp_path / f"{name}.tif", overview_level=0) as half:
            values = np.where(half.read(1) == half.nodata, np.nan, half.read(1))
            np.testing.assert_allclose(open_map(map_url, level=1)[name].values, values, rtol=1e-5)


def test_readers_find_the_levels_by_the_convention(map_url):
    overview(map_url)
    attributes = json.loads((Path(map_url) / "zarr.json").read_text())["attributes"]
    layout = attributes["multiscales"]["layout"]
    assert {convention["name"] for convention in attributes["zarr_conventions"]} == {
        "multiscales",
        "spatial",
        "proj:",
    }
    assert [level["asset"] for level in layout] == [".", "overviews/1", "overviews/2"]
    for level in layout:
        assert re.fullmatch(r"(?!/)(?!.*(\.\.))([^/]+(/[^/]+)*)", level["asset"]), (
            "the pattern of the convention's schema"
        )
        assert ("derived_from" in level) == ("transform" in level)
        dataset = xr.open_zarr(map_url, group=level["asset"].strip("."), consolidated=False)
        assert list(dataset.vic.shape) == level["spatial:shape"]
        west, step, _, _, _, north = (level["spatial:transform"][i] for i in (2, 0, 1, 3, 4, 5))
        assert dataset.longitude.values[:2] == pytest.approx([west + step / 2, west + 1.5 * step])
        assert dataset.latitude.values[0] == pytest.approx(north - step / 2)


def test_a_picture_is_made_from_the_level_that_is_fine_enough(map_url):
    before = matplotlib.image.imread(io.BytesIO(map_figure(map_url, "A test", pixels=180)))
    overview(map_url)
    for chunk in Path(map_url).glob("*/c/*/*"):
        chunk.write_bytes(b"damaged")
    after = matplotlib.image.imread(io.BytesIO(map_figure(map_url, "A test", pixels=180)))
    assert after.shape == before.shape
    # The same picture but for cells that have no value in some of theirs.
    assert np.abs(after - before).mean() < 0.02
    with pytest.raises(Exception, match=r".+"):
        map_figure(map_url, "A test", pixels=720)


def test_a_map_with_levels_can_be_saved_as_netcdf(map_url, tmp_path):
    overview(map_url)
    open_map(map_url)[["vic"]].isel(latitude=slice(0, 4)).to_netcdf(tmp_path / "map.nc")
    assert xr.open_dataset(tmp_path / "map.nc").vic.sizes["latitude"] == 4


def test_no_level_is_offered_before_all_are_there(map_url):
    class Stops(SerialExecutor):
        def __init__(self, after: int) -> None:
            self.left = after

        def map(self, function, items):
            for pair in super().map(function, items):
                if self.left == 0:
                    raise KeyboardInterrupt
                self.left -= 1
                yield pair

    with pytest.raises(KeyboardInterrupt):
        overview(map_url, Stops(8))
    with pytest.raises(
        IcemapError, match=r"no level 1 .* has no coarser levels: 'icemap publish' makes them"
    ):
        open_map(map_url, level=1)
    before = {path: path.stat().st_mtime_ns for path in Path(map_url, "overviews").rglob("c/*/*")}
    assert overview(map_url) == 2
    first, full = open_map(map_url, level=1), open_map(map_url)
    np.testing.assert_allclose(
        first.vic, full.vic.coarsen(latitude=2, longitude=2).mean(), rtol=1e-5
    )
    kept = [path for path, time in before.items() if path.stat().st_mtime_ns == time]
    assert len(kept) > len(before) / 2, "what was finished is not made again"


def test_levels_that_vanished_are_made_again_and_not_offered_meanwhile(map_url):
    class Fails:
        def map(self, function, items):
            raise IcemapError("full")

    overview(map_url)
    shutil.rmtree(Path(map_url) / "overviews")
    with pytest.raises(IcemapError, match="full"):
        overview(map_url, Fails())
    with pytest.raises(IcemapError, match="no coarser levels"):
        open_map(map_url, level=1)
    overview(map_url)
    assert np.isfinite(open_map(map_url, level=2).vic).any()


def test_a_wrong_level_is_a_sentence(map_url):
    overview(map_url)
    with pytest.raises(IcemapError, match=r"no level 3 of the map .*: it has levels 0 to 2"):
        open_map(map_url, level=3)
    with pytest.raises(IcemapError, match="no level -1"):
        open_map(map_url, level=-1)


ODD = Grid(-180, 90 - 170 * 360 / 1030, 180, 90, 360 / 1030)


@pytest.mark.parametrize(
    ("grid", "shapes"),
    [(Grid(0, 60, 16, 76, 1.0), []), (ODD, [(85, 515)]), (GRID, [(113, 720), (57, 360)])],
)
def test_a_level_stays_on_the_globe(grid, shapes):
    assert [level.shape for level in coarser_grids(grid)] == shapes
