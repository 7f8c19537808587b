"""Cells of a workbook as they are shown, with what their formats write, hide or raise."""

from __future__ import annotations

import re
from typing import Any

from icemap.boreholes.table_units import is_unit

# Number formats of workbooks: their sections, and in these texts (which scale nothing), what shows
# nothing (colours, conditions, gaps), and places of digits.
_SECTION = re.compile(r'(?:^|;)((?:"[^"]*"|\\.|[^;"\\])*)')
_PART = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[[^\]]*\]|_.|\*.'
    r"|(?P<place>General|[0#?][0#?.,/]*)|.",
    re.DOTALL,
)
LIMITS = ("<", ">", "≤", "≥", "<=", ">=")
_DIRECTION = re.compile(r"°?\s?[NSEW]")
_NO_UNITS = ("", "1", "-", "°")


def shown_cell(cell: Any) -> Any:
    """The value of a cell as it is shown: 0.45 as "45 %", an empty result as "".

    Parameters
    ----------
    cell : openpyxl.cell.Cell
        Of a book that was opened with its rich text.
    """
    value = cell.value
    if value is None and cell.data_type == "str":
        # The result of a formula.
        return ""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return as_shown(value, cell.number_format or "")
    return _plain(value) if isinstance(value, list) else value


def _plain(runs: list[Any]) -> str:
    """Text of several fonts, with a sign before what is raised behind a number: a footnote or a
    power, and no further digit of it.
    """
    text = ""
    for run in runs:
        raised = _font(run, "vertAlign") == "superscript"
        text += "^" if raised and re.search(r"\d\s*$", text) else ""
        text += str(run)
    return text


def is_struck(cell: Any) -> bool:
    """Whether a cell, or a part of its text, is struck through."""
    if isinstance(cell.value, list) and any(_font(run, "strike") for run in cell.value):
        return True
    return bool(cell.has_style and cell.font.strike)


def _font(run: Any, name: str) -> Any:
    return getattr(getattr(run, "font", None), name, None)


def as_shown(value: float, number_format: str) -> float | str:
    """A number with what its format writes around it: a unit, a direction, or a sign of a limit.

    One that its format hides becomes a text that is no number.

    Examples
    --------
    >>> as_shown(50, '0.0" cm"'), as_shown(0.45, "0 %"), as_shown(148.5, '0.00"°"\\\\W')
    ('50 cm', '45 %', '148.5 °W')
    >>> as_shown(5, '"<"0'), as_shown(3, '"BH-"0'), as_shown(2019, "0;-0")
    ('<5', 3, 2019)
    >>> as_shown(1300, "0.0,"), as_shown(0, "0;-0;;@")
    (1.3, '0 (not shown)')
    """
    if number_format == "General":
        return value
    section, own_sign = _section(value, number_format)
    parts = list(_PART.finditer(section))
    places = [i for i, part in enumerate(parts) if part["place"]]
    if any(part[0] == "%" for part in parts):
        return f"{100 * value:.12g} %"
    if not places:
        hidden = number_format and not section.strip()
        return f"{value:.12g} (not shown)" if hidden else value
    last = parts[places[-1]]["place"]
    if thousands := len(last) - len(last.rstrip(",")):
        value /= 1000**thousands
    before, after = (
        "".join(part["quoted"] or part["escaped"] or "" for part in some).strip()
        for some in (parts[: places[0]], parts[places[-1] :])
    )
    for letter in (after, before):
        if _DIRECTION.fullmatch(letter):
            return f"{abs(value) if own_sign else value:.12g} {letter}"
    if is_unit(after) and after not in _NO_UNITS:
        return f"{value:.12g} {after}"
    return f"{before}{value:.12g}" if before in LIMITS else value


def _section(value: float, number_format: str) -> tuple[str, bool]:
    """The section of a format that a number is shown by, and whether it is that of negative ones,
    which has another letter in place of the sign.
    """
    sections = _SECTION.findall(number_format)
    if value < 0 and len(sections) > 1:
        return sections[1], True
    return sections[2 if value == 0 and len(sections) > 2 else 0], False
