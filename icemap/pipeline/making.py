"""How a chain of steps is made: what has not changed is skipped, what was begun goes on, and what
is there stays until it can be replaced.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icemap.errors import IcemapError
from icemap.pipeline.lost import lost_product, lost_products
from icemap.pipeline.steps import Context, Digests, Step, digests_of
from icemap.run_folder import NEXT
from icemap.store import exists, join, remove


def run_steps(steps: Sequence[Step], context: Context, names: Sequence[str]) -> bool:
    """Make what is not there yet.

    Parameters
    ----------
    steps : sequence of Step
        All of them, in order.
    names : sequence of str
        Those wanted. A step that one of them builds on must be among them, or done.

    Returns
    -------
    bool
        False if everything was there already.
    """
    names = _made_ahead(steps, context, names)
    if not names:
        return True
    if not exists(context.config.catalog):
        raise IcemapError(
            f"There is no catalogue {context.config.catalog}: correct the key 'catalog' in the"
            " config."
        )
    context.wanted = tuple(names)
    needed = [
        step
        for step in steps
        if step.name in names or any(step.name in _ancestors(steps, wanted) for wanted in names)
    ]
    # All of them first: a missing table is said at once, not after hours of work on the cube.
    digests = digests_of(needed, context)
    context.keys = {name: one.key for name, one in digests.items()}
    made = False
    for step in needed:
        state = _state(step, context, digests[step.name])
        if step.name not in names:
            _require_done(step, state)
            continue
        context.making = step.name
        if state.done:
            context.log(f"{step.name}: there already")
            _drop_next(step, context)
            continue
        _make(step, context, digests[step.name], state)
        _reopen_bereft(steps, step, context)
        made = True
    if made and not any(map(context.provenance.is_next, context.provenance.steps)):
        remove(join(context.config.run, NEXT))
    return made


@dataclass(frozen=True)
class _State:
    """How far a step is: finished for this config; what of its products is lost, in a sentence; or
    whole, with other words than the config's.
    """

    finished: bool
    lost: str
    reworded: bool

    @property
    def done(self) -> bool:
        return self.finished and not self.lost and not self.reworded


def _state(step: Step, context: Context, now: Digests) -> _State:
    provenance = context.provenance
    if not provenance.is_finished(step.name, now.key):
        return _State(finished=False, lost="", reworded=False)
    lost = lost_product(step, context.config, provenance.steps[step.name])
    reworded = not lost and not provenance.says(step.name, now.words)
    return _State(True, lost, reworded)


def _require_done(step: Step, state: _State) -> None:
    if state.lost:
        raise IcemapError(
            f"{state.lost} Run 'icemap {step.name}' or 'icemap run' first, which make it again."
        )
    if not state.done:
        raise IcemapError(
            f"The step '{step.name}' comes before and is not done for this config: run"
            f" 'icemap {step.name}' or 'icemap run' first."
        )


def _make(step: Step, context: Context, now: Digests, state: _State) -> None:
    """Make a step, or what is left to make of it."""
    provenance = context.provenance
    if state.lost:
        context.log(f"{step.name}: {state.lost}")
    resume = not state.finished and provenance.is_started(step.name, now.key)
    verb = "rewording" if state.reworded else "continuing" if resume else "making"
    context.log(f"{step.name}: {verb} {', '.join(step.products(context.config))}")
    if state.finished:
        # What its ledger has is there, unless a whole group of chunks has vanished, which the step
        # looks for itself.
        _drop_next(step, context)
        for url, _ in list(lost_products(step, context.config, provenance.steps[step.name])):
            if url:
                # Nobody shall read the rest of it.
                remove(url)
        provenance.reopen(step.name)
    elif not resume:
        _start(step, context, now.depends)
    elif provenance.is_replacing(step.name):
        context.settle()
    if not provenance.is_next(step.name):
        context.describe()
    begun = time.monotonic()
    facts = step.make(context)
    context.settle()
    if not state.finished and not resume:
        # A later run can say how long it will take.
        facts = {**facts, "seconds": round(time.monotonic() - begun, 1)}
    context.finish(step, facts, now.words)


def _start(step: Step, context: Context, depends: Any) -> None:
    """Begin a step; what an earlier one has finished stays until it can be replaced."""
    record = context.provenance.steps.get(step.name)
    there = record is None and any(map(_holds_something, step.products(context.config)))
    keep = there or bool(record and record["finished"])
    remove(context.config.folder.next(step.name))
    if not keep:
        _forget(step, context)
    context.provenance.start(step.name, context.keys[step.name], depends, keep=keep)


def _holds_something(url: str) -> bool:
    """True for a file, and for a Zarr group; some servers go on listing the folders of one that was
    deleted.
    """
    return exists(join(url, "zarr.json") if url.endswith(".zarr") else url)


def _reopen_bereft(steps: Sequence[Step], made: Step, context: Context) -> None:
    """Steps of other settings with files in a folder that was replaced are not finished any more.

    So are those of the verification in the ensemble's, and of publishing in the map's.
    """
    for step in steps:
        record = context.provenance.steps.get(step.name)
        if made.name not in step.after or record is None or not record["finished"]:
            continue
        other = record["key"] != context.keys.get(step.name)
        if other and lost_product(step, context.config, record):
            context.provenance.reopen(step.name)


def _drop_next(step: Step, context: Context) -> None:
    """Forget the beginnings of a product with other settings."""
    if context.provenance.is_next(step.name):
        remove(context.config.folder.next(step.name))
        context.provenance.drop_next(step.name)


def _forget(step: Step, context: Context) -> None:
    """Remove what an earlier start left: were this one to end before its first chunk, the next
    would take the old chunks for its own.
    """
    context.ledger(step.name).clear()
    for url in step.products(context.config):
        remove(url)


def _ancestors(steps: Sequence[Step], name: str) -> set[str]:
    step = next(step for step in steps if step.name == name)
    return set(step.after).union(*(_ancestors(steps, before) for before in step.after))


def _made_ahead(steps: Sequence[Step], context: Context, names: Sequence[str]) -> list[str]:
    """Make what can be made ahead of steps that are neither wanted nor done; the names that are
    left.
    """
    left = list(names)
    for step in steps:
        if step.ahead and step.name in names and (why := _not_done(steps, step, context, names)):
            step.ahead(context, why)
            left.remove(step.name)
    return left


def _not_done(steps: Sequence[Step], step: Step, context: Context, names: Sequence[str]) -> str:
    """Why a step cannot be made in full: what it builds on is neither wanted nor done; empty if it
    can.
    """
    needed = [other for other in steps if other.name in _ancestors(steps, step.name)]
    for number, other in enumerate(needed, start=1):
        if other.name in names:
            continue
        try:
            if not exists(context.config.catalog):
                raise IcemapError(f"There is no catalogue {context.config.catalog}")
            now = digests_of(needed[:number], context)[other.name]
        except IcemapError as error:
            return f"the step '{other.name}' is not done ({str(error).rstrip('.')})"
        state = _state(other, context, now)
        if not state.finished:
            return f"the step '{other.name}' is not done"
        if state.lost:
            return f"the step '{other.name}' has to be done again ({state.lost.rstrip('.')})"
    return ""
