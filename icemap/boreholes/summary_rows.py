"""Rows of a table that sum up others, by what they are called."""

from __future__ import annotations

import re

from icemap.boreholes.text import words

# What the rows of a sheet are called that sum up the others.
SUMMARIES = frozenset(
    {"mean", "average", "avg", "total", "totals", "grand total", "sum", "median", "minimum"}
    | {"maximum", "std", "std dev", "stdev", "standard deviation", "mittelwert", "mittel"}
    | {"summe", "moyenne", "среднее", "итого", "overall", "all sites", "all boreholes"}
    | {"min", "max", "sd", "count", "subtotal", "sub total", "mean value", "average value"}
    | {"grand mean", "weighted mean", "weighted average", "gesamtmittel", "gesamt", "promedio"}
    | {"среднее значение", "ср. знач", "всего", "平均", "平均值", "合计", "总计"}
    | {"moyenne générale", "gjennomsnitt", "medelvärde", "keskiarvo"}
)
# What follows a word for a sum: how many there are, or how far they scatter.
_REMARK = re.compile(r"\s*(?:[(\[,;±=].*|\+/-.*|[ :.]+)$", re.DOTALL)
# With the name of a site, or with one another, these name a row that sums up, too.
_STATISTICS = frozenset({"mean", "average", "avg", "total", "median", "overall"})
_BETWEEN = frozenset({"of", "for", "and", "the", "all", "sites", "boreholes", "holes", "cores"})


def summary_word(text: str) -> str:
    """A name without what follows a word for a sum.

    Examples
    --------
    >>> summary_word("Mean (n=12)"), summary_word("Mean ± SD"), summary_word("Average:")
    ('mean', 'mean', 'average')
    """
    return words(_REMARK.sub("", text))


def sums_up(text: str, sites: frozenset[str]) -> bool:
    """Whether a name, without what follows a word for a sum, is that of a row that sums up others.

    Parameters
    ----------
    text : str
        From `summary_word`.
    sites : frozenset of str
        The same of all names of the table.

    Examples
    --------
    >>> sums_up("bh 1 mean", frozenset({"bh 1", "bh 1 mean"})), sums_up("mean creek", frozenset())
    (True, False)
    """
    if text in SUMMARIES:
        return True
    parts = text.split()
    rest = [part for part in parts if part not in _STATISTICS | _BETWEEN]
    if not _STATISTICS & {*parts[:1], *parts[-1:]}:
        return False
    return " ".join(rest) in sites or all(part in sites or part.isdecimal() for part in rest)
