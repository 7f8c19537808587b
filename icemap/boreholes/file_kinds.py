"""Files that are no text table, told by how they begin."""

from __future__ import annotations

from icemap.errors import IcemapError

_BEGINNINGS = (
    (b"\x1f\x8b", "is compressed: unpack it"),
    (b"PK\x03\x04", "is a workbook or a zip archive: give it the ending .xlsx, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is a workbook of a kind that is not read: save it as .xlsx or CSV"),
    (b"%PDF", "is a PDF: save its table as CSV"),
    (b"version https://git-lfs", "is the pointer of a file in Git LFS: run 'git lfs pull'"),
    (b"<", "is a web page or XML, as where a download asked to log in: download the table itself"),
    (b'"GROUP"', "is AGS: save one of its groups as CSV, with one row for each layer"),
    (
        b"~V",
        "is LAS: save its curves as CSV, with the borehole, its place and one row for each depth",
    ),
    (b'{"', "is JSON: save it as CSV, or with places as .geojson"),
    (b"[{", "is JSON: save it as CSV, or with places as .geojson"),
)


def require_text(url: str, content: bytes) -> None:
    """Say what a file is that holds no rows of text.

    Parameters
    ----------
    url : str
        Of the file, for messages.
    content : bytes
        All of it.

    Raises
    ------
    IcemapError
        Naming its kind, and what to do.
    """
    begins = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, kind in _BEGINNINGS:
        if begins.startswith(beginning):
            raise IcemapError(f"{url} {kind}.")
