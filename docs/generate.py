"""Write what the reference says of keys, commands and variables into its pages, from the program
itself: 'make docs' does it, and a test says when a page is old.

A generated part of a page stands between two comments; what is around it is written by hand.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from icemap.cli import main
from icemap.config import Config
from icemap.config_sections import TargetConfig
from icemap.mapping.map_schema import map_variables, product_files
from icemap.source import SourceConfig

REFERENCE = Path(__file__).parent / "reference"
# Parameters of every command that computes.
EVERYWHERE = ("cluster", "workers")
BEGIN, END = "<!-- generated: {} -->\n", "<!-- end of generated -->\n"


def cell(text: str) -> str:
    """A text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def plain(text: str) -> str:
    """reStructuredText of docstrings as Markdown."""
    return textwrap.dedent(text).strip().replace("``", "`")


def comments(model: type[BaseModel]) -> dict[str, str]:
    """The comment above, or behind, each key in the source of a model."""
    lines = textwrap.dedent(inspect.getsource(model)).splitlines()
    found = {}
    (body,) = ast.parse("\n".join(lines)).body
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        said: list[str] = []
        above = node.lineno - 2
        while lines[above].strip().startswith("#"):
            said.insert(0, lines[above].strip(" #"))
            above -= 1
        for line in lines[node.lineno - 1 : node.end_lineno]:
            behind = re.search(r"(?<=\s)# (?!noqa)(.*)$", line)
            said += [behind[1]] if behind else []
        found[node.target.id] = " ".join(said)
    return found


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


