"""The chance of sites and of fits in the replicates of a total, on random numbers whose variances
are known, and in the viewer's own arithmetic.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from icemap.ensemble.folds import split_numbers
from icemap.mapping.sums import RegionSums
from icemap.totals.ice_totals import totals
from icemap.totals.replicate_spread import ReplicateSpread

pytestmark = pytest.mark.quick


def drawn(rng: np.random.Generator, replicates: int, sampling: float, fitting: float) -> np.ndarray:
    splits = split_numbers(replicates)
    sites = rng.normal(0, sampling**0.5, splits.max() + 1)
    return sites[splits] + rng.normal(0, fitting**0.5, replicates)


@pytest.mark.parametrize("replicates", [40, 41, 55, 200])
def test_both_variances_are_unbiased_whatever_the_number(replicates):
    rng = np.random.default_rng(replicates)
    splits = split_numbers(replicates).tolist()
    # So much sampling that no estimate of it is cut off at 0.
    found = [
        ReplicateSpread.apart(drawn(rng, replicates, 4.0, 1.0), splits, 0.2) for _ in range(1000)
    ]
    assert np.mean([one.sampling for one in found]) == pytest.approx(4 * 4.0, rel=0.03)
    assert np.mean([one.fitting for one in found]) == pytest.approx(1 / replicates, rel=0.03)


def interval(values: np.ndarray, splits: list[int] | None, residual: float) -> tuple[float, float]:
    sums = RegionSums(1.0, 1.0, values.tolist(), values.tolist(), 1.0, 1.0)
    row = totals(sums, residual**0.5, None, 0.1, splits=splits)
    return row["mean_lower95"], row["mean_upper95"]


@pytest.mark.parametrize("replicates", [40, 200])
@pytest.mark.parametrize("residual", [0.0, 2.0])
@pytest.mark.parametrize(("sampling", "fitting"), [(0.13, 0.27), (0.3, 0.1)])
def test_the_interval_holds_95_of_100_and_is_never_the_wider(
    replicates, residual, sampling, fitting
):
    rng = np.random.default_rng(0)
    splits = split_numbers(replicates).tolist()
    held, ratio = [], []
    for _ in range(400):
        values = drawn(rng, replicates, sampling, fitting)
        low, high = interval(values, splits, residual)
        before = np.ptp(interval(values, None, residual))
        truth = rng.normal(0, (9 * sampling + residual) ** 0.5)
        held.append(low - values.mean() <= truth <= high - values.mean())
        ratio.append((high - low) / before)
    assert np.mean(held) > 0.92
    assert max(ratio) <= 1
    if replicates == 200:
        ideal = ((9 * sampling + residual) / (9 * (sampling + fitting) + residual)) ** 0.5
        assert np.mean(ratio) == pytest.approx(ideal, rel=0.12)


def test_sites_without_a_say_leave_the_chance_of_fitting():
    values = drawn(np.random.default_rng(2), 4000, 0.0, 1.0)
    spread = ReplicateSpread.apart(values, split_numbers(4000).tolist(), 0.1)
    assert spread.variance < 0.3
    assert ReplicateSpread.together(values, 0.1).variance == pytest.approx(9, rel=0.1)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("replicates", [39, 40, 55, 200])
def test_the_viewer_tells_them_apart_alike(replicates, tmp_path):
    values = drawn(np.random.default_rng(3), replicates, 1.0, 0.5)
    splits = split_numbers(replicates).tolist()
    page = files("icemap.products").joinpath("viewer_page", "viewer.js").read_text(encoding="utf-8")
    names = ("together", "toldApart", "halfWidth", "student975")
    parts = [page[page.index(f"function {name}(") :] for name in names]
    script = "\n".join(part[: part.index("\n}\n") + 2] for part in parts)
    script += f"""
const t = {json.dumps(values.tolist())}, centre = t.reduce((a, b) => a + b) / t.length;
const one = together(t, centre, 9), apart = toldApart(t, centre, {json.dumps(splits)}, 9);
console.log(JSON.stringify([one, apart].map((s) => s && [s.variance, halfWidth(s, 2, 0.5)])));
"""
    (tmp_path / "asked.js").write_text(script)
    found = json.loads(subprocess.check_output(["node", tmp_path / "asked.js"], text=True))
    expected = [
        spread and [spread.variance, spread.half_width(2.0, 0.5)]
        for spread in (
            ReplicateSpread.together(values, 0.1),
            ReplicateSpread.apart(values, splits, 0.1),
        )
    ]
    assert found[0] == pytest.approx(expected[0], rel=1e-3)
    assert found[1] == (expected[1] and pytest.approx(expected[1], rel=2e-2))


def test_a_residual_that_is_known_badly_widens_as_students_t():
    """A relative variance of 0.5 is that of four degrees of freedom."""
    alone = ReplicateSpread(0.0, 0.0, ())
    assert alone.half_width(4.0) == pytest.approx(2 * 1.96, rel=1e-3)
    assert alone.half_width(4.0, 0.5) == pytest.approx(2 * stats.t.ppf(0.975, 4))
    spread = ReplicateSpread.together(drawn(np.random.default_rng(4), 40, 1.0, 0.5), 0.1)
    assert spread.half_width(4.0) < spread.half_width(4.0, 0.5)


def test_two_replicates_have_a_spread_and_one_has_none():
    two = ReplicateSpread.together(np.array([40.0, 42.0]), 0.1)
    assert two.sampling == pytest.approx(9 * 2.0)
    assert two.parts == ((pytest.approx(18.0), 1.0),)
    assert ReplicateSpread.together(np.array([40.0]), 0.1).variance == 0.0
