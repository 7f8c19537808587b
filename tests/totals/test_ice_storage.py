from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from icemap.config_sections import TargetConfig
from icemap.ensemble.folds import split_numbers
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded, describe_gridded
from icemap.mapping.map_schema import HELD_OUT, SPLITS, map_variables
from icemap.mapping.sums import RegionSums, chunk_sums, to_records
from icemap.mapping.zones import total_name
from icemap.running.ledger import Ledger
from icemap.totals.ice_storage import ice_storage, region_totals, total_line, write_ice_storage
from icemap.totals.ice_totals import totals
from icemap.totals.opened_map import OpenedMap, ResidualFacts, run_residual
from icemap.totals.replicate_spread import ReplicateSpread
from icemap.totals.residual_field import Variogram
from icemap.totals.residuals import Residuals
from icemap.zarr_groups import write_chunk

GRID = Grid(60, 50, 120, 80, 0.5)
VIC = TargetConfig()


def make_run(folder, target: TargetConfig, values: np.ndarray, sd: float = 8.0) -> str:
    """A map of constant fields per replicate, the east half outside the area of applicability."""
    url = str(folder / "map.zarr")
    create_gridded(url, GRID, map_variables(target), {}, chunk=32)
    ledger = Ledger(str(folder / "ledger" / "map"))
    for chunk in GRID.chunks(32):
        ones = np.ones(chunk.shape)
        aoa = np.broadcast_to(GRID.longitudes[chunk.cols] < 90, chunk.shape).astype(int)
        warm = np.broadcast_to(GRID.latitudes[chunk.rows][:, None] < 60, chunk.shape)
        area = GRID.cell_area()[chunk.rows][:, None]
        sums = chunk_sums(
            area, 0.5 * ones, values[:, None, None] * ones, sd * ones, aoa, {"south of 60 N": warm}
        )
        whole = chunk_sums(area, ones, values[:, None, None] * ones, sd * ones, aoa)
        ledger.write(
            chunk.key,
            {
                "sums": to_records(
                    {**sums, **{f"{name} / whole": part for name, part in whole.items()}}
                )
            },
        )
    return url


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).normal(40, 3, 100)


@pytest.fixture(scope="module")
def map_url(tmp_path_factory, values) -> str:
    return make_run(tmp_path_factory.mktemp("run"), VIC, values)


@pytest.fixture(scope="module")
def drawn_url(tmp_path_factory, values) -> str:
    """The same with values in its cells, and none in one of them."""
    url = make_run(tmp_path_factory.mktemp("drawn"), VIC, values)
    for chunk in GRID.chunks(32):
        field = np.arange(chunk.shape[0] * chunk.shape[1], dtype="float32").reshape(chunk.shape)
        field[0, 0] = np.nan
        flag = np.where(np.isnan(field), 255, 1)
        kinds = {v.name: flag if v.dtype == "uint8" else field for v in map_variables(VIC)}
        write_chunk(url, chunk, kinds)
    return url


