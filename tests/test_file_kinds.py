"""Kinds of files by how they begin."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import numpy as np
import pytest

from icemap.file_kinds import START, FileKind, file_kind

pytestmark = pytest.mark.quick


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        written.writestr("a.tif", b"II*\0")
    return content.getvalue()


def tape() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as written:
        written.addfile(tarfile.TarInfo("a.tif"))
    return content.getvalue()


def array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros(2))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(b"a"), FileKind.GZIP),
        (bz2.compress(b"a"), FileKind.BZIP2),
        (lzma.compress(b"a"), FileKind.XZ),
        (archive(), FileKind.ZIP),
        (tape(), FileKind.TAR),
        (array(), FileKind.NUMPY),
        (b"\x89HDF\r\n\x1a\n", FileKind.HDF5),
        (b"CDF\x05\0\0\0\0", FileKind.NETCDF),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html>", FileKind.WEB_PAGE),
        (b"<VRTDataset>", FileKind.XML),
        (b'[{"site": 1}]', FileKind.JSON),
        (b'"GROUP","GEOL"', FileKind.AGS),
        (b"~Version", FileKind.LAS),
        (b"[site],vic\n", None),
        (b"ncols 2\n", None),
        (b"II*\0", None),
        (b"", None),
    ],
    # Archives hold the time of day.
    ids=lambda value: value.name if isinstance(value, FileKind) else "",
)
def test_what_bytes_are(content: bytes, kind: FileKind | None) -> None:
    assert file_kind(content) is kind
    assert file_kind(content[:START]) is kind
