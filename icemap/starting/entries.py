"""Entries of a catalogue that a file could become, and what all kinds of files say for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from icemap.predictors.declared import Declared
from icemap.source import Source
from icemap.sphere import EARTH_RADIUS_KM
from icemap.starting.words import KNOWN_UNITS, family_of, plain_name
from icemap.units import same_unit, says_nothing

METRES_PER_DEGREE = np.radians(1) * EARTH_RADIUS_KM * 1000
UNNAMED = "the file names none of its classes: what are they called? These are the codes in it"
# What writers of files call a CRS without a name.
UNNAMED_CRS = ("unknown", "unnamed", "undefined", "")


@dataclass(frozen=True)
class Entry:
    """One predictor that a file could become.

    Attributes
    ----------
    name : str
        In the catalogue.
    files : tuple of Path
        Of which it is made; several are one raster.
    settings : mapping
        Its metadata in the catalogue.
    said : tuple of str
        What the file says of itself, and what was read from that.
    questions : tuple of str
        What it does not say.
    cell : float or None
        Side of its cells in degrees.
    problem : str
        Why it is not among the predictors; empty if it is.
    """

    name: str
    files: tuple[Path, ...]
    settings: Mapping[str, Any]
    said: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    cell: float | None = None
    problem: str = ""

    def source(self) -> Source:
        """As the catalogue will be read."""
        paths = tuple(str(path) for path in self.files)
        parts = paths if len(paths) > 1 else ()
        return Source.model_validate(
            {**self.settings, "name": self.name, "url": paths[0], "parts": parts}
        )

    def without(self, problem: str) -> Entry:
        """The same entry, not among the predictors."""
        return replace(self, problem=problem)


@dataclass
class Names:
    """Names of entries, none twice."""

    taken: set[str] = field(default_factory=set)

    def new(self, text: str) -> str:
        name = plain_name(text, self.taken)
        self.taken.add(name)
        return name


def settings_of(
    text: str, title: str, declared: Declared, codes: Sequence[int]
) -> tuple[dict[str, object], list[str], list[str]]:
    """Settings that every entry needs, what they were read from, and what is not known."""
    family, word = family_of(text)
    settings: dict[str, object] = {"family": family, "long_name": title}
    said = [
        f"family: guessed from '{word}' in its name; it is a word for pages"
        if word
        else "family: nothing in its name says it; it is a word for pages"
    ]
    questions = []
    if declared.classes or declared.table:
        settings |= {"unit": "1", "kind": "class"}
        names = {code: name for code, name in declared.classes.items() if 0 <= code <= 254}
        said.append(f"kind: class, because the file has {declared.table or 'names of classes'}")
        if names:
            settings["classes"] = {code: name or f"class {code}" for code, name in names.items()}
        else:
            settings["classes"] = {code: f"class {code}" for code in codes if 0 <= code <= 254}
            questions.append(UNNAMED)
        return settings, said, questions
    if says_nothing(declared.unit):
        settings["unit"] = "unknown"
        questions.append(
            "the file does not say its unit: write it (m, degC, mm, %, ...); no number depends on"
            " it, but pages show it and derived predictors need it"
        )
    else:
        known = next((u for u in KNOWN_UNITS if same_unit(declared.unit, u)), declared.unit)
        settings["unit"] = known
        said.append(f"unit: '{declared.unit}' by the file")
    if (declared.scale, declared.offset) != (1.0, 0.0):
        said.append(f"its own scale {declared.scale:g} and offset {declared.offset:g} are used")
    if codes and len(codes) > 2:
        questions.append(
            f"it holds {len(codes)} different whole numbers ({', '.join(map(str, codes[:12]))}"
            f"{', ...' if len(codes) > 12 else ''}): if they are codes, say kind: class and classes"
        )
    return settings, said, questions


def cell_side(crs: Any, transform: Any) -> float | None:
    """Side of a cell in degrees."""
    side = float((abs(transform.a) + abs(transform.b) + abs(transform.d) + abs(transform.e)) / 2)
    if crs is None:
        return None
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    unit = known.axis_info[0].unit_conversion_factor if known.axis_info else 1.0
    if known.is_geographic:
        return float(np.degrees(side * unit)) if unit < 1 else side
    return side * float(unit or 1.0) / METRES_PER_DEGREE


def crs_words(crs: Any) -> str:
    if crs is None:
        return "no CRS"
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    code = known.to_authority()
    if code is not None:
        return f"{':'.join(code)} ({pyproj.CRS.from_authority(*code).name})"
    method = known.coordinate_operation
    if known.name in UNNAMED_CRS and known.is_geographic:
        return "longitudes and latitudes"
    return method.method_name if known.name in UNNAMED_CRS and method is not None else known.name
