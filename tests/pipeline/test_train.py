from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble, IcemapError
from icemap.ensemble.saved import read_replicate
from icemap.pipeline.left_out import VerifyFold
from icemap.pipeline.train import ReplicateItem, TrainReplicate
from icemap.verification.cross_validation import Fold


def samples(low: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, 90),
            "lon": rng.uniform(-180, 180, 90),
            "lat": rng.uniform(55, 80, 90),
        }
    )
    return table.assign(value=low - 2 * table.maat + rng.normal(size=90))


def prepared(second: str, table: pd.DataFrame) -> IceEnsemble:
    ensemble = IceEnsemble(
        members=("sklearn.linear_model.Ridge", second), replicates=2, folds=3, bounds=None
    )
    ensemble.prepare(table)
    return ensemble


def test_a_replicate_is_written_and_its_record_tells_how_it_did(tmp_path):
    table = samples(20)
    ensemble = prepared("sklearn.linear_model.BayesianRidge", table)
    record = TrainReplicate(ensemble, table, str(tmp_path))(ReplicateItem(1))
    assert set(record["files"]) == {"replicates/s001.skops", "replicates/s001.json"}
    assert sum(record["weights"].values()) == pytest.approx(1)
    loaded = read_replicate(str(tmp_path), 1, record["files"], ensemble.coding_)
    left_out = ensemble.table(table).take(ensemble.held_out_[1])
    error = loaded.bma.predict(loaded.member_predictions(left_out.X)) - left_out.y
    held_out = record["held_out"]
    assert set(held_out) == {"n", "r2", "rmse", "bias", "crps", "coverage_95", "width_95"}
    assert held_out["n"] == 9
    assert held_out["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert held_out["bias"] == pytest.approx(error.mean())
    interval = loaded.bma.interval(loaded.member_predictions(left_out.X))
    assert held_out["width_95"] == pytest.approx(np.diff(interval, axis=1).mean())


def test_what_an_estimator_says_of_the_samples_becomes_one_sentence(tmp_path):
    """A Poisson regression takes no negative target."""
    table = samples(-20)
    ensemble = prepared("sklearn.linear_model.PoissonRegressor", table)
    with pytest.raises(
        IcemapError,
        match=r"^Replicate s000 cannot be trained: .*out of the valid range of the loss",
    ) as caught:
        TrainReplicate(ensemble, table, str(tmp_path))(ReplicateItem(0))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "replicates").exists()


def test_a_fold_that_cannot_be_fitted_is_recorded_with_its_reason():
    table = samples(-20)
    ensemble = prepared("sklearn.linear_model.PoissonRegressor", table)
    record = VerifyFold(ensemble, table, {"cell": np.arange(90) % 3})(Fold("cell", 0))
    assert list(record) == ["failed"]
    assert "out of the valid range of the loss" in record["failed"]
    assert "\n" not in record["failed"]
