"""The report: one self-contained page that a reader can keep, print or put in a supplement."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from icemap.config import TargetConfig
from icemap.store import write_text

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]

# Each row has a unit of its own.
FREE_COLUMNS = ("lowest", "highest")
REFERENCES = (
    ("Madadgar & Moradkhani (2014), copula-embedded Bayesian model averaging.", "10.1002/2014WR015965"),
    ("Meyer & Pebesma (2021), area of applicability.", "10.1111/2041-210X.13650"),
    ("Linnenbrink et al. (2024), kNNDM cross-validation.", "10.5194/gmd-17-5897-2024"),
)


@dataclass(frozen=True)
class ComparedMap:
    """An earlier map in the report: its name, its page as seen from the report, what was found, and a picture."""

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
        From :func:`icemap.products.figures.map_figure`, the second in degrees.
    members : sequence of str
    replicates : int
    facts : mapping
        A few headline numbers, label -> value.
    storage : sequence of rows
        From :func:`storage_rows`.
    has_residual : bool
        Whether the totals include the correlated residual.
    skill : str
        What the skill against climatology means, a sentence.
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
    verification_png, importance_svg, boreholes_svg : bytes
    comparisons : sequence of ComparedMap
    provenance : mapping
        Config, versions, digests, seeds, who and when.
    """

    title: str
    target: TargetConfig
    map_png: bytes
    plate_png: bytes = b""
    members: Sequence[str] = ()
    replicates: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    storage: Sequence[Row] = ()
    has_residual: bool = False
    skill: str = ""
    interval_of: str = "of a single cell"
    verification: Sequence[Row] = ()
    verification_note: str = ""
    predictors: Sequence[Row] = ()
    weights: Sequence[Row] = ()
    published: Sequence[Row] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    verification_png: bytes = b""
    importance_svg: bytes = b""
    boreholes_svg: bytes = b""
    comparisons: Sequence[ComparedMap] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ice(self) -> bool:
        return bool(self.storage) and any("ice" in key for key in self.storage[0])


def write_report(url: str, report: Report) -> None:
    """Write ``report.html``, whole or not at all; pictures are inside, nothing is loaded from elsewhere."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("icemap.products").joinpath("report.html").read_text(encoding="utf-8"))
    helpers = {
        "number": number,
        "heading": heading,
        "is_text": is_text,
        "column_decimals": column_decimals,
        "plain": plain,
        "embedded": embedded,
    }
    write_text(url, template.render(report=report, references=REFERENCES, **helpers))


def embedded(picture: bytes) -> str:
    """A PNG or SVG as an address that holds it."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def storage_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The totals of :func:`icemap.products.ice_storage.ice_storage` as the report prints them."""
    quantity, unit = ("ice_km3", "km3") if "ice_km3" in table else ("mean", str(table["unit"].iloc[0]))
    name = "ice" if quantity == "ice_km3" else "mean"
    rows = []
    for row in table.to_dict("records"):
        shown = {"region": row["region"], "area [km2]": row["area_km2"], f"{name} [{unit}]": row[quantity], "95 % interval": _interval(row, quantity)}
        shown |= {f"{name} inside AOA [{unit}]": row[f"{quantity}_aoa"], f"{name} outside AOA [{unit}]": row[f"{quantity}_outside_aoa"]}
        if name == "ice":
            shown["water [km3]"] = row["water_km3"]
        shown |= {"cells independent": _interval(row, f"{quantity}_independent"), "cells fully correlated": _interval(row, f"{quantity}_correlated")}
        rows.append(shown)
    return rows


def _interval(row: Mapping[Any, Any], quantity: str) -> str:
    return f"{number(row[f'{quantity}_lower95'])} to {number(row[f'{quantity}_upper95'])}"


def number(value: Any, decimals: int | None = None) -> str:
    """Three significant digits, or the decimals given; a dash for what is undefined; words and whole numbers as they are.

    Examples
    --------
    >>> number(0.86123), number(54600.4), number(-0.02), number(float("nan")), number("kNNDM"), number(5.0, 2)
    ('0.861', '54,600', '-0.0200', '–', 'kNNDM', '5.00')
    """
    if value is None or (_is_real(value) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if not _is_real(value):
        return str(value)
    return f"{float(value):,.{_decimals(float(value)) if decimals is None else decimals}f}"


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral)


def _decimals(largest: float) -> int:
    """Decimals that give a number three significant digits, at most four."""
    return 3 if largest == 0 else min(max(2 - math.floor(math.log10(abs(largest))), 0), 4)


def column_decimals(rows: Sequence[Row], key: str) -> int | None:
    """The same decimals for a whole column, from its largest number; None for words, and where numbers are too unlike for that."""
    sizes = [abs(float(row[key])) for row in rows if _is_real(row[key]) and math.isfinite(row[key])]
    if not sizes or key in FREE_COLUMNS:
        return None
    return next(decimals for limit, decimals in ((1000, 0), (100, 1), (1, 2), (0, 3)) if max(sizes) >= limit)


def heading(key: str) -> str:
    """Column keys as words: ``sd_ensemble`` reads ``sd ensemble``."""
    return str(key).replace("_", " ").replace("km2", "km²").replace("km3", "km³")


def is_text(rows: Sequence[Row], key: str) -> bool:
    """True for a column of words, which is set flush left; ``1 to 2``, ``3 %`` and a dash count as numbers."""
    return any(isinstance(row[key], str) and not (row[key][:1].isdigit() or row[key][:1] in "-–") for row in rows)


def plain(value: Any) -> str:
    """A provenance entry as text: strings and numbers as they are, the rest as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=str, ensure_ascii=False)
