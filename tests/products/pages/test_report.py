from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.mapping.sums import RegionSums
from icemap.products.pages.report import Report, column_decimals, number, storage_rows, write_report
from icemap.totals.ice_totals import totals

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
REGION = {
    "area_km2": 1.6e7,
    "area_aoa_km2": 1e7,
    "integral": [5e8, 6e8, 7e8],
    "integral_aoa": [4e8, 4e8, 4e8],
    "integral_sd": 1e8,
    "integral_var": 1e10,
}


class Page(HTMLParser):
    """Text, addresses and table cells of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links, self.open, self.cells = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)
            if self.open[-1] in ("td", "th"):
                self.cells.append(data)


def storage_table() -> pd.DataFrame:
    return pd.DataFrame(
        [{"region": "all", "mask": "fraction", "unit": "km3"} | totals(RegionSums(**REGION))]
    )


@pytest.fixture
def report() -> Report:
    return Report(
        title="Ice & <b>bold</b>",
        target=TargetConfig(),
        map_png=PNG,
        members=("svr", "gam"),
        replicates=3,
        facts={"sites": 1178},
        storage=storage_rows(storage_table()),
        verification=[
            {"model": "COP-BMA", "R2": 0.5, "RMSE": 8.123},
            {"model": "climatology", "R2": -0.01, "RMSE": 12.0},
        ],
        verification_png=PNG,
        predictors=[{"predictor": "t_jan", "share": float("nan")}],
        weights=[{"member": "svr", "weight": 0.25}],
        provenance={"seed": 7, "versions": {"numpy": "2"}},
    )


def page(report, tmp_path) -> Page:
    write_report(str(tmp_path / "report.html"), report)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_self_contained(report, tmp_path):
    found = page(report, tmp_path)
    assert found.open == []
    pictures = [link for link in found.links if link.startswith("data:image/png;base64,")]
    assert [base64.b64decode(p.partition(",")[2]) for p in pictures] == [PNG, PNG]
    assert all(
        link.startswith(("https://doi.org/10.", "#"))
        for link in found.links
        if link not in pictures
    )
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(|<script|<link", html)


def test_pictures_are_inside_whatever_their_kind(report, tmp_path):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    links = page(
        replace(report, plate_png=PNG, importance_svg=svg, boreholes_svg=svg), tmp_path
    ).links
    found = [link.partition(",") for link in links if link.startswith("data:")]
    assert [
        base64.b64decode(content)
        for kind, _, content in found
        if kind == "data:image/svg+xml;base64"
    ] == [svg, svg]
    assert len([kind for kind, *_ in found if kind == "data:image/png;base64"]) == 3


def test_the_residual_of_the_totals_is_shown_below_them(report, tmp_path):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    write_report(str(tmp_path / "report.html"), replace(report, variogram_svg=svg))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    shown = html.index('alt="Variogram of the residuals')
    assert html.index("<h2>Ice storage") < shown < html.index("<h2>Verification")
    assert "number (hollow: fewer than 30 pairs)" in html
    write_report(str(tmp_path / "report.html"), report)
    assert "Variogram" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_every_number_given_is_on_the_page(report, tmp_path):
    cells = page(report, tmp_path).cells
    row = totals(RegionSums(**REGION))
    interval = f"{number(row['ice_km3_lower95'])} to {number(row['ice_km3_upper95'])}"
    for expected in (
        "COP-BMA",
        "0.500",
        "-0.010",
        "8.12",
        "12.00",
        "30,000",
        interval,
        "svr",
        "0.250",
        "–",
        "27,510",
        "7",
        "area [km²]",
    ):
        assert expected in cells, expected


def test_words_are_escaped_and_empty_parts_left_out(report, tmp_path):
    text = "".join(page(report, tmp_path).text)
    assert "Ice & <b>bold</b>" in text
    assert "Mean weights" in text
    assert "Published figures" not in text
    least = "".join(page(Report("T", TargetConfig(), PNG), tmp_path).text)
    assert "Verification" not in least
    assert "Mean weights" not in least
    assert "Ice storage" not in least
    assert "Provenance" in least


@pytest.mark.parametrize(("metres", "said"), [(5.0, "uppermost 5 m"), (2.5, "uppermost 2.5 m")])
def test_totals_of_ice_say_their_depth(report, tmp_path, metres, said):
    text = "".join(page(replace(report, depth_m=metres), tmp_path).text)
    assert f"Ice of the {said} of permafrost." in text


def test_another_target_has_a_mean_not_a_volume(tmp_path):
    table = pd.DataFrame(
        [
            {"region": "all", "mask": "fraction", "unit": "cm"}
            | totals(RegionSums(**REGION), thickness_m=None)
        ]
    )
    target = TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None)
    text = "".join(page(Report("T", target, PNG, storage=storage_rows(table)), tmp_path).text)
    assert "Area-weighted mean" in text
    assert "km³" not in text


def test_a_column_has_the_same_decimals():
    rows = [{"x": 0.5, "w": "a"}, {"x": 12.345, "w": "b"}, {"x": float("nan"), "w": "c"}]
    assert column_decimals(rows, "x") == 2
    assert column_decimals(rows, "w") is None


def test_a_place_that_cannot_be_written_is_a_sentence(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IcemapError, match="Cannot write"):
        write_report(str(tmp_path / "file" / "report.html"), report)


def test_the_first_sheet_holds_map_total_skill_and_caveats(report, tmp_path):
    write_report(
        str(tmp_path / "report.html"),
        replace(report, skill="It has skill.", caveats=["Mind the gap."], preview="a preview"),
    )
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    first = html[html.index('<section class="first">') : html.index("</section>")]
    for part in ("It has skill.", "Mind the gap.", "This is a preview.", "1,178", "<img"):
        assert part in first, part
        assert html.count(part) == 1 or part == "<img"
    assert re.search(r"\.first \{[^}]*break-after: page", html)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("shape", [(900, 1800), (1800, 900), (1500, 500)])
def test_the_first_sheet_is_one_page_of_a4(report, tmp_path, shape):
    """With as many words as a run has, and a map of any shape."""
    matplotlib_image = pytest.importorskip("matplotlib.image")
    picture = io.BytesIO()
    matplotlib_image.imsave(picture, np.full((*shape, 3), 0.5), format="png")
    long = replace(
        report,
        title="Ground ice of a region with a long name, from samples of several laboratories",
        map_png=picture.getvalue(),
        facts={f"a headline number, % (kNNDM folds) {k}": 12.3 for k in range(8)},
        skill="These predictors explain part of it at these sites: the skill is small. " * 2,
        caveats=["A class of rock is 60 % of the map and 0 % of the samples, say so. " * 3] * 4,
        preview="a preview: few replicates, three folds and no competitors",
        pages={"the verification": "verification.html"},
    )
    write_report(str(tmp_path / "report.html"), long)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    first, _, _ = html.partition("</section>")
    for name, content in (("first", f"{first}</section></main></body></html>"), ("all", html)):
        (tmp_path / f"{name}.html").write_text(content, encoding="utf-8")
        subprocess.run(
            [
                *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"),
                f"--user-data-dir={tmp_path / 'profile'}",
                "--no-pdf-header-footer",
                f"--print-to-pdf={tmp_path / name}.pdf",
                (tmp_path / f"{name}.html").as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    sheets = [
        len(re.findall(rb"/Type\s*/Page\b", (tmp_path / f"{name}.pdf").read_bytes()))
        for name in ("first", "all")
    ]
    assert sheets[0] == 1
    assert sheets[1] > 1
    assert re.search(rb"/MediaBox \[0 0 59[45]\S* 84[12]", (tmp_path / "first.pdf").read_bytes())
