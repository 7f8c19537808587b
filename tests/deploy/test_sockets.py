"""The lines by which the runbook, the README and the docs start schedulers and workers open them to
this machine alone.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
TEXTS = ("deploy/README.md", "README.md", *PAGES)
LOOPBACK = {"127.0.0.1", "::1"}


def lines(text: str) -> list[str]:
    """Commands in code blocks, long ones joined."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in "\n".join(blocks).replace("\\\n", " ").splitlines()]


def starters(text: str) -> list[str]:
    return [
        line
        for line in lines(text)
        if re.match(r"(\S*/)?(dask[ -](scheduler|worker)|jupyter|bokeh)\b", line)
    ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listening(process: psutil.Process) -> set[str]:
    found = set()
    for one in [process, *process.children(recursive=True)]:
        try:
            connections = one.net_connections("inet")
        except psutil.NoSuchProcess:
            continue
        found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def start_and_look(commands: list[str], folder: Path) -> dict[str, set[str]]:
    """What each command listens on, once its workers have joined; their ports are made free
    ones.
    """
    from distributed import Client

    text = "\n".join(commands)
    for port in sorted(set(re.findall(r":(\d{4,5})\b|--port (\d{4,5})", text))):
        given = port[0] or port[1]
        text = re.sub(rf"\b{given}\b", str(free_port()), text) if given in text else text
    commands = text.splitlines()
    address = next(
        word for command in commands for word in command.split() if word.startswith("tcp://")
    )
    started: dict[str, subprocess.Popen] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_TEMPORARY_DIRECTORY": str(folder)}
    try:
        for command in commands:
            words = shlex.split(command)
            program = [sys.executable, "-m", *words] if words[0] == "dask" else words
            with open(folder / "log", "ab") as log:
                started[command] = subprocess.Popen(
                    program, stdout=log, stderr=log, env=environment, cwd=folder
                )
        with Client(address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        return {
            command: listening(psutil.Process(process.pid)) for command, process in started.items()
        }
    finally:
        for process in reversed(started.values()):
            process.terminate()
        deadline = time.monotonic() + 30
        for process in started.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_what_the_runbook_starts_listens_on_this_machine_alone(tmp_path):
    commands = starters((ROOT / "deploy" / "README.md").read_text(encoding="utf-8"))
    assert [re.match(r"dask (\w+)", command)[1] for command in commands] == ["scheduler", "worker"]
    found = start_and_look(commands, tmp_path)
    assert all(found.values()), (found, (tmp_path / "log").read_text())
    assert set().union(*found.values()) <= LOOPBACK, found


def test_an_open_worker_is_seen(tmp_path):
    """With Dask's own defaults, as the runbook once had it."""
    commands = starters((ROOT / "deploy" / "README.md").read_text(encoding="utf-8"))
    plain = [
        command.replace(" --host 127.0.0.1 --no-dashboard --dashboard-address 127.0.0.1:0", "")
        for command in commands
    ]
    assert plain != commands
    found = start_and_look(plain, tmp_path)
    assert "0.0.0.0" in set().union(*found.values()), found


@pytest.mark.parametrize("text", TEXTS)
def test_every_line_that_starts_a_server_says_where_it_listens(text):
    for command in starters((ROOT / text).read_text(encoding="utf-8")):
        assert (
            "127.0.0.1" in command.partition("tcp://127.0.0.1")[2] or "--host 127.0.0.1" in command
        ), command
        assert "--no-dashboard" in command or "--dashboard-address 127.0.0.1:" in command, command