def test_volume_is_area_times_fraction_times_thickness_times_content(map_url, values):
    table = ice_storage(map_url).set_index("region")
    area = GRID.cell_area().sum() * GRID.shape[1]
    assert table.loc["all", "area_km2"] == pytest.approx(area / 2)
    assert table.loc["all", "ice_km3"] == pytest.approx(area / 2 * 0.005 * values.mean() / 100)
    assert table.loc["all", "water_km3"] == pytest.approx(0.917 * table.loc["all", "ice_km3"])
    low, high = (
        area
        / 2
        * 0.005
        / 100
        * np.array(stats.t.interval(0.95, len(values) - 1, values.mean(), values.std(ddof=1)))
    )
    assert table.loc["all", ["ice_km3_lower95", "ice_km3_upper95"]].tolist() == pytest.approx(
        [low, high]
    )
    assert table.loc["all", "ice_km3_aoa"] + table.loc[
        "all", "ice_km3_outside_aoa"
    ] == pytest.approx(table.loc["all", "ice_km3"])
    assert table.loc["all", "ice_km3_aoa"] == pytest.approx(table.loc["all", "ice_km3"] / 2)
    warm = GRID.cell_area()[GRID.latitudes < 60].sum() * GRID.shape[1]
    assert table.loc["south of 60 N", "area_km2"] == pytest.approx(warm / 2)
    # Under the mask that counts whole cells there is twice the ice: of the total of all, the choice
    # of mask is most of the variance.
    assert table.loc["south of 60 N", "share_ensemble"] == 1.0
    centres = np.array([1, 2]) * table.loc["all", "ice_km3"]
    assert table.loc["all", "share_mask"] == pytest.approx(
        centres.var() / (centres.var() + table.loc["all", "ice_km3_sd"] ** 2)
    )
    assert table.loc["all", ["share_ensemble", "share_mask"]].sum() == pytest.approx(1)
    assert table.loc["all", "ice_km3_masks_highest"] == pytest.approx(
        2 * table.loc["all", "ice_km3_masks_lowest"]
    )


def total_of_all(url: str, residual_sd: float, mask: str = "fraction") -> pd.Series:
    """The row of the region "all" with a residual that no ``ice_storage.json`` holds."""
    residual = ResidualFacts(sd={total_name("all", mask): residual_sd})
    return region_totals(replace(OpenedMap.of(url), residual=residual), "all", mask).iloc[0]


def test_limiting_cases_bracket(map_url):
    row = total_of_all(map_url, residual_sd=5e6)
    width = {
        case: row[f"ice_km3{case}_upper95"] - row[f"ice_km3{case}_lower95"]
        for case in ("_independent", "", "_correlated")
    }
    assert width["_independent"] < width[""] < width["_correlated"]
    # Fully correlated cells: the relative error of the total is that of a cell.
    assert width["_correlated"] == pytest.approx(
        2 * 1.96 * row["ice_km3"] * 8 / row["ice_km3"] * row["area_km2"] * 0.005 / 100, rel=1e-3
    )


def test_the_residual_widens_the_interval_as_variances_add():
    replicates = np.random.default_rng(2).normal(1000.0, 30.0, 4000)
    region = RegionSums(
        area_km2=10.0,
        area_aoa_km2=4.0,
        integral=replicates.tolist(),
        integral_aoa=(replicates / 2).tolist(),
        integral_sd=1.0,
        integral_var=1.0,
    )
    row = totals(region, residual_sd=40.0, thickness_m=None)
    assert (row["mean_upper95"] - row["mean_lower95"]) * 10 == pytest.approx(
        2 * 1.96 * 50, rel=0.03
    )
    assert row["share_residual"] == pytest.approx(0.64, abs=0.02)
    assert row["share_residual"] + row["share_ensemble"] == pytest.approx(1)


def test_summed_bounds_are_the_interval_where_the_sums_have_them():
    sums = RegionSums(
        area_km2=1000.0,
        area_aoa_km2=500.0,
        integral=[4e4, 6e4],
        integral_aoa=[2e4, 3e4],
        integral_sd=1e3,
        integral_var=1e4,
        integral_lower=3e4,
        integral_upper=8e4,
    )
    row = totals(sums, residual_sd=1e4, held_out=0.1)
    found = [row[key] for key in ("ice_km3_lower95", "ice_km3", "ice_km3_upper95")]
    assert found == pytest.approx([1.5, 2.5, 4.0])
    assert (row["share_ensemble"], row["share_residual"]) == (1, 0)


