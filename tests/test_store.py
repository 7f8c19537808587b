import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from icemap import IcemapError, store
from icemap.remote_stamps import remote_stamp


@pytest.fixture(params=["path", "file url"])
def folder(request, tmp_path):
    return str(tmp_path) if request.param == "path" else f"file://{tmp_path}"


def test_join_and_is_remote():
    assert (
        store.join("s3://bucket/run/", "ensemble", "manifest.json")
        == "s3://bucket/run/ensemble/manifest.json"
    )
    assert store.join("run", "map.zarr") == "run/map.zarr"
    assert [
        store.is_remote(url)
        for url in ("s3://b/k", "https://x/y", "file:///tmp/x", "/tmp/x", "run")
    ] == [True, True, False, False, False]


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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_and_folders_follow_the_umask(tmp_path, umask, mode):
    url, existing = tmp_path / "run" / "state.json", tmp_path / "other.json"
    existing.write_text("1")
    before = os.umask(umask)
    try:
        store.write_json(str(url), 1)
        store.write_json(str(existing), 2)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (url, existing)] == [mode, mode]
    assert stat.S_IMODE(url.parent.stat().st_mode) == 0o777 & ~umask


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    url = str(tmp_path / "state.json")
    store.write_text(url, "old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(
        IcemapError,
        match=(
            r"Cannot write .*state.json: .*the disk is full\. Free some space, then the same"
            r" command continues\.$"
        ),
    ):
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
        os.replace = lambda *paths: os._exit(9)
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
    assert (
        str(caught.value)
        == f"Cannot read {url}: there is no such file, folder or bucket. Check the name."
    )


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
    """A folder, reachable for everybody, with one file that the user may neither read nor
    change.
    """
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
        pytest.raises(
            IcemapError,
            match=(
                rf"^Cannot {action} {locked}/.*: permission denied\. Ask its owner for the right,"
                r" or choose another place"
            ),
        ),
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
    with (
        pytest.raises(IcemapError, match=r"Cannot read .*absent\.tif: there is no such file"),
        store.local_copy(store.join(folder, "absent.tif")),
    ):
        pass


def test_an_error_of_our_own_passes_unchanged():
    with pytest.raises(IcemapError, match=r"^said once$"), store.storage_errors("s3://b/k", "read"):
        raise IcemapError("said once")
    with pytest.raises(json.JSONDecodeError), store.storage_errors("s3://b/k", "read"):
        json.loads("{")


def answers(status: int, code: str, headers: dict[str, str]):
    """A server that answers every request in the same way, with a body where the method allows
    one.
    """
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *words) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving(handler) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


CALLS = {
    "read": store.read_bytes,
    "look": store.exists,
    "write": lambda url: store.write_bytes(url, b"x"),
    "list": store.list_names,
    "stamp": remote_stamp,
    "delete": store.remove,
}


@pytest.mark.parametrize(
    ("status", "code", "headers", "words"),
    [
        (
            403,
            "RequestTimeTooSkewed",
            {},
            (
                "this machine's clock is wrong, and the server refuses what is signed by it. Set"
                " the clock"
            ),
        ),
        (
            403,
            "InvalidObjectState",
            {},
            "it is archived and cannot be read at once. Ask its owner to restore it",
        ),
        (429, "TooManyRequests", {}, "the server has too many requests"),
        (503, "SlowDown", {}, "the server fails or is too busy, after several attempts"),
        (
            301,
            "PermanentRedirect",
            {"x-amz-bucket-region": "eu-west-9"},
            "the bucket is in another region or at another endpoint. Set AWS_REGION",
        ),
        (
            400,
            "AuthorizationHeaderMalformed",
            {},
            "the bucket is in another region or at another endpoint. Set AWS_REGION",
        ),
        (400, "ExpiredToken", {}, "the credentials have expired. Log in again"),
        (403, "QuotaExceeded", {}, "the storage is full or over its quota. Free some space"),
        (507, "XMinioStorageFull", {}, "the storage is full or over its quota. Free some space"),
        (403, "AccessDenied", {}, "permission denied. Ask its owner for the right"),
    ],
)
def test_what_a_bucket_answers_is_said_whatever_was_asked_of_it(
    monkeypatch, status, code, headers, words
):
    """Answers to HEAD, with which most calls begin, have a status only."""
    from s3fs import S3FileSystem

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with serving(answers(status, code, headers)) as endpoint:
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}
        for name, value in {
            **keys,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        for what, call in CALLS.items():
            with pytest.raises(IcemapError) as said:
                call("s3://bucket/run/x")
            assert words in str(said.value), what
    S3FileSystem.clear_instance_cache()


READS = [store.read_bytes, store.exists, store.read_start, remote_stamp, store.file_size]


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_refused_connection_is_called_that(monkeypatch, scheme):
    from s3fs import S3FileSystem

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL_S3": address, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    for call in READS:
        with pytest.raises(IcemapError, match="the connection is refused: no server listens there"):
            call(f"{address}/dem.tif" if scheme == "http" else "s3://bucket/dem.tif")
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_that_is_none_is_said_and_no_damage(monkeypatch, variable):
    from s3fs import S3FileSystem

    from icemap.gridded import read_coordinates
    from icemap.mapping.map_schema import open_map
    from icemap.zarr_groups import open_stored

    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}
    for name, text in {**keys, variable: "eu north"}.items():
        monkeypatch.setenv(name, text)
    S3FileSystem.clear_instance_cache()
    looks = (open_map, read_coordinates, lambda url: open_stored(url, "map"), store.exists)
    for look in looks:
        with pytest.raises(IcemapError, match="Correct AWS_REGION, or the region of the profile"):
            look("s3://bucket/run/map.zarr")
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-north-1"),
    ],
)
def test_the_region_is_that_of_either_variable(monkeypatch, variables, region):
    from s3fs import S3FileSystem

    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, text in {**keys, **variables}.items():
        monkeypatch.setenv(name, text)
    S3FileSystem.clear_instance_cache()
    fs, _ = store.filesystem("s3://bucket/run")
    fs.connect()
    assert fs.s3.meta.region_name == region
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"the server refuses it \(401\)"),
        (403, r"the server refuses it \(403\)"),
        (404, "there is no such file"),
        (429, "too many requests"),
        (500, "the server fails"),
        (503, "the server fails or is too busy"),
    ],
)
def test_what_a_web_server_answers_is_no_absence(status, words):
    with serving(answers(status, "", {})) as endpoint:
        for call in [call for call in READS if call is not store.exists]:
            with pytest.raises(IcemapError, match=words):
                call(f"{endpoint}/dem.tif")
