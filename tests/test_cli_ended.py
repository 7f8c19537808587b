"""A command that is asked to end unwinds as by Ctrl-C: one sentence, no process left, and it
continues afterwards.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from click.testing import CliRunner

from icemap.cli import main
from icemap.command_group import STOPPED
from icemap.virtual_arctic.demo import write_demo

GRID = {"west": -180, "south": 60, "east": 180, "north": 76, "resolution": 0.5, "chunk": 16}


def write_project(folder: Path) -> Path:
    config = Path(write_demo(str(folder), "small"))
    settings = {
        **yaml.safe_load(config.read_text()),
        "grid": GRID,
        "predictors": ["maat", "elevation"],
    }
    config.write_text(yaml.safe_dump(settings))
    return config


def ended_under_way(config: Path, end) -> tuple[int, list[str], list[psutil.Process]]:
    """Exit code, lines of the end, and processes that are left of a command that is ended in its
    first chunks.
    """
    program = [sys.executable, "-m", "icemap", "cube", str(config), "--workers", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        program,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    ledger = config.parent / "run" / "ledger" / "cube"
    deadline = time.monotonic() + 240
    while not list(ledger.glob("r*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    others = psutil.Process(process.pid).children(recursive=True)
    assert others
    end(process)
    errors = process.communicate(timeout=120)[1]
    said = [
        line
        for line in errors.replace("\r", "\n").splitlines()
        if line.strip() and "cells/s" not in line
    ]
    return process.returncode, said, psutil.wait_procs(others, timeout=30)[1]


@pytest.mark.parametrize(
    "group", [False, True], ids=["the command", "its whole group, as in a container"]
)
def test_sigterm_ends_a_command_with_workers_like_an_interrupt(tmp_path, group):
    config = write_project(tmp_path)
    code, said, left = ended_under_way(
        config, lambda p: os.killpg(p.pid, signal.SIGTERM) if group else p.terminate()
    )
    assert code == 143
    assert said == [f"icemap: {STOPPED}"]
    assert left == []
    assert not list((config.parent / "run").rglob("*.icemap-part"))


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_each_way_to_end_has_its_code_and_unwinds(tmp_path, monkeypatch, name, code):
    closed = []

    def run(*given, **named):
        try:
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(10)
        finally:
            # Asked again while it puts things away, it goes on doing so.
            if name != "SIGINT":
                os.kill(os.getpid(), getattr(signal, name))
            closed.append("cluster")

    monkeypatch.setattr("icemap.pipeline.chain.run", run)
    number = getattr(signal, name)
    heard = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    # In the background of a shell, where tests may run, some of them are ignored.
    outside = signal.signal(number, heard)
    before = signal.getsignal(signal.SIGTERM)
    try:
        result = CliRunner().invoke(main, ["cube", str(tmp_path / "config.yaml")])
    finally:
        signal.signal(number, outside)
    assert result.exit_code == code
    assert result.stderr == f"icemap: {STOPPED}\n"
    assert closed == ["cluster"]
    assert signal.getsignal(signal.SIGTERM) in (before, outside)


def test_what_nohup_switched_off_stays_off(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "icemap.pipeline.chain.run", lambda *given, **named: os.kill(os.getpid(), signal.SIGHUP)
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert (
            "stopped"
            not in CliRunner().invoke(main, ["cube", str(tmp_path / "config.yaml")]).output
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_script_without_a_main_guard_is_told_so_in_one_sentence(tmp_path):
    config = write_project(tmp_path)
    script = tmp_path / "mine.py"
    script.write_text(f"import icemap\n\nicemap.run({str(config)!r}, ['cube'], workers=2)\n")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 2
    said = done.stderr.strip().splitlines()
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"icemap: {script} calls icemap.run where every worker")
    assert 'if __name__ == "__main__":' in said[0]
