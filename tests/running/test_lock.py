"""One command at a time on a run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from icemap import store
from icemap.cli import main
from icemap.errors import IcemapError
from icemap.run_folder import RunFolder
from icemap.running import lock
from icemap.running.ledger import Ledger
from icemap.running.lock import LOCK, read_lock, run_lock
from icemap.virtual_arctic.demo import write_demo

HOLD = """
import sys
from icemap.running.lock import run_lock
with run_lock(sys.argv[1], "icemap map", print):
    print("held", flush=True)
    sys.stdin.readline()
"""


def held_by(url: str, **options) -> subprocess.Popen:
    """A process that holds the lock until it is told a line."""
    words = [sys.executable, "-c", HOLD, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A command started in the background of a shell ignores Ctrl-C.
    options = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options}
    process = subprocess.Popen(words, text=True, **pipes, **options)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(tmp_path):
    process = held_by(str(tmp_path / "run"))
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def settled_soon(monkeypatch) -> None:
    """For tests in which nobody else can take a lock over."""
    monkeypatch.setattr(lock, "SETTLE", 0.05)


def killed(process: subprocess.Popen) -> None:
    """Kill a process and leave a zombie, which is dead as well."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def take(url: str, said: list[str] | None = None) -> None:
    with run_lock(url, "icemap run", (said if said is not None else []).append):
        assert read_lock(url)["command"] == "icemap run"


def test_a_second_command_is_refused_and_told_who_works(holder, tmp_path):
    url = str(tmp_path / "run")
    with pytest.raises(IcemapError) as caught:
        take(url)
    said = str(caught.value)
    assert said.startswith(f"Another command works on {url}: 'icemap map' on host ")
    assert f", process {holder.pid}, since 20" in said
    holder.communicate("\n")
    assert holder.returncode == 0
    take(url)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("settled_soon")
def test_a_killed_command_is_known_to_be_dead_at_once(holder, tmp_path):
    killed(holder)
    said: list[str] = []
    take(str(tmp_path / "run"), said)
    assert len(said) == 1
    assert f"process {holder.pid}" in said[0]
    assert "does not run any more" in said[0]


def test_the_lock_is_released_when_the_command_is_interrupted_or_fails(holder, tmp_path):
    holder.send_signal(signal.SIGINT)
    holder.wait(60)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ZeroDivisionError), run_lock(str(tmp_path / "run"), "icemap run", print):
        raise ZeroDivisionError
    assert not (tmp_path / "run").exists()


def test_a_dead_lock_in_a_folder_of_somebody_else_stays(holder, tmp_path, monkeypatch):
    killed(holder)

    def refused(path, *given, **named):
        raise PermissionError(13, "Permission denied", str(path))

    # As for other users; the tests may run as one to whom everything is open.
    monkeypatch.setattr(Path, "unlink", refused)
    said: list[str] = []
    with run_lock(str(tmp_path / "run"), "icemap run", said.append):
        # What is there may be read; the first thing that is written says what is wrong.
        assert read_lock(str(tmp_path / "run"))["pid"] == holder.pid
    assert said == []
    monkeypatch.undo()
    take(str(tmp_path / "run"))


@pytest.mark.usefixtures("settled_soon")
def test_a_process_that_has_the_number_of_a_dead_one_is_another(tmp_path):
    with run_lock(str(tmp_path), "icemap run", print):
        content = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps({**content, "born": content["born"] - 60}))
    take(str(tmp_path))


def elsewhere(folder: Path, silent: float) -> dict:
    """The lock of a command on another machine that gave its last sign of life so long ago."""
    (folder / LOCK).unlink(missing_ok=True)
    with run_lock(str(folder), "icemap cube", print):
        content = json.loads((folder / LOCK).read_text())
    content |= {
        "token": "other",
        "host": "node7",
        "machine": "node7 x",
        "heartbeat": time.time() - silent,
    }
    (folder / LOCK).write_text(json.dumps(content))
    return content


