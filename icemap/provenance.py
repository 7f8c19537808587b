"""What was made from what: digests of settings and inputs, and the record that lets a second run
skip finished steps.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from icemap.addresses import recorded
from icemap.companions import companions
from icemap.errors import IcemapError
from icemap.json_records import (
    Json,
    RunRecord,
    SettingsRecord,
    StepRecord,
    check_record,
    step_facts,
)
from icemap.remote_stamps import remote_stamp
from icemap.run_folder import RunFolder
from icemap.store import (
    exists,
    file_size,
    is_remote,
    join,
    local_path,
    read_bytes,
    read_json,
    require_regular,
    storage_errors,
    write_json,
)

MAX_HASHED = 256 * 2**20
# Attributes of a map by which readers find its coarser levels.
ADDED = ("multiscales", "zarr_conventions")
PACKAGES = (
    "icemap",
    "numpy",
    "scipy",
    "pandas",
    "xarray",
    "zarr",
    "dask",
    "distributed",
    "rasterio",
    "scikit-learn",
    "lightgbm",
    "pyvinecopulib",
    "numba",
)


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, whatever the order of its keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def content_digest(url: str) -> str | None:
    """SHA-256 of a file; None of a folder and of a large file, whose format has checksums of its
    own.
    """
    size = file_size(url)
    if size is None or size > MAX_HASHED:
        return None
    return hashlib.sha256(read_bytes(url)).hexdigest()


def metadata_digest(group_url: str) -> str:
    """Digest of what a Zarr group says about itself, without the coarser levels that are added to
    it later.
    """
    text = read_bytes(join(group_url, "zarr.json"))
    try:
        content = dict(json.loads(text))
    except ValueError:
        return hashlib.sha256(text).hexdigest()
    content.pop("consolidated_metadata", None)
    own = {
        key: value
        for key, value in content.get("attributes", {}).items()
        if key not in ADDED and not key.startswith(("spatial:", "proj:"))
    }
    return digest({**content, "attributes": own})


def product_digest(url: str) -> str | None:
    """By which a product that has changed is known: of a file its content, of a Zarr group what it
    says about itself; None of others.
    """
    return metadata_digest(url) if exists(join(url, "zarr.json")) else content_digest(url)


def fingerprint(url: str) -> str:
    """What tells whether an input has changed, together with the files that are read with it.

    Of a file here its digest, of a large one or a folder the sizes and times; what a bucket or a
    web server says of a file, or of every object below a prefix.
    """
    own, others = _fingerprint(url), companions(url)
    return digest([own, *map(_fingerprint, others)]) if others else own


def _fingerprint(url: str) -> str:
    with storage_errors(url, "read"):
        if is_remote(url):
            # A signature or a token that is renewed makes no other file.
            return digest({"url": recorded(url), "stamp": remote_stamp(url)})
        path_here = local_path(url)
        if not path_here.exists():
            raise FileNotFoundError(url)
        require_regular(path_here)
        if path_here.is_file() and path_here.stat().st_size <= MAX_HASHED:
            return hashlib.sha256(path_here.read_bytes()).hexdigest()
        files = sorted(path_here.rglob("*")) if path_here.is_dir() else [path_here]
        stats = [
            (str(f.relative_to(path_here)), f.stat().st_size, f.stat().st_mtime_ns)
            for f in files
            if f.is_file()
        ]
        return digest(stats)


class Provenance:
    """The file ``provenance.json`` of a run.

    Each step has a ``key``, the digest of all that the numbers of its product depend on, and
    ``words``, that of what the product says besides. A step with the same key and ``finished`` set
    is skipped, or has its words written where they have changed; with the same key and not finished
    it is resumed; with another key its product is made again.
    """

    def __init__(self, run_url: str) -> None:
        self.url = RunFolder(run_url).record
        self.content: RunRecord = read_json(self.url) if exists(self.url) else {"steps": {}}
        check_record(self.url, self.content, RunRecord, "delete it, and the run is made again")

    def require_unchanged(self) -> None:
        """Refuse a record that is not as icemap wrote it.

        Raises
        ------
        IcemapError
            Saying what to do.
        """
        if "check" in self.content and self.content["check"] != self._check():
            raise IcemapError(
                f"{self.url} is not as icemap wrote it, so that nothing can be compared with it:"
                " restore it from a copy, or delete it and run 'icemap run' with the config, which"
                " makes the run again."
            )

    def _check(self) -> str:
        return digest(plain({key: value for key, value in self.content.items() if key != "check"}))

    def _write(self) -> None:
        self.content["check"] = self._check()
        write_json(self.url, self.content)

    @property
    def steps(self) -> dict[str, StepRecord]:
        return dict(self.content["steps"])

    def facts(self, step: str) -> Json:
        """All that is noted about a step, by name; {} of one that was never begun."""
        return step_facts(self.content, step)

    def is_finished(self, step: str, key: str) -> bool:
        record = self.steps.get(step)
        return record is not None and record["key"] == key and record["finished"] is not None

    def is_started(self, step: str, key: str) -> bool:
        return bool(key) and self.key_of(step) == key

    def says(self, step: str, words: str) -> bool:
        """True if the product of a finished step has the words with this digest in it."""
        return self.facts(step).get("words") == words

    def key_of(self, step: str) -> str:
        """The key of what a step makes, or made last; empty if it was never begun."""
        record = self.steps.get(step)
        return record.get("next", record)["key"] if record is not None else ""

    def is_next(self, step: str) -> bool:
        """True while a step makes, or puts in place, what replaces an earlier product."""
        record = self.facts(step)
        return "next" in record or "replacing" in record

    def start(self, step: str, key: str, depends: Any = None, *, keep: bool = False) -> None:
        """Note that a step begins, and the settings and digests of inputs that its key is made of.

        With ``keep`` the record of the earlier product stays until `replace`; otherwise it is
        forgotten.

        Parameters
        ----------
        step : str
            Its name.
        key : str
            Digest of all that its numbers depend on.
        depends : object, optional
            The settings and digests that the key is made of.
        keep : bool
            Whether the record of the earlier product stays until `replace`.
        """
        begun = {"key": key, "depends": plain(depends), "started": _now()}
        if keep:
            never: StepRecord = {"key": "", "started": _now(), "finished": None}
            self._set(step, {**self.steps.get(step, never), "next": begun})
        else:
            self._set(step, {**begun, "finished": None})

    def replace(self, step: str) -> None:
        """Note that the earlier product goes, and the next one takes its place."""
        record = self.steps[step]
        if "next" in record:
            self._set(step, {**record["next"], "finished": None, "replacing": True})

    def is_replacing(self, step: str) -> bool:
        return "replacing" in self.facts(step)

    def replaced(self, step: str) -> None:
        """Note that the next product is in its place."""
        self._set(step, {k: v for k, v in self.steps[step].items() if k != "replacing"})

    def drop_next(self, step: str) -> None:
        """Note that the product that is there stays."""
        self._set(step, {k: v for k, v in self.steps[step].items() if k != "next"})

    def finish(self, step: str, **facts: Any) -> None:
        """Note that a step is done, with what is worth knowing about it."""
        self._set(step, {**self.steps[step], "finished": _now(), **facts})

    def reopen(self, step: str) -> None:
        """Note that a step is not finished any more: it goes on with what its ledger lacks."""
        if step in self.steps:
            self.drop_next(step)
            self._set(step, {**self.steps[step], "finished": None})

    def forget(self, step: str) -> None:
        """Drop the record of a step, whose product is then made from the start."""
        if self.content["steps"].pop(step, None) is not None:
            self._write()

    def describe(
        self, keys: Mapping[str, str], *, config: Json, sources: Mapping[str, Json]
    ) -> None:
        """Note what holds for the whole run: its settings and sources.

        Parameters
        ----------
        keys : mapping
            The key of each step with these settings. A finished product with another one keeps
            the settings that it was made from in its own record, as ``made_from``.
        config : dict
            The settings.
        sources : mapping
            What the catalogue says of each source.
        """
        settings: SettingsRecord = recorded(plain({"config": config, "sources": sources}))
        before = _settings(self.content)
        for name, record in self.content["steps"].items():
            if record["key"] == keys.get(name):
                record.pop("made_from", None)
            elif record["finished"] and before is not None and before != settings:
                record.setdefault("made_from", before)
        self.content["config"], self.content["sources"] = settings["config"], settings["sources"]
        self.content["versions"] = versions()
        self._write()

    def _set(self, step: str, record: Mapping[str, object]) -> None:
        self.content["steps"][step] = recorded(record)
        self._write()


def _settings(record: RunRecord) -> SettingsRecord | None:
    """The settings and sources in the record of a run; None before they were noted."""
    if "config" not in record or "sources" not in record:
        return None
    return {"config": record["config"], "sources": record["sources"]}


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


@cache
def processor() -> str:
    """This machine's processor and its widest vectors, on which libraries' last digits depend."""
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    features = get_host_cpu_features()
    widest = next((name for name in ("avx512f", "avx2") if features.get(name)), "sse")
    return f"{get_host_cpu_name()} ({widest})"


def plain(value: Any) -> Any:
    """As JSON gives it back; NaN, which JSON does not have, as a word that reads as a number
    again.
    """
    return json.loads(json.dumps(value, default=str), parse_constant=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
