"""The report: one self-contained page that a reader can keep, print or put in a supplement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from icemap.config_sections import TargetConfig
from icemap.products.pages.numbers import column_decimals, heading, is_text, number
from icemap.products.pages.page import render
from icemap.store import write_text

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]

REFERENCES = (
    (
        "Madadgar & Moradkhani (2014), copula-embedded Bayesian model averaging.",
        "10.1002/2014WR015965",
    ),
    ("Meyer & Pebesma (2021), area of applicability.", "10.1111/2041-210X.13650"),
    ("Linnenbrink et al. (2024), kNNDM cross-validation.", "10.5194/gmd-17-5897-2024"),
)


@dataclass(frozen=True)
class ComparedMap:
    """An earlier map in the report: its name, its page as seen from the report, what was found, and
    a picture.
    """

    name: str
    page: str
    lines: Sequence[str]
    png: bytes


@dataclass(frozen=True)
class Report:
    """What a report shows. Parts that are empty are left out of the page.

    Attributes
    ----------
    title : str
    target : TargetConfig
    map_png, plate_png : bytes
        From :func:`icemap.products.figures.maps.map_figure`, the second in degrees.
    width_png : bytes
        From :func:`icemap.products.figures.maps.width_parts_figure`; nothing for an interval
        that is made of the replicates alone.
    members : sequence of str
    replicates : int
    facts : mapping
        A few headline numbers, label -> value.
    storage : sequence of rows
        From :func:`storage_rows`.
    depth_m : float or None
        Metres below the permafrost table that the totals of ice are of.
    residual_mean : str
        Mean of the residual that the totals include; empty where they include none.
    preview : str
        What the map says of itself if it is a preview.
    skill : str
        What the skill against climatology means, a sentence.
    caveats : sequence of str
        What a reader must know before using the map, sentences.
    as_printed : bool
        The map follows the published recipe, whose intervals are others.
    interval_of : str
        What the interval of the map is for.
    verification, predictors : sequence of rows
        Tables; every row has the same keys, in the order of the columns.
    verification_note : str
    weights : sequence of rows
        Of members and consensus, mean over the replicates.
    published : sequence of rows
        Figures of the published map, printed for reference.
    pages : mapping of str to str
        What else can be read -> address of the page, as seen from the report.
    variogram_svg : bytes
        Of the residual that the totals include.
    verification_png, importance_svg, boreholes_svg : bytes
    comparisons : sequence of ComparedMap
    provenance : mapping
        Config, versions, digests, seeds, who and when.
    """

    title: str
    target: TargetConfig
    map_png: bytes
    plate_png: bytes = b""
    width_png: bytes = b""
    members: Sequence[str] = ()
    replicates: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    storage: Sequence[Row] = ()
    depth_m: float | None = None
    residual_mean: str = ""
    preview: str = ""
    skill: str = ""
    caveats: Sequence[str] = ()
    interval_of: str = "of a single cell"
    as_printed: bool = False
    verification: Sequence[Row] = ()
    verification_note: str = ""
    predictors: Sequence[Row] = ()
    weights: Sequence[Row] = ()
    published: Sequence[Row] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    variogram_svg: bytes = b""
    verification_png: bytes = b""
    importance_svg: bytes = b""
    boreholes_svg: bytes = b""
    comparisons: Sequence[ComparedMap] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ice(self) -> bool:
        return bool(self.storage) and any(key.startswith("ice [") for key in self.storage[0])


def write_report(url: str, report: Report) -> None:
    """Write ``report.html``, whole or not at all; pictures are inside, nothing is loaded from
    elsewhere.
    """
    page = render(
        "report.html",
        report=report,
        references=REFERENCES,
        heading=heading,
        is_text=is_text,
        column_decimals=column_decimals,
        plain=plain,
    )
    write_text(url, page)


def storage_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """The totals of :func:`icemap.totals.ice_storage.ice_storage` as the report prints them."""
    quantity, unit = (
        ("ice_km3", "km3") if "ice_km3" in table else ("mean", str(table["unit"].iloc[0]))
    )
    name = "ice" if quantity == "ice_km3" else "mean"
    rows = []
    for row in table.to_dict("records"):
        shown = {
            "region": row["region"],
            "area [km2]": row["area_km2"],
            f"{name} [{unit}]": row[quantity],
            "95 % interval": interval_words(row, quantity),
        }
        shown |= {
            f"{name} inside AOA [{unit}]": row[f"{quantity}_aoa"],
            f"{name} outside AOA [{unit}]": row[f"{quantity}_outside_aoa"],
        }
        if name == "ice":
            shown["water [km3]"] = row["water_km3"]
        shown |= {
            "cells independent": interval_words(row, f"{quantity}_independent"),
            "cells fully correlated": interval_words(row, f"{quantity}_correlated"),
        }
        rows.append(shown)
    return rows


def interval_words(row: Mapping[Any, Any], quantity: str) -> str:
    """The 95 % interval of a total, ``1 to 2``."""
    return f"{number(row[f'{quantity}_lower95'])} to {number(row[f'{quantity}_upper95'])}"


def plain(value: Any) -> str:
    """A provenance entry as text: strings and numbers as they are, the rest as indented JSON."""
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, indent=2, default=str, ensure_ascii=False)
    )
