"""A run and another map: what is compared, what comes out, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner

import icemap
from icemap.cli import main
from icemap.comparison.result import Comparison
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import open_gridded
from icemap.products.comparison import compare
from icemap.products.figures import comparison as figures_comparison
from icemap.products.pages import comparison as comparison_page
from icemap.products.pages.comparison import summary_lines
from icemap.totals.ice_storage import ice_storage

_spec = spec_from_file_location("compared", Path(__file__).parents[1] / "compared.py")
made = module_from_spec(_spec)
sys.modules["compared"] = made
_spec.loader.exec_module(made)

GRID = made.GRID
TABLE = """code,name,low,middle,high,depth,extent,ice
1,rich,20,25,30,20,1,excess
2,poor,0,5,10,10,0.5,excess
9,sea,,,,,,
"""


PNG = bytes.fromhex("89504e470d0a1a0a")


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    """Drawing takes longer than all the rest."""
    for name in ("comparison_maps", "totals_figure", "joint_figure"):
        monkeypatch.setattr(comparison_page, name, lambda *arguments: PNG)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return Path(made.make_run(tmp_path_factory.mktemp("runs") / "now"))


@pytest.fixture
def run(original, tmp_path) -> str:
    return str(shutil.copytree(original, tmp_path / "run"))


@pytest.fixture
def table(tmp_path) -> str:
    path = tmp_path / "classes.csv"
    path.write_text(TABLE)
    return str(path)


@pytest.fixture(scope="module")
def classed(original, tmp_path_factory) -> Comparison:
    """The run and a map of two classes, with its pictures."""
    folder = tmp_path_factory.mktemp("classed")
    run = str(shutil.copytree(original, folder / "run"))
    (folder / "classes.csv").write_text(TABLE)
    raster = made.class_raster(folder / "theirs.tif", two_classes)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("comparison_maps", "totals_figure", "joint_figure"):
            patch.setattr(comparison_page, name, getattr(figures_comparison, name))
        return compare(run, raster, classes=str(folder / "classes.csv"), name="ipa")


def weights(mapped_to: float = 78.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Area that counts, longitude and latitude of the cells of the run."""
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    return GRID.cell_area()[:, None] * made.fraction_at(lon, lat) * (lon < mapped_to), lon, lat


def test_a_raster_of_another_crs_that_says_the_same_agrees(run, tmp_path):
    other = made.polar_raster(
        tmp_path / "theirs.tif", lambda lon, lat: made.value_at(lon, lat) - 4, unit="%"
    )
    found = compare(run, other, depth=5)
    weight, lon, lat = weights()
    assert found.whole.area_km2 == pytest.approx(weight.sum(), rel=1e-6)
    assert found.whole.bias == pytest.approx(4, abs=0.02)
    assert found.whole.rmse == pytest.approx(4, abs=0.1)
    assert found.agreement.spearman > 0.999
    assert found.whole.covered == 1
    assert found.whole.other.low is None
    assert found.whole.overlapping is None
    expected = (weight * made.value_at(lon, lat)).sum() * 5e-5
    assert found.whole.run.value == pytest.approx(expected, rel=1e-6)
    assert found.whole.other.value == pytest.approx(expected - 4 * weight.sum() * 5e-5, rel=1e-3)


def test_the_interval_of_all_cells_is_that_of_the_totals(run, tmp_path):
    """Where the other map covers the whole run, its own totals come back, by region and band
    too.
    """
    other = made.polar_raster(tmp_path / "theirs.tif", made.value_at)
    found = compare(run, other, depth=5)
    drawn = tmp_path / "all.gpkg"
    gpd.GeoDataFrame(
        {"name": ["all"]}, geometry=[shapely.box(59, 59, 81, 77)], crs="EPSG:4326"
    ).to_file(drawn)
    row = ice_storage(f"{run}/map.zarr", str(drawn)).iloc[0]
    own = found.whole.run
    assert (own.value, own.low, own.high) == pytest.approx(
        (row["ice_km3"], row["ice_km3_lower95"], row["ice_km3_upper95"]), rel=1e-6
    )
    assert found.footing.run_total.value == pytest.approx(own.value)
    ledger = ice_storage(f"{run}/map.zarr").set_index("region")["ice_km3"]
    for area in found.areas[1:]:
        assert area.run.value == pytest.approx(ledger[area.name], rel=1e-6), area.name
    assert {area.group for area in found.areas} == {"all", "region", "latitude", "permafrost"}


