"""Which tests run a line is traced, and those are kept."""

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TESTS = """
import time
import pytest
from icemap.two import one, two

@pytest.fixture(scope="module")
def shared():
    return two()

def test_other():
    assert one() == 1

def test_by_fixture(shared):
    time.sleep(0.3)

def test_by_fixture_again(shared):
    assert shared == 2
"""


def test_tests_that_run_a_line_are_kept(tmp_path):
    """Lines run by a fixture that tests share count for each of them; the shortest goes first."""
    (tmp_path / "icemap").mkdir()
    (tmp_path / "icemap" / "__init__.py").touch()
    (tmp_path / "icemap" / "two.py").write_text(
        "def one():\n    return 1\ndef two():\n    return 2\n"
    )
    (tmp_path / "test_two.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    traces = tmp_path / "traces.json"

    def run(option: str) -> list[str]:
        command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.traced_lines", option]
        path = {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}", "PATH": ""}
        result = subprocess.run(
            [*command, "test_two.py"], cwd=tmp_path, env=path, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return [line.split()[0] for line in result.stdout.splitlines() if "PASSED" in line]

    usual = run(f"--trace-lines={traces}")
    assert usual == [
        "test_two.py::test_other",
        "test_two.py::test_by_fixture",
        "test_two.py::test_by_fixture_again",
    ]
    tests = json.loads(traces.read_text())
    assert [tests[name]["lines"] for name in usual] == [
        {"icemap/two.py": [1, 2]},
        {"icemap/two.py": [3, 4]},
        {"icemap/two.py": [3, 4]},
    ]
    kept = run(f"--line-only={traces}:icemap/two.py:4")
    assert kept == [usual[2], usual[1]]
