from __future__ import annotations

import numpy as np
import pytest

from icemap.grid import Grid
from icemap.totals.residual_field import Variogram, fit_variogram, residual_total_sd


def cells(grid: Grid, seed: int = 0, share: float = 0.7):
    lat, lon = np.meshgrid(grid.latitudes, grid.longitudes, indexing="ij")
    weight = np.broadcast_to(grid.cell_area()[:, None], lat.shape) * (
        np.random.default_rng(seed).random(lat.shape) < share
    )
    return lon.ravel(), lat.ravel(), weight.ravel()


def great_circle(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    inner = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(
        lon[:, None] - lon
    )
    return 6371.0088 * np.arccos(np.clip(inner, -1, 1))


def covariance(lon, lat, variogram):
    return variogram.sill * np.exp(
        -great_circle(lon, lat) / variogram.range_km
    ) + variogram.nugget * np.eye(len(lon))


@pytest.mark.parametrize("range_km", [60.0, 300.0, 2000.0])
@pytest.mark.parametrize("nugget", [0.0, 30.0])
def test_blocks_give_the_sum_over_all_pairs_of_cells(range_km, nugget):
    lon, lat, weight = cells(Grid(20, 55, 50, 75, 0.5))
    variogram = Variogram(sill=50.0, range_km=range_km, nugget=nugget)
    exact = np.sqrt(weight @ covariance(lon, lat, variogram) @ weight)
    assert residual_total_sd(lon, lat, weight, variogram, max_blocks=300) == pytest.approx(
        exact, rel=0.03
    )


def test_agrees_with_simulated_fields():
    lon, lat, weight = cells(Grid(0, 60, 20, 70, 1.0), share=1.0)
    variogram = Variogram(sill=40.0, range_km=250.0, nugget=10.0)
    root = np.linalg.cholesky(covariance(lon, lat, variogram) + 1e-9 * np.eye(len(lon)))
    simulated = (root @ np.random.default_rng(11).standard_normal((len(lon), 4000))).T @ weight
    assert residual_total_sd(lon, lat, weight, variogram) == pytest.approx(
        simulated.std(), rel=0.04
    )  # 3.5 standard errors


def test_limits_are_independence_and_full_correlation():
    lon, lat, weight = cells(Grid(0, 60, 20, 70, 0.5))
    independent = residual_total_sd(lon, lat, weight, Variogram(0.0, 100.0, nugget=9.0))
    assert independent == pytest.approx(3 * np.sqrt((weight**2).sum()))
    together = residual_total_sd(lon, lat, weight, Variogram(9.0, 1e9))
    assert together == pytest.approx(3 * weight.sum(), rel=1e-4)
    assert residual_total_sd(lon, lat, 0 * weight, Variogram(9.0, 100.0)) == 0.0


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="range_km > 0"):
        Variogram(1.0, 0.0)


@pytest.mark.slow
def test_the_variogram_of_simulated_fields_is_found_again():
    rng = np.random.default_rng(4)
    truth = Variogram(sill=40.0, range_km=200.0, nugget=20.0)
    found = []
    for _ in range(24):
        centres = np.stack([rng.uniform(-180, 180, 60), rng.uniform(55, 75, 60)], axis=1)
        lon, lat = (np.repeat(centres, 10, axis=0) + rng.normal(0, 1.5, (600, 2))).T
        found.append(
            fit_variogram(
                lon, lat, np.linalg.cholesky(covariance(lon, lat, truth)) @ rng.standard_normal(600)
            )
        )
    # Single fits scatter by a factor; their middle must not.
    for name, tolerance in (("nugget", 0.2), ("sill", 0.15), ("range_km", 0.25)):
        assert np.median([getattr(v, name) for v in found]) == pytest.approx(
            getattr(truth, name), rel=tolerance
        ), name


def test_residuals_without_correlation_add_nothing_to_a_total():
    rng = np.random.default_rng(8)
    lon, lat, residual = rng.uniform(0, 60, 800), rng.uniform(55, 75, 800), rng.normal(0, 5, 800)
    cell_lon, cell_lat, weight = cells(Grid(0, 60, 40, 70, 1.0))
    sd = residual_total_sd(cell_lon, cell_lat, weight, fit_variogram(lon, lat, residual))
    assert sd < 0.2 * 5 * weight.sum()


def test_too_few_sites_are_refused():
    with pytest.raises(ValueError, match="5 sites give 0 distance bins"):
        fit_variogram(np.arange(5.0), np.full(5, 60.0), np.arange(5.0))


def test_sites_in_clusters_say_little_of_the_mean():
    """Thirty stations far apart, forty sites each: their mean is known as thirty sites would know
    it, and all cells of a map share its error.
    """
    rng = np.random.default_rng(8)
    station = np.repeat(np.arange(30), 40)
    lon, lat = 12.0 * station - 180 + rng.uniform(-0.1, 0.1, 1200), rng.uniform(59.9, 60.1, 1200)
    residual = 10 * rng.standard_normal(30)[station] + 3 * rng.standard_normal(1200)
    found = fit_variogram(lon, lat, residual)
    assert found.mean_sd == pytest.approx(np.sqrt(found.sill / 30), rel=0.15)
    weight = np.full(2, 50.0)
    alone = residual_total_sd(
        np.array([0.0, 90.0]),
        np.array([60.0, 60.0]),
        weight,
        Variogram(0.0, 100.0, 0.0, mean_sd=2.0),
    )
    assert alone == pytest.approx(2.0 * 100)
