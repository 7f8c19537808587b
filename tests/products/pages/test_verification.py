from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from icemap.config import Config
from icemap.config_sections import CompareConfig
from icemap.ensemble.folds import replicate_splits
from icemap.ensemble.replicates import TrainingTable
from icemap.products.pages.verification import write_verification_page
from icemap.verification.applicability import Applicability
from icemap.verification.cross_validation import MODEL, TAIL_LEVELS
from icemap.verification.fold_distances import fold_distances
from icemap.verification.groups import predictor_groups
from icemap.verification.record import verification_record
from icemap.verification.sampling_support import (
    Described,
    MapClasses,
    support_sentence,
    support_table,
    worst_supported,
)
from icemap.verification.scores import COVERAGES
from icemap.verification.site_influence import MapPlaces, next_boreholes, site_table
from icemap.verification.summary import with_calibrated

N = 120


def forecast(y: np.ndarray, mean: np.ndarray, sd: float) -> dict[str, Any]:
    normal = norm(mean[:, None], sd)
    return {
        "mean": mean,
        "pit": norm.cdf(y, mean, sd),
        "crps": np.abs(y - mean),
        "log_density": norm.logpdf(y, mean, sd),
        "quantiles": normal.ppf(np.clip(TAIL_LEVELS, 1e-6, 1 - 1e-6)),
        "interval": {f"{c:g}": normal.ppf([(1 - c) / 2, (1 + c) / 2]) for c in COVERAGES},
    }


def made(
    target: dict[str, Any], replicates: int
) -> tuple[dict[str, Any], dict[str, Any], pd.DataFrame, Config]:
    """A verification of invented forecasts: those of COP-BMA are good, climatology is not."""
    config = Config.model_validate(
        {
            "run": "run",
            "title": "Trial & <error>",
            "grid": {"south": 50, "resolution": 1},
            "catalog": "c.yaml",
            "predictors": ["warm", "rock"],
            "sites": {"table": "t.csv", "value": "v"},
            "target": target,
        }
    )
    rng = np.random.default_rng(0)
    lon, lat, truth = (
        np.where(np.arange(N) < 70, rng.uniform(-150, -140, N), rng.uniform(100, 130, N)),
        rng.uniform(62, 70, N),
        rng.uniform(10, 90, N),
    )
    y = np.clip(truth + 4 * rng.normal(size=N), 0, 100)
    models = {
        MODEL: forecast(y, truth, 4.0),
        "climatology": forecast(y, np.full(N, 50.0), 25.0),
        "my_model": {"interval": {"0.95": np.column_stack([truth - 9, truth + 9])}},
    }
    part = with_calibrated(
        {
            "y": y,
            "rows": np.arange(N),
            "dissimilarity": rng.lognormal(-1, 0.3, N),
            "models": models,
        },
        np.arange(N) % 5,
    )
    table = TrainingTable(np.zeros((N, 1)), y, np.ones(N), lon, lat, np.arange(N))
    X = rng.normal(size=(N, 2))
    applicability = Applicability.fit(X, folds=np.arange(N) % 5)
    one = {
        name: value[:30] if isinstance(value, np.ndarray) else value
        for name, value in part.items()
        if name != "models"
    }
    region = {
        **one,
        "models": {
            MODEL: {
                n: {c: b[:30] for c, b in v.items()} if n == "interval" else v[:30]
                for n, v in models[MODEL].items()
            }
        },
    }
    record = verification_record({"knndm": part, "region": region}, table, applicability, config)
    scores = {
        name: {"mean": 1.0, "low": -0.5, "high": 2.0, "replicates": replicates}
        for name in ("n", "r2", "rmse", "bias", "crps", "coverage_95", "width_95")
    }
    classes: list[MapClasses] = [
        {"predictor": "warm", "codes": [], "edges": [0.0, 1.0, 2.0], "map_share": [0.5, 0.5]},
        {"predictor": "rock", "codes": [3, 7], "edges": [], "map_share": [0.4, 0.6]},
    ]
    values = {"warm": rng.uniform(1, 2, N), "rock": np.full(N, 3.0)}
    described = {"warm": Described("degC", {}), "rock": Described("", {3: "till", 7: "bare rock"})}
    rows = support_table(classes, values, described)
    record["sampling_support"] = {
        "sentence": support_sentence(rows),
        "worst": worst_supported(rows),
        "classes": rows,
    }
    record["by_predictor"] = predictor_groups(
        part, classes, values, described, f"{MODEL} calibrated", np.arange(N) % 9, 0
    )
    labels = {"knndm": np.arange(N) % 5, "region": np.where(np.arange(N) < 30, 0, -1)}
    record["distances"] = fold_distances((lon, lat), (lon + 3, lat), labels)
    record |= {"calibration": {}, "replicates": scores, "notes": ["a note <of> sorts"]}
    samples = pd.DataFrame(
        {"sample": [f"s{k}" for k in range(N)], "lon": lon, "lat": lat, "value": y}
    )
    weight = np.full(50, 1 / 50)
    places = MapPlaces(
        rng.uniform(-180, 180, 50),
        rng.uniform(55, 80, 50),
        weight,
        rng.normal(size=(50, 2)),
        weight,
        5 + weight,
        rng.normal(size=(replicates, 50)),
    )
    influence = {
        "permutation": [
            {"predictor": "warm", "rmse_increase": 2.0, "sd": 0.1},
            {"predictor": "rock", "rmse_increase": -0.1, "sd": 0.1},
        ],
        "partial_dependence": {
            "warm": {
                "values": [0.0, 1.0, 2.0],
                "mean": [1.0, 2.0, 3.0],
                "members": {"svr": [1.0, 2.0, 2.5]},
            },
            "rock": {
                "values": [3, 7, None],
                "mean": [1.0, 2.0, 3.0],
                "members": {"svr": [1.0, 2.0, 2.5]},
            },
        },
        "shap": {"random_forest": {"warm": 2.0, "rock": 0.5}},
        "sites": site_table(
            samples,
            applicability,
            places,
            replicate_splits(range(N), 0.1, replicates, 0),
            np.zeros(N),
        ),
        "next_boreholes": next_boreholes(applicability, places),
        "places": 50,
    }
    return json.loads(json.dumps(record)), json.loads(json.dumps(influence)), samples, config


