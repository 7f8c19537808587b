"""Names and words: what files are called, and what icemap calls what is in them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Any

import yaml

from icemap.names import name_problem
from icemap.source import Family

# What words in a name say about the family of a predictor; the first that fits counts.
FAMILIES: tuple[tuple[Family, str], ...] = (
    ("paleoclimate", r"lgm|holocene|pleisto|pal(a)?eo|glacial_max|deglaciation|\d+_?k(a|yr)\b"),
    (
        "climate",
        r"temp|\bt2m\b|\btas|bio_?\d|precip|rain|snow|climate|wind|radiation|humid|degree_days"
        r"|\bpr\b|frost|swe\b|january|july|tavg|tmin|tmax",
    ),
    (
        "remote_sensing",
        r"ndvi|\bevi\b|\blst\b|land_?cover|modis|landsat|sentinel|veget|albedo|\blai\b|permafrost"
        r"|lakes?\b|water|tree_?cover|fire",
    ),
    (
        "topography",
        r"elev|\bdem\b|\bdtm\b|\bdsm\b|height|altitude|slope|aspect|relief|rough|\btpi\b|\btwi\b"
        r"|coast|dist|curvature|topo|orog",
    ),
)
# By their units alone.
KNOWN_UNITS = ("m", "degC", "K", "mm", "%", "1")


def plain_name(text: str, taken: Collection[str] = ()) -> str:
    """A name that config and catalogue take, as like a text as can be, and not among those taken.

    Examples
    --------
    >>> plain_name("Höhe über NN (m).tif"), plain_name("aoa"), plain_name("dem", {"dem"})
    ('hohe_uber_nn_m_.tif', 'aoa_1', 'dem_2')
    """
    folded = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.replace("ß", "ss"))
        if not unicodedata.combining(letter)
    )
    name = re.sub(r"[^\w.]+|_+", "_", folded).strip("_.").lower() or "source"
    if name_problem(name) is not None:
        name = f"{name.strip('_')}_1"
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def family_of(text: str) -> tuple[Family, str]:
    """The family that the words of a name speak for, and the word; geology without any."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower())
    for family, words in FAMILIES:
        match = re.search(words.replace(r"\b", r"(?:\b|(?<=_)|(?=_))"), plain)
        if match is not None:
            return family, match.group()
    return "geology", ""


def in_words(text: str) -> str:
    """A name of a file or column as words."""
    return re.sub(r"[_\s]+", " ", text).strip()


def yaml_value(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False
    )
    plain = text.removesuffix("\n").removesuffix("\n...").strip()
    # JSON, which is YAML, keeps a line break within its line.
    return json.dumps(value, ensure_ascii=False) if "\n" in plain else plain
