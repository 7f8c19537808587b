"""Before hours of work: is everything there that a run needs, as seen from here and from a
worker?
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from icemap.catalog import load_sources, read_catalog
from icemap.config import Config, load_config
from icemap.errors import IcemapError, first_line
from icemap.pipeline.input_check import (
    compared_problems,
    few_sites_problems,
    member_problems,
    source_problems,
    table_problems,
)
from icemap.pipeline.steps import Log, open_context, require_no_source_in_run
from icemap.provenance import versions
from icemap.running.lock import absent_folders
from icemap.source import Source
from icemap.store import (
    filesystem_options,
    is_remote,
    join,
    list_names,
    local_path,
    read_bytes,
    read_start,
    remove_file,
    write_bytes,
)

PACKAGES = (
    "icemap",
    "numpy",
    "numba",
    "dask",
    "distributed",
    "zarr",
    "xarray",
    "fsspec",
    "s3fs",
    "scikit-learn",
    "lightgbm",
    "rasterio",
)
RIGHTS = {
    "list": "s3:ListBucket",
    "write": "s3:PutObject",
    "read": "s3:GetObject",
    "delete": "s3:DeleteObject",
}
# By botocore's name for the way in which it found them.
CREDENTIALS = {
    "env": "environment",
    "shared-credentials-file": "profile",
    "config-file": "profile",
    "assume-role": "role assumed through a profile",
    "assume-role-with-web-identity": "web identity",
    "sso": "single sign-on",
    "custom-process": "process named in a profile",
    "container-role": "role of the container",
    "iam-role": "role of the machine",
}
# Bytes per cell of a map and of a predictor before compression.
MAP_BYTES, PREDICTOR_BYTES = 22, 4
# Of these bytes the demo's cube and map take 0.34 on the disk; with less than this there is no
# hope.
MIN_SHARE = 0.25
CLIENT = "client"
OK, PROBLEM, SKIPPED = "ok", "PROBLEM", "not tried"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``state`` is ok, PROBLEM or not tried."""

    where: str
    what: str
    state: str
    detail: str

    @property
    def line(self) -> str:
        return f"{self.state:9s} {self.where:6s} {self.what:12s} {self.detail}"


@dataclass(frozen=True)
class Seen:
    """What was found in one place, with its versions and the bytes of memory that it may use, for
    comparison.
    """

    findings: tuple[Finding, ...]
    versions: dict[str, str]
    memory: int | None


@dataclass(frozen=True)
class Look:
    """What can be seen from one place, here or on a worker; nothing of it says a key or a password.

    The client reads some of every source, the tables and the members, as the steps will; a worker
    only sees whether it reaches the files.
    """

    config: Config
    sources: tuple[Source, ...]
    tables: tuple[str, ...]

    def __call__(self, where: str) -> Seen:
        from icemap.running.probe import worker_memory

        found = [*self._credentials(where), *self._inputs(where), *_rights(self.config.run, where)]
        return Seen(tuple(found), _versions(), worker_memory())

    def _credentials(self, where: str) -> Iterator[Finding]:
        urls = [
            self.config.run,
            *self.tables,
            *(url for source in self.sources for url in source.files),
        ]
        if any(url.startswith("s3://") for url in urls):
            yield Finding(where, "credentials", *_credentials())

    def _inputs(self, where: str) -> Iterator[Finding]:
        from icemap.predictors.stamps import file_stamps

        problems: dict[str, None] = {}
        for source in self.sources:
            try:
                file_stamps(source)
                for url in source.files[:1]:
                    read_start(url)
            except IcemapError as error:
                problems[str(error)] = None
                continue
            if where == CLIENT:
                problems |= dict.fromkeys(source_problems(self.config, source))
        reached = True
        for table in self.tables:
            try:
                read_start(table)
            except IcemapError as error:
                problems[str(error)] = None
                reached = False
        if where == CLIENT:
            problems |= dict.fromkeys(
                [
                    *(_problems_of_sites(self.config) if reached else []),
                    *member_problems(self.config),
                    *compared_problems(self.config),
                ]
            )
        yield from (Finding(where, "inputs", PROBLEM, problem) for problem in problems)
        if not problems:
            tables = "a table" if len(self.tables) == 1 else f"{len(self.tables)} tables"
            yield Finding(
                where,
                "inputs",
                OK,
                f"{len(self.sources)} sources and {tables} of sites can be read",
            )


