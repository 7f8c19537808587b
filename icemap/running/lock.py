"""One command at a time on a run: a small file in its folder says who works on it, and since when.

The file is created only where there is none, and renewed while its command works. Reading commands
do not look at it.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from icemap.errors import IcemapError
from icemap.json_records import LockRecord, check_record
from icemap.store import (
    create_text,
    exists,
    is_remote,
    join,
    local_path,
    read_json,
    remove_file,
    write_text,
)

LOCK = "lock.json"
# Seconds between two signs of life, and without one until another command may take over.
HEARTBEAT, STALE = 20.0, 120.0
# Seconds after which of two commands that took over at the same time only one is left.
SETTLE = 1.0
# Two readings of when a process began differ by less than this many seconds.
SAME_START = 1.5
# A lock that is released while it is looked at is tried for again.
ATTEMPTS = 5


@contextmanager
def run_lock(run_url: str, command: str, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a run while its products are made.

    Parameters
    ----------
    run_url : str
        The run folder or bucket prefix.
    command : str
        What is shown to those who find the lock, such as ``icemap map``.
    log : callable
        Gets a line where the lock of a dead command is taken over, or the server cannot hold locks.

    Raises
    ------
    IcemapError
        If another command works on the run, naming it; or, at the end, if another one took over.
    """
    folders = absent_folders(run_url)
    lock = _Lock(run_url, command)
    try:
        held = lock.acquire(log)
        with lock.renewed() if held else nullcontext():
            yield
    finally:
        lock.release()
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()


def read_lock(run_url: str) -> LockRecord | None:
    """The lock of a run; None where no command works on it."""
    url = join(run_url, LOCK)
    for _ in range(ATTEMPTS):
        if not exists(url):
            return None
        try:
            content = read_json(url)
            return check_record(
                url, content, LockRecord, "delete it when no command works on the run"
            )
        except IcemapError as error:
            # Released in between, or created and not yet written.
            problem = error
            time.sleep(0.2)
    raise problem


def owner(lock: LockRecord) -> str:
    """Who holds a lock, in words."""
    silent = time.time() - lock["heartbeat"]
    who = f"'{lock['command']}' on host {lock['host']}, process {lock['pid']}"
    if silent < -STALE:
        return f"{who}, since {lock['since']}, whose clock is {-silent:.0f} s or more ahead"
    return f"{who}, since {lock['since']}, last sign of life {max(silent, 0):.0f} s ago"


def ended(lock: LockRecord) -> bool:
    """True if the command that holds a lock ran on this machine and does not run any more."""
    here = lock["machine"] == _machine()
    return here and abs(_born(lock["pid"]) - lock["born"]) > SAME_START