def two_classes(lon, lat):
    """Rich west of 68 E, poor to 74, then sea, then nothing; no edge is that of a cell."""
    return np.select([lon < 68.125, lon < 74.125, lon < 76], [1, 2, 9], 0)


def test_classes_are_compared_where_they_hold_ice(classed):
    found = classed
    weight, lon, lat = weights()
    # The cell at 68 to 68.5 is a quarter rich, that at 74 to 74.5 a quarter poor and the rest sea.
    part = np.clip((68.125 - (lon - 0.25)) / 0.5, 0, 1)
    known = lon < 74
    middle = 25 * part + 5 * (1 - part)
    assert found.footing.cells == known.sum()
    assert found.footing.depth_m == 5
    assert found.whole.area_km2 == pytest.approx(weight[known].sum(), rel=1e-6)
    expected = [
        (weight * value)[known].sum() * 5e-5
        for value in (middle, 20 * part, 30 * part + 10 * (1 - part))
    ]
    other = found.whole.other
    assert (other.value, other.low, other.high) == pytest.approx(expected, rel=1e-5)
    classes = {area.name: area for area in found.areas if area.group == "class"}
    rich = known & (part >= 0.5)
    assert set(classes) == {"rich", "poor"}
    assert classes["rich"].area_km2 == pytest.approx(weight[rich].sum(), rel=1e-6)
    assert classes["rich"].run_mean == pytest.approx(
        np.average(made.value_at(lon, lat)[rich], weights=weight[rich]), rel=1e-6
    )
    assert classes["rich"].other_mean == pytest.approx(25)


def test_the_other_maps_own_total_has_its_own_depth_and_extent(classed):
    footing = classed.footing
    whole = GRID.cell_area().sum() * GRID.shape[1]
    rich, poor = whole * 8.125 / 20, whole * 6 / 20
    assert footing.other_own.region_km2 == pytest.approx(rich + poor, rel=1e-6)
    assert footing.other_own.counted_km2[1] == pytest.approx(rich + poor / 2, rel=1e-6)
    assert footing.other_own.volume_km3[1] == pytest.approx(
        rich * 0.25 * 0.02 + poor / 2 * 0.05 * 0.01, rel=1e-6
    )
    assert footing.other_cut.volume_km3[1] == pytest.approx(
        (rich * 0.25 + poor / 2 * 0.05) * 0.005, rel=1e-6
    )


def test_polygons_of_classes_say_the_same_as_their_raster(classed, run, tmp_path, table):
    shapes = {
        "1": shapely.box(60, 60, 68.125, 76),
        "2": shapely.box(68.125, 60, 74.125, 76),
        "9": shapely.box(74.125, 60, 76, 76),
    }
    vector = tmp_path / "classes.gpkg"
    gpd.GeoDataFrame(
        {"code": list(shapes)}, geometry=list(shapes.values()), crs="EPSG:4326"
    ).to_file(vector)
    raster, found = (
        classed,
        compare(run, str(vector), classes=table, attribute="code", name="drawn"),
    )
    assert found.whole.other.value == pytest.approx(raster.whole.other.value, rel=1e-3)
    assert found.footing.cells == raster.footing.cells
    assert found.footing.other_own.region_km2 == pytest.approx(
        raster.footing.other_own.region_km2, rel=1e-3
    )
    assert found.footing.other_own.volume_km3 == pytest.approx(
        raster.footing.other_own.volume_km3, rel=1e-3
    )


def test_words_are_codes_of_polygons(run, tmp_path):
    vector, words = tmp_path / "classes.geojson", tmp_path / "words.csv"
    gpd.GeoDataFrame(
        {"CONTENT": ["h", "l"]},
        geometry=[shapely.box(60, 60, 70, 76), shapely.box(70, 60, 80, 76)],
        crs="EPSG:4326",
    ).to_file(vector)
    words.write_text("code,middle,depth\nh,25,20\nl,5,20\n")
    found = compare(run, str(vector), classes=str(words), attribute="CONTENT")
    assert {
        area.name: area.other_mean for area in found.areas if area.group == "class"
    } == pytest.approx({"h": 25, "l": 5})


def test_a_later_run_is_compared_with_an_earlier_one(run, tmp_path):
    older = made.make_run(tmp_path / "before", lambda lon, lat: made.value_at(lon, lat) - 3)
    found = compare(run, older)
    assert found.whole.bias == pytest.approx(3, abs=1e-4)
    assert (found.whole.run_width, found.whole.other_width) == pytest.approx((30, 30))
    theirs = ice_storage(f"{older}/map.zarr", "all").iloc[0]
    assert found.whole.other.value == pytest.approx(theirs["ice_km3"], rel=1e-6)
    own, other = found.whole.run, found.whole.other
    assert other.high - other.low == pytest.approx(own.high - own.low, rel=1e-2)
    assert found.other.name == "before"
    assert found.remarks == ()


