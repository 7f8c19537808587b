"""intake opens what ``icemap init`` writes; its entries are the fields of the cube."""

from pathlib import Path

import intake
import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from click.testing import CliRunner

import icemap
from icemap.cli import main
from icemap.virtual_arctic import world

EXAMPLES = Path(__file__).parents[2] / "examples"
CELLS = (40, 60)
GRID = icemap.Grid(100, 60, 115, 70, 0.25)


def init(*arguments: str) -> None:
    done = CliRunner().invoke(main, ["init", *arguments])
    assert done.exit_code == 0, done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rasters: one in kelvin with gaps, one in two pieces, one of a name with brackets."""
    folder = tmp_path / "meine Daten é"
    rng = np.random.default_rng(0)
    whole = rng.normal(260, 5, CELLS).astype("float32")
    whole[3, 4] = -9999
    top, bottom = np.split(rng.normal(300, 90, CELLS).astype("float32"), 2)
    write(folder / "temperature.tif", whole, 70, "K")
    write(folder / "dem" / "dem_1.tif", top, 70, "m")
    write(folder / "dem" / "dem_2.tif", bottom, 65, "m")
    write(folder / "Tongehalt (%).tif", rng.uniform(0, 100, CELLS).astype("float32"), 70, "%")
    return folder


def write(path: Path, values: np.ndarray, north: float, unit: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = Affine(0.25, 0, 100, 0, -0.25, north)
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1}
    place = {"crs": "EPSG:4326", "transform": transform, "nodata": -9999}
    with rasterio.open(path, "w", driver="GTiff", dtype="float32", **shape, **place) as raster:
        raster.write(values, 1)
        raster.units = (unit,)


def test_entries_are_the_fields_of_the_cube(folder):
    init(str(folder))
    url = str(folder / "catalog.yaml")
    opened = intake.open_catalog(url)
    names = sorted(yaml.safe_load(Path(url).read_text(encoding="utf-8"))["entries"])
    assert sorted(opened) == names
    assert len(names) == 3
    cube = icemap.build_cube(url, GRID, names).load()
    for name in names:
        alone, gridded = opened[name].read(), opened[name].read(grid=GRID)
        # The cells of the files are those of the grid: nothing is interpolated.
        np.testing.assert_array_equal(alone.values, cube[name].values)
        np.testing.assert_array_equal(gridded.values, cube[name].values)
        assert alone.units == cube[name].units
        assert np.isfinite(cube[name].values).sum() >= cube[name].size - 1


def test_entries_of_the_virtual_arctic_are_the_fields_of_the_cube(tmp_path):
    init(str(tmp_path), "--example", "virtual")
    url = str(tmp_path / "catalog.yaml")
    names = ["maat", "deposit", "true_vic"]
    cube = icemap.build_cube(url, GRID, names).load()
    opened = intake.open_catalog(url)
    for name in names:
        np.testing.assert_array_equal(opened[name].read(grid=GRID).values, cube[name].values)
    # Notebooks compare their map with it; no config of the example learns from it.
    expected = world.truth(GRID.longitudes, GRID.latitudes)
    np.testing.assert_array_equal(cube["true_vic"].values, expected)
    assert cube["true_vic"].units == "%"
    settings = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert "true_vic" not in settings["predictors"]
    with pytest.raises(icemap.IcemapError, match="say on which grid"):
        opened["maat"].read()


@pytest.mark.parametrize("catalog", sorted(EXAMPLES.glob("*catalog*.yaml")), ids=lambda p: p.name)
def test_every_entry_of_a_shipped_catalogue_names_itself(catalog, monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", "data")
    entries = yaml.safe_load(catalog.read_text(encoding="utf-8"))["entries"]
    opened = intake.open_catalog(str(catalog))
    assert sorted(opened) == sorted(entries)
    for name in entries:
        assert opened[name].kwargs["name"] == name
        assert type(opened[name]).__name__ == "PredictorReader"
