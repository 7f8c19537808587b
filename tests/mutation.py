"""Mutation run: which small changes of the code do its tests see?

A developer's tool, not part of the test suite::

    python -m tests.mutation --sample 300 --seed 0

A mutant (``tests/mutants.py``) is the package with one change: a comparison, an arithmetic
operator, a number, a truth value, a condition, a returned value or an index. The sample is drawn
with the seed from all mutants of the folders in FOLDERS. Each one is put into a copy of the
checkout, in which these tests run until the first failure:

- of the tests of its folder (``tests/boreholes`` for ``icemap/boreholes/sites.py``) those that run
  the changed line, the shortest first, as many as take 20 seconds;
- where none is seen to run it, as in compiled code, the mirror test file
  (``tests/boreholes/test_sites.py``), or without one the test files that import the module, or that
  import the modules that import it; those of its folder where there are any;
- the examples in its docstrings.

A mutant is killed when a test fails, or takes five times as long as with the code as it is (and a
minute at least). Each result is printed and appended to the log; the same command goes on after the
last mutant in the log. ``--list`` prints the sample without running it, ``--only PART`` keeps the
modules whose path contains PART, and ``--again`` runs the survivors in the log once more.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from tests.mutants import Mutant, mutants_of, parses

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDERS = ("icemap/ensemble", "icemap/totals", "icemap/boreholes", "icemap/mapping")
MIN_SECONDS = 60.0
SLOWER = 5.0
# Exit code of pytest.
NO_TESTS = 5


@dataclass(frozen=True)
class Result:
    """How the tests took a mutant: ``killed``, ``timeout`` (counts as killed) or ``survived``."""

    mutant: Mutant
    outcome: str
    seconds: float


def draw(checkout: Path, count: int, seed: int, only: str = "") -> tuple[list[Mutant], int]:
    """A sample of the mutants that Python can read, and how many there are to draw from."""
    sources = {file: (checkout / file).read_bytes() for file in modules(checkout) if only in file}
    every = [mutant for file, source in sources.items() for mutant in mutants_of(file, source)]
    random.Random(seed).shuffle(every)
    readable = (mutant for mutant in every if parses(mutant.apply(sources[mutant.file])))
    return list(islice(readable, count)), len(every)


def modules(checkout: Path) -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((checkout / folder).rglob("*.py")):
            yield path.relative_to(checkout).as_posix()


def imports(path: Path, package: str) -> set[str]:
    """Dotted names that a file imports; of ``from a import b`` both ``a`` and ``a.b``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def importers(checkout: Path) -> dict[str, set[str]]:
    """By file of the package or its tests: what it imports."""
    files = [*checkout.glob("icemap/**/*.py"), *checkout.glob("tests/**/test_*.py")]
    return {
        path.relative_to(checkout).as_posix(): imports(
            path, dotted(path.parent.relative_to(checkout).as_posix())
        )
        for path in files
    }


def mirror_tests(file: str, checkout: Path) -> list[str]:
    """Test files that hold a module: its mirror, or the nearest that import it."""
    path = Path(file)
    mirror = Path("tests", *path.parts[1:-1], f"test_{path.stem}.py")
    if (checkout / mirror).exists():
        return [mirror.as_posix()]
    folder = path.parts[1]
    return nearest(file, f"icemap/{folder}/", f"tests/{folder}/", checkout) or nearest(
        file, "icemap/", "tests/", checkout
    )


def nearest(file: str, package: str, tests: str, checkout: Path) -> list[str]:
    """Test files below ``tests`` that import a module over the fewest modules of ``package``."""
    importing = importers(checkout)
    reached = {file}
    while True:
        names = {dotted(one) for one in reached}
        more = {one for one, imported in importing.items() if names & imported}
        found = sorted(one for one in more if one.startswith(tests))
        within = reached | {one for one in more if one.startswith(package)}
        if found or within == reached:
            return found
        reached = within


def has_examples(source: bytes) -> bool:
    return b">>> " in source


def is_compiled(file: str, checkout: Path) -> bool:
    """Whether Numba compiles a module, or one that imports it."""
    importing = importers(checkout)
    names = {dotted(file)}
    return any(
        "numba" in imported and (path == file or names & imported)
        for path, imported in importing.items()
        if path.startswith("icemap/")
    )


@dataclass(frozen=True)
class Traces:
    """Which tests of a folder run which lines, as ``tests/traced_lines.py`` wrote it."""

    path: Path
    tests: dict[str, dict[str, Any]]

    def running(self, file: str, line: int) -> dict[str, float]:
        """Seconds of each test that runs a line."""
        return {
            name: test["seconds"]
            for name, test in self.tests.items()
            if line in test["lines"].get(file, ())
        }


