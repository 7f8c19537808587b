from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.boreholes.tables import read_table


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_lines_count_from_the_header_even_with_line_breaks_in_cells_and_blank_lines(
    tmp_path: Path,
) -> None:
    table = read_table(
        write(tmp_path / "t.csv", b'name,note,x\na,"one\ntwo",1\n\nb,,2\n,,\nc,"q, r",3\n')
    )
    assert table.frame["x"].tolist() == [1, 2, 3]
    assert table.lines.tolist() == [2, 5, 7]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    table = read_table(
        write(tmp_path / "t.csv", "site,latitude [°]\nÉtang,65.5°N\n".encode(encoding))
    )
    assert table.frame.columns.tolist() == ["site", "latitude [°]"]
    assert table.frame["site"][0] == "Étang"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(tmp_path: Path, separator: str) -> None:
    table = read_table(write(tmp_path / "t.csv", f"site{separator}x\na{separator}1\n".encode()))
    assert table.frame["x"].tolist() == [1]


def test_nothing_but_empty_cells_is_missing(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", b"site,x\nNA,None\n,2\n"))
    assert table.frame["site"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2,3\n", "no regular table"),
        (b"a,b\n1,2\n3,4,5\n", "line 3"),
        (b'a,b\n1,"x\n', "no regular table"),
        (b"a,a\n1,2\n", "'a' twice"),
        (b"a,b\n1,\x002\n", "zero bytes"),
        (b",,\n1,2,3\n", "no column names"),
    ],
)
def test_broken_tables_are_named_errors(tmp_path: Path, content: bytes, words: str) -> None:
    url = write(tmp_path / "t.csv", content)
    with pytest.raises(IcemapError, match=words) as caught:
        read_table(url)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b'"id, name";"lon, E";x\na;100,25;1\n',
        b"id, name;lon, E;x\na;100,25;1\n",
        b'"id;name","lon;E",x\na,1,1\n',
    ],
)
def test_the_separator_is_the_one_that_the_rows_agree_on(tmp_path: Path, content: bytes) -> None:
    table = read_table(write(tmp_path / "t.csv", content))
    assert len(table.frame.columns) == 3
    assert table.frame["x"].tolist() == [1]


@pytest.mark.parametrize(
    "above",
    ["# Campaign of 2019\n", "# Sampled, dried, weighed\n#\n\n# By A. B.\n", " #one\r\n\r\n"],
)
def test_comments_above_the_header_are_no_rows(tmp_path: Path, above: str) -> None:
    table = read_table(write(tmp_path / "t.csv", f"{above}site,x\na,1\n".encode()))
    assert table.frame["x"].tolist() == [1]
    assert table.lines.tolist() == [above.count("\n") + 2]
    assert table.comments[0] == above.split("\n")[0].strip(" #\r")


def test_the_last_line_behind_a_sign_may_be_the_header(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", b"# site,x\n-,m\na,1\n"))
    assert table.frame.columns[0] == "# site"
    with pytest.raises(IcemapError, match="remove titles and comments above the header"):
        read_table(write(tmp_path / "t.csv", b"# Campaign\n# site,x\na,1\n"))


@pytest.mark.parametrize("header", ["site", "Site", "SITE"])
def test_a_name_keeps_its_zeros_whatever_the_case_of_its_column(
    tmp_path: Path, header: str
) -> None:
    table = read_table(write(tmp_path / "t.csv", f"{header},x\n007,1\n".encode()), text=("site",))
    assert table.frame[header].tolist() == ["007"]


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp866"])
def test_an_encoding_that_cannot_be_told_is_asked_about(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("site,lon\nСкважина-1,134\n".encode(encoding))
    with pytest.raises(IcemapError, match=r"is not in UTF-8 and would be read as '.*save it again"):
        read_table(str(path))


def test_chinese_names_in_gbk_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("site,lon\n钻孔一,134\n".encode("gbk"))
    with pytest.raises(IcemapError, match="is not in UTF-8"):
        read_table(str(path))


@pytest.mark.parametrize("name", ["Älvsbyån", "Créée", "65° 30′ – 66°", "————", "Þjórsá"])
def test_western_names_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    for encoding in ("utf-8", "cp1252"):
        path.write_bytes(f"site,lon\n{name},134\n".encode(encoding, "replace"))
        if encoding == "utf-8" or "′" not in name:
            assert read_table(str(path)).frame["site"].tolist() == [name]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_of_two_lines_take_no_rows_with_them(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.csv"
    text = 'site,"top\n(m)","base\n(m)",note\na,1,2,\nb,2,3,"x\ny"\nc,3,4,z\n'
    path.write_bytes(text.replace("\n", end).encode())
    table = read_table(str(path))
    assert table.frame["site"].tolist() == ["a", "b", "c"]
    assert table.lines.tolist() == [4, 5, 7]
    path.write_bytes(text.replace('"x\ny"', "").replace("\n", end).encode())
    assert read_table(str(path)).lines.tolist() == [4, 5, 6]


@pytest.mark.parametrize("separators", ["", ",", ",,", ",,,,"])
def test_columns_without_names_and_cells_are_none(tmp_path: Path, separators: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"site,lon{separators}\na,1{separators}\nb,2{separators}\n")
    assert read_table(str(path)).frame.columns.tolist() == ["site", "lon"]
    if separators:
        path.write_text(f"site,lon{separators}\na,1{separators}\nb,2{separators}7\n")
        with pytest.raises(IcemapError, match="more cells than its first line has names"):
            read_table(str(path))
