"""Zarr groups in a folder or a bucket as they are stored: opened, written and read by whole chunks,
and what is said of one that is damaged.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from icemap.address_problems import require_address
from icemap.errors import IcemapError, first_line
from icemap.grid import Chunk
from icemap.shards import write_whole_shards
from icemap.storage_problems import problem_of
from icemap.store import filesystem_options, is_remote, local_path, storage_errors

if TYPE_CHECKING:
    import zarr
    from zarr.codecs import ZstdCodec


def zarr_store(url: str, *, read_only: bool = False, **storage_options: Any) -> Any:
    """The Zarr store at a URL, for ``xarray.open_zarr`` and the like."""
    import zarr

    require_address(url)
    if not is_remote(url):
        return zarr.storage.LocalStore(local_path(url), read_only=read_only)
    return zarr.storage.FsspecStore.from_url(
        url, storage_options=filesystem_options(url, **storage_options), read_only=read_only
    )


def zarr_group(url: str, mode: Literal["r", "r+", "a"], **storage_options: Any) -> zarr.Group:
    """The Zarr group at a URL; what it holds is read with it, in one request, where its metadata is
    consolidated.
    """
    import zarr

    # Without a format, Zarr asks for the three files of the second as well.
    return zarr.open_group(
        zarr_store(url, read_only=mode == "r", **storage_options), mode=mode, zarr_format=3
    )


def open_stored(url: str | PathLike[str], what: str, **storage_options: Any) -> zarr.Group:
    """The group as it is stored, for those who read so little that xarray would take longer.

    Raises
    ------
    IcemapError
        If nothing is there.
    """
    url = fspath(url)
    with storage_errors(url, "open"):
        try:
            return zarr_group(url, "r", **storage_options)
        except FileNotFoundError as error:
            whole = not url.endswith(".zarr") and what in ("map", "cube")
            of_a_run = f" (that of a run is RUN/{what}.zarr)" if whole else ""
            raise IcemapError(
                f"There is no {what} at {url}: check the address{of_a_run}, or make it first."
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            # A wrong region or endpoint is a ValueError, too.
            if problem_of(error) is not None:
                raise
            raise IcemapError(
                f"The metadata of the {what} at {url} is damaged: delete it and make it again, or"
                " restore it from where it came."
            ) from error


def compressors() -> tuple[ZstdCodec, ...]:
    """Zstandard with its checksum, which every reader of the format checks: a flipped bit is an
    error and not a value.
    """
    from zarr.codecs import ZstdCodec

    return (ZstdCodec(checksum=True),)


def consolidate(url: str) -> None:
    """Note in a group's own metadata what is in it, for readers over the web, which cannot list;
    to be done again when something is added.
    """
    import zarr

    with storage_errors(url, "write"), warnings.catch_warnings():
        # All readers take it from there, before the specification has it.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(zarr_store(url), zarr_format=3)


def is_consolidated(url: str) -> bool:
    """Whether a group notes in its own metadata what is in it."""
    with storage_errors(url, "read"):
        return zarr_group(url, "r").metadata.consolidated_metadata is not None


def write_chunk(url: str, chunk: Chunk, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write whole chunks; each array has the chunk's shape.

    Parameters
    ----------
    url : str
        Of the Zarr group.
    chunk : Chunk
    arrays : mapping of str to ndarray of shape (rows, columns)
        As stored, by the name of the variable.
    """
    import zarr

    with storage_errors(url, "write"):
        group = zarr_group(url, "r+")
        for name, values in arrays.items():
            target = group[name]
            assert isinstance(target, zarr.Array)
            unit = target.shards or target.chunks
            for part, size, cells in zip((chunk.rows, chunk.cols), target.shape, unit):
                # Two tasks that share a stored object would silently lose one another's cells.
                if part.start % cells or (part.stop % cells and part.stop != size):
                    raise ValueError(
                        f"chunk {chunk.key} does not own whole stored chunks of {url}/{name}"
                    )
            values = values.astype(target.dtype, copy=False)
            if target.shards is None:
                target[chunk.rows, chunk.cols] = values
            else:
                write_whole_shards(target, (chunk.rows.start, chunk.cols.start), values)


def read_chunk(url: str, chunk: Chunk, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read one chunk of some variables as stored (nodata not decoded).

    Parameters
    ----------
    url : str
        Of the Zarr group.
    chunk : Chunk
    names : sequence of str
        Of the variables.

    Raises
    ------
    DamagedChunkError
        If what is stored cannot be decoded, naming the chunk and the variable.
    """
    with storage_errors(url, "read"):
        group = zarr_group(url, "r")
        return {name: _read(group, name, chunk, url) for name in names}


def _read(group: zarr.Group, name: str, chunk: Chunk, url: str) -> NDArray[Any]:
    with damage_errors(f"Chunk {chunk.key} of '{name}' in {url}", url):
        return np.asarray(group[name][..., chunk.rows, chunk.cols])  # type: ignore[index]


def remove_chunk(url: str, chunk: Chunk, names: Sequence[str]) -> None:
    """Delete what is stored of a chunk: Zarr reads a shard before it writes it, which fails where
    the old one is damaged.

    Parameters
    ----------
    url : str
        Of the Zarr group.
    chunk : Chunk
    names : sequence of str
        Of the variables.
    """
    from zarr.core.sync import sync

    with storage_errors(url, "delete"):
        group = zarr_group(url, "r+")
        for name in names:
            array = group[name]
            rows, cols = (array.shards or array.chunks)[-2:]  # type: ignore[union-attr]
            index = (*(0,) * (array.ndim - 2), chunk.rows.start // rows, chunk.cols.start // cols)  # type: ignore[union-attr]
            sync((array.store_path / array.metadata.encode_chunk_key(index)).delete())  # type: ignore[union-attr]


class DamagedChunkError(IcemapError):
    """A stored chunk that cannot be decoded: truncated, or changed since it was written."""


@contextmanager
def damage_errors(what: str, url: str) -> Iterator[None]:
    """Turn what codecs say of stored bytes into one sentence that begins with ``what`` and says how
    to mend the group at the URL.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if problem_of(error) is not None:
            raise
        raise DamagedChunkError(f"{what} is damaged ({first_line(error)}): {mend(url)}") from error


def mend(url: str) -> str:
    """What to do about a group of a run that is damaged, the end of a sentence."""
    run = url.rstrip("/").rpartition("/")[0]
    return f"'icemap check {run}' finds all that is, and has 'icemap run' make it again."
