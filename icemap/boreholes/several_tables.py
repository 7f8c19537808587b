"""One borehole in several tables or under several names: parts of it that complete one another,
values that differ, and layers that are there twice.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes import quality
from icemap.boreholes.limits import DUPLICATE_KM, ONE_PLACE_KM
from icemap.boreholes.records import empty_flags, make_flags
from icemap.boreholes.text import name_key
from icemap.sphere import chord_km
from icemap.store import file_name

# Points have no length, m.
THIN = 1e-6
SHOWN = 3
# Layers, and different ice contents of them, that two boreholes hardly have in common by chance.
LAYERS = 3

Numbers = NDArray[np.int64]


def join_tables(layers: pd.DataFrame) -> tuple[Numbers, pd.DataFrame, str]:
    """Give one number to the parts of a borehole that several tables hold of other depths.

    Parameters
    ----------
    layers : DataFrame
        Of all tables, with ``borehole``, a number for each borehole of each table, in their order.

    Returns
    -------
    borehole : ndarray of int, shape (layers,)
        From 0, without gaps.
    flags : DataFrame
        Rows that were joined to those of another table.
    note : str
        What was joined, empty if nothing was.
    """
    number = layers["borehole"].to_numpy(np.int64)
    holes = layers.groupby("borehole")[
        ["site", "source", "lon", "lat", "position_km", "file"]
    ].first()
    key = holes["site"].map(name_key) + "|" + holes["source"]
    again = holes[key.duplicated(keep=False) & holes[["lon", "lat"]].notna().all(axis=1)]
    joined: dict[int, int] = {}
    for _, same in again.groupby(key, sort=False):
        first = int(same.index[0])
        parts = [first]
        for other in map(int, same.index[1:]):
            if same["file"][other] == same["file"][first] or not _at_one_place(same, first, other):
                continue
            if not _share_depths(layers, np.isin(number, parts), number == other):
                joined[other] = first
                parts.append(other)
    if not joined:
        return number, empty_flags(), ""
    rows = layers[np.isin(number, list(joined))]
    flags = make_flags(
        rows["file"],
        rows["line"],
        rows["site"],
        "several tables",
        False,
        "read as one borehole with the layers of other depths that another table holds",
    )
    firsts = sorted(set(joined.values()))
    names = holes["site"].loc[firsts]
    note = (
        f"Layers of other depths in another table are read as those of the same borehole:"
        f" {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    )
    return pd.factorize(pd.Series(number).replace(joined))[0], flags, note


def _at_one_place(holes: pd.DataFrame, first: int, other: int) -> bool:
    """Whether two holes are as near as their decimals allow to say."""
    rounded = float(holes["position_km"][[first, other]].fillna(0.0).sum())
    return _apart_km(holes, first, other) <= min(DUPLICATE_KM + rounded, ONE_PLACE_KM)


def _apart_km(holes: pd.DataFrame, first: int, other: int) -> float:
    lon, lat = holes["lon"], holes["lat"]
    return float(chord_km(lon[first], lat[first], lon[other], lat[other]))


def _share_depths(layers: pd.DataFrame, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    depths = layers[["top", "base"]].to_numpy(float)
    points = depths[:, 0] == depths[:, 1]
    top, base = depths[:, 0] - THIN * points, depths[:, 1] + THIN * points
    shared = np.minimum.outer(base[one], base[other]) - np.maximum.outer(top[one], top[other])
    return bool((shared > 1.5 * THIN).any())


def told_differently(sites: pd.DataFrame, unit: str) -> str:
    """What boreholes that are in several tables with different values are, empty without any.

    Parameters
    ----------
    sites : DataFrame
        The site table.
    unit : str
        Of its values.
    """
    rows = sites.index[sites["reason"] == quality.DIFFERENT]
    if not len(rows):
        return ""
    key = sites["site"].map(name_key) + "|" + sites["source"]
    examples = []
    for row in rows[:SHOWN]:
        earlier = sites[(key == key[row]) & (sites.index < row) & sites["value"].notna()]
        away = (earlier[["lon", "lat"]] - sites.loc[row, ["lon", "lat"]]).abs().sum(axis=1)
        before = earlier.loc[away.idxmin()]
        both = (
            f"{part['value']:.3g} {unit} in {file_name(part['file'])} (line {part['line']})"
            for part in (before, sites.loc[row])
        )
        examples.append(f"'{sites['site'][row]}' has {' and '.join(both)}")
    more = f", and {len(rows) - SHOWN} more are so" if len(rows) > SHOWN else ""
    return (
        f"{'; '.join(examples)}{more}: the first is used; leave out the rows of one table, or give"
        " both a column 'source' if they are different boreholes"
    )


def told_copied(sites: pd.DataFrame, layers: pd.DataFrame) -> str:
    """What boreholes of other names with the same layers are, empty without any.

    Parameters
    ----------
    sites : DataFrame
        The site table.
    layers : DataFrame
        With ``vic`` and ``borehole``, a row of ``sites``.
    """
    known = layers[layers["vic"].notna() & sites["used"].to_numpy()[layers["borehole"]]]
    known = known.sort_values(["borehole", "top", "base"])
    holes = known.groupby("borehole")["vic"].agg(["size", "nunique"])
    telling = holes.index[(holes["size"] >= LAYERS) & (holes["nunique"] >= LAYERS)]
    rows = known.loc[known["borehole"].isin(telling), ["borehole", "top", "base", "vic"]].round(6)
    logs = rows.groupby("borehole")[["top", "base", "vic"]].agg(tuple).agg(tuple, axis=1)
    again = logs[logs.duplicated()] if len(logs) else logs
    if again.empty:
        return ""
    other = int(again.index[0])
    first = int(logs.index[(logs == again.iloc[0]).to_numpy(bool)][0])
    apart = _apart_km(sites, first, other)
    its, own = (
        f"'{row['site']}' ({file_name(str(row['file']))}, line {row['line']})"
        for row in (sites.loc[other], sites.loc[first])
    )
    more = f" ({len(again) - 1} more are so)" if len(again) > 1 else ""
    return (
        f"{its} has the depths and ice contents of {own}, {apart:.3g} km away, in all of"
        f" {holes['size'][other]} layers{more}: both are used; leave one out if"
        " they are one borehole, or correct what was copied"
    )
