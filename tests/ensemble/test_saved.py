from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

import icemap
from icemap import IceEnsemble, IcemapError
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.saved import read_replicate, save_replicate

pytestmark = pytest.mark.usefixtures("little")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    samples = pd.DataFrame({"maat": rng.uniform(-15, 0, 90), "rock": rng.choice([1, 2, 5], 90)})
    value = (30 - 3 * samples.maat + 9 * (samples.rock == 2) + 4 * rng.normal(size=90)).clip(0, 100)
    return samples.assign(value=value, lon=rng.uniform(-180, 180, 90), lat=rng.uniform(55, 80, 90))


@pytest.fixture(scope="module")
def fitted() -> IceEnsemble:
    """All four members, of which every type has to be stored."""
    return IceEnsemble(classes=["rock"], replicates=2, folds=3, candidates=1).fit(table())


@pytest.fixture(scope="module")
def written(fitted, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "ensemble"
    fitted.save(str(folder))
    return folder


@pytest.fixture
def copy(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "ensemble"))


def test_it_predicts_every_bit_as_before(fitted, written):
    loaded = icemap.open_ensemble(str(written))
    first, second = fitted.predict_all(table()), loaded.predict_all(table())
    for name in (
        "mean",
        "sd_ensemble",
        "lower",
        "upper",
        "replicate_means",
        "extrapolated",
        "unseen_class",
    ):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert loaded.get_params() == {**fitted.get_params(), "classes": ["rock"]}
    assert loaded.tuning_ == fitted.tuning_
    designs = [one.coding_.design(one.table(table()).X) for one in (loaded, fitted)]
    assert (designs[0] == designs[1]).all()


def test_saving_what_was_loaded_gives_the_same_copulas(written, copy):
    loaded = IceEnsemble.load(str(written))
    save_replicate(str(copy), 0, loaded.replicates_[0])
    assert (copy / "replicates" / "s000.json").read_bytes() == (
        written / "replicates" / "s000.json"
    ).read_bytes()


def test_the_manifest_lists_every_file_with_its_digest(written):
    manifest = json.loads((written / "manifest.json").read_text())
    files = {
        str(path.relative_to(written)): path
        for path in (
            *(written / "replicates").iterdir(),
            written / "forest.npz",
            written / "process.npz",
        )
    }
    assert manifest["files"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }
    assert manifest["training_range"]["rock"] == [1.0, 5.0]
    assert manifest["splits"] == list(range(manifest["parameters"]["replicates"]))
    assert len(manifest["check"]["X"]) == len(manifest["check"]["mean"]) == 10


@pytest.mark.parametrize(
    "name", ["replicates/s000.json", "replicates/s001.skops", "forest.npz", "process.npz"]
)
def test_a_changed_file_is_refused_by_name(copy, name):
    path = copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        IcemapError,
        match=rf"{name} is not the file that the manifest describes \(SHA-256 differs\)",
    ):
        IceEnsemble.load(str(copy))


@pytest.mark.parametrize(
    "name", ["replicates/s001.json", "forest.npz", "process.npz", "manifest.json"]
)
def test_a_missing_file_is_refused_by_name(copy, name):
    (copy / name).unlink()
    with pytest.raises(
        IcemapError,
        match="There is no finished ensemble at" if name == "manifest.json" else re.escape(name),
    ):
        IceEnsemble.load(str(copy))


def test_a_foreign_type_is_refused_before_it_is_made(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    content = skops.io.dumps([FunctionTransformer(func=os.getcwd)])
    (copy / "replicates" / "s000.skops").write_bytes(content)
    manifest["files"]["replicates/s000.skops"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(
        IcemapError, match=r"s000\.skops holds the type posix\.getcwd, which icemap does not load"
    ):
        read_replicate(
            str(copy), 0, manifest["files"], PredictorCoding.from_dict(manifest["coding"])
        )


def test_an_ensemble_that_predicts_something_else_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["check"]["mean"][4] += 1e-3
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        IcemapError,
        match=r"predicts its own check rows differently than when it was saved \(by 0\.001\)",
    ):
        IceEnsemble.load(str(copy))
    manifest["check"]["mean"][4] = float("nan")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IcemapError, match="predicts its own check rows differently"):
        IceEnsemble.load(str(copy))


@pytest.mark.parametrize("forged", ["indices", "compressed", "text", "pickle"])
def test_a_forest_that_is_none_is_refused(copy, forged):
    """Also where the manifest was changed with it."""
    path = copy / "forest.npz"
    with np.load(path) as file:
        arrays = dict(file)
    if forged == "indices":
        arrays["root"][0] = 10**6
    if forged == "pickle":
        arrays["x"] = np.array([{"a": 1}], dtype=object)
    if forged == "text":
        path.write_bytes(b"nothing of the kind")
    else:
        (np.savez_compressed if forged == "compressed" else np.savez)(path, **arrays)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["forest.npz"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        IcemapError,
        match=r"forest\.npz is not a quantile forest of icemap's: train the ensemble again",
    ):
        IceEnsemble.load(str(copy))


@pytest.mark.parametrize("forged", ["shape", "compressed", "pickle"])
def test_a_process_that_is_none_is_refused(copy, forged):
    """Also where the manifest was changed with it."""
    path = copy / "process.npz"
    with np.load(path) as file:
        arrays = dict(file)
    if forged == "shape":
        arrays["projection"] = arrays["projection"][:, :-16]
    if forged == "pickle":
        arrays["lengths"] = np.array([{"a": 1}], dtype=object)
    (np.savez_compressed if forged == "compressed" else np.savez)(path, **arrays)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["process.npz"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IcemapError, match=r"process\.npz is not a Gaussian process of icemap's"):
        IceEnsemble.load(str(copy))


def test_another_format_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(IcemapError, match="has format 99, this version of icemap reads 8"):
        IceEnsemble.load(str(copy))


def test_it_lives_in_a_bucket(fitted, s3_url):
    fitted.save(f"{s3_url}/ensemble")
    assert np.array_equal(
        IceEnsemble.load(f"{s3_url}/ensemble").predict(table()), fitted.predict(table())
    )


def test_nothing_is_pickled(written):
    for path in (written / "replicates").glob("*.skops"):
        import zipfile

        with zipfile.ZipFile(path) as archive:
            assert not [
                name for name in archive.namelist() if name.endswith((".pkl", ".pickle", ".joblib"))
            ]
