"""The virtual Arctic's raw layers give back the ice content they were made from."""

import numpy as np
import pandas as pd
import pytest

from icemap import Grid
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.sample_weights import nugget
from icemap.boreholes.samples import build_samples
from icemap.boreholes.sites import SiteTable, read_layer_sites
from icemap.config_sections import TargetConfig
from icemap.virtual_arctic import world


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SiteTable:
    path = tmp_path_factory.mktemp("world") / "layers.csv"
    world.write_boreholes(path, seed=0)
    return read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(path)),)), TargetConfig(), 1.0
    )


def test_faultless_boreholes_return_their_vic(table: SiteTable) -> None:
    both = table.sites.merge(world.borehole_truth(seed=0), on="site", suffixes=("", "_made"))
    assert len(both) > 900
    assert both["used"].all()
    bound = both["permafrost_table_source"] == "frozen_ground"
    assert both.loc[~bound, "grade"].isin(["A", "B"]).all()
    assert (both.loc[bound, "grade"] == "C").all()
    difference = (both["value"] - both["vic"]).abs()
    own_table = both["permafrost_table_source"] != "neighbour"
    # What was written down has one decimal in percent; a neighbour's permafrost table moves the
    # window by decimetres.
    assert difference[own_table].max() < 0.2
    assert difference.max() < 5
    assert np.abs((both["value"] - both["vic"]).mean()) < 0.02


def test_every_fault_is_noticed_and_no_borehole_is_lost(table: SiteTable) -> None:
    layers = world.boreholes(seed=0)
    assert set(table.sites["site"]) == set(layers["site"])
    assert len(table.layers) == len(layers)
    made = layers.groupby("site").first()
    by_site = table.sites.set_index("site")
    swapped = made.index[made["latitude [deg]"].abs() > 90]
    coarse = made.index[made["position_grade"] == "C"]
    copies = made.index[made.index.str.endswith("-copy")]
    assert len(swapped) > 0
    assert (by_site.loc[swapped, "reason"] == "longitude and latitude are swapped").all()
    assert (by_site.loc[coarse, "reason"] == "position coarser than the grid").all()
    assert not by_site.loc[copies, "used"].any()
    bottomless = made.index[made["permafrost_table [m]"].isna()]
    assert (
        by_site.loc[bottomless, "permafrost_table_source"]
        .isin(["", "neighbour", "frozen_ground"])
        .all()
    )
    impossible = layers["vic [%]"].notna() & ~layers["vic [%]"].between(0, 100)
    assert impossible.sum() == (table.flags["rule"] == "fractions").sum() > 0
    inverted = layers["base [m]"] < layers["top [m]"]
    assert inverted.sum() == (table.flags["rule"] == "depths").sum() > 0


def test_samples_of_the_virtual_arctic(table: SiteTable) -> None:
    """From raw layers to training rows, with the world's own fields as the cube."""
    import xarray as xr

    grid = Grid(-180, 25, 180, 85, 0.5)
    names = ["elevation", "maat", "ndvi"]
    fields = world.predictors(grid.longitudes, grid.latitudes, names, seed=0)
    cube = xr.Dataset(
        {
            name: (("latitude", "longitude"), np.asarray(field, dtype=float))
            for name, field in fields.items()
        }
    )
    samples, sites = build_samples(table.sites, grid, cube, names)
    assert (sites["used"] == (sites["reason"] == "")).all()
    assert samples["sites"].sum() == sites["used"].sum()
    assert samples[names].notna().all(axis=None)
    assert samples["weight"].mean() == pytest.approx(1)
    assert nugget(samples)["cells"] > 20
    again = world.predictors_at_points(
        grid.longitudes[samples["cell_col"]], grid.latitudes[samples["cell_row"]], names, seed=0
    )
    whole = samples["filled_from_km"] == 0
    for name in names:
        np.testing.assert_allclose(
            samples.loc[whole, name],
            pd.Series(np.asarray(again[name], dtype=float))[whole],
            rtol=1e-5,
        )
