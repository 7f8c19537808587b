"""Fits of the Student copula and pyvinecopulib's: ``python tests/benchmarks/bench_copula.py``.

Both fit the same weighted pseudo-observations in one process, in turns. Ratios travel between
machines, seconds do not: both are printed, as CPU time of one thread, the least of several runs.
"""

import json

import numpy as np
import pyvinecopulib as pv
from timing import from_command_line, timed

from icemap.ensemble.copula_formulas import student_logpdf
from icemap.ensemble.copulas import Copula
from icemap.ensemble.student_fit import fit_student

TRUTHS = {
    "student": Copula("student", [0.7, 4.0]),
    "gaussian": Copula("gaussian", [0.6]),
    "gumbel": Copula("gumbel", [2.0]),
    "frank": Copula("frank", [4.0]),
}


def by_pyvinecopulib(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    bicop = pv.Bicop(pv.BicopFamily.student, 0)
    bicop.fit(np.column_stack([u, v]), pv.FitControlsBicop(num_threads=1, weights=w))
    return np.ravel(bicop.parameters)


def side_by_side(truth: Copula, rows: int, runs: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    v, p = rng.random(rows), rng.random(rows)
    u, w = truth.h_inverse(p, v), rng.uniform(0.3, 3, rows)
    fit_student(u, v, w)  # what is made once
    fits = [lambda: by_pyvinecopulib(u, v, w), lambda: fit_student(u, v, w)]
    theirs, ours = np.min([[timed(fit)[1] for fit in fits] for _ in range(runs)], axis=0)
    parameters = [fit() for fit in fits]
    of_theirs, of_ours = (float(w @ student_logpdf(u, v, *found)) for found in parameters)
    return {
        "milliseconds_pyvinecopulib": 1e3 * theirs,
        "milliseconds": 1e3 * ours,
        "ratio": theirs / ours,
        "log_likelihood_gained": of_ours - of_theirs,
    }


def main(small: bool = False) -> dict[str, dict[str, float]]:
    rows, runs = (200, 1) if small else (1000, 7)
    figures = {name: side_by_side(truth, rows, runs) for name, truth in TRUTHS.items()}
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    from_command_line(main, __doc__)