def _problems_of_sites(config: Config) -> list[str]:
    return table_problems(config) or few_sites_problems(config)


def _rights(run: str, where: str) -> Iterator[Finding]:
    """List the run's place, and write, read and delete one byte in it."""
    folders = absent_folders(run)
    probe = join(run, f"doctor-{secrets.token_hex(8)}")
    try:
        yield _right("list", run, where, lambda: list_names(run))
        written = _right("write", run, where, lambda: write_bytes(probe, b"1"))
        yield written
        for right, call in (
            ("read", lambda: read_bytes(probe)),
            ("delete", lambda: remove_file(probe)),
        ):
            yield (
                _right(right, run, where, call)
                if written.state == OK
                else Finding(where, right, SKIPPED, "nothing could be written")
            )
    finally:
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()


def _right(right: str, run: str, where: str, call: Callable[[], Any]) -> Finding:
    try:
        call()
    except IcemapError as error:
        named = (
            f" In a policy the right is {RIGHTS[right]} on {run}."
            if run.startswith("s3://") and "permission denied" in str(error)
            else ""
        )
        return Finding(where, right, PROBLEM, f"{error}{named}")
    return Finding(where, right, OK, run)


def _credentials() -> tuple[str, str]:
    """Where the credentials come from, not what they are."""
    import botocore.exceptions
    import botocore.session

    if filesystem_options("s3://").get("anon"):
        return OK, "none: AWS_NO_SIGN_REQUEST says that the bucket is public"
    try:
        session = botocore.session.get_session()
        credentials = session.get_credentials()
    except botocore.exceptions.BotoCoreError as error:
        return PROBLEM, f"{first_line(error)}. Correct AWS_PROFILE or the file of profiles."
    if credentials is None:
        return (
            PROBLEM,
            (
                "none found. Set AWS_PROFILE, log in, or give the service account a role; a public"
                " bucket wants AWS_NO_SIGN_REQUEST=YES."
            ),
        )
    kind = CREDENTIALS.get(credentials.method, credentials.method)
    return OK, f"{kind} '{session.profile}'" if kind == "profile" and session.profile else kind


def _versions() -> dict[str, str]:
    import rasterio

    return {**versions(PACKAGES), "gdal": str(rasterio.__gdal_version__)}


def examine(config_url: str, cluster: str, workers: int, log: Log) -> list[Finding]:
    """Look at everything, from here and from a worker; a problem does not end the search for
    others.

    Parameters
    ----------
    config_url : str
        Of the config.
    cluster : str
        As the option ``--cluster`` names it.
    workers : int
    log : callable
        Takes lines of progress.
    """
    here = _versions()
    found = [
        Finding(
            "client",
            "versions",
            OK,
            ", ".join(f"{name} {version}" for name, version in here.items()),
        )
    ]
    try:
        config = load_config(config_url)
    except IcemapError as error:
        return [
            *found,
            Finding("client", "config", PROBLEM, str(error)),
            Finding("worker", "all", SKIPPED, "the config must be right first"),
        ]
    found.append(Finding("client", "config", OK, config_url))
    sources, problems = _catalogued(config)
    found += [Finding("client", "catalogue", PROBLEM, problem) for problem in problems] or [
        Finding("client", "catalogue", OK, config.catalog)
    ]
    look = Look(config, tuple(sources), _tables(config))
    found += look(CLIENT).findings
    if not is_remote(config.run):
        found.append(_disk(config))
    try:
        with open_context(config, cluster, workers, log) as context:
            ((_, there),) = list(context.executor.map(look, ["worker"]))
    except IcemapError as error:
        return [*found, Finding("worker", "cluster", PROBLEM, str(error))]
    except Exception as error:  # whatever a worker with other versions of anything may raise
        problem = (
            f"A worker cannot run icemap ({type(error).__name__}: {first_line(error)}). Give all"
            " workers the image or environment of the client."
        )
        return [*found, Finding("worker", "cluster", PROBLEM, problem)]
    return [
        *found,
        _same(here, there.versions),
        *there.findings,
        _memory(config, there.memory),
    ]


