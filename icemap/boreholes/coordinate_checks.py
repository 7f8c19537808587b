"""Coordinates that are no decimal degrees, or have lost a sign, as all of a table shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import REGION, REGION_MARGIN
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError
from icemap.sphere import EARTH_RADIUS_KM, chord_km, unit_vectors

# The chance below which decimals do not stay under .60 by themselves, and how many distinct ones
# there must be: places rounded to halves of a degree have two.
CHANCE = 1e-4
DECIMALS = 15
# Tenths of a degree up to which neighbours are where they are for one reason.
CLOSE = 2
# So many places on one side of the zero meridian or the equator make a few on the other strange,
# or so many that are within a few degrees of one another make a single one so.
ONE_SIDE = 10
FEW = 0.02
NEIGHBOURS, NEIGHBOURHOOD = 3, 5.0
# One is named; more of a large table need not be compared with all others.
LOOKED_AT = 50
# With a sign they would be among the others: inside their box, where it is that of one region, or
# this near to one of them (km).
NEAR = 10.0
# From the others, km, where exchanged coordinates are not taken for those of another region.
FAR_AWAY = 500.0
# Across the date line both signs are near to one another (degrees).
APART = 20.0

Floats = NDArray[np.float64]


def require_meant(table: Table, headers: tuple[str, str], lon: Floats, lat: Floats) -> None:
    """Refuse minutes that are written as decimals, and single places without their minus sign or
    with longitude and latitude exchanged.

    Parameters
    ----------
    table : Table
        As it was read.
    headers : (str, str)
        Of the columns of longitude and latitude.
    lon, lat : ndarray of shape (rows,)
        Degrees; impossible ones are left out.

    Raises
    ------
    IcemapError
        Naming the columns, an example, and the key that says they are right.
    """
    there = np.flatnonzero((np.abs(lon) <= 180) & (np.abs(lat) <= 90))
    _, first = np.unique(np.column_stack([lon[there], lat[there]]), axis=0, return_index=True)
    rows = there[np.sort(first)]
    if len(rows) >= NEIGHBOURS and np.array_equal(lon[rows], lat[rows]):
        raise IcemapError(
            f"{table.file}: '{headers[0]}' and '{headers[1]}' are the same in all of {len(rows)}"
            f" places, such as {lon[rows[0]]:g}: one of them was copied into the other."
        )
    _require_decimals(table, headers, lon[rows], lat[rows])
    _require_signs(table, headers, rows, lon[rows], lat[rows])
    _require_order(table, headers, rows, lon[rows], lat[rows])


def _require_decimals(table: Table, headers: tuple[str, str], lon: Floats, lat: Floats) -> None:
    hundredths = np.concatenate([_hundredths(lon), _hundredths(lat)])
    if len(np.unique(hundredths)) < DECIMALS or hundredths.max() >= 60:
        return
    if chance_of_minutes(lon) * chance_of_minutes(lat) > CHANCE:
        return
    example = lat[np.argmax(_hundredths(lat))]
    minutes = f"{int(abs(example))} {_hundredths(np.array([example]))[0]:02.0f}"
    raise IcemapError(
        f"{table.file}: of {len(lon)} places no '{headers[0]}' or '{headers[1]}' has decimals of"
        f" .60 or more, as where {abs(example):g} is written for {minutes}, degrees and minutes:"
        " convert both columns to decimal degrees, or write the parts with a blank between; if they"
        " are decimal degrees, say so with the key 'crs: EPSG:4326'."
    )


def _hundredths(values: Floats) -> Floats:
    """The first two decimals: minutes, where minutes are written as decimals."""
    return np.asarray(np.floor(np.abs(values) % 1 * 100 + 1e-6))


def chance_of_minutes(values: Floats) -> float:
    """Largest chance with which decimals of places would all be below .60, had they been degrees.

    Places that follow one another closely count once, and only tenths of a degree between the first
    and the last can be missing: those of a small region tell nothing.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Degrees.

    Examples
    --------
    >>> float(chance_of_minutes(np.array([68.45, 68.12, 68.59])))
    1.0
    >>> chance_of_minutes(np.array([60.1, 61.4, 62.3, 63.5, 64.2, 65.1])) < 0.1
    True
    """
    tenths = np.unique(np.floor(np.abs(values) * 10 + 1e-6)).astype(int)
    if not len(tenths):
        return 1.0
    groups = 1 + int((np.diff(tenths) > CLOSE).sum())
    between = np.arange(tenths[0], tenths[-1] + 1)
    return float((between % 10 < 6).mean()) ** groups


def _require_signs(
    table: Table, headers: tuple[str, str], rows: NDArray[np.int64], lon: Floats, lat: Floats
) -> None:
    for header, values, other, west in (
        (headers[0], lon, lat, True),
        (headers[1], lat, lon, False),
    ):
        for negative in (True,) if west else (True, False):
            most = values < 0 if negative else values > 0
            few = np.flatnonzero(values > 0 if negative else values < 0)
            near = most.any() and np.ptp(values[most]) + np.ptp(other[most]) <= NEIGHBOURHOOD
            if most.sum() < (NEIGHBOURS if near else ONE_SIDE) or not 0 < len(few) <= max(
                1, FEW * most.sum()
            ):
                continue
            few = few[:LOOKED_AT]
            apart = np.abs(values[few][:, None] - values[most][None, :])
            far = np.minimum(apart, 360 - apart).min(axis=1) > APART
            back = _among(values[most], other[most], -values[few], other[few], turned=west)
            for row in few[far & back]:
                raise IcemapError(
                    f"{table.file}, line {table.lines[rows[row]]}: '{header}' is {values[row]:g},"
                    f" and {most.sum()} of {len(values)} places have the other sign; with it this"
                    " one is among them: correct the sign, or, if it is right, say that all are"
                    " degrees with the key 'crs: EPSG:4326'."
                )


def _require_order(
    table: Table, headers: tuple[str, str], rows: NDArray[np.int64], lon: Floats, lat: Floats
) -> None:
    """Single places far from all others, among which they are with their coordinates exchanged."""
    from scipy.spatial import cKDTree

    few = min(max(1, int(FEW * len(lon))), LOOKED_AT)
    possible = np.flatnonzero((np.abs(lon) <= 90) & (lon != lat))
    if len(lon) <= ONE_SIDE or not len(possible):
        return
    points = unit_vectors(lon, lat) * EARTH_RADIUS_KM
    away = cKDTree(points).query(points[possible], k=few + 1)[0][:, -1]
    alone = possible[away > FAR_AWAY]
    if not 0 < len(alone) <= few:
        return
    rest = np.setdiff1d(np.arange(len(lon)), alone)
    back = _among(lon[rest], lat[rest], lat[alone], lon[alone], turned=True)
    for row in alone[back]:
        raise IcemapError(
            f"{table.file}, line {table.lines[rows[row]]}: '{headers[0]}' is {lon[row]:g} and"
            f" '{headers[1]}' {lat[row]:g}, more than {FAR_AWAY:g} km from the other places; with"
            " both exchanged this one is among them: exchange them, or, if it is right, say that"
            " all are degrees with the key 'crs: EPSG:4326'."
        )


def _among(
    values: Floats, other: Floats, turned_values: Floats, turned_other: Floats, *, turned: bool
) -> NDArray[np.bool_]:
    """Whether places with their sign turned are inside the region of the others, or near to one."""
    inside = (
        (turned_values >= values.min() - REGION_MARGIN)
        & (turned_values <= values.max() + REGION_MARGIN)
        & (turned_other >= other.min() - REGION_MARGIN)
        & (turned_other <= other.max() + REGION_MARGIN)
    )
    if np.ptp(values) <= REGION and np.ptp(other) <= REGION:
        return np.asarray(inside)
    lon, lat = (values, other) if turned else (other, values)
    places = (turned_values, turned_other) if turned else (turned_other, turned_values)
    km = chord_km(places[0][:, None], places[1][:, None], lon, lat)
    return np.asarray(km.min(axis=1) < NEAR)


def require_one_sign_by_name(
    table: Table, header: str, sites: pd.Series, lon: Floats, lat: Floats
) -> None:
    """Refuse a site whose rows differ by the sign of the longitude alone, or by the order of both.

    Parameters
    ----------
    table : Table
    header : str
        Of the longitude.
    sites : Series
        Name of the site in each row.
    lon, lat : ndarray of shape (rows,)
        Degrees.

    Raises
    ------
    IcemapError
        Naming the site and a row.
    """
    possible = (np.abs(lon) < 180) & (np.abs(lat) <= 90)
    east, north = np.where(possible, lon, np.nan), np.where(possible, lat, np.nan)
    keys = [sites.to_numpy(), np.abs(east).round(4), north.round(4)]
    signs = pd.Series(np.sign(east)).groupby(keys).transform("nunique")
    both = (signs > 1).to_numpy() & (east > 0)
    if both.any():
        row = int(np.argmax(both))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{header}' of '{sites.iloc[row]}' is"
            f" {lon[row]:g} here and {-lon[row]:g} in another row: correct the sign of one."
        )
    holes = pd.MultiIndex.from_arrays([sites.to_numpy(), lon, lat])
    exchanged = pd.MultiIndex.from_arrays([sites.to_numpy(), lat, lon]).isin(holes) & (lon != lat)
    if (possible & exchanged).any():
        row = int(np.flatnonzero(possible & exchanged)[-1])
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{sites.iloc[row]}' is at longitude"
            f" {lon[row]:g} and latitude {lat[row]:g} here, and the other way round in another row:"
            " exchange them in one."
        )


def require_not_counted_up(table: Table, columns: dict[str, Floats], sites: pd.Series) -> None:
    """Refuse numbers of one site that grow by 1 from row to row, as cells that a spreadsheet
    program filled in.

    Parameters
    ----------
    table : Table
    columns : dict of ndarray of shape (rows,)
        What rows of one site have in common, by header.
    sites : Series
        Name of the site in each row.

    Raises
    ------
    IcemapError
        Naming the site, its rows and the numbers.
    """
    same = (sites == sites.shift()).to_numpy(bool)
    for header, values in columns.items():
        steps = np.diff(values, prepend=np.nan)
        counted = same & (np.abs(steps - 1) < 1e-6)
        # From the third row on it is no chance.
        row = int(np.argmax(counted & np.roll(counted, 1)))
        if counted[row] and counted[row - 1] and row:
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: '{header}' of '{sites.iloc[row]}' is"
                f" {values[row - 2]:g}, {values[row - 1]:g} and {values[row]:g} in rows that follow"
                " one another, as where a cell was filled downwards as a series: copy the number"
                " of the site into its rows."
            )