def test_replicates_that_share_their_sites_are_spread_as_new_boreholes_would_spread():
    """The mean of a sample, from replicates that each leave out a tenth: the jackknife gives the
    textbook standard error.
    """
    rng = np.random.default_rng(4)
    sites = rng.normal(40, 10, 500)
    means = [np.delete(sites, rng.choice(500, 50, replace=False)).mean() for _ in range(2000)]
    region = RegionSums(
        area_km2=1.0,
        area_aoa_km2=1.0,
        integral=means,
        integral_aoa=means,
        integral_sd=1.0,
        integral_var=1.0,
    )
    assert totals(region, thickness_m=None, held_out=0.1)["mean_sd"] == pytest.approx(
        sites.std(ddof=1) / np.sqrt(500), rel=0.05
    )
    assert totals(region, thickness_m=None)["mean_sd"] == pytest.approx(
        sites.std(ddof=1) / np.sqrt(500) / 3, rel=0.05
    )


def paired_run(folder, values: np.ndarray, splits: list[int] | None) -> dict[str, float]:
    """The total of all of a map whose replicates (R,) have splits, as `ice_storage` gives it."""
    url = make_run(folder, VIC, values)
    attrs = {HELD_OUT: 0.1} | ({SPLITS: splits} if splits else {})
    describe_gridded(url, map_variables(VIC), attrs)
    return dict(total_of_all(url, residual_sd=1e6))


def test_a_map_that_says_which_replicates_share_a_split_has_the_narrower_interval(tmp_path):
    rng = np.random.default_rng(5)
    splits = split_numbers(80)
    values = 40 + rng.normal(0, 0.3, 40)[splits] + rng.normal(0, 0.5, 80)
    paired = paired_run(tmp_path / "paired", values, splits.tolist())
    alone = paired_run(tmp_path / "alone", values, None)
    spread = ReplicateSpread.apart(values, splits.tolist(), 0.1)
    scale = paired["area_km2"] * 0.005 / 100
    residual = (1e6 / paired["area_km2"]) ** 2
    assert paired["ice_km3_sd"] / scale == pytest.approx((spread.variance + residual) ** 0.5)
    assert paired["ice_km3_upper95"] - paired["ice_km3"] == pytest.approx(
        scale * spread.half_width(residual)
    )
    assert paired["ice_km3"] == pytest.approx(alone["ice_km3"])
    assert alone["ice_km3_sd"] / scale == pytest.approx((9 * values.var(ddof=1) + residual) ** 0.5)
    assert paired["ice_km3_upper95"] < 0.9 * alone["ice_km3_upper95"] + 0.1 * alone["ice_km3"]


def test_fewer_than_twenty_pairs_tell_nothing_apart(tmp_path):
    values = np.random.default_rng(5).normal(40, 1, 39)
    paired = paired_run(tmp_path / "paired", values, split_numbers(39).tolist())
    assert paired == pytest.approx(paired_run(tmp_path / "alone", values, None), nan_ok=True)


def test_an_interval_ends_where_ice_does():
    region = RegionSums(
        area_km2=100.0,
        area_aoa_km2=0.0,
        integral=[100.0, 300.0],
        integral_aoa=[0.0, 0.0],
        integral_sd=1.0,
        integral_var=1.0,
    )
    row = totals(region, residual_sd=1e6)
    assert (row["ice_km3_lower95"], row["ice_km3_upper95"]) == (0.0, 0.5)


def test_limiting_cases_end_where_ice_does():
    little = RegionSums(
        area_km2=100.0,
        area_aoa_km2=0.0,
        integral=[200.0, 300.0],
        integral_aoa=[0.0, 0.0],
        integral_sd=8000.0,
        integral_var=1e6,
    )
    row = totals(little)
    assert (row["ice_km3_correlated_lower95"], row["ice_km3_correlated_upper95"]) == (0.0, 0.5)
    assert totals(little, thickness_m=None)["mean_correlated_lower95"] < 0
    depth = totals(little, residual_sd=1e6, thickness_m=None, bounds=(0.0, 300.0))
    assert [
        depth[f"mean{case}_{side}95"] for case in ("", "_correlated") for side in ("lower", "upper")
    ] == pytest.approx([0, 300, 0, 159.3], abs=0.1)


