"""The catalogue of sources: an intake (version 2) file whose entries also say how each predictor is
made.

``data`` lists files, with licence and citation; ``entries`` lists predictors made from them, and
their ``metadata`` holds the keys of `icemap.source.SourceConfig`. An entry whose metadata has
``derived`` is computed from other entries and has no ``data`` of its own. The file is read here as
plain YAML: nothing in it can run code.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Mapping
from typing import Any, TypedDict

from pydantic import ValidationError

from icemap.addresses import shown
from icemap.companions import SIDECARS
from icemap.errors import IcemapError
from icemap.json_records import Json
from icemap.names import require_free_name
from icemap.paths import resolve
from icemap.settings_text import parse_yaml, problems
from icemap.source import (
    CELSIUS,
    KELVIN,
    MONTHLY,
    MONTHS,
    NEIGHBOURHOOD,
    SOURCE_WORDS,
    TERRAIN,
    VIRTUAL_ARCTIC,
    WETNESS,
    Source,
    SourceConfig,
)
from icemap.store import (
    RECORD,
    filesystem,
    is_remote,
    list_names,
    local_path,
    read_json,
    read_text,
    storage_errors,
)

# What intake opens an entry with, what that gives, and what a file is to intake, which leaves the
# reading of it to the reader.
READER = "icemap.predictors.intake_reader:PredictorReader"
OUTPUT = "xarray:DataArray"
DATATYPE = "intake.readers.datatypes:FileData"


def read_catalog(url: str) -> Json:
    """The parsed catalogue with its ``data`` and ``entries``.

    Raises
    ------
    IcemapError
        If the file is not YAML or not a version 2 catalogue.
    """
    content = parse_yaml(url, read_text(url))
    if (
        not isinstance(content, dict)
        or content.get("version") != 2
        or not isinstance(content.get("entries"), dict)
    ):
        raise IcemapError(
            f"{url} is not a catalogue: it must be an intake file with 'version: 2', 'data' and"
            " 'entries'."
        )
    data = content.get("data")
    for name in [*content["entries"], *(data if isinstance(data, dict) else ())]:
        if not isinstance(name, str):
            raise IcemapError(
                f"{url} has the name {name}, which YAML reads as no text: write '{name}' in quotes."
            )
    return content


def load_sources(url: str, names: list[str]) -> dict[str, Source]:
    """The named entries of a catalogue, or of the sources that the record of a run holds.

    Raises
    ------
    IcemapError
        If an entry is missing or wrong; names the file, the entry and the key.
    """
    if url.rsplit("/", 1)[-1] == RECORD:
        recorded = _mapping(
            _mapping(read_json(url), url).get("sources", {}), f"{url}, key 'sources'"
        )
        sources = {
            name: _validated(url, name, _mapping(recorded.get(name), f"{url}, source '{name}'"))
            for name in names
        }
        return {name: _located(source, url) for name, source in sources.items()}
    for name in names:
        require_free_name(name, f"{url}, entry '{name}'")
    content = read_catalog(url)
    return {name: _source(url, name, content) for name in names}


def _source(url: str, name: str, content: Json, path: tuple[str, ...] = ()) -> Source:
    entries = content["entries"]
    if name not in entries:
        asked = f", which '{path[-1]}' is derived from" if path else ""
        near = difflib.get_close_matches(name, entries, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise IcemapError(
            f"{url} has no entry '{name}'{asked}{meant}: add it, or use one of"
            f" {', '.join(sorted(entries))}."
        )
    if name in path:
        raise IcemapError(
            f"{url}: the derivation {' of '.join([*path, name])} goes in a circle; derive one of"
            " them from a file."
        )
    entry = _mapping(entries[name], f"{url}, entry '{name}'")
    metadata = _mapping(entry.get("metadata") or {}, f"{url}, entry '{name}', key 'metadata'")
    _require_keys_of_entries(url, name, metadata)
    made_from: Mapping[str, object] = (
        {} if "derived" in metadata else _files(url, name, entry, content)
    )
    source = _validated(url, name, {**metadata, "name": name, **made_from})
    if source.derived is None:
        return source
    inputs = tuple(_source(url, other, content, (*path, name)) for other in source.derived.of)
    if source.derived.along is not None:
        inputs = _steps(
            url, name, inputs[0], source.derived.along, len(source.derived.ages) or MONTHS
        )
    _require_fitting(url, source, inputs)
    first = dict.fromkeys(leaf.citation for item in inputs for leaf in item.leaves if leaf.citation)
    licences = dict.fromkeys(
        leaf.licence for item in inputs for leaf in item.leaves if leaf.licence
    )
    return source.model_copy(
        update={"inputs": inputs, "citation": "; ".join(first), "licence": "; ".join(licences)}
    )


class _Files(TypedDict):
    """The file or files of an entry, in the keys of a `Source`."""

    licence: str
    citation: str
    url: str
    parts: tuple[str, ...]


def _files(url: str, name: str, entry: Json, content: Json) -> _Files:
    kwargs = _mapping(entry.get("kwargs") or {}, f"{url}, entry '{name}', key 'kwargs'")
    reference = str(kwargs.get("data", ""))
    match = re.fullmatch(r"\{data\(([^)]+)\)\}", reference)
    listed = _mapping(content.get("data") or {}, f"{url}, key 'data'")
    if match is None or listed.get(match.group(1)) is None:
        raise IcemapError(
            f"{url}, entry '{name}': kwargs.data is '{reference}', give '{{data(NAME)}}' with a"
            " NAME listed under 'data'."
        )
    where = f"{url}, data '{match.group(1)}'"
    data = _mapping(listed[match.group(1)], where)
    given = _mapping(data.get("kwargs") or {}, f"{where}, key 'kwargs'").get("url", "")
    if not given:
        raise IcemapError(f"{where}: kwargs.url is missing.")
    metadata = _mapping(data.get("metadata") or {}, f"{where}, key 'metadata'")
    if isinstance(given, list):
        location, parts = str(given[0]), tuple(_location(str(part), url) for part in given)
    else:
        location = _location(str(given), url)
        parts = _matching(location, where) if "*" in location else ()
    return {
        "licence": metadata.get("licence", ""),
        "citation": metadata.get("citation", ""),
        "url": location,
        "parts": parts,
    }


def _mapping(value: Any, where: str) -> Json:
    if not isinstance(value, dict):
        raise IcemapError(
            f"{where} is {reprlib.repr(_hidden(value))[:80]}, but must hold keys and values."
        )
    return value


def _hidden(value: Any) -> Any:
    """Before a value is cut short, in which the end of an address would be lost."""
    return shown(value) if isinstance(value, str) else value


def _matching(pattern: str, where: str) -> tuple[str, ...]:
    """The files that a pattern with ``*`` names, sorted."""
    if re.search(r"[^/]\*\*|\*\*[^/]", pattern):
        raise IcemapError(
            f"{where}: in {pattern} the '**', which stands for folders, has to be between two '/':"
            " write kwargs.url such as dem/**/*.tif, or a single '*'."
        )
    with storage_errors(pattern, "list"):
        fs, path = filesystem(pattern)
        found = sorted(
            str(fs.unstrip_protocol(match)) if is_remote(pattern) else str(match)
            for match in fs.glob(path)
        )
    # dem/* is not meant to name what is next to the rasters.
    found = [match for match in found if not match.lower().endswith(SIDECARS)] or found
    if not found:
        _require_listed(pattern)
        raise IcemapError(f"{where}: no file matches {pattern}, correct kwargs.url.")
    return tuple(found)


def _require_listed(pattern: str) -> None:
    """Refuse a folder that may not be looked into, in which nothing matches a pattern."""
    if is_remote(pattern):
        return
    folder = local_path(pattern.partition("*")[0] + "x").parent
    if folder.is_dir():
        list_names(str(folder))


def _steps(url: str, name: str, source: Source, along: str, count: int) -> tuple[Source, ...]:
    if source.derived is not None or source.is_virtual:
        raise IcemapError(
            f"{url}, entry '{name}': 'along' takes apart an axis of a file, and '{source.name}' has"
            f" none; name {count} entries in 'of'."
        )
    return tuple(
        source.model_copy(
            update={"name": f"{source.name}[{along} {step}]", "step": (along, step, count)}
        )
        for step in range(count)
    )


def _require_fitting(url: str, source: Source, inputs: tuple[Source, ...]) -> None:
    """Inputs that a derivation cannot use are named here, before anything is read."""
    derived = source.derived
    assert derived is not None
    for item in inputs:
        where = f"{url}, entry '{source.name}': '{derived.how}' of '{item.name}'"
        if (item.kind == "class") != bool(derived.codes):
            wanted = (
                "names no 'codes', but that is a class"
                if item.kind == "class"
                else "names 'codes', but that is not a class"
            )
            raise IcemapError(f"{where} {wanted}; correct 'of' or 'codes'.")
        unknown = sorted(set(derived.codes) - set(item.classes))
        if unknown and item.classes:
            raise IcemapError(
                f"{where}: the class code {unknown[0]} is not among its 'classes'"
                f" {sorted(item.classes)}."
            )
        metres = derived.how in (*TERRAIN, *NEIGHBOURHOOD, WETNESS)
        if metres or (derived.how in MONTHLY and derived.how != "temperature_range"):
            wanted_units = ("m",) if metres else (*CELSIUS, *KELVIN)
            if item.unit not in wanted_units:
                raise IcemapError(
                    f"{where} needs the unit {' or '.join(wanted_units)}, but its unit is"
                    f" '{item.unit}'."
                )
    if len({item.unit for item in inputs}) > 1:
        raise IcemapError(
            f"{url}, entry '{source.name}': its inputs have different units"
            f" ({', '.join(f'{i.name} {i.unit}' for i in inputs)}); convert one."
        )
    _require_different(url, source, inputs)


def _require_different(url: str, source: Source, inputs: tuple[Source, ...]) -> None:
    """One thing twice is another one left out."""
    seen: dict[str, Source] = {}
    for item in inputs:
        # Of the virtual Arctic an entry is what its name says.
        own = item.settings() if item.is_virtual else item.settings() | {"name": ""}
        read = json.dumps([item.url, item.parts, own], sort_keys=True)
        other = seen.setdefault(read, item)
        # Ice margins may stay where they are from one age to the next.
        if other is not item and source.derived is not None and not source.derived.ages:
            both = f"'{other.name}' and '{item.name}', which are one field of {item.origin}"
            named = f"'{item.name}' twice" if other.name == item.name else both
            raise IcemapError(
                f"{url}, entry '{source.name}': 'of' names {named}: correct 'of', or the file or"
                " selection of one of them."
            )


def _require_keys_of_entries(url: str, name: str, metadata: Json) -> None:
    """Refuse what a `Source` has and an entry cannot say, which would be passed over."""
    own = Source.model_fields.keys() - SourceConfig.model_fields.keys()
    for key in sorted(own & metadata.keys()):
        if key not in SOURCE_WORDS:
            where = "remove it; the file of an entry is named under 'data'"
        elif "derived" in metadata:
            where = "it is that of the entries that it is derived from, remove it here"
        else:
            where = "it belongs to the 'metadata' of the file, under 'data'"
        raise IcemapError(f"{url}, entry '{name}': '{key}' is no key of an entry: {where}.")


def _validated(url: str, name: str, content: Json) -> Source:
    try:
        return Source.model_validate(content)
    except ValidationError as error:
        found = "; ".join(problems(error, SourceConfig))
        raise IcemapError(f"{url}, entry '{name}': {found}.") from error


def _located(source: Source, record_url: str) -> Source:
    """A source of a record, which keeps ``{env(NAME)}`` as it was written."""
    return source.model_copy(
        update={
            "inputs": tuple(_located(one, record_url) for one in source.inputs),
            "url": _location(source.url, record_url) if source.url else "",
            "parts": tuple(_location(part, record_url) for part in source.parts),
        }
    )


def _location(location: str, catalog_url: str) -> str:
    if location.startswith(VIRTUAL_ARCTIC):
        return location
    return resolve(location.replace("{CATALOG_DIR}/", ""), catalog_url)
