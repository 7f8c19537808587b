"""The compiled ensemble: equal to the members, and refused when it is not theirs."""

import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble, IcemapError
from icemap.ensemble.saved import FOREST
from icemap.mapping.chunk import map_pixels
from icemap.mapping.compiled_ensemble import PACK_TOLERANCE, compile_ensemble, member_differences
from icemap.mapping.compiled_file import (
    COMPILED,
    compiled_problem,
    compiled_size,
    ensure_compiled,
    read_compiled,
)
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import NOT_CALIBRATED
from tests.benchmarks.exact_pool import exact_means, exact_quantiles

pytestmark = pytest.mark.usefixtures("little")
NAMES = ["maat", "slope", "rock"]


def samples() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 150
    table = pd.DataFrame(
        {
            "maat": rng.uniform(-20, -5, n),
            "slope": rng.gamma(1, 5, n),
            "rock": rng.choice([2, 7, 11], n, p=[0.5, 0.45, 0.05]),
        }
    )
    table["lon"], table["lat"] = rng.uniform(100, 140, n), rng.uniform(60, 80, n)
    table["value"] = (
        20 - 2 * table.maat - table.slope + 10 * (table.rock == 7) + 4 * rng.normal(size=n)
    ).clip(0, 100)
    return table


@pytest.fixture(scope="module")
def ensemble() -> IceEnsemble:
    members = ("svr", "gam", "random_forest", "lightgbm", "sklearn.linear_model.Ridge")
    fitted = IceEnsemble(
        classes=["rock"],
        members=members,
        replicates=2,
        folds=3,
        candidates=0,
        prior_strength=50.0,
        climatology=0.0,
        seed=1,
    ).fit(samples())
    return fitted


@pytest.fixture(scope="module")
def folder(ensemble, tmp_path_factory):
    url = str(tmp_path_factory.mktemp("packed") / "ensemble")
    ensemble.save(url)
    ensure_compiled(url, samples())
    return url


def pixels(n: int = 700) -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.column_stack(
        [rng.uniform(-25, 0, n), rng.gamma(1, 8, n), rng.choice([2, 7, 11, 12], n)]
    )


def test_what_was_packed_predicts_what_the_members_do(ensemble, folder):
    compiled = read_compiled(folder)
    X = pixels()
    applicability = Applicability.fit(ensemble.coding_.design(ensemble.table(samples()).X))
    result = map_pixels(
        compiled,
        applicability,
        NOT_CALIBRATED,
        X,
        None,
    )
    prediction = ensemble.predict_all(X)
    coded = ensemble.coding_.encode(X)[0]
    F, partners = ensemble.member_predictions(coded), ensemble.partners(coded)
    bmas = [replicate.bma for replicate in ensemble.replicates_]
    means = np.clip(exact_means(bmas, F, partners), 0, 100)
    np.testing.assert_allclose(result.replicate_means, means, atol=2e-3)
    np.testing.assert_allclose(result.mean, means.mean(axis=0), atol=2e-3)
    upper = exact_quantiles(bmas, F, np.array([0.975]), partners)[:, 0]
    np.testing.assert_allclose(result.upper, upper, atol=0.05)
    assert np.array_equal(result.extrapolated, prediction.extrapolated)
    assert not result.aoa[X[:, 2] == 12].any()


def test_every_kernel_is_within_the_tolerance(ensemble):
    compiled, check = compile_ensemble(ensemble, samples()[NAMES].to_numpy(float))
    assert set(compiled.arrays) == {"svr", "gam", "random_forest", "lightgbm"}
    assert all(
        difference <= PACK_TOLERANCE for difference in member_differences(compiled, check).values()
    )


@pytest.mark.parametrize(("C", "dtype"), [(1.0, np.float32), (1000.0, np.float64)])
def test_support_vectors_are_packed_in_the_precision_that_their_coefficients_need(C, dtype):
    settings = {
        "members": ("svr", "gam"),
        "replicates": 1,
        "folds": 3,
        "candidates": 0,
        "prior_strength": 50.0,
        "climatology": 0.0,
    }
    ensemble = IceEnsemble(classes=["rock"], **settings).fit(samples())
    svr = ensemble.replicates_[0].members["svr"]
    svr.regressor_.dual_coef_ *= C
    compiled, check = compile_ensemble(ensemble, samples()[NAMES].to_numpy(float))
    assert compiled.arrays["svr"].coefficients.dtype == dtype
    assert member_differences(compiled, check)["svr"] <= PACK_TOLERANCE


def test_the_log_names_what_has_no_kernel_and_what_it_costs(folder, caplog):
    with caplog.at_level(logging.WARNING):
        read_compiled(folder)
    assert caplog.text.count("\n") == 1
    assert "sklearn.linear_model.Ridge (it is not one of icemap's own members;" in caplog.text
    assert "microseconds per pixel" in caplog.text


def rewritten(folder, tmp_path, change):
    url = str(tmp_path / "ensemble")
    shutil.copytree(folder, url)
    with np.load(f"{url}/{COMPILED}") as file:
        arrays = dict(file)
    change(arrays)
    with open(f"{url}/{COMPILED}", "wb") as file:
        np.savez(file, **arrays)
    return url


