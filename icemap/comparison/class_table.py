"""What ice the classes of a map hold: a table that the user gives with the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table, read_table
from icemap.errors import IcemapError
from icemap.units import conversion, same_unit

IceKind = Literal["excess", "total"]
ICE_KINDS: tuple[str, ...] = get_args(IceKind)
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
# Classes are stored as one byte, of which 255 says that there is none.
MAX_CLASSES = 254


@dataclass(frozen=True)
class MapClass:
    """One class of a map.

    Attributes
    ----------
    code : str
        As the map has it; whole numbers without decimals.
    name : str
    low, middle, high : float
        Ice content in the unit of the map that it is compared with (per cent for ice); NaN for a
        class of which the table says nothing, such as the sea.
    depth : float
        Metres that the content holds for; NaN where the table does not say.
    extent : (float, float, float)
        Part of its area that is permafrost, least, middle and most.
    """

    code: str
    name: str
    low: float
    middle: float
    high: float
    depth: float
    extent: tuple[float, float, float]

    @property
    def is_known(self) -> bool:
        return bool(np.isfinite(self.middle))


@dataclass(frozen=True)
class OwnTotal:
    """What a map holds over the whole of its own extent: least, middle and most.

    Attributes
    ----------
    region_km2 : float
        Area of which it says something.
    counted_km2 : (float, float, float)
        The part of it that is permafrost by the map itself.
    volume_km3 : (float, float, float)
    depths_m : (float, float)
        Smallest and largest thickness of the layer that is counted.
    """

    region_km2: float
    counted_km2: tuple[float, float, float]
    volume_km3: tuple[float, float, float]
    depths_m: tuple[float, float]


@dataclass(frozen=True)
class ClassTable:
    """The classes of a map, in the order of the table.

    Attributes
    ----------
    file : str
        Where the table is, for messages.
    classes : tuple of MapClass
    ice : "excess", "total" or None
        Which ice the contents are of; None where the table does not say.
    """

    file: str
    classes: tuple[MapClass, ...]
    ice: IceKind | None

    @property
    def known(self) -> tuple[MapClass, ...]:
        return tuple(one for one in self.classes if one.is_known)

    @property
    def depth(self) -> float | None:
        """The smallest depth of its classes with ice; None where one of them has none."""
        depths = [one.depth for one in self.known]
        return None if np.isnan(depths).any() else float(min(depths))

    def index_of(self, codes: NDArray[np.floating], what: str) -> NDArray[np.int64]:
        """Position of each code in the table; -1 where there is none (NaN).

        Raises
        ------
        IcemapError
            If a code is not in the table, naming it.
        """
        there = np.isfinite(codes)
        index = np.full(codes.shape, -1, dtype=np.int64)
        found = {
            code: k
            for k, one in enumerate(self.classes)
            if (code := _as_number(one.code)) is not None
        }
        known = np.array(sorted(found))
        places = np.array([found[code] for code in known], dtype=np.int64)
        at = np.clip(np.searchsorted(known, codes[there]), 0, max(len(known) - 1, 0))
        missing = np.setdiff1d(codes[there], known)
        if missing.size:
            raise IcemapError(
                f"{what} holds the class code {missing[0]:g}, which {self.file} does not have: add"
                " a row for it, without numbers if the class holds no ice."
            )
        index[there] = places[at]
        return index

    def total(self, areas_km2: Mapping[str, float], depth_m: float | None = None) -> OwnTotal:
        """Ice of the classes by their areas.

        Parameters
        ----------
        areas_km2 : mapping
            Code -> area, of which the table's extent is permafrost.
        depth_m : float, optional
            Thickness of the uppermost layer that is counted; the depth of each class when left out.

        Examples
        --------
        >>> one = MapClass("1", "Chf", 20.0, 25.0, 30.0, 20.0, (0.9, 0.95, 1.0))
        >>> table = ClassTable("ice.csv", (one,), "excess")
        >>> [round(km3) for km3 in table.total({"1": 1e6}).volume_km3]
        [3600, 4750, 6000]
        >>> [round(km3) for km3 in table.total({"1": 1e6}, depth_m=5).volume_km3]
        [900, 1188, 1500]
        """
        rows = [(one, areas_km2.get(one.code, 0.0)) for one in self.known]
        area = np.array([km2 for _, km2 in rows])
        extent = np.array([one.extent for one, _ in rows])
        content = np.array([(one.low, one.middle, one.high) for one, _ in rows]) / 100
        depth = np.array([one.depth for one, _ in rows])
        if depth_m is not None:
            depth = np.fmin(depth, depth_m)
        counted = area @ extent
        volume = (area * depth / 1000) @ (extent * content)
        used = depth[area > 0] if (area > 0).any() else depth
        return OwnTotal(
            float(area.sum()),
            _three(counted),
            _three(volume),
            (float(used.min()), float(used.max())),
        )


def _three(values: NDArray[np.floating]) -> tuple[float, float, float]:
    low, middle, high = (float(value) for value in values)
    return low, middle, high


def _as_number(code: str) -> float | None:
    try:
        return float(code)
    except ValueError:
        return None


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
                _three(extents[k]),
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
    number = _as_number(written)
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