def test_regions_are_in_an_order_that_can_be_read(tmp_path):
    url = str(tmp_path / "map.zarr")
    create_gridded(url, GRID, map_variables(VIC), {}, chunk=64)
    ones = np.ones((2, 2))
    names = [
        "sporadic permafrost",
        "50 to 60 N",
        "continuous permafrost",
        "70 to 80 N",
        "Siberia",
        "somewhere",
        "North America",
    ]
    for chunk in GRID.chunks(64):
        sums = chunk_sums(
            ones, ones, 40 * np.ones((3, 2, 2)), ones, ones, dict.fromkeys(names, ones > 0)
        )
        Ledger(str(tmp_path / "ledger" / "map")).write(chunk.key, {"sums": to_records(sums)})
    ordered = [
        "all",
        "North America",
        "Siberia",
        "70 to 80 N",
        "50 to 60 N",
        "continuous permafrost",
        "sporadic permafrost",
        "somewhere",
    ]
    assert ice_storage(url)["region"].tolist() == ordered


def test_masks_are_named_settings(map_url):
    whole, fraction = ice_storage(map_url, "all", mask="whole"), ice_storage(map_url, "all")
    assert whole["ice_km3"].item() == pytest.approx(2 * fraction["ice_km3"].item())
    with pytest.raises(IcemapError, match=r"no mask 'magt': choose from fraction, majority, whole"):
        ice_storage(map_url, mask="magt")
    with pytest.raises(
        IcemapError, match=r"no totals for the region 'Mars': it has all, south of 60 N"
    ):
        ice_storage(map_url, "Mars")


def test_another_target_gives_its_area_weighted_mean(tmp_path, values):
    url = make_run(
        tmp_path,
        TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None),
        values,
    )
    row = ice_storage(url, "all").iloc[0]
    assert row["unit"] == "cm"
    assert row["mean"] == pytest.approx(values.mean())
    assert row["mean_aoa"] == pytest.approx(values.mean())
    assert not [column for column in row.index if "km3" in column]


def test_written_json_has_no_nan(map_url, tmp_path, values):
    table = ice_storage(
        make_run(tmp_path, VIC, values[:1])
    )  # one replicate: no spread, so no shares
    write_ice_storage(
        str(tmp_path / "ice_storage.json"), table, ResidualFacts(5.0, Variogram(40.0, 300.0))
    )
    content = json.loads((tmp_path / "ice_storage.json").read_text())
    assert content["quantity"] == "ice storage"
    assert content["residual_variogram"] == {
        "sill": 40.0,
        "range_km": 300.0,
        "nugget": 0.0,
        "mean_sd": 0.0,
        "mean_doubt": 0.0,
        "far_sill": 0.0,
        "far_range_km": 1.0,
        "mean": 0.0,
    }
    assert content["regions"][0]["share_ensemble"] is None
    assert content["regions"][0]["ice_km3"] == pytest.approx(table["ice_km3"][0])


def test_the_total_is_a_line_and_a_file_without_one_is_told(tmp_path, values):
    table = ice_storage(make_run(tmp_path, VIC, values))
    url = str(tmp_path / "ice_storage.json")
    write_ice_storage(url, table, ResidualFacts(5.0, None))
    assert re.fullmatch(r"ice storage: [\d,]+ km3 \(95 %: [\d,]+ to [\d,]+\)", total_line(url))
    write_ice_storage(url, table[table["region"] != "all"], ResidualFacts(5.0, None))
    with pytest.raises(IcemapError, match="has no total: delete it"):
        total_line(url)


def test_the_variogram_of_the_residuals_is_read_back_from_the_run(values, tmp_path):
    rng = np.random.default_rng(3)
    place = rng.uniform(60, 120, 60), rng.uniform(50, 80, 60)
    found = Residuals(*place, rng.normal(0, 9, 60), np.full(60, 4.0)).variogram()
    url = make_run(tmp_path, VIC, values)
    facts = ResidualFacts(5.0, found, {"all": 5e6})
    write_ice_storage(str(tmp_path / "ice_storage.json"), ice_storage(url), facts)
    assert run_residual(url) == facts
    # What the sites' errors do not explain of the residuals' variance of 81.
    assert found.nugget + found.sill == pytest.approx(81 - 16, rel=0.3)


