"""Settings from YAML, and what is wrong with them in sentences: keys that are unknown, missing,
twice there, or hold something else.
"""

from __future__ import annotations

import copy
import datetime
import difflib
import re
import reprlib
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from icemap.addresses import shown
from icemap.errors import IcemapError

# What a value must be, by the kind of error that tells that it is not.
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text (numbers and words like yes and no need quotes to be text)",
    "tuple": "a list",
    "list": "a list",
    "dict": "keys with values",
    "model": "keys with values",
    "mapping": "keys with values",
}
_LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
SHOWN = 15
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_ANOTHER_NUMBER = re.compile(r"[-+]?(0[0-7_]*[1-7][0-7_]+|\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?)")
_THOUSANDS = re.compile(
    r"[-+]?[1-9]\d{0,2}(?:([, '_\u2019\u00a0\u202f])\d{3})(?:\1\d{3})*(?:\.\d*)?"
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


class _Loader(yaml.SafeLoader):
    """YAML without the same key twice, and without numbers that are not what they look like."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        # YAML 1.1 counts by eight behind a leading 0, and by sixty where colons are.
        if (
            node.tag in _NUMBERS
            and isinstance(node, yaml.ScalarNode)
            and _ANOTHER_NUMBER.fullmatch(node.value)
        ):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} is not read as it looks: write numbers in decimals, without a"
                " leading 0 and without ':', and times, dates and names in quotes",
                node.start_mark,
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                first = seen[key.value]
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key '{key.value}' stands there twice, first in line {first}; remove one",
                    key.start_mark,
                )
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def parse_yaml(url: str, text: str) -> Any:
    """The content of a YAML file.

    Raises
    ------
    IcemapError
        If it is not readable or has a key twice, with the line.
    """
    try:
        return copy.deepcopy(_parsed(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or "check its indentation and quotes"
        raise IcemapError(f"{url} is not readable YAML{where}: {problem}.") from error
    except RecursionError as error:
        raise IcemapError(
            f"{url} is not readable YAML: its brackets are nested too deeply."
        ) from error
    except (ValueError, OverflowError) as error:
        # Of numbers with thousands of digits, and dates that are none.
        raise IcemapError(
            f"{url} is not readable YAML: it holds a number or a date that is none; correct it, or"
            " quote it."
        ) from error


@lru_cache(maxsize=4)
def _parsed(text: str) -> Any:
    """Each step of a run reads the catalogue, which takes a tenth of a second for 70 entries."""
    return yaml.load(text, _Loader)  # noqa: S506  (a safe loader)


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What a validation found, one sentence part for each wrong key."""
    every = error.errors()
    return list(
        dict.fromkeys(_problem(found, model) for found in every if not _follows(found, every))
    )


def _follows(found: Any, every: Sequence[Any]) -> bool:
    """Whether a problem is there only because of another one: of a default that asks another key,
    or of a list without its wrong entries.
    """
    place = found["loc"]
    return found["type"] == "default_factory_not_called" or (
        found["type"] == "too_short"
        and any(other["loc"][: len(place)] == place != other["loc"] for other in every)
    )


def _problem(found: Any, model: type[BaseModel]) -> str:
    location = [part for part in found["loc"] if not str(part).startswith("function-")]
    key = ".".join(map(str, location))
    kind, context = str(found["type"]), found.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(key, str(location[-1]), sorted(_at(model, location[:-1]).model_fields))
    if kind == "missing":
        return f"the key '{key}' is missing"
    if kind == "invalid_key":
        return (
            f"the key {_shown(location[-1] if location else '')} is no text: put it in quotes or"
            " correct it"
        )
    if kind == "value_error":
        message = str(found["msg"]).removeprefix("Value error, ")
        return f"'{key}': {message}" if key else message
    if kind == "string_pattern_mismatch":
        return (
            f"'{key}': a name may hold letters, digits, '_', '.' and '-', and begins with a letter"
            " or digit"
        )
    return f"'{key}' is {_shown(found['input'])}: give {_wanted(kind, context)}" + _meant(found)


def _meant(found: Any) -> str:
    """How a number has to be written that is text for its commas, blanks or apostrophes."""
    text = found["input"]
    if str(found["type"]).split("_")[0] not in ("int", "float") or not isinstance(text, str):
        return ""
    plain = text.strip()
    if _THOUSANDS.fullmatch(plain):
        return f", without signs between thousands ({re.sub(r'[^0-9.+-]', '', plain)})"
    if _DECIMAL_COMMA.fullmatch(plain):
        return f", with a point for decimals ({plain.replace(',', '.')})"
    return ""


def _wanted(kind: str, context: Any) -> str:
    if kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ")
        return {"True": "true, or leave the key out"}.get(expected, f"one of {expected}")
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"a number {words} {context[name]:g}"
    if kind in ("too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        return (
            f"{'at least' if kind == 'too_short' else 'at most'} {limit}"
            f" {'entry' if limit == 1 else 'entries'}"
        )
    if kind == "missing_argument":
        return "a list of the right length"
    return _WANTED.get(kind.split("_")[0], "another value, as the documentation describes")


def _unknown(key: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean '{near[0]}'? " if near else ""
    listed = ", ".join(known[:40])
    return f"unknown key '{key}', remove it or correct its spelling ({meant}known are {listed})"


def _at(model: type[BaseModel], location: Sequence[Any]) -> type[BaseModel]:
    """The model at a place inside another one."""
    for part in location:
        field = model.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):
        return str(value)
    # Before it is cut short, in which the end of an address would be lost.
    return reprlib.repr(shown(value) if isinstance(value, str) else value)[:80]
