"""What kind of file some bytes are, by how they begin. Each reader says what to do about it."""

from __future__ import annotations

from enum import Enum, auto

# So many bytes say what a file is.
START = 1024


class FileKind(Enum):
    """Kinds of files that are told by their first bytes."""

    HDF4 = auto()
    HDF5 = auto()
    NETCDF = auto()
    ZIP = auto()
    GZIP = auto()
    BZIP2 = auto()
    XZ = auto()
    SEVEN_ZIP = auto()
    RAR = auto()
    TAR = auto()
    OLD_WORKBOOK = auto()
    GIT_LFS_POINTER = auto()
    MATLAB = auto()
    NUMPY = auto()
    POINT_CLOUD = auto()
    PDF = auto()
    MRSID = auto()
    WEB_PAGE = auto()
    XML = auto()
    JSON = auto()
    AGS = auto()
    LAS = auto()


_BEGINNINGS = (
    (b"\x0e\x03\x13\x01", FileKind.HDF4),
    (b"\x89HDF\r\n\x1a\n", FileKind.HDF5),
    *((b"CDF" + version, FileKind.NETCDF) for version in (b"\x01", b"\x02", b"\x05")),
    (b"PK\x03\x04", FileKind.ZIP),
    (b"\x1f\x8b", FileKind.GZIP),
    (b"BZh", FileKind.BZIP2),
    (b"\xfd7zXZ", FileKind.XZ),
    (b"7z\xbc\xaf", FileKind.SEVEN_ZIP),
    (b"Rar!", FileKind.RAR),
    (b"\xd0\xcf\x11\xe0", FileKind.OLD_WORKBOOK),
    (b"version https://git-lfs", FileKind.GIT_LFS_POINTER),
    (b"MATLAB", FileKind.MATLAB),
    (b"\x93NUMPY", FileKind.NUMPY),
    (b"LASF", FileKind.POINT_CLOUD),
    (b"%PDF", FileKind.PDF),
    (b"msid", FileKind.MRSID),
    (b'{"', FileKind.JSON),
    (b"[{", FileKind.JSON),
    (b'"GROUP"', FileKind.AGS),
    (b"~V", FileKind.LAS),
)
_PAGES = (b"<!doctype html", b"<html")


def file_kind(start: bytes) -> FileKind | None:
    """What a file is that begins so; None where its beginning says nothing.

    Parameters
    ----------
    start : bytes
        The first `START` bytes of the file, or all of it.

    Examples
    --------
    >>> file_kind(b"PK\\x03\\x04"), file_kind(b"site,vic")
    (<FileKind.ZIP: 4>, None)
    """
    begins = start[:START].removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, kind in _BEGINNINGS:
        if begins.startswith(beginning):
            return kind
    if begins.lower().startswith(_PAGES):
        return FileKind.WEB_PAGE
    if begins.startswith(b"<"):
        return FileKind.XML
    return FileKind.TAR if start[257:262] == b"ustar" else None
