from pathlib import Path

import numpy as np
import pytest

from icemap import IcemapError
from icemap.boreholes.readers.calm import read_calm


def write(folder: Path, text: str) -> str:
    (folder / "calm.csv").write_text(text, encoding="latin-1")
    return str(folder / "calm.csv")


def test_one_mean_per_site(tmp_path: Path) -> None:
    sites = read_calm(
        write(
            tmp_path,
            "point_id,lat,lon,n_years,alt_cm\nC1,65.5,-148.5,5,60\nC2,66,-149,1,>150\nC3,200,-149,1,70\nC4,66,-149,1,\n",
        )
    )
    np.testing.assert_allclose(sites["active_layer"], [0.6, np.nan, 0.7, np.nan])
    assert sites["reason"].tolist() == [
        "",
        "only limits of the active-layer thickness",
        "impossible coordinates",
        "no active-layer thickness",
    ]


def test_one_column_per_year(tmp_path: Path) -> None:
    sites = read_calm(
        write(
            tmp_path,
            "Site Code;Site Name;LAT;LONG;1990;1991;1992\nU1;Barrow;71°19' N;156°36'"
            " W;30;-;40\nR1;Vorkuta;67,4;63,4;>150;>120;-\n",
        )
    )
    np.testing.assert_allclose(sites["lat"], [71 + 19 / 60, 67.4])
    np.testing.assert_allclose(sites["lon"], [-156.6, 63.4])
    np.testing.assert_allclose(sites["active_layer"], [0.35, np.nan])
    assert sites["years"].tolist() == [2, 0]
    assert sites["site"].tolist() == ["U1", "R1"]
    assert sites["reason"].tolist() == ["", "only limits of the active-layer thickness"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lat,lon\n1,2\n", "no active-layer thickness"),
        ("lat,lon,alt\n1,2,3\n", "unit of 'alt'"),
        ("lat,alt [cm]\n1,2\n", "no column 'lon'"),
        ("lat,lon,alt [cm]\n1,2,deep\n", r"'deep' \(line 2\)"),
        ("lat,lon,1990\n1,2,deep\n", r"1990 is not a number: 'deep' \(line 2\)"),
    ],
)
def test_what_is_missing_or_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(IcemapError, match=words):
        read_calm(write(tmp_path, text))


@pytest.mark.parametrize(
    ("header", "values"), [("1990,1991", "0.45,0.5"), ("1990,1991", "3300,3500"), ("alt [mm]", "4")]
)
def test_what_no_ground_thaws_to_is_refused(tmp_path: Path, header: str, values: str) -> None:
    with pytest.raises(IcemapError, match="half of its active-layer thicknesses are about"):
        read_calm(write(tmp_path, f"lat,lon,{header}\n65,-148,{values}\n66,-148,{values}\n"))
