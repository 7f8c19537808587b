from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from icemap.grid import Grid
from icemap.sphere import arc_km, unit_vectors
from icemap.totals import variogram_fit
from icemap.totals.residual_field import Variogram, residual_total_sd
from icemap.totals.residuals import Residuals
from icemap.totals.variogram_fit import MOST_DOUBT, empirical_variogram, fit_variogram


def clustered(rng, clusters=40, each=6):
    """Sites some ten kilometres apart, in clusters over the Arctic."""
    centres = np.stack([rng.uniform(-180, 180, clusters), rng.uniform(55, 75, clusters)], axis=1)
    spread = rng.normal(0, 1.0, (clusters * each, 2)) * [2.0, 1.0]
    return (np.repeat(centres, each, axis=0) + spread).T


def covariance(lon, lat, variogram):
    places = unit_vectors(lon, lat)
    distance = arc_km(np.linalg.norm(places[:, None] - places[None], axis=2))
    own = np.eye(len(lon)) * (variogram.nugget + 1e-9)
    return own + sum(sill * np.exp(-distance / reach) for sill, reach in variogram.structures)


def drawn(rng, lon, lat, variogram):
    return np.linalg.cholesky(covariance(lon, lat, variogram)) @ rng.standard_normal(len(lon))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_truth_is_found_again_at_clustered_sites(share):
    """Single fits scatter, their middle must not; half of the nuggets are within 8 % of the
    variance.
    """
    rng = np.random.default_rng(4)
    truth = Variogram(sill=60 * (1 - share), range_km=300.0, nugget=60 * share)
    found = []
    for _ in range(12):
        lon, lat = clustered(rng)
        found.append(fit_variogram(lon, lat, 25.0 + drawn(rng, lon, lat, truth)))
    for name, tolerance in (("nugget", 0.15), ("sill", 0.3), ("range_km", 0.4)):
        middle = np.median([getattr(one, name) for one in found])
        assert middle == pytest.approx(getattr(truth, name), rel=tolerance), name
    assert np.median(np.abs([one.nugget - truth.nugget for one in found])) < 0.08 * 60


def test_errors_of_the_sites_are_no_part_of_the_nugget():
    """Half of the sites are measured exactly and half with an error as large as the field."""
    rng = np.random.default_rng(5)
    truth, found = Variogram(30.0, 300.0, 10.0), []
    for _ in range(8):
        lon, lat = clustered(rng)
        error = np.where(rng.random(len(lon)) < 0.5, 0.0, 7.0)
        residual = drawn(rng, lon, lat, truth) + error * rng.standard_normal(len(lon))
        found.append([fit_variogram(lon, lat, residual, e).nugget for e in (error, None)])
    told, untold = np.median(found, axis=0)
    assert told == pytest.approx(10, rel=0.2)
    assert untold == pytest.approx(10 + 49 / 2, rel=0.2)


def test_the_likelihood_is_that_of_contrasts_without_the_mean():
    rng = np.random.default_rng(6)
    lon, lat = clustered(rng, 10, 3)
    places = unit_vectors(lon, lat)
    distance = arc_km(np.linalg.norm(places[:, None] - places[None], axis=2))
    y, known = rng.normal(size=30), rng.uniform(0, 0.5, 30)
    contrasts = np.linalg.qr(np.column_stack([np.ones(30), rng.normal(size=(30, 29))]))[0][:, 1:]

    def directly(nugget, sill, range_km, *far):
        one = Variogram(sill, range_km, nugget, 0.0, 0.0, *far)
        full = covariance(lon, lat, one) + np.diag(known)
        rest, z = contrasts.T @ full @ contrasts, contrasts.T @ y
        return np.linalg.slogdet(rest)[1] + z @ np.linalg.solve(rest, z)

    likelihood = variogram_fit._Contrasts(distance, y, known)
    one, other = (0.9, 0.2, 50.0), (0.4, 0.5, 200.0, 0.3, 900.0)
    found = [likelihood.deviance(np.log(at))[0] for at in (one, other)]
    assert found[0] - found[1] == pytest.approx(directly(*one) - directly(*other))
    step = 1e-5 * np.eye(5)
    slopes = [
        (likelihood.deviance(np.log(other) + h)[0] - likelihood.deviance(np.log(other) - h)[0])
        / 2e-5
        for h in step
    ]
    np.testing.assert_allclose(likelihood.deviance(np.log(other))[1], slopes, rtol=1e-5)