def test_kernels_that_predict_something_else_are_refused_by_member(folder, tmp_path):
    def damage(arrays):
        arrays["member lightgbm/value"] = arrays["member lightgbm/value"] + 200_000

    with pytest.raises(
        IcemapError, match="compiled member 'lightgbm' differs from its own predictions by"
    ):
        read_compiled(rewritten(folder, tmp_path, damage))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", "0.0.1", "was packed by icemap 0.0.1"),
        ("ensemble", "abc", "from another ensemble"),
    ],
)
def test_a_pack_of_another_version_or_ensemble_is_refused_and_made_anew(
    folder, tmp_path, key, value, said
):
    def relabel(arrays):
        arrays["header"] = np.array(json.dumps({**json.loads(str(arrays["header"])), key: value}))

    url = rewritten(folder, tmp_path, relabel)
    with pytest.raises(IcemapError, match=said):
        read_compiled(url)
    ensure_compiled(url, samples())
    assert read_compiled(url).members == read_compiled(folder).members


def test_the_forest_beside_it_is_the_one_of_the_manifest(folder, tmp_path):
    url = str(tmp_path / "ensemble")
    shutil.copytree(folder, url)
    with np.load(f"{url}/{FOREST}") as file:
        arrays = dict(file)
    size = compiled_size(url)
    assert size > sum(array.nbytes for array in arrays.values())
    np.savez(f"{url}/{FOREST}", **{**arrays, "curves": arrays["curves"] / 2})
    assert compiled_size(url) == size
    with pytest.raises(
        IcemapError, match=r"forest\.npz is not the file that the manifest describes"
    ):
        read_compiled(url)


def test_nothing_is_unpickled(folder, tmp_path):
    def pickled(arrays):
        arrays["check_X"] = np.array([{"a": 1}], dtype=object)

    url = rewritten(folder, tmp_path, pickled)
    with pytest.raises(IcemapError, match="is damaged: delete it") as caught:
        read_compiled(url)
    assert "allow_pickle" in str(caught.value.__cause__)


def _set(name, where, value):
    def change(arrays):
        arrays[name][where] = value

    return change


def _set_part(member, part, value, node=None):
    """One of the four numbers of a node, of the root of the first tree by default."""

    def change(arrays):
        name = f"member {member}/nodes"
        at = arrays[f"member {member}/first_node"][1] + (-1 if node is None else node)
        shift = np.uint64(16 * part)
        kept = arrays[name][at] & ~(np.uint64(0xFFFF) << shift)
        arrays[name][at] = kept | np.uint64(value) << shift

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set_part("random_forest", 0, 60_000),  # a condition that is not there
        _set_part("random_forest", 1, 60_000),  # leaves of no tree
        _set_part("random_forest", 2, 0),  # no leaf to the left
        _set_part("random_forest", 2, 60_000),  # none to the right
        _set_part("lightgbm", 3, 3),  # a root without some of its leaves
        _set_part("lightgbm", 3, 40_000, -2),  # a node that its parent does not expect
        _set("member lightgbm/first_tree", -1, 10**6),
        _set("member lightgbm/first_node", 1, -5),
        _set("member random_forest/first_leaf", 1, 10**9),
        _set("conditions/first", -1, 10**6),
        _set("conditions/subset_predictor", 0, 99),
    ],
)
def test_tables_that_lead_beyond_their_arrays_are_refused(folder, tmp_path, change):
    """The compiled loops check no index."""
    with pytest.raises(IcemapError, match="is damaged: delete it") as caught:
        read_compiled(rewritten(folder, tmp_path, change))
    assert "leads beyond its arrays" in str(caught.value.__cause__)


def test_a_compressed_pack_is_not_unpacked(folder, tmp_path):
    """Kilobytes on disk may be gigabytes in memory."""
    url = rewritten(folder, tmp_path, lambda arrays: None)
    with np.load(tmp_path / "ensemble" / COMPILED) as file:
        arrays = dict(file)
    np.savez_compressed(
        tmp_path / "ensemble" / COMPILED, **{**arrays, "check_F": np.zeros(10_000_000)}
    )
    with pytest.raises(IcemapError, match="is damaged: delete it") as caught:
        read_compiled(url)
    assert "compressed" in str(caught.value.__cause__)


@pytest.mark.parametrize("kept", [0, 100, 5_000])
def test_a_truncated_pack_is_named_and_made_anew(folder, tmp_path, kept):
    url = rewritten(folder, tmp_path, lambda arrays: None)
    path = tmp_path / "ensemble" / COMPILED
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        IcemapError, match=r"packed\.npz is damaged: delete it and start the command again"
    ):
        read_compiled(url)
    ensure_compiled(url, samples())
    assert read_compiled(url).members == read_compiled(folder).members


def test_an_ensemble_that_was_never_packed_says_so(folder, tmp_path):
    url = str(tmp_path / "ensemble")
    shutil.copytree(folder, url, ignore=shutil.ignore_patterns(COMPILED))
    with pytest.raises(IcemapError, match="no compiled ensemble"):
        read_compiled(url)


def test_a_missing_file_is_a_problem_and_a_whole_one_is_none(folder, tmp_path):
    assert compiled_problem(folder) == ""
    assert compiled_problem(str(tmp_path)) == f"{tmp_path}/packed.npz is not there."
