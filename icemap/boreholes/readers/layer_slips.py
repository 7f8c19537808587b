"""Single rows of a table of layers that do not fit to the rest of their borehole."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.limits import ONE_PLACE_KM
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError
from icemap.sphere import chord_km

# Depths that are the same, m.
SAME = 1e-6
# Borders of a log that all touch but one, from which that one is a slip.
BORDERS = 3
# How many times as thick neighbours may be, and the depth (m) above which 100 times as deep is
# still no unusual gap.
ALIKE, NEAR_SURFACE = 10.0, 0.1


def require_one_hole(table: Table, layers: pd.DataFrame) -> list[str]:
    """Refuse a row of another name or place that fills the gap between two layers of a borehole,
    and tell of one that goes on above or below it.

    The row is alone with its name at its place, and the borehole has one of both.

    Parameters
    ----------
    table : Table
    layers : DataFrame
        Of the table.

    Returns
    -------
    list of str
        A sentence for each kind of rows that go on above or below.

    Raises
    ------
    IcemapError
        Naming the row, and both names or places.
    """
    pieces = layers[layers[["lon", "lat", "top", "base"]].notna().all(axis=1)]
    place = pd.Series(pieces.groupby(["lon", "lat"]).ngroup(), index=pieces.index)
    count = pieces.groupby([pieces["site"], place])["top"].transform("size")
    alone, several = pieces[count == 1], pieces[count > 1]
    told = []
    for key in (pieces["site"], place):
        holes = several.groupby(key[several.index]).groups
        going_on = []
        for row in alone.index[key[alone.index].isin(holes.keys())]:
            hole = several.loc[holes[key[row]]]
            # Of several boreholes the row may be of any.
            one = len(hole[["site", "lon", "lat"]].drop_duplicates()) == 1
            ends = _touching(hole, pieces.loc[row]) if one else 0
            if ends and _is_other(hole.iloc[0], pieces.loc[row]):
                sentence = _sentence(hole.iloc[0], pieces.loc[row])
                if ends == 2:
                    raise IcemapError(
                        f"{table.file}, {sentence}: correct the name or the place of the one that"
                        " is wrong."
                    )
                going_on.append(sentence)
        if going_on:
            more = f" ({len(going_on) - 1} more rows are so)" if len(going_on) > 1 else ""
            told.append(
                f"{going_on[0]}{more}: read as two boreholes; give both one name and place"
                " if they are one"
            )
    return told


def _touching(hole: pd.DataFrame, row: pd.Series) -> int:
    """At how many of its ends a layer touches those of a hole; 0 where it shares depths with it."""
    shared = np.minimum(hole["base"], row["base"]) - np.maximum(hole["top"], row["top"])
    if (shared > SAME).any() or row["base"] - row["top"] <= SAME:
        return 0
    above = (hole["base"] - row["top"]).abs().min() <= SAME
    return int(above) + int((hole["top"] - row["base"]).abs().min() <= SAME)


def _is_other(hole: pd.Series, row: pd.Series) -> bool:
    """Whether two rows differ by their names, or by places of which one is another borehole's."""
    apart = chord_km(hole["lon"], hole["lat"], row["lon"], row["lat"])
    return bool(hole["site"] != row["site"] or apart > ONE_PLACE_KM)


def _sentence(hole: pd.Series, row: pd.Series) -> str:
    own = f"line {row['line']}: the layer from {row['top']:g} to {row['base']:g} m"
    if hole["site"] == row["site"]:
        return (
            f"{own} of '{row['site']}' is at longitude {row['lon']:g}, latitude {row['lat']:g}, and"
            f" those that it touches are at {hole['lon']:g}, {hole['lat']:g} (line {hole['line']})"
        )
    return (
        f"{own} is of '{row['site']}', and those that it touches at the same place are of"
        f" '{hole['site']}' (line {hole['line']})"
    )


def require_borders(table: Table, layers: pd.DataFrame) -> None:
    """Refuse a layer that reaches over the next ones of a log whose other layers all touch, and
    one in another unit.

    Parameters
    ----------
    table : Table
    layers : DataFrame
        Of the table.

    Raises
    ------
    IcemapError
        Naming the row and both depths.
    """
    site = layers["site"].to_numpy()
    top, base = layers["top"].to_numpy(float), layers["base"].to_numpy(float)
    one = site[1:] == site[:-1]
    step = np.where(one, top[1:] - base[:-1], np.nan)
    # Where both ends are higher up the log begins again; what overlaps in part counts as a mean.
    over = (top[1:] > top[:-1]) & (base[1:] <= base[:-1] + SAME)
    over |= (base[1:] > base[:-1] + SAME) & (top[1:] <= top[:-1] + SAME)
    over &= step < -SAME
    borders = pd.DataFrame({"site": site[1:], "touch": np.abs(step) <= SAME, "over": over})[one]
    counts = borders.groupby("site").agg(touch=("touch", "sum"), over=("over", "sum"))
    rows = borders.groupby("site").size()
    slips = counts[(counts["over"] == 1) & (counts["touch"] == rows - 1)]
    slips = slips[slips["touch"] >= BORDERS]
    if slips.empty:
        _require_one_length(table, site, top, base, one)
        return
    name = slips.index[0]
    last = int(borders.index[(borders["site"] == name) & borders["over"]][0])
    raise IcemapError(
        f"{table.file}, line {table.lines[last]}: this layer of '{name}' ends at {base[last]:g} m,"
        f" and the next one (line {table.lines[last + 1]}) begins at {top[last + 1]:g} m, where all"
        " other layers of the borehole touch: correct the depth that is wrong."
    )


def _require_one_length(
    table: Table,
    site: NDArray[np.object_],
    top: NDArray[np.float64],
    base: NDArray[np.float64],
    one: NDArray[np.bool_],
) -> None:
    """Refuse a layer whose top is 100 or 1000 times the base above it, or the other way round, and
    whose thickness is like that of the other one then.
    """
    thickness = base - top
    layer = thickness > 0
    both = one & layer[1:] & layer[:-1] & (base[:-1] > 0) & (top[1:] > 0)
    ratio = np.divide(top[1:], base[:-1], out=np.ones(len(both)), where=both)
    size = np.maximum(ratio, 1 / ratio)
    other = both & (np.isclose(size, 100, rtol=1e-9) | np.isclose(size, 1000, rtol=1e-9))
    alike = np.divide(thickness[1:] / ratio, thickness[:-1], out=np.zeros(len(both)), where=both)
    other &= (alike > 1 / ALIKE) & (alike < ALIKE) & ((ratio < 1) | (base[:-1] >= NEAR_SURFACE))
    if other.any():
        row = int(np.argmax(other)) + 1
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: this layer of '{site[row]}' begins at"
            f" {top[row]:g} m, and the one above it (line {table.lines[row - 1]}) ends at"
            f" {base[row - 1]:g} m, as where one of them is in another unit: bring both to one."
        )