def test_sites_in_clusters_say_little_of_the_mean():
    """Thirty stations far apart, ten sites each: their mean is known as thirty sites would know
    it, and all cells of a map share its error.
    """
    rng = np.random.default_rng(8)
    station = np.repeat(np.arange(30), 10)
    lon, lat = 12.0 * station - 180 + rng.uniform(-0.1, 0.1, 300), rng.uniform(59.9, 60.1, 300)
    truth = Variogram(100.0, 100.0, 9.0)
    precision = np.linalg.solve(covariance(lon, lat, truth), np.ones(300)).sum()
    assert precision**-0.5 == pytest.approx(10 / np.sqrt(30), rel=0.05)
    found = [fit_variogram(lon, lat, drawn(rng, lon, lat, truth)) for _ in range(12)]
    middle = np.median([one.mean_sd for one in found])
    assert middle == pytest.approx(precision**-0.5, rel=0.15)


def test_the_mean_is_that_of_places_and_not_of_sites():
    """Where half of the sites are one cluster with errors of its own, it counts as one place."""
    rng = np.random.default_rng(9)
    lon = np.concatenate([np.linspace(-180, 170, 60), rng.uniform(0, 0.5, 60)])
    lat = np.concatenate([np.full(60, 65.0), rng.uniform(60, 60.5, 60)])
    residual = np.concatenate([rng.normal(3, 4, 60), rng.normal(-20, 1, 60)])
    found = fit_variogram(lon, lat, residual)
    inverse = np.linalg.inv(covariance(lon, lat, found))
    assert found.mean == pytest.approx(inverse.sum(axis=0) @ residual / inverse.sum(), rel=1e-4)
    assert abs(found.mean - 3) < 2 * found.mean_sd
    assert found.mean > residual.mean() + 5


def test_what_reaches_far_is_not_lost_where_clusters_tell_most_of_short_distances():
    """Four stations some hundred kilometres apart in each of 25 regions, with six sites each: one
    range would be that of the stations, and the mean known far too well.
    """
    rng = np.random.default_rng(10)
    truth = Variogram(60.0, 8.0, 10.0, far_sill=40.0, far_range_km=300.0)
    found, alone, true = [], [], []
    for _ in range(4):
        stations = np.repeat(clustered(rng, 25, 4), 6, axis=1)
        lon, lat = stations + rng.normal(0, 0.03, stations.shape) * [[2.0], [1.0]]
        residual = drawn(rng, lon, lat, truth)
        found.append(fit_variogram(lon, lat, residual))
        true.append(np.linalg.solve(covariance(lon, lat, truth), np.ones(len(lon))).sum() ** -0.5)
        places = unit_vectors(lon, lat)
        distance = arc_km(np.linalg.norm(places[:, None] - places[None], axis=2))
        likelihood = variogram_fit._Contrasts(distance, residual, np.zeros(len(residual)))
        starts = [[50.0, 50.0, reach] for reach in (10.0, 50.0, 200.0)]
        alone.append(likelihood.mean(likelihood.most_likely(starts)[0])[1] ** 0.5)
    assert all(one.far_sill > 0 for one in found)
    assert max(one.range_km for one in found) < 30
    assert 100 < np.median([one.far_range_km for one in found]) < 900
    assert np.median([one.mean_sd for one in found] / np.array(true)) == pytest.approx(1, rel=0.4)
    assert np.median(np.array(alone) / true) < 0.8


def test_one_structure_is_left_alone_where_the_field_has_one():
    rng = np.random.default_rng(11)
    found = []
    for _ in range(12):
        lon, lat = clustered(rng)
        found.append(fit_variogram(lon, lat, drawn(rng, lon, lat, Variogram(4.0, 300.0, 2.0))))
    assert sum(one.far_sill > 0 for one in found) <= 2


def doubts(reach, fields):
    found = []
    for seed in range(fields):
        rng = np.random.default_rng(seed)
        lon, lat = clustered(rng, each=5)
        found.append(fit_variogram(lon, lat, drawn(rng, lon, lat, Variogram(4.0, reach, 2.0))))
    return np.array([one.mean_sd for one in found]) ** 2, [one.mean_doubt for one in found]


def test_the_doubt_is_how_much_the_variance_of_the_mean_differs_from_one_field_to_another():
    variance, doubt = doubts(300.0, 40)
    assert np.median(doubt) == pytest.approx(variance.var() / variance.mean() ** 2, rel=0.6)


