from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from icemap import Grid, IcemapError
from icemap.boreholes.sample_weights import nugget
from icemap.boreholes.samples import SAMPLE_COLUMNS, build_samples
from icemap.gridded import Variable, create_gridded, open_gridded
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 50, 180, 90, 1.0)  # 40 rows, 360 columns


def cube(**fields: np.ndarray) -> xr.Dataset:
    rng = np.random.default_rng(0)
    fields = {"t": rng.normal(size=GRID.shape), "p": rng.normal(size=GRID.shape), **fields}
    return xr.Dataset({name: (("latitude", "longitude"), field) for name, field in fields.items()})


def sites(
    lon: list[float], lat: list[float], value: list[float] | None = None, **columns: object
) -> pd.DataFrame:
    n = len(lon)
    value = [50.0 + i for i in range(n)] if value is None else value
    plain = pd.DataFrame(
        {
            "site": [f"s{i}" for i in range(n)],
            "lon": lon,
            "lat": lat,
            "value": value,
            "standard_error": 5.0,
        }
    )
    return plain.assign(grade="A", used=True, reason="").assign(**columns)


def test_samples_carry_the_predictors_of_their_cells() -> None:
    data = cube()
    samples, updated = build_samples(
        sites([-179.5, 0.2, 179.9], [89.5, 60.7, 50.1]), GRID, data, ["p", "t"]
    )
    assert samples.columns.tolist() == [*SAMPLE_COLUMNS, "p", "t"]
    assert samples[["cell_row", "cell_col"]].to_numpy().tolist() == [[0, 0], [29, 180], [39, 359]]
    for row in samples.itertuples():
        assert row.t == data["t"].to_numpy()[row.cell_row, row.cell_col]
        assert row.p == data["p"].to_numpy()[row.cell_row, row.cell_col]
    assert samples["value"].tolist() == [50, 51, 52]
    assert updated["sample"].tolist() == samples["sample"].tolist()
    assert updated["used"].all()


def test_every_site_without_predictors_says_which_and_why() -> None:
    t, p = np.random.default_rng(1).normal(size=(2, *GRID.shape))
    t[0:10, 0:20] = np.nan
    p[0:5, 0:20] = np.nan
    table = sites([-170.5, -170.5, 10.0, 0.0, 20.0], [87.5, 82.5, 60.0, 40.0, 70.0])
    table.loc[4, ["used", "reason"]] = [False, "grade D"]
    samples, updated = build_samples(table, GRID, cube(t=t, p=p), ["t", "p"])
    assert updated["reason"].tolist() == [
        "masked: no predictor has data here",
        "missing predictor: t",
        "",
        "outside the grid",
        "grade D",
    ]
    assert updated["used"].tolist() == [False, False, True, False, False]
    assert len(samples) == 1


def test_coasts_take_the_nearest_cell_within_two_and_say_how_far() -> None:
    t = np.full(GRID.shape, np.nan)
    t[20, 102], t[21, 100], t[24, 200] = 7.0, 9.0, 1.0
    data = cube(t=t)
    lon, lat = GRID.longitudes, GRID.latitudes
    samples, updated = build_samples(
        sites([lon[100], lon[200], lon[200]], [lat[20], lat[24], lat[21]]), GRID, data, ["t", "p"]
    )
    filled = samples.set_index("cell_col").loc[100]
    # At 69.5 N two cells east are 78 km away and one cell south is 111 km.
    assert filled["t"] == 7.0
    assert filled["filled_from_km"] == pytest.approx(77.9, abs=0.1)
    assert filled["p"] == data["p"].to_numpy()[20, 100]
    assert samples.set_index("cell_col").loc[200, "filled_from_km"] == 0
    assert updated["reason"][2] == "missing predictor: t"


def test_coasts_at_the_date_line_and_the_pole_look_across_and_not_off_the_grid() -> None:
    t = np.full(GRID.shape, np.nan)
    t[10, 359], t[1, 5], t[30, 100] = 7.0, 9.0, 1.0
    samples, _ = build_samples(
        sites([-179.5, -174.5, -79.5], [79.5, 89.5, 59.5]), GRID, cube(t=t), ["t"]
    )
    assert samples["t"].tolist() == [9.0, 7.0, 1.0]


