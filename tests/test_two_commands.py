"""Of two commands on one run at the same time one ends as if alone, and the other is refused."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from s3_chain import write_inputs

from icemap.running.lock import LOCK

AREAS = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": '
    '{"type": "Polygon", "coordinates": [[[95, 62], [105, 62], [105, 70], [95, 62]]]}}]}'
)


def start(*words, environment: dict[str, str] | None = None) -> subprocess.Popen:
    program = [str(Path(sys.executable).with_name("icemap")), *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    variables = {**os.environ, **(environment or {}), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(program, text=True, env=variables, **pipes)


def end(process: subprocess.Popen) -> tuple[int, str, str]:
    said, complained = process.communicate(timeout=600)
    return process.returncode, said, complained


def write_project(folder: Path, **changes) -> Path:
    write_inputs(folder)
    config = folder / "config.yaml"
    settings = {**yaml.safe_load(config.read_text()), "run": "run", **changes}
    config.write_text(yaml.safe_dump(settings))
    return config


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_seven_kinds_of_commands_are_refused_while_a_run_is_made(tmp_path):
    config = write_project(tmp_path)
    (tmp_path / "areas.geojson").write_text(AREAS)
    run = tmp_path / "run"
    first = start("run", config)
    deadline = time.monotonic() + 120
    while not (run / LOCK).exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    others = [
        ("run", config),
        ("map", config),
        ("cube", config),
        ("publish", config),
        ("check", run),
        ("storage", config, "--polygons", tmp_path / "areas.geojson"),
        ("run", tmp_path / "link" / "config.yaml"),
    ]
    (tmp_path / "link").symlink_to(tmp_path)
    for words in others:
        code, _, complained = end(start(*words))
        assert code == 2, (words, complained)
        assert complained.count("\n") == 1, complained
        assert ": 'icemap run' on host " in complained
        assert f", process {first.pid}, since 20" in complained
    code, said, _ = end(start("status", run))
    assert code == 0
    assert said.startswith("locked by  'icemap run' on host ")
    code, _, complained = end(first)
    assert code == 0, complained
    assert end(start("check", run))[:2] == (0, f"{run} is whole.\n")
    assert not (run / LOCK).exists()


def test_two_that_start_together_leave_a_whole_cube(tmp_path):
    config = write_project(tmp_path)
    both = [start("cube", config, "--cluster", "serial") for _ in range(2)]
    assert_one_worked([end(process) for process in both])
    assert end(start("check", tmp_path / "run"))[0] == 0


def test_in_a_bucket_two_that_start_together_leave_a_whole_cube(s3_server, s3_url, tmp_path):
    config = write_project(tmp_path, run=f"{s3_url}/run")
    environment = s3_server.environment(s3_server.owner)
    both = [start("cube", config, "--cluster", "serial", environment=environment) for _ in range(2)]
    assert_one_worked([end(process) for process in both])
    assert end(start("check", f"{s3_url}/run", environment=environment))[0] == 0


def assert_one_worked(ends: list[tuple[int, str, str]]) -> None:
    """The other was refused, or so late that nothing was left to do."""
    made = [said for code, said, _ in ends if code == 0 and "cube: making" in said]
    refused = [complained for code, _, complained in ends if code == 2]
    late = [said for code, said, _ in ends if code == 0 and "cube: there already" in said]
    assert (len(made), len(refused) + len(late)) == (1, 1), ends
    assert all("Another command works on" in line and line.count("\n") == 1 for line in refused)
