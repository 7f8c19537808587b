"""How far a job is and how long it still takes, next to its ledger, so that anyone can ask from
anywhere.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from types import TracebackType

from icemap.errors import IcemapError
from icemap.json_records import ProgressNote
from icemap.running.ledger import Ledger

# A bucket takes its time over each note, and nobody watches more often.
SECONDS_BETWEEN_NOTES = 2.0
# A job that has been silent for this long, beyond the time of its longest part, has most likely
# been killed.
SILENCE_SECONDS = 60.0


class Progress:
    """Notes on one start of a job; as a context it notes the end, however it comes.

    Parameters
    ----------
    ledger : Ledger
    unit : str
        What is counted, such as pixels.
    total, done : int
        All there is, and what earlier starts have done.
    """

    def __init__(self, ledger: Ledger, unit: str, total: int, done: int) -> None:
        self.ledger = ledger
        # By which a worker knows that it looks into the same folder.
        self.token = secrets.token_hex(8)
        now = time.time()
        self.note: ProgressNote = {
            "running": True,
            "unit": unit,
            "total": total,
            "done": done,
            "before": done,
            "started": now,
            "longest": 0.0,
            "failed": {},
            "token": self.token,
            "updated": now,
        }

    def add(self, size: int, seconds: float) -> None:
        """A part is done; it took so long on its worker."""
        self.note["done"] += size
        self.note["longest"] = max(self.note["longest"], seconds)
        if time.time() - self.note["updated"] >= SECONDS_BETWEEN_NOTES:
            self._write()

    def fail(self, key: str, sentence: str) -> None:
        """A part cannot be done; the next start tries it again."""
        self.note["failed"][key] = sentence
        with suppress(IcemapError):  # what failed may be the place of this note
            self._write()

    def _write(self) -> None:
        self.note["updated"] = time.time()
        self.ledger.write_progress(self.note)

    def __enter__(self) -> Progress:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.note["running"] = False
        with suppress(IcemapError):  # what went wrong before matters more
            self._write()


def progress_lines(note: ProgressNote, now: float) -> list[str]:
    """What a note says at a time (seconds since 1970), in words.

    Examples
    --------
    >>> note = {"running": True, "unit": "pixels", "total": 4_000_000, "done": 1_000_000,
    ...     "before": 0}
    >>> progress_lines({**note, "started": 0.0, "updated": 60.0, "longest": 5.0, "failed": {}},
    ...     61.0)
    ['25.0 % of 4,000,000 pixels, about 3 min left']
    """
    done, pace = (
        note["done"],
        (note["done"] - note["before"]) / max(note["updated"] - note["started"], 1e-9),
    )
    share = f"{done / note['total']:.1%}".replace("%", " %") if note["total"] else "0 %"
    line = f"{share} of {note['total']:,} {note['unit']}"
    silent = now - note["updated"] - 2 * note["longest"]
    if not note["running"]:
        line += ", stopped: the same command continues" if done < note["total"] else ""
    elif silent > SILENCE_SECONDS:
        line += (
            f", nothing heard for {duration(now - note['updated'])}: if the command no longer"
            " runs, start it again and it continues"
        )
    elif pace > 0:
        line += f", about {duration((note['total'] - done) / pace - (now - note['updated']))} left"
    return [
        line,
        *(f"{key} failed: {sentence}" for key, sentence in sorted(note["failed"].items())),
    ]


def duration(seconds: float) -> str:
    """About how long, in words."""
    seconds = max(seconds, 0.0)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
