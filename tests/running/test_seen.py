"""A worker that sees another folder under the run's path is named before it can lose a part."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from icemap import IcemapError
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.running.ledger import PROGRESS, Ledger
from icemap.running.run import Job, SerialExecutor, run_job
from icemap.running.seen import Token
from icemap.virtual_arctic.demo import write_demo

# In the worker's own view a new, empty file system covers the folder.
ELSEWHERE = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    'mount -t tmpfs none "$0" && exec "$@"',
]


def can_have_mounts(folder: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(
            [*ELSEWHERE, str(folder), "true"], capture_output=True, check=False
        ).returncode
        == 0
    )


@pytest.fixture
def config(tmp_path) -> str:
    """A cube of 270 chunks from sources without files."""
    path = Path(write_demo(str(tmp_path), "small"))
    grid = {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 0.5, "chunk": 16}
    settings = {
        **yaml.safe_load(path.read_text()),
        "grid": grid,
        "predictors": ["maat", "elevation"],
    }
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@contextlib.contextmanager
def process(*words: str, before: list[str] | None = None) -> Iterator[subprocess.Popen]:
    program = [*(before or []), sys.executable, "-m", "dask", *words]
    started = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=60)


@pytest.fixture
def scheduler() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"):
        yield f"tcp://127.0.0.1:{port}"


def worker(
    address: str, folder: Path, before: list[str] | None = None
) -> contextlib.AbstractContextManager[subprocess.Popen]:
    options = [
        "--nthreads",
        "1",
        "--no-nanny",
        "--no-dashboard",
        "--host",
        "127.0.0.1",
        "--death-timeout",
        "60",
        "--local-directory",
        str(folder),
    ]
    return process("worker", address, *options, before=before)


def make_cube(config: str, address: str) -> None:
    context = Context(load_config(config), address, 1, lambda line: None)
    try:
        run_steps(STEPS, context, ["cube"])
    finally:
        context.close()


def test_a_worker_with_another_folder_that_joins_later_is_named(config, scheduler, tmp_path):
    run, local = Path(load_config(config).run), tmp_path / "local"
    run.mkdir()
    local.mkdir()
    if not can_have_mounts(run):
        pytest.skip("a worker with a file system of its own needs root and unshare")
    ledger = Ledger(str(run / "ledger" / "cube"))
    with contextlib.ExitStack() as stack:

        def join_later() -> None:
            while not ledger.keys():
                time.sleep(0.01)
            stack.enter_context(worker(scheduler, local, [*ELSEWHERE, str(run)]))

        with worker(scheduler, local):
            later = threading.Thread(target=join_later, daemon=True)
            later.start()
            with pytest.raises(IcemapError) as caught:
                make_cube(config, scheduler)
            later.join()
            place = re.escape(str(run / "ledger" / "cube" / PROGRESS))
            named = (
                rf"The worker tcp://127\.0\.0\.1:\d+ on the host {re.escape(socket.gethostname())}"
                rf" does not see the run folder: .* {place} is not there\. Mount"
            )
            assert re.match(named, str(caught.value)), caught.value
            done = ledger.keys()
            assert 0 < len(done) < 270
            # Without it the same command goes on.
            stack.close()
            make_cube(config, scheduler)
    assert len(ledger.keys()) == 270
    assert len(list((run / "cube.zarr" / "valid" / "c").glob("*/*"))) == 270


def test_nothing_is_done_where_the_token_of_another_start_is(tmp_path, monkeypatch):
    monkeypatch.setattr("icemap.running.seen.PATIENCE_SECONDS", 0.1)
    ledger = Ledger(str(tmp_path / "ledger"))
    ledger.write_progress({"token": "of another start"})
    assert Token(ledger.url, "of another start").problem() == ""
    problem = Token(ledger.url, "of this start").problem()
    assert problem.startswith(
        f"The host {socket.gethostname()} does not see the run folder: what this command wrote to"
        f" {tmp_path}/ledger/{PROGRESS} is not"
    )
    (tmp_path / "ledger" / PROGRESS).write_text("{")
    assert Token(ledger.url, "of another start").problem() != ""


def test_a_job_ends_with_the_first_part_that_would_be_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("icemap.running.seen.PATIENCE_SECONDS", 0.1)

    class Part:
        key = "a"

    class Blind(SerialExecutor):
        """Works where the ledger is not."""

        def map(self, function, items):
            for item in items:
                (tmp_path / "ledger" / PROGRESS).unlink(missing_ok=True)
                yield item, function(item)

    called: list[object] = []
    with pytest.raises(IcemapError, match="does not see the run folder"):
        run_job(
            Job("test", [Part()], called.append),
            Ledger(str(tmp_path / "ledger")),
            Blind(),
            progress=False,
        )
    assert called == []
    assert Ledger(str(tmp_path / "ledger")).keys() == set()
