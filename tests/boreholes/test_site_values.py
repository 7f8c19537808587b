from pathlib import Path

import numpy as np
import pytest

from icemap import IcemapError
from icemap.boreholes.site_values import read_site_values
from icemap.config import SitesConfig, TargetConfig

CM = TargetConfig(name="alt", unit="cm", bounds=(0, 300))


def write(folder: Path, text: str) -> str:
    (folder / "sites.csv").write_text(text, encoding="utf-8")
    return str(folder / "sites.csv")


def test_every_row_is_kept_and_says_why_it_is_not_used(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        "name,lon,lat,alt [m]\n"
        "good,10,60,0.5\n"
        "high,11,60,4\n"
        "word,12,60,deep\n"
        "none,13,60,\n"
        "limit,14,60,>1.5\n"
        "swapped,69.7,-143.6,0.5\n"
        "far,200,60,0.5\n"
        "lost,,60,0.5\n"
        "where,here,60,0.5\n"
        "copy,10,60,0.5\n"
        "range,15,60,0.4-1.0\n",
    )
    sites = read_site_values(SitesConfig(table=url, value="alt", id="name"), CM)
    assert dict(zip(sites["site"], sites["reason"])) == {
        "good": "",
        "high": "value outside 0-300 cm",
        "word": "value is not a number",
        "none": "no value",
        "limit": "value is only known to be above a limit",
        "swapped": "longitude and latitude are swapped",
        "far": "impossible coordinates",
        "lost": "no coordinates",
        "where": "coordinates are not numbers",
        "copy": "duplicate: same coordinates and value as an earlier site",
        "range": "",
    }
    assert (sites["used"] == (sites["reason"] == "")).all()
    assert sites["row"].tolist() == list(range(1, 12))
    assert sites["line"].tolist() == list(range(2, 13))
    assert sites["value"].iloc[[0, -1]].tolist() == pytest.approx([50, 70])
    assert sites["standard_error"].iloc[-1] == pytest.approx(60 / np.sqrt(12))


@pytest.mark.parametrize(
    ("header", "unit", "target", "expected"),
    [
        ("alt [cm]", None, "cm", 50.0),
        ("alt [cm]", None, "m", 0.5),
        ("alt", "mm", "cm", 5.0),
        ("alt [m]", "cm", "cm", 50.0),
        ("alt", "%", "fraction", 0.5),
        ("alt (K)", None, "degC", -223.15),
        ("alt", "mW/m2", "mW/m2", 50.0),
    ],
)
def test_units(tmp_path: Path, header: str, unit: str | None, target: str, expected: float) -> None:
    url = write(tmp_path, f"lon,lat,{header}\n10,60,50\n")
    sites = read_site_values(SitesConfig(table=url, value="alt", unit=unit), TargetConfig(unit=target, bounds=None))
    assert sites["value"][0] == pytest.approx(expected)
    assert sites["used"][0]
    assert sites["site"][0] == "row 1"


def test_no_unit_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    url = write(tmp_path, "lon,lat,alt\n10,60,50\n")
    with pytest.raises(IcemapError, match=r"does not say the unit of the column 'alt'.*sites\.unit.*'alt \[cm\]'") as caught:
        read_site_values(SitesConfig(table=url, value="alt"), CM)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"value": "vic", "unit": "%"}, r"no column 'vic' \(sites\.value\): it has lon, lat, alt \[cm\]"),
        ({"value": "alt", "longitude": "x"}, r"no column 'x' \(sites\.longitude\)"),
        ({"value": "alt", "id": "name"}, r"no column 'name' \(sites\.id\)"),
        ({"value": "alt", "unit": "%"}, "'%' and the target alt in 'cm', which cannot be converted"),
    ],
)
def test_wrong_names_and_units_are_errors(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    url = write(tmp_path, "lon,lat,alt [cm]\n10,60,50\n")
    with pytest.raises(IcemapError, match=words):
        read_site_values(SitesConfig(table=url, **settings), CM)