def _catalogued(config: Config) -> tuple[list[Source], list[str]]:
    names = dict.fromkeys([*config.predictors, *(mask.source for mask in config.masks)])
    found: list[Source] = []
    problems: list[str] = []
    try:
        read_catalog(config.catalog)
        for name in names:
            try:
                found += load_sources(config.catalog, [name]).values()
            except IcemapError as error:
                problems.append(str(error))
        require_no_source_in_run(config.run, found)
    except IcemapError as error:
        problems.append(str(error))
    return found, problems


def _tables(config: Config) -> tuple[str, ...]:
    if config.sites is not None:
        return (config.sites.table,)
    assert config.boreholes is not None
    bedrock = config.boreholes.bedrock
    further = (config.boreholes.permafrost_table, bedrock.table if bedrock is not None else None)
    layers = (path for layer in config.boreholes.layers for path in layer.paths)
    return (*layers, *(url for url in further if url))


def _same(here: dict[str, str], there: dict[str, str]) -> Finding:
    different = [
        f"{name} {here[name]} here and {there.get(name, 'none')} there"
        for name in here
        if there.get(name) != here[name]
    ]
    if different:
        return Finding(
            "worker",
            "versions",
            PROBLEM,
            f"{', '.join(different)}: give client and workers one image or one lock file.",
        )
    return Finding("worker", "versions", OK, "as here")


def _disk(config: Config) -> Finding:
    folder = next(
        path
        for path in (local_path(config.run).absolute(), *local_path(config.run).absolute().parents)
        if os.path.exists(path)
    )
    free, most = shutil.disk_usage(folder).free, _cells(config) * _bytes_per_cell(config)
    said = (
        f"{_size(free)} free at {folder}; cube and map take {_size(most)} before compression, about"
        " a third of it after"
    )
    return Finding("client", "disk", OK if free > most * MIN_SHARE else PROBLEM, said)


def _cells(config: Config) -> int:
    rows, cols = config.grid.grid.shape
    return rows * cols


def _bytes_per_cell(config: Config) -> int:
    replicates = config.ensemble.replicates if config.map.replicate_fields else 0
    return (
        PREDICTOR_BYTES * (len(config.predictors) + len(config.masks) + 2) + MAP_BYTES + replicates
    )


def _memory(config: Config, limit: int | None) -> Finding:
    from icemap.mapping.agreement import USABLE, WORKER_BYTES, planned_bytes
    from icemap.mapping.map_schema import map_variables

    options, variables = config.ensemble, len(map_variables(config.target))
    numbers = len(config.predictors), len(options.members), options.replicates, variables
    chunk = planned_bytes(
        config.grid.grid, config.grid.chunk, *numbers, stored=config.map.replicate_fields
    )
    need = (WORKER_BYTES + chunk) / USABLE
    said = (
        f"{_size(limit) if limit else 'no limit'}; to map a chunk takes {_size(need)} on top of the"
        " ensemble"
    )
    if limit and limit < need:
        return Finding(
            "worker",
            "memory",
            PROBLEM,
            f"{said}: give the workers more, or choose a smaller 'chunk' for the grid.",
        )
    return Finding("worker", "memory", OK, said)


def _size(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
