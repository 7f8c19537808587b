"""The page of the public names of icemap, by group, each from its docstring."""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx

import icemap

PAGE = "docs/reference/api"
PLACE = "<!-- the public names -->"
# The heading that a public name stands under, by the folder of the module that defines it.
GROUPS = {
    "pipeline": "The chain",
    "predictors": "Predictors",
    "boreholes": "Boreholes",
    "ensemble": "Ensemble",
    "verification": "Verification",
    "mapping": "Maps",
    "totals": "Maps",
    "products": "Maps",
    "": "Ground",
}


def grouped() -> dict[str, list[str]]:
    """Public names by heading, in the order of the chain."""
    groups: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
    for name in icemap.__all__:
        module = inspect.getmodule(getattr(icemap, name))
        assert module is not None
        folder, _, file = module.__name__.removeprefix("icemap.").partition(".")
        groups[GROUPS.get(folder if file else "", GROUPS[""])].append(name)
    return {title: names for title, names in groups.items() if names}


def markdown() -> str:
    """Sections with a directive for each name."""
    parts = []
    for title, names in grouped().items():
        parts.append(f"## {title}\n")
        for name in names:
            value = getattr(icemap, name)
            kind = "class" if inspect.isclass(value) else "function"
            members = kind == "class" and not issubclass(value, Exception)
            options = "   :members:\n" if members else ""
            parts.append(f"```{{eval-rst}}\n.. auto{kind}:: icemap.{name}\n{options}```\n")
    return "\n".join(parts)


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == PAGE:
        source[0] = source[0].replace(PLACE, markdown())


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool:
    """Leave out what scikit-learn adds to each of its estimators."""
    return skip or re.fullmatch(r"set_\w+_request", name) is not None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
