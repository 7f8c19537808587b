"""Whether the datum that a table names is the one that its coordinates are read on."""

from __future__ import annotations

import re

import numpy as np

from icemap.boreholes.table_notes import notes
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words
from icemap.errors import IcemapError

# Words for datums that are tens to hundreds of metres from WGS 84, by the code of their degrees.
# Those of today (NAD83, ETRS89, ITRF) are metres from it.
OLD = {
    4267: r"(?<![a-z])nad[ _-]?(?:19)?27(?!\d)|north american.* 1927|clarke[ _-]?1866",
    4284: r"pulkovo[ _-]?(?:19)?42|(?<![a-zа-я])(?:sk|ck|s|ск)[ _-]?42(?!\d)|krass?ovsk|красовск",
    4200: r"pulkovo[ _-]?(?:19)?95|(?<![a-zа-я])(?:sk|ck|ск)[ _-]?95(?!\d)",
    4230: r"(?<![a-z])ed[ _-]?50(?!\d)|european datum",
    4214: r"beijing[ _-]?(?:19)?54|北京",
    4301: r"\btokyo\b",
}
WORLD = 4326
# Columns that name the datum of each row.
COLUMNS = frozenset(
    {"datum", "geodetic datum", "geodeticdatum", "horizontal datum", "coordinate datum"}
    | {"coordinate system", "reference system", "spatial reference", "coordinate reference system"}
    | {"crs", "epsg", "epsg code", "srid", "srs", "datum name", "gps datum", "ellipsoid"}
)


def require_datum(table: Table, headers: tuple[str, str], crs: str | None) -> None:
    """Refuse coordinates on an old datum that are read on another one.

    Parameters
    ----------
    table : Table
    headers : (str, str)
        Of the columns of longitude and latitude, or of easting and northing.
    crs : str or None
        What the config says; WGS 84 without it.

    Raises
    ------
    IcemapError
        Naming what says so, and the key that settles it.
    """
    own = _code_of(crs)
    for header in headers:
        said = _named(header)
        if said is not None and said != own:
            raise IcemapError(_sentence(table.file, f"the column '{header}'", said, crs))
    for text in notes(table):
        said = _named(text)
        if said not in (None, own):
            raise IcemapError(_sentence(table.file, f"the sentence '{text[:80]}'", said, crs))
    for header in map(str, table.frame.columns):
        if words(header) not in COLUMNS:
            continue
        texts = as_text(table.frame[header])
        codes = {text: _named(text) for text in texts.unique()}
        other = texts.isin([text for text, code in codes.items() if code not in (None, own)])
        if other.any():
            row = int(np.argmax(other.to_numpy(bool)))
            where = f"'{texts.iloc[row]}' in the column '{header}' (line {table.lines[row]})"
            raise IcemapError(_sentence(table.file, where, codes[texts.iloc[row]] or WORLD, crs))


def names_datum(text: str) -> bool:
    """Whether a text says which datum coordinates are on.

    Examples
    --------
    >>> [names_datum(text) for text in ("NAD 27", "lon_pulkovo42", "WGS84", "EPSG:4267", "deg")]
    [True, True, True, True, False]
    """
    return _named(text) is not None


def _named(text: str) -> int | None:
    """Code of the datum that a text names: an old one, or WGS 84; None where it says none."""
    plain = text.strip().lower()
    for code, pattern in OLD.items():
        if re.search(pattern, plain) or re.search(rf"(?<!\d){code}(?!\d)", plain):
            return code
    return WORLD if re.search(r"(?<![a-z])wgs[ _-]?(?:19)?84(?!\d)", plain) else None


def _code_of(crs: str | None) -> int:
    import pyproj

    if crs is None:
        return WORLD
    base = pyproj.CRS.from_user_input(crs).geodetic_crs
    code = None if base is None else base.to_epsg()
    return code if code in OLD else WORLD


def _sentence(file: str, who: str, said: int, crs: str | None) -> str:
    import pyproj

    name = pyproj.CRS.from_epsg(said).name
    read = "degrees of WGS 84" if crs is None else f"{crs} (key 'crs')"
    return (
        f"{file}: {who} says the datum {name}, and the coordinates are read as {read}: give the key"
        f" 'crs', EPSG:{said} for degrees or the code of their projection on that datum, or correct"
        " what the table says."
    )
