"""Sites for tests of folds: anywhere on the sphere, and in rows along roads."""

import numpy as np


def on_the_sphere(
    n: int, seed: int, south: float = -90, north: float = 90
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sine = rng.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), n)
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(sine))


def along_roads(seed: int = 0, roads: int = 40, per_road: int = 8) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = on_the_sphere(roads, seed, 55, 75)
    rng = np.random.default_rng(seed + 1)
    return np.repeat(lon, per_road) + rng.uniform(0, 1.5, roads * per_road), np.repeat(
        lat, per_road
    ) + rng.uniform(0, 0.5, roads * per_road)
