from pathlib import Path

import fsspec
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.tables import read_table


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_parquet_and_remote_files(tmp_path: Path) -> None:
    frame = pd.DataFrame({"site": ["a", "b"], "x": [1.5, None]})
    frame.to_parquet(tmp_path / "t.parquet")
    local = read_table(str(tmp_path / "t.parquet"))
    with fsspec.open("memory://icemap-tables/t.parquet", "wb") as file:
        file.write((tmp_path / "t.parquet").read_bytes())
    remote = read_table("memory://icemap-tables/t.parquet")
    assert local.lines.tolist() == [1, 2]
    pd.testing.assert_frame_equal(local.frame, remote.frame)


def test_a_missing_or_foreign_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="no such file"):
        read_table(str(tmp_path / "none.csv"))
    with pytest.raises(IcemapError, match="not a readable Parquet"):
        read_table(write(tmp_path / "t.parquet", b"not parquet"))


def test_a_missing_column_names_what_is_there(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", b"a,b\n1,2\n"))
    with pytest.raises(IcemapError, match=r"no column 'site'.*a, b"):
        table.column("site")


def test_a_second_header_with_other_columns_is_refused(tmp_path: Path) -> None:
    rows = "site,lon,vic [%]\na,130,40\n\nsite,lon,{}\nb,131,10\n"
    (tmp_path / "t.csv").write_text(rows.format("excess ice [%]"))
    with pytest.raises(IcemapError, match=r"t\.csv, line 4 is a second header, with 'excess ice"):
        read_table(str(tmp_path / "t.csv"))
    # The same header again is that of the next page.
    (tmp_path / "t.csv").write_text(rows.format("vic [%]"))
    assert len(read_table(str(tmp_path / "t.csv")).frame) == 3


def test_a_row_that_is_commented_out_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("site,vic\na,1\n# b,2\nc,3\n")
    with pytest.raises(IcemapError, match=r"t\.csv, line 3 begins with '#'"):
        read_table(str(tmp_path / "t.csv"))
    for names in (("a", "#12", "# 3"), ("#a", "#b", "#c")):
        (tmp_path / "t.csv").write_text("site,vic\n" + "".join(f"{name},1\n" for name in names))
        assert read_table(str(tmp_path / "t.csv")).frame["site"].tolist() == list(names)
