"""Which table holds the boreholes, and how it is read, as the readers find it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from icemap.borehole_sections import LayerSource, SitesConfig
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers import READERS
from icemap.boreholes.readers.layer_columns import (
    ALIASES,
    ELEVATION,
    SURFACE,
    is_elevation_of_end,
)
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.records import QUANTITIES
from icemap.boreholes.site_values import read_site_values
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table, read_table
from icemap.bounds import limits, usual_bounds
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.starting.folder import TEXTS
from icemap.starting.headers import LAYERS, bare_header, named_columns
from icemap.starting.parts import Part, Parts, collars_of, holes_of, sheets_of
from icemap.starting.thaw import thaw_table
from icemap.starting.words import in_words, plain_name

ICE = re.compile(r"(^|_)(vic|ice|eis\w*|eisgehalt)(_|$)")
NO_VALUE = re.compile(
    r"(^|_)(id|fid|no|nr|number|row|index|year|month|day|date|elev\w*|alt(itude)?_?m|height|dem|x|y"
    r"|easting|northing|utm\w*|zone|(?<!thaw_)(?<!frost_)(?<!alt_)depth\w*|n|count|quality|flag|code"
    r"|method|unnamed\w*|column_\d+)(_|$)"
)
YEAR = re.compile(r"(?:19|20)\d\d")
ERROR = re.compile(r"(^|_)(se|sd|std|stdev|error|err|uncertainty|sigma)(_|$)")
# Part of the cells of a column that must be numbers.
NUMERIC = 0.5


@dataclass(frozen=True)
class TableChoice:
    """One table, and how it is read.

    Attributes
    ----------
    path : Path
        Of the file, or of the folder of a published format.
    layers : LayerSource or None
        For layers of boreholes.
    sites : SitesConfig or None
        For one value a site.
    target : TargetConfig
        What is mapped.
    longitude, latitude : ndarray
        Of the sites that can be placed.
    said : tuple of str
        What was read from the table.
    questions : tuple of str
        What it does not say.
    problem : str
        What the reader says is wrong; empty if it reads the table.
    """

    path: Path
    layers: LayerSource | None = None
    sites: SitesConfig | None = None
    target: TargetConfig = field(default_factory=TargetConfig)
    longitude: np.ndarray = field(default_factory=lambda: np.empty(0))
    latitude: np.ndarray = field(default_factory=lambda: np.empty(0))
    said: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    problem: str = ""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Tables that are read come first, layers before values, many sites before few."""
        return (not self.problem, self.layers is not None, len(self.longitude))


@dataclass
class Tables:
    """What was found among the tables of a folder.

    Attributes
    ----------
    choices : list of TableChoice
        The best first.
    thaw : Path or None
        A table of active-layer thickness, for layers without a permafrost table.
    unread : list of (Path, str)
        Files that are no table of boreholes, and why.
    """

    choices: list[TableChoice] = field(default_factory=list)
    thaw: Path | None = None
    unread: list[tuple[Path, str]] = field(default_factory=list)


def find_tables(folder: Path, paths: Sequence[Path]) -> Tables:
    """Ask the readers about every file, and about every folder that a published format may be."""
    found = Tables()
    folders = dict.fromkeys([folder, *(path.parent for path in paths)])
    for place in [*folders, *paths]:
        published = _published(place)
        if published is not None:
            found.choices.append(published)
    known = {choice.path for choice in found.choices}
    known |= {path for path in paths if path.parent in known}
    parts = Parts()
    for path in paths:
        if path not in known:
            _look_at(path, found, parts)
    _join(found, parts)
    found.choices.sort(key=lambda choice: choice.rank, reverse=True)
    if found.choices and found.choices[0].layers is not None:
        found.thaw = thaw_table(path for path in paths if path != found.choices[0].path)
    return found


def _published(place: Path) -> TableChoice | None:
    """A table of one of the published formats, which its reader knows by its columns."""
    for name, reader in READERS.items():
        if name == "icemap":
            continue
        try:
            layers = reader(str(place)).layers
        # A reader of one format may stumble over any other in its own way.
        except Exception:
            continue
        if layers.empty:
            continue
        sites = layers[["lon", "lat"]].dropna().drop_duplicates()
        return TableChoice(
            place,
            LayerSource.model_validate({"reader": name, "path": str(place)}),
            longitude=sites["lon"].to_numpy(float),
            latitude=sites["lat"].to_numpy(float),
            said=(f"the columns are those of the published format {name}",),
        )
    return None


