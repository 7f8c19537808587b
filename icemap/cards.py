"""Short tables that Jupyter shows of an object."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from icemap.addresses import shown
from icemap.bounds import Bounds, in_words
from icemap.names import model_in_words

LEFT = "text-align: left; vertical-align: top"


def card(title: str, rows: Mapping[str, str]) -> str:
    """HTML of a heading and a row for each fact; facts without a text are left out, and addresses
    are shown without login data.

    Examples
    --------
    >>> card("A run", {"address": "https://ada:word@example.org/run", "title": ""}).count("<tr>")
    1
    """
    body = "".join(
        f'<tr><th style="{LEFT}">{_text(name)}</th><td style="{LEFT}">{_text(fact)}</td></tr>'
        for name, fact in rows.items()
        if fact
    )
    return f"<div><strong>{_text(title)}</strong><table><tbody>{body}</tbody></table></div>"


def weights_text(weights: Mapping[str, float]) -> str:
    """Members with their weights, such as ``svr 0.31, random forest 0.52``."""
    return ", ".join(f"{model_in_words(name)} {weight:.2f}" for name, weight in weights.items())


def target_text(long_name: str, unit: str, bounds: Bounds) -> str:
    """What is predicted, its unit and its bounds, such as ``ice content (%), 0 to 100``."""
    said = long_name if unit in ("", "1") else f"{long_name} ({unit})"
    return said if bounds is None else f"{said}, {in_words(bounds)}"


def _text(text: str) -> str:
    return escape(shown(text))
