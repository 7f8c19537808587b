"""``icemap check``: is every stored object of a run there and whole?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from icemap.errors import IcemapError
from icemap.store import RECORD, exists, first_line, join, remove_file

if TYPE_CHECKING:
    from icemap.grid import Chunk
    from icemap.provenance import Provenance

# Of classes, flags and the codes of the replicates.
MISSING_CODE = 255
# A step whose chunks are checked, and the steps that may have read them since.
AFTER = {"cube": (), "map": ("storage", "publish", "report")}


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
        None for a file.
    """

    step: str
    text: str
    url: str = ""
    chunk: Chunk | None = None


def check_run(run_url: str, say: Callable[[str], None]) -> list[Damage]:
    """Read every chunk of cube, map and replicate fields, look at every file, and have what is damaged made again.

    The records of damaged chunks are taken out of the ledger, and the steps concerned are not finished any
    more: ``icemap run`` makes those chunks again and no others.

    Parameters
    ----------
    run_url : str
        A run folder or bucket prefix.
    say : callable
        Gets one line for each damage.

    Raises
    ------
    IcemapError
        If there is no run.
    """
    from icemap.provenance import Provenance

    if not exists(join(run_url, RECORD)):
        raise IcemapError(f"There is no run at {run_url}: give the folder that the config names as 'run'.")
    provenance = Provenance(run_url)
    found: list[Damage] = []
    for damage in [*_damaged_chunks(run_url), *_damaged_files(run_url, provenance)]:
        say(damage.text)
        found.append(damage)
    _reopen(found, run_url, provenance)
    return found


def _reopen(found: Sequence[Damage], run_url: str, provenance: Provenance) -> None:
    from icemap.gridded import remove_chunk

    parts = {(damage.step, damage.chunk.key): damage.chunk for damage in found if damage.chunk is not None}
    for damage in found:
        if damage.chunk is not None:
            remove_chunk(damage.url, damage.chunk, _rasters(damage.url))
    for step, key in parts:
        if exists(record := join(run_url, "ledger", step, f"{key}.json")):
            remove_file(record)
    for step in dict.fromkeys(damage.step for damage in found):
        if any(step == one for one, _ in parts):
            provenance.reopen(step)
            # They may have been made from what is damaged.
            for later in AFTER[step]:
                provenance.forget(later)
        else:
            provenance.forget(step)


def _damaged_chunks(run_url: str) -> Iterator[Damage]:
    from tqdm import tqdm

    from icemap.config import recorded_config
    from icemap.mapping.ledger import Ledger
    from icemap.mapping.replicate_fields import replicates_url

    # They differ where the map is to be made again with other settings.
    cube, mapped = (recorded_config(join(run_url, RECORD), step) for step in ("cube", "map"))
    groups = [("cube", cube.cube_url, cube), ("map", mapped.map_url, mapped)]
    if mapped.map.replicate_fields:
        groups.append(("map", replicates_url(mapped.map_url), mapped))
    for step, url, config in groups:
        chunks = list(config.grid.grid.chunks(config.grid.chunk))
        records = Ledger(join(config.run, "ledger", step)).records()
        done = [chunk for chunk in chunks if chunk.key in records]
        if not done:
            continue
        try:
            names = _rasters(url)
        except (OSError, KeyError, ValueError) as error:
            yield Damage(step, f"{url} has no readable description of itself ({first_line(error)}).")
            continue
        # A mask of the cube may have no value in a cell that is mapped.
        counted = {*config.predictors, "valid", "fraction"} if step == "cube" else None
        for chunk in tqdm(done, desc=f"check {url.rpartition('/')[2]}", unit=" chunks", dynamic_ncols=True):
            if text := _damage(url, chunk, names, int(records[chunk.key]["valid"]), counted):
                yield Damage(step, text, url, chunk)


def _rasters(url: str) -> list[str]:
    """Names of the variables with cells in a group."""
    from icemap.store import zarr_group

    return sorted(name for name, array in zarr_group(url, "r").arrays() if array.ndim >= 2)


def _damage(url: str, chunk: Chunk, names: Sequence[str], valid: int, counted: Collection[str] | None) -> str:
    """What is wrong with one chunk of the named variables of a group; empty if nothing is.

    Parameters
    ----------
    valid : int
        Cells that are mapped in the chunk.
    counted : collection of str or None
        Variables that have a value in each of them, and of the cube perhaps in others, too; None for all variables, which then have no others.
    """
    from icemap.gridded import DamagedChunkError, read_chunk

    try:
        mapped = None if counted is None else read_chunk(url, chunk, ["valid"])["valid"] == 1
        for name in names:
            values = read_chunk(url, chunk, [name])[name]
            there = np.isfinite(values) if values.dtype.kind == "f" else values != MISSING_CODE
            found = int(there.sum() if mapped is None else (there & mapped).sum())
            expected = valid * (len(values) if values.ndim == 3 else 1)
            if found != expected and (counted is None or name in counted):
                return f"Chunk {chunk.key} of '{name}' in {url} has {found:,} values and had {expected:,}."
    except DamagedChunkError as error:
        return str(error)
    return ""


def _damaged_files(run_url: str, provenance: Provenance) -> Iterator[Damage]:
    from icemap.chain import STEPS
    from icemap.config import recorded_config
    from icemap.steps import lost_product

    for step in STEPS:
        record = provenance.steps.get(step.name, {})
        if not record.get("finished"):
            continue
        config = recorded_config(join(run_url, RECORD), step.name)
        if text := lost_product(step, config, record):
            yield Damage(step.name, text)
