"""Partial sums of one chunk of a map, which add up over chunks in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.json_records import RegionSumsRecord
from icemap.mapping.kernels.weighted import grouped_sums, weighted_sums


@dataclass(frozen=True)
class RegionSums:
    """Area integrals of the target over the part of one region that counts.

    Attributes
    ----------
    area_km2, area_aoa_km2 : float
        Area that counts, and the part of it inside the area of applicability.
    integral, integral_aoa : list of float
        Target x km2, one number per replicate.
    integral_sd : float
        Sum of weight x standard deviation of a cell, target x km2.
    integral_var : float
        Sum of the squares of the same.
    integral_lower, integral_upper : float, optional
        Of the bounds of the cells, where the interval of a total is that of summed bounds.
    """

    area_km2: float
    area_aoa_km2: float
    integral: list[float]
    integral_aoa: list[float]
    integral_sd: float
    integral_var: float
    integral_lower: float | None = None
    integral_upper: float | None = None

    def __add__(self, other: RegionSums) -> RegionSums:
        """The sums of two parts of a region together.

        Raises
        ------
        ValueError
            If the parts come from different numbers of replicates, or one of them has no bounds.
        """
        return RegionSums(
            **{
                field.name: _plus(field.name, getattr(self, field.name), getattr(other, field.name))
                for field in fields(self)
            }
        )

    def to_record(self) -> RegionSumsRecord:
        """As it is kept in the ledger."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return RegionSumsRecord(**known)  # type: ignore[typeddict-item]

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> RegionSums:
        """The sums that were kept; keys beyond them are passed over."""
        known: dict[str, Any] = {field.name: record.get(field.name) for field in fields(cls)}
        return cls(**known)


Sums = dict[str, RegionSums]
# Flags that one whole number holds next to the number of a group.
_FLAGS_AT_ONCE = 32


