import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from icemap.grid import Grid
from icemap.virtual_arctic.boreholes import COLUMNS
from icemap.virtual_arctic.world import (
    borehole_truth,
    boreholes,
    predictors,
    predictors_at_points,
    truth_at_points,
    write_boreholes,
)

SEED = 0
WINDOW = 5.0


@pytest.fixture(scope="module")
def layers():
    return boreholes(SEED)


@pytest.fixture(scope="module")
def clean():
    return borehole_truth(SEED)


def column(rows, name):
    return rows[name].to_numpy(float) / (1 if "[g/cm3]" in name else 100)


def layer_vic(rows):
    """VIC (fraction) of each layer, written again from the published conversions so that the test
    does not lean on the package.
    """
    ice, solids = 0.917, 2.65
    w, dry, bulk = (
        column(rows, name)
        for name in ("gravimetric_water [%]", "dry_density [g/cm3]", "frozen_bulk_density [g/cm3]")
    )
    theta, unfrozen = column(rows, "volumetric_water [%]"), column(rows, "unfrozen_water [%]")
    excess, n = column(rows, "excess_ice [%]"), column(rows, "porosity [%]")
    visible, matrix = column(rows, "visible_ice [%]"), column(rows, "matrix_vic [%]")
    ways = [
        np.where(rows["ice_type"] == "massive", 1.0, np.nan),
        w * dry / ice,
        bulk * w / ((1 + w) * ice),
        np.where(np.isnan(dry) & np.isnan(bulk), (w / ice) / (w / ice + 1 / solids), np.nan),
        (theta - np.nan_to_num(unfrozen)) / ice,
        excess + (1 - excess) * 1.09 * n / (1 + 0.09 * n),
        visible + (1 - visible) * matrix,
        column(rows, "vic [%]"),
    ]
    known = np.isfinite(ways)
    assert np.all(known.sum(axis=0) == 1), "each layer speaks in one way"
    return np.nansum(ways, axis=0)


def window_mean(rows):
    """Length-weighted VIC (%) below the permafrost table and the covered share of the window."""
    table = rows["permafrost_table [m]"].iloc[0]
    top, base = rows["top [m]"].to_numpy(float), rows["base [m]"].to_numpy(float)
    if np.all(top == base):
        middles = 0.5 * (top[1:] + top[:-1])
        top, base = (
            np.concatenate([[top[0] - 0.5], middles]),
            np.concatenate([middles, [base[-1] + 0.5]]),
        )
    length = np.clip(np.minimum(base, table + WINDOW) - np.maximum(top, table), 0, None)
    wedge = rows["wedge_ice [%]"].fillna(0).max() / 100
    mean = np.sum(length * layer_vic(rows)) / length.sum()
    return 100 * (wedge + (1 - wedge) * mean), length.sum() / WINDOW


def test_table_has_the_agreed_columns(layers):
    assert tuple(layers.columns) == COLUMNS
    assert layers["site"].nunique() == 1178
    assert (
        layers[["site", "longitude [deg]", "latitude [deg]", "top [m]", "base [m]"]]
        .notna()
        .all()
        .all()
    )
    assert set(layers["permafrost_table_source"]) <= {
        "",
        "reported",
        "thaw_depth",
        "active_layer",
        "frozen_ground",
        "mapped",
    }
    assert set(layers["position_grade"]) == {"A", "C"}
    for name in COLUMNS:
        assert layers[name].replace("", np.nan).notna().any(), f"nobody ever wrote {name}"


def test_layers_average_back_to_the_truth(layers, clean):
    assert 0.75 * 1178 < len(clean) < 0.95 * 1178
    by_site = dict(list(layers.groupby("site")))
    for site, lon, lat, vic in clean.itertuples(index=False):
        rows = by_site[site]
        assert (rows["longitude [deg]"].iloc[0], rows["latitude [deg]"].iloc[0]) == (lon, lat)
        mean, coverage = window_mean(rows)
        assert mean == pytest.approx(vic, abs=0.15), site
        assert coverage > 0.97, site


def test_without_noise_the_truth_is_the_world(clean):
    exact = borehole_truth(SEED, noise=0.0)
    world = np.clip(truth_at_points(exact["lon"], exact["lat"], SEED), 0.5, 97)
    np.testing.assert_allclose(exact["vic"], world, atol=0.01)
    by_site = dict(list(boreholes(SEED, noise=0.0).groupby("site")))
    worst = max(abs(window_mean(by_site[row.site])[0] - row.vic) for row in exact.itertuples())
    assert worst < 0.5
    # Two per cent in each of some eight layers.
    measured = np.clip(truth_at_points(clean["lon"], clean["lat"], SEED), 0.5, 97)
    assert 0.3 < np.sqrt(np.mean((clean["vic"] - measured) ** 2)) < 1.5


