"""Progress in a file is whole lines; on a terminal it is drawn over."""

import io
import sys

import pytest

from icemap.running import bar

pytestmark = pytest.mark.quick


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stream: io.StringIO, monkeypatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with bar.progress_bar(total=4, desc="map", unit=" pixels", unit_scale=True) as one:
        for _ in range(4):
            one.update(1)
    return stream.getvalue()


def test_progress_in_a_file_is_lines(monkeypatch):
    monkeypatch.setattr(bar, "SECONDS_BETWEEN_LINES", 0.0)
    text = drawn(io.StringIO(), monkeypatch)
    assert "\r" not in text
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(line.startswith("map: ") for line in lines)
    assert lines[0].startswith("map:   0%")
    assert lines[-1].startswith("map: 100%")
    assert all(len(line) <= bar.LINE_WIDTH for line in lines)


def test_lines_come_now_and_then(monkeypatch):
    assert len(drawn(io.StringIO(), monkeypatch).splitlines()) <= 2


def test_a_bar_on_a_terminal_is_drawn_over(monkeypatch):
    text = drawn(Terminal(), monkeypatch)
    assert text.count("\r") > 1
    assert text.count("\n") == 1