def _look_at(path: Path, found: Tables, parts: Parts) -> None:
    problems, is_table = [], False
    for sheet in sheets_of(path):
        try:
            table = read_table(str(path), sheet=sheet)
        except IcemapError as error:
            problems.append(str(error))
            continue
        is_table = is_table or len(table.frame.columns) > len(LAYERS)
        part = Part(path, sheet, table, named_columns([*map(str, table.frame.columns)]))
        if part.is_placed and not _are_layers(part):
            parts.holes.append(part)
        elif not part.is_placed and _are_layers(part):
            parts.layers.append(part)
            continue
        choice = _choice(part)
        if isinstance(choice, str):
            problems.append(choice)
        elif not any(one.path == path for one in found.choices):
            found.choices.append(choice)
    known = {*(one.path for one in found.choices), *(one.path for one in parts.layers)}
    if problems and path not in known and (path.suffix.lower() not in TEXTS or is_table):
        found.unread.append((path, problems[0]))


def _join(found: Tables, parts: Parts) -> None:
    """Layers without places, with the table of their holes where there is one."""
    for part in parts.layers:
        holes: Part | None = holes_of(part, parts.holes)
        if holes is not None:
            # Which is no table of sites of its own.
            found.choices = [one for one in found.choices if not _is_of(one, holes)]
            found.unread = [(path, why) for path, why in found.unread if path != holes.path]
        elif any(one.path == part.path for one in found.choices):
            continue
        found.choices.append(_layers(part, holes))


def _is_of(choice: TableChoice, part: Part) -> bool:
    own = choice.sites.sheet if choice.sites is not None else None
    return choice.path == part.path and choice.layers is None and own == part.sheet


def _choice(part: Part) -> TableChoice | str:
    """How a table is read, or why it is none of boreholes."""
    if _are_layers(part):
        return _layers(part, None)
    if part.is_placed:
        return _values(part)
    return (
        f"no columns of longitude and latitude, or of top and base, are known in it: it has"
        f" {', '.join(part.headers[:20])}"
    )


def _are_layers(part: Part) -> bool:
    table, named = part.table, part.named
    if set(LAYERS) <= named.keys() and (
        not _is_upside_down(table, named) or _are_elevations(named)
    ):
        return True
    measured = "depth" in named and bool(named.keys() & QUANTITIES.keys())
    return measured and not _is_depth_of_hole(table, named)


def _is_upside_down(table: Table, named: Mapping[str, str]) -> bool:
    """Whether tops are above bases as numbers, as upper and lower limits of a value are."""
    top, base = (parse_numbers(table.frame[named[name]]).value for name in LAYERS)
    return bool((top > base).sum() > (top < base).sum())


def _are_elevations(named: Mapping[str, str]) -> bool:
    """Whether the ends of layers are called elevations."""
    return all(is_elevation_of_end(named[name]) for name in LAYERS)


def _is_depth_of_hole(table: Table, named: Mapping[str, str]) -> bool:
    """Whether a depth is how deep each hole is: one number, and one row, for each place."""
    if not {"longitude", "latitude"} <= named.keys():
        return False
    places = table.frame[[named["longitude"], named["latitude"]]]
    depth = parse_numbers(table.frame[named["depth"]])
    ranges = depth.unreadable | (depth.low < depth.high)
    return not ranges.any() and not places.duplicated().any()


def _layers(part: Part, holes: Part | None) -> TableChoice:
    path, headers, named = part.path, part.headers, part.named
    said: list[str] = []
    questions: list[str] = []
    columns, units = {}, {}
    for name, header in named.items():
        plain = split_header(header)[0].strip().lower().replace(" ", "_")
        if ALIASES.get(plain, plain) != name:
            columns[name] = header
            said.append(f"{name}: guessed from the name of the column '{header}'")
        unit = bare_header(header)[1]
        if unit and split_header(header)[1] is None and _needs_unit(name):
            units[name] = unit
            said.append(f"{name}: in {unit} by its header '{header}'")
    if set(LAYERS) <= named.keys() and _are_elevations(named):
        grounds = [h for h in headers if ELEVATION.search(h) and not is_elevation_of_end(h)]
        if len(grounds) == 1:
            named = {**named, SURFACE: grounds[0]}
            columns |= {name: named[name] for name in (*LAYERS, SURFACE)}
            said.append(f"surface: '{grounds[0]}', of which top and base are elevations")
    collars = None
    if holes is not None:
        collars = collars_of(holes)
        where = f" of {holes.path.name}" if holes.path != path else ""
        sheet = f"sheet '{holes.sheet}'" if holes.sheet else "table"
        said.append(f"collars: the {sheet}{where} has the names of these holes, and their places")
    source = LayerSource.model_validate(
        {
            "path": str(path),
            "columns": columns,
            "units": units,
            "sheet": part.sheet,
            "collars": collars,
        }
    )
    placed = holes if holes is not None else part
    questions += _which_crs(placed)
    unused = [header for header in headers if header not in named.values()]
    if unused:
        said.append(f"not read: {', '.join(unused[:20])}")
    try:
        layers = read_layer_table(str(path), source).layers
    except IcemapError as error:
        questions.append(str(error))
        return TableChoice(
            path, source, said=tuple(said), questions=tuple(questions), problem=str(error)
        )
    sites = layers[["lon", "lat"]].dropna().drop_duplicates()
    said.insert(0, f"{len(layers):,} layers at {len(sites):,} places")
    return TableChoice(
        path,
        source,
        longitude=sites["lon"].to_numpy(float),
        latitude=sites["lat"].to_numpy(float),
        said=tuple(said),
        questions=tuple(questions),
    )