def test_a_run_on_another_grid_keeps_its_interval(run, tmp_path):
    coarse = made.make_run(tmp_path / "coarse", grid=Grid(60, 60, 80, 76, 1.0))
    found = compare(run, coarse)
    assert abs(found.whole.bias) < 0.05
    own, other = found.whole.run, found.whole.other
    assert other.value == pytest.approx(own.value, rel=2e-3)
    assert other.high - other.low == pytest.approx(own.high - own.low, rel=0.05)
    bands = [area for area in found.areas if area.group == "latitude"]
    assert all(area.other.low is not None for area in bands)


def test_a_target_that_is_no_ice_has_means(tmp_path):
    target = TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None)
    run = made.make_run(tmp_path / "alt", target=target)
    other = made.polar_raster(
        tmp_path / "alt.tif", lambda lon, lat: (made.value_at(lon, lat) + 5) / 100, unit="m"
    )
    found = compare(run, other)
    assert (found.quantity, found.unit, found.footing.depth_m) == ("area-weighted mean", "cm", None)
    assert found.whole.other.value - found.whole.run.value == pytest.approx(5, abs=0.05)
    assert found.remarks == ()
    assert not any("ratio" in line for line in summary_lines(found))
    with pytest.raises(IcemapError, match="which has no depth"):
        compare(run, other, depth=5)


def test_what_is_written_can_be_read(classed):
    found, run = classed, Path(classed.files["page"]).parent
    cells = open_gridded(found.files["cells"], "comparison").load()
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    known = lon < 74
    assert np.array_equal(np.isfinite(cells.difference), known)
    assert cells.difference.values[known] == pytest.approx(
        (made.value_at(lon, lat) - cells.other.values)[known], abs=1e-4
    )
    with rasterio.open(found.files["difference"]) as file:
        assert np.array_equal(file.read(1), cells.difference.values, equal_nan=True)
        assert file.crs.to_epsg() == 4326
    numbers = json.loads(Path(found.files["numbers"]).read_text())
    assert numbers["areas"][0]["run"]["value"] == found.whole.run.value
    assert numbers["other"]["facts"]["classes"].startswith("classes.csv, sha256:")
    assert sorted(path.name for path in (run / "comparison").iterdir()) == [
        "ipa.json",
        "ipa.zarr",
        "ipa_difference.tif",
    ]
    assert not list(run.glob(".icemap-comparison-*"))


def test_depth_and_kind_of_ice_stand_next_to_the_ratio(classed):
    found = classed
    depth, kind = found.remarks
    assert "describes the upper 10 to 20 m" in depth
    assert "compared with a total of 5 m" in depth
    assert "counts excess (visible) ice" in kind
    page = Path(found.files["page"]).read_text()
    head = page[: page.index("<h2>")]
    for words in (
        "describes the upper 10 to 20 m",
        "counts excess (visible) ice",
        "first divided by second",
    ):
        assert words in head
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page)
    pictures = re.findall(r"src=\"data:image/(png|svg\+xml);base64,([^\"]*)", page)
    assert [kind for kind, _ in pictures] == ["png", "svg+xml", "png"]
    assert all(len(content) > 10_000 for _, content in pictures)
    assert not re.search(r"\bnan\b|None", re.sub(r"data:[^\"]*", "", page))


def test_an_unknown_kind_of_ice_is_said(run, tmp_path):
    found = compare(run, made.polar_raster(tmp_path / "theirs.tif", made.value_at), depth=5)
    assert any("does not say whether it counts all ice" in remark for remark in found.remarks)
    assert compare(run, str(tmp_path / "theirs.tif"), depth=5, ice="total").remarks == ()


def test_less_than_the_depth_of_the_run_can_be_compared(classed, run, tmp_path, table):
    raster = made.class_raster(tmp_path / "theirs.tif", two_classes)
    five, two = classed, compare(run, raster, classes=table, depth=2)
    assert two.whole.run.value == pytest.approx(five.whole.run.value * 0.4)
    assert two.whole.other.value == pytest.approx(five.whole.other.value * 0.4)
    assert any("describes 5 m; of its upper 2 m" in remark for remark in two.remarks)