def test_classes_and_the_domain_come_from_a_stored_cube(tmp_path: Path) -> None:
    grid = Grid(0, 60, 32, 76, 1.0)
    url = str(tmp_path / "cube.zarr")
    create_gridded(
        url,
        grid,
        [Variable("t"), Variable("soil", "uint8"), Variable("valid", "uint8")],
        {},
        chunk=16,
    )
    for number, chunk in enumerate(grid.chunks(16)):
        soil = np.full(chunk.shape, 3 + number, np.uint8)
        soil[:6, :6] = 255
        valid = np.ones(chunk.shape, np.uint8)
        valid[8, 8] = 0
        write_chunk(
            url,
            chunk,
            {
                "t": np.random.default_rng(number).normal(size=chunk.shape).astype("float32"),
                "soil": soil,
                "valid": valid,
            },
        )
    table = sites([0.5, 8.5, 20.5, 24.5], [75.5, 67.5, 67.5, 67.5])
    samples, updated = build_samples(table, grid, open_gridded(url, "cube"), ["t", "soil"])
    assert updated["reason"].tolist() == ["missing predictor: soil", "", "", ""]
    assert samples["soil"].tolist() == [3, 4, 4]
    assert updated["in_domain"].tolist() == [True, False, True, False]
    assert samples["in_domain"].tolist() == [False, True, False]


def test_only_the_cells_with_sites_are_read(tmp_path: Path) -> None:
    """Every stored chunk but those of the sites is destroyed."""
    grid = Grid(0, 60, 64, 76, 1.0)
    url = tmp_path / "cube.zarr"
    create_gridded(str(url), grid, [Variable("t")], {}, chunk=16)
    for number, chunk in enumerate(grid.chunks(16)):
        write_chunk(str(url), chunk, {"t": np.full(chunk.shape, number, "float32")})
    for column in (1, 3):
        (url / "t" / "c" / "0" / str(column)).write_bytes(b"destroyed")
    samples, _ = build_samples(
        sites([2.0, 40.0], [70.0, 70.0]), grid, open_gridded(str(url), "cube"), ["t"]
    )
    assert samples["t"].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_sites_without_errors_count_by_their_grades(nothing: float) -> None:
    lon, lat, values = [10.1, 10.3, 10.8, 40.5], [60.2, 60.4, 60.9, 70.5], [40.0, 60.0, 80.0, 30.0]
    table = sites(lon, lat, values, grade=["A", "B", "C", "A"], standard_error=nothing)
    samples, updated = build_samples(table, GRID, cube(), ["t"])
    merged = samples[samples["sites"] == 3].iloc[0]
    weight, value = np.array([1.0, 0.7, 0.4]), np.array([40.0, 60.0, 80.0])
    mean = weight @ value / weight.sum()
    assert merged["value"] == pytest.approx(mean)
    freedom = weight.sum() - (weight**2).sum() / weight.sum()
    assert merged["within_variance"] == pytest.approx(weight @ (value - mean) ** 2 / freedom)
    assert merged["standard_error"] == pytest.approx(nothing, nan_ok=True)
    assert merged["nugget"] == pytest.approx(20)
    assert merged[["lon", "lat"]].tolist() == pytest.approx([10.4, 60.5], abs=0.01)
    assert updated["sample"].iloc[:3].nunique() == 1
    single = samples[samples["sites"] == 1].iloc[0]
    assert np.isnan(single["within_variance"])
    assert single[["lon", "lat", "value"]].tolist() == [40.5, 70.5, 30.0]


def test_sites_count_by_their_errors_and_the_spread_between_holes() -> None:
    lon, lat, values = [10.1, 10.3, 10.8, 40.5], [60.2, 60.4, 60.9, 70.5], [40.0, 60.0, 80.0, 30.0]
    error = np.array([4.0, 5.0, 30.0, 7.0])
    table = sites(lon, lat, values, grade=["C", "B", "A", "A"], standard_error=error)
    samples, _ = build_samples(table, GRID, cube(), ["t"])
    merged, single = (samples[samples["sites"] == n].iloc[0] for n in (3, 1))
    between = max((800 - 2 / 3 * (error[:3] ** 2).sum()) / 2, 0)
    assert merged["nugget"] == pytest.approx(between**0.5)
    weight, value = 1 / (between + error[:3] ** 2), np.array([40.0, 60.0, 80.0])
    assert merged["value"] == pytest.approx(weight @ value / weight.sum())
    assert merged["standard_error"] == pytest.approx(weight.sum() ** -0.5)
    assert single["standard_error"] == pytest.approx(np.hypot(between**0.5, 7))


