"""A pytest plugin: the tests that run a line go first.

``--trace-lines FILE`` writes which lines of the package each test runs, what its fixtures run
included, and how long it takes; ``--line-first FILE:MODULE:LINE`` then starts with the tests that
run that line, the shortest first. Code that Numba compiled and other processes are not seen.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trace-lines", default="")
    parser.addoption("--line-first", default="")


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

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        target = session.config.getoption("--trace-lines")
        Path(target).write_text(json.dumps(self.tests), encoding="utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--line-first"):
        return
    path, file, line = config.getoption("--line-first").rsplit(":", 2)
    tests = json.loads(Path(path).read_text(encoding="utf-8"))

    def place(item: pytest.Item) -> tuple[bool, float]:
        test = tests.get(item.nodeid, {"seconds": 0.0, "lines": {}})
        return int(line) not in test["lines"].get(file, ()), test["seconds"]

    items.sort(key=place)