@pytest.mark.parametrize("mask", ["majority", "whole"])
def test_the_mask_is_that_of_the_run(run, tmp_path, mask):
    found = compare(
        run, made.polar_raster(tmp_path / "theirs.tif", made.value_at), depth=5, mask=mask
    )
    _, lon, lat = weights()
    counted = (made.fraction_at(lon, lat) >= 0.5) if mask == "majority" else np.ones(lon.shape)
    assert found.whole.area_km2 == pytest.approx(
        (GRID.cell_area()[:, None] * counted * (lon < 78)).sum(), rel=1e-5
    )


def test_how_much_of_each_map_is_not_compared_is_said(classed):
    said = " ".join(summary_lines(classed))
    weight, lon, _ = weights()
    outside = weight[lon > 74].sum() / weight.sum()
    assert f"({outside:.1%}) are outside: the other map says nothing there" in said
    assert "the run maps nothing there" in said


def catalogue(tmp_path: Path, url: str, **metadata: object) -> str:
    path = tmp_path / "catalog.yaml"
    entry = {
        "reader": "r",
        "output_instance": "o",
        "user_parameters": {},
        "kwargs": {"data": "{data(file)}"},
    }
    about = {"family": "geology", "long_name": "theirs", "unit": "%", **metadata}
    content = {
        "version": 2,
        "data": {
            "file": {"datatype": "d", "kwargs": {"url": url}, "user_parameters": {}, "metadata": {}}
        },
        "entries": {"theirs": {**entry, "metadata": about}},
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_an_entry_of_a_catalogue_says_how_it_is_read(run, tmp_path):
    parts = made.polar_raster(
        tmp_path / "parts.tif", lambda lon, lat: made.value_at(lon, lat) / 100
    )
    with pytest.raises(IcemapError, match="look like parts of one"):
        compare(run, parts, depth=5)
    found = compare(run, "theirs", depth=5, catalog=catalogue(tmp_path, parts, file_unit="1"))
    assert abs(found.whole.bias) < 0.02


def _refused(run: str, *arguments: str) -> str:
    before = sorted(path for path in Path(run).rglob("*"))
    result = CliRunner().invoke(main, ["compare", run, *arguments])
    assert result.exit_code == 2, result.output
    assert result.output.startswith("icemap: ")
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert sorted(path for path in Path(run).rglob("*")) == before
    return result.output


def test_bad_input_is_one_sentence_and_leaves_nothing(run, tmp_path, table):
    codes = made.class_raster(tmp_path / "codes.tif", two_classes)
    values = made.polar_raster(tmp_path / "values.tif", made.value_at)
    far = made.class_raster(tmp_path / "far.tif", two_classes, grid=Grid(-120, 60, -100, 76, 0.5))
    sea = made.class_raster(tmp_path / "sea.tif", lambda lon, lat: 9 + 0 * lon)
    too_much = made.polar_raster(tmp_path / "much.tif", lambda lon, lat: 150 + 0 * lon)
    incomplete, shallow, no_depth = (
        tmp_path / f"{name}.csv" for name in ("incomplete", "shallow", "no_depth")
    )
    incomplete.write_text("code,middle,depth\n1,25,20\n")
    shallow.write_text("code,middle,depth\n1,25,3\n2,5,3\n9,,\n")
    no_depth.write_text("code,middle\n1,25\n2,5\n9,\n")
    text = tmp_path / "notes.txt"
    text.write_text("no raster")
    vector = tmp_path / "shapes.geojson"
    gpd.GeoDataFrame(
        {"code": [1, 7]},
        geometry=[shapely.box(60, 60, 70, 76), shapely.box(70, 60, 80, 76)],
        crs="EPSG:4326",
    ).to_file(vector)
    (tmp_path / "folder").mkdir()
    cases = {
        "is the run itself": [run],
        "is the run itself: ": [f"{run}/map.zarr"],
        "There is no map to compare with": [str(tmp_path / "nowhere.tif")],
        "is not a raster that GDAL knows": [str(text), "--depth", "5"],
        "is a folder, but no run of icemap": [str(tmp_path / "folder")],
        "may be a map of classes": [codes, "--depth", "5"],
        "holds polygons: give the table": [str(vector)],
        "name the column with the codes": [str(vector), "--classes", table],
        "holds '7' in 'code'": [str(vector), "--classes", table, "--attribute", "code"],
        "has no attribute 'kind'": [str(vector), "--classes", table, "--attribute", "kind"],
        "holds the class code 2, which": [codes, "--classes", str(incomplete)],
        "covers no part of the grid": [far, "--classes", table],
        "no cell in common": [sea, "--classes", table],
        "does not say which depth": [values],
        "or a column 'depth' in the table": [codes, "--classes", str(no_depth)],
        "describes 5 m, of which 8 m": [values, "--depth", "8"],
        "describes 3 m, of which 5 m": [codes, "--classes", str(shallow), "--depth", "5"],
        "The depth is -1": [values, "--depth", "-1"],
        "holds 150, but volumetric ice content is 0 to 100 %": [too_much, "--depth", "5"],
        "There is no mask 'part'": [values, "--depth", "5", "--mask", "part"],
        "There is no ice 'some'": [values, "--depth", "5", "--ice", "some"],
        "its ice is excess, and --ice that it is total": [
            codes,
            "--classes",
            table,
            "--ice",
            "total",
        ],
        "--attribute is for polygons": [codes, "--classes", table, "--attribute", "code"],
        "classes.csv": [codes, "--classes", str(tmp_path / "gone" / "classes.csv")],
        "has no entry 'dem'": ["dem", "--catalog", catalogue(tmp_path, values), "--depth", "5"],
    }
    for words, arguments in cases.items():
        assert words.rstrip() in _refused(run, *arguments)


def test_runs_that_cannot_be_compared_are_one_sentence(run, tmp_path, table):
    target = TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None)
    other = made.make_run(tmp_path / "alt", target=target)
    assert "only maps of one quantity" in _refused(run, other)
    same = made.make_run(tmp_path / "same")
    assert "needs no --classes" in _refused(run, same, "--classes", table)
    shutil.rmtree(Path(run) / "map.zarr" / "replicates")
    assert "made without the predictions of its replicates" in _refused(run, same)
    result = CliRunner().invoke(main, ["compare", str(tmp_path / "nothing"), same])
    assert result.exit_code == 2
    assert "There is no map" in result.output
    assert not (tmp_path / "nothing").exists()


