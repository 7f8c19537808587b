"""The catalogue of sources: an intake (version 2) file whose entries also say how each predictor is made.

``data`` lists files, with licence and citation; ``entries`` lists predictors made from them, and their ``metadata`` holds the keys of `SourceConfig`.
The file is read here as plain YAML: nothing in it can run code.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from icemap.config import Section, resolve
from icemap.errors import IcemapError
from icemap.store import read_text

Family = Literal["paleoclimate", "climate", "remote_sensing", "topography", "geology", "mask"]
Reduction = Literal["mean", "min", "max", "sum", "range"]
VIRTUAL_ARCTIC = "virtual-arctic:"


class SourceConfig(Section):
    """How one predictor is read from its file."""

    family: Family
    long_name: str
    unit: str
    kind: Literal["continuous", "class"] = "continuous"
    variable: str | None = None  # in NetCDF, HDF and Zarr; a band number in a raster
    x: str | None = None
    y: str | None = None
    select: dict[str, float | str] = Field(default_factory=dict)
    reduce: dict[str, Reduction] = Field(default_factory=dict)
    crs: str | None = None
    nodata: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    valid_range: tuple[float, float] | None = None
    fill_value: float | None = None
    fill_nearest: int = Field(default=0, ge=0)
    classes: dict[int, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _classes_named(self) -> SourceConfig:
        if self.kind == "class" and not self.classes:
            raise ValueError("a source of kind 'class' needs 'classes', a mapping from code to name")
        if any(not 0 <= code <= 254 for code in self.classes):
            raise ValueError("class codes must lie in 0-254 (255 is nodata)")
        return self


class Source(SourceConfig):
    """One predictor of the catalogue, ready to open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    url: str
    licence: str = ""
    citation: str = ""


def read_catalog(url: str) -> dict[str, Any]:
    """The parsed catalogue with its ``data`` and ``entries``.

    Raises
    ------
    IcemapError
        If the file is not YAML or not a version 2 catalogue.
    """
    try:
        content = yaml.safe_load(read_text(url))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise IcemapError(f"{url} is not readable YAML{where}: {getattr(error, 'problem', None) or 'check its indentation and quotes'}.") from error
    if not isinstance(content, dict) or content.get("version") != 2 or not isinstance(content.get("entries"), dict):
        raise IcemapError(f"{url} is not a catalogue: it must be an intake file with 'version: 2', 'data' and 'entries'.")
    return content


def load_sources(url: str, names: list[str]) -> dict[str, Source]:
    """The named entries of a catalogue.

    Raises
    ------
    IcemapError
        If an entry is missing or wrong; names the file, the entry and the key.
    """
    content = read_catalog(url)
    return {name: _source(url, name, content) for name in names}


def _source(url: str, name: str, content: dict[str, Any]) -> Source:
    entries = content["entries"]
    if name not in entries:
        raise IcemapError(f"{url} has no entry '{name}': add it, or use one of {', '.join(sorted(entries))}.")
    entry = entries[name]
    reference = str((entry.get("kwargs") or {}).get("data", ""))
    match = re.fullmatch(r"\{data\(([^)]+)\)\}", reference)
    data = (content.get("data") or {}).get(match.group(1)) if match else None
    if data is None:
        raise IcemapError(f"{url}, entry '{name}': kwargs.data is '{reference}', give '{{data(NAME)}}' with a NAME listed under 'data'.")
    location = str((data.get("kwargs") or {}).get("url", ""))
    if not location:
        raise IcemapError(f"{url}, data '{match.group(1) if match else ''}': kwargs.url is missing.")
    where = data.get("metadata") or {}
    try:
        return Source.model_validate(
            {
                **(entry.get("metadata") or {}),
                "name": name,
                "url": _location(location, url),
                "licence": where.get("licence", ""),
                "citation": where.get("citation", ""),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "metadata"
        problem = "unknown key, remove it or correct its spelling" if first["type"] == "extra_forbidden" else str(first["msg"]).removeprefix("Value error, ")
        raise IcemapError(f"{url}, entry '{name}', key '{key}': {problem}.") from error


def _location(location: str, catalog_url: str) -> str:
    if location.startswith(VIRTUAL_ARCTIC):
        return location
    return resolve(location.replace("{CATALOG_DIR}/", ""), catalog_url)
