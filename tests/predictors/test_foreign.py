"""Files that nothing here reads are called what they are."""

import zipfile

import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

HDF4 = b"\x0e\x03\x13\x01" + bytes(500)


def refusal(path) -> str:
    source = Source(name="a", url=str(path), family="climate", long_name="a", unit="m")
    with (
        pytest.raises(IcemapError) as refused,
        open_source(source, Grid(100, 60, 110, 66, 1)),
    ):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "MOD13C2.hdf",
            HDF4,
            "an HDF4 file (HDF-EOS), which the GDAL of icemap does not read: make",
        ),
        ("MOD13C2.nc", HDF4, "an HDF4 file"),
        ("a.tif.gz", b"\x1f\x8b\x08" + bytes(90), "packed by gzip: unpack it first"),
        ("a.tif", b"<!DOCTYPE html><html>Log in</html>", "a web page and not a raster"),
        ("a.nc", b"\n<html><body>404</body></html>", "a web page and not a raster"),
        ("a.tif", b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        ("a.tif", b"", "empty: its download has failed"),
        ("a.mat", b"MATLAB 5.0 MAT-file" + bytes(90), "a file of MATLAB"),
        ("a.tar", b"a" * 257 + b"ustar\x0000" + bytes(90), "a tar archive"),
        ("a.asc", b"NODATA_value -9999\nncols 2\nnrows 1\ncellsize 1\n1 2", "an ASCII grid whose"),
        ("a.asc", b"\xef\xbb\xbfncols 2\nnrows 1\ncellsize 1\n1 2", "an ASCII grid whose header"),
    ],
)
def test_a_file_by_how_it_begins(name, content, said, tmp_path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path).startswith(f"The source 'a' cannot be opened: {path} is {said}")


def test_an_archive(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.tif", b"II*\0")
    assert "is a zip archive: unpack it first" in refusal(tmp_path / "a.zip")


def test_folders(tmp_path) -> None:
    assert f"name the files in it, as {tmp_path}/*.tif" in refusal(tmp_path)
    (tmp_path / "hdr.adf").write_bytes(b"")
    assert "is an Arc/Info grid" in refusal(tmp_path)


def test_what_is_not_known_is_told_as_gdal_tells_it(tmp_path) -> None:
    (tmp_path / "a.tif").write_bytes(b"neither")
    assert "is not a raster that GDAL knows" in refusal(tmp_path / "a.tif")
