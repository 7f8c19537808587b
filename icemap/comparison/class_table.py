"""The table of the classes of a map, as a user writes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table, read_table
from icemap.comparison.classes import (
    ICE_KINDS,
    MAX_CLASSES,
    ClassTable,
    IceKind,
    MapClass,
    as_number,
    three,
)
from icemap.errors import IcemapError
from icemap.units import conversion, same_unit

# Name of each column, its other spellings, and the unit it has where its header says none.
CODE, NAME, ICE = "code", "name", "ice"
NUMBERS = {
    "low": ("%", ("ice_low", "ice_low_pct")),
    "middle": ("%", ("mid", "ice_middle", "ice_mid_pct")),
    "high": ("%", ("ice_high", "ice_high_pct")),
    "depth": ("m", ("depth_m", "thickness")),
    "extent": ("1", ("extent_mid", "extent_middle")),
    "extent_low": ("1", ()),
    "extent_high": ("1", ()),
}
WORDS = {CODE: ("num_code", "value"), NAME: ("class", "combo", "label"), ICE: ()}


def read_class_table(url: str, unit: str, *, numbers: bool, ice: str | None = None) -> ClassTable:
    """Read a table with one row per class.

    Columns are ``code``; optionally ``name``; ``low``, ``middle`` and ``high`` (one of them is
    enough), empty for a class without ice; ``depth`` (m), ``extent`` (part of one, with
    ``extent_low`` and ``extent_high``) and ``ice`` (``excess`` or ``total``). A header may give
    another unit, as in ``depth [cm]`` or ``extent [%]``.

    Parameters
    ----------
    url : str
    unit : str
        Of the content.
    numbers : bool
        True where codes are those of a raster.
    ice : str, optional
        Which ice it is; it must not contradict the table.

    Raises
    ------
    IcemapError
        Naming the file, and the column or line that is wrong.
    """
    table = _read_table(url)
    columns = _columns(table)
    codes, names = _codes_and_names(table, columns, numbers=numbers)
    if len(codes) > MAX_CLASSES:
        raise IcemapError(
            f"{table.file} has {len(codes)} classes, and at most {MAX_CLASSES} can be compared."
        )
    found = {
        name: _numbers(table, columns[name], name, unit) for name in NUMBERS if name in columns
    }
    low, middle, high = _contents(found, table, unit)
    extents = _extents(found, table)
    depth = found.get("depth", np.full(len(codes), np.nan))
    if (depth <= 0).any():
        raise IcemapError(
            f"{table.file}, line {table.lines[int(np.argmax(depth <= 0))]}: a depth must be more"
            " than 0 m."
        )
    return ClassTable(
        table.file,
        tuple(
            MapClass(
                code,
                names[k],
                float(low[k]),
                float(middle[k]),
                float(high[k]),
                float(depth[k]),
                three(extents[k]),
            )
            for k, code in enumerate(codes)
        ),
        _ice_kind(table, columns, ice),
    )


def read_class_names(url: str) -> dict[str, str]:
    """The ``name`` of each ``code`` of a raster's classes, in the order of the table.

    Raises
    ------
    IcemapError
        If there is no such column, or a code is missing, no whole number or there twice.
    """
    table = _read_table(url)
    return dict(zip(*_codes_and_names(table, _columns(table), numbers=True), strict=True))


def _read_table(url: str) -> Table:
    return read_table(url, text=(CODE, NAME, *WORDS[CODE], *WORDS[NAME]))


def _codes_and_names(
    table: Table, columns: Mapping[str, str], *, numbers: bool
) -> tuple[list[str], list[str]]:
    if CODE not in columns:
        raise IcemapError(
            f"{table.file} has no column 'code' with the codes of the classes: it has"
            f" {', '.join(map(str, table.frame.columns))}."
        )
    codes = [
        _code(text, table, line, numbers=numbers)
        for text, line in zip(table.frame[columns[CODE]], table.lines, strict=True)
    ]
    _require_once(codes, table)
    labels = table.frame[columns[NAME]] if NAME in columns else codes
    return codes, [
        code if pd.isna(label) else str(label).strip()
        for code, label in zip(codes, labels, strict=True)
    ]


def _columns(table: Table) -> dict[str, str]:
    """Headers by what they mean."""
    found: dict[str, str] = {}
    wanted = {**WORDS, **{name: others for name, (_, others) in NUMBERS.items()}}
    headers = {
        split_header(str(header))[0].strip().lower(): str(header) for header in table.frame.columns
    }
    for name, others in wanted.items():
        # "extent" may hold words next to a column of numbers.
        for spelling in (*others, name) if name == "extent" else (name, *others):
            if spelling in headers:
                found[name] = headers[spelling]
                break
    return found


def _code(text: object, table: Table, line: int, *, numbers: bool) -> str:
    written = "" if pd.isna(text) else str(text).strip()  # type: ignore[call-overload]
    if not written:
        raise IcemapError(f"{table.file}, line {line}: the code is missing.")
    number = as_number(written)
    if number is not None and number.is_integer():
        return str(int(number))
    if numbers:
        raise IcemapError(
            f"{table.file}, line {line}: the code '{written}' is no whole number, as the codes of a"
            " raster are."
        )
    return written


def _require_once(codes: list[str], table: Table) -> None:
    twice = next((k for k, code in enumerate(codes) if code in codes[:k]), None)
    if twice is not None:
        raise IcemapError(
            f"{table.file}, line {table.lines[twice]}: the code {codes[twice]} stands there twice:"
            " remove one."
        )


def _numbers(table: Table, header: str, name: str, unit: str) -> NDArray[np.float64]:
    """A column in its unit: that of the content, metres, or parts of one."""
    cells = table.frame[header]
    values = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    wrong = np.isnan(values) & cells.notna().to_numpy()
    if wrong.any():
        k = int(np.argmax(wrong))
        raise IcemapError(
            f"{table.file}, line {table.lines[k]}: '{cells.iloc[k]}' in '{header}' is no number."
        )
    default = NUMBERS[name][0]
    wanted = unit if default == "%" else default
    said = split_header(header)[1]
    if said is None or same_unit(said, wanted):
        return values
    found = conversion(said, wanted)
    if found is None:
        raise IcemapError(
            f"{table.file}: '{header}' cannot be converted to {wanted}: correct its unit."
        )
    return np.asarray(found.factor * values + found.offset)


def _contents(
    found: Mapping[str, NDArray[np.float64]], table: Table, unit: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    given = [found[name] for name in ("low", "middle", "high") if name in found]
    if not given:
        raise IcemapError(
            f"{table.file} says nothing of what its classes hold: give the columns low, middle and"
            f" high ({unit}), or one of them."
        )
    middle = found.get(
        "middle",
        (
            np.mean([found["low"], found["high"]], axis=0)
            if {"low", "high"} <= found.keys()
            else given[0]
        ),
    )
    low, high = found.get("low", middle), found.get("high", middle)
    stack = np.stack([low, middle, high])
    partly = np.isnan(stack).any(axis=0) & ~np.isnan(stack).all(axis=0)
    if partly.any():
        raise IcemapError(
            f"{table.file}, line {table.lines[int(np.argmax(partly))]}: low, middle and high must"
            " all be given, or none of them."
        )
    if np.isnan(stack).all():
        raise IcemapError(
            f"{table.file} gives no class a content: fill in low, middle and high ({unit})."
        )
    falling = (low > middle) | (middle > high)
    if falling.any():
        raise IcemapError(
            f"{table.file}, line {table.lines[int(np.argmax(falling))]}: low, middle and high are"
            " not in rising order."
        )
    if unit == "%":
        _require_percent(stack, table)
    return low, middle, high


def _require_percent(stack: NDArray[np.float64], table: Table) -> None:
    outside = np.nanmax(np.where((stack < 0) | (stack > 100), 1.0, 0.0), axis=0) > 0
    if outside.any():
        raise IcemapError(
            f"{table.file}, line {table.lines[int(np.argmax(outside))]}: a content is not between 0"
            " and 100 %."
        )
    if 0 < np.nanmax(stack) <= 1:
        raise IcemapError(
            f"{table.file}: no content is more than 1, but per cent are expected; if they are parts"
            " of one, say so in the headers, as in 'low [1]'."
        )


def _extents(found: Mapping[str, NDArray[np.float64]], table: Table) -> NDArray[np.float64]:
    """Least, middle and most part of each class that is permafrost; all of it where nothing is
    said.
    """
    rows = len(table.frame)
    low, high = found.get("extent_low"), found.get("extent_high")
    middle = found.get("extent")
    if middle is None:
        middle = np.ones(rows) if low is None or high is None else (low + high) / 2
    extents = np.stack(
        [middle if low is None else low, middle, middle if high is None else high], axis=1
    )
    extents = np.where(np.isnan(extents), 1.0, extents)
    wrong = ((extents < 0) | (extents > 1) | (np.diff(extents, axis=1, prepend=0) < 0)).any(axis=1)
    if wrong.any():
        raise IcemapError(
            f"{table.file}, line {table.lines[int(np.argmax(wrong))]}: the extents"
            f" {', '.join(f'{value:g}' for value in extents[int(np.argmax(wrong))])} are not parts"
            " of one in rising order; if they are in per cent, say so in the headers, as in"
            " 'extent [%]'."
        )
    return extents


def _ice_kind(table: Table, columns: Mapping[str, str], given: str | None) -> IceKind | None:
    said = (
        {str(value).strip().lower() for value in table.frame[columns[ICE]].dropna()}
        if ICE in columns
        else set()
    )
    unknown = sorted(said - set(ICE_KINDS))
    if unknown:
        raise IcemapError(
            f"{table.file}: the ice is '{unknown[0]}', but must be {' or '.join(ICE_KINDS)}."
        )
    if len(said) > 1:
        raise IcemapError(
            f"{table.file} holds classes of excess and of total ice, which have no common total:"
            " make a table of each."
        )
    kind = next(iter(said), None)
    if given is not None and kind is not None and given != kind:
        raise IcemapError(
            f"{table.file} says that its ice is {kind}, and --ice that it is {given}: correct one"
            " of them."
        )
    return kind if given is None else given  # type: ignore[return-value]
