"""The ensemble as a scikit-learn regressor."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import icemap
from icemap import IceRegressor

pytestmark = pytest.mark.usefixtures("little")
LINEAR = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")
QUICK = IceRegressor(members=LINEAR, replicates=1, folds=2)


def of(estimator, *names):
    """Some of scikit-learn's checks."""
    return [
        pytest.param(*pair, id=pair[1].func.__name__)
        for pair in estimator_checks_generator(estimator)
        if pair[1].func.__name__ in names
    ]


@pytest.mark.parametrize(
    ("estimator", "check"),
    of(
        QUICK,
        "check_estimator_cloneable",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimators_unfitted",
        "check_n_features_in_after_fitting",
        "check_sample_weight_equivalence_on_dense_data",
        "check_estimator_sparse_array",
        "check_complex_data",
        "check_estimators_nan_inf",
        "check_supervised_y_2d",
        "check_dict_unchanged",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_fit2d_predict1d",
        "check_requires_y_none",
        "check_readonly_memmap_input",
    ),
)
def test_scikit_learn_contract_in_part(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.slow
@parametrize_with_checks([IceRegressor()])
def test_scikit_learn_contract(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def samples(n: int = 80) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"slope": rng.uniform(0, 30, n), "wetness": rng.uniform(0, 1, n)})
    X["soil"] = rng.choice([2, 7], n)
    y = np.clip(10 + 60 * X.wetness + 10 * (X.soil == 7) + rng.normal(0, 6, n), 0, 100)
    places = np.column_stack([rng.uniform(60, 120, n), rng.uniform(60, 75, n)])
    return X, y.rename("vic"), places


@pytest.fixture(scope="module")
def fitted():
    X, y, places = samples()
    model = IceRegressor(classes=["soil"], members=LINEAR, replicates=2, folds=3, bounds=(0, 100))
    return model.fit(X, y, coordinates=places)


def test_what_is_predicted_is_one_distribution(fitted):
    X, y, _ = samples()
    assert fitted.score(X, y) > 0.8
    interval = fitted.predict_interval(X)
    quantiles = fitted.predict_quantile(X, [0.025, 0.975])
    np.testing.assert_allclose(interval, quantiles, rtol=1e-12)
    narrow = fitted.predict_interval(X, coverage=0.5)
    assert (interval[:, 0] <= narrow[:, 0]).all()
    assert (narrow[:, 1] <= interval[:, 1]).all()
    assert (interval >= 0).all()
    assert (interval <= 100).all()
    distribution = fitted.predict_distribution(X)
    np.testing.assert_array_equal(distribution.mean, fitted.predict(X))
    np.testing.assert_allclose(distribution.interval(0.95), interval, atol=1e-12)
    np.testing.assert_allclose(distribution.cdf(distribution.ppf([0.3])[:, 0]), 0.3, atol=1e-6)
    assert abs(np.median(distribution.sample(400)) - np.median(y)) < 10


def test_parts_have_the_shape_of_members_and_predictors(fitted):
    assert fitted.weights_.shape == (len(LINEAR) + 1,)
    assert fitted.weights_.sum() == pytest.approx(1)
    assert fitted.importance_.shape == (3,)
    assert fitted.importance_.sum() == pytest.approx(1)
    assert fitted.importance_.argmax() == 1
    assert fitted.feature_names_in_.tolist() == ["slope", "wetness", "soil"]


def test_what_it_predicts_is_what_its_members_learned_of_skewed_predictors():
    X, y, places = samples()
    X["depth"] = np.exp(2 * np.random.default_rng(1).normal(size=len(X)))
    y = (y + 10 * np.log(X.depth)).clip(0, 100)
    model = IceRegressor(classes=["soil"], members=LINEAR, replicates=2, folds=3, bounds=(0, 100))
    model.fit(X, y, coordinates=places)
    ensemble = model.ensemble_
    assert ensemble.coding_.scored == ("depth",)
    told = X.assign(lon=places[:, 0], lat=places[:, 1])
    found = model.predict(X, coordinates=places)
    np.testing.assert_allclose(found, ensemble.predict(told), atol=2e-3)


