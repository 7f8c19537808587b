"""Which statistic of a quantity a file holds, against what the catalogue calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.source import Source

# What CF calls how far values spread, as methods or behind a standard name; no quantity is its own
# spread.
SPREADS = ("standard_deviation", "variance", "range", "standard_error", "number_of_observations")
SPREAD = re.compile(
    r"deviation|varia|error|uncertain|range|amplitude|spread|number|count|(?:\b|_)(?:std|sd)(?:\b|_)",
    re.IGNORECASE,
)
MEAN = re.compile(r"\b(?:mean|average|median|normals?)\b", re.IGNORECASE)
ENDS = {
    "maximum": re.compile(r"max|highest|largest|peak|warmest", re.IGNORECASE),
    "minimum": re.compile(r"min|lowest|smallest|coldest", re.IGNORECASE),
}
# log10(carbon), log-transformed
OF_LOGARITHMS = re.compile(
    r"(?<![a-z])(?:log(?:10|2)(?![a-z0-9])|(?:log|ln) ?\(|log[ -]?transformed)", re.IGNORECASE
)
LOGARITHM = re.compile(r"(?<![a-z])(?:log|ln\b)", re.IGNORECASE)


def statistics_of(attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """What values are of those along time, by the words of CF.

    Examples
    --------
    >>> statistics_of({"cell_methods": "area: mean time: maximum within days time: mean over days"})
    ('maximum', 'mean')
    >>> statistics_of({"standard_name": "air_temperature standard_error"})
    ('standard_error',)
    """
    found = str(attrs.get("standard_name", "")).split()[1:2]
    along: list[str] = []
    for word in re.sub(r"\([^)]*\)", "", str(attrs.get("cell_methods", ""))).split():
        if word.endswith(":"):
            along.append(word.removesuffix(":").lower())
            continue
        if any("time" in axis for axis in along):
            found.append(word.lower())
        along = []
    return tuple(found)


def require_meant_statistic(source: Source, declared: Declared) -> None:
    """Refuse the spread or an end of a quantity under the name of the quantity itself, and its
    logarithm.

    Raises
    ------
    IcemapError
        Naming both, and what to do.
    """
    words = f"{source.name} {source.long_name}"
    who = f"The source '{source.name}' ({source.url})"
    settle = (
        f"and the catalogue calls it '{source.long_name}': name another 'variable', or say in"
        " 'long_name' what it is."
    )
    said = declared.statistics_told
    for one in said:
        is_spread = one in SPREADS and not SPREAD.search(words)
        is_end = one in ENDS and "mean" not in said and not source.reduce
        if is_spread or (is_end and MEAN.search(words) and not ENDS[one].search(words)):
            raise IcemapError(f"{who} holds the {one} of its quantity over time, {settle}")
    if OF_LOGARITHMS.search(declared.description) and not LOGARITHM.search(
        f"{words} {source.unit}"
    ):
        raise IcemapError(f"{who} holds '{declared.description.strip()}', a logarithm, {settle}")