def chunk_sums(
    area_km2: NDArray[np.floating],
    fraction: NDArray[np.floating],
    replicate_means: NDArray[np.floating],
    sd_total: NDArray[np.floating],
    aoa: NDArray[Any],
    regions: Mapping[str, NDArray[np.bool_]] | None = None,
    interval: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> Sums:
    """Area integrals of the target over the mapped cells of a chunk, given as a raster or as a list
    of cells.

    The integrals are target x km2, so that one record serves any target: their ratio to the area is
    a mean, and for ice they times thickness (km) / 100 are a volume.

    Parameters
    ----------
    area_km2 : ndarray of shape (rows, 1) or (rows, columns)
        Area of a cell.
    fraction : ndarray of shape (rows, columns)
        Part of each cell that counts (permafrost less lakes and glaciers), 0 to 1.
    replicate_means : ndarray of shape (replicates, rows, columns)
        The target as each replicate predicts it; NaN where not mapped.
    sd_total : ndarray of shape (rows, columns)
        Standard deviation of the prediction of one cell; NaN where not mapped. It says which cells
        are mapped.
    aoa : ndarray of shape (rows, columns)
        1 inside the area of applicability.
    regions : mapping of str to bool ndarray of shape (rows, columns), optional
        Regions other than ``"all"``; one that holds no cell that counts is left out.
    interval : (ndarray, ndarray), optional
        Lower and upper bound of each cell, where the interval of a total is that of summed bounds.

    Returns
    -------
    dict of str to RegionSums
        Of each region; {} when nothing is mapped.

    Raises
    ------
    ValueError
        If a replicate or the fraction is NaN in a mapped cell.

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> sums = chunk_sums(2.0 * np.ones((1, 1)), one, np.stack([10 * one, 20 * one]), one, one)
    >>> sums["all"].area_km2, sums["all"].integral
    (4.0, [40.0, 80.0])
    """
    cells = area_km2, {"": fraction}, replicate_means, sd_total, aoa
    return masked_sums(*cells, regions, interval)[""]


def masked_sums(
    area_km2: NDArray[np.floating],
    fractions: Mapping[str, NDArray[np.floating]],
    replicate_means: NDArray[np.floating],
    sd_total: NDArray[np.floating],
    aoa: NDArray[Any],
    regions: Mapping[str, NDArray[np.bool_]] | None = None,
    interval: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> dict[str, Sums]:
    """`chunk_sums` for several masks at once, by name: ``fractions`` holds the part of each cell
    that counts under each of them.

    Regions overlap, and cells of the same regions are summed once: what a region holds is then the
    sum of a few of those sums.

    Parameters
    ----------
    area_km2 : ndarray that broadcasts to (rows, cols)
    fractions : mapping of str to ndarray of shape (rows, cols)
    replicate_means : ndarray of shape (replicates, rows, cols)
    sd_total : ndarray of shape (rows, cols)
        NaN where nothing is mapped.
    aoa : ndarray of shape (rows, cols)
        1 inside the area of applicability.
    regions : mapping of str to ndarray of bool, shape (rows, cols), optional
    interval : two ndarrays of shape (rows, cols), optional
        Lower and upper bound.

    Raises
    ------
    ValueError
        If a replicate is NaN in a mapped cell.
    """
    mapped = np.isfinite(sd_total)
    cells = np.broadcast_to(area_km2, sd_total.shape)[mapped].astype(float)
    values = replicate_means[:, mapped]
    missing = np.isnan(values).any(axis=1)
    if missing.any():
        index = int(missing.argmax())
        raise ValueError(
            f"replicate {index} is NaN in {int(np.isnan(values[index]).sum())} mapped cells: every"
            " replicate must predict every mapped cell"
        )
    by_cell = np.ascontiguousarray(values.T)
    inside = aoa[mapped] == 1
    members = {name: member[mapped] for name, member in (regions or {}).items()}
    members = {"all": np.ones(len(cells), bool), **members}
    group, of_group = _alike([inside, *members.values()])
    held = of_group[1:].astype(float)
    in_aoa = held * of_group[0]
    found: dict[str, Sums] = {}
    for mask, fraction in fractions.items():
        weight = cells * fraction[mapped]
        if np.isnan(weight).any():
            raise ValueError(
                f"fraction is NaN in {int(np.isnan(weight).sum())} mapped cells: give 0 where"
                " nothing counts"
            )
        by_group = grouped_sums(group, of_group.shape[1], weight, by_cell)
        integrals = weighted_sums(np.concatenate([held, in_aoa]), by_group)
        parts = {name: np.where(member, weight, 0.0) for name, member in members.items()}
        found[mask] = _sums_of(
            parts,
            inside,
            integrals.reshape(2, len(members), -1),
            sd_total[mapped],
            None if interval is None else (interval[0][mapped], interval[1][mapped]),
        )
    return found


def _alike(flags: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of the group of each cell, in which all flags are the same, (n,), and the flags of
    each group, (flags, groups).
    """
    group = np.zeros(len(flags[0]), dtype=np.int64)
    first = group[:1]
    for start in range(0, len(flags), _FLAGS_AT_ONCE):
        for flag in flags[start : start + _FLAGS_AT_ONCE]:
            group = 2 * group + flag
        _, first, group = np.unique(group, return_index=True, return_inverse=True)
    return group.ravel(), np.stack([flag[first] for flag in flags])


def _sums_of(
    parts: Mapping[str, NDArray[np.float64]],
    inside: NDArray[np.bool_],
    integrals: NDArray[np.float64],
    sd: NDArray[np.floating],
    interval: tuple[NDArray[np.floating], NDArray[np.floating]] | None,
) -> Sums:
    """What a mask says of each region that has a part; integrals are (in all or inside the area of
    applicability, regions, replicates).
    """
    sums: Sums = {}
    for row, (name, part) in enumerate(parts.items()):
        if not part.any():
            continue
        spread = part * sd
        lower, upper = (
            (None, None)
            if interval is None
            else (float((part * end.astype(float)).sum()) for end in interval)
        )
        sums[name] = RegionSums(
            area_km2=float(part.sum()),
            area_aoa_km2=float(part[inside].sum()),
            integral=integrals[0, row].tolist(),
            integral_aoa=integrals[1, row].tolist(),
            integral_sd=float(spread.sum()),
            integral_var=float((spread**2).sum()),
            integral_lower=lower,
            integral_upper=upper,
        )
    return sums


def add(a: Sums, b: Sums) -> Sums:
    """The sums of two parts of a map together; ``{}`` is the neutral element.

    Raises
    ------
    ValueError
        If the parts come from different numbers of replicates.

    Examples
    --------
    >>> part = {"all": RegionSums(1.0, 0.5, [1.0, 2.0], [0.5, 1.0], 0.1, 0.01)}
    >>> add(part, add({}, part))["all"].integral
    [2.0, 4.0]
    """
    both = dict(a)
    for name, part in b.items():
        try:
            both[name] = both[name] + part if name in both else part
        except ValueError as error:
            raise ValueError(f"region '{name}': {error}") from error
    return both


def to_records(sums: Sums) -> dict[str, RegionSumsRecord]:
    """The sums as they are kept in the ledger."""
    return {name: part.to_record() for name, part in sums.items()}


def from_records(records: Mapping[str, Mapping[str, object]]) -> Sums:
    """The sums as `to_records` gave them."""
    return {name: RegionSums.from_record(record) for name, record in records.items()}


def _plus(name: str, left: Any, right: Any) -> Any:
    if left is None and right is None:
        return None
    if left is None or right is None:
        raise ValueError(f"one part has {name} and another has not; map all chunks with one recipe")
    if not isinstance(left, list):
        return left + right
    if len(left) != len(right):
        raise ValueError(
            f"{name} has {len(left)} replicates in one part and {len(right)} in another; map all"
            " chunks with one ensemble"
        )
    return [x + y for x, y in zip(left, right)]