class _Lock:
    def __init__(self, run_url: str, command: str) -> None:
        self.run_url, self.url = run_url, join(run_url, LOCK)
        pid = os.getpid()
        self.record = LockRecord(
            token=secrets.token_hex(8),
            command=command,
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            born=_born(pid),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            heartbeat=time.time(),
        )
        self.held, self.lost = False, ""

    def acquire(self, log: Callable[[str], None]) -> bool:
        """Take the lock; False where nothing can be written, so that there is nothing to guard."""
        took_over = False
        for _ in range(ATTEMPTS):
            # A server that honours no conditions would let it be overwritten.
            other = self._other()
            try:
                if other is not None:
                    self._take_over(other, log)
                    took_over = True
                created = create_text(self.url, self._text())
            except IcemapError as error:
                if _refused(error):
                    return False
                raise
            # Also where the answer to the first of two attempts was lost.
            if created or self._is_mine():
                self.held = True
                if self._is_exclusive(log) and not took_over:
                    return True
                time.sleep(SETTLE)
                if self._is_mine():
                    return True
                self.held = False
        several = f"Several commands start on {self.run_url} at the same time"
        raise IcemapError(f"{several}: start this one again.")

    def _other(self) -> LockRecord | None:
        try:
            return read_lock(self.run_url)
        except IcemapError as error:
            # Without the right to list, S3 forbids to look at what is not there.
            if _refused(error):
                return None
            raise

    def _take_over(self, other: LockRecord, log: Callable[[str], None]) -> None:
        """Remove the lock of a command that is dead."""
        if ended(other):
            reason = "does not run any more"
        elif other["machine"] != _machine() and abs(time.time() - other["heartbeat"]) > STALE:
            watched = 2 * HEARTBEAT
            log(f"{self.url} is held by {owner(other)}: waiting {watched:.0f} s for another one")
            # The clocks of two machines may differ: what counts is whether anything changes.
            time.sleep(watched)
            reason = "gives no sign of life any more"
        else:
            raise _refusal(self.run_url, other)
        now = read_lock(self.run_url)
        if now is not None:
            if now != other:
                raise _refusal(self.run_url, now)
            try:
                remove_file(self.url)
            except IcemapError as error:
                # Another command may have been quicker; where the right is missing, nothing is.
                if _refused(error):
                    raise
            log(f"{owner(other)}, {reason}: its lock of {self.run_url} is taken over")

    def _is_exclusive(self, log: Callable[[str], None]) -> bool:
        """Whether no other command can have created the lock as well."""
        if not is_remote(self.url) or not create_text(self.url, self._text()):
            return True
        log(
            f"the server of {self.run_url} does not honour conditional requests (If-None-Match): "
            "do not start two commands on this run at the same moment, the lock would not notice"
        )
        return False

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Give signs of life; if another command has taken over, stop."""
        done = threading.Event()

        def renew() -> None:
            # What storage refuses now it may take at the next beat.
            while not done.wait(HEARTBEAT) and not self.lost:
                with suppress(IcemapError):
                    if self._is_mine():
                        write_text(self.url, self._text())
                    elif (now := read_lock(self.run_url)) is not None:
                        self.lost = _taken(self.run_url, now)
                        if working is threading.main_thread():
                            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        def end_if_lost(number: int, frame: object) -> None:
            if self.lost:
                raise KeyboardInterrupt

        working = threading.current_thread()
        # In the background of a shell Ctrl-C is ignored, and so would be the end of this command.
        deaf = working is threading.main_thread() and (
            signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        )
        if deaf:
            signal.signal(signal.SIGINT, end_if_lost)
        thread = threading.Thread(target=renew, name="icemap-lock", daemon=True)
        thread.start()
        try:
            yield
        except KeyboardInterrupt:
            if not self.lost:
                raise
        finally:
            done.set()
            thread.join()
            if deaf:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.lost:
            raise IcemapError(self.lost)

    def release(self) -> None:
        if self.held:
            with suppress(IcemapError):  # what went wrong before matters more
                if self._is_mine():
                    remove_file(self.url)

    def _is_mine(self) -> bool:
        now = read_lock(self.run_url)
        return now is not None and now["token"] == self.record["token"]

    def _text(self) -> str:
        self.record["heartbeat"] = time.time()
        return json.dumps(self.record, indent=2) + "\n"


def _refusal(run_url: str, other: LockRecord) -> IcemapError:
    said = f"Another command works on {run_url}: {owner(other)}."
    return IcemapError(f"{said} Start this one again when that one has ended.")


def _taken(run_url: str, other: LockRecord) -> str:
    return (
        f"Another command has taken over {run_url}, because this one gave no sign of life for "
        f"{STALE:.0f} s: {owner(other)}. What is finished is kept: start this one again when that "
        "one has ended."
    )


def _refused(error: IcemapError) -> bool:
    """Whether a right is missing."""
    cause = error.__cause__
    read_only = isinstance(cause, OSError) and cause.errno == errno.EROFS
    return read_only or isinstance(cause, PermissionError)


def absent_folders(run_url: str) -> list[Path]:
    """Folders that creating a file in a run folder would make, the innermost first."""
    if is_remote(run_url):
        return []
    here = local_path(run_url)
    # Unlike Path.exists, this is False below a folder that may not be looked into.
    return [folder for folder in (here, *here.parents) if not os.path.exists(folder)]


def _machine() -> str:
    """Where a process number has a meaning: this start of this machine, this container."""
    parts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            path = Path(source)
            parts.append(os.readlink(path) if path.is_symlink() else path.read_text().strip())
    return " ".join(parts)


def _born(pid: int) -> float:
    """When a process began, in seconds that no change of the clock moves; -1 where there is
    none.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        # A process that nobody has waited for yet has ended all the same.
        if process.status() == psutil.STATUS_ZOMBIE:
            return -1.0
        return float(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0))
    except psutil.NoSuchProcess:
        return -1.0
