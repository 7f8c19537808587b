"""From layers to sites: flags, permafrost table, VIC of the window, and the reason of every site
that is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes import quality
from icemap.boreholes.ice_content import with_wedge_ice
from icemap.boreholes.layer_vic import layer_vic
from icemap.boreholes.permafrost_table import FROZEN_GROUND, add_permafrost_table
from icemap.boreholes.records import QUANTITIES, join_flags, make_flags
from icemap.boreholes.table_units import convert_units
from icemap.boreholes.window import Pieces, window_means
from icemap.bounds import outside_words
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError

# Standard error of the VIC that a position error brings, % (choice): ground ice changes within
# metres and most of it within a few kilometres.
POSITION_ERROR = {"A": 0.0, "B": 2.0, "C": 5.0, "D": 10.0}
# The parts of a site's standard error, in its unit; their squares add up to that of the whole.
ERROR_PARTS = ("measurement_error", "unsampled_error", "table_error", "position_error")
EXCLUDING_RULES: dict[str, quality.Rule] = {
    "summary": quality.check_summary,
    "depths": quality.check_depths,
    "gravimetric water": quality.check_water,
    "density": quality.check_density,
    "fractions": quality.check_fractions,
    "excess ice": quality.check_excess,
    "no ground": quality.check_ground,
}


@dataclass(frozen=True)
class Window:
    """What part of the ground counts, how well it must be known, and whether frozen ground may
    bound the permafrost table.
    """

    thickness: float
    grades: tuple[str, ...]
    cell_km: float
    frozen_ground: bool = True


def convert_layers(layers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add ``vic``, ``vic_error``, ``vic_from`` and ``vic_reason`` to layers (NaN where a rule
    excludes them); and the flags.
    """
    layers = layers.reset_index(drop=True)
    measured = _measured(layers)
    parts: list[pd.DataFrame] = []
    excluded = pd.Series("", index=layers.index, dtype=object)
    for name, rule in EXCLUDING_RULES.items():
        reason = rule(layers).where(measured, "")
        parts += _flags(layers, reason, name, excludes=True)
        excluded = quality.first_reason(excluded, reason)
    unfrozen = (layers["frozen"] == "no") & measured & (excluded == "")
    told = pd.Series(
        np.where(unfrozen, "unfrozen when sampled", ""), index=layers.index, dtype=object
    )
    parts += _flags(layers, told, "unfrozen", excludes=True)
    excluded = quality.first_reason(excluded, told)
    layers = layers.join(layer_vic(layers))
    filled = quality.check_filled(layers).where(excluded == "", "")
    parts += _flags(layers, filled, "water and density", excludes=False)
    _doubt(layers, (filled != "").to_numpy())
    solids = quality.check_solids(layers).where(excluded == "", "")
    parts += _flags(layers, solids, "solids", excludes=True)
    without = layers["vic_reason"].where(measured & (excluded == ""), "")
    parts += _flags(layers, without, "no VIC", excludes=True)
    overlapping = quality.check_overlap(layers).where(excluded == "", "")
    parts += _flags(layers, overlapping, "overlap", excludes=False)
    excluded = quality.first_reason(excluded, solids)
    bad = (excluded != "").to_numpy()
    layers.loc[bad, ["vic", "vic_error"]] = np.nan
    layers.loc[bad, "vic_reason"] = excluded[bad]
    return layers, join_flags(parts)


def _doubt(layers: pd.DataFrame, rows: NDArray[np.bool_]) -> None:
    """A layer whose water and density would overfill its volume is known no better than by what is
    too much.
    """
    excess = 100 * (quality.filled_volume(layers)[rows] - 1)
    layers.loc[rows, "vic_error"] = np.hypot(layers.loc[rows, "vic_error"], excess)


def _measured(layers: pd.DataFrame) -> pd.Series:
    """Rows that are layers, and not only a place with a permafrost table."""
    return layers[["top", "base", *QUANTITIES]].notna().any(axis=1) | (layers["ice_type"] != "")


def _flags(
    layers: pd.DataFrame, reason: pd.Series, rule: str, *, excludes: bool
) -> list[pd.DataFrame]:
    """What a rule has to say; nothing is the rule, and tables without rows take time."""
    rows = (reason != "").to_numpy()
    if not rows.any():
        return []
    part = layers.loc[rows, ["file", "line", "site"]]
    return [make_flags(part["file"], part["line"], part["site"], rule, excludes, reason[rows])]


