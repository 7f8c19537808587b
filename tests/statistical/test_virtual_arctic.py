"""Five virtual Arctics whose truth is known at every cell: do the intervals hold on the map, does
kNNDM say how good the map is, is the pool worth it?
"""

import numpy as np
import pytest
from scipy import stats

from tests.statistical import virtual_arctic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
SEEDS = range(5)


@pytest.fixture(scope="module")
def proofs() -> list[dict]:
    found = [virtual_arctic.proof(seed) for seed in SEEDS]
    print("\n" + virtual_arctic.report(found))
    return found


def mean(proofs: list[dict], model: str, score: str) -> float:
    return float(np.mean([found["models"][model][score] for found in proofs]))


def test_the_interval_covers_95_percent_of_the_cells_and_of_boreholes_in_them(proofs):
    """Inside the area of applicability: the interval of the map covers the mean of a cell, and with
    the nugget a borehole in it. Boreholes of a cell are near each other and know too little of its
    spread, so that the interval of the mean covers more than it has to.
    """
    assert 0.93 <= mean(proofs, "icemap inside AOA", "coverage") <= 0.97
    assert 0.93 <= mean(proofs, "icemap inside AOA, cell mean", "coverage") <= 0.99


def test_knndm_says_how_good_the_map_is_and_random_folds_flatter(proofs):
    rmse = mean(proofs, "icemap", "rmse")
    assert np.mean([found["rmse_knndm"] for found in proofs]) == pytest.approx(rmse, rel=0.10)
    assert np.mean([found["rmse_random"] for found in proofs]) < rmse


def test_no_competitor_has_a_lower_crps_over_the_map_beyond_chance(proofs):
    chance = stats.t.ppf(0.975, len(proofs) - 1)
    for name in proofs[0]["models"]:
        if not name.startswith(("icemap", "COP-BMA")):
            less, error = virtual_arctic.ahead(proofs, name)
            assert less <= chance * error, name


def test_what_the_other_parts_of_the_pool_take_from_cop_bma_here_is_small(proofs):
    less, _ = virtual_arctic.ahead(proofs, "COP-BMA")
    assert less <= 0.01 * mean(proofs, "icemap", "crps")