def test_copies_predict_the_same(fitted):
    X, _, _ = samples()
    expected = fitted.predict_quantile(X, [0.1, 0.5])
    read = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    for other in (read, copy.deepcopy(fitted), copy.copy(fitted)):
        np.testing.assert_array_equal(other.predict_quantile(X, [0.1, 0.5]), expected)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(X)
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_saved_model_predicts_the_same(fitted, tmp_path):
    X, _, _ = samples()
    fitted.save(str(tmp_path / "ensemble"))
    read = IceRegressor.from_run(str(tmp_path / "ensemble"))
    np.testing.assert_array_equal(read.predict_interval(X), fitted.predict_interval(X))
    np.testing.assert_allclose(read.importance_, fitted.importance_)
    np.testing.assert_allclose(read.weights_, fitted.weights_)
    assert read.get_params()["members"] == LINEAR
    assert read.target_ == fitted.target_


def test_processes_do_not_change_a_number(fitted):
    X, y, places = samples()
    again = clone(fitted).set_params(n_jobs=2).fit(X, y, coordinates=places)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    with joblib.parallel_config(backend="threading", n_jobs=2):
        again = clone(fitted).fit(X, y, coordinates=places)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_groups_and_places_stay_together():
    X, y, places = samples()
    groups = np.repeat(["a", "b", "c", "d", "e", "f", "g", "h"], 10)
    model = clone(QUICK).set_params(replicates=4).fit(X, y, groups=groups)
    order = np.lexsort(np.column_stack([X, y, np.unique(groups, return_inverse=True)[1]]).T[::-1])
    for held in model.ensemble_.held_out_:
        inside = {group: held[groups[order] == group] for group in np.unique(groups)}
        assert all(part.all() or not part.any() for part in inside.values())
        assert any(part.all() for part in inside.values())
    with pytest.raises(ValueError, match="all samples are in one group"):
        clone(QUICK).fit(X, y, groups=np.zeros(len(y)))
    with pytest.raises(ValueError, match="in row 0: give longitude and latitude"):
        clone(QUICK).fit(X, y, coordinates=places[:, ::-1] + [0, 30])


def test_threads_of_libraries_are_limited_inside_fits(monkeypatch):
    from threadpoolctl import threadpool_info

    from icemap.mapping import learning

    seen = []
    own = learning.fit_replicate

    def fit_replicate(*arguments):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return own(*arguments)

    monkeypatch.setattr(learning, "fit_replicate", fit_replicate)
    X, y, _ = samples(40)
    clone(QUICK).fit(X, y)
    assert set(seen) == {1}


def test_in_the_tools_of_scikit_learn():
    X, y, _ = samples(60)
    pipeline = make_pipeline(StandardScaler(), clone(QUICK))
    scores = cross_val_score(pipeline, X, y, cv=GroupKFold(2), groups=np.arange(60) % 4)
    assert (scores > 0.5).all()
    search = GridSearchCV(clone(QUICK), {"folds": [2, 3]}, cv=2).fit(X, y)
    assert search.best_params_["folds"] in (2, 3)
    assert "IceRegressor" in search.best_estimator_._repr_html_()


def test_in_the_feature_arrays_of_sklearn_raster():
    sklearn_raster = pytest.importorskip("sklearn_raster")
    X, y, _ = samples(60)
    expected = clone(QUICK).fit(X, y).predict(X)
    bands = X.to_numpy(dtype=float).T.reshape(X.shape[1], 6, 10)
    raster = xr.DataArray(bands, dims=("variable", "y", "x"), coords={"variable": list(X.columns)})
    wrapped = sklearn_raster.FeatureArrayEstimator(clone(QUICK)).fit(X, y)
    for field in (raster, raster.chunk(y=3)):
        made = wrapped.predict(field)
        assert made.dims[1:] == ("y", "x")
        np.testing.assert_allclose(made.values.reshape(-1), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["rock"]}, "classes names 'rock', which is not among the predictors"),
        ({"monotone": {"ice": 1}}, "monotone names 'ice'"),
        ({"bounds": (0, 20)}, "outside the bounds 0 to 20"),
        ({"bounds": (0, None)}, "give two finite numbers"),
        ({"classes": ["slope"]}, "classes are whole numbers"),
    ],
)
def test_wrong_settings_are_sentences(change, words):
    X, y, _ = samples(40)
    with pytest.raises(ValueError, match=words):
        clone(QUICK).set_params(**change).fit(X, y)


def test_what_has_no_verification_is_said(tmp_path, fitted):
    fitted.save(str(tmp_path / "ensemble"))
    (tmp_path / "ensemble" / "calibration.json").unlink()
    with pytest.raises(icemap.IcemapError, match=r"has no calibration\.json: run 'icemap verify'"):
        IceRegressor.from_run(str(tmp_path))


