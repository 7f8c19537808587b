"""Does a worker see the run folder? One that does not would write its parts elsewhere, and the job
would seem to be done.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from icemap.errors import IcemapError
from icemap.running.ledger import PROGRESS, Ledger
from icemap.store import is_remote, join

# A network file system may show a file late that another host has just written.
PATIENCE_SECONDS = 10.0
TRY_SECONDS = 0.5
# Tokens that this process has seen in a bucket, which is asked once; a folder is asked for each
# part, as its mount may go.
_seen: set[str] = set()


@dataclass(frozen=True)
class Token:
    """What the command has written into a ledger, and every worker must find there.

    Attributes
    ----------
    ledger_url : str
    value : str
        Drawn for one start of a job.
    """

    ledger_url: str
    value: str

    def problem(self) -> str:
        """Why this process must not work on the job, in a sentence; empty if it may."""
        if self.value in _seen:
            return ""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._is_there():
            if time.monotonic() > end:
                return (
                    f"{_who()} does not see the run folder: what this command wrote to"
                    f" {join(self.ledger_url, PROGRESS)} is not there. Mount the folder under the"
                    " same path there, or give a run folder in a bucket that every worker reaches."
                )
            time.sleep(TRY_SECONDS)
        if is_remote(self.ledger_url):
            _seen.add(self.value)
        return ""

    def _is_there(self) -> bool:
        try:
            note = Ledger(self.ledger_url).progress()
        except IcemapError:
            return False
        return note is not None and note.get("token") == self.value


def _who() -> str:
    from distributed import get_worker

    try:
        return f"The worker {get_worker().address} on the host {socket.gethostname()}"
    except ValueError:
        return f"The host {socket.gethostname()}"
