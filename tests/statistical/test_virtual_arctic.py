"""Five virtual Arctics whose truth is known at every cell: do the intervals hold on the map, does
kNNDM say how good the map is, is the pool worth it?
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
SEEDS = range(5)


@pytest.fixture(scope="module")
def proofs() -> list[dict]:
    spec = importlib.util.spec_from_file_location(
        "virtual_arctic", Path(__file__).with_name("virtual_arctic.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["virtual_arctic"] = module
    spec.loader.exec_module(module)
    found = [module.proof(seed) for seed in SEEDS]
    print("\n" + module.report(found))
    return found


def mean(proofs: list[dict], model: str, score: str) -> float:
    return float(np.mean([found["models"][model][score] for found in proofs]))


def test_the_interval_covers_95_percent_of_the_cells_and_of_boreholes_in_them(proofs):
    """Inside the area of applicability: the interval of the map covers the mean of a cell, and with
    the nugget a borehole in it.
    """
    assert 0.93 <= mean(proofs, "icemap inside AOA", "coverage") <= 0.97
    assert 0.93 <= mean(proofs, "icemap inside AOA, cell mean", "coverage") <= 0.98


def test_knndm_says_how_good_the_map_is_and_random_folds_flatter(proofs):
    rmse = mean(proofs, "icemap", "rmse")
    assert np.mean([found["rmse_knndm"] for found in proofs]) == pytest.approx(rmse, rel=0.10)
    assert np.mean([found["rmse_random"] for found in proofs]) < rmse


def test_no_competitor_has_a_lower_crps_over_the_map(proofs):
    others = {name for name in proofs[0]["models"] if not name.startswith("icemap")}
    assert mean(proofs, "icemap", "crps") <= min(mean(proofs, name, "crps") for name in others)