def test_a_residual_that_the_sites_tell_badly_widens_the_interval_of_the_run(values, tmp_path):
    url = make_run(tmp_path, VIC, values)
    rows = {}
    for doubt in (0.0, 0.5):
        facts = ResidualFacts(5.0, Variogram(40.0, 300.0, mean_doubt=doubt), {"all": 9e6})
        write_ice_storage(str(tmp_path / "ice_storage.json"), ice_storage(url), facts)
        rows[doubt] = ice_storage(url, "all").iloc[0]
    assert rows[0.5]["ice_km3_sd"] == pytest.approx(rows[0.0]["ice_km3_sd"])
    half = {doubt: row["ice_km3_upper95"] - row["ice_km3"] for doubt, row in rows.items()}
    assert half[0.5] > 1.03 * half[0.0]


def test_what_left_out_sites_say_of_the_mean_moves_the_interval_but_not_the_total(values, tmp_path):
    url = make_run(tmp_path, VIC, values)
    rows = {}
    for mean in (0.0, -2.0, 1000.0):
        facts = ResidualFacts(5.0, Variogram(40.0, 300.0, mean_sd=1.0, mean=mean), {"all": 9e6})
        write_ice_storage(str(tmp_path / "ice_storage.json"), ice_storage(url), facts)
        rows[mean] = ice_storage(url, "all").iloc[0]
    assert rows[-2.0]["ice_km3"] == rows[0.0]["ice_km3"]
    moved = -2.0 / 100 * 5 / 1000 * rows[0.0]["area_km2"]
    for end in ("lower95", "upper95"):
        assert rows[-2.0][f"ice_km3_{end}"] - rows[0.0][f"ice_km3_{end}"] == pytest.approx(moved)
        assert rows[-2.0][f"ice_km3_independent_{end}"] == rows[0.0][f"ice_km3_independent_{end}"]
    full = rows[0.0]["area_km2"] * 5 / 1000
    assert rows[1000.0]["ice_km3_lower95"] == rows[1000.0]["ice_km3_upper95"] == pytest.approx(full)


def test_unfinished_and_missing_ledgers_are_sentences(tmp_path, values):
    url = make_run(tmp_path, VIC, values)
    (tmp_path / "ledger" / "map" / "r001c002.json").unlink()
    with pytest.raises(
        IcemapError, match=r"not finished: 1 of 8 chunks are missing, r001c002 first"
    ):
        ice_storage(url)
    Ledger(str(tmp_path / "ledger" / "map")).clear()
    with pytest.raises(IcemapError, match="no chunk records in"):
        ice_storage(url)
    for chunk in GRID.chunks(32):
        Ledger(str(tmp_path / "ledger" / "map")).write(chunk.key, {"sums": {}})
    with pytest.raises(IcemapError, match="hold no sums"):
        ice_storage(url)


def test_the_residual_of_another_mask_is_read_back_from_the_run(values, tmp_path):
    """``ice_storage.json`` holds one residual for each region under each mask."""
    url = make_run(tmp_path, VIC, values)
    facts = ResidualFacts(5.0, None, {"all": 5e6, "all / whole": 9e6})
    write_ice_storage(str(tmp_path / "ice_storage.json"), ice_storage(url), facts)
    found = [ice_storage(url, "all", mask=mask).iloc[0] for mask in ("fraction", "whole")]
    assert [row["residual_sd"] for row in found] == [5e6, 9e6]
    for row, sd in zip(found, (5e6, 9e6), strict=True):
        without = total_of_all(url, residual_sd=0.0, mask=row["mask"])
        added = row["ice_km3_sd"] ** 2 - without["ice_km3_sd"] ** 2
        assert added == pytest.approx((sd * 0.005 / 100) ** 2)


