"""Cells of a table as text: what is missing, names, words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = frozenset(
    {"", "-", "--", "---", ".", "?", "*", "na", "n/a", "nan", "nd", "n.d.", "none", "null"}
    | {"n/d", "...", "…", "k.a.", "н.д.", "н/д", "unknown", "not sampled", "not determined"}
    | {"no data", "nodata", "missing", "<na>", "not measured", "#n/a", "#na", "nil", "n.a."}
)
# Dashes, blanks, minutes and seconds as they are typed, and the wide digits and signs of Chinese
# and Japanese text.
SIGNS = str.maketrans(
    {chr(sign + 0xFEE0): chr(sign) for sign in range(0x21, 0x7F)}
    | {
        "−": "-",
        "‐": "-",
        "‑": "-",
        "–": "-",
        "—": "-",
        "‒": "-",
        "﹣": "-",
        "\xa0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u3000": " ",
        "′": "'",
        "´": "'",
        "’": "'",
        "″": '"',
        "”": '"',
    }
)

# What stands behind a name for a footnote, or where its rows go on.
CONTINUED = re.compile(
    r"\s*(?:[*†‡§¹²³]+|\(?\bcont(?:\.|d|'d|inued)?\)?)\s*$|\u200b", re.IGNORECASE
)
LOOKALIKES = str.maketrans("авекмнорстухі", "abekmhopctyxi")


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds real numbers, not texts, truth values or complex numbers."""
    types = pd.api.types
    kind = column.dtype
    return (
        types.is_numeric_dtype(kind)
        and not types.is_bool_dtype(kind)
        and not types.is_complex_dtype(kind)
    )


def as_text(column: pd.Series) -> pd.Series:
    """A column as text without outer blanks; "" where it is missing."""
    return column.astype("str").fillna("").astype("str").str.strip()


def as_names(column: pd.Series) -> pd.Series:
    """A column of names as text; whole numbers that a table holds as 1.0 are 1.

    Examples
    --------
    >>> as_names(pd.Series([1.0, 2.0, np.nan])).tolist()
    ['1', '2', '']
    """
    if is_numeric(column) and not pd.api.types.is_integer_dtype(column.dtype):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        whole = np.isfinite(numbers) & (numbers == np.round(numbers)) & (np.abs(numbers) < 2**53)
        given = as_text(column)
        return given.where(
            ~whole,
            pd.Series(
                [f"{x:.0f}" if w else "" for x, w in zip(numbers, whole)], index=column.index
            ),
        )
    return as_text(column)


def words(text: str) -> str:
    """Lower case, with one blank where blanks, underscores or dashes stand.

    Examples
    --------
    >>> words("Massive_ice "), words("THAW-DEPTH")
    ('massive ice', 'thaw depth')
    """
    return " ".join(re.split(r"[\s_\-–]+", text.strip().lower())).strip()


def line_ranges(lines: NDArray[np.int64]) -> str:
    """Line numbers in short: ``3, 7-12``."""
    ordered = np.unique(lines)
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def name_key(site: str) -> str:
    """One key for 1, 1.0 and 01, for BH-1, bh 1, BH_1 and BH1, for BH1* and BH1 (cont.), and for
    letters of the Latin and the Cyrillic alphabet that look the same.

    Examples
    --------
    >>> name_key("BH_1 (cont.)"), name_key("ＢＨ１"), name_key("01")
    ('bh1', 'bh1', '1')
    """
    text = words(CONTINUED.sub("", site).translate(SIGNS)).translate(LOOKALIKES)
    text = re.sub(r"(?<=[^\W\d]) (?=\d)", "", text)
    return f"{float(text):g}" if re.fullmatch(r"\d{1,9}(\.0+)?", text) else text