def page(
    folder: Path, target: dict[str, Any], replicates: int, compare: bool = False, **changes: Any
) -> str:
    record, influence, samples, config = made(target, replicates)
    if compare:
        earlier = CompareConfig(other="earlier.tif")
        config = config.model_copy(update={"compare": (earlier,)})
    write_verification_page(
        str(folder / "v.html"),
        record,
        {**influence, **changes},
        samples,
        config,
        {"warm": "degC", "rock": "class"},
    )
    return (folder / "v.html").read_text()


@pytest.fixture(scope="module")
def ice(tmp_path_factory) -> str:
    return page(tmp_path_factory.mktemp("ice"), {}, 100)


def test_what_the_samples_leave_out_is_named(ice):
    page = words(ice)
    assert "rock bare rock is 60% of the map and 0% of the samples" in page
    row = re.search(r"<tr><td>warm</td><td class=\"text\">1 to 2 degC</td>.*?</tr>", ice, re.DOTALL)
    assert f"<td>{N}</td>" in row.group()
    assert "W is the mean distance" in page


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_needs_nothing_else_and_escapes_what_it_is_told(ice):
    assert not re.search(r'(src|href)="(?!data:|#|https://doi\.org/)', ice)
    assert "Trial &amp; &lt;error&gt;" in ice
    assert "A note &lt;of&gt; sorts." in ice
    assert "nan" not in words(ice).split()


def test_a_run_of_before_there_was_a_learning_curve_has_no_picture_of_it(ice, tmp_path):
    assert "Would more sites help" not in ice
    record, influence, samples, config = made({}, 100)
    point = {"share": 0.5, "sites": 40.0, "crps": 3.0, "crps_low": 2.0, "crps_high": 4.0, "rmse": 5}
    curve = {"sentence": "More <sites> help.", "points": [point, {**point, "sites": 80.0}]}
    folder = str(tmp_path / "v.html")
    units = {"warm": "degC", "rock": "class"}
    write_verification_page(
        folder, {**record, "learning_curve": curve}, influence, samples, config, units
    )
    page = (tmp_path / "v.html").read_text()
    assert "More &lt;sites&gt; help." in page
    assert 'alt="Scores by number of sites"' in page
    assert page.count("<img") == ice.count("<img") + 1


def test_its_pictures_are_whole(ice):
    pictures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", ice)
    assert len(pictures) == 10
    for picture in pictures:
        assert ET.fromstring(b64decode(picture)).tag.endswith("svg")


def test_published_figures_stand_only_where_maps_of_the_same_quantity_are_compared(ice, tmp_path):
    assert "7.08 %" not in ice
    assert "published for another data set" not in words(ice)
    asked = page(tmp_path, {}, 100, compare=True)
    assert "7.08 %" in asked
    assert "published for another data set, from a random hold-out" in words(asked)
    other = page(
        tmp_path,
        {"name": "alt", "long_name": "thaw depth", "unit": "cm", "bounds": None},
        100,
        compare=True,
    )
    assert "7.08" not in other
    assert "ublished" not in words(other)


def test_models_without_a_distribution_and_kinds_without_calibration_have_dashes(ice):
    row = re.search(r"<tr><td>my model</td>.*?</tr>", ice, re.DOTALL).group()
    assert row.count("–") >= 9
    assert "95.0 %" in row or re.search(r"\d+\.\d %", row)


def test_the_best_of_each_column_is_marked(ice):
    matrix = ice[ice.index("Kinds of folds side by side") : ice.index("<h2>Over the")]
    crps = matrix[matrix.index("<h3>CRPS") : matrix.index("<h3>Winkler")]
    marked = re.findall(r'<tr[^>]*><td>([^<]+)</td>(?:(?!</tr>).)*class="best"', crps, re.DOTALL)
    assert "climatology" not in marked
    assert MODEL in marked


def test_single_sites_are_judged_with_enough_replicates_only(ice, tmp_path):
    assert "shift of the map’s mean" in words(ice)
    assert "needs 50 different splits, as 90 replicates have" in words(page(tmp_path, {}, 20))


def test_members_without_shapley_values_are_said(tmp_path):
    assert "None of the members is a tree model" in words(page(tmp_path, {}, 20, shap={}))
