"""Every field of the virtual Arctic at given places: one compiled pass from geography and noise to
terrain, climate, ground and ice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from icemap.errors import IcemapError
from icemap.land import CELLS_PER_DEGREE, MASK_COLS, MASK_ROWS, open_land_bits
from icemap.virtual_arctic.geography import (
    NODE_COLS,
    NODE_ROWS,
    NODES_PER_DEGREE,
    WORLD_RADIUS_KM,
    open_nodes,
)
from icemap.virtual_arctic.noise import fractal

FIELDS = (
    "elevation", "slope", "topographic_position", "wetness_index", "distance_to_coast", "maat",
    "thawing_degree_days", "freezing_degree_days", "precipitation",
    "snow_depth", "lgm_temperature", "holocene_temperature", "lgm_ice_sheet", "deglaciation_age",
    "ndvi", "land_surface_temperature", "snow_cover_days",
    "surface_water", "lithology", "deposit", "sediment_thickness", "soil_organic_carbon",
    "yedoma_probability", "land_fraction", "permafrost_fraction",
    "lake_fraction", "glacier_fraction", "permafrost_table", "vic",
)  # fmt: skip
(
    ELEVATION, SLOPE, TOPOGRAPHIC_POSITION, WETNESS_INDEX, DISTANCE_TO_COAST, MAAT,
    THAWING_DEGREE_DAYS, FREEZING_DEGREE_DAYS, PRECIPITATION,
    SNOW_DEPTH, LGM_TEMPERATURE, HOLOCENE_TEMPERATURE, LGM_ICE_SHEET, DEGLACIATION_AGE, NDVI,
    LAND_SURFACE_TEMPERATURE, SNOW_COVER_DAYS,
    SURFACE_WATER, LITHOLOGY, DEPOSIT, SEDIMENT_THICKNESS, SOIL_ORGANIC_CARBON, YEDOMA_PROBABILITY,
    LAND_FRACTION, PERMAFROST_FRACTION,
    LAKE_FRACTION, GLACIER_FRACTION, PERMAFROST_TABLE, VIC,
) = range(len(FIELDS))  # fmt: skip
FIRST_MASK, FIRST_HIDDEN = LAND_FRACTION, PERMAFROST_TABLE

# Class codes, in the order of the names that icemap.virtual_arctic.world gives.
UNCONSOLIDATED, SILICICLASTIC, CARBONATE, METAMORPHIC, PLUTONIC, VOLCANIC, EVAPORITE = range(7)
BEDROCK, COLLUVIAL, GLACIAL, LACUSTRINE, ALLUVIAL, AEOLIAN, PEAT, YEDOMA = range(8)

NEVER_UNDER_ICE = 30.0

# Random fields: wavelength (km) of the first octave, octaves, loss of amplitude from one octave to
# the next.
_NOISES = {
    "warp_x": (500.0, 2, 0.6),
    "warp_y": (500.0, 2, 0.6),
    "warp_z": (500.0, 2, 0.6),
    "relief": (200.0, 2, 0.5),
    "ranges": (320.0, 3, 0.6),
    "hills": (40.0, 6, 0.55),
    "wet": (12.0, 3, 0.6),
    "warmth": (600.0, 3, 0.55),
    "swing": (800.0, 2, 0.5),
    "rain": (700.0, 3, 0.55),
    "drift": (20.0, 3, 0.6),
    "ice_edge": (250.0, 3, 0.55),
    "retreat": (300.0, 2, 0.5),
    "lgm": (900.0, 2, 0.5),
    "holocene": (900.0, 2, 0.5),
    "greenness": (15.0, 3, 0.6),
    "surface": (60.0, 3, 0.6),
    "ground_n": (160.0, 4, 0.6),
    "ground_m": (60.0, 4, 0.6),
    "silt": (45.0, 3, 0.6),
    "survey": (18.0, 3, 0.6),
    "rock_n": (600.0, 4, 0.55),
    "rock_m": (250.0, 4, 0.55),
    "ground_heat": (10.0, 2, 0.6),
    "lakes": (18.0, 3, 0.65),
    "ice_250km": (250.0, 3, 0.6),
    "ice_30km": (30.0, 3, 0.6),
    "ice_3km": (3.0, 2, 0.6),
    "ice_local": (0.25, 2, 0.7),
}
(
    WARP_X, WARP_Y, WARP_Z, RELIEF, RANGES, HILLS, WET, WARMTH, SWING, RAIN, DRIFT, ICE_EDGE,
    RETREAT, LGM, HOLOCENE, GREENNESS, SURFACE, GROUND_N, GROUND_M,
    SILT, SURVEY, ROCK_N, ROCK_M, GROUND_HEAT, LAKES, ICE_250KM, ICE_30KM, ICE_3KM, ICE_LOCAL,
) = range(len(_NOISES))  # fmt: skip
_WAVELENGTH = np.array([wavelength for wavelength, _, _ in _NOISES.values()])
_OCTAVES = np.array([octaves for _, octaves, _ in _NOISES.values()])
_GAIN = np.array([gain for _, _, gain in _NOISES.values()])

# Sea-level mean annual temperature (deg C) at 0, 10, ... 90 N.
_SEA_LEVEL = np.array([27.0, 27.0, 26.0, 20.0, 12.5, 5.0, -2.0, -11.0, -16.5, -19.0])
_LAPSE = 5.0  # K per km; below the free-air 6.5 because plateaus and inversions warm high ground
# How far what is known moves the ice content; with this, boreholes have a standard deviation near
# 19 %VIC.
_CONTRAST = 0.5
# Ice content of each deposit, on the logit scale, where nothing else speaks.
_DEPOSIT_ICE = np.array([-1.8, -0.6, -0.4, 0.35, 0.05, -0.8, 1.3, 1.9])


@njit(inline="always")
def _rise(x, low, high):  # type: ignore[no-untyped-def]
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@njit(inline="always")
def _logistic(x):  # type: ignore[no-untyped-def]
    return 1 / (1 + np.exp(-x))


@njit(nogil=True, cache=True, error_model="numpy")
def _lookup(nodes, lon, lat, into):  # type: ignore[no-untyped-def]
    """Bilinear interpolation of all layers of the nodes, around the antimeridian."""
    x, y = (lon + 180) * NODES_PER_DEGREE, (90 - lat) * NODES_PER_DEGREE
    col, row = int(np.floor(x)), min(max(int(np.floor(y)), 0), NODE_ROWS - 2)
    fx, fy = x - col, y - row
    west, east = col % NODE_COLS, (col + 1) % NODE_COLS
    for k in range(nodes.shape[2]):
        north = nodes[row, west, k] * (1 - fx) + nodes[row, east, k] * fx
        south = nodes[row + 1, west, k] * (1 - fx) + nodes[row + 1, east, k] * fx
        into[k] = north * (1 - fy) + south * fy


@njit(nogil=True, cache=True, error_model="numpy")
def _is_land(land_bits, lon, lat):  # type: ignore[no-untyped-def]
    row = min(int((90 - lat) * CELLS_PER_DEGREE), MASK_ROWS - 1)
    col = int((lon + 180) * CELLS_PER_DEGREE) % MASK_COLS
    return (land_bits[row, col >> 3] >> (7 - (col & 7))) & 1 == 1


@njit(nogil=True, cache=True, error_model="numpy")
def _deposit(n, m, slope, wet, lowland, yedoma, under_ice, marine, precipitation, warmth_sum):  # type: ignore[no-untyped-def]
    """Class of the deposit from two noises and its surroundings."""
    if slope > 9 + 3 * n:
        return BEDROCK
    if yedoma + 0.1 * m > 0.5:
        return YEDOMA
    if wet + 0.8 * m + 1.3 * lowland - 0.25 * slope > 1.6 and warmth_sum > 250:
        return PEAT
    if precipitation < 260 + 60 * n and m > 0.2 and slope < 4:
        return AEOLIAN
    if slope < 3 and n + 0.5 * lowland + 0.4 * wet > 0.9:
        return ALLUVIAL
    if under_ice:
        if n < -1.2 - 1.5 * lowland:
            return BEDROCK
        return LACUSTRINE if slope < 3 and m + 1.2 * marine + 0.6 * lowland > 0.9 else GLACIAL
    if n < -1.5:
        return BEDROCK
    return ALLUVIAL if slope < 1.2 and m + lowland > 0.3 else COLLUVIAL


@njit(nogil=True, cache=True, error_model="numpy")
def _lithology(n, m, sediment, relief):  # type: ignore[no-untyped-def]
    if sediment > 15:
        return UNCONSOLIDATED
    if m > 1.9:
        return EVAPORITE
    if m < -1.1 and relief > 60:
        return VOLCANIC
    if n < -0.8:
        return PLUTONIC
    if n < -0.1:
        return METAMORPHIC
    return SILICICLASTIC if n + 0.5 * m < 0.8 else CARBONATE


@njit(nogil=True, cache=True, error_model="numpy")
def _place(lon, lat, nodes, keys, geo, f, v):  # type: ignore[no-untyped-def]
    """All fields ``v`` of one place on land; ``geo`` and ``f`` are scratch for the geography and
    the random fields there.
    """
    lam, phi = np.radians(lon), np.radians(lat)
    ux, uy, uz = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    x, y, z = ux * WORLD_RADIUS_KM, uy * WORLD_RADIUS_KM, uz * WORLD_RADIUS_KM

    for k in range(f.size):
        f[k] = fractal(x, y, z, keys[k], _WAVELENGTH[k], _OCTAVES[k], _GAIN[k])

    _lookup(nodes, lon, lat, geo)
    coast, margin = geo[0], geo[6]
    inland = 0.5 * (coast + np.sqrt(coast * coast + 400))
    # Mountain belts and plains are read at a shifted place: their smooth outlines become ragged.
    wx = ux + 0.009 * f[WARP_X]
    wy = uy + 0.009 * f[WARP_Y]
    wz = uz + 0.009 * f[WARP_Z]
    _lookup(
        nodes,
        np.degrees(np.arctan2(wy, wx)),
        np.degrees(np.arctan2(wz, np.sqrt(wx * wx + wy * wy))),
        geo,
    )
    large_height, relief, warmth, swing, moisture, plain, loess = (
        geo[1],
        geo[2],
        geo[3],
        geo[4],
        geo[5],
        geo[7],
        geo[8],
    )

    # Terrain
    relief = relief * (1 + 0.3 * f[RELIEF]) + 6
    position = relief * f[HILLS]
    shore = 1 - np.exp(-inland / 30)
    raw_height = shore * (large_height + relief * f[RANGES]) + (0.3 + 0.7 * shore) * position + 5
    elevation = 0.5 * (raw_height + np.sqrt(raw_height * raw_height + 400))
    step = 0.9
    ex, ey = -np.sin(lam) * step, np.cos(lam) * step
    nx, ny, nz = (
        -np.sin(phi) * np.cos(lam) * step,
        -np.sin(phi) * np.sin(lam) * step,
        np.cos(phi) * step,
    )
    east = relief * (
        fractal(x + ex, y + ey, z, keys[HILLS], _WAVELENGTH[HILLS], _OCTAVES[HILLS], _GAIN[HILLS])
        - f[HILLS]
    )
    north = relief * (
        fractal(
            x + nx, y + ny, z + nz, keys[HILLS], _WAVELENGTH[HILLS], _OCTAVES[HILLS], _GAIN[HILLS]
        )
        - f[HILLS]
    )
    slope = np.degrees(np.arctan(np.sqrt(east * east + north * north) / (1000 * step)))
    wetness_index = max(
        11 - 2.2 * np.log(slope + 0.25) - 1.2 * position / (relief + 20) + 0.9 * f[WET], 3.0
    )
    lowland = min(plain + 0.3 * np.exp(-relief / 20), 1.0) * (1 - _rise(slope, 1.5, 5.0))

    # Modern climate
    band = min(max(lat / 10, 0.0), 8.999)
    low = int(band)
    sea_level = _SEA_LEVEL[low] + (band - low) * (_SEA_LEVEL[low + 1] - _SEA_LEVEL[low])
    maat = sea_level + warmth - _LAPSE * elevation / 1000 + 0.9 * f[WARMTH]
    continental = 1 - np.exp(-inland / 700)
    amplitude = max(6 + 0.13 * lat + 0.10 * lat * continental + swing + 0.5 * f[SWING], 4.0)
    # Degree days of a sinusoidal year; theta is half the thawing season as an angle.
    theta = np.arccos(min(max(-maat / amplitude, -1.0), 1.0))
    # Rounding would leave sums a little below zero where nothing freezes or nothing thaws.
    thaw_sum = max(365 / np.pi * (maat * theta + amplitude * np.sin(theta)), 0.0)
    freeze_sum = max(thaw_sum - 365 * maat, 0.0)
    log_rain = (
        6.05
        + 0.033 * min(max(maat, -22.0), 12.0)
        + (0.2 + 0.6 * _rise(maat, -14, 6)) * np.exp(-inland / 250)
        + moisture
        + 0.28 * f[RAIN]
    )
    precipitation = min(max(np.exp(log_rain + 0.0004 * relief), 25.0), 3500.0)
    winter = 1 - theta / np.pi
    snow = (
        precipitation
        * winter
        * 0.0024
        * np.exp(0.25 * f[DRIFT] - 0.15 * f[HILLS])
        * (0.6 + 0.4 * _rise(thaw_sum, 300, 1200))
    )
    snow = min(snow, 3.0)
    glacier = _rise(0.002 * (precipitation - 400) - (maat + amplitude) + 0.8 * f[DRIFT], -0.5, 2.5)

    # The past: ice sheets, their retreat, the cold outside them
    ice_edge = margin + 50 * f[ICE_EDGE]
    mountain_ice = (
        elevation - (2600 + 55 * max(50 - lat, 0.0) - 25 * max(lat - 50, 0.0)) > 0
        and precipitation > 350
    )
    under_ice = ice_edge > 0 or mountain_ice or glacier > 0.5
    deglaciation = NEVER_UNDER_ICE
    if under_ice:
        deglaciation = 7.5 + 11 * np.exp(-max(ice_edge, 0.0) / 450) + 0.5 * f[RETREAT]
        deglaciation = deglaciation * (1 - _rise(glacier, 0.3, 0.7))
    lgm = maat - 5 - 4 * _rise(lat, 30, 60) - 9 * _rise(ice_edge, -700, 300) + 1.2 * f[LGM]
    holocene = (
        maat + 0.6 + 1.6 * _rise(lat, 45, 75) - 1.2 * _rise(ice_edge, 200, 900) + 0.4 * f[HOLOCENE]
    )

    # Vegetation and what satellites see
    supply = min(precipitation / (0.15 * thaw_sum + 80), 1.0)
    ndvi = (
        0.88
        * (1 - np.exp(-thaw_sum / 850))
        * supply**0.8
        * (1 - _rise(slope, 8, 25) * 0.6)
        * (1 - glacier)
    )
    ndvi = min(max(ndvi + 0.05 * f[GREENNESS] + 0.02 * f[WET], 0.0), 0.95)
    surface_temperature = maat + 1.2 - 1.5 * ndvi + 0.8 * min(snow, 1.0) + 0.5 * f[SURFACE]
    cover_days = min(max(365 * winter * min(snow / 0.12, 1.0) + 6 * f[DRIFT], 0.0), 365.0)

    # Sediment and its classes
    n = f[GROUND_N]
    m = f[GROUND_M]
    scoured = _rise(ice_edge, 150, 600) * (1 - plain)
    sediment = min(
        np.exp(
            1.8
            + 2.0 * lowland
            + 0.6 * plain
            - 0.10 * slope
            - 0.9 * scoured
            + 0.5 * n
            - 0.25 * f[HILLS]
        ),
        300.0,
    )
    silt = (
        loess
        * (0.0 if under_ice else 1.0)
        * (1 - _rise(slope, 2, 6))
        * (1 - _rise(elevation, 250, 600))
        * _rise(-lgm, 8, 14)
    )
    yedoma = silt * _logistic(1.0 + 2.2 * f[SILT])
    marine = np.exp(-inland / 120)
    deposit = _deposit(
        n, m, slope, f[WET], lowland, yedoma, under_ice, marine, precipitation, thaw_sum
    )
    # Geological maps are drawn from few outcrops: the class a model sees is not everywhere the
    # class that holds the ice.
    mapped = _deposit(
        n + 0.35 * f[SURVEY],
        m - 0.35 * f[SURVEY],
        slope,
        0.6 * f[WET],
        lowland,
        yedoma + 0.08 * f[SURVEY],
        under_ice,
        marine,
        precipitation,
        thaw_sum,
    )
    lithology = _lithology(f[ROCK_N], f[ROCK_M], sediment, relief)
    peaty = 1.0 if mapped == PEAT else 0.0
    carbon = (
        3
        + 14 * ndvi * (1 - _rise(maat, 0, 15))
        + 1.4 * max(wetness_index - 9, 0.0)
        + 18 * peaty
        + 8 * yedoma
    )
    carbon = carbon * np.exp(0.2 * m) * (1 - glacier) * (1 - 0.7 * _rise(slope, 5, 20))

    # Ground temperature and permafrost (n-factors of snow and vegetation), hidden from the
    # predictors
    winter_factor = 1 - 0.55 * (1 - np.exp(-snow / 0.45))
    summer_factor = 1 - 0.25 * ndvi
    ground = (summer_factor * thaw_sum - winter_factor * freeze_sum) / 365 - (
        0.8 if deposit == PEAT else 0.0
    )
    ground += 0.5 + 0.4 * f[GROUND_HEAT]
    permafrost = _logistic(-(ground + 0.2) / 0.55)
    cold = _rise(-ground, 1.0, 7.0)
    lake_noise = f[LAKES]
    lake = (
        0.7
        * _logistic(2.2 * lake_noise + 2.2 * lowland + 1.2 * scoured - 0.5 * slope - 4.2)
        * min(supply * 1.4, 1.0)
    )
    water = min(max(lake + 0.05 * max(f[WET], 0.0) * lowland + 0.02 * f[SURVEY], 0.0), 1.0)
    table = (
        0.035
        * np.sqrt(thaw_sum)
        * (1 - 0.45 * ndvi)
        * np.exp(-0.08 * (wetness_index - 10))
        * (1.35 if deposit in (BEDROCK, AEOLIAN) else 1.0)
    )
    table = min(max(table * np.exp(0.12 * f[WET]), 0.2), 4.0)

    # Ice: thresholds and interactions of the above, and what no predictor explains
    fine = 1.0 if deposit in (LACUSTRINE, ALLUVIAL, YEDOMA, PEAT) else 0.35
    score = _DEPOSIT_ICE[deposit]
    score += fine * (0.9 * cold - 0.3) - 0.4 * _rise(ground, -1.5, 0.0)
    score += 0.14 * (wetness_index - 11) * (0.5 + cold) - 0.7 * _rise(slope, 2.0, 9.0)
    score -= 0.3 * _rise(-precipitation, -330, -120) + 0.35 * _rise(snow, 0.4, 0.9)
    score += (
        0.5
        * _rise(holocene - maat, 1.0, 2.0)
        * _rise(-lgm, 10, 22)
        * (1 if not under_ice else -0.3)
    )
    score += 0.25 * _rise(water, 0.05, 0.3) * (1 - 2 * _rise(water, 0.35, 0.6))
    unexplained = 0.38 * f[ICE_250KM] + 0.38 * f[ICE_30KM]
    unexplained += 0.28 * f[ICE_3KM] + 0.33 * f[ICE_LOCAL]
    in_sediment = 1 - np.exp(-sediment / 1.8)
    fracture_ice = 4 * _logistic(unexplained)
    vic = min(
        max(
            in_sediment * 100 * _logistic(_CONTRAST * score + unexplained)
            + (1 - in_sediment) * fracture_ice,
            0.0,
        ),
        100.0,
    )

    v[:] = (
        elevation, slope, position, wetness_index, inland, maat, thaw_sum, freeze_sum,
        precipitation,
        snow, lgm, holocene, 1.0 if under_ice else 0.0, deglaciation, ndvi, surface_temperature,
        cover_days,
        100 * water, float(lithology), float(mapped), sediment, carbon, yedoma, 1.0, permafrost,
        lake, glacier, table, vic,
    )  # fmt: skip


def noise_keys(seed: int) -> NDArray[np.uint64]:
    """One key for each random field of the world ``seed``."""
    return np.random.SeedSequence(seed).generate_state(len(_NOISES), np.uint64).astype(np.uint64)


@njit(nogil=True, cache=True, error_model="numpy")
def fill(lon, lat, land_bits, nodes, keys, wanted, out):  # type: ignore[no-untyped-def]
    """Fields ``wanted`` at paired coordinates (degrees) into ``out`` (wanted, places); over the sea
    NaN, and 0 for masks.
    """
    geo = np.empty(nodes.shape[2])
    f = np.empty(keys.size)
    v = np.empty(len(FIELDS))
    for i in range(lon.size):
        if _is_land(land_bits, lon[i], lat[i]):
            _place(lon[i], lat[i], nodes, keys, geo, f, v)
        else:
            v[:FIRST_MASK] = np.nan
            v[FIRST_MASK:FIRST_HIDDEN] = 0.0
            v[FIRST_HIDDEN:] = np.nan
        for k in range(wanted.size):
            out[k, i] = v[wanted[k]]


def sample(
    longitudes: ArrayLike, latitudes: ArrayLike, names: Sequence[str], seed: int
) -> NDArray[np.float32]:
    """Any of ``FIELDS`` at paired coordinates (degrees), shape (names, places): hidden fields
    included, classes as numbers.

    Parameters
    ----------
    longitudes, latitudes : array_like of shape (n,)
        Degrees.
    names : sequence of str
        Of ``FIELDS``.
    seed : int
        Of the world.

    Raises
    ------
    IcemapError
        For coordinates that are not in pairs or not in the hemisphere.
    """
    lon = np.ascontiguousarray(longitudes, dtype=np.float64).ravel()
    lat = np.ascontiguousarray(latitudes, dtype=np.float64).ravel()
    if lon.size != lat.size:
        raise IcemapError(
            f"The virtual Arctic was asked for {lon.size} longitudes but {lat.size} latitudes: give"
            " them in pairs."
        )
    # Written so that NaN fails too.
    if not np.all((lon >= -180) & (lon <= 180) & (lat >= 0) & (lat <= 90)):
        raise IcemapError(
            "The virtual Arctic covers longitudes -180 to 180 and latitudes 0 to 90 degrees: give"
            " coordinates inside."
        )
    out = np.empty((len(names), lon.size), np.float32)
    fill(
        lon,
        lat,
        open_land_bits(),
        open_nodes(),
        noise_keys(seed),
        np.array([FIELDS.index(name) for name in names], np.int64),
        out,
    )
    return out
