"""Where the map is and the samples are not: the share of the map against the share of the samples,
class by class of every predictor.

Places that were never drilled are invisible to every fold: no score of left-out samples can tell
that a forecast is wrong there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from icemap.units import says_nothing

Array = NDArray[np.float64]
Names = NDArray[np.object_]

#: A continuous predictor is cut where these shares of the map end: thin in the tails, which are
#: what is missed first.
MAP_SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
#: A class is under-sampled with less than this part of the samples that its share of the map asks
#: for.
FEW = 1 / 3
#: Classes with a smaller share of the map are not named: their share is known from few places.
MIN_SHARE = 0.02
#: As many of the worst classes are named.
NAMED = 5


class MapClasses(TypedDict):
    """The classes of one predictor: the codes of a class predictor, or the limits of a continuous
    one's bins, and the share of the map in each.
    """

    predictor: str
    codes: list[int]
    edges: list[float]
    map_share: list[float]


class Support(TypedDict):
    """One class of one predictor."""

    predictor: str
    group: str
    map_share: float
    sample_share: float
    samples: int
    # In addition to the samples.
    pseudo_sites: int
    under_sampled: bool


class Described(NamedTuple):
    """How a predictor's classes are called."""

    unit: str
    classes: Mapping[int, str]


def map_classes(
    values: Array, weight: Array, names: Sequence[str], class_names: Sequence[str]
) -> list[MapClasses]:
    """Classes of every predictor and their shares of the map.

    Parameters
    ----------
    values : ndarray of shape (places, predictors)
        At places drawn from the map.
    weight : ndarray of shape (places,)
        Share of the map that each stands for; adds up to 1.
    names : sequence of str
        Of the predictors, in the order of the columns.
    class_names : sequence of str
        Those of them that are classes.

    Examples
    --------
    >>> found = map_classes(np.array([[1.0], [1.0], [4.0]]), np.array([0.25, 0.25, 0.5]), ["rock"],
    ...     ["rock"])
    >>> found[0]["codes"], found[0]["map_share"]
    ([1, 4], [0.5, 0.5])
    """
    found: list[MapClasses] = []
    for name, column in zip(names, values.T, strict=True):
        if name in class_names:
            codes = np.unique(column)
            edges = np.array([])
            share = [float(weight[column == code].sum()) for code in codes]
        else:
            codes = np.array([])
            edges = _edges(column, weight)
            cell = _bin(column, edges)
            share = np.bincount(cell, weight, max(len(edges) - 1, 1)).tolist()
        found.append(
            {
                "predictor": name,
                "codes": [int(code) for code in codes],
                "edges": [float(edge) for edge in edges],
                "map_share": share,
            }
        )
    return found


def group_names(classes: MapClasses, values: Array, described: Described) -> Names:
    """Name of the class of each value, (n,); a code that the map does not have is one of its own.

    Examples
    --------
    >>> classes: MapClasses = {"predictor": "depth", "codes": [], "edges": [0.0, 2.0, 9.0],
    ...     "map_share": [0.5, 0.5]}
    >>> group_names(classes, np.array([1.0, 2.0, 40.0]), Described("m", {})).tolist()
    ['0 to 2 m', '2 to 9 m', '2 to 9 m']
    """
    labels = np.array(group_labels(classes, described), dtype=object)
    if not classes["codes"]:
        return labels[_bin(np.asarray(values, float), np.array(classes["edges"]))]
    of_code = dict(zip(classes["codes"], labels, strict=True))
    return np.array([of_code.get(int(v), _code(int(v), described)) for v in values], dtype=object)


