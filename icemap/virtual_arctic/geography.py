"""The large-scale geography of the virtual Arctic, on fixed quarter-degree nodes: where its
mountains, plains, currents and ice sheets are.

Places and sizes are rough readings of public maps, enough for a world that looks like the Northern
Hemisphere; nothing in them is data.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from icemap.land import CELLS_PER_DEGREE, MASK_COLS, MASK_ROWS, cached_file, open_land_bits
from icemap.sphere import unit_vectors

# A round radius of its own: another would move every mountain of the virtual Arctic a little.
WORLD_RADIUS_KM = 6371.0

NODES_PER_DEGREE = 4
NODE_ROWS, NODE_COLS = 90 * NODES_PER_DEGREE + 1, 360 * NODES_PER_DEGREE
LAYERS = (
    "coast",
    "height",
    "relief",
    "warmth",
    "swing",
    "moisture",
    "ice_margin",
    "lowland",
    "loess",
)

Line = tuple[tuple[float, float], ...]

# Crest line (lon, lat), height (m), half-width (km), shape exponent (2 ridge, 4-6 plateau), relief
# (m).
MOUNTAINS: tuple[tuple[Line, float, float, float, float], ...] = (
    (((79, 34), (86, 34), (92, 33.7), (97, 33.5)), 4550, 380, 6, 220),  # Qinghai-Xizang
    (((97, 33), (101, 32)), 4000, 240, 2, 600),
    (((74, 35), (80, 30.5), (88, 28), (95, 29)), 4300, 120, 2, 900),  # Himalaya
    (((94, 39), (98, 38.6), (102, 37.5)), 3600, 110, 2, 600),  # Qilian
    (((76, 37.5), (82, 36), (90, 36), (96, 35.8)), 4800, 100, 2, 700),  # Kunlun
    (((72, 38.5), (74, 37.5)), 4200, 170, 2, 900),
    (((66, 34.5), (71, 36)), 2800, 150, 2, 700),
    (((70, 41.5), (76, 41.8), (82, 42.8), (90, 43.3)), 3100, 130, 2, 800),  # Tien Shan
    (((84, 50), (88, 48.8), (93, 46.5), (99, 45)), 2300, 140, 2, 600),  # Altai
    (((90, 52.5), (96, 52), (102, 51.5)), 1800, 150, 2, 500),
    (((96, 48), (100, 47.5)), 2400, 150, 2, 400),  # Khangai
    (((94, 47.5), (104, 47.2), (113, 47)), 1250, 380, 4, 150),  # Mongolian plateau
    (((107, 49), (110, 49)), 1700, 110, 2, 350),
    (((108, 43), (116, 43.5)), 1100, 240, 4, 120),
    (((104, 36), (111, 38)), 1400, 200, 3, 250),
    (((100, 27), (104, 26)), 2000, 230, 3, 500),
    (((111, 27), (115, 25)), 450, 300, 3, 300),
    (((106, 53), (114, 55), (121, 56.2), (131, 55.5)), 1200, 170, 2, 450),  # Baikal to Stanovoy
    (((110, 51), (118, 52)), 850, 220, 4, 300),
    (((119, 46), (121, 50), (124, 52)), 850, 120, 2, 250),
    (((124, 42), (129, 43)), 750, 150, 2, 300),
    (((127, 70), (128, 66.5), (132, 64), (138, 62)), 1250, 120, 2, 500),  # Verkhoyansk
    (((136, 68), (142, 66.3), (148, 64), (150, 62.5)), 1500, 140, 2, 550),  # Chersky
    (((152, 62.5), (160, 64), (168, 66.5), (183, 67)), 750, 150, 2, 350),
    (((164, 61), (173, 63)), 800, 100, 2, 350),
    (((156.5, 51.5), (158.5, 54.5), (161, 57.5)), 1000, 70, 2, 500),
    (((135, 46), (138, 50)), 800, 110, 2, 300),
    (((122, 58), (130, 59)), 650, 180, 2, 250),
    (((98, 62), (102, 66), (110, 68)), 450, 360, 4, 150),  # Central Siberian plateau
    (((92, 69), (98, 68.7)), 950, 140, 2, 300),
    (((95, 74.2), (106, 75.3)), 450, 60, 2, 200),
    (((59, 54), (59, 60), (60, 64), (65, 67.5)), 700, 65, 2, 300),  # Urals
    (((55, 72), (62, 76)), 450, 50, 2, 200),
    (((7, 60.5), (13, 64), (18, 68), (23, 69.6)), 1000, 85, 2, 400),  # Scandes
    (((16, 78.5), (17, 79.3)), 500, 120, 2, 300),
    (((-20, 64.8), (-17, 65)), 650, 120, 2, 200),
    (((6.5, 45), (10, 46.7), (14, 47)), 2000, 80, 2, 800),
    (((19, 49), (25, 46)), 700, 90, 2, 250),
    (((-6, 40.5), (-1, 41)), 750, 240, 4, 200),
    (((17, 44), (22, 42)), 1000, 120, 2, 350),
    (((-6, 32), (3, 35)), 1200, 130, 2, 350),
    (((41, 43.3), (47, 41.5)), 2200, 80, 2, 800),
    (((32, 38.5), (42, 39), (50, 34), (57, 30)), 1300, 230, 3, 400),
    (((67, 49), (73, 49)), 450, 250, 2, 120),
    (((138, 36), (141, 39.5)), 900, 60, 2, 400),
    (((-42, 66), (-40, 72), (-43, 77.5)), 2900, 360, 3, 30),  # Greenland
    (((-28, 69.5), (-25, 73.5)), 1300, 100, 2, 500),
    (((-81, 79), (-73, 81.7)), 1100, 120, 2, 350),
    (((-77, 72.5), (-71, 69.8), (-65, 66)), 750, 90, 2, 300),
    (((-65, 59), (-66, 57.5)), 700, 90, 2, 250),
    (((-68, 54), (-71, 57)), 500, 260, 3, 80),
    (((-162, 68), (-153, 68), (-146, 69), (-140, 68.7)), 1200, 85, 2, 450),  # Brooks
    (((-154, 61.5), (-150, 63), (-145, 63.3), (-141, 61.5)), 1800, 70, 2, 800),  # Alaska range
    (((-141, 60.8), (-136, 59.5), (-131, 56.5), (-126, 52.5), (-122, 49.5)), 1600, 75, 2, 700),
    (((-148, 65.5), (-141, 64.7), (-134, 62.5)), 700, 180, 3, 250),
    (((-134, 65), (-129, 63.5), (-126, 61.5)), 1500, 110, 2, 500),
    (((-127, 59), (-122, 55.5), (-116.5, 51.5), (-113.5, 48.5)), 1900, 100, 2, 600),
    (((-124, 53), (-120, 50)), 1000, 150, 3, 250),
    (((-113, 47), (-110, 44), (-106.5, 40), (-106, 36)), 2400, 160, 2, 500),
    (((-117, 43), (-115, 39), (-111, 36)), 1600, 260, 4, 350),
    (((-104, 49), (-102, 43), (-102, 35)), 1000, 330, 2, 40),
    (((-121.5, 47.5), (-121.5, 43), (-119, 37.5)), 1600, 70, 2, 500),
    (((-108, 29), (-104, 23)), 2000, 180, 2, 400),
    (((-84, 35), (-78, 39.5), (-72, 44)), 600, 90, 2, 200),
)

# Centre (lon, lat), radius (km), amplitude: departures of sea-level temperature (deg C) from its
# latitude.
WARMTH: tuple[tuple[float, float, float, float], ...] = (
    (5, 55, 1500, 5.5), (10, 65, 900, 5.0), (22, 70, 750, 7.5), (-19, 65, 700, 7.0), (16, 78, 550,
    6.0), (45, 57, 1200, 4.0), (132, 66, 1300, -5.5),
    (82, 66, 900, 3.0), (125, 48, 900, -3.0), (-90, 67, 1200, -4.0), (-78, 57, 900, -3.0), (-150,
    63, 700, 4.5), (-135, 57, 700, 4.5),
    (-124, 49, 800, 4.5), (-113, 50, 700, 3.5), (65, 42, 1000, 2.0), (90, 34, 900, 2.5), (165, 63,
    600, -1.0),
)  # fmt: skip
# Half the annual swing of temperature (deg C), beyond what latitude and distance from the sea
# explain.
SWING: tuple[tuple[float, float, float, float], ...] = (
    (130, 65, 1300, 8.5),
    (10, 63, 1400, -7.0),
    (90, 34, 900, -3.0),
    (-145, 62, 500, -1.0),
)
# Logarithm of precipitation.
MOISTURE: tuple[tuple[float, float, float, float], ...] = (
    (104, 42, 800, -1.0), (83, 39, 450, -1.5), (83, 35, 500, -0.8), (62, 42, 900, -1.0), (130, 66,
    900, -0.25), (-114, 38, 700, -0.7),
    (0, 27, 1500, -2.0), (45, 27, 1200, -1.8), (-130, 54, 600, 0.7), (8, 61, 500, 0.6), (92, 27,
    600, 0.9), (112, 26, 900, 0.6), (138, 37, 500, 0.5),
    (-85, 34, 900, 0.3),
)  # fmt: skip
# Wide plains with deep sediment, and the regions where ice-rich silt settled outside the ice
# sheets; amplitude 0 to 1.
LOWLANDS: tuple[tuple[float, float, float, float], ...] = (
    (72, 62, 700, 1.0), (75, 69, 350, 1.0), (124, 63, 350, 0.9), (127, 72.5, 200, 0.9), (142, 71,
    350, 1.0), (155, 69, 300, 1.0),
    (172, 64.5, 150, 0.7), (-156, 70.3, 220, 1.0), (-163, 62, 250, 0.9), (-146, 66.5, 120, 0.8),
    (-134, 68.8, 150, 1.0), (-120, 61, 250, 0.6),
    (-84, 56.5, 350, 1.0), (-106, 53, 600, 0.6), (100, 72.5, 300, 0.7), (55, 66.5, 250, 0.9), (92.5,
    35, 150, 0.5), (104, 46, 250, 0.4),
    (127, 50.5, 250, 0.7), (40, 55, 800, 0.6), (84, 38.5, 350, 0.6),
)  # fmt: skip
LOESS: tuple[tuple[float, float, float, float], ...] = (
    (142, 70.8, 420, 1.0), (157, 68.7, 320, 1.0), (127, 72, 200, 0.9), (129, 62.3, 230, 0.8), (152,
    65, 200, 0.6), (172, 65.5, 200, 0.6),
    (-153, 69.3, 230, 0.7), (-163, 66, 170, 0.8), (-147, 66, 220, 0.7), (-139, 63.8, 120, 0.7),
    (104, 73.5, 180, 0.5), (142, 75, 150, 0.9),
)  # fmt: skip

# Outlines (lon, lat) of the ice sheets at the Last Glacial Maximum.
ICE_SHEETS: tuple[Line, ...] = (
    (
        (-51, 46), (-62, 44), (-70, 41.3), (-76, 41.3), (-83, 39.5), (-89, 40.5), (-94, 42), (-98,
        43.5), (-101, 47), (-108, 48.6), (-116, 48),
        (-122.5, 47.2), (-127, 49.5), (-133, 53), (-138, 58), (-146, 60), (-154, 57.5), (-162,
        55.5), (-158, 60), (-153, 62.5), (-147, 63.6),
        (-140, 62.8), (-135, 63.5), (-134, 66.5), (-136.5, 68.5), (-135, 69.8), (-128, 71), (-126,
        74), (-122, 77), (-105, 80.5), (-85, 83.5),
        (-60, 83.5), (-30, 84), (-12, 82), (-16, 75), (-22, 70), (-38, 65), (-42, 59), (-50, 60.5),
        (-54, 66), (-57, 70), (-62, 66), (-58, 58),
        (-52, 52),
    ),
    (
        (-10, 51.5), (0, 53), (9, 54), (14, 52.3), (20, 53), (28, 54.8), (34, 57), (40, 60), (46,
        62), (50, 66), (60, 67.5), (66, 68.5), (68, 72),
        (72, 75), (68, 78), (55, 81.5), (30, 81.8), (10, 80.8), (9, 77), (16, 73), (12, 68), (4,
        63), (-1, 61.5), (-8, 58.5),
    ),
    ((-25, 66.5), (-24, 64), (-18, 63), (-13, 64.8), (-15, 66.8)),
)  # fmt: skip


def _distance_to_line(points: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    """Distance (km) to a polyline, by chords: good to a few per cent over the width of a mountain
    range.
    """
    ends = unit_vectors(*np.array(line, float).T)
    cosine = np.full(points.shape[:-1], -1.0)
    for a, b in pairwise(ends):
        d = b - a
        onto_a, onto_d = points @ a, points @ d
        t = np.clip((onto_d - a @ d) / (d @ d), 0, 1)
        # The foot a + t d, brought back to the sphere: its norm follows from a.a = 1.
        cosine = np.maximum(
            cosine, (onto_a + t * onto_d) / np.sqrt(1 + 2 * t * (a @ d) + t * t * (d @ d))
        )
    return WORLD_RADIUS_KM * np.sqrt(np.maximum(2 - 2 * cosine, 0))


def _sum_of_bells(
    points: NDArray[np.float64], bells: tuple[tuple[float, float, float, float], ...]
) -> NDArray[np.float64]:
    total = np.zeros(points.shape[:-1])
    for lon, lat, radius, amplitude in bells:
        squared_chord = 2 - 2 * (points @ unit_vectors(np.array(lon), np.array(lat)))
        total += amplitude * np.exp(-squared_chord * (WORLD_RADIUS_KM / radius) ** 2)
    return total


def _distance_into_ice(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (km) to the nearest margin of the ice sheets, positive under the ice."""
    import shapely

    def polar(
        lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        radius = np.radians(90 - lat) * WORLD_RADIUS_KM
        return radius * np.cos(np.radians(lon)), radius * np.sin(np.radians(lon))

    x, y = polar(lon, lat)
    points = shapely.points(x, y)
    signed = np.full(x.shape, -np.inf)
    for outline in ICE_SHEETS:
        polygon = shapely.Polygon(np.column_stack(polar(*np.array(outline, float).T)))
        shapely.prepare(polygon)
        distance = shapely.distance(polygon.exterior, points)
        signed = np.maximum(
            signed, np.where(shapely.contains_xy(polygon, x, y), distance, -distance)
        )
    return np.clip(signed, -3000, 3000)


def _distance_inland(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (km) to the coast, negative over the sea."""
    from scipy.spatial import cKDTree

    size = CELLS_PER_DEGREE // NODES_PER_DEGREE
    rows, cols = MASK_ROWS // size, MASK_COLS // size
    land_share = np.empty((rows, cols))
    bits = open_land_bits()
    for row in range(rows):
        land = np.unpackbits(bits[row * size : (row + 1) * size], axis=1)
        land_share[row] = land.reshape(size, cols, size).mean(axis=(0, 2))
    centre_lon = -180 + (np.arange(cols) + 0.5) / NODES_PER_DEGREE
    centre_lat = 90 - (np.arange(rows) + 0.5) / NODES_PER_DEGREE
    cells = unit_vectors(*np.meshgrid(centre_lon, centre_lat))
    to_land = cKDTree(cells[land_share >= 0.5]).query(points)[0] * WORLD_RADIUS_KM
    to_sea = cKDTree(cells[land_share < 0.5]).query(points)[0] * WORLD_RADIUS_KM
    return to_sea - to_land


def make_nodes() -> NDArray[np.float32]:
    """All large-scale layers, shape (361, 1440, layers): rows from 90 N to the equator, columns
    from 180 W, in the order of ``LAYERS``.
    """
    lon, lat = np.meshgrid(
        -180 + np.arange(NODE_COLS) / NODES_PER_DEGREE, 90 - np.arange(NODE_ROWS) / NODES_PER_DEGREE
    )
    points = unit_vectors(lon, lat)
    coast = _distance_inland(points)
    # An 8-norm lets ranges join smoothly without adding up to heights that none of them has.
    height8 = (150 * (1 - np.exp(-np.maximum(coast, 0) / 400))) ** 8
    relief = np.full(lon.shape, 25.0)
    for line, height, half_width, exponent, roughness in MOUNTAINS:
        shape = np.exp(-((_distance_to_line(points, line) / half_width) ** exponent))
        height8 += (height * shape) ** 8
        relief = np.maximum(relief, roughness * shape)
    layers = {
        "coast": coast,
        "height": height8**0.125,
        "relief": relief,
        "warmth": _sum_of_bells(points, WARMTH),
        "swing": _sum_of_bells(points, SWING),
        "moisture": _sum_of_bells(points, MOISTURE),
        "ice_margin": _distance_into_ice(lon, lat),
        "lowland": np.minimum(_sum_of_bells(points, LOWLANDS), 1),
        "loess": np.minimum(_sum_of_bells(points, LOESS), 1),
    }
    return np.stack([layers[name] for name in LAYERS], axis=-1).astype(np.float32)


@cache
def _source_digest() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def open_nodes() -> NDArray[np.float32]:
    """Memory-mapped :func:`make_nodes`; computed once per version of this file and kept in the
    cache folder.
    """

    def write(target: BinaryIO) -> None:
        target.write(make_nodes().tobytes())

    shape = (NODE_ROWS, NODE_COLS, len(LAYERS))
    path = cached_file(f"geography-{_source_digest()}.f32", 4 * int(np.prod(shape)), write)
    return np.asarray(np.memmap(path, np.float32, "r", shape=shape))
