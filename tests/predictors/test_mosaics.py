"""Many files as one raster: the same as the one they were cut from."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, require_overlap, resampling
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick
VALUES = np.random.default_rng(2).normal(size=(60, 360)).astype("f4")


def write(path, values, west, north, cell=1.0, crs="EPSG:4326"):
    rows, cols = values.shape
    profile = {
        "driver": "GTiff",
        "height": rows,
        "width": cols,
        "count": 1,
        "dtype": "float32",
        "nodata": np.nan,
    }
    with rasterio.open(
        path, "w", crs=crs, transform=Affine(cell, 0, west, 0, -cell, north), **profile
    ) as dataset:
        dataset.write(values, 1)
    return path


def source(folder, url, **keys):
    content = {
        "version": 2,
        "data": {"z": {"kwargs": {"url": url}}},
        "entries": {
            "z": {
                "kwargs": {"data": "{data(z)}"},
                "metadata": {"family": "topography", "long_name": "z", "unit": "m", **keys},
            }
        },
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    return load_sources(str(folder / "catalog.yaml"), ["z"])["z"]


def whole(made, grid, chunk=10_000):
    with open_source(made, grid) as raster:
        require_overlap(raster, grid)
        how = resampling(raster, grid)
        out = np.full(grid.shape, -7, np.float32)
        for part in grid.chunks(chunk):
            out[part.rows, part.cols] = align(raster, grid, part, how)
    return out


def cut(folder, width=90, west=-180):
    for col in range(0, 360, width):
        for row in (0, 30):
            write(
                folder / f"z_{row:02d}_{col:03d}.tif",
                VALUES[row : row + 30, col : col + width],
                west + col,
                90 - row,
            )


@pytest.mark.parametrize("resolution", [0.5, 2])
@pytest.mark.parametrize("how", ["pattern", "list"])
def test_a_mosaic_is_the_raster_it_was_cut_from(tmp_path: Path, how, resolution) -> None:
    cut(tmp_path)
    write(tmp_path / "one.tif", VALUES, -180, 90)
    grid = Grid(-180, 35, 180, 89, resolution)
    made = source(
        tmp_path,
        "z_*.tif" if how == "pattern" else [p.name for p in sorted(tmp_path.glob("z_*.tif"))],
    )
    assert len(made.files) == 8
    expected = whole(source(tmp_path, "one.tif"), grid)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(whole(made, grid, chunk=50), expected)


def test_gaps_between_files_are_missing_and_overlaps_take_the_first_with_a_value(
    tmp_path: Path,
) -> None:
    first = np.full((2, 4), 1, "f4")
    first[0, 3] = np.nan
    write(tmp_path / "a.tif", first, 0, 60)
    write(tmp_path / "b.tif", np.full((2, 3), 2, "f4"), 2, 60)
    write(tmp_path / "c.tif", np.full((2, 1), 3, "f4"), 6, 60)
    made = source(tmp_path, ["a.tif", "b.tif", "c.tif"], overlay=True)
    out = whole(made, Grid(0, 58, 8, 60, 1))
    np.testing.assert_array_equal(
        out, [[1, 1, 1, 2, 2, np.nan, 3, np.nan], [1, 1, 1, 1, 2, np.nan, 3, np.nan]]
    )


def test_tiles_with_different_values_where_they_overlap_are_asked_about(tmp_path: Path) -> None:
    rim = VALUES[:6, :6].copy()
    write(tmp_path / "a.tif", rim, 0, 60)
    write(tmp_path / "b.tif", np.hstack([rim[:, 4:], VALUES[:6, 6:10]]) + np.float32(1e-7), 4, 60)
    grid = Grid(0, 54, 10, 60, 1)
    assert np.isfinite(whole(source(tmp_path, ["a.tif", "b.tif"]), grid)).all()
    other = np.hstack([rim[:, 4:], VALUES[:6, 6:10]])
    other[3, 1] = 0
    write(tmp_path / "b.tif", other, 4, 60)
    said = rf"a\.tif and .*b\.tif overlap, .* \({rim[3, 5]:g} and 0 in the first of 1 cells\)"
    with pytest.raises(IcemapError, match=said):
        whole(source(tmp_path, ["a.tif", "b.tif"]), grid)
    for keys in ({"overlay": True}, {"nodata": [0]}):
        np.testing.assert_array_equal(
            whole(source(tmp_path, ["a.tif", "b.tif"], **keys), grid)[:, :6], rim
        )


def test_a_code_of_the_catalogue_in_the_first_tile_leaves_the_cell_to_the_next(tmp_path) -> None:
    first = VALUES[:4, :4].copy()
    first[:, 3] = -77
    write(tmp_path / "a.tif", first, 0, 60)
    write(tmp_path / "b.tif", VALUES[:4, 3:6], 3, 60)
    out = whole(source(tmp_path, ["a.tif", "b.tif"], nodata=[-77]), Grid(0, 56, 6, 60, 1))
    np.testing.assert_array_equal(out, VALUES[:4, :6])


def test_rims_are_compared_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", VALUES[:, :60], 0, 90)
    write(tmp_path / "b.tif", VALUES[:, 60:120], 59, 90)
    made = source(tmp_path, ["a.tif", "b.tif"])
    opened = open_source(made, Grid(0, 30, 100, 90, 1))
    with pytest.raises(IcemapError, match="overlap, and have different values"):
        opened.__enter__()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"west": 4, "crs": "EPSG:3995"}, "has another CRS than"),
        ({"west": 4, "cell": 0.5}, "are 0.5 x 0.5, those of .* 1 x 1; resample"),
        ({"west": 4.3}, r"off the lattice of .*a.tif by 0.30 cells to the east: resample it"),
        ({"west": 4.5, "north": 59.5}, r"0.50 cells to the east and 0.50 cells to the south, half"),
        ({"west": 4.5}, r"0.50 cells to the east, half a cell, as where the corner that one of"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path, keys, sentence) -> None:
    write(tmp_path / "a.tif", VALUES[:4, :4], 0, 60)
    write(tmp_path / "b.tif", VALUES[:4, :4], **{"north": 60, **keys})
    with pytest.raises(IcemapError, match=sentence) as error:
        whole(source(tmp_path, "*.tif"), Grid(0, 56, 8, 60, 1))
    assert "b.tif" in str(error.value)
    assert "'z'" in str(error.value)


def test_missing_and_broken_parts_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", VALUES[:4, :4], 0, 60)
    with pytest.raises(IcemapError, match=r"data 'z': no file matches .*q\*\.tif"):
        source(tmp_path, "q*.tif")
    with pytest.raises(IcemapError, match=r"data 'z': in .*\*\*\.tif the '\*\*', which stands for"):
        source(tmp_path, "**.tif")
    with pytest.raises(IcemapError, match=r"no file .*b\.tif"):
        whole(source(tmp_path, ["a.tif", "b.tif"]), Grid(0, 56, 8, 60, 1))
    (tmp_path / "b.tif").write_text("nothing")
    with pytest.raises(IcemapError, match=r"cannot be opened.*b\.tif"):
        whole(source(tmp_path, ["a.tif", "b.tif"]), Grid(0, 56, 8, 60, 1))
    write(tmp_path / "b.tif", np.random.default_rng(0).normal(size=(140, 350)).astype("f4"), 4, 60)
    (tmp_path / "b.tif").write_bytes((tmp_path / "b.tif").read_bytes()[:20_000])
    with pytest.raises(IcemapError, match=r"b\.tif.* broken or truncated"):
        whole(source(tmp_path, ["a.tif", "b.tif"]), Grid(0, 30, 30, 60, 1))


def test_a_file_replaced_by_one_elsewhere_is_laid_out_anew(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", VALUES[:4, :4], 0, 60)
    before = whole(source(tmp_path, "a.tif"), Grid(0, 56, 8, 60, 1))
    write(tmp_path / "a.tif", VALUES[:4, :4], 4, 60)
    np.testing.assert_array_equal(
        whole(source(tmp_path, "a.tif"), Grid(0, 56, 8, 60, 1))[:, 4:], before[:, :4]
    )


def _named(folder: Path, *names) -> tuple[str, ...]:
    paths = []
    for number, own in enumerate(names):
        path = folder / f"{number}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=2,
            width=2,
            count=len(own),
            dtype="float32",
            crs="EPSG:4326",
            transform=Affine(1, 0, 10 + 2 * number, 0, -1, 62),
        ) as file:
            for band, name in enumerate(own, 1):
                file.write(np.full((2, 2), len(name), "f4"), band)
            file.descriptions = own
        paths.append(str(path))
    return tuple(paths)


def test_bands_of_tiles_are_the_same_ones(tmp_path: Path) -> None:
    def read(parts, variable):
        described = {"family": "geology", "long_name": "a", "unit": "m"}
        source = Source(name="a", url="*", parts=parts, variable=variable, **described)
        with open_source(source, Grid(10, 60, 14, 62, 1)) as raster:
            return raster.read(slice(0, 2), slice(0, 4))[0].tolist()

    turned = _named(tmp_path, ("clay", "silts"), ("silts", "clay"))
    for variable in ("clay", "1"):
        with pytest.raises(IcemapError, match=r"are silts, clay, those of .*0\.tif clay, silts"):
            read(turned, variable)
    other = _named(tmp_path, ("clay", "silts"), ("sand", "silts"))
    with pytest.raises(IcemapError, match="must be the number of a band or its name"):
        read(other, "clay")
    assert read(other, "silts") == [5] * 4
    # A single band may be called after its tile.
    assert read(_named(tmp_path, ("N60E10",), ("N60E12",)), None) == [6] * 4


def tiles(folder, *, crs=("EPSG:4326", "EPSG:4326"), **about):
    """Two tiles side by side of four columns, with what each says of its values."""
    for number, name in enumerate(("a.tif", "b.tif")):
        values = np.full((4, 4), 10 * (number + 1), "f4")
        values[0] = 0
        write(folder / name, values, 4 * number, 60, crs=crs[number])
        with rasterio.open(folder / name, "r+") as dataset:
            for key, value in about.items():
                setattr(dataset, key, value[number] if key == "nodata" else [value[number]])
    return source(folder, "*.tif")


SIDE_BY_SIDE = Grid(0, 56, 8, 60, 1)
ESRI = rasterio.crs.CRS.from_epsg(4326).to_wkt(version="WKT1_ESRI")
POLAR = rasterio.crs.CRS.from_epsg(3413)


@pytest.mark.parametrize(
    ("about", "first"),
    [
        ({"crs": ("EPSG:4326", ESRI)}, 10),
        ({"crs": ("EPSG:4326", "+proj=longlat +datum=WGS84 +no_defs")}, 10),
        ({"units": ("m", "metre")}, 10),
        ({"scales": (0.1, 0.10000000149011612)}, 1),
    ],
)
def test_files_that_say_the_same_in_other_words(tmp_path, about, first) -> None:
    out = whole(tiles(tmp_path, **about), SIDE_BY_SIDE)
    np.testing.assert_allclose(out[1], np.repeat([first, 2 * first], 4), rtol=1e-6)


def test_one_polar_crs_in_two_spellings(tmp_path) -> None:
    there = rasterio.crs.CRS.from_wkt(POLAR.to_wkt(version="WKT1_ESRI"))
    write(tmp_path / "a.tif", VALUES[:20, :20], -1e6, 1e6, 5e4, POLAR)
    write(tmp_path / "b.tif", VALUES[:20, 20:40], 0, 1e6, 5e4, there)
    with open_source(source(tmp_path, "*.tif"), Grid(0, 80, 90, 90, 1)) as raster:
        found = raster.read(slice(0, 20), slice(0, 40))
    np.testing.assert_array_equal(found, VALUES[:20, :40])


def test_a_file_without_a_crs_needs_that_of_the_catalogue(tmp_path) -> None:
    made = tiles(tmp_path, crs=("EPSG:4326", None))
    with pytest.raises(IcemapError, match=r"b\.tif has no CRS, and .*a\.tif has one"):
        whole(made, SIDE_BY_SIDE)
    out = whole(made.model_copy(update={"crs": "EPSG:4326"}), SIDE_BY_SIDE)
    assert out[1].tolist() == [10] * 4 + [20] * 4


def test_scales_that_differ_are_settled_by_the_catalogue(tmp_path) -> None:
    made = tiles(tmp_path, scales=(0.1, 1.0))
    with pytest.raises(IcemapError, match=r"b\.tif have another scale or offset than .* 'scale'"):
        whole(made, SIDE_BY_SIDE)
    out = whole(made.model_copy(update={"scale": 1.0}), SIDE_BY_SIDE)
    assert out[1].tolist() == [10] * 4 + [20] * 4


def test_a_code_for_missing_that_one_file_has(tmp_path) -> None:
    made = tiles(tmp_path, nodata=(0, None))
    with pytest.raises(IcemapError, match=r"value 0 in 4 of .*a\.tif, but not by all the files"):
        whole(made, SIDE_BY_SIDE)
    out = whole(made.model_copy(update={"nodata": (0.0,)}), SIDE_BY_SIDE)
    assert np.isnan(out[0]).all()
    out = whole(made.model_copy(update={"valid_range": (0.0, 99.0)}), SIDE_BY_SIDE)
    assert np.isnan(out[0]).sum() == 4
