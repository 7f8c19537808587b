"""Dask clusters: the only place that starts or joins one."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from icemap.errors import IcemapError, first_line
from icemap.running.dask_executor import (
    PATIENCE_SECONDS,
    RETRIES,
    DaskExecutor,
    require_same_versions,
)
from icemap.running.operator import dask_cluster
from icemap.running.run import Executor, SerialExecutor

# One thread per task: BLAS and OpenMP threads below Dask's own would only fight over the cores.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "GDAL_NUM_THREADS",
    ),
    "1",
)
# Dask looks at what a worker is doing a hundred times a second, whether its loop turns fifty times,
# and at its memory ten times: 4 % of the time of two workers.
RARELY_LOOKED_AT = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.memory.monitor-interval": "500ms",
}
JOIN_SECONDS = 15.0
TRY_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# How a worker ends that would have to start the command which starts it.
UNGUARDED = 77
DASHBOARD = "distributed.dashboard.link"
CERTIFICATES = {
    "distributed.comm.tls.ca-file": "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "distributed.comm.tls.client.cert": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "distributed.comm.tls.client.key": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
}

Log = Callable[[str], None]


@contextmanager
def open_cluster(where: str, workers: int, log: Log) -> Iterator[Executor]:
    """Start a cluster, or join one by its address.

    Credentials and certificates come from Dask's own configuration
    (``DASK_DISTRIBUTED__COMM__TLS__...``, ``DASK_GATEWAY__...``).

    Parameters
    ----------
    where : str
        ``serial``, this process alone, without Dask; ``local``; ``kubernetes``, a DaskCluster of
        the Dask operator; ``gateway``, a cluster of a Dask Gateway; or the address of a running
        scheduler such as ``tcp://10.0.0.1:8786`` or ``tls://10.0.0.1:8786``.
    workers : int
        Processes to start for ``local``, the most that ``kubernetes`` and ``gateway`` may scale to.
        A cluster that is joined has its own.
    log : callable
        Gets the line with the dashboard's address, and what is waited for.

    Raises
    ------
    IcemapError
        If the cluster cannot be started or joined, or has other versions than this process.
    """
    if where == "serial":
        with _serial() as serial:
            yield serial
        return
    starts = {"local": _local, "kubernetes": _kubernetes, "gateway": _gateway}
    if where not in starts and not where.startswith(("tcp://", "tls://")):
        raise IcemapError(
            f"'{where}' is not a cluster: give serial, local, kubernetes, gateway, or the address"
            " of a scheduler such as tcp://host:8786."
        )
    start = starts.get(where) or _joined
    with start(where, workers, log) as executor:
        require_same_versions(executor.client)
        yield executor


@contextmanager
def _serial() -> Iterator[SerialExecutor]:
    from threadpoolctl import threadpool_limits

    # As on a worker: results do not depend on how many cores this machine has.
    with threadpool_limits(1):
        yield SerialExecutor()


@contextmanager
def _local(where: str, workers: int, log: Log) -> Iterator[DaskExecutor]:
    import dask
    from distributed import Client, LocalCluster

    os.environ.update(ONE_THREAD)
    with dask.config.set(
        {
            "distributed.scheduler.allowed-failures": RETRIES,
            # Dask would have every freed array given back to the system, to be fetched from there
            # again: a fourth of the time of making a cube.
            "distributed.nanny.pre-spawn-environ": ONE_THREAD,
            # Dask's scheduler keeps its last messages, a thousand a worker, and with them all that
            # the tasks brought: 0.8 MB for each replicate.
            "distributed.admin.low-level-log-length": 10,
            # The scheduler is in this process: a busy machine is slow to connect, and never gone.
            "distributed.comm.timeouts.connect": "120s",
            **RARELY_LOOKED_AT,
            **_dashboard_behind_a_hub("proxy/{port}/status"),
        }
    ):
        try:
            local = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            )
        except RuntimeError as error:
            raise _why_none_started(error) from error
        with local as cluster, Client(cluster) as client:
            log(f"Dask: {workers} workers on this machine, dashboard at {client.dashboard_link}")
            yield DaskExecutor(client, log=log, here=True)


class UnguardedScriptError(IcemapError):
    """A script that each worker, which imports it, would start again."""


def end_if_a_worker_imports_this() -> None:
    """End a worker that imports the script which started it, and is told by it to start workers."""
    if _is_importing():
        # Not an exception: each worker would print where it came from.
        os._exit(UNGUARDED)


def _is_importing() -> bool:
    """What multiprocessing looks at when it refuses to start a process."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def _why_none_started(error: RuntimeError) -> IcemapError:
    probe = multiprocessing.get_context("spawn").Process(target=int)
    probe.start()
    probe.join()
    if probe.exitcode != UNGUARDED:
        return IcemapError(f"No worker can be started on this machine: {first_line(error)}.")
    script = getattr(sys.modules["__main__"], "__file__", "This script")
    return UnguardedScriptError(
        f"{script} calls icemap.run where every worker, which imports the script, would call it"
        ' again: put the call below the line if __name__ == "__main__":'
    )


@contextmanager
def _joined(where: str, workers: int, log: Log) -> Iterator[DaskExecutor]:
    # A job of the operator starts together with the scheduler that this variable names.
    patience = (
        PATIENCE_SECONDS if where == os.environ.get("DASK_SCHEDULER_ADDRESS") else JOIN_SECONDS
    )
    with _client(where, patience) as client:
        log(f"Dask: joined {where}, dashboard at {client.dashboard_link}")
        yield DaskExecutor(client, log=log)