def words(annotation: Any, path: str = "") -> str:
    """A type as a user of YAML knows it; ``path`` is that of the key."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if list(parts_of(annotation)):
        link = f"keys of [{path}](#{slug(path)})"
        return f"list, each with {link}" if origin is tuple else link
    if hasattr(annotation, "__metadata__"):
        return words(parts[0])
    if origin is Literal:
        return " or ".join(f"`{str(one).lower() if one is True else one}`" for one in parts)
    if origin in (UnionType, Union):
        return " or ".join(words(one) for one in parts if one is not type(None))
    if origin is tuple and parts[1:] == (...,):
        several = {"number": "numbers", "text": "texts", "whole number": "whole numbers"}
        return f"list of {several.get(words(parts[0]), words(parts[0]))}"
    if origin is tuple:
        return f"list of {len(parts)} {words(parts[0])}s"
    if origin is dict:
        return f"mapping of {words(parts[0])} to {words(parts[1])}"
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}[annotation]


def slug(path: str) -> str:
    """The anchor of a heading, as forges and the site make it."""
    return "keys-of-" + path.replace(".", "").replace(" ", "-")


def limits(field: FieldInfo) -> str:
    """Bounds that a value must keep to."""
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [
        f"{text} {getattr(one, sign):,}"
        for one in field.metadata
        for sign, text in signs.items()
        if getattr(one, sign, None) is not None
    ]
    return ", ".join(found)


def default(field: FieldInfo) -> str:
    """What counts where a key is left out."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return ""
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, tuple):
        return (
            f"`[{', '.join(f'{one:g}' if isinstance(one, float) else str(one) for one in value)}]`"
        )
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def table(model: type[BaseModel], path: str) -> str:
    """One row for each key of a model; ``path`` is that of the model, empty for the whole file."""
    said = comments(model)
    rows = ["| key | value | default | what |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        kind = words(field.annotation, f"{path}.{name}".strip("."))
        value = ", ".join(part for part in (kind, limits(field)) if part)
        what = plain(field.description or said.get(name, ""))
        rows.append(f"| `{name}` | {cell(value)} | {cell(default(field))} | {cell(what)} |")
    return "\n".join(rows)


def sections(model: type[BaseModel], title: str, path: str = "") -> Iterator[str]:
    """Heading, explanation and table of a model, then of each model in it."""
    yield f"## {title}\n\n{plain(inspect.getdoc(model) or '')}\n\n{table(model, path)}"
    for name, field in model.model_fields.items():
        for part in parts_of(field.annotation):
            inner = f"{path}.{name}".strip(".")
            yield from sections(part, f"Keys of {inner}", inner)


def commands() -> Iterator[str]:
    """What each command says of itself."""
    for name, command in main.commands.items():
        context = click.Context(command, info_name=f"icemap {name}")
        usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
        parts = [f"## icemap {name}", f"```text\n{usage}\n```", *paragraphs(command.help or "")]
        own = [one for one in command.params if one.name not in EVERYWHERE]
        if any(isinstance(one, click.Option) for one in own):
            parts.append(options(own))
        if len(own) < len(command.params):
            parts.append("It takes the [options of where to compute](#where-to-compute).")
        yield "\n\n".join(parts)
    shared = [one for one in main.commands["run"].params if one.name in EVERYWHERE]
    yield f"## Where to compute\n\n{options(shared)}"


def paragraphs(text: str) -> Iterator[str]:
    """Those of a help text; Click keeps the lines of one that begins with a backspace."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if part.startswith("\b\n"):
            yield f"```sh\n{textwrap.dedent(part[2:]).rstrip()}\n```"
        else:
            yield part


def options(params: list[click.Parameter]) -> str:
    rows = ["| option | default | what |", "|---|---|---|"]
    for one in params:
        if not isinstance(one, click.Option) or one.hidden:
            continue
        plain_kind = one.metavar is None and not isinstance(one.type, click.Choice)
        kind = "N" if isinstance(one.type, click.types.IntParamType) else one.type.name.upper()
        metavar = kind if plain_kind else one.make_metavar(click.Context(main))
        name = ", ".join(one.opts) if one.is_flag else f"{', '.join(one.opts)} {metavar}"
        chosen = f"`{one.default}`" if one.show_default and one.default is not None else ""
        shown = "**required**" if one.required else chosen
        rows.append(f"| `{cell(name)}` | {shown} | {cell(plain(one.help or ''))} |")
    return "\n".join(rows)


def variables() -> str:
    """The variables of a map of ground ice, with their attributes and GeoTIFFs."""
    target = TargetConfig()
    files = product_files(target.name)
    rows = ["| variable | type | unit | what | GeoTIFF |", "|---|---|---|---|---|"]
    for one in map_variables(target):
        what = str(one.attrs["long_name"])
        if "flag_meanings" in one.attrs:
            codes = zip(one.attrs["flag_values"], str(one.attrs["flag_meanings"]).split())
            what += f" ({', '.join(f'{code}: {name}' for code, name in codes)})"
        if "comment" in one.attrs:
            what += f". {one.attrs['comment']}"
        file = f"`{files[one.name]}`" if one.name in files else ""
        rows.append(
            f"| `{one.name}` | {one.dtype} | {one.attrs['units']} | {cell(what)} | {file} |"
        )
    return "\n".join(rows)


#: Page, name of the part, what makes it.
PARTS: list[tuple[str, str, Callable[[], str]]] = [
    ("config.md", "keys", lambda: "\n\n".join(sections(Config, "Keys of the file"))),
    (
        "catalog.md",
        "keys",
        lambda: "\n\n".join(sections(SourceConfig, "Keys of an entry's metadata")),
    ),
    ("commands.md", "commands", lambda: "\n\n".join(commands())),
    ("run-folder.md", "variables", variables),
]


def filled(page: str) -> str:
    """The text of a page of the reference with its generated parts as they are today."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    for name, part, make in PARTS:
        if name == page:
            before, begin, rest = text.partition(BEGIN.format(part))
            _, end, after = rest.partition(END)
            assert begin, f"{page} has no place for its {part}"
            assert end, f"the {part} of {page} have no end"
            text = f"{before}{begin}\n{make()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in sorted({page for page, _, _ in PARTS}):
        (REFERENCE / page).write_text(filled(page), encoding="utf-8")
