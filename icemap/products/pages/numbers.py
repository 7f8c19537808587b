"""Numbers and column heads as pages print them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

Row = Mapping[str, Any]
# Each row has a unit of its own.
FREE_COLUMNS = ("lowest", "highest")


def number(value: Any, decimals: int | None = None) -> str:
    """Three significant digits, or the decimals given; a dash for what is undefined; words and
    whole numbers as they are.

    Examples
    --------
    >>> number(0.86123), number(54600.4), number(-0.02), number(float("nan"))
    ('0.861', '54,600', '-0.0200', '–')
    >>> number("kNNDM"), number(5.0, 2)
    ('kNNDM', '5.00')
    """
    if value is None or (_is_real(value) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if not _is_real(value):
        return str(value)
    return f"{float(value):,.{_decimals(float(value)) if decimals is None else decimals}f}"


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral)


def _decimals(largest: float) -> int:
    """Decimals that give a number three significant digits, at most four."""
    return 3 if largest == 0 else min(max(2 - math.floor(math.log10(abs(largest))), 0), 4)


def column_decimals(rows: Sequence[Row], key: str) -> int | None:
    """The same decimals for a whole column, from its largest number; None for words, and where
    numbers are too unlike for that.
    """
    sizes = [abs(float(row[key])) for row in rows if _is_real(row[key]) and math.isfinite(row[key])]
    if not sizes or key in FREE_COLUMNS:
        return None
    return next(
        decimals for limit, decimals in ((1000, 0), (100, 1), (1, 2), (0, 3)) if max(sizes) >= limit
    )


def heading(key: str) -> str:
    """Column keys as words: ``sd_ensemble`` reads ``sd ensemble``."""
    return str(key).replace("_", " ").replace("km2", "km²").replace("km3", "km³")


def is_text(rows: Sequence[Row], key: str) -> bool:
    """True for a column of words, which is set flush left; ``1 to 2``, ``3 %`` and a dash count as
    numbers.
    """
    return any(
        isinstance(row[key], str) and not (row[key][:1].isdigit() or row[key][:1] in "-–")
        for row in rows
    )
