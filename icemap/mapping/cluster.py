"""Dask clusters: the only place that starts or joins one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from icemap.errors import IcemapError

# One thread per task: BLAS and OpenMP threads below Dask's own would only fight over the cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "GDAL_NUM_THREADS"), "1")
RETRIES = 2


class DaskExecutor:
    """Tasks on a Dask cluster, a bounded number in flight."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def map(self, function: Callable[[Any], dict[str, Any]], items: Sequence[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        from distributed import as_completed

        waiting = iter(items)
        running: dict[Any, Any] = {}
        queue = as_completed()

        def submit() -> None:
            for item in waiting:
                future = self.client.submit(function, item, key=f"{getattr(item, 'key', item)}-{id(self):x}", retries=RETRIES, pure=False)
                running[future] = item
                queue.add(future)
                return

        try:
            for _ in range(2 * max(1, sum(self.client.nthreads().values()))):
                submit()
            for future in queue:
                item = running.pop(future)
                record = _result(future, item)
                submit()
                yield item, record
        finally:
            self.client.cancel(list(running))


def _result(future: Any, item: Any) -> dict[str, Any]:
    from distributed import KilledWorker

    try:
        return dict(future.result())
    except KilledWorker as error:
        raise IcemapError(
            f"The part {item.key} ended {RETRIES + 1} workers, most likely for want of memory: give the workers more, or choose a smaller 'chunk' for the grid."
        ) from error


@contextmanager
def open_cluster(where: str, workers: int, announce: Callable[[str], None]) -> Iterator[DaskExecutor]:
    """Start a local cluster, or join one by its address.

    Parameters
    ----------
    where : str
        ``local``, or the address of a running scheduler such as ``tcp://10.0.0.1:8786``.
    workers : int
        Processes to start for ``local``.
    announce : callable
        Gets the line with the dashboard's address.
    """
    import dask
    from distributed import Client, LocalCluster

    if where == "local":
        os.environ.update(ONE_THREAD)
        with dask.config.set({"distributed.scheduler.allowed-failures": RETRIES, "distributed.comm.timeouts.connect": "30s"}):
            local = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50)
            with local as cluster, Client(cluster) as client:
                announce(f"Dask: {workers} workers on this machine, dashboard at {client.dashboard_link}")
                yield DaskExecutor(client)
        return
    if not where.startswith(("tcp://", "tls://")):
        raise IcemapError(f"'{where}' is not a cluster: give local, or the address of a scheduler such as tcp://host:8786.")
    try:
        client = Client(where, timeout=15)
    except (OSError, TimeoutError) as error:
        raise IcemapError(f"No Dask scheduler answers at {where}: check the address and that it runs.") from error
    with client:
        announce(f"Dask: joined {where}, dashboard at {client.dashboard_link}")
        yield DaskExecutor(client)
