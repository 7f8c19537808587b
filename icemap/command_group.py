"""Commands that end in a sentence: a user's mistake, a signal, a package that is missing."""

from __future__ import annotations

import errno
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from icemap.addresses import hide_in_logs, shown
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.storage_problems import FULL, problem_of

# How the help lists the commands: to begin with, the chain, what is done with a run.
ORDER = (
    *("init", "demo", "doctor", "run"),
    *(step.name for step in STEPS),
    *("status", "check", "query", "compare", "view", "schema"),
)
# More than any first sentence of a command's help.
SENTENCE_LENGTH = 200
# Rights, and the room on a disk.
OF_THE_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, *FULL)
STOPPED = "stopped. What is finished is kept: the same command continues."


class Ended(KeyboardInterrupt):
    """Somebody asks this command to end: a scheduler, a pod that is deleted, a closed terminal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextmanager
def _ended_like_an_interrupt() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind the command, so that clusters and files are put away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What nohup has switched off stays so.
    before = {n: signal.getsignal(n) for n in wanted if signal.getsignal(n) != signal.SIG_IGN}

    def end(number: int, frame: FrameType | None) -> None:
        for other in before:
            # A second signal would stop the closing of the cluster half-way.
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class SentenceGroup(click.Group):
    """Turns a user's mistake into one sentence instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        names = list(super().list_commands(ctx))
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each with its first sentence, whole, and an example."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.commands[name]
            rows.append((name, command.get_short_help_str(limit=SENTENCE_LENGTH)))
            lines = [line.strip() for line in (command.help or "").splitlines()]
            rows += [("", line) for line in lines if line.startswith(f"icemap {name}")][:1]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        hide_in_logs()
        try:
            with _ended_like_an_interrupt():
                return super().invoke(ctx)
        except IcemapError as error:
            click.echo(f"icemap: {error}", err=True)
            sys.exit(2)
        except ModuleNotFoundError as error:
            missing = (error.name or "icemap").partition(".")[0]
            # A module of its own that is missing is a fault of icemap.
            if missing == "icemap":
                raise
            click.echo(f"icemap: {_needs(ctx, missing)}", err=True)
            sys.exit(2)
        except KeyboardInterrupt as error:
            with suppress(OSError):  # The terminal may be gone.
                click.echo(f"icemap: {STOPPED}", err=True)
            sys.exit(error.code if isinstance(error, Ended) else 130)
        except OSError as error:
            # What a library meets where nobody has expected it is still no fault of icemap.
            problem = problem_of(error) if error.errno in OF_THE_PLACE else None
            if problem is None:
                raise
            click.echo(
                f"icemap: Cannot use {shown(str(error.filename or 'a place'))}: {problem}", err=True
            )
            sys.exit(2)
        except Exception as error:
            told = "".join(traceback.format_exception(error))
            if isinstance(error, click.ClickException) or shown(told) == told:
                raise
            click.echo(shown(told), err=True)
            sys.exit(1)


def _needs(ctx: click.Context, module: str) -> str:
    return (
        f"'icemap {ctx.invoked_subcommand}' needs the module {module}, which is not installed:"
        " 'pip install icemap' installs all that its commands need."
    )