@dataclass(frozen=True)
class Tree:
    """A copy of the checkout in a temporary folder, and what belongs to it."""

    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def compiled(self) -> Path:
        """What Numba compiled."""
        return self.folder / "compiled"

    def run_tests(
        self, tests: Sequence[str], timeout: float | None, compiled: Path
    ) -> tuple[str, float]:
        """Run tests until the first failure: passed, failed or timeout, and seconds.

        ``tests`` are arguments of pytest; ``compiled`` keeps what Numba compiled.
        """
        start = time.monotonic()
        quiet = ["-q", "-p", "no:cacheprovider", "-p", "tests.traced_lines"]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {
            **os.environ,
            **threads,
            "PYTHONPATH": str(self.checkout),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_CACHE_DIR": str(compiled),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *quiet, *tests],
            cwd=self.checkout,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            # Where no test ran, none failed.
            outcome = "passed" if process.wait(timeout) in (0, NO_TESTS) else "failed"
        except subprocess.TimeoutExpired:
            outcome = "timeout"
        finally:
            end_session(process)
        return outcome, time.monotonic() - start

    def traces(self, tests: Path) -> Traces:
        """Lines that the tests of a folder run; traced once."""
        path = self.folder / f"{tests.name}.json"
        if not path.exists() and (self.checkout / tests).is_dir():
            self.run_tests([str(tests), f"--trace-lines={path}"], None, self.compiled)
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return Traces(path, content)

    def outcome(self, mutant: Mutant) -> tuple[str, float]:
        """How the tests take a mutant, and the seconds that they took."""
        path = self.checkout / mutant.file
        source = path.read_bytes()
        traces = self.traces(Path("tests", Path(mutant.file).parts[1]))
        running = traces.running(mutant.file, mutant.line)
        files = sorted({name.partition("::")[0] for name in running})
        tests = files or mirror_tests(mutant.file, CHECKOUT)
        tests += [mutant.file] * has_examples(source)
        if not tests:
            return "passed", 0.0
        limit = max(MIN_SECONDS, SLOWER * sum(running.values()))
        if not running:
            outcome, usual = self.run_tests(["-x", *tests], None, self.compiled)
            if outcome != "passed":
                sys.exit(f"{' '.join(tests)} fail without any change; put that right first")
            limit = max(MIN_SECONDS, SLOWER * usual)
        # Numba keeps compiled functions by the date of their file, not of what they call.
        own = self.folder / "own" if is_compiled(mutant.file, CHECKOUT) else self.compiled
        path.write_bytes(mutant.apply(source))
        try:
            line = f"--line-only={traces.path}:{mutant.file}:{mutant.line}"
            return self.run_tests(["-x", *[line] * bool(running), *tests], limit, own)
        finally:
            path.write_bytes(source)
            shutil.rmtree(self.folder / "own", ignore_errors=True)


def end_session(process: subprocess.Popen) -> None:
    """End a test run with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def copy_checkout(tree: Path) -> None:
    """Copy what git knows of the checkout, as it is in the working tree."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True
    ).stdout
    for name in filter(None, names.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target)


def read_log(path: Path) -> list[Result]:
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Result(Mutant(**line["mutant"]), line["outcome"], line["seconds"]) for line in lines]


def run(mutants: Sequence[Mutant], log: Path, say: Callable[[str], object]) -> list[Result]:
    """Run the mutants that are not in the log; returns the results of all."""
    done = {result.mutant: result for result in read_log(log)}
    left = [mutant for mutant in mutants if mutant not in done]
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Tree(Path(folder))
        copy_checkout(tree.checkout)
        # Tests on real data look next to the checkout unless they are told where.
        os.environ.setdefault("ICEMAP_DATA", str(CHECKOUT.parent / "shared" / "realcase"))
        for mutant in left:
            outcome, seconds = tree.outcome(mutant)
            verdict = {"passed": "survived", "failed": "killed"}.get(outcome, outcome)
            result = Result(mutant, verdict, round(seconds, 1))
            done[mutant] = result
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
            say(f"{len(done):4d} {verdict:8s} {seconds:6.1f} s  {mutant}")
    return [done[mutant] for mutant in mutants if mutant in done]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=300, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path contains this")
    parser.add_argument("--list", action="store_true", help="print the sample, run nothing")
    parser.add_argument("--again", action="store_true", help="run the survivors once more")
    parser.add_argument(
        "--log", type=Path, default=Path("mutation.jsonl"), help="one result a line"
    )
    options = parser.parse_args()
    sample, every = draw(CHECKOUT, options.sample, options.seed, options.only)
    print(f"{len(sample)} of {every} mutants", flush=True)
    if options.list:
        print(*sample, sep="\n")
        return
    log = options.log
    if options.again:
        kept = [result for result in read_log(log) if result.outcome != "survived"]
        log.write_text("".join(json.dumps(asdict(result)) + "\n" for result in kept))
    results = run(sample, log, lambda line: print(line, flush=True))
    survived = [result.mutant for result in results if result.outcome == "survived"]
    print(f"\nkilled {len(results) - len(survived)} of {len(results)}; survivors:")
    print(*sorted(survived, key=lambda mutant: (mutant.file, mutant.line)), sep="\n")


if __name__ == "__main__":
    main()
