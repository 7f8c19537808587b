from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble
from icemap.ensemble.folds import cell_folds
from icemap.verification.cross_validation import MODEL, verify_fold
from icemap.verification.published import (
    PUBLISHED,
    PUBLISHED_MIXTURE,
    PublishedFit,
    replicate_forecast,
)
from icemap.verification.scores import COVERAGES, crps_sample


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 120
    table = pd.DataFrame({"maat": rng.uniform(-15, 0, n), "slope": rng.gamma(2, 2, n)})
    table = table.assign(lon=rng.uniform(60, 180, n), lat=rng.uniform(60, 75, n))
    value = (45 - 2 * table.maat - 2 * table.slope + 5 * rng.normal(size=n)).clip(0, 100)
    return table.assign(value=value, weight=rng.uniform(0.2, 2, n), standard_error=3.0)


@pytest.fixture(scope="module")
def ensemble(samples) -> IceEnsemble:
    ensemble = IceEnsemble(replicates=3, folds=3, candidates=0, prior_strength=10, climatology=0)
    ensemble.prepare(samples)
    return ensemble


@pytest.fixture(scope="module")
def fitted(ensemble, samples) -> PublishedFit:
    table = ensemble.table(samples)
    return PublishedFit.of(table, ensemble.options, ensemble.coding_, 3, 0)


def test_cop_bma_is_of_the_four_members_alone_fitted_in_sample(ensemble, samples, fitted):
    table = ensemble.table(samples)
    for replicate in fitted.replicates:
        assert replicate.bma.weights_[-1] == 0
        assert replicate.bma.weights_[:-1].sum() == pytest.approx(1)
        assert replicate.bma.climatology_ == 0
        assert (replicate.scale.power, len(replicate.out_of_fold)) == (1.0, 108)
        # What it was fitted to are the fitted members' own predictions, in some order of the rows.
        F = replicate.member_predictions(table.X)
        assert np.isin(replicate.out_of_fold[:, 2], F[:, 2]).all()
    assert len({replicate.bma.weights_[0] for replicate in fitted.replicates}) == 3


def test_weights_and_errors_of_samples_do_not_count(ensemble, samples, fitted):
    plain = ensemble.table(samples.drop(columns=["weight", "standard_error"]))
    again = PublishedFit.of(plain, ensemble.options, ensemble.coding_, 3, 0)
    for one, other in zip(fitted.replicates, again.replicates, strict=True):
        np.testing.assert_array_equal(one.bma.weights_, other.bma.weights_)


def test_its_interval_is_that_of_the_replicates_means(ensemble, samples, fitted):
    table = ensemble.table(samples)
    found = fitted.forecasts(table.X[:20], table.y[:20])
    means = np.stack(
        [one.bma.predict(one.member_predictions(table.X[:20])) for one in fitted.replicates]
    )
    low, high = found[PUBLISHED]["interval"]["0.95"].T
    # Three replicates reach no farther than they do.
    np.testing.assert_allclose(low, means.min(axis=0))
    np.testing.assert_allclose(high, means.max(axis=0))
    np.testing.assert_allclose(found[PUBLISHED]["mean"], means.mean(axis=0))
    np.testing.assert_allclose(found[PUBLISHED]["crps"], crps_sample(table.y[:20], means.T))
    mixture = found[PUBLISHED_MIXTURE]["interval"]["0.95"]
    assert (mixture[:, 0] < low).all()
    assert (mixture[:, 1] > high).all()


@pytest.mark.quick
def test_replicates_that_are_draws_of_the_truth_are_calibrated():
    rng = np.random.default_rng(1)
    found = replicate_forecast(rng.normal(size=(200, 4000)), rng.normal(size=4000))
    for coverage in COVERAGES:
        low, high = found["interval"][f"{coverage:g}"].T
        assert high - low == pytest.approx(np.full(4000, high.mean() - low.mean()), rel=0.4)
        assert np.abs(found["pit"] - 0.5).max() <= 0.5


def test_a_fold_has_its_rows_beside_what_is_mapped(ensemble, samples):
    labels = cell_folds(np.arange(len(samples)), 3, 0)
    record = verify_fold(ensemble, samples, labels, 1, (PUBLISHED,))
    assert record["left_out"] == []
    rows = record["models"]
    assert {MODEL, PUBLISHED, PUBLISHED_MIXTURE} < set(rows)
    changed = samples.assign(value=samples.value.where(labels != 1, 100 - samples.value))
    again = verify_fold(ensemble, changed, labels, 1, (PUBLISHED,))["models"]
    for name in (PUBLISHED, PUBLISHED_MIXTURE):
        assert again[name]["interval"] == rows[name]["interval"], "it has not seen the fold"