@pytest.mark.parametrize(
    ("samples", "expected"), [(8, (1, 3, 0)), (400, (10, 10, 1)), (100_000, (20, 10, 8))]
)
def test_numbers_left_open_are_those_that_the_samples_carry(samples, expected):
    carried = IceRegressor()._ensemble(samples, None)
    assert (carried.replicates, carried.folds, carried.candidates) == expected
    asked = IceRegressor(replicates=3, folds=4, candidates=5)._ensemble(samples, None)
    assert (asked.replicates, asked.folds, asked.candidates) == (3, 4, 5)


def named(count: int = 40) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(count, 2)), columns=["maat", "slope"])
    # Both could be a latitude.
    places = pd.DataFrame({"lat": rng.uniform(60, 75, count), "lon": rng.uniform(5, 30, count)})
    return X, 30 + 9 * X["maat"] + rng.normal(size=count), places


@pytest.mark.parametrize("what", ["y", "sample_weight", "coordinates", "groups"])
def test_rows_of_one_index_in_another_order_are_refused(what):
    X, y, places = named()
    parts = {
        "y": y,
        "sample_weight": y * 0 + 1,
        "coordinates": places,
        "groups": pd.Series(np.arange(len(y)) % 5),
    }
    other = parts[what].sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match=f"X and {what} have the same index in another order"):
        clone(QUICK).fit(X, **{"y": y, what: other})
    # By their place, or where the index says nothing of it.
    for plain in (other.to_numpy(), other.set_axis(range(900, 900 + len(X)))):
        clone(QUICK).fit(X, **{"y": y, what: plain})


@pytest.mark.parametrize("what", ["X", "y", "sample_weight", "coordinates"])
def test_masked_values_are_refused_and_masks_of_nothing_are_not(what):
    X, y, places = named()
    parts = {
        "X": X.to_numpy(),
        "y": y.to_numpy(),
        "sample_weight": np.ones(len(X)),
        "coordinates": places[["lon", "lat"]].to_numpy(),
    }
    mask = np.zeros(parts[what].shape, dtype=bool)
    given = {**parts, what: np.ma.masked_array(parts[what], mask)}
    clone(QUICK).fit(**given)
    given[what].mask[7] = True
    with pytest.raises(ValueError, match=rf"values of {what} are masked \(first in row 7\)"):
        clone(QUICK).fit(**given)


def test_masked_pixels_are_refused(fitted):
    pixels = np.ma.masked_less(np.array([[1.0] * fitted.n_features_in_, [-9999.0] * 3]), -9000)
    with pytest.raises(ValueError, match=r"3 values of X are masked \(first in row 1\)"):
        fitted.predict(pixels)


def test_coordinates_are_told_by_the_names_of_their_columns():
    X, y, places = named()
    expected = clone(QUICK).fit(X, y, coordinates=places[["lon", "lat"]].to_numpy())
    for table in (
        places,
        places[["lon", "lat"]].assign(depth=3.0),
        places.rename(columns={"lon": "Longitude", "lat": "Latitude"}),
        places[["lon", "lat"]].set_axis([0, 1], axis=1),
    ):
        made = clone(QUICK).fit(X, y, coordinates=table)
        np.testing.assert_array_equal(made.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    ("trained", "asked", "right"),
    [
        ("degC", "K", False),
        ("m", "cm", False),
        ("degC", "celsius", True),
        ("m", "metre", True),
        ("m", None, True),
        (None, "m", True),
    ],
)
def test_a_table_in_another_unit_is_refused(trained, asked, right):
    X, y, _ = named()
    X.attrs["units"] = {} if trained is None else {"maat": trained}
    model = clone(QUICK).fit(X, y)
    X.attrs["units"] = {} if asked is None else {"maat": asked}
    if right:
        assert np.isfinite(model.predict(X)).all()
        return
    with pytest.raises(icemap.IcemapError, match=f"'maat' is in '{asked}', but .* '{trained}'"):
        model.predict_interval(X)


def test_paths_are_addresses(fitted, tmp_path):
    X, _, _ = samples(5)
    fitted.save(tmp_path / "ensemble")
    for place in (tmp_path, tmp_path / "ensemble"):
        np.testing.assert_array_equal(IceRegressor.from_run(place).predict(X), fitted.predict(X))
        assert icemap.open_ensemble(place).replicates == fitted.ensemble_.replicates
