"""The cube of all real sources against grids that others made from them; ``pytest -s`` prints the
table.

Where both come from the same file, cells agree to rounding, but for what the last tests explain:

- `lgm_ice_sheet`: they took the nearest cell of the mask, we interpolate it, so that margins are
  soft.
- `temperature_range`: they took the range of interpolated months, we interpolate the range, which
  is never smaller.
- `january_temperature`, `july_temperature`: theirs are moved to the elevation of the cell by a
  lapse rate, ours are not.
- `permafrost_fraction`: they set cells without a value to 0 before interpolating, we average what
  there is.
- `ndvi`, `clay`, `sand`: gaps are filled differently; cells that touch none agree.
- the others: the outermost columns, where we go round the globe and they do not; `lgm_*`,
  `holocene_*` and `precipitation` also in a few filled gaps.

`mean_temperature` (theirs: Beyer et al. 2020) and `elevation` (theirs: 5 arc-minutes, land alone)
come from other data there and can only be similar.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml

from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.grid import Chunk, Grid
from icemap.predictors.align import Resampling, align
from icemap.predictors.cube import open_cube, plan_cube
from icemap.predictors.fields import ChunkFields
from icemap.predictors.sources import open_source

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "../shared/realcase"
pytestmark = pytest.mark.skipif(
    not SHARED.exists(), reason="the real grids are not on this machine"
)


@dataclass(frozen=True)
class Expected:
    """The grid made by others, the least correlation, and the least share of cells that agree to
    1e-4 of the range.
    """

    file: str
    correlation: float
    equal: float


PAIRS = {
    "lgm_temperature": Expected("paleo_bio1_20ka", 0.99999, 0.999),
    "lgm_precipitation": Expected("paleo_bio12_20ka", 0.99999, 0.999),
    "holocene_temperature": Expected("paleo_bio1_5ka", 0.99999, 0.999),
    "lgm_ice_sheet": Expected("ice_lgm", 0.99, 0.96),
    "mean_temperature": Expected("pc_bio1_0ka", 0.96, 0),
    "temperature_range": Expected("t_range", 0.9999, 0.89),
    "january_temperature": Expected("t_jan", 0.998, 0),
    "july_temperature": Expected("t_jul", 0.996, 0),
    "precipitation": Expected("pc_bio12_0ka", 0.9999, 0.999),
    "ndvi": Expected("ndvi_jun", 0.999, 0.91),
    "permafrost_fraction": Expected("cci_pfr", 0.98, 0.66),
    "land_cover": Expected("landcover", 1, 1),
    "elevation": Expected("elev", 0.995, 0),
    "clay": Expected("soil_clay", 0.999, 0.97),
    "sand": Expected("soil_sand", 0.999, 0.97),
    "sediment_thickness": Expected("sed_thick", 0.99999, 0.999),
    "heat_flow": Expected("heat_flow", 0.99999, 0.999),
}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICEMAP_DATA", str(SHARED.resolve()))
        config = load_config(str(ROOT / "examples" / "cube_real.yaml"))
        sources = load_sources(config.catalog, list(config.predictors))
    build = plan_cube(
        config.model_copy(update={"run": str(tmp_path_factory.mktemp("run"))}), sources
    )
    build.create("all real sources")
    for chunk in build.chunks:
        build(chunk)
    return build


@pytest.fixture(scope="module")
def pairs(build) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ours and theirs by name."""
    cube = open_cube(build.url)
    assert set(build.predictors) == set(PAIRS)
    return {
        name: (cube[name].to_numpy(), theirs(expected.file)) for name, expected in PAIRS.items()
    }


def theirs(file: str) -> np.ndarray:
    with rasterio.open(SHARED / "grids_10min" / f"{file}.tif") as dataset:
        return dataset.read(1, masked=True).astype("f4").filled(np.nan)


