"""A saved ensemble that is opened: light, equal to the map, and its members one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

import icemap
from icemap import IceEnsemble, IcemapError
from icemap.mapping.compiled_ensemble import BATCH
from icemap.mapping.compiled_file import COMPILED, ensure_compiled

pytestmark = pytest.mark.usefixtures("little")
SPAN = 100.0


def table(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    samples = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "rock": rng.choice([1, 2, 5], n),
            "sediment": np.exp(2 * rng.normal(size=n)),
        }
    )
    value = 30 - 3 * samples.maat + 9 * (samples.rock == 2) + 6 * np.log(samples.sediment)
    value = (value + 4 * rng.normal(size=n)).clip(0, 100)
    return samples.assign(value=value, lon=rng.uniform(-180, 180, n), lat=rng.uniform(55, 80, n))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> str:
    url = str(tmp_path_factory.mktemp("opened") / "ensemble")
    IceEnsemble(
        classes=["rock"], replicates=3, folds=3, candidates=0, prior_strength=50.0, climatology=0
    ).fit(table()).save(url)
    ensure_compiled(url, table())
    return url


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "ensemble"))


@pytest.fixture
def audits(monkeypatch) -> list[int]:
    """Sizes of the files that skops was asked to look at or load."""
    seen: list[int] = []

    def counted(call):
        def counting(data=None, **options):
            seen.append(len(data))
            return call(data=data, **options)

        return counting

    for name in ("loads", "get_untrusted_types"):
        monkeypatch.setattr(skops.io, name, counted(getattr(skops.io, name)))
    return seen


def test_it_agrees_with_the_members_own_predict(saved):
    """To 0.001 % of the range a member, so to a little more for what is pooled."""
    opened, members = icemap.open_ensemble(saved), IceEnsemble.load(saved)
    X = table(BATCH + 700, seed=1)
    X.loc[5, "rock"] = 9
    first, second = opened.predict_all(X), members.predict_all(X)
    for name, tolerance in {
        "mean": 1e-5,
        "sd_ensemble": 1e-5,
        "replicate_means": 2e-5,
        "lower": 3e-4,
        "upper": 3e-4,
    }.items():
        difference = np.abs(getattr(first, name) - getattr(second, name)).max()
        assert difference <= tolerance * SPAN, name
    assert np.array_equal(first.unseen_class, second.unseen_class)
    assert first.unseen_class.sum() == 1
    assert np.mean(first.extrapolated != second.extrapolated) < 0.001
    assert opened.get_params() == members.get_params()
    assert opened.tuning_ == members.tuning_
    # What the members learned from is what the compiled loops give them.
    assert (opened.coding_.scored, opened.tuning_.scores) == (("sediment",), True)
    assert np.array_equal(opened.predict(X), first.mean)


def test_a_place_is_predicted_the_same_wherever_it_is_asked_for(saved):
    opened, X = icemap.open_ensemble(saved), table(50, seed=2)[["maat", "rock", "sediment"]]
    together = opened.predict_all(X)
    alone = opened.predict_all(X.to_numpy(float)[7:8])
    assert (alone.mean[0], alone.lower[0], alone.upper[0]) == (
        together.mean[7],
        together.lower[7],
        together.upper[7],
    )
    assert opened.predict_all(X[:0]).replicate_means.shape == (3, 0)


def test_nothing_of_the_members_is_read_to_open_and_predict(saved, audits):
    icemap.open_ensemble(saved).predict(table())
    assert audits == []


def test_replicates_are_read_one_by_one_and_looked_at_once(saved, audits):
    replicates = icemap.open_ensemble(saved).replicates_
    assert (len(replicates), audits) == (3, [])
    assert replicates[-1] is replicates[2]
    assert len(audits) == 1
    assert [one.bma for one in replicates[:2]] == [one.bma for one in replicates][:2]
    assert len(audits) == 3
    with pytest.raises(IndexError):
        replicates[3]


def test_a_damaged_replicate_is_named_when_it_is_asked_for(copy):
    path = copy / "replicates" / "s001.json"
    path.write_bytes(path.read_bytes()[:-9] + b"000000000")
    opened = icemap.open_ensemble(str(copy))
    opened.replicates_[0]
    with pytest.raises(IcemapError, match=r"s001\.json is not the file that the manifest"):
        opened.replicates_[1]


def test_without_a_compiled_ensemble_the_members_are_asked(copy, caplog):
    (copy / COMPILED).unlink()
    opened = icemap.open_ensemble(str(copy))
    assert "packed.npz is not there: 'icemap map' makes it." in caplog.text
    members = IceEnsemble.load(str(copy))
    assert np.array_equal(opened.predict(table()), members.predict(table()))


def test_the_compiled_ensemble_of_another_is_not_used(copy, caplog):
    other = IceEnsemble(
        classes=["rock"],
        replicates=2,
        folds=3,
        candidates=0,
        prior_strength=9.0,
        climatology=0,
        seed=4,
    ).fit(table(seed=3))
    packed = (copy / COMPILED).read_bytes()
    shutil.rmtree(copy)
    other.save(str(copy))
    (copy / COMPILED).write_bytes(packed)
    opened = icemap.open_ensemble(str(copy))
    assert "packed from another ensemble" in caplog.text
    assert np.array_equal(opened.predict(table()), other.predict(table()))


def test_what_it_cannot_predict_is_said_as_by_the_members(saved):
    opened, X = icemap.open_ensemble(saved), np.array([[-3.0, 1.0, 5.0], [np.nan, 2.0, 5.0]])
    with pytest.raises(ValueError, match="'maat' has no value in row 1"):
        opened.predict(X)
    with pytest.raises(ValueError, match="give one column for each of maat, rock"):
        opened.predict(X[:, :1])


def test_it_can_be_trained_on_other_samples(saved):
    opened, other = icemap.open_ensemble(saved), table(seed=5)
    first = opened.predict(other)
    assert opened.fit(other) is opened
    fresh = IceEnsemble(**opened.get_params()).fit(other)
    assert np.array_equal(opened.predict(other), fresh.predict(other))
    assert not np.array_equal(opened.predict(other), first)


def test_what_is_trained_again_forgets_the_earlier_mixture():
    settings = {"members": ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")}
    settings |= {"replicates": 2, "folds": 3, "prior_strength": 50.0, "climatology": 0.0}
    first, second = table(), table(seed=5)
    twice = IceEnsemble(classes=["rock"], candidates=0, **settings).fit(first)
    twice.predict(first)
    fresh = IceEnsemble(**twice.get_params()).fit(second)
    assert np.array_equal(twice.fit(second).predict(first), fresh.predict(first))


def test_jupyter_shows_what_it_is(saved):
    ensemble = icemap.open_ensemble(saved)
    shown = ensemble._repr_mimebundle_()["text/html"]
    weights = np.mean([replicate.bma.weights_ for replicate in ensemble.replicates_], axis=0)
    names = ["svr", "gam", "random forest", "lightgbm", "consensus"]
    said = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, weights, strict=True))
    for fact in (saved, said, "maat, rock", "volumetric ice content (%), 0 to 100", ">120<", ">3<"):
        assert fact in shown
    assert ensemble._repr_html_() == shown


def test_an_ensemble_saved_without_its_weights_is_shown_without(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["mean_weights"], manifest["trained_on"]
    path.write_text(json.dumps(manifest))
    shown = icemap.open_ensemble(str(copy))._repr_html_()
    assert "maat, rock" in shown
    assert "weights" not in shown
