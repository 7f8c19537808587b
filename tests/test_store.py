import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from icemap import IcemapError, store


@pytest.fixture(params=["path", "file url"])
def folder(request, tmp_path):
    return str(tmp_path) if request.param == "path" else f"file://{tmp_path}"


def test_join_and_is_remote():
    assert store.join("s3://bucket/run/", "ensemble", "manifest.json") == "s3://bucket/run/ensemble/manifest.json"
    assert store.join("run", "map.zarr") == "run/map.zarr"
    assert [store.is_remote(url) for url in ("s3://b/k", "https://x/y", "file:///tmp/x", "/tmp/x", "run")] == [True, True, False, False, False]


def test_write_read_list_remove(folder):
    url = store.join(folder, "run", "a", "note.txt")
    assert not store.exists(url)
    store.write_text(url, "Eis, лёд, 冰\n")
    store.write_json(store.join(folder, "run", "b.json"), {"z": 1, "a": [0.1, None]})
    assert store.read_text(url) == "Eis, лёд, 冰\n"
    assert store.read_json(store.join(folder, "run", "b.json")) == {"z": 1, "a": [0.1, None]}
    assert list(store.read_json(store.join(folder, "run", "b.json"))) == ["z", "a"]
    assert store.list_names(store.join(folder, "run")) == ["a", "b.json"]
    store.remove(store.join(folder, "run"))
    store.remove(store.join(folder, "run"))
    assert not store.exists(url)
    assert store.list_names(store.join(folder, "run")) == []


def test_overwriting_leaves_one_readable_file(tmp_path):
    url = str(tmp_path / "state.json")
    for number in range(3):
        store.write_json(url, number)
    assert store.read_json(url) == 2
    assert os.listdir(tmp_path) == ["state.json"]
    assert stat.S_IMODE(Path(url).stat().st_mode) == 0o644


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    url = str(tmp_path / "state.json")
    store.write_text(url, "old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(IcemapError, match=r"Cannot write .*state.json: .*the disk is full\. Free some space, then the same command continues\.$"):
        store.write_text(url, "new")
    assert store.read_text(url) == "old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    url = str(tmp_path / "state.txt")
    contents = [letter * 200_000 for letter in "ab"]
    store.write_text(url, contents[0])
    done = threading.Event()

    def write():
        for number in range(200):
            store.write_text(url, contents[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert store.read_text(url) in contents
        reads += 1
    writer.join()
    assert reads > 0


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    url = str(tmp_path / "state.txt")
    store.write_text(url, "old")
    code = """
        import os, sys
        from icemap import store
        real = os.fdopen
        def dies_half_way(*args):
            file = real(*args)
            file.write(b"ne"), file.flush(), os._exit(9)
        os.fdopen = dies_half_way
        store.write_text(sys.argv[1], "new")
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code), url]).returncode == 9
    assert store.read_text(url) == "old"


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json(str(tmp_path / "x.json"), {"rmse": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("read", [store.read_bytes, store.read_text, store.read_json])
def test_missing_file_is_named(read, folder):
    url = store.join(folder, "absent.json")
    with pytest.raises(IcemapError) as caught:
        read(url)
    assert str(caught.value) == f"Cannot read {url}: there is no such file, folder or bucket. Check the name."


def test_broken_json_names_file_and_line(tmp_path):
    url = str(tmp_path / "ledger.json")
    store.write_text(url, '{"a": 1,\n"b": }\n')
    with pytest.raises(IcemapError, match=r"ledger.json is not valid JSON \(line 2\)"):
        store.read_json(url)


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path):
    with pytest.raises(IcemapError, match=rf"Cannot read {tmp_path}: .*directory"):
        store.read_bytes(str(tmp_path))


@contextlib.contextmanager
def as_nobody():
    """The file rights of an ordinary user, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked():
    """A folder, reachable for everybody, with one file that the user may neither read nor change."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret.txt").write_text("x")
        (folder / "secret.txt").chmod(0)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("write", lambda folder: store.write_text(f"{folder}/new.txt", "x")),
        ("write", lambda folder: store.write_text(f"{folder}/run/new.txt", "x")),
        ("read", lambda folder: store.read_text(f"{folder}/secret.txt")),
        ("delete", lambda folder: store.remove(f"{folder}/secret.txt")),
    ],
)
def test_missing_rights_are_said_in_one_sentence(locked, action, call):
    with (
        as_nobody(),
        pytest.raises(IcemapError, match=rf"^Cannot {action} {locked}/.*: permission denied\. Ask its owner for the right, or choose another place"),
    ):
        call(locked)


def test_upload_moves_the_file_and_makes_the_folder(tmp_path):
    source = tmp_path / "made.tif"
    source.write_bytes(b"II*\0")
    store.upload(source, str(tmp_path / "products" / "T5m_VIC.tif"))
    assert store.read_bytes(str(tmp_path / "products" / "T5m_VIC.tif")) == b"II*\0"
    assert not source.exists()


def test_local_copy_is_the_file_itself(folder):
    url = store.join(folder, "t.txt")
    store.write_text(url, "x")
    with store.local_copy(url) as path:
        assert path.read_text() == "x"
        assert str(path) == url.removeprefix("file://")
    with pytest.raises(IcemapError, match=r"Cannot read .*absent\.tif: there is no such file"), store.local_copy(store.join(folder, "absent.tif")):
        pass


def test_an_error_of_our_own_passes_unchanged():
    with pytest.raises(IcemapError, match=r"^said once$"), store.storage_errors("s3://b/k", "read"):
        raise IcemapError("said once")
    with pytest.raises(json.JSONDecodeError), store.storage_errors("s3://b/k", "read"):
        json.loads("{")