def equal(ours: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(ours - others) <= 1e-4 * (np.nanmax(others) - np.nanmin(others))


def on_the_grid(build, name: str, method: str, **changes) -> np.ndarray:
    """A source resampled otherwise than in the cube."""
    grid = build.grid
    with open_source(build.sources[name], grid) as raster:
        changes = {key: change(raster) for key, change in changes.items()}
        return align(
            replace(raster, **changes),
            grid,
            Chunk((0, 0), slice(0, grid.shape[0]), slice(0, grid.shape[1])),
            Resampling(method),
        )


@pytest.mark.parametrize("name", PAIRS)
def test_agrees_with_the_grid_made_by_others(pairs, name):
    ours, others = pairs[name]
    assert np.isfinite(ours)[np.isfinite(others)].all()
    both = np.isfinite(others)
    difference = np.abs(ours - others)[both]
    correlation, share, extent = (
        float(np.corrcoef(ours[both], others[both])[0, 1]),
        float(equal(ours, others)[both].mean()),
        float(np.ptp(others[both])),
    )
    print(
        f"\n{name:22s} cells {both.sum():7,} correlation {correlation:.6f} largest"
        f" {difference.max():9.4g} ({difference.max() / extent:7.2%}) 99 % below"
        f" {np.quantile(difference, 0.99):8.3g} median {np.median(difference):8.3g} equal"
        f" {share:7.2%}",
        end="",
    )
    assert correlation >= PAIRS[name].correlation - 1e-9
    assert share >= PAIRS[name].equal


def test_monthly_temperatures_differ_by_one_and_the_same_elevation_term(pairs):
    january, july = (
        pairs[name][0] - pairs[name][1] for name in ("january_temperature", "july_temperature")
    )
    assert np.nanmax(np.abs(january - july)) < 1e-4
    assert np.nanmax(np.abs(january)) > 5


def test_the_interpolated_range_is_not_below_the_range_of_interpolated_months(pairs):
    ours, others = pairs["temperature_range"]
    assert np.nanmin(ours - others) > -1e-4
    assert np.nanmax(ours - others) < 1


def test_the_ice_sheet_is_theirs_when_the_nearest_cell_is_taken(build, pairs):
    assert (
        equal(on_the_grid(build, "lgm_ice_sheet", "nearest"), pairs["lgm_ice_sheet"][1])[
            np.isfinite(pairs["lgm_ice_sheet"][1])
        ].mean()
        > 0.9999
    )


def test_permafrost_is_theirs_with_zeros_and_at_no_other_place(build, pairs):
    others = pairs["permafrost_fraction"][1]

    def mean_difference(right: float, down: float) -> float:
        moved = on_the_grid(
            build,
            "permafrost_fraction",
            "bilinear",
            read=lambda raster: lambda rows, cols: np.nan_to_num(raster.read(rows, cols)),
            transform=lambda raster: raster.transform @ raster.transform.translation(right, down),
        )
        return float(np.nanmean(np.abs(np.nan_to_num(moved) - others)))

    here = mean_difference(0, 0)
    # They let GDAL widen the bilinear kernel of a source that is finer in one direction: 0.1 % of
    # permafrost with it, 0.8 without.
    assert here < 1
    assert (
        min(mean_difference(*by) for by in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))) > 1.5 * here
    )


@pytest.mark.parametrize("name", ["ndvi", "clay", "sand"])
def test_cells_that_touch_no_gap_agree(build, pairs, name):
    ours, others = pairs[name]
    gap = on_the_grid(
        build,
        name,
        "average",
        fill_nearest=lambda raster: 0,
        read=lambda raster: lambda rows, cols: np.isnan(raster.read(rows, cols)).astype(np.float32),
    )
    whole = np.isfinite(others) & (gap == 0)
    assert whole.sum() > 250_000
    assert (~equal(ours, others))[whole].sum() < 30


@pytest.mark.parametrize("name", ["sediment_thickness", "heat_flow"])
def test_coarse_grids_without_gaps_differ_at_the_date_line_alone(pairs, name):
    ours, others = pairs[name]
    other = np.isfinite(others) & ~equal(ours, others)
    assert not other[:, 4:-4].any()


@pytest.mark.parametrize(
    "name", ["lgm_temperature", "lgm_precipitation", "holocene_temperature", "precipitation"]
)
def test_coarse_grids_with_gaps_differ_in_few_cells_elsewhere(pairs, name):
    ours, others = pairs[name]
    other = np.isfinite(others) & ~equal(ours, others)
    assert other[:, 4:-4].sum() <= 30


def test_the_last_time_under_ice_of_the_real_masks(tmp_path):
    """On a grid whose cell centres are the nodes of the masks, against the masks themselves."""
    times = {14: 45, 15: 40, 16: 35, 17: 30, 18: 21}
    metadata = {"family": "paleoclimate", "long_name": "ice", "unit": "1"}
    entries = {
        f"ice_{age}": {
            "kwargs": {"data": "{data(masks)}"},
            "metadata": metadata | {"variable": "mask", "select": {"time": time}},
        }
        for time, age in times.items()
    }
    derived = {
        "how": "deglaciation_age",
        "of": list(entries),
        "ages": list(times.values()),
        "at_least": 0.5,
    }
    entries["age"] = {"kwargs": {}, "metadata": metadata | {"unit": "ka", "derived": derived}}
    file = SHARED.resolve() / "grids_native" / "Batchelor2019_ice_masks.nc"
    (tmp_path / "catalog.yaml").write_text(
        yaml.safe_dump(
            {"version": 2, "data": {"masks": {"kwargs": {"url": str(file)}}}, "entries": entries}
        )
    )
    source = load_sources(str(tmp_path / "catalog.yaml"), ["age"])["age"]
    grid = Grid(-179.75, 30.25, 179.75, 89.75, 0.5)
    ways = {leaf.name: Resampling("bilinear") for leaf in source.leaves}
    ours = np.full(grid.shape, -7, np.float32)
    for chunk in grid.chunks(50):
        ours[chunk.rows, chunk.cols] = ChunkFields(grid, ways, chunk, [source]).read(source)
    with xr.open_dataset(file, decode_times=False) as dataset:
        masks = (
            dataset["mask"]
            .sel(time=list(times))
            .sel(lat=grid.latitudes, lon=grid.longitudes)
            .to_numpy()
        )
    ages = np.where(masks == 1, np.array(list(times.values()))[:, None, None], 999).min(axis=0)
    np.testing.assert_array_equal(ours, np.where(ages == 999, np.nan, ages).astype("f4"))
    print(
        f"\nlast under ice, cells: { ({age: int((ours == age).sum()) for age in times.values()}) },"
        f" never: {int(np.isnan(ours).sum())}",
        end="",
    )
    assert (ours == 21).sum() > 10_000
    # The sheets of 45 and 35 ka lay wholly under later ones.
    assert {age for age in times.values() if (ours == age).any()} == {40, 30, 21}
