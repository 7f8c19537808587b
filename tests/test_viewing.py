"""A run in the browser: its files by range requests, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner
from tornado.httpserver import HTTPServer

from icemap.cli import main
from icemap.viewing import _port, application

pytestmark = pytest.mark.quick
CONTENT = bytes(range(256)) * 20


def fill(folder: Path) -> Path:
    run = folder / "run"
    for name, content in {
        "products/viewer/index.html": b"<title>viewer</title>",
        "products/T5m_VIC.tif": CONTENT,
        "report.html": b"<title>report</title>",
        "map.zarr/zarr.json": b"{}",
    }.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    (folder / "secret.txt").write_text("mine")
    return run


@contextmanager
def served(run: str) -> Iterator[str]:
    """The address of a run that is served in a thread."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = HTTPServer(application(run))
        server.listen(0, address="127.0.0.1")
        ports.append(_port(server))
        ready.set()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def ask(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


@pytest.fixture(scope="module", params=["folder", "bucket"])
def address(request, tmp_path_factory) -> Iterator[str]:
    run = fill(tmp_path_factory.mktemp("served"))
    place = str(run)
    if request.param == "bucket":
        place = "memory://bucket/run"
        fsspec.filesystem("memory").put(f"{run.parent}/", "/bucket/", recursive=True)
    else:
        (run / "out.txt").symlink_to(run.parent / "secret.txt")
    with served(place) as found:
        yield found


def test_the_first_page_is_the_viewer(address):
    status, content, headers = ask(f"{address}/")
    assert (status, content) == (200, b"<title>viewer</title>")
    assert headers["Content-Type"].startswith("text/html")


def test_parts_of_a_file_are_served(address):
    status, content, headers = ask(f"{address}/products/T5m_VIC.tif", Range="bytes=100-299")
    assert (status, content) == (206, CONTENT[100:300])
    assert headers["Content-Range"] == f"bytes 100-299/{len(CONTENT)}"
    status, content, _ = ask(f"{address}/products/T5m_VIC.tif", Range="bytes=-10")
    assert (status, content) == (206, CONTENT[-10:])
    status, content, headers = ask(f"{address}/products/T5m_VIC.tif")
    assert (status, content) == (200, CONTENT)
    assert headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "%2e%2e/secret.txt", "products/../../secret.txt", "out.txt", "/etc/passwd"],
)
def test_nothing_outside_of_the_run_is_served(address, path):
    status, content, _ = ask(f"{address}/{path}")
    assert status in (403, 404)
    assert b"mine" not in content


def test_what_is_not_there_and_folders_are_not_served(address):
    assert ask(f"{address}/nothing.tif")[0] == 404
    assert ask(f"{address}/products")[0] in (403, 404)


def test_a_page_under_another_name_cannot_read_it(address):
    assert ask(f"{address}/report.html", Host="somewhere.example")[0] == 403
    port = address.rpartition(":")[2]
    assert ask(f"{address}/report.html", Host=f"localhost:{port}")[0] == 200


def test_a_file_that_has_not_changed_is_not_sent_again(address):
    etag = ask(f"{address}/report.html")[2]["Etag"]
    assert ask(f"{address}/report.html", **{"If-None-Match": etag})[0] == 304


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_the_command_prints_its_address_and_ends_when_asked(tmp_path, stop, code):
    command = [sys.executable, "-m", "icemap", "view", str(fill(tmp_path))]
    with subprocess.Popen(
        [*command, "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A command started in the background of a shell ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(stop, signal.SIG_DFL),
    ) as process:
        try:
            address = process.stdout.readline().split()[0]
            assert ask(f"{address}report.html")[1] == b"<title>report</title>"
            process.send_signal(stop)
            assert process.wait(120) == code
        finally:
            process.kill()


def test_a_taken_port_and_a_folder_without_a_run_are_sentences(tmp_path):
    run = fill(tmp_path)
    with served(str(run)) as address:
        port = address.rpartition(":")[2]
        done = CliRunner().invoke(main, ["view", str(run), "--no-browser", "--port", port])
    assert done.exit_code == 2
    assert f"The port {port} cannot be used" in done.output
    done = CliRunner().invoke(main, ["view", str(tmp_path / "nowhere"), "--no-browser"])
    assert done.exit_code == 2
    assert "There is no run at" in done.output
