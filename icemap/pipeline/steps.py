"""What a step is, what its product depends on, and what the steps of one command share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from icemap import __version__
from icemap.addresses import shown
from icemap.companions import companions
from icemap.config import Config
from icemap.json_records import CHUNK_RECORDS
from icemap.own_folder import require_own_folder
from icemap.provenance import Provenance, digest, product_digest, versions
from icemap.run_folder import LEDGER
from icemap.store import (
    exists,
    file_size,
    is_remote,
    join,
    list_names,
    remove,
    replace_folder,
    require_no_link,
)

if TYPE_CHECKING:
    from icemap.running.ledger import Ledger
    from icemap.running.run import Executor, Job, OneItem, Record
    from icemap.source import Source

Log = Callable[[str], None]

# What a step notes in the record of the run, JSON-able.
Facts = Mapping[str, object]


@dataclass
class Context:
    """What the steps of one command share: the config, its sources, the record of the run and a
    cluster that starts when first needed.

    ``wanted`` are the names of the steps that the command makes.
    """

    config: Config
    cluster: str
    workers: int
    log: Log
    wanted: Sequence[str] = ()
    _stack: ExitStack = field(default_factory=ExitStack)
    _processors: set[str] = field(default_factory=set)
    # The step at work, and the keys of all steps with this config.
    making: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    _described: bool = False

    def __post_init__(self) -> None:
        log = self.log
        self.log = lambda line: log(shown(line))

    @cached_property
    def provenance(self) -> Provenance:
        return Provenance(self.config.run)

    @cached_property
    def sources(self) -> dict[str, Source]:
        from icemap.catalog import load_sources

        masks = [
            mask.source for mask in self.config.masks if mask.source not in self.config.predictors
        ]
        found = load_sources(self.config.catalog, [*self.config.predictors, *dict.fromkeys(masks)])
        require_no_source_in_run(self.config.run, found.values())
        return found

    @cached_property
    def executor(self) -> Executor:
        from icemap.running.cluster import open_cluster

        return self._stack.enter_context(open_cluster(self.cluster, self.workers, self.log))

    def ledger(self, name: str) -> Ledger:
        from icemap.running.ledger import Ledger

        url = self.config.folder.ledger(name)
        own = name.partition("/")[0] == self.making
        return Ledger(self._aside(url) if own else url, CHUNK_RECORDS.get(name))

    def place(self, url: str) -> str:
        """Where the step that is being made writes one of its folders.

        While an earlier one is there, this is aside from it, until `settle`.
        """
        require_no_link(url)
        return self._aside(url)

    def _aside(self, url: str) -> str:
        if not self.provenance.is_next(self.making):
            return url
        return join(self.config.folder.next(self.making), self.config.folder.name_of(url))

    def settle(self) -> None:
        """Put what the step has made in the place of what was there, which goes only now."""
        step = self.making
        if not self.provenance.is_next(step):
            return
        self.provenance.replace(step)
        made = self.config.folder.next(step)
        for name in list_names(made):
            name = join(name, step) if name == LEDGER else name
            # A ledger may be in its place already, where an earlier try was cut short.
            if exists(join(made, name)):
                replace_folder(join(made, name), join(self.config.run, name))
        self.describe()
        self.provenance.replaced(step)
        remove(made)

    def run_job(self, job: Job[OneItem, Record], name: str) -> Sequence[Record]:
        from icemap.running.run import SerialExecutor, run_job

        ledger = self.ledger(name)
        # No cluster is started to read what is there.
        done = ledger.keys().issuperset(item.key for item in job.items)
        records = run_job(job, ledger, SerialExecutor() if done else self.executor)
        self._processors |= {
            str(record["processor"]) for record in records if "processor" in record
        }
        return records

    def finish(self, step: Step, facts: Facts, words: str) -> None:
        """Put a step's end into the record, with the digest of its words, the processors that
        worked on it and the sizes of its files.

        Parameters
        ----------
        step : Step
        facts : mapping
            What the step notes about its product, JSON-able.
        words : str
            Digest of what the product says in words.
        """
        processors, self._processors = sorted(self._processors), set()
        if len(processors) > 1:
            self.log(
                f"  the workers had {len(processors)} kinds of processors: {', '.join(processors)}"
            )
        there = {
            self.config.folder.name_of(url): url
            for url in step.products(self.config)
            if exists(url)
        }
        sizes = {name: size for name, url in there.items() if (size := file_size(url)) is not None}
        digests = {name: found for name, url in there.items() if (found := product_digest(url))}
        parts = len(self.ledger(step.name).keys())
        self.provenance.finish(
            step.name,
            **facts,
            words=words,
            sizes=sizes,
            digests=digests,
            parts=parts,
            **({"processors": processors} if processors else {}),
        )

    def describe(self) -> None:
        """Put into the record what the run can be made again from: its settings and sources."""
        if self._described:
            return
        self._described = True
        before, now = self.provenance.content.get("versions", {}), versions()
        changed = [
            f"{name} {before[name]}, now {now[name]}"
            for name in now
            if before.get(name, now[name]) != now[name]
        ]
        if changed:
            self.log(
                f"the record names other versions ({'; '.join(changed)}): what is made now may"
                " differ from what was made then"
            )
        sources = {
            name: source.model_dump(mode="json", exclude_defaults=True)
            for name, source in self.sources.items()
        }
        self.provenance.describe(
            self.keys, config=self.config.model_dump(mode="json"), sources=sources
        )

    def close(self) -> None:
        self._stack.close()


def nothing(context: Context) -> None:
    return None


@dataclass(frozen=True)
class Step:
    """One command of the chain.

    Attributes
    ----------
    depends : callable
        What the product's numbers depend on beyond the earlier steps, JSON-able.
    make : callable
        Makes the product, going on from what its ledger has, and returns facts for the record.
        Where the ledger has everything, it writes the words of the config and its catalogue into
        what is there.
    products : callable
        URLs that must be there for the step to count as done.
    ahead : callable, optional
        Makes what can be made before the earlier steps are done; gets the sentence that says what
        is not.
    words : callable
        What stands in the product and changes none of its numbers, JSON-able.
    alone : callable
        What numbers depend on that no later step reads, JSON-able.
    """

    name: str
    after: tuple[str, ...]
    depends: Callable[[Context], Any]
    make: Callable[[Context], Facts]
    products: Callable[[Config], list[str]]
    ahead: Callable[[Context, str], None] | None = None
    words: Callable[[Context], Any] = nothing
    alone: Callable[[Context], Any] = nothing

    @property
    def help(self) -> str:
        """What the command says of itself: the first line on what makes its product."""
        return str(self.make.__doc__).partition("\n")[0]


@dataclass(frozen=True)
class Digests:
    """What tells whether a step has to be made again.

    Attributes
    ----------
    key : str
        Of all that its numbers depend on.
    shared : str
        Of that part of it which later steps build on.
    words : str
        Of the words in it, which change no number.
    depends : object
        The settings and digests of inputs that the key is made of.
    """

    key: str
    shared: str
    words: str
    depends: Any


def digests_of(steps: Sequence[Step], context: Context) -> dict[str, Digests]:
    """Digests of steps by name, in their order; the steps that they build on are among them.

    Raises
    ------
    IcemapError
        If an input is missing.
    """
    found: dict[str, Digests] = {}
    for step in steps:
        depends, alone = step.depends(context), step.alone(context)
        shared = digest(
            [step.name, __version__, depends, [found[before].shared for before in step.after]]
        )
        key = shared if alone is None else digest([shared, alone])
        found[step.name] = Digests(key, shared, digest(step.words(context)), depends)
    return found


def require_no_source_in_run(run_url: str, sources: Iterable[Source]) -> None:
    """Refuse a run folder with a file of a source in it.

    Raises
    ------
    IcemapError
        Naming the run folder and the file.
    """
    inputs = [(f"source '{source.name}'", url) for source in sources for url in source.files]
    for name, url in list(inputs):
        if url.endswith(".vrt") and not is_remote(url) and exists(url):
            inputs += [(name, part) for part in companions(url)]
    require_own_folder(f"The run folder {run_url}", run_url, inputs)


@contextmanager
def open_context(config: Config, cluster: str, workers: int, log: Log) -> Iterator[Context]:
    """A context whose cluster, if it was started, is closed on leaving.

    Parameters
    ----------
    config : Config
    cluster : str
        As the option ``--cluster`` names it.
    workers : int
    log : callable
        Takes lines for the user.
    """
    context = Context(config, cluster, workers, log)
    try:
        yield context
    finally:
        context.close()
