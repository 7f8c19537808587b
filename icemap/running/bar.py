"""Progress of a job: a bar that is drawn over on a terminal, whole lines in a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

# A log of an hour has 120 lines of it.
SECONDS_BETWEEN_LINES = 30.0
LINE_WIDTH = 100


class Lines:
    """A stream for a bar in a file: what it would draw over becomes lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._last = ""

    def write(self, text: str) -> int:
        line = text.strip()
        # The bar is drawn a last time when it is closed, mostly as it was.
        if line and line != self._last:
            self.stream.write(f"{line}\n")
            self._last = line
        return len(text)

    def flush(self) -> None:
        self.stream.flush()


def progress_bar(**settings: Any) -> tqdm:
    """A bar of tqdm on standard error.

    Parameters
    ----------
    **settings
        As tqdm takes them.
    """
    from tqdm import tqdm

    stream = sys.stderr
    if stream.isatty() or _in_a_notebook(stream):
        return tqdm(dynamic_ncols=True, **settings)
    return tqdm(file=Lines(stream), mininterval=SECONDS_BETWEEN_LINES, ncols=LINE_WIDTH, **settings)


def _in_a_notebook(stream: TextIO) -> bool:
    """A notebook draws over a bar as a terminal does."""
    return type(stream).__module__.startswith("ipykernel")