def test_the_doubt_has_an_end():
    assert max(doubts(1000.0, 8)[1]) == MOST_DOUBT


def test_stations_that_are_each_one_value_are_taken_for_a_longer_range():
    """No exponential field: the same all over a station, and unrelated between stations. The nugget
    is found, and the mean is said to be known less well than it is, not better.
    """
    rng = np.random.default_rng(8)
    station = np.repeat(np.arange(30), 10)
    found = []
    for _ in range(8):
        lon, lat = 12.0 * station - 180 + rng.uniform(-0.1, 0.1, 300), rng.uniform(59.9, 60.1, 300)
        residual = 10 * rng.standard_normal(30)[station] + 3 * rng.standard_normal(300)
        found.append(fit_variogram(lon, lat, residual))
    assert np.median([one.nugget for one in found]) == pytest.approx(9, rel=0.1)
    assert 1 < np.median([one.mean_sd for one in found]) / np.sqrt(100 / 30 + 9 / 300) < 1.6


def test_the_unit_and_the_mean_of_the_residuals_change_nothing_else():
    rng = np.random.default_rng(7)
    lon, lat = clustered(rng)
    residual = drawn(rng, lon, lat, Variogram(3.0, 300.0, 2.0))
    one, other = fit_variogram(lon, lat, residual), fit_variogram(lon, lat, 100 - 10 * residual)
    assert other.range_km == pytest.approx(one.range_km, rel=1e-3)
    for name, factor in (("sill", 100), ("nugget", 100), ("mean_sd", 10)):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name), rel=1e-3), name


def test_of_too_many_sites_some_are_taken(monkeypatch):
    rng = np.random.default_rng(8)
    lon, lat = clustered(rng, 40, 10)
    residual = drawn(rng, lon, lat, Variogram(3.0, 300.0, 2.0))
    whole = fit_variogram(lon, lat, residual)
    monkeypatch.setattr(variogram_fit, "MAX_SITES", 200)
    part = fit_variogram(lon, lat, residual)
    assert part == fit_variogram(lon, lat, residual)
    assert part != whole
    assert part.nugget == pytest.approx(whole.nugget, rel=0.5)


def test_residuals_without_correlation_add_nothing_to_a_total():
    rng = np.random.default_rng(8)
    lon, lat, residual = rng.uniform(0, 60, 400), rng.uniform(55, 75, 400), rng.normal(0, 5, 400)
    grid = Grid(0, 60, 40, 70, 1.0)
    cell_lat, cell_lon = np.meshgrid(grid.latitudes, grid.longitudes, indexing="ij")
    weight = np.repeat(grid.cell_area(), grid.shape[1])
    found = fit_variogram(lon, lat, residual)
    sd = residual_total_sd(cell_lon.ravel(), cell_lat.ravel(), weight, found)
    assert sd < 0.2 * 5 * weight.sum()


@pytest.mark.parametrize(
    ("residual", "sites"), [(np.arange(5.0), "5 sites"), (np.ones(40), "a variance of 0")]
)
def test_too_few_sites_and_residuals_that_are_all_the_same_are_refused(residual, sites):
    with pytest.raises(ValueError, match=sites):
        fit_variogram(np.arange(len(residual)), np.full(len(residual), 60.0), residual)


def test_points_are_half_the_mean_squared_difference():
    rng = np.random.default_rng(9)
    lon, lat = clustered(rng, 10, 5)
    residual = rng.normal(size=50)
    pairs, gamma, lag = empirical_variogram(lon, lat, residual, max_km=25_000)
    assert pairs.sum() == 50 * 49 / 2
    # Over all pairs it is the variance.
    assert (pairs * gamma).sum() / pairs.sum() == pytest.approx(residual.var(ddof=1))
    assert (np.diff(lag[pairs > 0]) > 0).all()


def test_residuals_are_those_of_the_left_out_samples_with_their_errors():
    samples = pd.DataFrame(
        {"lon": [1.0, 2, 3], "lat": [60.0, 61, 62], "standard_error": [np.nan, 5.0, 3.0]}
    )
    found = Residuals.of(samples, {"rows": [0, 2], "observed": [5.0, 9.0], "mean": [4.0, 12.0]})
    assert found.longitude.tolist() == [1, 3]
    assert found.value.tolist() == [1, -3]
    assert found.error.tolist() == [0, 3]
    assert found.error_variance == 4.5
    assert found.variogram() is None
