"""What is written whole is not read before."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded
from icemap.mapping.replicate_fields import ReplicateFields, StoredReplicates, replicates_url
from icemap.shards import write_whole_shards
from icemap.zarr_groups import read_chunk, write_chunk

GRID = Grid(0, 60, 20, 72, 1.0)  # 12 x 20: the last shards are cut by its edges
VARIABLES = [Variable("maat"), Variable("rock", "uint8")]


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Keys of stored chunks that were asked for."""
    asked: list[str] = []

    def counted(call):
        async def counting(self, *args, **options):
            asked.append(str(args))
            return await call(self, *args, **options)

        return counting

    for kind in (zarr.storage.LocalStore, zarr.storage.FsspecStore):
        for name in ("get", "get_partial_values"):
            monkeypatch.setattr(kind, name, counted(getattr(kind, name)))
    return asked


def chunk_reads(asked: list[str]) -> list[str]:
    return [one for one in asked if "/c/" in one]


def arrays(chunk: Chunk, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    maat = rng.normal(size=chunk.shape).astype(np.float32)
    maat[0] = np.nan
    return {"maat": maat, "rock": rng.integers(0, 9, chunk.shape).astype(np.uint8)}


@pytest.mark.parametrize(("chunk", "shard"), [(4, 8), (8, None)])
def test_chunks_are_written_over_others_without_reading_them(tmp_path, reads, chunk, shard):
    url = str(tmp_path / "cube.zarr")
    create_gridded(url, GRID, VARIABLES, {}, chunk=chunk, shard=shard)
    for seed in (0, 1):
        for one in GRID.chunks(8):
            write_chunk(url, one, arrays(one, seed))
    assert chunk_reads(reads) == []
    for one in GRID.chunks(8):
        for name, values in read_chunk(url, one, ["maat", "rock"]).items():
            np.testing.assert_array_equal(values, arrays(one, 1)[name])
    assert chunk_reads(reads)


def test_the_stored_bytes_are_those_of_zarrs_own_assignment(tmp_path):
    for name in ("own", "zarrs"):
        create_gridded(str(tmp_path / name), GRID, VARIABLES, {}, chunk=4, shard=8)
    group = zarr.open_group(tmp_path / "zarrs", mode="r+")
    for one in GRID.chunks(8):
        values = arrays(one)
        if one.key == "r000c001":
            values["maat"][...] = np.nan
        write_chunk(str(tmp_path / "own"), one, values)
        for name, array in values.items():
            group[name][one.rows, one.cols] = array
    stored = {
        where: {
            str(path.relative_to(tmp_path / where)): path.read_bytes()
            for path in (tmp_path / where).rglob("*")
            if path.is_file()
        }
        for where in ("own", "zarrs")
    }
    assert stored["own"] == stored["zarrs"]
    assert "maat/c/0/0" in stored["own"]
    assert "maat/c/0/1" not in stored["own"]


def test_a_damaged_shard_is_written_over(tmp_path):
    url, one = str(tmp_path / "cube.zarr"), next(iter(GRID.chunks(8)))
    create_gridded(url, GRID, VARIABLES, {}, chunk=4, shard=8)
    write_chunk(url, one, arrays(one))
    (tmp_path / "cube.zarr" / "maat" / "c" / "0" / "0").write_bytes(b"damaged")
    write_chunk(url, one, arrays(one, 1))
    np.testing.assert_array_equal(read_chunk(url, one, ["maat"])["maat"], arrays(one, 1)["maat"])


def test_what_holds_nothing_any_more_is_not_stored(tmp_path):
    url, one = str(tmp_path / "cube.zarr"), next(iter(GRID.chunks(8)))
    create_gridded(url, GRID, VARIABLES, {}, chunk=4, shard=8)
    write_chunk(url, one, arrays(one))
    write_chunk(url, one, {"maat": np.full(one.shape, np.nan, np.float32)})
    assert not (tmp_path / "cube.zarr" / "maat" / "c" / "0" / "0").exists()
    assert np.isnan(read_chunk(url, one, ["maat"])["maat"]).all()


def test_replicates_are_written_without_reading_those_before(tmp_path, reads):
    map_url = str(tmp_path / "map.zarr")
    fields = ReplicateFields(replicates_url(map_url), 3, 0.0, 100.0)
    fields.create(GRID, 8)
    for start in (0, 10):
        for one in GRID.chunks(8):
            codes = fields.empty(one)
            codes[:, 1:] = start + np.arange(3)[:, None, None]
            fields.write(one, codes, np.ones(one.shape))
    assert chunk_reads(reads) == []
    values, _ = StoredReplicates(map_url).read(slice(0, 12), slice(0, 20))
    assert np.isnan(values[:, [0, 8]]).all()
    np.testing.assert_array_equal(values[2, 1:8], 6.0)


def test_several_shards_are_written_at_once(tmp_path):
    array = zarr.create_array(
        tmp_path / "a", shape=(10, 9), shards=(4, 4), chunks=(2, 2), dtype="int16", fill_value=-1
    )
    values = np.arange(90).reshape(10, 9)
    write_whole_shards(array, (4, 4), values[4:, 4:])
    np.testing.assert_array_equal(array[4:, 4:], values[4:, 4:])
    assert (array[:4] == -1).all()


def test_it_works_in_a_bucket(s3_url, reads):
    url = f"{s3_url}/cube.zarr"
    create_gridded(url, GRID, VARIABLES, {}, chunk=4, shard=8)
    for seed in (0, 1):
        for one in GRID.chunks(8):
            write_chunk(url, one, arrays(one, seed))
    assert chunk_reads(reads) == []
    for one in GRID.chunks(8):
        np.testing.assert_array_equal(
            read_chunk(url, one, ["maat"])["maat"], arrays(one, 1)["maat"]
        )
