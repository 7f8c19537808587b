"""Fields of chunks as a whole: class fractions, and cubes with derived predictors whose files
change.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from shapely.geometry import box

import icemap
from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import resampling
from icemap.predictors.cube import plan_cube
from icemap.predictors.fields import ChunkFields
from icemap.predictors.sources import open_source
from tests.small_rasters import write_tif

pytestmark = pytest.mark.quick
META = {"family": "topography", "long_name": "a field", "unit": "1"}


def catalog(folder, entries, **files):
    content = {
        "version": 2,
        "data": {name: {"kwargs": {"url": url}} for name, url in files.items()},
        "entries": {},
    }
    for name, metadata in entries.items():
        own = {key: value for key, value in metadata.items() if key != "data"}
        content["entries"][name] = {
            "metadata": META | own,
            "kwargs": (
                {"data": f"{{data({metadata.get('data', name)})}}"}
                if "derived" not in metadata
                else {}
            ),
        }
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "catalog.yaml")


def field(url, name, grid, chunk=10):
    source = load_sources(url, [name])[name]
    with open_source(source, grid) as raster:
        ways = {name: resampling(raster, grid)}
    out = np.full(grid.shape, -7, np.float32)
    for part in grid.chunks(chunk):
        out[part.rows, part.cols] = ChunkFields(grid, ways, part, [source]).read(source)
    return out


CLASSES = {"classes": {1: "land", 2: "lake", 3: "ice"}, "data": "cover"}


def test_a_class_fraction_is_the_share_of_the_cells_with_data(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).choice([1, 2, 3, 255], size=(200, 200)).astype("u1")
    write_tif(tmp_path / "cover.tif", codes, Affine(0.1, 0, 0, 0, -0.1, 70), nodata=255)
    url = catalog(
        tmp_path,
        {
            "water": CLASSES | {"fraction_of": [2, 3]},
            "percent": CLASSES | {"fraction_of": [3], "unit": "%"},
        },
        cover="cover.tif",
    )
    grid = Grid(0, 50, 20, 70, 1)
    cells = codes.reshape(20, 10, 20, 10)
    for name, wanted, full in (("water", (2, 3), 1), ("percent", (3,), 100)):
        expected = full * np.isin(cells, wanted).sum(axis=(1, 3)) / (cells != 255).sum(axis=(1, 3))
        np.testing.assert_allclose(field(url, name, grid), expected, atol=1e-5 * full)


def test_a_class_fraction_of_larger_cells_is_their_share_of_the_area(tmp_path: Path) -> None:
    codes = np.array([[1, 2], [2, 1]], "u1")
    write_tif(tmp_path / "cover.tif", codes, Affine(1, 0, 0, 0, -1, 62))
    url = catalog(tmp_path, {"lake": CLASSES | {"fraction_of": [2]}}, cover="cover.tif")
    out = field(url, "lake", Grid(0, 60, 2, 62, 0.4))
    # Cells of 0.4 degrees: the third in each direction is cut in half.
    part = np.array([1, 1, 0.5, 0, 0])
    np.testing.assert_allclose(out, np.outer(part, 1 - part) + np.outer(1 - part, part), atol=1e-5)


def test_a_class_fraction_in_a_polar_projection_keeps_its_area(tmp_path: Path) -> None:
    size, cell = 300, 20_000.0
    x = (np.arange(size) + 0.5) * cell - size * cell / 2
    codes = np.where(np.hypot(x - 400_000, x[:, None] - 300_000) < 1_000_000, 2, 1).astype("u1")
    write_tif(
        tmp_path / "cover.tif",
        codes,
        Affine(cell, 0, -size * cell / 2, 0, -cell, size * cell / 2),
        crs="EPSG:3573",
    )
    url = catalog(tmp_path, {"lake": CLASSES | {"fraction_of": [2]}}, cover="cover.tif")
    for resolution in (0.2, 1):
        grid = Grid(-180, 65, 180, 90, resolution)
        total = (field(url, "lake", grid, chunk=200) * grid.cell_area()[:, None]).sum()
        np.testing.assert_allclose(total, (codes == 2).sum() * (cell / 1000) ** 2, rtol=3e-3)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"fraction_of": [7]}, "class code 7 is not among the 'classes'"),
        ({"fraction_of": [2], "unit": "m"}, "a fraction has the unit 1 or %, not 'm'"),
        ({"fraction_of": [2], "kind": "class"}, "leave out kind: class"),
        (
            {"fraction_of": [2], "classes": {2: "lake"}},
            "holds the class code 1, which its 'classes'",
        ),
    ],
)
def test_bad_class_fractions_are_refused_by_name(tmp_path: Path, keys, sentence) -> None:
    write_tif(tmp_path / "cover.tif", np.ones((4, 4), "u1"), Affine(1, 0, 0, 0, -1, 62))
    url = catalog(tmp_path, {"lake": CLASSES | keys}, cover="cover.tif")
    with pytest.raises(IcemapError, match=sentence) as error:
        field(url, "lake", Grid(0, 60, 2, 62, 1))
    assert "'lake'" in str(error.value)


@pytest.fixture
def config(tmp_path: Path):
    """A grid of four chunks with predictors of every kind."""
    import geopandas

    rng = np.random.default_rng(4)
    write_tif(
        tmp_path / "z.tif", rng.normal(500, 100, (60, 80)).astype("f4"), Affine(1, 0, 0, 0, -1, 90)
    )
    write_tif(
        tmp_path / "cover.tif",
        rng.integers(1, 4, (300, 400)).astype("u1"),
        Affine(0.2, 0, 0, 0, -0.2, 90),
    )
    geopandas.GeoDataFrame({"rock": ["clay"]}, geometry=[box(15, 55, 35.5, 77)], crs=4326).to_file(
        tmp_path / "rock.gpkg"
    )
    entries = {
        "z": {"unit": "m"},
        "slope": {"unit": "degrees", "derived": {"how": "slope", "of": ["z"]}},
        "lake": CLASSES | {"fraction_of": [2]},
        "rock": {"rasterize": {"into": "fraction"}},
    }
    catalog(tmp_path, entries, z="z.tif", cover="cover.tif", rock="rock.gpkg")
    content = {
        "title": "test",
        "run": "run",
        "catalog": "catalog.yaml",
        "grid": {"west": 10, "east": 42, "south": 50, "north": 82, "resolution": 1, "chunk": 16},
        "predictors": ["slope", "lake", "rock"],
        "sites": {"table": "sites.csv", "value": "v"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    return load_config(str(tmp_path / "config.yaml"))


def plan(config):
    return plan_cube(config, load_sources(config.catalog, list(config.predictors)))


def test_a_cube_of_every_kind_of_source_is_whole_and_says_what_it_is_made_from(config) -> None:
    build = plan(config)
    build.create("test")
    records = [build(chunk) for chunk in build.chunks]
    assert sum(record["valid"] for record in records) == 32 * 32
    cube = icemap.open_cube(build.url).load()
    assert set(cube.data_vars) == {"slope", "lake", "rock", "valid", "fraction"}
    assert cube["slope"].attrs["source"] == "slope of z.tif"
    assert cube["slope"].attrs["derivation"] == "slope of z"
    assert cube["lake"].attrs["fraction_of"] == "lake"
    assert len({cube[name].attrs["digest"] for name in ("slope", "lake", "rock")}) == 3
    assert cube["rock"].attrs["source"] == "rock.gpkg"
    inside = (
        (cube.longitude > 15) & (cube.longitude < 35) & (cube.latitude > 55) & (cube.latitude < 77)
    )
    assert (cube["rock"].where(inside) == 1).sum() == inside.sum()
    np.testing.assert_allclose(cube["rock"].sel(longitude=35.5, latitude=60.5), 0.5)


@pytest.mark.parametrize(
    ("file", "named"), [("z.tif", "'z'"), ("cover.tif", "'lake'"), ("rock.gpkg", "'rock'")]
)
def test_a_file_that_changes_between_chunks_is_named_with_the_chunk(
    config, tmp_path: Path, file, named
) -> None:
    build = plan(config)
    build.create("test")
    build(build.chunks[0])
    os.utime(tmp_path / file, (1, 1))
    with pytest.raises(
        IcemapError,
        match=(
            rf"Chunk r000c001: the file .*{file} of the source {named} has changed since the cube"
            r" was begun"
        ),
    ):
        build(build.chunks[1])
    cube = icemap.open_cube(build.url).load()
    assert np.isfinite(cube["slope"][:16, :16]).all()
    assert np.isnan(cube["slope"][:16, 16:]).all()


def test_a_file_that_vanishes_between_chunks_is_named_with_the_chunk(
    config, tmp_path: Path
) -> None:
    build = plan(config)
    build.create("test")
    (tmp_path / "z.tif").unlink()
    with pytest.raises(
        IcemapError, match=r"Chunk r000c000, on the host \S+: The source 'z' is not there: .*z\.tif"
    ):
        build(build.chunks[0])


def test_a_truncated_file_is_named_with_chunk_and_source_and_other_chunks_are_whole(
    config, tmp_path: Path
) -> None:
    rows = np.random.default_rng(4).integers(1, 4, (300, 400)).astype("u1")
    with rasterio.open(
        tmp_path / "cover.tif",
        "w",
        driver="GTiff",
        width=400,
        height=300,
        count=1,
        dtype="uint8",
        transform=Affine(0.2, 0, 0, 0, -0.2, 90),
        crs="EPSG:4326",
    ) as dataset:
        dataset.write(rows, 1)
    whole = (tmp_path / "cover.tif").read_bytes()
    # The northern chunks need the rows that are left.
    (tmp_path / "cover.tif").write_bytes(whole[: len(whole) // 2])
    build = plan(config)
    build.create("test")
    build(build.chunks[0])
    with pytest.raises(
        IcemapError, match=r"Chunk r001c000: The source 'lake' .* broken or truncated"
    ):
        build(build.chunks[2])
    build(build.chunks[1])
    cube = icemap.open_cube(build.url).load()
    assert np.isfinite(cube["lake"][:16]).all()
    assert np.isnan(cube["lake"][16:]).all()


def test_the_cube_says_what_its_gaps_are_filled_with_and_what_each_predictor_is_made_from(
    config, tmp_path: Path
) -> None:
    def attributes():
        build = plan(config)
        build.create("test")
        return icemap.open_cube(build.url)["lake"].attrs

    first = attributes()
    assert "gaps_filled_with" not in first
    assert attributes()["digest"] == first["digest"]
    content = yaml.safe_load((tmp_path / "catalog.yaml").read_text())
    content["entries"]["lake"]["metadata"] |= {"fill_nearest": 2, "fill_value": 0.5}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(content))
    filled = attributes()
    assert filled["gaps_filled_with"] == "nearest value up to 2 source cells away, then 0.5"
    assert filled["digest"] != first["digest"]
    write_tif(tmp_path / "cover.tif", np.full((300, 400), 1, "u1"), Affine(0.2, 0, 0, 0, -0.2, 90))
    assert attributes()["digest"] != filled["digest"]


def test_a_source_that_covers_a_part_is_missing_in_the_rest(config, tmp_path: Path) -> None:
    write_tif(tmp_path / "cover.tif", np.full((300, 100), 2, "u1"), Affine(0.2, 0, 0, 0, -0.2, 90))
    build = plan(config)
    build.create("test")
    records = [build(chunk) for chunk in build.chunks]
    # The file ends at 20 E, ten columns into the grid.
    assert [record["missing"]["lake"] for record in records] == [96, 256, 96, 256]
    assert [record["missing"]["slope"] for record in records] == [0] * 4
    cube = icemap.open_cube(build.url).load()
    assert (cube["valid"][:, :10] == 1).all()
    assert (cube["valid"][:, 10:] == 0).all()
    assert np.isfinite(cube["slope"]).all()


def test_a_wrong_value_is_named_with_chunk_and_source(config, tmp_path: Path) -> None:
    codes = np.full((300, 400), 1, "u1")
    codes[60:70, 180:190] = 9
    write_tif(tmp_path / "cover.tif", codes, Affine(0.2, 0, 0, 0, -0.2, 90))
    build = plan(config)
    build.create("test")
    build(build.chunks[2])
    with pytest.raises(
        IcemapError, match="Chunk r000c001: The source 'lake' holds the class code 9"
    ):
        build(build.chunks[1])


def key(config):
    from icemap.pipeline import cube
    from icemap.pipeline.steps import Context
    from icemap.provenance import digest

    return digest(cube.STEP.depends(Context(config, "none", 1, lambda text: None)))


def test_the_cube_depends_on_settings_and_files_of_what_its_predictors_are_derived_from(
    config, tmp_path: Path
) -> None:
    first = key(config)
    assert key(config) == first
    before = (tmp_path / "catalog.yaml").read_text()
    content = yaml.safe_load(before)
    content["entries"]["z"]["metadata"]["scale"] = 2.0
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(content))
    assert key(config) != first
    content = yaml.safe_load(before)
    content["entries"]["slope"]["metadata"]["derived"]["how"] = "aspect_sin"
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(content))
    assert key(config) != first
    (tmp_path / "catalog.yaml").write_text(before)
    assert key(config) == first
    write_tif(tmp_path / "z.tif", np.ones((60, 80), "f4"), Affine(1, 0, 0, 0, -1, 90))
    assert key(config) != first
