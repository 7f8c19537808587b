from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from icemap.ensemble.folds import replicate_splits
from icemap.verification.applicability import Applicability
from icemap.verification.site_influence import (
    MapPlaces,
    map_shares,
    next_boreholes,
    site_table,
    total_shifts,
)

pytestmark = pytest.mark.quick


def world(
    sites: int = 40, places: int = 300, seed: int = 0
) -> tuple[Applicability, MapPlaces, np.ndarray]:
    """Sites in one half of predictor space, places in all of it."""
    rng = np.random.default_rng(seed)
    train = np.column_stack(
        [rng.uniform(0, 0.5, sites), rng.uniform(size=sites), np.full(sites, 3.0)]
    )
    everywhere = np.column_stack(
        [rng.uniform(size=places), rng.uniform(size=places), rng.uniform(2, 4, places)]
    )
    weight = rng.uniform(0.5, 1.5, places)
    sd = rng.uniform(3, 9, places)
    on_map = MapPlaces(
        rng.uniform(-180, 180, places),
        rng.uniform(55, 80, places),
        weight / weight.sum(),
        everywhere,
        40 + sd,
        sd,
        rng.normal(40, 1, (100, places)),
    )
    return Applicability.fit(train, [2.0, 1.0, 1.0]), on_map, train


def test_every_place_belongs_to_its_nearest_site():
    sites, places, _train = world()
    scaled = (places.predictors - sites.center) * sites.factor
    nearest = cdist(scaled, sites.points).argmin(axis=1)
    shares = map_shares(sites, places)
    np.testing.assert_allclose(shares, [places.weight[nearest == k].sum() for k in range(40)])
    assert shares.sum() == pytest.approx(1)
    # A predictor that does not vary among the sites has no say.
    assert sites.factor[2] == 0


def test_sites_with_the_same_predictors_share():
    _sites, places, train = world()
    twice = Applicability.fit(np.vstack([train, train]), [2.0, 1.0, 1.0])
    shares = map_shares(twice, places)
    np.testing.assert_allclose(shares[:40], shares[40:])
    assert shares.sum() == pytest.approx(1)


def narrowed(sites: Applicability, places: MapPlaces, added: list[int]) -> float:
    """The definition, written out: variance times the part of the way, when boreholes are added one
    by one.
    """
    scaled = (places.predictors - sites.center) * sites.factor
    now = cdist(scaled, sites.points).min(axis=1)
    total = 0.0
    for c in added:
        to = np.linalg.norm(scaled - scaled[c], axis=1)
        total = sum(
            places.weight[k] * places.sd[k] ** 2 * (1 - to[k] / now[k])
            for k in range(len(now))
            if to[k] < now[k]
        )
        now = np.minimum(now, to)
    return total / float(np.sum(places.weight * places.sd**2))


def test_the_next_boreholes_are_the_best_by_definition():
    sites, places, _ = world()
    rows = next_boreholes(sites, places, 4)
    index = [int(np.flatnonzero(places.longitude == row["longitude"])[0]) for row in rows]
    best = max(range(300), key=lambda c: narrowed(sites, places, [c]))
    assert index[0] == best
    for k, row in enumerate(rows):
        assert row["score"] == pytest.approx(narrowed(sites, places, index[: k + 1]))
    second = max(range(300), key=lambda c: narrowed(sites, places, [best, c]))
    assert index[1] == second
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    # All of them are in the half where there are no sites.
    assert all(places.predictors[i, 0] > 0.5 for i in index[:2])
    assert rows[0]["dissimilarity"] > 0
    assert 0 < rows[0]["share_of_map"] < 1


def test_where_every_place_has_a_site_no_borehole_helps():
    sites, places, train = world()
    at_sites = MapPlaces(
        *(getattr(places, name)[:40] for name in ("longitude", "latitude", "weight")),
        train,
        places.mean[:40],
        places.sd[:40],
        places.replicate_means,
    )
    assert next_boreholes(sites, at_sites) == []


def test_the_shift_of_the_total_is_unbiased_and_its_error_honest():
    """Additive effects of sites and noise of the members: errors over the standard error are
    standard normal.
    """
    rng = np.random.default_rng(1)
    effects = rng.normal(0, 0.5, 80)
    held_out = replicate_splits(range(80), 0.1, 400, seed=3)
    totals = 40 + (~held_out) @ effects + rng.normal(0, 0.3, 400)
    shift, error = total_shifts(held_out, totals)
    # Leaving one site out keeps one more of the others in: effects are relative to their mean.
    z = (shift - (effects - effects.mean())) / error
    assert np.abs(z.mean()) < 0.3
    assert 0.8 < z.std() < 1.2
    assert np.corrcoef(shift, effects)[0, 1] > 0.8


def test_too_few_replicates_say_nothing_of_single_sites():
    held_out = replicate_splits(range(80), 0.1, 40, seed=3)
    assert np.isnan(total_shifts(held_out, np.arange(40.0))).all()
    held_out = np.zeros((60, 62), dtype=bool)
    held_out[:30, 1] = True
    # Each replicate leaves out a site that no other does, so that no two share a split.
    held_out[:, 2:] = np.eye(60)
    shift, _ = total_shifts(held_out, np.arange(60.0))
    assert np.isnan(np.delete(shift, 1)).all()
    assert shift[1] == pytest.approx(30)


def test_replicates_that_share_a_split_count_once():
    """Only the chance of fitting is new in a second fit to the same sites."""
    held_out = replicate_splits(range(80), 0.1, 120, seed=3)
    effects = np.linspace(-1, 1, 80)
    once = np.unique(held_out, axis=0)
    assert len(once) == 60
    shift, error = total_shifts(once, (~once) @ effects)
    assert np.isfinite(shift).any()
    assert total_shifts(held_out, (~held_out) @ effects) == (
        pytest.approx(shift, nan_ok=True),
        pytest.approx(error, nan_ok=True),
    )
    chance = np.where(np.arange(120) % 40 < 20, 5.0, -5.0)
    assert total_shifts(held_out, (~held_out) @ effects + chance)[1] == pytest.approx(
        error, nan_ok=True
    )


def test_sites_are_ranked_by_influence():
    sites, places, _train = world()
    samples = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(40)],
            "lon": np.linspace(60, 170, 40),
            "lat": 65.0,
            "value": 40.0,
        }
    )
    held_out = replicate_splits(range(40), 0.2, 100, seed=0)
    rows = site_table(samples, sites, places, held_out, np.arange(40.0))
    shares = [row["map_share"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert all(row["residual"] == float(row["sample"][1:]) for row in rows)
    assert all(row["total_shift"] is not None and row["total_shift_se"] > 0 for row in rows)
    few = site_table(
        samples,
        sites,
        MapPlaces(**{**vars(places), "replicate_means": places.replicate_means[:9]}),
        held_out[:9],
        np.arange(40.0),
    )
    assert {row["total_shift"] for row in few} == {None}
