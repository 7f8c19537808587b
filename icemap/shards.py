"""Whole shards written as they are: Zarr's own assignment reads the old shard before it replaces
all of it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import zarr


def write_whole_shards(
    array: zarr.Array[Any], first: tuple[int, ...], values: NDArray[Any]
) -> None:
    """Replace shards of an array by values, without a look at what was there.

    Parameters
    ----------
    array : zarr.Array
        Sharded.
    first : tuple of int
        Index of the first value along each axis, where a shard begins.
    values : ndarray
        They fill whole shards, but for those that the end of the array cuts.
    """
    from zarr.core.array_spec import ArrayConfig, ArraySpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    sides = array.shards
    assert sides is not None
    prototype = default_buffer_prototype()
    own = array.async_array
    spec = ArraySpec(
        shape=sides,
        dtype=own.metadata.dtype,
        fill_value=array.fill_value,
        config=ArrayConfig(order="C", write_empty_chunks=False),
        prototype=prototype,
    )

    async def write(index: tuple[int, ...], shard: NDArray[Any]) -> None:
        buffer = prototype.nd_buffer.from_numpy_array(shard)
        (encoded,) = await own.codec_pipeline.encode([(buffer, spec)])
        place = array.store_path / array.metadata.encode_chunk_key(index)
        # Nothing but nodata is not stored.
        await (place.delete() if encoded is None else place.set(encoded))

    counts = (-(-size // side) for size, side in zip(values.shape, sides, strict=True))
    for offset in itertools.product(*map(range, counts)):
        cut = tuple(slice(k * side, (k + 1) * side) for k, side in zip(offset, sides, strict=True))
        shard = values[cut].astype(array.dtype, copy=False)
        if shard.shape != sides:
            padding = [(0, side - size) for side, size in zip(sides, shard.shape, strict=True)]
            shard = np.pad(shard, padding, constant_values=array.fill_value)
        index = tuple(
            start // side + k for start, side, k in zip(first, sides, offset, strict=True)
        )
        sync(write(index, np.ascontiguousarray(shard)))
