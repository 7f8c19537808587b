import numpy as np
import pytest
import zarr

from icemap import Grid
from icemap.grid import Chunk
from icemap.gridded import Variable, create_gridded, open_gridded
from icemap.zarr_groups import read_chunk, write_chunk

GRID = Grid(-10, 60, 20, 80, 0.5)
VARIABLES = [Variable("vic"), Variable("aoa", "uint8")]


@pytest.fixture(params=[None, 32], ids=["chunks", "shards"])
def url(request, tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, VARIABLES, {}, chunk=16, shard=request.param)
    return url


def values_of(chunk: Chunk) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(chunk.index)
    vic = rng.uniform(0, 100, chunk.shape)
    vic[0, 0] = np.nan
    aoa = rng.integers(0, 2, chunk.shape)
    aoa[0, 0] = 255
    return {"vic": vic, "aoa": aoa}


def test_what_is_written_chunk_by_chunk_is_read(url):
    for chunk in GRID.chunks(32):
        write_chunk(url, chunk, values_of(chunk))
    dataset = open_gridded(url, "map")
    for chunk in GRID.chunks(32):
        expected = values_of(chunk)
        stored = read_chunk(url, chunk, ["vic", "aoa"])
        assert stored["vic"].dtype == np.float32
        assert stored["aoa"].dtype == np.uint8
        assert np.array_equal(stored["vic"], expected["vic"].astype("float32"), equal_nan=True)
        assert np.array_equal(stored["aoa"], expected["aoa"])
        assert np.array_equal(dataset.vic[chunk.rows, chunk.cols], stored["vic"], equal_nan=True)
        assert np.array_equal(
            dataset.aoa[chunk.rows, chunk.cols],
            np.where(expected["aoa"] == 255, np.nan, expected["aoa"]),
            equal_nan=True,
        )


def test_one_chunk_leaves_its_neighbours_alone(url):
    chunks = list(GRID.chunks(32))
    write_chunk(url, chunks[1], {"vic": np.ones(chunks[1].shape)})
    vic = open_gridded(url, "map").vic.values
    assert np.nansum(vic) == np.prod(chunks[1].shape) == np.isfinite(vic).sum()


def test_chunk_that_shares_a_stored_object_is_refused(url):
    odd = Chunk((0, 0), slice(0, 32), slice(8, 40))
    with pytest.raises(ValueError, match="r000c000 does not own whole stored chunks"):
        write_chunk(url, odd, {"vic": np.zeros(odd.shape)})
    short = Chunk((0, 0), slice(0, 30), slice(0, 32))
    with pytest.raises(ValueError, match="does not own whole stored chunks"):
        write_chunk(url, short, {"vic": np.zeros(short.shape)})


def test_a_shard_needs_its_whole_side(tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, VARIABLES, {}, chunk=16, shard=32)
    inner = next(GRID.chunks(16))
    with pytest.raises(ValueError, match="does not own whole stored chunks"):
        write_chunk(url, inner, {"vic": np.zeros(inner.shape)})


def test_the_metadata_of_all_variables_are_read_with_one_request(url, monkeypatch):
    chunk = next(iter(GRID.chunks(32)))
    write_chunk(url, chunk, values_of(chunk))
    asked = []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *args, **kwargs):
        asked.append(key)
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    read_chunk(url, Chunk((0, 0), slice(0, 16), slice(0, 16)), ["vic", "aoa"])
    assert asked[0] == "zarr.json"
    assert all("zarr.json" not in key for key in asked[1:]), asked
    # Of a shard its index comes first.
    assert len(asked[1:]) in (2, 4)
