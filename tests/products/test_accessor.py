"""``ds.icemap``: the report's picture and the public functions, from an opened dataset."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import icemap
from icemap import Grid, IcemapError
from icemap.config_sections import TargetConfig
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables
from icemap.products.figures.maps import map_figure
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 50, 180, 84, 2.0)


@pytest.fixture(scope="module")
def map_url(tmp_path_factory) -> str:
    url = str(tmp_path_factory.mktemp("run") / "map.zarr")
    create_gridded(url, GRID, map_variables(TargetConfig()), {"title": "A map"}, chunk=200)
    (chunk,) = GRID.chunks(200)
    row, col = np.mgrid[: chunk.shape[0], : chunk.shape[1]]
    value = (20.0 + 3 * row).astype("f4")
    fields = {v.name: value for v in map_variables(TargetConfig())}
    fields |= {"vic_lower95": value - 10, "vic_upper95": value + 10 + col / 9}
    fields |= {"aoa": (col < 90).astype("u1"), "extrapolated": (row > 9).astype("u1")}
    write_chunk(url, chunk, fields)
    return url


@pytest.fixture
def dataset(map_url):
    return icemap.open_map(map_url)


def test_the_picture_is_the_report_s(map_url, dataset, tmp_path):
    sites = pd.DataFrame({"lon": [10.0, 120.0], "lat": [70.0, 65.0]})
    drawn = dataset.icemap.plot(sites=sites, pixels=200)
    drawn.save(str(tmp_path / "map.png"))
    report = map_figure(map_url, "A map", sites, pixels=200)
    assert (tmp_path / "map.png").read_bytes() == report
    shown = drawn._repr_png_()
    assert shown.startswith(b"\x89PNG")
    assert len(shown) < len(report)
    assert " at 0x" not in repr(drawn), "notebooks store what they show"


def test_a_part_is_drawn_where_it_is(dataset, tmp_path):
    part = dataset.sel(longitude=slice(90, 150), latitude=slice(76, 60))
    picture = part.icemap.plot("vic", title="", pixels=200)
    axes = picture.figure.axes[0]
    assert picture.figure.axes[1].get_xlabel() == "volumetric ice content (%)"
    left, right = axes.get_xlim()
    assert 2000 < right - left < 4000, "60 degrees at 60 N are 3,300 km"
    picture.save(str(tmp_path / "part.png"))
    assert (tmp_path / "part.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_outside_is_hatched(dataset):
    hatched = dataset.icemap.plot("vic_sd_ensemble", pixels=200).figure.axes[0]
    whole = dataset.assign(aoa=dataset["aoa"] * 0 + 1)
    plain = whole.icemap.plot("vic_sd_ensemble", pixels=200).figure.axes[0]
    said = [[text.get_text() for text in axes.texts] for axes in (hatched, plain)]
    assert "hatched: outside the area of applicability" in said[0]
    assert "hatched: outside the area of applicability" not in said[1]
    assert len(hatched.collections) == len(plain.collections) + 1


def test_questions_are_those_of_the_functions(map_url, dataset, monkeypatch):
    assert dataset.icemap.query(10.0, 60.5) == icemap.query(map_url, 10.0, 60.5)
    asked = []
    from icemap.products import comparison
    from icemap.totals import public

    monkeypatch.setattr(public, "ice_storage", lambda *a, **k: asked.append((a, k)))
    monkeypatch.setattr(comparison, "compare", lambda *a, **k: asked.append((a, k)))
    dataset.icemap.totals("a.gpkg", attribute="name")
    dataset.icemap.compare("other.tif", depth=3.0)
    assert asked[0] == ((map_url, "a.gpkg"), {"attribute": "name"})
    assert asked[1] == ((map_url.removesuffix("/map.zarr"), "other.tif"), {"depth": 3.0})


def test_what_cannot_be_drawn_is_a_sentence(dataset):
    with pytest.raises(IcemapError, match="no variable 'nothing': it has vic, "):
        dataset.icemap.plot("nothing")
    with pytest.raises(IcemapError, match="is not a map"):
        dataset[["dissimilarity"]].icemap.plot()


@pytest.mark.parametrize(
    "code",
    [
        "import xarray, icemap; xarray.Dataset().icemap",
        "import icemap; icemap.open_map; import xarray; xarray.Dataset().icemap",
    ],
)
def test_datasets_have_it(code):
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_import_brings_no_xarray():
    code = "import sys, icemap; sys.exit('xarray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