def support_table(
    classes: Sequence[MapClasses],
    samples: Mapping[str, Array],
    described: Mapping[str, Described],
    pseudo: NDArray[np.bool_] | None = None,
) -> list[Support]:
    """Share of the map and share of the samples of every class of every predictor.

    Parameters
    ----------
    classes : sequence of MapClasses
        From `map_classes`.
    samples : mapping
        Predictor to its values at the samples, each (n,).
    described : mapping
        Predictor to what its classes are called.
    pseudo : ndarray of bool, shape (n,), optional
        Pseudo-sites among the samples, which are counted by themselves.

    Returns
    -------
    list of Support
        In the order of the predictors and of their classes. A class is under-sampled with less
        than a third of the samples that its share of the map asks for.
    """
    rows: list[Support] = []
    for one in classes:
        name = one["predictor"]
        groups = group_names(one, samples[name], described[name])
        of_bedrock = np.zeros(len(groups), bool) if pseudo is None else pseudo
        here, not_drilled = groups[~of_bedrock], groups[of_bedrock]
        for group, share in zip(group_labels(one, described[name]), one["map_share"], strict=True):
            count = int((here == group).sum())
            part = count / len(here)
            rows.append(
                {
                    "predictor": name,
                    "group": group,
                    "map_share": share,
                    "sample_share": part,
                    "samples": count,
                    "pseudo_sites": int((not_drilled == group).sum()),
                    "under_sampled": share >= MIN_SHARE and part < FEW * share,
                }
            )
    return rows


def worst_supported(rows: Sequence[Support]) -> list[Support]:
    """The under-sampled classes for which most samples are missing, at most one of a predictor."""
    worst: dict[str, Support] = {}
    missing = sorted(
        (row for row in rows if row["under_sampled"]),
        key=lambda row: row["sample_share"] - row["map_share"],
    )
    for row in missing:
        worst.setdefault(row["predictor"], row)
    return list(worst.values())[:NAMED]


def support_sentence(rows: Sequence[Support]) -> str:
    """Which classes of the map the samples leave out, in one sentence."""
    worst = worst_supported(rows)
    if not worst:
        return (
            "The samples are spread over every predictor as the map is: no class has less than a "
            "third of the samples that its share of the map asks for."
        )
    told = "; ".join(
        f"{row['predictor']} {row['group']} is {row['map_share']:.0%} of the map and "
        f"{_percent(row['sample_share'])} of the samples{_marked(row['pseudo_sites'])}"
        for row in worst
    )
    return (
        f"Hardly sampled: {told}. No score tells how good the map is there; give known values, or "
        "read those cells with caution."
    )


def _marked(pseudo_sites: int) -> str:
    if not pseudo_sites:
        return ""
    return f" (and {pseudo_sites} pseudo-site{'' if pseudo_sites == 1 else 's'})"


def _edges(column: Array, weight: Array) -> Array:
    order = np.argsort(column, kind="stable")
    ordered, reached = column[order], np.cumsum(weight[order])
    last = np.searchsorted(reached, np.array(MAP_SHARES) * reached[-1] - 1e-12)
    edges, times = np.unique(ordered[np.minimum(last, len(column) - 1)], return_counts=True)
    # A value that much of the map has, such as no lakes, is a bin of its own.
    after = np.searchsorted(ordered, edges[times > 1], side="right")
    return np.union1d(edges, ordered[after[after < len(ordered)]])


def _percent(share: float) -> str:
    return f"{share:.0%}" if share == 0 or share >= 0.01 else f"{share:.1%}"


def _bin(values: Array, edges: Array) -> NDArray[np.int64]:
    inner = np.searchsorted(edges, values, side="right") - 1
    return np.clip(inner, 0, max(len(edges) - 2, 0)).astype(np.int64)


def group_labels(classes: MapClasses, described: Described) -> list[str]:
    """What the classes of a predictor are called, in their order."""
    if classes["codes"]:
        return [_code(code, described) for code in classes["codes"]]
    said = described.unit != "1" and not says_nothing(described.unit)
    edges, unit = classes["edges"], described.unit if said else ""
    if len(edges) < 2:
        return [f"{edges[0]:.3g} {unit}".strip()]
    digits = next((d for d in range(3, 12) if len({f"{e:.{d}g}" for e in edges}) == len(edges)), 12)
    return [
        f"{low:.{digits}g} to {high:.{digits}g} {unit}".strip() for low, high in pairwise(edges)
    ]


def _code(code: int, described: Described) -> str:
    return described.classes.get(code, f"class {code}")
