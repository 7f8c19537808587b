"""Time of what a benchmark compares."""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np


def timed(task: Callable[[], object]) -> np.ndarray:
    """Wall and CPU seconds, children included."""

    def cpu() -> float:
        return sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    wall, used = time.perf_counter(), cpu()
    task()
    return np.array([time.perf_counter() - wall, cpu() - used])


def from_command_line(main: Callable[..., object], doc: str) -> None:
    """Run a benchmark whole, or with ``--small`` only to see that it works."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--small", action="store_true", help="a tiny run, to see that it works")
    main(parser.parse_args().small)
