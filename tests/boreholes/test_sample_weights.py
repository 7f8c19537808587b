import numpy as np
import pytest

from icemap.boreholes.sample_weights import declustering_weights


def test_clusters_weigh_less_and_nothing_weighs_too_much() -> None:
    rng = np.random.default_rng(0)
    lon, lat = (
        np.r_[rng.uniform(-150, -149, 500), rng.uniform(0, 180, 10)],
        np.r_[rng.uniform(65, 65.5, 500), rng.uniform(55, 75, 10)],
    )
    weight = declustering_weights(lon, lat)
    assert weight.mean() == pytest.approx(1)
    assert weight[500:].min() > 3 * weight[:500].max()
    assert weight.max() <= 5.0 + 1e-9
    np.testing.assert_allclose(declustering_weights(np.array([5.0]), np.array([70.0])), 1.0)


def test_a_hundred_thousand_samples_along_a_road_are_weighted_in_little_memory() -> None:
    lon = np.linspace(-150, -145, 100_000)
    weight = declustering_weights(lon, np.full(100_000, 65.0))
    assert weight.mean() == pytest.approx(1)
    # Half of the kernel has no road at its ends.
    assert weight[0] / weight[50_000] == pytest.approx(2**0.5, rel=0.2)


def test_weights_are_the_same_across_the_date_line() -> None:
    lon, lat = np.array([179.9, -179.9, 0.0, 90.0]), np.array([70.0, 70.0, 70.0, 70.0])
    weight = declustering_weights(lon, lat)
    assert weight[0] == pytest.approx(weight[1])
    assert weight[2] == pytest.approx(2**0.5 * weight[0], rel=1e-3)
