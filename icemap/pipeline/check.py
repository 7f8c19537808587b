"""``icemap check``: is every stored object of a run there and whole?"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError, first_line
from icemap.run_folder import RunFolder
from icemap.running.leftovers import sweep
from icemap.store import exists, file_size, join, read_bytes, remove_file

if TYPE_CHECKING:
    from icemap.config import Config
    from icemap.grid import Chunk
    from icemap.provenance import Provenance

# Of classes, flags and the codes of the replicates.
MISSING_CODE = 255
# A step whose chunks are checked, and the steps that may have read them since.
AFTER = {"cube": (), "map": ("storage", "publish", "report")}
# Steps that may have read a file of a step since; they cost little.
READERS = {"verify": ("storage", "publish", "report"), "storage": ("publish", "report")}


@dataclass(frozen=True)
class Damage:
    """One thing that is not whole.

    Attributes
    ----------
    step : str
        That made it, and makes it again.
    text : str
        What is wrong with it.
    url : str
        Of the group; empty for a file.
    chunk : Chunk, optional
        Of the group; None for a file.
    record : str
        Key of the ledger's record that is damaged, or that of the chunk.
    file : str
        Address of a file that is not as it was, and is removed.
    whole : bool
        True where the step has to be made again from its start.
    """

    step: str
    text: str
    url: str = ""
    chunk: Chunk | None = None
    record: str = ""
    file: str = ""
    whole: bool = False


def check_run(run_url: str, log: Callable[[str], None]) -> list[Damage]:
    """Read every chunk of cube, map and replicate fields, look at every file, and have what is
    damaged made again.

    The records of damaged chunks are taken out of the ledger, and the steps concerned are not
    finished any more: ``icemap run`` makes those chunks again and no others.

    Parameters
    ----------
    run_url : str
        A run folder or bucket prefix.
    log : callable
        Gets one line for each damage.

    Raises
    ------
    IcemapError
        If there is no run, or its record is damaged.
    """
    from icemap.provenance import Provenance

    if not exists(RunFolder(run_url).record):
        raise IcemapError(
            f"There is no run at {run_url}: give the folder that the config names as 'run'."
        )
    sweep(run_url)
    provenance = Provenance(run_url)
    provenance.require_unchanged()
    found: list[Damage] = []
    looks = (_damaged_records, _damaged_groups, _damaged_files)
    for damage in (one for look in looks for one in look(run_url, provenance)):
        log(damage.text)
        found.append(damage)
    _reopen(found, run_url, provenance)
    return found


def _reopen(found: Sequence[Damage], run_url: str, provenance: Provenance) -> None:
    from icemap.config import recorded_config
    from icemap.ensemble.saved import MANIFEST
    from icemap.running.ledger import Ledger
    from icemap.zarr_groups import remove_chunk

    again = {damage.step for damage in found if damage.whole}
    for damage in found:
        if damage.chunk is not None and damage.url and damage.step not in again:
            remove_chunk(damage.url, damage.chunk, _rasters(damage.url))
        if damage.file and exists(damage.file):
            # What is left of it may be read by the step that makes it again.
            remove_file(damage.file)
        if key := damage.record or (damage.chunk.key if damage.chunk is not None else ""):
            Ledger(RunFolder(run_url).ledger(damage.step)).remove(key)
    for step in dict.fromkeys(damage.step for damage in found):
        here = [damage for damage in found if damage.step == step]
        ensemble_url = recorded_config(RunFolder(run_url).record, "train").folder.ensemble
        if step == "train" and exists(manifest := join(ensemble_url, MANIFEST)):
            # With it the files of the ensemble count as whole.
            remove_file(manifest)
        if step in again:
            provenance.forget(step)
        else:
            provenance.reopen(step)
        if any(damage.whole or damage.record or damage.chunk is not None for damage in here):
            # They may have been made from what is damaged.
            for later in AFTER.get(step, ()):
                provenance.forget(later)
        for reader in READERS.get(step, ()):
            provenance.reopen(reader)


def _damaged_records(run_url: str, provenance: Provenance) -> Iterator[Damage]:
    """Records of the ledgers that are lost, or not as they were written."""
    from icemap.config import recorded_config
    from icemap.json_records import CHUNK_RECORDS
    from icemap.running.ledger import Ledger

    for step, record in provenance.steps.items():
        ledger = Ledger(RunFolder(run_url).ledger(step), CHUNK_RECORDS.get(step))
        sound, damaged = ledger.examined()
        for key, text in damaged.items():
            yield Damage(step, text, record=key)
        if not record["finished"]:
            continue
        keys = sound.keys() | damaged.keys()
        if step in CHUNK_RECORDS:
            config = recorded_config(RunFolder(run_url).record, step)
            chunks = {chunk.key for chunk in config.grid.grid.chunks(config.grid.chunk)}
            for key in sorted(chunks - keys):
                yield Damage(
                    step, f"The ledger record {ledger.url}/{key}.json is not there.", record=key
                )
        elif len(keys) < record.get("parts", 0):
            yield Damage(
                step, f"{ledger.url} has {len(keys):,} records and had {record['parts']:,}."
            )


def _damaged_groups(run_url: str, provenance: Provenance) -> Iterator[Damage]:
    from icemap.config import recorded_config
    from icemap.mapping.replicate_fields import replicates_url
    from icemap.running.bar import progress_bar
    from icemap.running.ledger import Ledger

    # They differ where the map is to be made again with other settings.
    cube, mapped = (recorded_config(RunFolder(run_url).record, step) for step in ("cube", "map"))
    groups = [("cube", cube.folder.cube, cube), ("map", mapped.folder.map, mapped)]
    if mapped.map.replicate_fields:
        groups.append(("map", replicates_url(mapped.folder.map), mapped))
    for step, url, config in groups:
        chunks = list(config.grid.grid.chunks(config.grid.chunk))
        records, _ = Ledger(RunFolder(run_url).ledger(step)).examined(numbers=False)
        done = [chunk for chunk in chunks if chunk.key in records]
        if step not in provenance.steps or not done:
            continue
        if problem := _metadata_problem(url, config):
            yield Damage(step, problem, url, whole=True)
            continue
        names = _rasters(url)
        # A mask of the cube may have no value in a cell that is mapped.
        counted = {*config.predictors, "valid", "fraction"} if step == "cube" else None
        for chunk in progress_bar(
            iterable=done, desc=f"check {url.rpartition('/')[2]}", unit=" chunks"
        ):
            if text := _damage(url, chunk, names, int(records[chunk.key]["valid"]), counted):
                yield Damage(step, text, url, chunk)


def _metadata_problem(url: str, config: Config) -> str:
    """What is wrong with what a group says about itself and its arrays, and with its coordinates;
    empty if nothing is.

    A storage that fails says nothing about what is stored, and raises.
    """
    from icemap.gridded import read_coordinates
    from icemap.zarr_groups import DamagedChunkError

    own = _described(url)
    if own is None or not isinstance(own.get("consolidated_metadata"), dict):
        return f"{url} has no readable description of itself."
    for path, content in own["consolidated_metadata"].get("metadata", {}).items():
        described = _described(join(url, path))
        # A group in the group has a list of its own.
        if described is None or {**described, "consolidated_metadata": None} != {
            **content,
            "consolidated_metadata": None,
        }:
            return f"{join(url, path)}/zarr.json is not what {url}/zarr.json says it is."
    try:
        latitudes, longitudes = read_coordinates(url)
    except DamagedChunkError as error:
        return str(error)
    except (KeyError, TypeError, ValueError) as error:
        return f"{url} has no readable description of itself ({first_line(error)})."
    grid = config.grid.grid
    same = np.array_equal(latitudes, grid.latitudes) and np.array_equal(longitudes, grid.longitudes)
    return "" if same else f"The coordinates of {url} are not those of its grid."


def _described(url: str) -> Mapping[str, Any] | None:
    """What a node says about itself; None where it says nothing that can be read."""
    if not exists(join(url, "zarr.json")):
        return None
    try:
        content = json.loads(read_bytes(join(url, "zarr.json")))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _rasters(url: str) -> list[str]:
    """Names of the variables with cells in a group."""
    from icemap.zarr_groups import zarr_group

    return sorted(name for name, array in zarr_group(url, "r").arrays() if array.ndim >= 2)


def _damage(
    url: str, chunk: Chunk, names: Sequence[str], valid: int, counted: Collection[str] | None
) -> str:
    """What is wrong with one chunk of the named variables of a group; empty if nothing is.

    Parameters
    ----------
    valid : int
        Cells that are mapped in the chunk.
    counted : collection of str or None
        Variables that have a value in each of them, and of the cube perhaps in others, too; None
        for all variables, which then have no others.
    """
    from icemap.zarr_groups import DamagedChunkError, read_chunk

    try:
        mapped = None if counted is None else read_chunk(url, chunk, ["valid"])["valid"] == 1
        for name in names:
            values = read_chunk(url, chunk, [name])[name]
            there = np.isfinite(values) if values.dtype.kind == "f" else values != MISSING_CODE
            found = int(there.sum() if mapped is None else (there & mapped).sum())
            expected = valid * (len(values) if values.ndim == 3 else 1)
            if found != expected and (counted is None or name in counted):
                return (
                    f"Chunk {chunk.key} of '{name}' in {url} has {found:,} values and had"
                    f" {expected:,}."
                )
    except DamagedChunkError as error:
        return str(error)
    return ""


def _damaged_files(run_url: str, provenance: Provenance) -> Iterator[Damage]:
    from icemap.config import recorded_config
    from icemap.pipeline.chain import STEPS
    from icemap.pipeline.lost import lost_products
    from icemap.provenance import product_digest

    for step in STEPS:
        record = provenance.steps.get(step.name)
        if record is None or not record["finished"]:
            continue
        config = recorded_config(RunFolder(run_url).record, step.name)
        lost = dict(lost_products(step, config, record))
        yield from (Damage(step.name, text, file=url) for url, text in lost.items())
        for url in step.products(config):
            if url in lost:
                continue
            before = record.get("digests", {}).get(config.folder.name_of(url))
            if before is not None and product_digest(url) != before:
                if file_size(url) is None:
                    yield Damage(
                        step.name, f"{url}/zarr.json is not as it was written.", whole=True
                    )
                else:
                    yield Damage(step.name, f"{url} is not as it was written.", file=url)
    if provenance.facts("train").get("finished"):
        ensemble_url = recorded_config(RunFolder(run_url).record, "train").folder.ensemble
        yield from (Damage("train", text) for text in _ensemble_problems(ensemble_url))


def _ensemble_problems(url: str) -> Iterator[str]:
    """Files of the ensemble that are not those of its manifest, or a compiled ensemble that cannot
    be read.
    """
    from icemap.ensemble.saved import read_manifest
    from icemap.mapping.compiled_file import compiled_problem
    from icemap.provenance import content_digest

    try:
        files = read_manifest(url)["files"]
    except (IcemapError, KeyError):
        # The manifest is one of the files of the step.
        return
    for name, sha in files.items():
        one = join(url, name)
        if not exists(one):
            yield f"{one} is not there."
        elif content_digest(one) not in (sha, None):
            yield f"{one} is not as it was written."
    if problem := compiled_problem(url):
        yield problem
