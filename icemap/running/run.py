"""The runner of every chunked job: plan = all items - items in the ledger, bounded submission, one
record each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from icemap.addresses import hide_in_logs, remember_all, remembered, shown
from icemap.errors import IcemapError
from icemap.provenance import processor
from icemap.running.bar import progress_bar
from icemap.running.ledger import NUMBERS, TABLE, Ledger
from icemap.running.progress import Progress
from icemap.running.seen import Token

# Parts that may fail before the job stops: a network that is gone, or a login that has ended, fails
# them all, each after some waiting.
MAX_FAILURES = 10


class Item(Protocol):
    """What a job is made of: a chunk, or a replicate."""

    @property
    def key(self) -> str: ...


Part = TypeVar("Part")
Result = TypeVar("Result")
OneItem = TypeVar("OneItem", bound=Item)
# Of a job: a TypedDict.
Record = TypeVar("Record", bound=Mapping[str, object])


class Executor(Protocol):
    """Runs a function over items, here or on a cluster."""

    def map(
        self, function: Callable[[Part], Result], items: Sequence[Part]
    ) -> Iterator[tuple[Part, Result]]:
        """Pairs of item and result, in any order, as they are finished."""
        ...


@dataclass(frozen=True)
class Job(Generic[OneItem, Record]):
    """A function over items whose results it writes itself; it returns the record.

    Attributes
    ----------
    name : str
        For the progress bar.
    items : sequence
    work : callable
        ``work(item)`` writes the item's result, whole, and returns a JSON-able record; ``sums`` in
        it, numbers by region and name, go into a file next to the record.
    size : callable
        How much work an item is (pixels, say), so that progress is honest.
    unit : str
        What ``size`` counts.
    """

    name: str
    items: Sequence[OneItem]
    work: Callable[[OneItem], Record]
    size: Callable[[OneItem], int] = lambda item: 1
    unit: str = "parts"


class SerialExecutor:
    """The cluster's interface without a cluster."""

    def map(
        self, function: Callable[[Part], Result], items: Sequence[Part]
    ) -> Iterator[tuple[Part, Result]]:
        for item in items:
            yield item, function(item)


@dataclass(frozen=True)
class _Done:
    """A part's record, with the seconds that it took."""

    record: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class _Failed:
    """What is wrong with the input of a part, in a sentence."""

    problem: str


@dataclass(frozen=True)
class _Unseen(_Failed):
    """Why a worker's results would be lost, those of every part."""


@dataclass(frozen=True)
class _Timed:
    """Measures inside the task, so that waiting in a queue does not count, and hands on a mistake
    in the input without a retry.
    """

    work: Callable[[Any], Mapping[str, Any]]
    token: Token
    # What this worker may not say either.
    hidden: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})

    def __call__(self, item: Item) -> _Done | _Failed:
        remember_all(self.hidden)
        hide_in_logs()
        if problem := self.token.problem():
            return _Unseen(problem)
        start = time.perf_counter()
        try:
            record = self.work(item)
            if record.get(NUMBERS):
                # They are many: the worker writes them, and they do not travel.
                kept = {name: value for name, value in record.items() if name != NUMBERS}
                numbers = Ledger(self.token.ledger_url).write_numbers(item.key, record[NUMBERS])
                record = {**kept, TABLE: numbers}
        except IcemapError as error:
            return _Failed(str(error))
        seconds = round(time.perf_counter() - start, 4)
        return _Done({"seconds": seconds, "processor": processor(), **record}, seconds)


def run_job(
    job: Job[OneItem, Record], ledger: Ledger, executor: Executor, *, progress: bool = True
) -> list[Record]:
    """Do what the ledger does not have yet.

    Parameters
    ----------
    job : Job
    ledger : Ledger
        Of the items that are done.
    executor : Executor
        Computes the others.
    progress : bool
        Whether a bar is shown.

    Returns
    -------
    list of dict
        The records of all items, in the order of their keys.
    """
    done = ledger.keys()
    todo = [item for item in job.items if item.key not in done]
    total, left = sum(job.size(item) for item in job.items), sum(job.size(item) for item in todo)
    errors: dict[str, str] = {}
    if todo:
        noted = Progress(ledger, job.unit, total, total - left)
        bar = progress_bar(
            total=total,
            initial=total - left,
            desc=job.name,
            unit=f" {job.unit}",
            unit_scale=True,
            disable=not progress,
        )
        with noted, bar:
            for item, outcome in executor.map(
                _Timed(job.work, Token(ledger.url, noted.token), remembered()), todo
            ):
                if isinstance(outcome, _Unseen):
                    raise IcemapError(outcome.problem)
                if isinstance(outcome, _Failed):
                    errors[item.key] = shown(outcome.problem)
                    noted.fail(item.key, errors[item.key])
                    if len(errors) == MAX_FAILURES:
                        break
                    continue
                ledger.write(item.key, outcome.record)
                noted.add(job.size(item), outcome.seconds)
                bar.update(job.size(item))
    if errors:
        others = (
            f" ({len(errors) - 1} other parts failed too; what is done is kept.)"
            if len(errors) > 1
            else ""
        )
        raise IcemapError(f"{errors[min(errors)]}{others}")
    records = ledger.records()
    lost = [item.key for item in job.items if item.key not in records]
    if lost:
        raise IcemapError(
            f"{job.name}: {len(lost)} of {len(job.items)} parts were not finished, first {lost[0]}:"
            " run the same command again."
        )
    keys = sorted(item.key for item in job.items)
    return [cast(Record, records[key]) for key in keys]
