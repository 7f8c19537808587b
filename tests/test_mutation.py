"""The developer's tool that changes the code and runs its tests makes the changes that it says."""

from pathlib import Path

import pytest

from tests import mutation
from tests.mutants import mutants_of


def changed(code: str) -> list[str]:
    """The code after each of its mutants."""
    source = code.encode()
    return [mutant.apply(source).decode() for mutant in mutants_of("f.py", source)]


@pytest.mark.parametrize(
    ("code", "mutants"),
    [
        ("y = a < b", {"y = (a <= b)", "y = (a >= b)"}),
        ("y = a * b", {"y = (a / b)"}),
        ("y = a[:n]", {"y = a[:(n) + 1]"}),
        ("y = a[0]", {"y = a[1]"}),
        ("y = a and b", {"y = (a or b)"}),
        ("y += x", {"y -= x"}),
        ("y = np.log(x + z)", {"y = np.log((x - z))"}),
        ("y = 0.5", {"y = 1.0"}),
        ("y = f(k=True)", {"y = f(k=False)"}),
        (
            "if a:\n    y = b",
            {"if (not (a)):\n    y = b"},
        ),
        ("def f():\n    return y", {"def f():\n    return None"}),
        # Offsets count bytes, not letters.
        ("y = 'ü', a + b", {"y = 'ü', (a - b)"}),
    ],
)
def test_mutants_of_a_line(code, mutants):
    assert set(changed(code)) == mutants


@pytest.mark.parametrize(
    "code",
    [
        'def f():\n    """Says 1 + 1."""',
        "def f(x: Literal[1] | None, n: int) -> Literal[2]:\n    pass",
        "x: Annotated[int, 1]",
        "raise ValueError(1 + n)",
        "log(a + b)",
        "y = f'{a + 1}'",
        "y = 'a' + b + 'c'",
        "Thing = Path | None",
        "@njit(cache=True)\ndef f():\n    pass",
        "f(stacklevel=2)",
        "from . import a",
    ],
)
def test_text_annotations_and_errors_are_left_alone(code):
    assert changed(code) == []


def test_a_module_is_held_by_its_mirror_or_by_the_nearest_tests_that_import_it(tmp_path):
    files = {
        "icemap/ensemble/bma.py": "from .nodes import n",
        "icemap/ensemble/nodes.py": "",
        "icemap/totals/parts.py": "",
        "icemap/cli.py": "from icemap.totals import parts",
        "tests/ensemble/test_bma.py": "from icemap.ensemble.bma import b",
        "tests/totals/test_other.py": "import numpy",
        "tests/test_cli.py": "from icemap import cli",
    }
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    for module in ("icemap/ensemble/bma.py", "icemap/ensemble/nodes.py"):
        assert mutation.mirror_tests(module, tmp_path) == ["tests/ensemble/test_bma.py"]
    assert mutation.mirror_tests("icemap/totals/parts.py", tmp_path) == ["tests/test_cli.py"]


def test_the_log_gives_back_what_was_run(tmp_path, monkeypatch):
    """A second run does what is not in the log, and counts what is."""
    log = tmp_path / "log.jsonl"
    mutants = mutants_of("icemap/totals/m.py", b"y = a < b")

    def copy_checkout(tree):
        (tree / "icemap" / "totals").mkdir(parents=True)
        (tree / "icemap" / "totals" / "m.py").write_text("y = a < b")

    monkeypatch.setattr(mutation, "copy_checkout", copy_checkout)
    monkeypatch.setattr(mutation, "mirror_tests", lambda file, checkout: ["test_m.py"])
    seen = []

    def run_tests(tree, tests, timeout, compiled):
        code = (tree.checkout / "icemap" / "totals" / "m.py").read_text()
        seen.append(code)
        return ("failed" if "<=" in code else "passed"), 1.0

    monkeypatch.setattr(mutation.Tree, "run_tests", run_tests)
    first = mutation.run(mutants[:1], log, lambda line: None)
    assert seen == ["y = a < b", "y = (a <= b)"]
    both = mutation.run(mutants, log, lambda line: None)
    assert seen[2:] == ["y = a < b", "y = (a >= b)"]
    assert [result.outcome for result in both] == ["killed", "survived"]
    assert both[:1] == first


def test_of_the_folder_those_tests_run_that_run_the_line(tmp_path):
    """The mirror test does not see the change, another test of the folder does."""
    files = {
        "icemap/__init__.py": "",
        "icemap/totals/__init__.py": "",
        "icemap/totals/m.py": "def less(a, b):\n    return a < b\n\n\ndef one():\n    return 1\n",
        "tests/totals/test_m.py": (
            "from icemap.totals.m import less, one\n\ndef test_less():\n    assert less(1, 2)\n\n"
            "def test_one():\n    assert one() == 1\n"
        ),
        "tests/totals/test_other.py": (
            "from icemap.totals import m\n\ndef test_equal():\n    assert not m.less(1, 1)\n"
        ),
        "pytest.ini": "[pytest]\n",
        "tests/traced_lines.py": Path(__file__).with_name("traced_lines.py").read_text(),
    }
    tree = mutation.Tree(tmp_path)
    for name, code in files.items():
        path = tree.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    source = files["icemap/totals/m.py"].encode()
    seen = {("a < b", "(a <= b)"), ("a < b", "(a >= b)"), ("1", "2")}
    found = {
        (mutant.before, mutant.after): tree.outcome(mutant)[0]
        for mutant in mutants_of("icemap/totals/m.py", source)
        if (mutant.before, mutant.after) in seen
    }
    assert found == dict.fromkeys(seen, "failed")
    assert (tree.checkout / "icemap/totals/m.py").read_bytes() == source
    assert tree.run_tests(["tests/totals", "-k", "nothing"], None, tmp_path)[0] == "passed"
    running = tree.traces(Path("tests/totals")).running("icemap/totals/m.py", 2)
    assert sorted(running) == [
        "tests/totals/test_m.py::test_less",
        "tests/totals/test_other.py::test_equal",
    ]


def test_what_numba_compiled_is_kept_but_for_what_a_change_reaches(tmp_path):
    """A module that Numba compiles, or whose names such a module uses, is compiled afresh."""
    for file, text in {
        "icemap/kernels.py": "import numba\nfrom icemap.limits import N",
        "icemap/limits.py": "N = 3",
        "icemap/tables.py": "from icemap.kernels import add",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert mutation.is_compiled("icemap/kernels.py", tmp_path)
    assert mutation.is_compiled("icemap/limits.py", tmp_path)
    assert not mutation.is_compiled("icemap/tables.py", tmp_path)
