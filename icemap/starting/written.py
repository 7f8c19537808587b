"""Config and catalogue as commented YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icemap.borehole_sections import LayerSource, SitesConfig
from icemap.catalog import DATATYPE, OUTPUT, READER
from icemap.schemas import schema_file
from icemap.starting.entries import Entry
from icemap.starting.extent import ProposedGrid
from icemap.starting.tables import TableChoice, Tables
from icemap.starting.words import plain_name, yaml_value
from icemap.units import conversion

CONFIG, CATALOG = "config.yaml", "catalog.yaml"
NO_TABLE, NO_RASTER = "sites.csv", "elevation"
WIDTH = 96
QUESTION = "QUESTION: "


@dataclass(frozen=True)
class Proposal:
    """Everything that config and catalogue are written from.

    Attributes
    ----------
    folder : Path
        In which both will be.
    run : str
        Name of the run folder.
    entries : sequence of Entry
        Of the catalogue.
    tables : Tables
    grid : ProposedGrid
    polygons : mapping of Path to str
        Files of polygons, and what they hold in words.
    unread : sequence of (Path, str)
        Files that nothing was made of, and why.
    notes : sequence of str
        What holds for the whole.
    """

    folder: Path
    run: str
    entries: Sequence[Entry]
    tables: Tables
    grid: ProposedGrid
    polygons: Mapping[Path, str]
    unread: Sequence[tuple[Path, str]]
    notes: Sequence[str] = ()

    def name_of(self, path: Path | str) -> str:
        """A file as seen from the folder, with slashes on every system."""
        place = Path(path)
        if not place.is_relative_to(self.folder):
            return str(place)
        return place.relative_to(self.folder).as_posix()

    def words(self, sentence: str) -> str:
        """A sentence without the folder, which is that of the file it is written in."""
        return sentence.replace(f"{self.folder}/", "").replace(str(self.folder), ".")


def schema_line(kind: str) -> str:
    """What tells editors by which schema a file is completed and checked."""
    return f"# yaml-language-server: $schema={schema_file(kind)}"


def config_text(proposal: Proposal) -> str:
    """The config."""
    choice = proposal.tables.choices[0] if proposal.tables.choices else None
    lines = [
        schema_line("config"),
        *_comment(
            "Written by 'icemap init' from what is in this folder. 'icemap doctor config.yaml'"
            " looks at everything that it names, 'icemap run config.yaml' makes the map. What a"
            " file did not say is marked QUESTION; what was read or guessed stands in a comment."
        ),
        *(line for note in proposal.notes for line in _comment(note)),
        "",
        *_comment("Everything is written to this folder, which holds nothing else."),
        f"run: {yaml_value(proposal.run)}",
        f"title: {yaml_value(_title(proposal))}",
        *_comment(
            "A preview in minutes: few replicates, three folds, no competitors; every product says"
            " so. Remove the line, or write false, for the map itself."
        ),
        "quick: true",
        "",
        *(line for why in proposal.grid.why for line in _comment(why)),
        "grid:",
        f"  west: {proposal.grid.west:g}",
        f"  south: {proposal.grid.south:g}",
        f"  east: {proposal.grid.east:g}",
        f"  north: {proposal.grid.north:g}",
        f"  resolution: {proposal.grid.resolution}",
        "",
        f"catalog: {CATALOG}",
        *_predictors(proposal),
        "",
        *_masks(proposal),
        "",
        *_target_comment(choice),
        "target:",
    ]
    target = choice.target.model_dump(mode="json") if choice is not None else {}
    lines += [f"  {key}: {yaml_value(value)}" for key, value in target.items()] or [
        "  name: vic",
        '  unit: "%"',
    ]
    lines += ["", *_boreholes(proposal)]
    return "\n".join(lines) + "\n"


def _target_comment(choice: TableChoice | None) -> list[str]:
    if choice is None:
        return _comment("what is mapped, unless the table is of something else")
    if choice.layers is not None:
        return _comment(
            "what is mapped: layers make the mean ice content of the 5 m below the permafrost table"
        )
    assert choice.sites is not None
    return _comment(f"what is mapped: by the name and unit of the column '{choice.sites.value}'")


def _title(proposal: Proposal) -> str:
    choice = proposal.tables.choices[0] if proposal.tables.choices else None
    what = choice.target.long_name if choice is not None else "ground ice"
    name = proposal.folder.resolve().name
    return f"{what[:1].upper()}{what[1:]}" + (f", {name}" if name else "")


def _predictors(proposal: Proposal) -> list[str]:
    used = [entry for entry in proposal.entries if not entry.problem]
    lines = ["predictors:"]
    if not used:
        lines = [
            *_comment(f"{QUESTION}no raster could be used: which shall the map be made from?"),
            "predictors:",
            f"  - {NO_RASTER}",
        ]
    lines += [f"  - {yaml_value(entry.name)}" for entry in used]
    for entry in proposal.entries:
        if entry.problem:
            lines += [
                *_comment(f"left out: {proposal.words(entry.problem)}", "  "),
                f"  # - {yaml_value(entry.name)}",
            ]
    return lines


def _masks(proposal: Proposal) -> list[str]:
    lines = _comment(
        f"{QUESTION}where shall the map be made, and what part of a cell counts in totals? Without"
        " masks every cell with all predictors is mapped and counts whole. For example:"
    )
    name, limit = "permafrost_fraction", 0.1
    for entry in proposal.entries:
        words = f"{entry.name} {entry.settings['long_name']}".lower()
        share = conversion("1", str(entry.settings["unit"]))
        if "permafrost" in words and entry.settings.get("kind") != "class" and share is not None:
            name, limit = entry.name, 0.1 * share.factor
            break
    return [
        *lines,
        "# masks:",
        f"#   - {{source: {yaml_value(name)}, at_least: {limit:g}, counts: part}}",
    ]


def _boreholes(proposal: Proposal) -> list[str]:
    if not proposal.tables.choices:
        return [
            *_comment(
                f"{QUESTION}no table of boreholes was found: name it, and its columns; for layers"
                " of boreholes write boreholes: {layers: [{path: ...}]} in place of sites."
            ),
            *(
                line
                for path, why in proposal.tables.unread
                for line in _comment(f"{proposal.name_of(path)}: {proposal.words(why)}")
            ),
            "sites:",
            f"  table: {NO_TABLE}",
            "  value: vic",
            '  unit: "%"',
        ]
    choice, *others = proposal.tables.choices
    lines = _comment(f"from {proposal.name_of(choice.path)}")
    lines += [line for said in choice.said for line in _comment(proposal.words(said))]
    lines += [
        line for text in choice.questions for line in _comment(QUESTION + proposal.words(text))
    ]
    if choice.layers is not None:
        lines += ["boreholes:", "  layers:"]
        settings = _layer_settings(proposal, choice.layers)
        first = "    - "
        for key, value in settings.items():
            lines.append(f"{first}{key}: {yaml_value(value)}")
            first = "      "
        lines += _further_tables(proposal, [one for one in others if one.layers], "    ")
        if proposal.tables.thaw is not None:
            lines += _comment(
                "its columns are those of a table of active-layer thickness (CALM): it serves holes"
                " that say no permafrost table",
                "  ",
            )
            lines.append(
                f"  permafrost_table: {yaml_value(proposal.name_of(proposal.tables.thaw))}"
            )
        others = [one for one in others if not one.layers]
    else:
        assert choice.sites is not None
        lines += ["sites:", *_site_settings(proposal, choice.sites)]
    for one in others:
        if one.path != proposal.tables.thaw:
            name = proposal.name_of(one.path)
            lines += _comment(f"{QUESTION}{name} is a table of sites too: is it the one meant?")
    return lines


def _further_tables(proposal: Proposal, others: Iterable[Any], indent: str) -> list[str]:
    lines = []
    for other in others:
        lines += _comment(
            f"{QUESTION}are these boreholes of their own, to be used together with those above?",
            indent,
        )
        settings = _layer_settings(proposal, other.layers)
        lines.append(f"{indent}# - {yaml_value(settings)}")
    return lines


def _layer_settings(proposal: Proposal, layers: LayerSource) -> dict[str, Any]:
    settings = layers.model_dump(mode="json", exclude_defaults=True)
    for one in (settings, settings.get("collars", {})):
        if "path" in one:
            one["path"] = proposal.name_of(one["path"])
    return settings


def _site_settings(proposal: Proposal, sites: SitesConfig) -> list[str]:
    settings = sites.model_dump(mode="json", exclude_none=True)
    settings["table"] = proposal.name_of(sites.table)
    return [f"  {key}: {yaml_value(value)}" for key, value in settings.items()]


def catalog_text(proposal: Proposal) -> str:
    """The catalogue."""
    lines = [
        schema_line("catalog"),
        *_comment(
            "How each source is read: an intake catalogue, written by 'icemap init'. CRS, nodata,"
            " scale and unit of a file count without being repeated here; the comments say what the"
            " files say. Licence and citation go into every product: write them here."
        ),
        "version: 2",
        "metadata: {}",
        f"aliases: {yaml_value({entry.name: entry.name for entry in proposal.entries})}",
        "user_parameters: {}",
        "data:" if proposal.entries else "data: {}",
    ]
    files = _files(proposal)
    for paths, name in files.items():
        urls = [proposal.name_of(path) for path in paths]
        url: Any = urls if len(urls) > 1 else urls[0]
        lines += [
            f"  {yaml_value(name)}:",
            f"    datatype: {DATATYPE}",
            "    user_parameters: {}",
            f"    kwargs: {yaml_value({'url': url})}",
            "    metadata: {licence: '', citation: ''}",
        ]
    lines.append("entries:" if proposal.entries else "entries: {}")
    for entry in proposal.entries:
        data = "{data(" + files[entry.files] + ")}"
        lines += [
            f"  {yaml_value(entry.name)}:",
            *(line for said in entry.said for line in _comment(proposal.words(said), "    ")),
            *(
                line
                for text in entry.questions
                for line in _comment(QUESTION + proposal.words(text), "    ")
            ),
        ]
        if entry.problem:
            text = f"{QUESTION}not a predictor yet: {proposal.words(entry.problem)}"
            lines += _comment(text, "    ")
        arguments = {"catalog": "{CATALOG_PATH}", "name": entry.name, "data": data}
        lines += [
            f"    reader: {READER}",
            f"    output_instance: {OUTPUT}",
            "    user_parameters: {}",
            f"    kwargs: {yaml_value(arguments)}",
            "    metadata:",
        ]
        lines += [f"      {key}: {yaml_value(value)}" for key, value in entry.settings.items()]
    for path, words in proposal.polygons.items():
        lines += ["", *_polygon_entry(proposal, path, words)]
    if proposal.unread:
        lines += ["", *_comment("Nothing was made of these files:")]
        for path, why in proposal.unread:
            name = proposal.name_of(path)
            said = proposal.words(why)
            whole = said.startswith((name, "The "))
            lines += _comment(said if whole else f"{name}: {said}")
    return "\n".join(lines) + "\n"


def _files(proposal: Proposal) -> dict[tuple[Path, ...], str]:
    """Names of the files of the catalogue."""
    found: dict[tuple[Path, ...], str] = {}
    for entry in proposal.entries:
        if entry.files not in found:
            single = len(entry.files) == 1
            stem = entry.files[0].stem if single else entry.name
            found[entry.files] = plain_name(f"{stem}_file", set(found.values()))
    return found


def _polygon_entry(proposal: Proposal, path: Path, words: str) -> list[str]:
    name = plain_name(path.stem)
    return [
        *_comment(
            f"{QUESTION}{proposal.name_of(path)} holds {words}. What shall they become? As the part"
            " of a cell that they cover, put these lines where they belong and add the name to the"
            " predictors:"
        ),
        "# data:",
        f"#   {name}_file: {{kwargs: {yaml_value({'url': proposal.name_of(path)})}}}",
        "# entries:",
        f"#   {name}:",
        f'#     kwargs: {{data: "{{data({name}_file)}}"}}',
        f'#     metadata: {{family: geology, long_name: {yaml_value(name)}, unit: "1",'
        " rasterize: {into: fraction}}",
    ]


def _comment(text: str, indent: str = "") -> list[str]:
    """A comment of whole lines; control characters in names must not end it."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return textwrap.wrap(
        plain,
        width=WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )
