"""A look at every source before hours of work: what reading a few windows of it would stop at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.config_sections import MaskConfig
from icemap.errors import IcemapError, first_line
from icemap.grid import Chunk, Grid
from icemap.predictors.align import require_overlap, resampling, source_window
from icemap.predictors.months import months_of_names
from icemap.predictors.raster import Raster
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.vectors import require_layer
from icemap.source import MONTHLY, Derivation, Source
from icemap.units import conversion, part_of_one

# What meets the grid is read whole up to this many cells, else in windows that are spread over it.
MAX_WHOLE = 2**22
WINDOWS_PER_SIDE, WINDOW = 3, 256
# Limits in % from here to 1 may be meant as parts of 1; smaller ones ask whether there is anything.
SMALLEST_PART = 0.05
# Values of more than this, up to 100, may be percents whatever their unit says.
LIKE_PERCENT = 50.0
# What parts of 1 end at, give or take their rounding; and percents (of dry mass, of a normal year)
# whose mean is above this are hardly any.
END_OF_PARTS, MOST_PERCENT = 1e-3, 125.0
# Degrees: angles over more than this go all round.
ALL_ROUND = 330.0
# Derivations in which each month counts with its days, or in its place of the year.
BY_MONTH = tuple(how for how in MONTHLY if how != "temperature_range")
# One of several steps of a source.
STEP = re.compile(r"\[[^\[\]']* \d+\](?=')")
LONGITUDES = re.compile(r"\blon", re.IGNORECASE)


@dataclass(frozen=True)
class SourceCheck:
    """What a look at one source found.

    Attributes
    ----------
    problems : tuple of str
        Sentences, each of which would stop the making of the cube.
    notes : tuple of str
        What is done to the values: units that are converted.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_source(source: Source, grid: Grid, *, masks: Sequence[MaskConfig] = ()) -> SourceCheck:
    """Open a source and read some of its cells on the grid, as the making of the cube would.

    Parameters
    ----------
    source : Source
        One with a file, or a derived one, whose inputs are looked at.
    grid : Grid
    masks : sequence of MaskConfig
        Those that it is the source of: their limits and parts of a cell are in its unit.
    """
    problems: dict[str, None] = dict.fromkeys(_out_of_order(source))
    notes = []
    for leaf in source.leaves:
        if leaf.is_virtual:
            continue
        try:
            note = _looked_at(leaf, grid, masks, _limits(source, leaf, masks))
        except IcemapError as error:
            problems[str(error)] = None
            continue
        if note:
            notes.append(f"{leaf.name}: {note}")
    return SourceCheck(tuple(problems), tuple(notes))


def source_problems(source: Source, grid: Grid, masks: Sequence[MaskConfig]) -> list[str]:
    """What is wrong with one source: it is opened, and some of it read, as for the cube.

    Parameters
    ----------
    source : Source
    grid : Grid
    masks : sequence of MaskConfig
        Those that it is the source of: their limits and parts of a cell are in its unit.
    """
    try:
        return list(check_source(source, grid, masks=masks).problems)
    except Exception as error:  # whatever a library may raise on a file that is not what it says
        origin = source.url or source.name
        problem = f"{type(error).__name__}: {first_line(error)}"
        return [
            f"The source '{source.name}' ({origin}) cannot be read ({problem}): check the file and"
            " its entry in the catalogue."
        ]


def require_none(problems: Iterable[str]) -> None:
    """Refuse inputs with problems, naming each once, also those of all steps of one source."""
    by_source: dict[str, list[str]] = {}
    for problem in dict.fromkeys(problems):
        by_source.setdefault(STEP.sub("", problem), []).append(problem)
    found = [same[0] if len(same) == 1 else text for text, same in by_source.items()]
    if len(found) == 1:
        raise IcemapError(found[0])
    if found:
        numbered = " ".join(f"({i}) {problem}" for i, problem in enumerate(found, 1))
        raise IcemapError(f"{len(found)} problems with the inputs: {numbered}")


