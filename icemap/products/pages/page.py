"""One way to make a page from a template: everything in one file, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from icemap.names import model_in_words
from icemap.products.pages.glossary import explained
from icemap.products.pages.numbers import number

if TYPE_CHECKING:
    from markupsafe import Markup


def render(
    template: str, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any
) -> str:
    """A page from one of the templates of this folder, its words explained; a value that is
    missing is an error.

    Parameters
    ----------
    template : str
        File name of the template.
    filters : mapping of str to callable, optional
        Filters of this page in addition to those of all pages.
    **values
        What it shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("icemap.products", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "embedded": embedded,
        "words": model_in_words,
        **(filters or {}),
    }
    return explained(environment.get_template(template).render(**values))


def embedded(picture: bytes) -> str:
    """A PNG or SVG as an address that holds it."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def script_json(content: Any) -> Markup:
    """Content for a script element, from which no text can break out."""
    from markupsafe import Markup

    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
