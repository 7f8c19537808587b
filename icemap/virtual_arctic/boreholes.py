"""Boreholes drilled in the virtual Arctic, given as raw layers with the gaps, habits and mistakes
of real logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.sphere import unit_vectors
from icemap.store import write_text
from icemap.virtual_arctic.geography import WORLD_RADIUS_KM

Row = dict[str, float | str]
Floats = NDArray[np.float64]
Line = tuple[tuple[float, float], ...]

COLUMNS = (
    "site", "longitude [deg]", "latitude [deg]", "position_grade", "permafrost_table [m]",
    "permafrost_table_source", "top [m]", "base [m]", "method",
    "gravimetric_water [%]", "dry_density [g/cm3]", "frozen_bulk_density [g/cm3]",
    "volumetric_water [%]", "excess_ice [%]", "visible_ice [%]",
    "matrix_vic [%]", "porosity [%]", "vic [%]", "unfrozen_water [%]", "wedge_ice [%]", "ice_type",
    "source", "year",
)  # fmt: skip
WINDOW = 5.0
ICE, SOLIDS = 0.917, 2.65
LAYER_NOISE = 2.0
"""Standard deviation (%VIC) of the measurement of one layer."""

# Share of the boreholes in each region, and the roads, rivers, railways and stations (lon, lat)
# along which people drilled.
_CORRIDORS: dict[str, tuple[float, tuple[Line, ...]]] = {
    "NA": (
        0.33,
        (
            (
                (-148.5, 70.2),
                (-148.8, 69.0),
                (-149.6, 68.1),
                (-150.2, 67.0),
                (-148.7, 65.6),
                (-147.7, 64.9),
            ),
            ((-147.7, 64.8), (-145.7, 64.0), (-142.9, 63.3), (-140.8, 62.3), (-138.9, 61.4)),
            ((-156.6, 71.2), (-151.0, 70.2)),
            ((-162.6, 66.9), (-162.2, 66.2)),
            (
                (-138.6, 64.1),
                (-138.2, 65.5),
                (-136.5, 66.7),
                (-134.9, 67.4),
                (-133.7, 68.4),
                (-133.0, 69.4),
            ),
            ((-133.5, 68.2), (-128.8, 66.3), (-126.8, 65.2), (-123.5, 63.2), (-121.4, 61.9)),
            ((-117.4, 62.7), (-114.4, 62.6), (-110.6, 64.7)),
            ((-94.2, 58.7), (-94.1, 57.3), (-96.0, 56.2)),
            ((-96.1, 64.3), (-92.1, 62.8)),
            ((-105.1, 69.1), (-104.0, 69.2)),
            ((-86.0, 80.0), (-84.5, 79.6)),
            ((-75.6, 62.1), (-77.2, 60.0), (-76.6, 56.6)),
        ),
    ),
    "SI": (
        0.27,
        (
            ((67.5, 66.7), (68.3, 68.5), (69.5, 70.2), (71.5, 71.2)),
            ((72.5, 65.5), (76.7, 66.1), (78.2, 67.9)),
            ((88.3, 69.3), (86.3, 69.4)),
            ((129.7, 62.0), (127.5, 64.0), (123.4, 66.8), (127.3, 70.7), (126.5, 72.4)),
            ((129.7, 61.9), (126.3, 59.0), (124.7, 56.7), (124.7, 55.2)),
            ((129.9, 62.3), (135.5, 62.5), (143.2, 64.6), (149.6, 62.8)),
            ((152.4, 67.4), (158.9, 68.7), (161.4, 69.4)),
            ((111.0, 56.0), (118.3, 56.9)),
            ((147.9, 70.6), (143.5, 68.0)),
            ((177.3, 64.8), (175.5, 65.6)),
            ((102.5, 72.0), (103.5, 73.0)),
            ((113.5, 52.5), (119.0, 53.5)),
        ),
    ),
    "QX": (
        0.24,
        (
            ((94.2, 35.7), (93.0, 35.2), (92.4, 34.2), (92.0, 33.0), (91.7, 32.3)),
            ((98.9, 35.3), (98.2, 34.9), (97.3, 33.8)),
            ((99.5, 38.4), (98.5, 38.8), (97.5, 39.0)),
            ((79.5, 35.4), (80.5, 34.6)),
        ),
    ),
    "MN": (
        0.09,
        (
            ((99.4, 51.3), (100.3, 50.6)),
            ((101.2, 48.2), (98.5, 47.8)),
            ((107.2, 48.3), (108.5, 48.8)),
            ((90.0, 49.3), (88.5, 49.0)),
        ),
    ),
    "NO": (
        0.07,
        (
            ((18.6, 67.9), (18.8, 68.4), (20.8, 69.1), (23.5, 69.3)),
            ((15.6, 78.2), (16.8, 78.1)),
            ((11.9, 78.9), (12.8, 78.9)),
            ((8.3, 61.7), (9.3, 62.3)),
        ),
    ),
}
# What goes wrong with how many of the sites.
_FAULTS = {
    "gap": 0.05,
    "shallow": 0.05,
    "mapped table": 0.03,
    "no table": 0.01,
    "coarse": 0.012,
    "swapped": 0.005,
    "impossible": 0.007,
    "inverted": 0.007,
    "overlap": 0.005,
    "copy": 0.01,
}
_METHODS = {
    "gravimetric, dry density": 0.33,
    "gravimetric, frozen bulk density": 0.22,
    "gravimetric, saturated": 0.1,
    "volumetric": 0.1,
    "visible ice": 0.08,
    "excess ice": 0.07,
    "reported": 0.1,
}
_TABLE_SOURCES = {"reported": 0.48, "active_layer": 0.21, "thaw_depth": 0.16, "frozen_ground": 0.15}
_MIN_SEPARATION_KM = 0.06


@dataclass(frozen=True)
class _Drilled:
    layers: pd.DataFrame
    truth: pd.DataFrame


def _pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    p = np.array(list(shares.values()))
    return str(rng.choice(np.array(list(shares)), p=p / p.sum()))


def _along(corridor: Line, share: Floats) -> tuple[Floats, Floats]:
    """Places at a share (0-1) of the length of a corridor."""
    nodes = np.array(corridor)
    steps = np.hypot(np.diff(nodes[:, 0]) * np.cos(np.radians(nodes[:-1, 1])), np.diff(nodes[:, 1]))
    at = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
    return np.interp(share, at, nodes[:, 0]), np.interp(share, at, nodes[:, 1])


def _candidates(rng: np.random.Generator, corridors: tuple[Line, ...], size: int) -> Floats:
    """Places (lon, lat) around stations of very unequal effort, and along the corridors between
    them; shape (size, 2).
    """
    stations, effort = [], []
    for corridor in corridors:
        number = 2 * len(corridor)
        stations.append(np.column_stack(_along(corridor, np.sort(rng.random(number)))))
        effort.append(rng.lognormal(0, 1.1, number))
    places, weight = np.concatenate(stations), np.concatenate(effort)
    centre = places[rng.choice(len(places), size, p=weight / weight.sum())]
    lengths = np.array([len(corridor) for corridor in corridors], float)
    on_road = np.array(
        [
            np.column_stack(_along(corridors[k], rng.random(1)))[0]
            for k in rng.choice(len(corridors), size, p=lengths / lengths.sum())
        ]
    )
    centre = np.where(rng.random((size, 1)) < 0.25, on_road, centre)
    distance = rng.lognormal(np.log(0.8), 1.1, size)
    angle = rng.random(size) * 2 * np.pi
    lat = centre[:, 1] + distance * np.sin(angle) / 111.2
    lon = centre[:, 0] + distance * np.cos(angle) / (111.2 * np.cos(np.radians(lat)))
    return np.asarray(np.column_stack([lon, lat]).round(5), np.float64)


def _places(rng: np.random.Generator, region: str, number: int, seed: int) -> pd.DataFrame:
    """``number`` places of a region where permafrost was found."""
    for tries in (12, 60, 300):
        table = _drillable(rng, _candidates(rng, _CORRIDORS[region][1], tries * number + 50), seed)
        if len(table) >= number:
            return table.head(number)
    raise IcemapError(
        f"The virtual Arctic {seed} has room for {len(table)} boreholes along the roads of"
        f" {region}, not {number}: ask for fewer boreholes."
    )


def _drillable(rng: np.random.Generator, candidates: Floats, seed: int) -> pd.DataFrame:
    from scipy.spatial import cKDTree

    from icemap.virtual_arctic.fields import sample

    names = [
        "permafrost_fraction",
        "glacier_fraction",
        "lake_fraction",
        "slope",
        "sediment_thickness",
        "permafrost_table",
        "vic",
    ]
    table = pd.DataFrame(dict(zip(names, sample(candidates[:, 0], candidates[:, 1], names, seed))))
    table["lon"], table["lat"] = candidates.T
    luck = rng.random((3, len(table)))
    # Holes are sunk where the rig can stand and where the drill meets frozen sediment.
    found = (table["permafrost_fraction"] > 0.1 + 0.8 * luck[0]) & (table["glacier_fraction"] < 0.1)
    drilled = (
        (table["lake_fraction"] < luck[1])
        & (table["slope"] < 12)
        & (table["sediment_thickness"] > 6 * luck[2] ** 2)
    )
    table = table[found & drilled]
    points = unit_vectors(table["lon"].to_numpy(), table["lat"].to_numpy()) * WORLD_RADIUS_KM
    close = cKDTree(points).query_pairs(_MIN_SEPARATION_KM, output_type="ndarray")
    return table[~np.isin(np.arange(len(table)), close.max(axis=1))]


def _profile(
    rng: np.random.Generator,
    mean: float,
    thickness: Floats,
    massive: NDArray[np.bool_],
    noise: float,
) -> Floats:
    """Ice fraction of layers whose mean over ``thickness`` is ``mean``, then measured with
    ``noise`` (fraction).
    """
    weights = thickness / thickness.sum()
    spread = rng.normal(0, 0.45, len(thickness)) - 0.15 * np.linspace(-1, 1, len(thickness))
    low, high = -15.0, 15.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        vic = np.where(massive, 1.0, 1 / (1 + np.exp(-middle - spread)))
        low, high = (middle, high) if weights @ vic < mean else (low, middle)
    measured = np.clip(vic + rng.normal(0, noise, len(vic)), 0.002, 0.98) if noise > 0 else vic
    return np.where(massive, 1.0, measured)


def _measured(rng: np.random.Generator, method: str, vic: float) -> Row:
    """What a laboratory or a logger writes down for a layer whose ice fraction is ``vic``: the
    inverse of the conversions.
    """
    if vic >= 1:
        return {"ice_type": "massive", "method": "massive ice"}
    values: dict[str, float]
    if vic > 0.95 and method.startswith("gravimetric"):
        method = "volumetric"
    if method == "gravimetric, dry density":
        dry = round(SOLIDS * (1 - vic) * rng.uniform(0.93, 1.0), 3)
        values = {"dry_density [g/cm3]": dry, "gravimetric_water [%]": 100 * vic * ICE / dry}
    elif method == "gravimetric, frozen bulk density":
        bulk = round(SOLIDS * (1 - vic) * rng.uniform(0.93, 1.0) + ICE * vic, 3)
        values = {
            "frozen_bulk_density [g/cm3]": bulk,
            "gravimetric_water [%]": 100 * vic * ICE / (bulk - vic * ICE),
        }
    elif method == "gravimetric, saturated":
        values = {"gravimetric_water [%]": 100 * ICE * vic / (SOLIDS * (1 - vic))}
    elif method == "volumetric":
        unfrozen = round(rng.uniform(0, 2), 1) if vic < 0.9 else 0.0
        values = {
            "volumetric_water [%]": 100 * vic * ICE + unfrozen,
            "unfrozen_water [%]": unfrozen,
        }
    elif method == "visible ice":
        visible = round(100 * vic * rng.uniform(0.2, 0.8), 1) / 100
        values = {
            "visible_ice [%]": 100 * visible,
            "matrix_vic [%]": 100 * (vic - visible) / (1 - visible),
        }
    elif method == "excess ice":
        porosity = round(100 * min(0.42, vic / (1.09 - 0.09 * vic)), 1) / 100
        pore_ice = 1.09 * porosity / (1 + 0.09 * porosity)
        values = {
            "porosity [%]": 100 * porosity,
            "excess_ice [%]": max(100 * (vic - pore_ice) / (1 - pore_ice), 0.0),
        }
    else:
        values = {"vic [%]": 100 * vic}
    row: Row = {name: round(value, 3 if "g/cm3" in name else 1) for name, value in values.items()}
    return row | {"method": method}


def _log(
    rng: np.random.Generator, vic: float, table: float, deep: bool, noise: float
) -> tuple[list[Row], float]:
    """Layers of one complete borehole, and the ice fraction that they hold in the window below the
    permafrost table.
    """
    method = _pick(rng, _METHODS)
    as_points = rng.random() < 0.06
    if as_points:
        edges = table + np.arange(0, WINDOW + 0.25, 0.5)
    else:
        cuts = np.cumsum(rng.uniform(0.25, 1.1, 24))
        edges = table + np.concatenate(
            [[0.0], cuts[cuts < WINDOW - 0.15], [WINDOW + (rng.uniform(0, 1.5) if deep else 0.0)]]
        )
    edges = np.round(edges, 2)
    top, base = edges[:-1], edges[1:]
    thickness = np.minimum(base, round(table + WINDOW, 2)) - top
    wedge = round(rng.uniform(0.15, 0.4) * vic, 2) if vic > 0.6 and rng.random() < 0.2 else 0.0
    wedge_ice: Row = {"wedge_ice [%]": round(100 * wedge)} if wedge else {}
    matrix = (vic - wedge) / (1 - wedge)
    massive = np.zeros(len(top), bool)
    if matrix > 0.55 and not as_points and wedge == 0 and rng.random() < 0.5:
        order = rng.permutation(len(top))
        share = np.cumsum(thickness[order]) / thickness.sum()
        massive[order[share < rng.uniform(0.2, 0.9) * (matrix - 0.35) / 0.65]] = True
    fractions = _profile(rng, matrix, thickness, massive, noise)
    rows: list[Row] = []
    if not as_points and rng.random() < 0.7:
        thawed: Row = {"top [m]": 0.0, "base [m]": table}
        rows.append(thawed | _measured(rng, "gravimetric, dry density", rng.uniform(0.15, 0.4)))
    for k, fraction in enumerate(fractions):
        middle = round((top[k] + base[k]) / 2, 2)
        depths: Row = (
            {"top [m]": middle, "base [m]": middle}
            if as_points
            else {"top [m]": top[k], "base [m]": base[k]}
        )
        own = _pick(rng, _METHODS) if rng.random() < 0.1 else method
        rows.append(depths | _measured(rng, own, float(fraction)) | wedge_ice)
    held = float(thickness @ fractions / thickness.sum())
    return rows, wedge + (1 - wedge) * held


def _spoil(rng: np.random.Generator, fault: str, rows: list[Row], table: float) -> list[Row]:
    """Rows of a site as they look after one thing went wrong with its layers."""
    frozen = [k for k, row in enumerate(rows) if float(row["top [m]"]) >= table]
    if fault == "gap":
        lost = rng.choice(frozen, max(len(frozen) // 3, 1), replace=False)
        return [row for k, row in enumerate(rows) if k not in lost]
    if fault == "shallow":
        return rows[: max(frozen[0] + 1, 1 + int(rng.integers(1, 3)))]
    k = int(rng.choice(frozen[:-1]))
    row = rows[k]
    if fault == "impossible":
        rows[k] = {
            "top [m]": row["top [m]"],
            "base [m]": row["base [m]"],
            "method": "reported",
            "vic [%]": float(rng.choice([-9999.0, 128.0, 640.0])),
        }
    elif fault == "inverted":
        rows[k] = row | {"top [m]": row["base [m]"], "base [m]": row["top [m]"]}
    elif fault == "overlap":
        rows[k] = row | {"base [m]": round(float(rows[k + 1]["base [m]"]) - 0.05, 2)}
    return rows


@lru_cache(maxsize=2)
def _drill(seed: int, count: int, noise: float) -> _Drilled:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x1CE]))
    copies = round(_FAULTS["copy"] * count)
    number = {region: round(share * (count - copies)) for region, (share, _) in _CORRIDORS.items()}
    number["SI"] += count - copies - sum(number.values())
    faults = {name: share for name, share in _FAULTS.items() if name != "copy"}
    faults["none"] = 1 - sum(faults.values())
    logs: list[list[Row]] = []
    truth: list[tuple[str, float, float, float]] = []
    for region, wanted in number.items():
        places = _places(rng, region, wanted, seed)
        for k, (lon, lat, permafrost_table, vic) in enumerate(
            places[["lon", "lat", "permafrost_table", "vic"]].to_numpy(float).tolist()
        ):
            fault = _pick(rng, faults)
            # Only an order of coordinates that is impossible can be noticed.
            fault = "none" if fault == "swapped" and abs(lon) <= 90 else fault
            table = round(permafrost_table, 2)
            rows, held = _log(
                rng, min(max(vic / 100, 0.005), 0.97), table, rng.random() < 0.6, noise / 100
            )
            if fault in ("gap", "shallow", "impossible", "inverted", "overlap"):
                rows = _spoil(rng, fault, rows, table)
            site = f"{region}-{k + 1:04d}"
            reported = (
                (lat, lon)
                if fault == "swapped"
                else (round(lon, 1), round(lat, 1))
                if fault == "coarse"
                else (lon, lat)
            )
            head: Row = {
                "site": site,
                "longitude [deg]": reported[0],
                "latitude [deg]": reported[1],
                "position_grade": "C" if fault == "coarse" else "A",
            }
            if fault == "mapped table":
                head |= {
                    "permafrost_table [m]": round(table * rng.uniform(0.7, 1.4), 1),
                    "permafrost_table_source": "mapped",
                }
            elif fault != "no table":
                head |= {
                    "permafrost_table [m]": table,
                    "permafrost_table_source": _pick(rng, _TABLE_SOURCES),
                }
            head |= {
                "source": f"virtual survey {rng.integers(1, 13)}",
                "year": int(rng.integers(1965, 2024)),
            }
            logs.append([head | row for row in rows])
            if fault == "none":
                truth.append((site, lon, lat, 100 * held))
    for original in rng.choice(len(logs), copies, replace=False):
        logs.append(
            [
                row | {"site": f"{row['site']}-copy", "source": "virtual compilation"}
                for row in logs[original]
            ]
        )
    layers = pd.DataFrame([row for log in logs for row in log], columns=list(COLUMNS))
    for name in ("method", "ice_type", "permafrost_table_source"):
        layers[name] = layers[name].fillna("")
    return _Drilled(layers, pd.DataFrame(truth, columns=["site", "lon", "lat", "vic"]))


def boreholes(seed: int = 0, count: int = 1178, noise: float = LAYER_NOISE) -> pd.DataFrame:
    """Boreholes of the virtual Arctic as raw layers.

    They cluster along roads, rivers, railways and stations of North America, Siberia,
    Qinghai-Xizang, Mongolia and the Nordic countries, where the world of this seed has permafrost.
    About 18 % have something wrong: gaps, shallow holes, coarse or swapped coordinates, impossible,
    inverted or overlapping layers, a permafrost table from a map or none; 1 % are copies of another
    one.

    Parameters
    ----------
    seed : int
        Which world.
    count : int
        Number of boreholes, copies included.
    noise : float
        Standard deviation of the measurement of one layer, %VIC.

    Returns
    -------
    DataFrame
        One row per layer; columns are ``COLUMNS``, with units in brackets.

    Examples
    --------
    >>> layers = boreholes(seed=0, count=100)
    >>> layers["site"].nunique()
    100
    """
    return _drill(seed, count, noise).layers.copy()


def borehole_truth(seed: int = 0, count: int = 1178, noise: float = LAYER_NOISE) -> pd.DataFrame:
    """The VIC that the layers of each complete, faultless borehole hold in the 5 m below its
    permafrost table.

    With ``noise=0`` it is the world's own VIC
    (:func:`icemap.virtual_arctic.world.truth_at_points`) within 0-97 %; with noise, the same after
    measurement. The layers of :func:`boreholes` average back to it up to the rounding of what was
    written down.

    Parameters
    ----------
    seed : int
        Of the world.
    count : int
        Number of boreholes.
    noise : float
        Standard deviation of the measurement of a layer, % VIC.

    Returns
    -------
    DataFrame
        ``site, lon, lat, vic`` (%).
    """
    return _drill(seed, count, noise).truth.copy()


def write_boreholes(path: str | Path, seed: int = 0) -> None:
    """Write :func:`boreholes` as CSV (UTF-8, units in the header, empty where not measured) to a
    file or URL.
    """
    write_text(str(path), boreholes_csv(seed))


def boreholes_csv(seed: int = 0) -> str:
    """The text of that file."""
    return str(boreholes(seed).to_csv(index=False, lineterminator="\n"))
