"""What a run would make and why, and how long that took before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from icemap import __version__
from icemap.addresses import recorded
from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.pipeline.lost import lost_product
from icemap.pipeline.steps import Context, Digests, Step, digests_of, open_context
from icemap.provenance import plain
from icemap.running.progress import duration
from icemap.store import exists

SHOWN_CHANGES = 3
DIGEST_LENGTH = 64


@dataclass(frozen=True)
class PlannedStep:
    """What would become of one step.

    Attributes
    ----------
    name : str
        Of the step.
    what : str
        ``there already``, ``to be made``, ``to be made again``, ``to be continued`` or ``words to
        be written``.
    why : str
        Empty if there is nothing to say.
    seconds : float or None
        What it took when it was last made from the start; None if that is not known.
    is_changed : bool
        Whether its own settings or inputs are others than then.
    """

    name: str
    what: str
    why: str
    seconds: float | None
    is_changed: bool = False

    @property
    def is_made(self) -> bool:
        """Whether its numbers are computed."""
        return self.what.startswith("to be ")


def plan_run(config_url: str, *, quick: bool = False) -> list[PlannedStep]:
    """What ``icemap run`` would do; nothing is written and no cluster is started.

    Raises
    ------
    IcemapError
        If the config is wrong or an input is missing.
    """
    config = load_config(config_url, quick=quick)
    if not exists(config.catalog):
        raise IcemapError(
            f"There is no catalogue {config.catalog}: correct the key 'catalog' in the config."
        )
    with open_context(config, "serial", 1, lambda line: None) as context:
        digests = digests_of(STEPS, context)
        found: dict[str, PlannedStep] = {}
        for step in STEPS:
            found[step.name] = _planned(step, context, digests[step.name], found)
    return list(found.values())


def plan_lines(planned: Sequence[PlannedStep]) -> Iterator[str]:
    """A plan in words, one line a step, and how long all of it takes."""
    for step in planned:
        took = "" if step.seconds is None else f", took {duration(step.seconds)} last time"
        why = f" ({step.why})" if step.why else ""
        yield f"{step.name:10s} {step.what}{why}{took if step.is_made else ''}"
    made = [step for step in planned if step.is_made]
    if not made:
        if all(step.what == "there already" for step in planned):
            yield "Nothing to do: every product is there and its inputs have not changed."
        return
    known = [step.seconds for step in made if step.seconds is not None]
    if not known:
        yield "How long it takes is not known: none of these steps was made here before."
    elif len(known) < len(made):
        yield f"About {duration(sum(known))} for the steps that were made here before."
    else:
        yield f"About {duration(sum(known))} in all, if it takes as long as last time."
    if known and any(step.is_changed for step in made):
        yield "That was with other settings or inputs: more replicates and folds take longer."


def _planned(
    step: Step, context: Context, now: Digests, earlier: dict[str, PlannedStep]
) -> PlannedStep:
    record = context.provenance.steps.get(step.name)
    if record is None:
        return PlannedStep(step.name, "to be made", "", None)
    seconds = record.get("seconds")
    if context.provenance.is_finished(step.name, now.key):
        lost = lost_product(step, context.config, record)
        if lost:
            return PlannedStep(step.name, "to be made again", lost.rstrip("."), seconds)
        if not context.provenance.says(step.name, now.words):
            return PlannedStep(step.name, "words to be written", "", seconds)
        return PlannedStep(step.name, "there already", "", seconds)
    if context.provenance.is_started(step.name, now.key):
        return PlannedStep(step.name, "to be continued", "it was begun", seconds)
    if not record["finished"]:
        return PlannedStep(step.name, "to be made", "", seconds)
    changes = list(dict.fromkeys(_changes(record.get("depends"), recorded(plain(now.depends)))))
    why = _why(step, changes, earlier)
    return PlannedStep(step.name, "to be made again", why, seconds, bool(changes))


def _why(step: Step, changes: Sequence[str], earlier: dict[str, PlannedStep]) -> str:
    if changes:
        more = len(changes) - SHOWN_CHANGES
        return "; ".join(changes[:SHOWN_CHANGES]) + (f"; {more} more" if more > 0 else "")
    before = [name for name in step.after if earlier[name].is_made]
    if before:
        return f"after {', '.join(before)}"
    return f"made by another version of icemap than {__version__}, or with other settings"


def _changes(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """What differs between the settings and digests of inputs of two products."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            values = (old.get(name), new.get(name))
            # A setting that is not there has its default; an input is taken up or left out.
            if (name in old and name in new) or all(map(_is_setting, values)):
                yield from _changes(*values, str(name))
            else:
                yield f"{name} is {'new' if name in new else 'left out'}"
    elif not key and _are_names(old) and _are_names(new) and set(old) != set(new):
        yield from (f"{name} is left out" for name in old if name not in new)
        yield from (f"{name} is new" for name in new if name not in old)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new):
            yield from _changes(one, other, key)
    elif _is_digest(old) or _is_digest(new):
        yield f"the content of an input{f' of {key}' if key else ''} has changed"
    elif _is_short(old) and _is_short(new):
        yield f"{key or 'a setting'}: {_text(old)}, now {_text(new)}"
    else:
        yield f"{key or 'a setting'} has changed"


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(name, str) and not _is_digest(name) for name in value
    )


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == DIGEST_LENGTH and value.isalnum()


def _is_short(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, list) and len(str(value)) <= DIGEST_LENGTH)
    )


def _is_setting(value: Any) -> bool:
    return _is_short(value) and not _is_digest(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else str(value)