def test_one_poor_hole_does_not_weigh_like_thirty_good_ones() -> None:
    rng = np.random.default_rng(0)
    lon = [10.5] * 30 + [40.5] + [70.5] * 2
    value = np.concatenate([rng.normal(50, 8, 30), [50.0], [44.0, 56.0]])
    error = np.concatenate([np.full(30, 2.0), [20.0], [2.0, 20.0]])
    samples, _ = build_samples(
        sites(lon, [60.5] * 33, value.tolist(), standard_error=error), GRID, cube(), ["t"]
    )
    thirty, two, one = (samples[samples["sites"] == n].iloc[0] for n in (30, 2, 1))
    spread = thirty["nugget"]
    assert 4 < spread < 12
    assert thirty["standard_error"] == pytest.approx(np.hypot(spread, 2) / 30**0.5)
    assert one["standard_error"] == pytest.approx(np.hypot(spread, 20))
    assert one["standard_error"] > 15 * thirty["standard_error"]
    assert two["value"] < 47


def test_sites_whose_error_is_not_known_are_as_good_as_the_others() -> None:
    table = sites([10.5, 40.5, 70.5, 90.5], [60.5] * 4, standard_error=[3.0, np.nan, 5.0, 7.0])
    assert build_samples(table, GRID, cube(), ["t"])[0]["standard_error"].tolist() == pytest.approx(
        [3, 5, 5, 7]
    )


def test_equal_grades_give_the_ordinary_mean_and_variance_and_the_nugget() -> None:
    lon, values = [10.1, 10.2, 10.3, 50.5, 50.6, 90.5], [40.0, 60.0, 80.0, 10.0, 20.0, 5.0]
    table = sites(lon, [60.5] * 6, values, grade="", standard_error=np.nan)
    samples, _ = build_samples(table, GRID, cube(), ["t"])
    np.testing.assert_allclose(samples["value"], [60, 15, 5])
    np.testing.assert_allclose(samples["within_variance"], [400, 50, np.nan])
    found = nugget(samples)
    variance = (2 * 400 + 1 * 50) / 3
    assert found == {
        "variance": pytest.approx(variance),
        "rmse": pytest.approx(np.sqrt(variance * np.mean([1 / 3, 1 / 2, 1]))),
        "cells": 2,
    }


def test_the_nugget_is_the_spread_that_was_put_in() -> None:
    rng = np.random.default_rng(3)
    cells = rng.choice(360, 300, replace=False) - 179.5
    lon, lat = np.repeat(cells, 3), np.full(900, 65.5)
    value = np.repeat(rng.uniform(20, 80, 300), 3) + rng.normal(0, 6, 900)
    samples, _ = build_samples(
        sites(lon.tolist(), lat.tolist(), value.tolist()), GRID, cube(), ["t"]
    )
    assert np.sqrt(nugget(samples)["variance"]) == pytest.approx(6, rel=0.08)


def test_without_two_sites_in_a_cell_there_is_no_nugget() -> None:
    samples, _ = build_samples(sites([10.0, 50.0], [60.0, 60.0]), GRID, cube(), ["t"])
    assert nugget(samples) == {"variance": None, "rmse": None, "cells": 0}


def test_nothing_usable_counts_the_reasons() -> None:
    table = sites([0.0, 10.0, 20.0], [10.0, 20.0, 60.0])
    table.loc[2, ["used", "reason"]] = [False, "grade D"]
    with pytest.raises(
        IcemapError, match=r"No site can be used.*3 read: 2 x outside the grid; 1 x grade D"
    ):
        build_samples(table, GRID, cube(), ["t"])


def test_a_constant_or_absent_predictor_is_named() -> None:
    table = sites([10.0, 50.0, 90.0], [60.0, 60.0, 60.0])
    with pytest.raises(
        IcemapError, match=r"predictor soil \(always 4\) is the same in all 3 samples"
    ):
        build_samples(table, GRID, cube(soil=np.full(GRID.shape, 4.0)), ["t", "soil"])
    with pytest.raises(IcemapError, match="no predictor rain"):
        build_samples(table, GRID, cube(), ["t", "rain"])


def test_the_same_sites_in_any_order_give_the_same_samples() -> None:
    rng = np.random.default_rng(5)
    table = sites(rng.uniform(-180, 180, 200).tolist(), rng.uniform(50, 55, 200).tolist())
    first, _ = build_samples(table, GRID, cube(), ["t"])
    second, _ = build_samples(table.sample(frac=1, random_state=1), GRID, cube(), ["t"])
    pd.testing.assert_frame_equal(first, second)