@pytest.mark.usefixtures("settled_soon")
def test_a_command_elsewhere_is_dead_after_a_long_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.1)
    elsewhere(tmp_path, silent=lock.STALE - 5)
    with pytest.raises(
        IcemapError, match=r"'icemap cube' on host node7, process \d+, since .* ago\. Start"
    ):
        take(str(tmp_path))
    elsewhere(tmp_path, silent=lock.STALE + 5)
    said: list[str] = []
    take(str(tmp_path), said)
    assert "waiting 0 s" in said[0]
    assert "gives no sign of life any more: its lock" in said[1]


@pytest.mark.usefixtures("settled_soon")
@pytest.mark.parametrize("ahead", [lock.STALE + 5, 3600, 400 * 86400])
def test_a_dead_command_whose_clock_was_ahead_is_dead(tmp_path, monkeypatch, ahead):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.1)
    elsewhere(tmp_path, silent=-ahead)
    assert f"whose clock is {ahead:.0f} s or more ahead" in lock.owner(read_lock(str(tmp_path)))
    said: list[str] = []
    take(str(tmp_path), said)
    assert "gives no sign of life any more: its lock" in said[1]
    elsewhere(tmp_path, silent=-5)
    with pytest.raises(IcemapError, match="last sign of life 0 s ago"):
        take(str(tmp_path))


@pytest.mark.parametrize("behind", [3600, -3600])
def test_a_command_whose_clock_is_wrong_is_not_taken_for_dead(tmp_path, monkeypatch, behind):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.2)
    content = elsewhere(tmp_path, silent=behind)
    beat = {**content, "heartbeat": content["heartbeat"] + 0.2}
    timer = threading.Timer(0.1, (tmp_path / LOCK).write_text, [json.dumps(beat)])
    timer.start()
    with pytest.raises(IcemapError, match="Another command works"):
        take(str(tmp_path))
    timer.join()
    assert json.loads((tmp_path / LOCK).read_text()) == beat


def test_signs_of_life_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    with run_lock(str(tmp_path), "icemap run", print):
        before = read_lock(str(tmp_path))["heartbeat"]
        for _ in range(600):
            if read_lock(str(tmp_path))["heartbeat"] > before:
                return
            time.sleep(0.1)
    pytest.fail("no sign of life in a minute")


@pytest.mark.parametrize("listens", [True, False], ids=["in front", "in the background"])
def test_a_command_stops_when_another_has_taken_over(tmp_path, monkeypatch, listens):
    handler = signal.default_int_handler if listens else signal.SIG_IGN
    before = signal.signal(signal.SIGINT, handler)
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    content = elsewhere(tmp_path, silent=0)
    (tmp_path / LOCK).unlink()
    worked_on = []

    def work() -> None:
        with run_lock(str(tmp_path), "icemap run", print):
            (tmp_path / LOCK).write_text(json.dumps(content))
            threading.Event().wait(60)
            worked_on.append("to the end")

    try:
        with pytest.raises(IcemapError, match=r"^Another command has taken over .* on host node7"):
            work()
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert worked_on == []
    # It is the other's.
    assert json.loads((tmp_path / LOCK).read_text()) == content


def test_of_many_that_start_together_one_works(tmp_path):
    url = str(tmp_path / "run")
    working, refused, most = [], [], []

    def start() -> None:
        try:
            with run_lock(url, "icemap run", print):
                working.append(1)
                most.append(len(working))
                time.sleep(0.3)
                working.pop()
        except IcemapError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(refused) == 11


