import gzip
from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.boreholes.tables import read_table

CSV = b"site,vic [%]\na,40\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0), "is compressed: unpack it"),
        ("a.csv", b"PK\x03\x04" + bytes(60), "give it the ending .xlsx, or unpack it"),
        ("a.txt", b"\xd0\xcf\x11\xe0" + bytes(60), "save it as .xlsx or CSV"),
        ("a.csv", b"%PDF-1.7\n", "is a PDF"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid 1\n", "'git lfs pull'"),
        ("a.csv", b"\n<!DOCTYPE html><title>Sign in</title>", "is a web page or XML"),
        ("a.csv", b"\xef\xbb\xbf", "is empty"),
        ("a.csv", b"sep=;\n", "is empty"),
        ("a.ags", b'"GROUP","GEOL"\r\n"HEADING","LOCA_ID","GEOL_TOP"\r\n', "is AGS"),
        ("a.las", b"~VERSION INFORMATION\n VERS. 2.0 :\n", "is LAS: save its curves as CSV"),
        ("a.json", b'[{"site": "a", "vic": 40}]', "is JSON"),
    ],
)
def test_files_that_are_no_text_tables_are_named(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IcemapError, match=kind):
        read_table(str(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [
        b"sep=,\r\n" + CSV,
        b'"sep=;"\n' + CSV.replace(b",", b";"),
        b"\xef\xbb\xbf" + CSV,
        CSV.replace(b",", b"|"),
        b"[site],vic [%]\na,40\n",
    ],
)
def test_what_spreadsheet_programs_write_is_a_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    table = read_table(str(tmp_path / "a.csv"))
    assert table.frame["vic [%]"].tolist() == [40]
    assert table.lines.tolist() == [content.count(b"\n")]