def test_a_failed_comparison_leaves_the_earlier_one(run, tmp_path, table):
    raster = made.class_raster(tmp_path / "theirs.tif", two_classes)
    found = compare(run, raster, classes=table)
    before = {what: Path(url).stat().st_mtime_ns for what, url in found.files.items()}
    made.class_raster(tmp_path / "theirs.tif", lambda lon, lat: 7 + 0 * lon)
    assert "class code 7" in _refused(run, raster, "--classes", table)
    assert {what: Path(url).stat().st_mtime_ns for what, url in found.files.items()} == before


def test_the_command_prints_what_it_found_and_wrote(run, tmp_path, table):
    raster = made.class_raster(tmp_path / "theirs.tif", two_classes)
    result = CliRunner().invoke(main, ["compare", run, raster, "--classes", table])
    assert result.exit_code == 0, result.output
    for words in (
        "theirs: ",
        "ratio ",
        "Depth: ",
        "Kind of ice: ",
        f"{run}/comparison-theirs.html",
        f"{run}/comparison/theirs_difference.tif",
    ):
        assert words in result.output


def test_it_is_a_public_name():
    assert icemap.compare is compare


def test_in_a_bucket_it_is_the_same(classed, original, s3_url, tmp_path):
    import fsspec

    older = made.make_run(tmp_path / "before", lambda lon, lat: made.value_at(lon, lat) - 3)
    raster = made.class_raster(tmp_path / "theirs.tif", two_classes)
    (tmp_path / "classes.csv").write_text(TABLE)
    fs = fsspec.filesystem("s3")
    for source, name in (
        (str(original), "now"),
        (older, "before"),
        (raster, "theirs.tif"),
        (str(tmp_path / "classes.csv"), "classes.csv"),
    ):
        fs.put(source, f"{s3_url}/{name}", recursive=True)
    found = compare(f"{s3_url}/now", f"{s3_url}/theirs.tif", classes=f"{s3_url}/classes.csv")
    assert found.whole.other == classed.whole.other
    assert found.footing == classed.footing
    assert compare(f"{s3_url}/now", f"{s3_url}/before").whole.bias == pytest.approx(3, abs=1e-4)
    fs.invalidate_cache()
    assert sorted(path.rsplit("/", 1)[-1] for path in fs.ls(f"{s3_url}/now/comparison")) == [
        "before.json",
        "before.zarr",
        "before_difference.tif",
        "theirs.json",
        "theirs.zarr",
        "theirs_difference.tif",
    ]
    assert not [path for path in fs.find(f"{s3_url}/now") if ".icemap-comparison-" in path]
