"""``icemap status``: what is done of a run, and how long is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from icemap.errors import IcemapError
from icemap.json_records import LockRecord, ProgressNote
from icemap.provenance import Provenance
from icemap.run_folder import RunFolder
from icemap.running.ledger import Ledger
from icemap.running.lock import ended, owner, read_lock
from icemap.running.progress import progress_lines
from icemap.store import exists


def status_lines(run_url: str) -> Iterator[str]:
    """Who is at work on a run, and of each step how far it is.

    Parameters
    ----------
    run_url : str
        Of the run's folder or bucket prefix.

    Raises
    ------
    IcemapError
        If there is no run.
    """
    folder, lock = RunFolder(run_url), read_lock(run_url)
    if lock is None and not exists(folder.record):
        raise IcemapError(
            f"There is no run at {run_url}: give the folder that the config names as 'run'."
        )
    if lock is not None:
        dead = ", which does not run any more: the next command takes over" if ended(lock) else ""
        yield f"{'locked by':10s} {owner(lock)}{dead}"
    for name, record in Provenance(run_url).steps.items():
        ledger = Ledger(folder.ledger(name))
        state = (
            f"finished {record['finished']}"
            if record["finished"]
            else f"begun {record['started']}, not finished"
        )
        yield f"{name:10s} {state}{_parts(ledger)}"
        if "next" in record:
            ledger = Ledger(RunFolder(folder.next(name)).ledger(name))
            begun = record["next"]["started"]
            yield f"{'':10s} to be replaced: begun {begun}, not finished{_parts(ledger)}"
        unfinished = "next" in record or not record["finished"]
        note = ledger.progress() if unfinished else None
        if note is not None:
            runs = note["running"] and not _is_abandoned(note, lock)
            for line in progress_lines({**note, "running": runs}, time.time()):
                yield f"{'':10s} {line}"


def _is_abandoned(note: ProgressNote, lock: LockRecord | None) -> bool:
    """True if the command that wrote a note does not run any more: it holds no lock, or another one
    has begun since.
    """
    if lock is None:
        return True
    return ended(lock) or note["updated"] < datetime.fromisoformat(lock["since"]).timestamp()


def _parts(ledger: Ledger) -> str:
    parts = len(ledger.keys())
    return f", {parts} parts in the ledger" if parts else ""