def test_the_sites_of_a_cell_across_the_date_line_have_their_mean_place_in_it() -> None:
    grid = Grid(170.5, 50, 190.5, 60, 1.0)
    rng = np.random.default_rng(0)
    data = xr.Dataset(
        {name: (("latitude", "longitude"), rng.normal(size=grid.shape)) for name in ("t", "p")}
    )
    samples, _ = build_samples(
        sites([179.9, -179.7, 172.0], [55.5, 55.5, 52.5]), grid, data, ["t", "p"]
    )
    across = samples[samples["sites"] == 2].iloc[0]
    assert across["cell_col"] == 9
    assert across["lon"] == pytest.approx(-179.9, abs=1e-6)


def with_bedrock(places: list[tuple[float, float]]) -> pd.DataFrame:
    """Holes, two of them in one cell, and pseudo-sites."""
    holes = sites([10.2, 10.3, 30.5, 31.5], [60.2, 60.3, 60.5, 60.5], standard_error=[4, 6, 5, 5])
    lon, lat = zip(*places)
    bedrock = sites(list(lon), list(lat), [2.5] * len(places), standard_error=2.0, grade="")
    return pd.concat([holes.assign(pseudo=False), bedrock.assign(pseudo=True)], ignore_index=True)


def test_pseudo_sites_are_marked_and_last_and_change_nothing_of_the_boreholes() -> None:
    table = with_bedrock([(-100.5, 80.5), (30.5, 61.5)])
    samples, updated = build_samples(table, GRID, cube(), ["t", "p"])
    alone, _ = build_samples(table[~table["pseudo"]], GRID, cube(), ["t", "p"])
    assert samples["pseudo"].tolist() == [False] * 3 + [True] * 2
    pd.testing.assert_frame_equal(samples.iloc[:3], alone)
    assert samples["weight"].iloc[3:].tolist() == [1, 1]
    assert samples["value"].iloc[3:].tolist() == [2.5, 2.5]
    # A place of bedrock stands for its cell as well as a hole does.
    spread = samples["nugget"].iloc[0]
    assert samples["standard_error"].iloc[3] == pytest.approx(np.hypot(spread, 2.0))
    assert updated["pseudo"].tolist() == table["pseudo"].tolist()
    assert nugget(samples) == nugget(alone)


def test_a_pseudo_site_gives_way_to_a_borehole_of_its_cell() -> None:
    samples, updated = build_samples(
        with_bedrock([(30.9, 60.9), (100.5, 70.5)]), GRID, cube(), ["t", "p"]
    )
    assert samples["pseudo"].tolist() == [False] * 3 + [True]
    assert updated["reason"].tolist()[4:] == ["a borehole stands in its cell", ""]
    assert updated["used"].tolist()[4:] == [False, True]


def test_pseudo_sites_alone_are_no_samples() -> None:
    table = with_bedrock([(30.9, 70.9)]).assign(used=[False] * 4 + [True])
    with pytest.raises(IcemapError, match="No site can be used"):
        build_samples(table, GRID, cube(), ["t", "p"])


def test_without_errors_of_boreholes_pseudo_sites_have_none() -> None:
    table = with_bedrock([(100.5, 70.5)])
    table.loc[~table["pseudo"], "standard_error"] = np.nan
    samples, _ = build_samples(table, GRID, cube(), ["t", "p"])
    assert samples["standard_error"].isna().all()


def test_exchanged_coordinates_are_told_by_where_places_have_predictors() -> None:
    # Sea where longitudes are from 60 to 70 and latitudes above 75, as are the places exchanged.
    sea = np.random.default_rng(2).normal(size=GRID.shape)
    sea[:15, 240:251] = np.nan
    lon, lat = [76.5, 77.5, 78.5, 79.5, 81.5], [60.5, 62.5, 64.5, 66.5, 68.5]
    data = cube(t=sea)
    assert build_samples(sites(lon, lat), GRID, data, ["t", "p"])[1]["used"].all()
    with pytest.raises(IcemapError, match=r"Of 5 boreholes 4 are outside .* exchanged 5 would"):
        build_samples(sites(lat, lon), GRID, data, ["t", "p"])


def test_places_that_are_outside_either_way_are_left_out_one_by_one() -> None:
    lon, lat = [-150.5, -149.5, -148.5, -147.5, -146.5, 10.5], [40.5, 41.5, 42.5, 43.5, 44.5, 60.5]
    updated = build_samples(sites(lon, lat), GRID, cube(), ["t", "p"])[1]
    assert updated["used"].tolist() == [False] * 5 + [True]
