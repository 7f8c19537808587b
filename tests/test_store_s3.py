"""Store and gridded groups in a bucket of a real S3 server."""

import numpy as np
import pytest

from icemap import Grid, IcemapError, store
from icemap.gridded import Variable, create_gridded, open_gridded
from icemap.zarr_groups import read_chunk, write_chunk

GRID = Grid(0, 60, 32, 76, 0.5)
VARIABLES = [Variable("vic"), Variable("aoa", "uint8")]


def test_write_read_list_remove(s3_url):
    url = store.join(s3_url, "run", "a", "note.txt")
    assert not store.exists(url)
    assert store.list_names(s3_url) == []
    store.write_text(url, "Eis, 冰\n")
    store.write_json(store.join(s3_url, "run", "b.json"), {"z": 1})
    assert store.exists(url)
    assert store.exists(store.join(s3_url, "run"))
    assert store.read_text(url) == "Eis, 冰\n"
    assert store.read_json(store.join(s3_url, "run", "b.json")) == {"z": 1}
    assert store.list_names(store.join(s3_url, "run")) == ["a", "b.json"]
    store.write_text(url, "new")
    assert store.read_text(url) == "new"
    store.remove(s3_url)
    store.remove(s3_url)
    assert not store.exists(url)
    assert not store.exists(store.join(s3_url, "run", "b.json"))


def test_upload_and_local_copy(s3_url, tmp_path):
    content = np.random.default_rng(0).bytes(12_000_000)
    (tmp_path / "made.tif").write_bytes(content)
    url = store.join(s3_url, "products", "T5m_VIC.tif")
    store.upload(tmp_path / "made.tif", url)
    with store.local_copy(url) as path:
        assert path.name == "T5m_VIC.tif"
        assert path.read_bytes() == content
    assert not path.exists()


def test_missing_object_is_named(s3_url):
    url = store.join(s3_url, "absent.json")
    with pytest.raises(IcemapError) as caught:
        store.read_json(url)
    assert (
        str(caught.value)
        == f"Cannot read {url}: there is no such file, folder or bucket. Check the name."
    )
    with pytest.raises(IcemapError, match="there is no such file"), store.local_copy(url):
        pass


def test_missing_bucket_is_named(s3_server):
    with pytest.raises(
        IcemapError,
        match=r"^Cannot write s3://no-such-bucket-here/x: there is no such file, folder or bucket",
    ):
        store.write_text("s3://no-such-bucket-here/x", "x")


def test_gridded_group(s3_url):
    url = store.join(s3_url, "map.zarr")
    create_gridded(url, GRID, VARIABLES, {"title": "Ground ice"}, chunk=16, shard=32)
    chunks = list(GRID.chunks(32))
    for number, chunk in enumerate(chunks[:-1]):
        write_chunk(
            url,
            chunk,
            {"vic": np.full(chunk.shape, number), "aoa": np.full(chunk.shape, number % 2)},
        )
    dataset = open_gridded(url, "map")
    assert dataset.attrs["title"] == "Ground ice"
    for number, chunk in enumerate(chunks[:-1]):
        assert (dataset.vic[chunk.rows, chunk.cols] == number).all()
        assert (read_chunk(url, chunk, ["aoa"])["aoa"] == number % 2).all()
    last = chunks[-1]
    assert np.isnan(dataset.vic[last.rows, last.cols]).all()
    with pytest.raises(
        IcemapError, match=r"There is no map at s3://.*/absent\.zarr: check the address"
    ):
        open_gridded(store.join(s3_url, "absent.zarr"), "map")


def test_reader_may_read_and_is_told_that_it_may_not_write(s3_url, log_in):
    note, group = store.join(s3_url, "note.txt"), store.join(s3_url, "map.zarr")
    store.write_text(note, "x")
    create_gridded(group, GRID, VARIABLES, {}, chunk=16)
    log_in("reader")
    assert store.read_text(note) == "x"
    assert store.list_names(s3_url) == ["map.zarr", "note.txt"]
    assert open_gridded(group, "map").vic.shape == GRID.shape
    chunk = next(GRID.chunks(16))
    denied = {
        ("write", note): lambda: store.write_text(note, "y"),
        ("delete", note): lambda: store.remove(note),
        ("delete", group): lambda: store.remove(group),
        ("write", group): lambda: write_chunk(group, chunk, {"vic": np.zeros(chunk.shape)}),
        ("write", group + "2"): lambda: create_gridded(group + "2", GRID, VARIABLES, {}, chunk=16),
    }
    for (action, url), call in denied.items():
        with pytest.raises(IcemapError) as caught:
            call()
        assert (
            str(caught.value)
            == f"Cannot {action} {url}: permission denied. Ask its owner for the right, or choose"
            " another place; check a bucket's credentials in the environment."
        )
    log_in("owner")
    assert store.read_text(note) == "x"
    assert store.list_names(s3_url) == ["map.zarr", "note.txt"]


@pytest.mark.parametrize(
    "call",
    [
        lambda url: store.read_text(url),
        lambda url: store.write_text(url, "y"),
        lambda url: store.list_names(url),
        lambda url: store.exists(url),
        lambda url: store.remove(url),
        lambda url: open_gridded(url, "map"),
        lambda url: create_gridded(url, GRID, VARIABLES, {}, chunk=16),
    ],
    ids=["read", "write", "list", "exists", "remove", "open", "create"],
)
def test_wrong_key_is_said_without_the_key(s3_url, s3_server, log_in, call):
    url = store.join(s3_url, "note.txt")
    store.write_text(url, "x")
    log_in("stranger")
    with pytest.raises(IcemapError) as caught:
        call(url)
    sentence = str(caught.value)
    assert url in sentence
    assert "credentials" in sentence
    assert "\n" not in sentence
    assert s3_server.stranger.access_key not in sentence
    assert s3_server.stranger.secret_key not in sentence


def test_wrong_secret_is_said_without_the_secret(s3_url, s3_server, monkeypatch):
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.stranger.secret_key)
    S3FileSystem.clear_instance_cache()
    with pytest.raises(IcemapError, match="credentials in the environment") as caught:
        store.write_text(store.join(s3_url, "note.txt"), "x")
    assert s3_server.stranger.secret_key not in str(caught.value)


def test_nobody_answers(s3_url, monkeypatch):
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(
        IcemapError,
        match=(
            r"^Cannot read s3://.*: the connection is refused: no server listens there\. Check host"
            r" and port"
        ),
    ):
        store.read_text(store.join(s3_url, "note.txt"))


def test_no_key_at_all(s3_url, monkeypatch):
    from s3fs import S3FileSystem

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(IcemapError, match="credentials in the environment"):
        store.write_text(store.join(s3_url, "note.txt"), "x")
