"""Partial sums of one chunk of a map, which add up over chunks in any order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.mapping.kernels.weighted import weighted_sums

Sums = dict[str, dict[str, Any]]


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
        Regions beside ``"all"``; one that holds no cell that counts is left out.
    interval : (ndarray, ndarray), optional
        Lower and upper bound of each cell, where the interval of a total is that of summed bounds.

    Returns
    -------
    dict
        Region -> ``area_km2``, ``area_aoa_km2``, ``integral`` and ``integral_aoa`` (one number per
        replicate), ``integral_sd`` (sum of weight x sd) and ``integral_var`` (sum of squares of the
        same); with ``interval``, ``integral_lower`` and ``integral_upper``; {} when nothing is
        mapped.

    Raises
    ------
    ValueError
        If a replicate or the fraction is NaN in a mapped cell.

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> sums = chunk_sums(2.0 * np.ones((1, 1)), one, np.stack([10 * one, 20 * one]), one, one)
    >>> sums["all"]["area_km2"], sums["all"]["integral"]
    (4.0, [40.0, 80.0])
    """
    mapped = np.isfinite(sd_total)
    cells = np.broadcast_to(area_km2, sd_total.shape)[mapped].astype(float)
    weight = cells * fraction[mapped]
    if np.isnan(weight).any():
        raise ValueError(
            f"fraction is NaN in {int(np.isnan(weight).sum())} mapped cells: give 0 where nothing"
            " counts"
        )
    values = replicate_means[:, mapped]
    missing = np.isnan(values).any(axis=1)
    if missing.any():
        index = int(missing.argmax())
        raise ValueError(
            f"replicate {index} is NaN in {int(np.isnan(values[index]).sum())} mapped cells: every"
            " replicate must predict every mapped cell"
        )
    inside = aoa[mapped] == 1
    parts = {
        name: np.where(member[mapped], weight, 0.0)
        for name, member in {"all": np.ones(sd_total.shape, bool), **(regions or {})}.items()
    }
    parts = {name: part for name, part in parts.items() if part.any()}
    if not parts:
        return {}
    # In one pass for all replicates and regions, in and out of the area of applicability.
    stacked = np.stack([*parts.values(), *(part * inside for part in parts.values())])
    integrals = weighted_sums(stacked, np.ascontiguousarray(values.T)).reshape(2, len(parts), -1)
    sums: Sums = {}
    for row, (name, part) in enumerate(parts.items()):
        spread = part * sd_total[mapped]
        sums[name] = {
            "area_km2": float(part.sum()),
            "area_aoa_km2": float(part[inside].sum()),
            "integral": integrals[0, row].tolist(),
            "integral_aoa": integrals[1, row].tolist(),
            "integral_sd": float(spread.sum()),
            "integral_var": float((spread**2).sum()),
        }
        if interval is not None:
            lower, upper = (float((part * end[mapped].astype(float)).sum()) for end in interval)
            sums[name] |= {"integral_lower": lower, "integral_upper": upper}
    return sums


def add(a: Sums, b: Sums) -> Sums:
    """The sums of two parts of a map together; ``{}`` is the neutral element.

    Raises
    ------
    ValueError
        If the parts come from different numbers of replicates.

    Examples
    --------
    >>> part = {"all": {"area_km2": 1.0, "integral": [1.0, 2.0]}}
    >>> add(part, add({}, part))
    {'all': {'area_km2': 2.0, 'integral': [2.0, 4.0]}}
    """
    return {
        name: (
            _add_region(name, a[name], b[name])
            if name in a and name in b
            else {**a.get(name, {}), **b.get(name, {})}
        )
        for name in {**a, **b}
    }


def _add_region(name: str, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    both: dict[str, Any] = {}
    for key, left in a.items():
        right = b[key]
        if isinstance(left, list):
            if len(left) != len(right):
                raise ValueError(
                    f"region '{name}': {key} has {len(left)} replicates in one part and"
                    f" {len(right)} in another; map all chunks with one ensemble"
                )
            both[key] = [x + y for x, y in zip(left, right)]
        else:
            both[key] = left + right
    return both
