"""What a worker says about itself."""

from __future__ import annotations


def worker_memory() -> int | None:
    """Bytes that the Dask worker running this may use; None outside of one, or without a limit."""
    from distributed import get_worker

    try:
        limit = get_worker().memory_manager.memory_limit
    except ValueError:
        return None
    return int(limit) if limit else None