def _out_of_order(source: Source) -> Iterator[str]:
    """Twelve entries whose names, or whose files', are of other months than their places."""
    for item in source.inputs:
        yield from _out_of_order(item)
    derived = source.derived
    if derived is None or derived.along or derived.how not in BY_MONTH:
        return
    for names in (
        [item.name for item in source.inputs],
        [item.origin.rpartition(".")[0] for item in source.inputs],
    ):
        found = months_of_names(names)
        if found is not None and found != sorted(found):
            yield (
                f"The source '{source.name}': '{derived.how}' needs January to December in this"
                f" order, but 'of' names {', '.join(names)}: list them from January on."
            )
            return


Limit = tuple[str, float | None]


def _limits(source: Source, leaf: Source, masks: Sequence[MaskConfig]) -> list[Limit]:
    """What values of a file are compared with, by masks or by a derivation."""
    of = [*(masks if source.derived is None else ()), *_derivations(source, leaf)]
    return [(key, getattr(one, key)) for one in of for key in ("at_least", "at_most")]


def _derivations(source: Source, leaf: Source) -> Iterator[Derivation]:
    if source.derived is not None and leaf in source.inputs:
        yield source.derived
    for item in source.inputs:
        yield from _derivations(item, leaf)


def _looked_at(
    source: Source, grid: Grid, masks: Sequence[MaskConfig], limits: Sequence[Limit]
) -> str:
    if source.rasterize is not None:
        values = require_layer(open_layer_of(source, grid), grid).astype(np.float32)
        if values.size and source.valid_range is None:
            _require_limits_in_unit(source, values, limits)
            _require_percents(source, values)
            _require_no_directions(source, values)
        return ""
    with open_source(source, grid) as raster:
        require_overlap(raster, grid)
        windows = [window.ravel() for window in _windows(raster, grid)]
        seen = np.concatenate([np.zeros(0, np.float32), *windows])
        values = seen[np.isfinite(seen)]
        if values.size and source.valid_range is None:
            _require_limits_in_unit(source, values, limits)
            if any(mask.counts is not None for mask in masks):
                _require_parts(source, values)
                if values.size < seen.size and resampling(raster, grid).method == "average":
                    _require_two_values(source, values)
            elif raster.kind == "continuous":
                _require_percents(source, values)
            if raster.kind == "continuous":
                _require_no_directions(source, values)
        return raster.note