def test_mistakes_of_every_kind_are_there(layers):
    table = layers["permafrost_table [m]"]
    first = layers.groupby("site").first()
    assert (first["latitude [deg]"].abs() > 90).sum() >= 1
    assert (layers["vic [%]"].gt(100) | layers["vic [%]"].lt(0)).sum() >= 2
    assert (layers["base [m]"] < layers["top [m]"]).sum() >= 2
    assert layers.groupby("site")["permafrost_table [m]"].first().isna().sum() >= 3
    assert (first["position_grade"] == "C").sum() >= 5
    assert first.index.str.endswith("-copy").sum() == round(0.01 * 1178)
    depth = layers["base [m]"].groupby(layers["site"]).max() - table.groupby(layers["site"]).first()
    assert (depth < 2.5).sum() >= 20
    previous = layers.groupby("site")["base [m]"].shift()
    gap = layers["top [m]"] - previous
    assert ((gap > 0.2) & (layers["top [m]"] < layers["base [m]"])).sum() >= 20
    assert (gap < -0.01).sum() >= 2
    points = layers["top [m]"] == layers["base [m]"]
    assert layers.loc[points, "site"].nunique() >= 20
    assert (layers["ice_type"] == "massive").sum() >= 20


def test_copies_repeat_another_site(layers):
    by_site = dict(list(layers.groupby("site")))
    for site, rows in by_site.items():
        if site.endswith("-copy"):
            original = by_site[site.removesuffix("-copy")]
            unlike = ["site", "source"]
            pd.testing.assert_frame_equal(
                rows.drop(columns=unlike).reset_index(drop=True),
                original.drop(columns=unlike).reset_index(drop=True),
            )


def test_boreholes_stand_in_permafrost_on_land(clean):
    fields = predictors_at_points(
        clean["lon"],
        clean["lat"],
        ["land_fraction", "permafrost_fraction", "glacier_fraction", "slope"],
        SEED,
    )
    assert fields["land_fraction"].min() == 1
    assert fields["permafrost_fraction"].min() > 0.1
    assert fields["permafrost_fraction"].mean() > 0.8
    assert fields["glacier_fraction"].max() < 0.1
    assert fields["slope"].max() < 12


def test_boreholes_are_clustered(clean):
    def nearest(lon, lat):
        lam, phi = np.radians(lon), np.radians(lat)
        points = 6371 * np.column_stack(
            [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
        )
        return cKDTree(points).query(points, k=2)[0][:, 1]

    drilled = nearest(clean["lon"].to_numpy(), clean["lat"].to_numpy())
    grid = Grid(-180, 30, 180, 84, 0.5)
    share = predictors(grid.longitudes, grid.latitudes, ["permafrost_fraction"], SEED)[
        "permafrost_fraction"
    ]
    weight = (share * grid.cell_area()[:, None]).ravel()
    rng = np.random.default_rng(0)
    cell = rng.choice(weight.size, len(clean), p=weight / weight.sum())
    lon, lat = grid.longitudes[cell % grid.shape[1]], grid.latitudes[cell // grid.shape[1]]
    random = nearest(
        lon + rng.uniform(-0.25, 0.25, len(cell)), lat + rng.uniform(-0.25, 0.25, len(cell))
    )
    assert np.median(drilled) < 0.05 * np.median(random)
    # Nobody drills the same place twice, so close sites are copies and nothing else.
    assert drilled.min() > 0.05


def test_observed_ice_is_spread_and_skewed_as_it_is_in_nature():
    for seed in (0, 1, 2):
        vic = borehole_truth(seed)["vic"]
        assert 16 < vic.std() < 22.5
        assert 0.1 < vic.skew() < 1.5
        assert 35 < vic.mean() < 50


def test_every_region_has_its_share(layers):
    share = (
        layers[~layers["site"].str.endswith("-copy")]
        .groupby(layers["site"].str[:2])["site"]
        .nunique()
        / 1178
    )
    assert share.round(2).to_dict() == pytest.approx(
        {"NA": 0.33, "SI": 0.27, "QX": 0.24, "MN": 0.09, "NO": 0.07}, abs=0.011
    )


def test_reproducible_and_seeded(layers):
    from icemap.virtual_arctic import boreholes as world_boreholes

    world_boreholes._drill.cache_clear()
    pd.testing.assert_frame_equal(boreholes(SEED), layers)
    assert not boreholes(1, count=60).equals(boreholes(2, count=60))
    assert boreholes(1, count=60)["site"].nunique() == 60


def test_the_table_given_out_is_the_caller_s_own():
    mine = borehole_truth(3, count=60)
    mine["vic"] = -1.0
    assert borehole_truth(3, count=60)["vic"].min() > 0


def test_written_file_reads_back(tmp_path, layers):
    path = tmp_path / "boreholes.csv"
    write_boreholes(path, SEED)
    assert path.read_text(encoding="utf-8").splitlines()[0].split(",") == list(COLUMNS)
    back = pd.read_csv(path)
    assert len(back) == len(layers)
    for name in COLUMNS:
        if "[" in name:
            np.testing.assert_array_equal(back[name].to_numpy(float), layers[name].to_numpy(float))
