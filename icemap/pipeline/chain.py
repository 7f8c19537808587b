"""The chain from sources to report: its steps in their order, and how a command runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike, fspath

from icemap.addresses import hide_in_logs
from icemap.config import load_config
from icemap.errors import IcemapError, hide_causes
from icemap.pipeline import boreholes, cube, publish, report, storage, train, verify
from icemap.pipeline import map as map_step
from icemap.pipeline.made_run import MadeRun
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Log, open_context
from icemap.running.leftovers import sweep
from icemap.running.lock import run_lock

STEPS = tuple(
    part.STEP for part in (cube, boreholes, train, verify, map_step, storage, publish, report)
)


def run(
    config_url: str | PathLike[str],
    steps: Sequence[str] | None = None,
    cluster: str = "local",
    workers: int = 2,
    log: Log = print,
    *,
    quick: bool = False,
) -> MadeRun:
    """Make what a config describes, as far as it is not there yet: ``icemap run`` for notebooks and
    programs.

    Parameters
    ----------
    config_url : str
        A config file, on this machine or in a bucket.
    steps : sequence of str, optional
        Some of cube, boreholes, train, verify, map, storage, publish and report; all of them when
        left out.
    cluster : str
        ``serial``, ``local``, or the address of a running Dask scheduler.
    workers : int
        Processes of a local cluster.
    log : callable
        Gets each line of what is done.
    quick : bool
        True for a preview, as ``quick: true`` in the config.

    Returns
    -------
    MadeRun
        The folder of the run: its ``map``, ``samples``, ``report``, ... are addresses. Jupyter
        shows what is in it.

    Raises
    ------
    IcemapError
        One sentence: what is wrong, where, and what to do.

    Examples
    --------
    >>> try:
    ...     run("mine.yaml", ["cube"])
    ... except IcemapError as error:
    ...     print(error)
    Cannot read mine.yaml: there is no such file, folder or bucket. Check the name.
    """
    from icemap.running.cluster import UnguardedScriptError, end_if_a_worker_imports_this

    end_if_a_worker_imports_this()
    hide_in_logs()
    config_url = fspath(config_url)
    names = [step.name for step in STEPS]
    try:
        config = load_config(config_url, quick=quick)
        unknown = [name for name in steps or () if name not in names]
        if unknown:
            raise IcemapError(f"There is no step '{unknown[0]}': the steps are {', '.join(names)}.")
        command = f"icemap {' '.join(steps or ['run'])}"
        with (
            run_lock(config.run, command, log),
            open_context(config, cluster, workers, log) as context,
        ):
            sweep(config.run)
            made = run_steps(STEPS, context, names if steps is None else steps)
    except UnguardedScriptError as error:
        sys.stderr.write(f"icemap: {error}\n")
        raise SystemExit(2) from None
    except IcemapError as error:
        hide_causes(error)
        raise
    if steps is None and not made:
        log("Nothing to do: every product is there and its inputs have not changed.")
    return MadeRun(config.run)
