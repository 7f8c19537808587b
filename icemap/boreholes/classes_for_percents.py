"""Classes, or no and yes, in columns of percents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.table_units import unit_factor
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# The highest class that stands for percents, and so many values that hardly are so low by chance,
# or no more than 0 and 1.
MAX_CLASS, CLASSES, YES_AND_NO = 4.0, 6, 3


def require_no_classes(
    table: Table, header: str, value: NDArray[np.float64], unit: str | None, remedy: str
) -> None:
    """Refuse parts of the volume in % that are classes, as their few low whole numbers show.

    Parameters
    ----------
    table : Table
    header : str
        Of the column with the values.
    value : ndarray of shape (n,)
        In the unit of the column; NaN where there is none.
    unit : str or None
    remedy : str
        What to do if the numbers are right.

    Raises
    ------
    IcemapError
        Naming the values and the remedy.
    """
    if unit is None or (unit_factor(unit, "fraction") or 1.0) == 1.0 or not like_classes(value):
        return
    known = np.unique(value[np.isfinite(value)])
    raise IcemapError(
        f"{table.file}: the column '{header}' is in '{unit}', but holds"
        f" {', '.join(f'{one:g}' for one in known)} alone, like classes, or like no and yes: write"
        " percents in place of classes, correct the unit to '1' if 1 is all of it, or, if the"
        f" numbers are right, {remedy}."
    )


def like_classes(values: NDArray[np.float64]) -> bool:
    """Whole numbers up to 4 alone, as where classes, or no and yes, stand for percents.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where a cell is empty.

    Examples
    --------
    >>> like_classes(np.array([1.0, 2, 4, 3, 1, 2])), like_classes(np.array([0.0, 1, 1]))
    (True, True)
    >>> like_classes(np.array([1.0, 2, 4, 30, 1, 2])), like_classes(np.array([1.5, 2, 1, 1, 2, 3]))
    (False, False)
    """
    known = values[np.isfinite(values)]
    if not len(known) or known.min() < 0 or not 0 < known.max() <= MAX_CLASS:
        return False
    enough = len(known) >= (CLASSES if known.max() > 1 else YES_AND_NO)
    return enough and bool((known % 1 == 0).all())
