"""Tasks on a Dask cluster: a bounded number in flight, an end to every wait, and the same versions
on all sides.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from icemap.errors import IcemapError
from icemap.provenance import PACKAGES

Part = TypeVar("Part")
Result = TypeVar("Result")
Versions = dict[str, str | None]
RETRIES = 2
# Nodes of a cloud take minutes to start; ten mean that none will come.
PATIENCE_SECONDS = 600.0
# How often to look whether scheduler and workers are still there while no task ends.
LOOK_SECONDS = 5.0
CONTINUES = "what is finished is kept, and the same command continues"


class DaskExecutor:
    """Tasks on a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    workers : int
        Workers still to come that tasks are kept ready for: an adaptive cluster starts them only
        for tasks it has seen.
    log : callable
        Gets a line when there is nobody to work.
    patience : float
        Seconds without any worker after which a job is given up.
    here : bool
        True for a cluster that this process itself has started on its machine.
    """

    def __init__(
        self,
        client: Any,
        workers: int = 0,
        log: Callable[[str], None] = lambda line: None,
        patience: float = PATIENCE_SECONDS,
        here: bool = False,
    ) -> None:
        self.client = client
        self.address = client.scheduler.address
        self.workers = workers
        self.log = log
        self.patience = patience
        self.here = here

    def map(
        self, function: Callable[[Part], Result], items: Sequence[Part]
    ) -> Iterator[tuple[Part, Result]]:
        waiting = iter(items)
        running: dict[Any, Part] = {}
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        task = _SameVersions(function, _versions_here())

        def submit() -> None:
            for item in islice(waiting, max(0, self._in_flight() - len(running))):
                # Dask learns durations, which its scaling and stealing use, from the first word
                # of a key.
                future = self.client.submit(
                    task,
                    item,
                    key=f"icemap-{getattr(item, 'key', item)}-{id(running):x}",
                    retries=RETRIES,
                    pure=False,
                )
                running[future] = item
                future.add_done_callback(ended.put)

        try:
            submit()
            while running:
                future = self._next(ended)
                try:
                    result: Result = self._result(future, running[future])
                except _NotYet:
                    future.add_done_callback(ended.put)
                    continue
                item = running.pop(future)
                submit()
                yield item, result
        finally:
            # Without its scheduler the client cannot cancel, and need not.
            with suppress(Exception):
                self.client.cancel(list(running))

    def _in_flight(self) -> int:
        return 2 * max(1, self.workers, sum(self._threads().values()))

    def _threads(self) -> Mapping[str, int]:
        try:
            return dict(self.client.nthreads())
        except Exception as error:
            raise self._lost() from error

    def _next(self, ended: queue.SimpleQueue[Any]) -> Any:
        alone_since = None
        while True:
            with suppress(queue.Empty):
                return ended.get(timeout=LOOK_SECONDS)
            if self._threads():
                alone_since = None
                continue
            if alone_since is None:
                alone_since = time.monotonic()
                self.log(
                    f"Dask: no worker is there; waiting for one, at most {self.patience / 60:.2g}"
                    " minutes"
                )
            if time.monotonic() - alone_since > self.patience:
                raise IcemapError(
                    f"No Dask worker has been there for {self.patience / 60:.2g} minutes: see why"
                    f" none starts (quota, image, memory, versions); {CONTINUES}."
                )

    def _result(self, future: Any, item: Any) -> Any:
        """What the task returned.

        Raises
        ------
        _NotYet
            If its worker went with it, so that it is computed again.
        """
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        try:
            return future.result(timeout=LOOK_SECONDS)
        except KilledWorker as error:
            raise IcemapError(
                f"The part {item.key} ended {error.allowed_failures + 1} workers, most likely for"
                " lack of memory: give the workers more, or choose a smaller 'chunk' for the grid."
            ) from error
        except CancelledError as error:
            raise self._lost() from error
        except CommClosedError as error:
            # The scheduler went while the result was on its way, unless it answers again.
            self._threads()
            raise _NotYet from error
        except TimeoutError as error:
            if future.status == "error":
                raise
            raise _NotYet from error
        except RuntimeError as error:
            if "deserialization of the task graph" not in str(error):
                raise
            raise IcemapError(
                f"The Dask scheduler at {self.address} has another icemap than this command: start"
                " all sides from one image or lock file."
            ) from error

    def _lost(self) -> IcemapError:
        if self.here:
            return IcemapError(
                f"The workers of this machine do not answer, which may be too busy: {CONTINUES},"
                " with fewer --workers or with --cluster serial, too."
            )
        return IcemapError(
            f"The Dask scheduler at {self.address} was lost: {CONTINUES} once it, or another, runs."
        )


class _NotYet(Exception):
    """A task that had ended has no result any more: it is computed again."""


@dataclass(frozen=True)
class _SameVersions:
    """A task that refuses to run with other versions than the command's: workers may join at any
    time, from any image.
    """

    work: Callable[[Any], Any]
    expected: Versions

    def __call__(self, item: Any) -> Any:
        from distributed import get_worker

        require_same(self.expected, _versions_here(), f"on the worker {get_worker().address}")
        return self.work(item)


def require_same_versions(client: Any) -> None:
    """Refuse a cluster whose scheduler or workers have other versions than this process.

    Raises
    ------
    IcemapError
        Naming the first library that differs, its versions, and where.
    """
    found = client.get_versions(packages=PACKAGES)
    require_same(
        _versions_here(),
        _comparable(found["scheduler"]),
        f"on the scheduler {client.scheduler.address}",
    )
    for address, worker in sorted(found["workers"].items()):
        require_same(_versions_here(), _comparable(worker), f"on the worker {address}")


def require_same(here: Versions, there: Versions, where: str) -> None:
    """Refuse versions that differ.

    Parameters
    ----------
    here, there : mapping of str to str
        Versions by package, of this process and the other one.
    where : str
        Where the other one is, for messages.

    Examples
    --------
    >>> try:
    ...     require_same({"numpy": "2.4.1"}, {"numpy": "2.4.0"}, "on the worker w1")
    ... except IcemapError as error:
    ...     print(str(error).partition(":")[0])
    numpy is 2.4.1 here and 2.4.0 on the worker w1
    """
    for name, version in here.items():
        if there[name] != version:
            raise IcemapError(
                f"{name} is {version or 'missing'} here and {there[name] or 'missing'} {where}: "
                "numbers may differ, so start all sides from one image or lock file."
            )


def _versions_here() -> Versions:
    from distributed.versions import get_versions

    return _comparable(get_versions(PACKAGES))


def _comparable(found: Mapping[str, Any]) -> Versions:
    """The versions of what Dask found, that of Python to its minor number: libraries are built for
    that.
    """
    packages = dict(found["packages"])
    return {**packages, "python": ".".join(packages["python"].split(".")[:2])}