def test_a_lock_that_is_none_is_named(tmp_path):
    (tmp_path / LOCK).write_text('{"token": 1}')
    with pytest.raises(
        IcemapError, match=r"lock\.json is not what icemap wrote there \(at 'token'\)"
    ):
        take(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_nothing_can_be_written_there_is_nothing_to_guard(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with run_lock(str(tmp_path), "icemap run", print):
            assert read_lock(str(tmp_path)) is None
    finally:
        tmp_path.chmod(0o700)


def test_status_shows_the_lock_and_check_needs_it(holder, tmp_path):
    url = str(tmp_path / "run")
    status = CliRunner().invoke(main, ["status", url])
    assert status.exit_code == 0
    assert status.stdout.startswith("locked by  'icemap map' on host ")
    store.write_json(f"{url}/provenance.json", {"steps": {}})
    check = CliRunner().invoke(main, ["check", url])
    assert check.exit_code == 2
    assert check.stderr.startswith(f"icemap: Another command works on {url}: 'icemap map'")
    holder.kill()
    holder.wait()
    assert "does not run any more" in CliRunner().invoke(main, ["status", url]).stdout


@pytest.mark.parametrize("how", ["killed", "disk full", "before this command"])
def test_status_tells_no_time_left_of_a_command_that_does_not_run(holder, tmp_path, how):
    folder = RunFolder(str(tmp_path / "run"))
    begun = {"key": "a", "started": "2026-01-01T00:00:00+00:00", "finished": None}
    store.write_json(folder.record, {"steps": {"map": begun}})
    now = time.time()
    note = {"running": True, "unit": "pixels", "total": 100, "done": 50, "before": 0, "failed": {}}
    note |= {"started": now - 60, "longest": 1.0, "token": "a", "updated": now}
    ledger = Ledger(folder.ledger("map"))
    ledger.write_progress(note)
    status = CliRunner().invoke(main, ["status", folder.url]).stdout
    assert "50.0 % of 100 pixels, about" in status
    if how == "killed":
        holder.kill()
        holder.wait()
    elif how == "disk full":
        # The end of a command could not be noted any more.
        Path(folder.url, LOCK).unlink()
    else:
        ledger.write_progress({**note, "started": now - 3660, "updated": now - 3600})
    status = CliRunner().invoke(main, ["status", folder.url]).stdout
    assert status.endswith("50.0 % of 100 pixels, stopped: the same command continues\n")


def test_every_command_that_writes_is_refused_before_it_writes(holder, tmp_path):
    config = write_demo(str(tmp_path), "small")
    url = str(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    steps = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]
    commands = [[name, config] for name in ["run", *steps]]
    commands += [["storage", config, "--polygons", str(tmp_path / "areas.gpkg")], ["check", url]]
    commands += [["demo", "--out", str(tmp_path)]]
    for words in commands:
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2, words
        assert result.stderr.startswith(f"icemap: Another command works on {url}: 'icemap map' on")
    assert sorted(tmp_path.rglob("*")) == before


def test_in_a_bucket_the_server_decides(s3_url):
    process = held_by(f"{s3_url}/run")
    with pytest.raises(IcemapError, match=rf"'icemap map' on host .* process {process.pid}"):
        take(f"{s3_url}/run")
    process.communicate("\n")
    assert read_lock(f"{s3_url}/run") is None
    take(f"{s3_url}/run")
    process = held_by(f"{s3_url}/run")
    process.kill()
    process.communicate()
    said: list[str] = []
    take(f"{s3_url}/run", said)
    assert "does not run any more" in said[0]


def test_a_server_without_conditional_requests_is_named(s3_url, monkeypatch):
    def overwrite(url: str, content: str) -> bool:
        store.write_text(url, content)
        return True

    monkeypatch.setattr(lock, "create_text", overwrite)
    monkeypatch.setattr(lock, "SETTLE", 0.05)
    said: list[str] = []
    take(s3_url, said)
    assert len(said) == 1
    assert "does not honour conditional requests (If-None-Match)" in said[0]
    process = held_by(s3_url)
    with pytest.raises(IcemapError, match="Another command works"):
        take(s3_url)
    process.communicate("\n")
