"""How a chain of steps runs: each knows what its product depends on, and is skipped where that has not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from icemap import __version__
from icemap.config import Config
from icemap.errors import IcemapError
from icemap.json_records import CHUNK_RECORDS
from icemap.provenance import Provenance, digest, versions
from icemap.store import exists, join, remove

if TYPE_CHECKING:
    from icemap.catalog import Source
    from icemap.mapping.ledger import Ledger
    from icemap.mapping.run import Executor, Job

Say = Callable[[str], None]


@dataclass
class Context:
    """What the steps of one command share: the config, its sources, the record of the run and a cluster that starts when first needed."""

    config: Config
    cluster: str
    workers: int
    say: Say
    _stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def provenance(self) -> Provenance:
        return Provenance(self.config.run)

    @cached_property
    def sources(self) -> dict[str, Source]:
        from icemap.catalog import load_sources

        masks = [mask.source for mask in self.config.masks if mask.source not in self.config.predictors]
        return load_sources(self.config.catalog, [*self.config.predictors, *dict.fromkeys(masks)])

    @cached_property
    def executor(self) -> Executor:
        from icemap.mapping.cluster import open_cluster

        return self._stack.enter_context(open_cluster(self.cluster, self.workers, self.say))

    def ledger(self, name: str) -> Ledger:
        from icemap.mapping.ledger import Ledger

        return Ledger(join(self.config.run, "ledger", name), CHUNK_RECORDS.get(name))

    def run_job(self, job: Job, name: str) -> list[dict[str, Any]]:
        from icemap.mapping.run import run_job

        return run_job(job, self.ledger(name), self.executor)

    def describe(self) -> None:
        """Put into the record what the run can be made again from: its settings and sources."""
        before, now = self.provenance.content.get("versions", {}), versions()
        changed = [f"{name} {before[name]}, now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
        if changed:
            self.say(f"the record names other versions ({'; '.join(changed)}): what is made now may differ from what was made then")
        sources = {name: source.model_dump(mode="json", exclude_defaults=True) for name, source in self.sources.items()}
        self.provenance.describe(config=self.config.model_dump(mode="json"), sources=sources)

    def close(self) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Step:
    """One command of the chain.

    Attributes
    ----------
    depends : callable
        What the product depends on beyond the earlier steps, JSON-able.
    make : callable
        Makes the product, going on from what its ledger has, and returns facts for the record.
    products : callable
        URLs that must be there for the step to count as done.
    """

    name: str
    after: tuple[str, ...]
    depends: Callable[[Context], Any]
    make: Callable[[Context], dict[str, Any]]
    products: Callable[[Config], list[str]]


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
    if not exists(context.config.catalog):
        raise IcemapError(f"There is no catalogue {context.config.catalog}: correct the key 'catalog' in the config.")
    needed = [step for step in steps if step.name in names or any(step.name in _ancestors(steps, wanted) for wanted in names)]
    keys: dict[str, str] = {}
    depends: dict[str, Any] = {}
    # All of them first: a missing table is said at once, not after hours of work on the cube.
    for step in needed:
        depends[step.name] = step.depends(context)
        keys[step.name] = digest([step.name, __version__, depends[step.name], [keys[before] for before in step.after]])
    made = False
    for step in needed:
        finished = context.provenance.is_finished(step.name, keys[step.name])
        done = finished and all(exists(url) for url in step.products(context.config))
        if step.name not in names:
            if not done:
                raise IcemapError(f"The step '{step.name}' comes before and is not done for this config: run 'icemap {step.name}' or 'icemap run' first.")
            continue
        if done:
            context.say(f"{step.name}: there already")
            continue
        if not made:
            context.describe()
        # A finished product that has vanished is made anew; its ledger says nothing any more.
        resume = context.provenance.is_started(step.name, keys[step.name]) and not finished
        context.say(f"{step.name}: {'continuing' if resume else 'making'} {', '.join(step.products(context.config))}")
        if not resume:
            _forget(step, context)
            context.provenance.start(step.name, keys[step.name], depends[step.name])
        context.provenance.finish(step.name, **step.make(context))
        made = True
    return made


def _forget(step: Step, context: Context) -> None:
    """Remove what an earlier start left: were this one to end before its first chunk, the next would take the old chunks for its own."""
    context.ledger(step.name).clear()
    for url in step.products(context.config):
        remove(url)


def _ancestors(steps: Sequence[Step], name: str) -> set[str]:
    step = next(step for step in steps if step.name == name)
    return set(step.after).union(*(_ancestors(steps, before) for before in step.after))


@contextmanager
def open_context(config: Config, cluster: str, workers: int, say: Say) -> Iterator[Context]:
    """A context whose cluster, if it was started, is closed on leaving."""
    context = Context(config, cluster, workers, say)
    try:
        yield context
    finally:
        context.close()