def sites_from_layers(
    layers: pd.DataFrame, thaw_sites: pd.DataFrame, window: Window, target: TargetConfig
) -> pd.DataFrame:
    """The site table of converted layers.

    Parameters
    ----------
    layers : DataFrame
        Layers with ``vic`` (%), ``vic_error``, ``borehole`` (a number for each borehole, from 0)
        and ``reader``.
    thaw_sites : DataFrame
        ``lon, lat, active_layer`` (m) of places that lend their permafrost table to boreholes
        within 1 km.
    """
    sites = add_permafrost_table(
        _one_row_per_borehole(layers), layers, thaw_sites, bounded=window.frozen_ground
    )
    table, table_error = (
        sites[name].to_numpy(float) for name in ("permafrost_table", "permafrost_table_error")
    )
    means = window_means(_pieces(layers), table, table_error, window.thickness)
    wedge = sites.pop("wedge_ice").fillna(0.0)
    percent = np.asarray(with_wedge_ice(wedge, means["vic"] / 100)) * 100
    errors = means[[name for name in ERROR_PARTS if name in means]].mul(1 - wedge, axis=0)
    errors["position_error"] = _position_error(sites).where(means["layers"] > 0)
    total = np.sqrt((errors[list(ERROR_PARTS)] ** 2).sum(axis=1, skipna=False))
    sites["value"], sites["standard_error"] = (
        in_unit(column, target) for column in (percent, total.to_numpy(float))
    )
    for name in ERROR_PARTS:
        sites[name] = in_unit(errors[name].to_numpy(float), target)
    sites["coverage"] = means["coverage"]
    bound = (sites["permafrost_table_source"] == FROZEN_GROUND) & means["grade"].isin(["A", "B"])
    mapped = sites["permafrost_table_source"] == "mapped"
    sites["grade"] = (
        means["grade"].where(~bound, "C").where(~mapped, "D").where(means["layers"] > 0, "")
    )
    sites["layers"] = means["layers"]
    sites["reason"] = _reasons(sites, layers, window, target)
    sites["used"] = sites["reason"] == ""
    ordinary = sites[sites["used"]]
    in_percent = ordinary.assign(value=percent[ordinary.index])
    # Holes at rounded coordinates may share a value; one reported twice shares its layers and
    # table, too.
    identical = quality.check_identical(in_percent, also=("coverage", "layers", "permafrost_table"))
    twice = quality.first_reason(
        quality.check_same_id(in_percent), identical, quality.check_close(in_percent)
    )
    sites.loc[ordinary.index, "reason"] = twice
    sites["used"] = sites["reason"] == ""
    return sites


def _pieces(layers: pd.DataFrame) -> Pieces:
    top, base, vic, error = (
        layers[name].to_numpy(float) for name in ("top", "base", "vic", "vic_error")
    )
    return Pieces(
        layers["borehole"].to_numpy(),
        top,
        base,
        vic,
        error,
        (layers["support"] == "samples").to_numpy(),
    )


def _position_error(sites: pd.DataFrame) -> pd.Series:
    """Error that the position brings, %: by its grade, and without one by that of C, or of D where
    it is published too coarsely for C.
    """
    ungraded = np.where(
        sites["position_km"] > quality.POSITION_KM["C"], POSITION_ERROR["D"], POSITION_ERROR["C"]
    )
    return (
        sites["position_grade"]
        .map(POSITION_ERROR)
        .astype(float)
        .fillna(pd.Series(ungraded, index=sites.index))
    )


def in_unit(percent: NDArray[np.float64], target: TargetConfig) -> NDArray[np.float64]:
    """Ice contents in % in the unit of the target, any shape.

    Raises
    ------
    IcemapError
        If the target is no such quantity.

    Examples
    --------
    >>> in_unit(np.array([2.5]), TargetConfig(unit="fraction", bounds=(0, 1)))
    array([0.025])
    """
    converted = convert_units(percent, "%", target.unit)
    if converted is None:
        raise IcemapError(
            f"Raw layers give ice content in %, and the target {target.name} is in '{target.unit}':"
            " set target.unit to % or fraction."
        )
    return converted


def _one_row_per_borehole(layers: pd.DataFrame) -> pd.DataFrame:
    grouped = layers.groupby("borehole", sort=True)
    first = grouped[
        [
            "site",
            "lon",
            "lat",
            "position_grade",
            "position_km",
            "source",
            "year",
            "reader",
            "file",
            "line",
        ]
    ].first()
    wedge = (
        layers["wedge_ice"]
        .where(layers["wedge_ice"].between(0, 1))
        .groupby(layers["borehole"])
        .mean()
    )
    return first.assign(wedge_ice=wedge).reset_index(drop=True)


def _reasons(
    sites: pd.DataFrame, layers: pd.DataFrame, window: Window, target: TargetConfig
) -> pd.Series:
    """Why each site cannot be used, from the ground up."""
    measured = _measured(layers)
    has_layers = measured.groupby(layers["borehole"]).any()
    has_vic = layers["vic"].notna().groupby(layers["borehole"]).any()
    without = layers.loc[measured & layers["vic"].isna()]
    first_reason = (
        without.groupby("borehole")["vic_reason"]
        .first()
        .reindex(sites.index)
        .fillna("")
        .astype(object)
    )

    def where(condition: pd.Series, reason: str | pd.Series) -> pd.Series:
        text = (
            pd.Series(reason, index=sites.index, dtype=object)
            if isinstance(reason, str)
            else reason
        )
        return text.where(condition, "")

    no_table = sites["permafrost_table"].isna()
    too_deep = (sites["permafrost_table_source"] == FROZEN_GROUND) & (
        sites["permafrost_table"] > window.thickness
    )
    unwanted, mapped = (
        ~sites["grade"].isin(window.grades),
        sites["permafrost_table_source"] == "mapped",
    )
    reasons = [
        quality.check_coordinates(sites),
        where(~has_layers, "no layer was measured"),
        where(~has_vic, first_reason),
        quality.check_position(sites, window.cell_km),
        where(
            no_table,
            "no permafrost table: none given, no thaw site within 1 km, and nothing says that a"
            " layer was frozen",
        ),
        where(
            too_deep,
            f"frozen ground was only met below {window.thickness:g} m: the permafrost table is"
            " somewhere above, and the samples may be below its window",
        ),
        where(
            sites["layers"] == 0,
            f"no layer in the {window.thickness:g} m below the permafrost table",
        ),
        where(mapped & unwanted, "grade D: permafrost table from a map"),
        where(
            unwanted,
            "grade "
            + sites["grade"]
            + f": too little of the {window.thickness:g} m below the permafrost table is covered",
        ),
    ]
    if target.bounds is not None:
        wrong = ~sites["value"].between(*target.limits)
        reasons.append(where(wrong, outside_words(target.bounds, target.unit)))
    return quality.first_reason(*reasons)