@contextmanager
def _kubernetes(where: str, workers: int, log: Log) -> Iterator[DaskExecutor]:
    with dask_cluster(log) as (address, adapt):
        log(
            f"Dask: waiting for its scheduler at {address}, at most {PATIENCE_SECONDS / 60:.2g}"
            " minutes"
        )
        with _client(address, PATIENCE_SECONDS) as client:
            adapt(workers)
            log(f"Dask: 1 to {workers} workers on Kubernetes, dashboard at {client.dashboard_link}")
            yield DaskExecutor(client, workers, log)


@contextmanager
def _gateway(where: str, workers: int, log: Log) -> Iterator[DaskExecutor]:
    try:
        from dask_gateway import Gateway
    except ModuleNotFoundError as error:
        raise IcemapError(
            "'--cluster gateway' needs the package dask-gateway: pip install 'icemap[cluster]'."
        ) from error
    from distributed.utils import LoopRunner

    # Never stopped: dask-gateway closes once more when it is collected, and complains where its
    # loop has ended.
    runner = LoopRunner()
    runner.start()
    try:
        gateway = Gateway(loop=runner.loop)
    except (ValueError, TypeError) as error:
        raise IcemapError(
            "'--cluster gateway' needs the gateway's address: set DASK_GATEWAY__ADDRESS"
            f" ({first_line(error)})."
        ) from error
    with gateway:
        try:
            cluster = gateway.new_cluster()
        except Exception as error:
            raise IcemapError(
                f"The Dask Gateway at {gateway.address} starts no cluster: {first_line(error)}."
            ) from error
        with cluster, cluster.get_client() as client:
            cluster.adapt(minimum=1, maximum=workers)
            log(
                f"Dask: 1 to {workers} workers of the gateway {gateway.address}, dashboard at"
                f" {cluster.dashboard_link}"
            )
            yield DaskExecutor(client, workers, log)


@contextmanager
def _client(address: str, patience: float) -> Iterator[Any]:
    """A client of the scheduler at an address; TLS and timeouts come from Dask's own
    configuration.
    """
    import dask
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    _require_certificates(address)
    # What goes wrong is said in one sentence; Dask would print tracebacks in addition. Behind some
    # proxies a colon in a path does not arrive, so the host is left out where it can be.
    place = (
        "proxy/{port}/status"
        if address.split("://")[1].rsplit(":", 1)[0] in LOOPBACK
        else "proxy/{host}:{port}/status"
    )
    with dask.config.set(_dashboard_behind_a_hub(place)), silence_logging_cmgr(logging.CRITICAL):
        try:
            _require_scheduler(address, patience)
            client = Client(address, timeout=JOIN_SECONDS)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise IcemapError(_why_not_joined(address)) from error
        with client:
            yield client


def _require_scheduler(address: str, patience: float) -> None:
    """Ask who answers, for so many seconds: a client waits for ever on a server of another kind,
    such as the dashboard's.
    """
    from distributed import Security
    from distributed.core import rpc
    from distributed.utils import LoopRunner

    async def ask(seconds: float) -> str:
        async with rpc(
            address, timeout=seconds, connection_args=Security().get_connection_args("client")
        ) as scheduler:
            return str((await scheduler.identity())["type"])

    async def ask_in_time() -> str:
        end = time.monotonic() + patience
        while True:
            # Short tries, because Dask's own pauses between tries grow to minutes.
            seconds = min(TRY_SECONDS, max(0.1, end - time.monotonic()))
            try:
                return await asyncio.wait_for(ask(seconds), seconds)
            except (OSError, TimeoutError):
                if time.monotonic() > end:
                    raise

    if LoopRunner().run_sync(ask_in_time) != "Scheduler":
        raise ValueError(f"{address} is not a scheduler")


def _require_certificates(address: str) -> None:
    import dask
    from distributed import Security

    if not address.startswith("tls://"):
        return
    missing = [
        variable for setting, variable in CERTIFICATES.items() if not dask.config.get(setting, None)
    ]
    if missing:
        raise IcemapError(
            f"{address} needs certificates: set {', '.join(missing)} to their files, or give them"
            " in a configuration file of Dask."
        )
    try:
        Security().get_connection_args("client")
    except OSError as error:
        raise IcemapError(
            f"A certificate for {address} cannot be used ({first_line(error)}): check the files"
            " that DASK_DISTRIBUTED__COMM__TLS__... name."
        ) from error


def _why_not_joined(address: str) -> str:
    try:
        parts = urlsplit(address)
        socket.create_connection((parts.hostname or "", parts.port or 8786), timeout=5).close()
    except (OSError, ValueError):
        return f"No Dask scheduler answers at {address}: check the address and that it runs."
    if address.startswith("tls://"):
        return (
            f"What runs at {address} refuses this TLS connection: check that it is a Dask scheduler"
            " with TLS and that one CA signed both certificates."
        )
    return (
        f"What runs at {address} refuses this connection: one that requires TLS is joined by"
        " tls://; otherwise check that it is a Dask scheduler."
    )


def _dashboard_behind_a_hub(path: str) -> dict[str, str]:
    """Dask's setting for the link, where JupyterHub's proxy is the only way to the dashboard and
    nobody has set it.
    """
    import dask

    untouched = dask.config.get(DASHBOARD) == "{scheme}://{host}:{port}/status"
    return (
        {DASHBOARD: "{JUPYTERHUB_SERVICE_PREFIX}" + path}
        if untouched and os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        else {}
    )
