"""One self-contained page about the boreholes of a run: map, histogram, reasons, and the depth profile of any site."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd

from icemap.boreholes.sites import SiteTable, summary
from icemap.config import TargetConfig
from icemap.products.figures_boreholes import boreholes_map, on_the_map, value_histogram
from icemap.store import write_text

# What a browser draws without delay; used sites come first.
MOST_PROFILES = 5000


def write_boreholes_page(url: str, table: SiteTable, target: TargetConfig, *, title: str, thickness: float | None = None) -> None:
    """Write the page; it needs no network and no other file.

    Parameters
    ----------
    table : SiteTable
        Sites (after ``build_samples`` they carry the reasons of the cube too), layers and flags.
    thickness : float, optional
        Height of the window below the permafrost table in m, drawn in the profiles of raw layers.
    """
    from jinja2 import Environment, PackageLoader

    template = Environment(loader=PackageLoader("icemap", "products"), autoescape=True).get_template("boreholes.html")
    sites = table.sites
    used = sites[sites["used"].astype(bool)]
    profiles, left_out = _profiles(table, thickness)
    page = template.render(
        title=title,
        target=target,
        sites=len(sites),
        used=len(used),
        undrawn=int((~on_the_map(sites)).sum()),
        mean=f"{used['value'].mean():.1f}" if len(used) else None,
        map=_embedded(boreholes_map(sites)),
        histogram=_embedded(value_histogram(sites, target)),
        reasons=_counts(sites[~sites["used"].astype(bool)], ["reason"]),
        summary=_summary_rows(sites, target),
        flags=_counts(table.flags, ["rule", "reason"]) if len(table.flags) else [],
        profiles=_script_json(profiles),
        has_profiles=bool(profiles["sites"]),
        left_out=left_out,
        most_profiles=MOST_PROFILES,
    )
    write_text(url, page)


def _embedded(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _script_json(content: Any) -> Any:
    from markupsafe import Markup

    # "</script>" inside a site's name must not end the script.
    text = json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)


def _counts(table: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    counted = table.groupby(by, sort=True).size().sort_values(ascending=False, kind="stable")
    return [{**dict(zip(by, key if isinstance(key, tuple) else (key,))), "count": int(n)} for key, n in counted.items()]


def _summary_rows(sites: pd.DataFrame, target: TargetConfig) -> list[dict[str, Any]]:
    table = summary(sites)
    used = table[table["reason"] == ""].groupby(["reader", "region", "grade"])
    rows = []
    for key, part in used:
        reader, region, grade = map(str, key)
        mean = np.average(part["mean"], weights=part["sites"])
        rows.append({"reader": reader, "region": region, "grade": grade or "–", "sites": int(part["sites"].sum()), "mean": f"{mean:.1f} {target.unit}"})
    return rows


def _profiles(table: SiteTable, thickness: float | None) -> tuple[dict[str, Any], int]:
    """Sites with layers, ready to be drawn: ``[top, base, vic or null, how or why not]`` per layer."""
    if table.layers.empty:
        return {"sites": [], "thickness": thickness}, 0
    layers = table.layers[table.layers["top"].notna() & table.layers["base"].notna()]
    with_layers = np.unique(layers["borehole"])
    order = with_layers[np.argsort(~table.sites["used"].to_numpy(bool)[with_layers], kind="stable")]
    shown = order[:MOST_PROFILES]
    grouped = dict(tuple(layers[layers["borehole"].isin(shown)].groupby("borehole")))
    sites = []
    for borehole in shown:
        site = table.sites.iloc[borehole]
        sites.append(
            {
                "name": str(site["site"]),
                "reader": str(site["reader"]),
                "value": _number(site["value"]),
                "error": _number(site["standard_error"]),
                "grade": str(site["grade"]),
                "coverage": _number(site["coverage"]),
                "table": _number(site["permafrost_table"]),
                "tableSource": str(site["permafrost_table_source"]).replace("_", " "),
                "reason": str(site["reason"]),
                "layers": [
                    [_number(top), _number(base), _number(vic), str(how if vic == vic else why)]
                    for top, base, vic, how, why in grouped[borehole][["top", "base", "vic", "vic_from", "vic_reason"]]
                    .sort_values("top")
                    .itertuples(index=False)
                ],
            }
        )
    return {"sites": sites, "thickness": thickness}, len(order) - len(shown)


def _number(value: Any) -> float | None:
    number = float(value)
    return round(number, 3) if np.isfinite(number) else None
