"""One self-contained page about the boreholes of a run: map, histogram, reasons, and the depth
profile of any site.
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from icemap.boreholes.pseudo import is_pseudo
from icemap.boreholes.sites import SiteTable, summary
from icemap.config_sections import TargetConfig
from icemap.products.figures.boreholes import boreholes_map, on_the_map, value_histogram
from icemap.products.pages.page import embedded, render, script_json
from icemap.store import write_text
from icemap.words import pseudo_sites_words

# What a browser draws without delay; used sites come first.
MAX_PROFILES = 5000
MAX_LISTED = 2000
ERROR_PARTS = {
    "measurement_error": "way of measuring",
    "unsampled_error": "part of the window that was not sampled",
    "table_error": "permafrost table",
    "position_error": "position",
}


def write_boreholes_page(
    url: str, table: SiteTable, target: TargetConfig, *, title: str, thickness: float | None = None
) -> None:
    """Write the page; it needs no network and no other file.

    Parameters
    ----------
    table : SiteTable
        Sites (after ``build_samples`` they carry the reasons of the cube too), layers and flags.
    thickness : float, optional
        Height of the window below the permafrost table in m, drawn in the profiles of raw layers.
    """
    pseudo = is_pseudo(table.sites)
    sites = table.sites[~pseudo]
    used = sites[sites["used"].astype(bool)]
    of_bedrock = table.sites[pseudo]
    profiles, left_out = _profiles(table, thickness)
    page = render(
        "boreholes.html",
        title=title,
        target=target,
        sites=len(sites),
        used=len(used),
        undrawn=int((~on_the_map(sites)).sum()),
        mean=f"{used['value'].mean():.1f}" if len(used) else None,
        pseudo_sites=(
            pseudo_sites_words(int(of_bedrock["used"].astype(bool).sum())) if pseudo.any() else ""
        ),
        pseudo_reasons=_counts(of_bedrock[~of_bedrock["used"].astype(bool)], ["reason"]),
        map=embedded(boreholes_map(table.sites)),
        histogram=embedded(value_histogram(sites, target)),
        notes=table.notes,
        gains=table.gains,
        errors=_errors(used),
        error_parts=list(ERROR_PARTS.values()),
        tables=_tables(used),
        reasons=_counts(sites[~sites["used"].astype(bool)], ["reason"]),
        unused=_unused(sites),
        not_listed=max(len(sites) - len(used) - MAX_LISTED, 0),
        summary=_summary_rows(sites, target),
        flags=_counts(table.flags, ["rule", "reason"]) if len(table.flags) else [],
        profiles=script_json(profiles),
        has_profiles=bool(profiles["sites"]),
        left_out=left_out,
        most_profiles=MAX_PROFILES,
    )
    write_text(url, page)


def _counts(table: pd.DataFrame, by: list[str]) -> list[dict[str, object]]:
    counted = table.groupby(by, sort=True).size().sort_values(ascending=False, kind="stable")
    return [
        {**dict(zip(by, key if isinstance(key, tuple) else (key,))), "count": int(n)}
        for key, n in counted.items()
    ]


def _unused(sites: pd.DataFrame) -> list[dict[str, str]]:
    """Name, row and reason of the sites that are not used, as many as a page can list."""
    part = sites[~sites["used"].astype(bool)].head(MAX_LISTED)
    files = part["file"] if "file" in part else pd.Series("", index=part.index)
    lines = part["line"] if "line" in part else pd.Series("", index=part.index)
    where = [
        f"{str(file).rsplit('/', 1)[-1]}, line {line}" if file else f"line {line}"
        for file, line in zip(files, lines)
    ]
    return [
        {"site": str(site), "where": at, "reason": str(reason)}
        for site, at, reason in zip(part["site"], where, part["reason"])
    ]


def _errors(used: pd.DataFrame) -> list[dict[str, str]]:
    """Median and range of the standard error of the used sites, and of its parts."""
    rows = {"standard_error": "standard error", **ERROR_PARTS}
    there = {
        name: used[name].dropna() for name in rows if name in used and used[name].notna().any()
    }
    if len(there) < 2:
        return []
    return [
        {
            "part": rows[name],
            "median": f"{part.median():.1f}",
            "low": f"{part.min():.1f}",
            "high": f"{part.max():.1f}",
        }
        for name, part in there.items()
    ]


def _tables(used: pd.DataFrame) -> list[dict[str, object]]:
    """How many used sites have their permafrost table from each source, and how deep it is."""
    given = (
        used[used["permafrost_table_source"] != ""]
        if "permafrost_table_error" in used
        else used.head(0)
    )
    if given.empty:
        return []
    return [
        {
            "source": (
                str(source).replace("_", " ")
                + (" (upper bound)" if source == "frozen_ground" else "")
            ),
            "sites": len(part),
            "depth": f"{part['permafrost_table'].median():.2f}",
            "error": f"{part['permafrost_table_error'].median():.2f}",
        }
        for source, part in given.groupby("permafrost_table_source", sort=True)
    ]


def _summary_rows(sites: pd.DataFrame, target: TargetConfig) -> list[dict[str, object]]:
    table = summary(sites)
    used = table[table["reason"] == ""].groupby(["reader", "region", "grade"])
    rows = []
    for key, part in used:
        reader, region, grade = map(str, key)
        mean = np.average(part["mean"], weights=part["sites"])
        rows.append(
            {
                "reader": reader,
                "region": region,
                "grade": grade or "–",
                "sites": int(part["sites"].sum()),
                "mean": f"{mean:.1f} {target.unit}",
            }
        )
    return rows


class Profile(TypedDict):
    """A site with layers, ready to be drawn; the names of the keys are those of the page's script.

    A layer is ``[top, base, vic or null, how or why not, is a sample]``.
    """

    name: str
    reader: str
    value: float | None
    error: float | None
    parts: list[float | None]
    grade: str
    coverage: float | None
    table: float | None
    tableSource: str
    tableError: float | None
    reason: str
    layers: list[list[float | str | bool | None]]


class Profiles(TypedDict):
    """The sites that are drawn, and the depth that counts, m."""

    sites: list[Profile]
    thickness: float | None


def _profiles(table: SiteTable, thickness: float | None) -> tuple[Profiles, int]:
    """Profiles of the first sites with layers, and how many more there are."""
    if table.layers.empty:
        return {"sites": [], "thickness": thickness}, 0
    layers = table.layers[table.layers["top"].notna() & table.layers["base"].notna()]
    with_layers = np.unique(layers["borehole"])
    order = with_layers[np.argsort(~table.sites["used"].to_numpy(bool)[with_layers], kind="stable")]
    shown = order[:MAX_PROFILES]
    drawn = layers[layers["borehole"].isin(shown)].sort_values(["borehole", "top"], kind="stable")
    by_borehole: dict[int, list[list[float | str | bool | None]]] = {}
    columns = ["borehole", "top", "base", "vic", "vic_from", "vic_reason", "support"]
    for borehole, top, base, vic, how, why, support in drawn[columns].itertuples(index=False):
        by_borehole.setdefault(borehole, []).append(
            [
                _number(top),
                _number(base),
                _number(vic),
                str(how if vic == vic else why),
                support == "samples",
            ]
        )
    sites: list[Profile] = [
        {
            "name": str(site["site"]),
            "reader": str(site["reader"]),
            "value": _number(site["value"]),
            "error": _number(site["standard_error"]),
            "parts": [_number(site[name]) for name in ERROR_PARTS],
            "grade": str(site["grade"]),
            "coverage": _number(site["coverage"]),
            "table": _number(site["permafrost_table"]),
            "tableSource": str(site["permafrost_table_source"]).replace("_", " "),
            "tableError": _number(site["permafrost_table_error"]),
            "reason": str(site["reason"]),
            "layers": by_borehole[borehole],
        }
        for borehole, site in zip(shown, table.sites.iloc[shown].to_dict("records"), strict=True)
    ]
    return {"sites": sites, "thickness": thickness}, len(order) - len(shown)


def _number(value: Any) -> float | None:
    number = float(value)
    return round(number, 3) if np.isfinite(number) else None
