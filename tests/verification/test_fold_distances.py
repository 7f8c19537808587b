"""Distances of folds against those of the map."""

import numpy as np
import pytest

from icemap.ensemble.folds import random_folds
from icemap.verification.fold_distances import fold_distances
from icemap.verification.knndm import knndm

pytestmark = pytest.mark.quick


def test_w_is_that_of_knndm_and_random_folds_are_farther_from_the_map() -> None:
    rng = np.random.default_rng(0)
    lon = np.repeat([90.0, 110.0, 130.0, 150.0, 170.0], 12) + rng.uniform(0, 1, 60)
    lat = 65 + rng.uniform(0, 1, 60)
    domain = rng.uniform(80, 180, 400), rng.uniform(60, 72, 400)
    found = knndm(lon, lat, *domain, 4, 0)
    labels = {"knndm": found.labels, "random": random_folds(60, 4, 0)}
    labels["region"] = np.where(lon < 115, 0, -1)
    distances = fold_distances((lon, lat), domain, labels)
    assert distances["w_km"]["knndm"] == pytest.approx(found.w)
    assert distances["w_km"]["random"] > 1.2 * distances["w_km"]["knndm"]
    curves = distances["test_to_training"]
    assert all(len(curve) == len(distances["map_to_samples"]) for curve in curves.values())
    assert max(curves["random"]) < max(curves["knndm"]) + 1
    # Samples that no fold leaves out are on every training side.
    assert min(curves["region"]) > 500
