from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import read_boreholes
from icemap.boreholes.thaw_dates import months


def read(folder: Path, date: str, thaw: str, header: str = "thaw depth [m]", **more: str):
    path = folder / "t.csv"
    names, cells = ",".join(["", *more]), ",".join(["", *more.values()])
    rows = [
        f"a,-148.5,69.4,{top},{base},60,{date},{thaw}{cells}" for top, base in ((0.6, 2), (2, 5.5))
    ]
    path.write_text(
        "\n".join([f"site,lon,lat,top [m],base [m],vic [%],Date sampled,{header}{names}", *rows])
    )
    name = header.split(" [")[0]
    return read_boreholes(path, columns={"permafrost_table": name}).iloc[0]


@pytest.mark.parametrize(
    ("date", "thaw"),
    [("2018-06-10", "0.2"), ("7/14/2013", "0.3"), ("14.7.2013", "0.3"), ("2015-04-02", "0")],
)
def test_a_thaw_depth_from_before_august_is_no_permafrost_table(
    tmp_path: Path, date: str, thaw: str
) -> None:
    site = read(tmp_path, date, thaw)
    assert site["permafrost_table_source"] == "frozen_ground"
    assert site["permafrost_table"] == 0.6
    source = {"permafrost_table_source": "thaw depth"}
    site = read(tmp_path, date, thaw, "permafrost_table [m]", **source)
    assert site["permafrost_table_source"] == "frozen_ground"


@pytest.mark.parametrize(
    ("date", "header"),
    [
        ("2018-09-10", "thaw depth [m]"),
        ("2018-06-10", "permafrost_table [m]"),
        ("2018-06-10", "max thaw depth [m]"),
        ("2018-06-10", "end of season thaw [m]"),
        # Ground that has frozen again tells of a date in summer.
        ("2018-04-10", "thaw depth [m]"),
        ("6/7/2018", "thaw depth [m]"),
        ("2018", "thaw depth [m]"),
        ("", "thaw depth [m]"),
    ],
)
def test_others_are(tmp_path: Path, date: str, header: str) -> None:
    site = read(tmp_path, date, "0.4", header)
    assert (site["permafrost_table"], site["permafrost_table_source"]) == (0.4, "reported")


def test_a_table_that_says_that_it_is_reported_is_believed(tmp_path: Path) -> None:
    site = read(tmp_path, "2018-06-10", "0.4", permafrost_table_source="reported")
    assert site["permafrost_table"] == 0.4


def test_months_are_read_in_whatever_way_dates_are_written() -> None:
    dates = ["2018-06-10 00:00:00", "20180610", "10. 6. 2018", "June 10, 2018", "2018/6/1", "BH-6"]
    assert months(pd.Series(dates))[:5].tolist() == [6] * 5
    assert np.isnan(months(pd.Series(["BH-6", "", "6/7/2018", "2018"]))).all()
