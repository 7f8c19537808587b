"""The additive model's fit compared with pygam's: ``python tests/benchmarks/bench_gam.py``.

Both fit the same table of the virtual Arctic in one process, in turns, and choose among the same
penalties. Ratios travel between machines, seconds do not: both are printed, as CPU time of one BLAS
thread, the least of several runs.
"""

import json
import warnings
from collections.abc import Mapping

import numpy as np
from pygam import LinearGAM, l, s
from threadpoolctl import threadpool_limits
from timing import from_command_line, timed
from trained import draw_sites

from icemap import IceEnsemble
from icemap.ensemble.gam import SplineGAM
from icemap.ensemble.members import make_member, member_inputs
from icemap.ensemble.target import TargetScale
from icemap.virtual_arctic import world

MONOTONE = {"wetness_index": 1, "slope": -1, "sediment_thickness": 1}
CONSTRAINTS = {0: None, 1: "monotonic_inc", -1: "monotonic_dec"}


class ByPygam:
    """The terms of a `SplineGAM`, and the penalty by pygam's own search."""

    def __init__(self, member: SplineGAM) -> None:
        self.member = member

    def fit(self, inputs: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
        member = self.member
        self.low, self.high = np.array(member.knots).T
        inputs = np.clip(inputs, self.low, self.high)
        terms = None
        for column, span in enumerate(member.knots):
            way = CONSTRAINTS[member.monotone[column] if member.monotone else 0]
            shape = {"n_splines": member.splines, "edge_knots": list(span), "constraints": way}
            straight = column in member.linear_columns or len(np.unique(inputs[:, column])) < 4
            term = l(column) if straight else s(column, **shape)
            terms = term if terms is None else terms + term
        search = {"lam": np.array(member.penalties), "progress": False}
        self.fitted = LinearGAM(terms).gridsearch(inputs, y, weights=weights, **search)

    @property
    def penalty(self) -> float:
        return float(self.fitted.lam[0][0])

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return self.fitted.predict(np.clip(inputs, self.low, self.high))


def side_by_side(sites: int, monotone: Mapping[str, int], runs: int) -> dict[str, float]:
    """Both fits of one table with uneven weights."""
    classes = [name for name, info in world.PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(classes=classes)
    table = ensemble.prepare(draw_sites(sites).drop(columns="northness"))
    inputs = member_inputs(["gam"], ensemble.coding_, table.X)["gam"]
    target = TargetScale.fit(table.y, (0.0, 100.0)).transform(table.y)
    weights = np.random.default_rng(0).uniform(0.3, 3, len(target))
    ours = make_member("gam", ensemble.coding_, 0, monotone=monotone)
    theirs = ByPygam(ours)
    data = inputs, target, weights
    ours.fit(*data)  # what is looked up once
    tasks = [lambda: theirs.fit(*data), lambda: ours.fit(*data)]
    least = np.min([[timed(task)[1] for task in tasks] for _ in range(runs)], axis=0)
    difference = np.abs(ours.predict(inputs) - theirs.predict(inputs)).max()
    return {
        "predictors": table.X.shape[1],
        "columns": inputs.shape[1],
        "milliseconds_pygam": 1e3 * least[0],
        "milliseconds": 1e3 * least[1],
        "ratio": least[0] / least[1],
        "penalty_pygam": theirs.penalty,
        "penalty": ours.penalty_,
        "largest_difference_per_range": difference / np.ptp(target),
    }


def main(small: bool = False) -> dict[str, dict[str, float]]:
    """Run both, print and return the figures."""
    sites, runs = (250, 1) if small else (1178, 3)
    ways = {"plain": {}, "monotone": MONOTONE}
    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(1, "blas"):
        warnings.simplefilter("ignore")
        figures = {name: side_by_side(sites, way, runs) for name, way in ways.items()}
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    from_command_line(main, __doc__)