def _which_crs(part: Part) -> list[str]:
    in_metres = list(part.projected.values())
    if "longitude" in part.named or not in_metres:
        return []
    return [
        f"which CRS do the columns {', '.join(in_metres)} have? Write it as crs, such as EPSG:32606"
    ]


def _needs_unit(name: str) -> bool:
    return name in ("top", "base", "depth", "permafrost_table") or name in QUANTITIES


def _values(part: Part) -> TableChoice | str:
    path, sheet, table = part.path, part.sheet, part.table
    headers, named = part.headers, {**part.projected, **part.named}
    taken = {named[name] for name in ("longitude", "latitude")}
    if "site" in named:
        taken.add(named["site"])
    numeric = [header for header in headers if header not in taken and _is_numeric(table, header)]
    errors = [header for header in numeric if ERROR.search(bare_header(header)[0])]
    values = [
        header
        for header in numeric
        if header not in errors and not NO_VALUE.search(bare_header(header)[0])
    ]
    if not values:
        return f"no column with numbers could be the target: it has {', '.join(headers[:20])}"
    ice = [header for header in values if ICE.search(bare_header(header)[0])]
    years = [header for header in values if YEAR.fullmatch(header.strip())]
    value = (ice or years[-1:] or values)[0]
    how = "by its name" if ice else "the last year" if years else "the first column of numbers"
    said = [f"value: '{value}', {how}"]
    questions = _which_crs(part)
    if years and not ice:
        questions.append(
            f"shall '{value}' alone be mapped? There are columns of {len(years)} years: their mean"
            " has to be a column of its own, such as alt [cm]"
        )
    elif len(values) > 1:
        others = ", ".join(header for header in values if header != value)
        questions.append(f"is '{value}' what is mapped? There are also {others}")
    unit = bare_header(value)[1]
    target, asked = _target(value, unit, table.frame[value], is_ice=bool(ice))
    questions += asked
    if errors:
        questions.append(f"is '{errors[0]}' the standard error of the values? standard_error: ...")
    settings: dict[str, object] = {
        "table": str(path),
        "value": value,
        "longitude": named["longitude"],
        "latitude": named["latitude"],
        "sheet": sheet,
    }
    if "site" in named:
        settings["id"] = named["site"]
    if unit is not None:
        settings["unit"] = unit
        said.append(f"unit: {unit}, by the header '{value}'")
    config = SitesConfig.model_validate(settings)
    try:
        sites = read_site_values(config, target)
    except IcemapError as error:
        return TableChoice(
            path,
            sites=config,
            target=target,
            said=tuple(said),
            questions=(*questions, str(error)),
            problem=str(error),
        )
    used = sites[sites["used"].astype(bool)]
    said += sites.attrs["notes"]
    said.insert(0, f"{len(sites):,} sites, of which {len(used):,} have a value and a place")
    return TableChoice(
        path,
        sites=config,
        target=target,
        longitude=used["lon"].to_numpy(float),
        latitude=used["lat"].to_numpy(float),
        said=tuple(said),
        questions=tuple(questions),
    )


def _target(
    header: str, unit: str | None, values: pd.Series, *, is_ice: bool
) -> tuple[TargetConfig, list[str]]:
    """What is mapped, by the header of its column, and what that does not say."""
    if is_ice:
        return TargetConfig(), []
    name = plain_name(bare_header(header)[0])
    wanted = unit or "unknown"
    bounds = usual_bounds(wanted)
    low, high = limits(bounds)
    numbers = parse_numbers(values).value
    if ((numbers < low) | (numbers > high)).any():
        bounds = None
    questions = (
        [] if bounds else ["which values are physically possible? bounds: [lowest, highest]"]
    )
    return (
        TargetConfig(name=name, long_name=in_words(name), unit=wanted, bounds=bounds),
        questions,
    )


def _is_numeric(table: Table, header: str) -> bool:
    column: pd.Series = table.frame[header]
    given = column.notna()
    if not given.any() or column.dtype == bool:
        return False
    if column.dtype.kind == "M":
        return False
    numbers = parse_numbers(column[given])
    return bool((~np.isnan(numbers.value)).mean() >= NUMERIC)
