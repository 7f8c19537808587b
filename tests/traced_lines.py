"""A pytest plugin: the tests that run a line.

``--trace-lines FILE`` writes which lines of the package each test that passes runs, what its
fixtures run included, and how long it takes; ``--line-only FILE:MODULE:LINE`` then keeps the
shortest tests that run that line, as many as together take 20 seconds, and the examples of
docstrings. Code that Numba compiled and other processes are not seen.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

MAX_SECONDS = 20.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trace-lines", default="")
    parser.addoption("--line-only", default="")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--trace-lines"):
        config.pluginmanager.register(LineTracer(config.rootpath))


class LineTracer:
    """Lines by test; those of a fixture that tests share count for each of them."""

    def __init__(self, root: Path) -> None:
        self.package = f"{root / 'icemap'}/"
        self.root = f"{root}/"
        self.running: list[set[tuple[str, int]]] = []
        self.shared: dict[tuple[str, str], set[tuple[str, int]]] = defaultdict(set)
        self.tests: dict[str, dict[str, Any]] = {}
        self.unusable: set[str] = set()

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self.package):
            return None
        lines = self.running[-1]
        short = name.removeprefix(self.root)

        def of_frame(frame: FrameType, event: str, argument: object) -> Any:
            lines.add((short, frame.f_lineno))
            return of_frame

        return of_frame(frame, event, argument)

    def start(self, lines: set[tuple[str, int]]) -> None:
        self.running.append(lines)
        sys.settrace(self.trace)

    def stop(self) -> None:
        self.running.pop()
        sys.settrace(self.trace if self.running else None)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        self.start(self.shared[fixturedef.baseid, fixturedef.argname])
        try:
            return (yield)
        finally:
            self.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        lines: set[tuple[str, int]] = set()
        start = time.monotonic()
        self.start(lines)
        try:
            return (yield)
        finally:
            self.stop()
            fixtures = set(getattr(item, "fixturenames", ()))
            for (_, name), more in self.shared.items():
                if name in fixtures:
                    lines |= more
            by_file = defaultdict(list)
            for file, line in sorted(lines):
                by_file[file].append(line)
            seconds = round(time.monotonic() - start, 3)
            self.tests[item.nodeid] = {"seconds": seconds, "lines": by_file}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.unusable.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        target = session.config.getoption("--trace-lines")
        tests = {name: test for name, test in self.tests.items() if name not in self.unusable}
        Path(target).write_text(json.dumps(tests), encoding="utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--line-only"):
        return
    path, file, line = config.getoption("--line-only").rsplit(":", 2)
    tests = json.loads(Path(path).read_text(encoding="utf-8"))

    def runs(item: pytest.Item) -> bool:
        return int(line) in tests.get(item.nodeid, {"lines": {}})["lines"].get(file, ())

    examples = [item for item in items if isinstance(item, pytest.DoctestItem)]
    shortest = sorted(filter(runs, items), key=lambda item: float(tests[item.nodeid]["seconds"]))
    until = list(accumulate(tests[item.nodeid]["seconds"] for item in shortest))
    count = max(1, sum(seconds <= MAX_SECONDS for seconds in until))
    kept = shortest[:count]
    items[:] = [*kept, *(item for item in examples if item not in kept)]
