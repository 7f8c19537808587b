import json
import re
from pathlib import Path

import pandas as pd
import pytest

from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.sites import SiteTable, read_layer_sites
from icemap.config_sections import TargetConfig
from icemap.products.pages.boreholes import write_boreholes_page
from tests.browser import CHROMIUM, drawn

ROWS = """site,lon,lat,position_grade,permafrost_table [m],top [m],base [m],vic [%],visible_ice [%],source
A,20,68,A,0.5,0,1,20,,x
A,20,68,A,0.5,1,3,60,,x
A,20,68,A,0.5,3,6,40,,x
</script><b>B,-150,70,A,0.6,0,4,,30,x
C,,,A,0.6,0,6,55,,x
"""  # noqa: E501


@pytest.fixture
def table(tmp_path: Path) -> SiteTable:
    (tmp_path / "layers.csv").write_text(ROWS)
    return read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(tmp_path / "layers.csv")),)),
        TargetConfig(),
        1.0,
    )


@pytest.fixture
def page(table: SiteTable, tmp_path: Path) -> Path:
    write_boreholes_page(
        str(tmp_path / "page" / "boreholes.html"),
        table,
        TargetConfig(),
        title="Trial & error",
        thickness=5.0,
    )
    return tmp_path / "page" / "boreholes.html"


def profiles(page: Path) -> dict:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )
    assert found is not None
    return json.loads(found[1])


def test_the_page_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert [path.name for path in page.parent.iterdir()] == ["boreholes.html"]


def test_printed_the_profile_has_the_name_of_its_site_instead_of_controls(page: Path) -> None:
    text = page.read_text()
    (profile,) = re.findall(r'<section class="profile">.*?</section>', text, re.DOTALL)
    assert '<svg id="profile"' in profile
    assert '<strong id="name">' in profile
    for control in re.finditer(r"<(input|button)\b", text):
        opened = text.rindex("<p", 0, control.start())
        assert text.startswith('<p class="no-print">', opened)


def test_numbers_and_reasons_are_those_of_the_table(page: Path) -> None:
    text = page.read_text()
    assert "<title>Trial &amp; error: boreholes</title>" in text
    assert '<strong class="used">1</strong> of 3 sites are used' in text
    for reason in ("no coordinates", "visible ice alone is not VIC: the VIC between is missing"):
        assert f'<td>{reason}</td><td class="n">1</td>' in text
    assert "1 sites without possible coordinates are not drawn" in text


def test_names_cannot_break_out_of_the_page(page: Path) -> None:
    assert "</script><b>" not in page.read_text()
    assert "</script><b>B" in [site["name"] for site in profiles(page)["sites"]]


def test_profiles_are_the_layers_used_sites_first(page: Path) -> None:
    data = profiles(page)
    assert data["thickness"] == 5
    assert [site["reason"] == "" for site in data["sites"]] == [True, False, False]
    assert [layer[:3] for layer in data["sites"][0]["layers"]] == [
        [0, 1, 20],
        [1, 3, 60],
        [3, 6, 40],
    ]
    assert data["sites"][1]["layers"] == [
        [0, 4, None, "visible ice alone is not VIC: the VIC between is missing", False]
    ]


def test_the_same_table_gives_the_same_bytes(page: Path, table: SiteTable, tmp_path: Path) -> None:
    write_boreholes_page(
        str(tmp_path / "again.html"), table, TargetConfig(), title="Trial & error", thickness=5.0
    )
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_sites_without_layers_have_a_page_too(tmp_path: Path) -> None:
    sites = pd.DataFrame(
        {
            "site": ["a"],
            "lon": [10.0],
            "lat": [60.0],
            "value": [50.0],
            "grade": [""],
            "reader": ["sites"],
            "used": [False],
            "reason": ["no value"],
        }
    )
    write_boreholes_page(
        str(tmp_path / "p.html"),
        SiteTable(sites, pd.DataFrame(), pd.DataFrame()),
        TargetConfig(),
        title="t",
    )
    text = (tmp_path / "p.html").read_text()
    assert "Depth profile" not in text
    assert "<script" not in text
    assert "no value" in text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_draws_the_profile_of_the_first_site(page: Path, tmp_path: Path) -> None:
    shown = drawn(page.as_uri(), tmp_path / "profile")
    drawing = re.search(r'<svg id="profile".*?</svg>', shown, re.DOTALL)
    assert drawing is not None
    assert drawing[0].count("<title>") == 3
    assert "1–3 m: 60.0 %, reported VIC" in drawing[0]
    assert (
        "grade A, 100 % covered · permafrost table at 0.50 m (reported, ± 0.10 m). Standard error:"
        " way of measuring 5.0, part of" in shown
    )


CORES = (
    "site,lon,lat,top [m],base [m],gravimetric_water [%],frozen_bulk_density [kg/m3],source\n"
    + "".join(
        "core "
        f"{hole},{-120 - hole / 7:.4f},65.1234,{start + 0.6 * i:.2f},{start + 0.6 * i + 0.1:.2f},40,1700,x\n"  # noqa: E501
        for hole, start in ((1, 0.8), (2, 7.5))
        for i in range(8)
    )
)


@pytest.fixture
def cores(tmp_path: Path) -> str:
    (tmp_path / "cores.csv").write_text(CORES)
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(tmp_path / "cores.csv")),)),
        TargetConfig(),
        1.0,
    )
    write_boreholes_page(
        str(tmp_path / "cores.html"), table, TargetConfig(), title="Cores", thickness=5.0
    )
    return (tmp_path / "cores.html").read_text()


def test_the_page_says_what_was_decided_and_what_each_rule_gains(cores: str) -> None:
    assert (
        "<p>The pieces of cores.csv are read as samples (16 pieces with a median length of 0.1 m;"
        " 19% of the depth" in cores
    )
    assert "<p>The permafrost table of 2 of 2 boreholes is an upper bound" in re.sub(
        r"</?a\b[^>]*>", "", cores
    )
    number = r'<td class="n">(\d+)</td>'
    gains = re.findall(rf"<tr><td>([^<]*)</td>{number}{number}{number}\s*{number}{number}", cores)
    assert gains == [
        ("samples stand for half the way to their neighbours", "2", "1", "1", "1", "0"),
        ("the top of the frozen ground bounds the permafrost table", "2", "1", "0", "1", "0"),
    ]


def test_the_page_says_how_well_sites_are_known_and_where_the_permafrost_table_is_from(
    cores: str,
) -> None:
    for part in (
        "standard error",
        "way of measuring",
        "part of the window that was not sampled",
        "permafrost table",
        "position",
    ):
        assert re.search(rf"<tr><td>{part}</td><td class=\"n\">\d+\.\d</td>", cores)
    assert (
        '<tr><td>frozen ground (upper bound)</td><td class="n">1</td><td class="n">0.80</td><td'
        ' class="n">0.55</td></tr>' in cores
    )


def test_the_page_lists_unused_sites_by_name_row_and_reason(cores: str) -> None:
    assert (
        "<tr><td>core 2</td><td>cores.csv, line 10</td><td>frozen ground was only met below 5 m"
        in cores
    )
    assert "<td>core 1</td>" not in cores
