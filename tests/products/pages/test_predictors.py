import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import Variable, create_gridded
from icemap.predictors.cube_variables import FRACTION, VALID
from icemap.products.pages import predictors as predictors_page
from icemap.products.pages.predictors import write_predictors_page
from icemap.zarr_groups import write_chunk
from tests.browser import CHROMIUM, drawn

GRID = Grid(-180, 40, 180, 80, 1)
ATTRS = {
    "units": "1",
    "family": "climate",
    "kind": "continuous",
    "source": "a.tif",
    "licence": "CC BY 4.0",
    "citation": "A & B 2020",
    "resampling": "average",
}


def cube(url: str, **arrays: np.ndarray) -> dict[str, Any]:
    """A cube whose northern half is mapped; what a build counted in it."""
    special = {
        "warm": {
            "long_name": "temperature <in> air",
            "units": "degC",
            "valid_range": [-60.0, 40.0],
        },
        "cover": {
            "long_name": "land cover",
            "kind": "class",
            "flag_values": [1, 5],
            "flag_meanings": "wet_land dry",
        },
    }
    variables = [
        Variable(
            name,
            "uint8" if name == "cover" else "float32",
            {**ATTRS, "long_name": name, **special.get(name, {})},
        )
        for name in [*arrays, "a_mask"]
    ]
    create_gridded(url, GRID, [*variables, VALID, FRACTION], {"title": "t"}, chunk=16, shard=64)
    valid = np.repeat(GRID.latitudes[:, None] > 60, GRID.shape[1], axis=1)
    for chunk in GRID.chunks(64):
        part = np.s_[chunk.rows, chunk.cols]
        stored = {
            name: (
                np.where(np.isnan(values), 255, values).astype("u1") if name == "cover" else values
            )
            for name, values in arrays.items()
        }
        write_chunk(
            url,
            chunk,
            {**{name: values[part] for name, values in stored.items()}, "valid": valid[part]},
        )
    inside = int(valid.sum())
    return {
        "cells": {"inside": inside, "valid": inside},
        "missing": {name: int(np.isnan(values[valid]).sum()) for name, values in arrays.items()},
        "ranges": {
            name: [float(np.nanmin(values[valid])), float(np.nanmax(values[valid]))]
            for name, values in arrays.items()
        },
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    warm = rng.normal(0, 10, GRID.shape).astype("f4").clip(-55, 35)
    cold = (-2 * warm + rng.normal(0, 0.1, GRID.shape)).astype("f4")
    other = rng.normal(1000, 300, GRID.shape).astype("f4")
    other[:, :180] = np.nan  # the western half
    cover = np.where(rng.random(GRID.shape) < 0.25, 5.0, 1.0)
    facts = cube(
        str(folder / "cube.zarr"),
        warm=warm,
        cold=cold,
        other=other,
        flat=np.full(GRID.shape, 3, "f4"),
        cover=cover,
    )
    valid = np.isfinite(other) & (GRID.latitudes[:, None] > 60)
    facts["cells"]["valid"] = int(valid.sum())
    for chunk in GRID.chunks(64):
        write_chunk(str(folder / "cube.zarr"), chunk, {"valid": valid[chunk.rows, chunk.cols]})
    write_predictors_page(
        str(folder / "page" / "predictors.html"), str(folder / "cube.zarr"), facts, "Trial & error"
    )
    return folder / "page" / "predictors.html", str(folder / "cube.zarr"), facts


def row(text: str, name: str) -> list[str]:
    found = re.search(rf'<tr><td><a href="#{name}">.*?</tr>', text, re.DOTALL)
    assert found is not None
    return [
        re.sub(r"<[^>]*>|\s+", " ", cell).strip()
        for cell in re.findall(r"<td.*?</td>", found[0], re.DOTALL)
    ]


def test_the_page_needs_nothing_else(made):
    text = made[0].read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert re.findall(r"https?://", text) == []
    assert [path.name for path in made[0].parent.iterdir()] == ["predictors.html"]
    assert "<title>Trial &amp; error: predictors</title>" in text
    assert "temperature &lt;in&gt; air" in text


def test_coverage_and_ranges_are_those_of_the_build(made):
    text, facts = made[0].read_text(), made[2]
    low, high = (f"{value:.4g}".replace("-", "−") for value in facts["ranges"]["warm"])
    assert row(text, "warm") == ["warm", "degC", low, high, "−60 to 40", "100 %", "0"]
    assert row(text, "other")[4:] == ["none", "50.0 %", "3,600"]
    assert "the same everywhere" in row(text, "flat")[4]
    assert row(text, "cover")[2:5] == ["", "", "2 classes"]
    assert "7,200 cells lie inside the masks; 3,600 of them (50.0 %)" in text
    assert "a_mask" not in text


def test_a_range_that_cannot_be_is_marked(tmp_path):
    values = np.full(GRID.shape, 250, "f4")
    values[:, :9] = 290
    facts = cube(str(tmp_path / "cube.zarr"), warm=values)
    write_predictors_page(str(tmp_path / "p.html"), str(tmp_path / "cube.zarr"), facts, "t")
    assert row((tmp_path / "p.html").read_text(), "warm")[4].endswith(
        "no temperature: is the unit degC right?"
    )


def test_source_licence_citation_and_resampling_are_named(made):
    article = re.search(r'<article id="warm">.*?</article>', made[0].read_text(), re.DOTALL)
    assert article is not None
    for part in (
        "a.tif",
        "Licence: CC BY 4.0",
        "A &amp; B 2020",
        "average",
        "(declared: −60 to 40)",
    ):
        assert part in article[0]


def test_predictors_that_say_the_same_are_named(made):
    text = made[0].read_text()
    assert "cold and warm (-1.00)." in text or "warm and cold (-1.00)." in text
    inflation = dict(re.findall(r'<tr><td>(\w+)</td><td class="n[^"]*">([^<]*)</td></tr>', text))
    assert set(inflation) == {"warm", "cold", "other", "flat"}
    assert inflation["flat"] == "constant"
    assert inflation["other"] == "1.0"
    assert float(inflation["warm"].replace(",", "")) > 1000
    assert "classes (cover) have none" in text


def test_a_flipped_raster_gives_another_picture_and_the_same_cube_the_same_page(made, tmp_path):
    gradient = np.repeat(GRID.latitudes[:, None], GRID.shape[1], axis=1).astype("f4")
    pages = []
    for name, values in (("a", gradient), ("b", gradient[::-1]), ("c", gradient)):
        facts = cube(str(tmp_path / f"{name}.zarr"), warm=np.ascontiguousarray(values))
        write_predictors_page(
            str(tmp_path / f"{name}.html"), str(tmp_path / f"{name}.zarr"), facts, "t"
        )
        pages.append((tmp_path / f"{name}.html").read_text())
    maps = [re.findall(r'class="map" src="([^"]*)"', page) for page in pages]
    assert maps[0] != maps[1]
    assert pages[0] == pages[2]


def test_a_large_cube_is_thinned(made, tmp_path, monkeypatch):
    monkeypatch.setattr(predictors_page, "MAX_CELLS", 1000)
    write_predictors_page(str(tmp_path / "p.html"), made[1], made[2], "t")
    text = (tmp_path / "p.html").read_text()
    assert "Both are drawn from every 4th row and column" in text
    assert "Correlations between the predictors in 225 mapped cells" in text


def test_no_cube_is_said_so(tmp_path):
    with pytest.raises(IcemapError, match="no predictor cube"):
        write_predictors_page(
            str(tmp_path / "p.html"), str(tmp_path / "cube.zarr"), {"ranges": {}}, "t"
        )


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_pictures(made, tmp_path):
    script = "<script>addEventListener('load',()=>document.title=[...document.images].map(i=>i.naturalWidth>50).join())</script>"  # noqa: E501
    (tmp_path / "p.html").write_text(made[0].read_text() + script)
    shown = drawn((tmp_path / "p.html").as_uri(), tmp_path / "profile")
    found = re.search("<title>(.*?)</title>", shown)
    assert found is not None
    assert found[1] == ",".join(["true"] * 10)
