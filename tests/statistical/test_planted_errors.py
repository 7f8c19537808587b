"""Virtual Arctics whose samples err by known, unequal amounts: a map that knows them is nearer to
the truth and as well calibrated.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
SEEDS = range(4)


@pytest.fixture(scope="module")
def proofs() -> list[dict]:
    spec = importlib.util.spec_from_file_location(
        "planted_errors", Path(__file__).with_name("planted_errors.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_errors"] = module
    spec.loader.exec_module(module)
    found = [module.proof(seed) for seed in SEEDS]
    print("\n" + module.report(found))
    return found


def mean(proofs: list[dict], model: str, score: str) -> float:
    return float(np.mean([found[model][score] for found in proofs]))


def test_known_errors_lower_the_crps_of_the_map(proofs):
    assert mean(proofs, "errors known", "crps") < 0.98 * mean(proofs, "errors ignored", "crps")
    assert sum(
        found["errors known"]["crps"] < found["errors ignored"]["crps"] for found in proofs
    ) == len(proofs)


def test_and_its_interval_covers_the_truth(proofs):
    assert 0.92 <= mean(proofs, "errors known", "coverage") <= 0.98
