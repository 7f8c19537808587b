"""What makes a text table of a file that is none."""

from __future__ import annotations

from icemap.errors import IcemapError
from icemap.file_kinds import FileKind, file_kind

_MARKUP = "is a web page or XML, as where a download asked to log in: download the table itself"
_REMEDIES = {
    FileKind.GZIP: "is compressed: unpack it",
    FileKind.ZIP: "is a workbook or a zip archive: give it the ending .xlsx, or unpack it",
    FileKind.OLD_WORKBOOK: "is a workbook of a kind that is not read: save it as .xlsx or CSV",
    FileKind.PDF: "is a PDF: save its table as CSV",
    FileKind.GIT_LFS_POINTER: "is the pointer of a file in Git LFS: run 'git lfs pull'",
    FileKind.WEB_PAGE: _MARKUP,
    FileKind.XML: _MARKUP,
    FileKind.AGS: "is AGS: save one of its groups as CSV, with one row for each layer",
    FileKind.LAS: (
        "is LAS: save its curves as CSV, with the borehole, its place and one row for each depth"
    ),
    FileKind.JSON: "is JSON: save it as CSV, or with places as .geojson",
}


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
    kind = file_kind(content)
    if kind in _REMEDIES:
        raise IcemapError(f"{url} {_REMEDIES[kind]}.")