def _windows(raster: Raster, grid: Grid) -> Iterator[NDArray[np.float32]]:
    rows, cols = source_window(
        raster, grid, Chunk((0, 0), slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    )
    if rows is None or cols is None:
        return
    if (rows.stop - rows.start) * (cols.stop - cols.start) <= MAX_WHOLE:
        yield raster.window(rows, cols)
        return
    for row in _spread(rows):
        for col in _spread(cols):
            yield raster.window(row, col)


def _spread(whole: slice) -> list[slice]:
    """Both ends of an axis and places between them."""
    size = min(WINDOW, whole.stop - whole.start)
    starts = np.linspace(whole.start, whole.stop - size, WINDOWS_PER_SIDE).astype(int)
    return [slice(int(start), int(start) + size) for start in dict.fromkeys(starts.tolist())]


def _require_parts(source: Source, values: NDArray[np.float32]) -> None:
    """Parts of a cell in a unit other than the one said show by their range."""
    whole = 1 / (part_of_one(source.unit) or 1)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > whole * 1.001:
        raise IcemapError(
            f"The mask '{source.name}' ({source.origin}) runs from {low:g} to {high:g}, but a part"
            f" of a cell in the unit '{source.unit}' is from 0 to {whole:g}: correct 'unit' in the"
            " catalogue, or give the value that means missing as 'nodata'."
        )
    if whole > 1 and 0 < high <= 1 and bool((values % 1 != 0).any() or values.mean() > 0.05):
        raise IcemapError(
            f"The mask '{source.name}' ({source.origin}) runs from {low:g} to {high:g}, which looks"
            f" like parts of 1, but its unit is '{source.unit}': correct 'unit' in the catalogue,"
            " or give the 'valid_range' [0, 100]."
        )


def _require_limits_in_unit(
    source: Source, values: NDArray[np.float32], limits: Sequence[Limit]
) -> None:
    """A limit of 0.5 for percents, or of 50 for parts of 1, divides nothing."""
    part = part_of_one(source.unit)
    if part not in (1.0, 0.01):
        return
    low, high = float(values.min()), float(values.max())
    for key, limit in limits:
        if limit is None or low < 0:
            continue
        runs = (
            f"The values of '{source.name}' ({source.origin}) run from {low:g} to {high:g} in the"
            f" unit '{source.unit}', and '{key}' is {limit:g}"
        )
        settle = f"or give the 'valid_range' [0, {1 / part:g}] in the catalogue if both are right."
        if part == 0.01 and high > 1 and SMALLEST_PART <= limit < 1:
            raise IcemapError(
                f"{runs}, less than one percent: give {100 * limit:g} if {100 * limit:g} % are"
                f" meant, {settle}"
            )
        if part == 1 and LIKE_PERCENT < high <= 100 and 0 < limit < 1:
            raise IcemapError(
                f"{runs}, a part of 1: correct 'unit' and 'file_unit' if the values are percents,"
                f" {settle.replace('[0, 1]', f'[0, {high:g}]')}"
            )
        are_parts = part == 1 or bool((values % 1 != 0).any())
        if 0 < high <= 1 < limit and are_parts:
            raise IcemapError(
                f"{runs}, more than any of them: correct 'unit' in the catalogue or '{key}',"
                f" {settle}"
            )


def _require_two_values(source: Source, values: NDArray[np.float32]) -> None:
    """Where what is outside of a mask has no value, a cell that it covers in part is whole."""
    if part_of_one(source.unit) == 1 and not source.fraction_of and bool((values == 1).all()):
        raise IcemapError(
            f"The mask '{source.name}' ({source.origin}) holds 1 and cells without a value alone,"
            " so that a cell of the grid which it covers in part would count as covered: give the"
            " others the value 0 (where they are stored as 0, gdal_translate -a_nodata none does"
            " it), or the 'valid_range' [0, 1] in the catalogue if nothing is known of them."
        )


def _require_percents(source: Source, values: NDArray[np.float32]) -> None:
    """Parts of 1, and parts of 1000, in a predictor that is said to be in %."""
    if part_of_one(source.unit) != 0.01:
        return
    low, high = float(values.min()), float(values.max())
    # Percents below 1 everywhere do not end at 1.
    are_parts = low >= 0 and abs(high - 1) < END_OF_PARTS and bool((values % 1 != 0).any())
    if are_parts or (low >= 0 and values.mean() > MOST_PERCENT):
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) runs from {low:g} to {high:g}, which"
            f" looks like parts of {'1' if are_parts else '1000'}, and its unit is"
            f" '{source.unit}': say with 'file_unit' in the catalogue"
            f" ({'1' if are_parts else 'g/kg'} or another) which unit the values of the file have,"
            f" or give the 'valid_range' [0, {max(high, 100):g}] if they are %."
        )


def _require_no_directions(source: Source, values: NDArray[np.float32]) -> None:
    """Between 359 and 1 degree is north; their mean is south."""
    angle = conversion(source.unit, "degree")
    if angle is None or LONGITUDES.search(f"{source.name} {source.long_name}"):
        return
    low, high = (float(value) * angle.factor for value in (values.min(), values.max()))
    if high - low > ALL_ROUND and low > -181 and high < 361:
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) runs from {values.min():g} to"
            f" {values.max():g} {source.unit}, all round, and no mean can be taken of directions:"
            " make one file of their sines and one of their cosines, or derive 'aspect_sin' and"
            " 'aspect_cos' of an elevation, or give a 'valid_range' in the catalogue if they are"
            " no directions."
        )