def test_totals_end_at_the_bounds_that_the_map_declares(tmp_path):
    """Read from the map's variable: 0 to 300 cm, and nothing for a target without bounds."""
    depths = np.array([1.0, 2.0, 3.0])
    limited = TargetConfig(
        name="alt", long_name="active-layer thickness", unit="cm", bounds=(0.0, 300.0)
    )
    free = TargetConfig(name="magt", long_name="ground temperature", unit="degC", bounds=None)
    for target, lowest in ((limited, 0.0), (free, -np.inf)):
        (tmp_path / target.name).mkdir()
        url = make_run(tmp_path / target.name, target, depths, sd=50.0)
        row = ice_storage(url, "all").iloc[0]
        assert row["mean_correlated_lower95"] == (
            lowest if lowest == 0 else pytest.approx(2.0 - 1.959963984540054 * 50.0)
        )


def test_degrees_of_freedom_grow_with_the_square_of_the_known_part():
    """Satterthwaite: (n - 1) (variance / ensemble variance)^2 for an ensemble of n replicates."""
    integral = [100.0 * value for value in (38.0, 40.0, 42.0, 39.0, 41.0)]
    region = RegionSums(
        area_km2=100.0,
        area_aoa_km2=100.0,
        integral=integral,
        integral_aoa=integral,
        integral_sd=0.0,
        integral_var=0.0,
    )
    ensemble = np.var([38.0, 40.0, 42.0, 39.0, 41.0], ddof=1)
    row = totals(region, residual_sd=100.0 * 2.0, thickness_m=None)
    variance = ensemble + 4.0
    freedom = 4 * (variance / ensemble) ** 2
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert row["mean_upper95"] - row["mean"] == pytest.approx(half, rel=1e-9)


def test_the_public_name_takes_an_address_or_the_opened_map(map_url):
    import icemap

    wanted = ice_storage(map_url)
    pd.testing.assert_frame_equal(icemap.totals(map_url), wanted)
    dataset = icemap.open_map(map_url)
    pd.testing.assert_frame_equal(icemap.totals(dataset), wanted)
    assert icemap.totals(dataset, "south of 60 N")["region"].tolist() == ["south of 60 N"]
    assert icemap.totals(dataset, mask="whole")["mask"].tolist() == ["whole"]
    with pytest.raises(IcemapError, match=r"is a part of the map .*file of polygons"):
        icemap.totals(dataset.isel(latitude=slice(0, 10)))
    with pytest.raises(IcemapError, match="does not say which map"):
        icemap.totals(dataset.drop_encoding())


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.assign(vic=ds.vic * 0),
        lambda ds: ds.assign(vic=ds.vic.where(ds.longitude > 90)),
        lambda ds: ds.assign(vic_upper95=ds.vic_upper95 + 1),
        lambda ds: ds * 2,
        lambda ds: ds.load().assign(vic=ds.vic + 1e-3),
        lambda ds: ds.assign(vic=ds.vic.T),
    ],
)
def test_totals_of_a_dataset_with_other_values_are_refused(drawn_url, change):
    import icemap

    with pytest.raises(IcemapError, match="has other values than in the map"):
        icemap.totals(change(icemap.open_map(drawn_url)))


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds,
        lambda ds: ds.load(),
        lambda ds: ds.chunk(latitude=7),
        lambda ds: ds.copy(deep=True),
        lambda ds: ds[["vic"]],
        lambda ds: ds.assign(mine=ds.vic * 2),
    ],
)
def test_totals_of_a_dataset_with_the_values_of_the_map(drawn_url, change):
    import icemap

    opened = icemap.open_map(drawn_url)
    pd.testing.assert_frame_equal(icemap.totals(change(opened)), ice_storage(drawn_url))


@pytest.mark.parametrize("key", ["region", "zones"])
def test_a_table_is_no_name_of_a_file(map_url, key):
    with pytest.raises(IcemapError, match="given by name or file, not as a DataFrame"):
        ice_storage(map_url, **{key: pd.DataFrame({"name": ["a"]})})
