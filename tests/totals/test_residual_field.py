from __future__ import annotations

import numpy as np
import pytest

from icemap.grid import Grid
from icemap.totals.residual_field import Variogram, residual_total_sd


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
    distance = great_circle(lon, lat)
    correlated = [sill * np.exp(-distance / reach) for sill, reach in variogram.structures]
    return np.sum(correlated, axis=0) + variogram.nugget * np.eye(len(lon))


@pytest.mark.parametrize("range_km", [60.0, 300.0, 2000.0])
@pytest.mark.parametrize(("nugget", "far_sill"), [(0.0, 0.0), (30.0, 0.0), (30.0, 20.0)])
def test_blocks_give_the_sum_over_all_pairs_of_cells(range_km, nugget, far_sill):
    lon, lat, weight = cells(Grid(20, 55, 50, 75, 0.5))
    variogram = Variogram(50.0, range_km, nugget, far_sill=far_sill, far_range_km=800.0)
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
    with pytest.raises(ValueError, match="ranges > 0"):
        Variogram(1.0, 0.0)


def test_all_cells_share_the_error_of_the_mean():
    weight = np.full(2, 50.0)
    alone = residual_total_sd(
        np.array([0.0, 90.0]),
        np.array([60.0, 60.0]),
        weight,
        Variogram(0.0, 100.0, 0.0, mean_sd=2.0),
    )
    assert alone == pytest.approx(2.0 * 100)
