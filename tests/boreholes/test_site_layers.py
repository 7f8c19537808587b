import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.permafrost_table import TABLE_ERROR
from icemap.boreholes.records import COLUMNS, NUMBERS
from icemap.boreholes.site_layers import ERROR_PARTS, Window, convert_layers, sites_from_layers
from icemap.boreholes.window import LAYER_SPREAD
from icemap.config_sections import TargetConfig

NO_TABLE = (
    "no permafrost table: none given, no thaw site within 1 km, and nothing says that a layer was"
    " frozen"
)
NO_THAW_SITES = pd.DataFrame({"lon": [], "lat": [], "active_layer": []}, dtype=float)
ALL_GRADES = Window(thickness=5.0, grades=("A", "B", "C", "D"), cell_km=1.0)
GOOD = Window(thickness=5.0, grades=("A", "B", "C"), cell_km=1.0)


def table(*rows: dict[str, object]) -> pd.DataFrame:
    plain: dict[str, object] = {name: np.nan if name in NUMBERS else "" for name in COLUMNS}
    plain |= {
        "site": "a",
        "lon": -148.5,
        "lat": 65.5,
        "position_grade": "A",
        "permafrost_table": 0.5,
        "permafrost_table_source": "reported",
        "source": "x",
    }
    layers = pd.DataFrame([{**plain, "line": i + 2, **row} for i, row in enumerate(rows)])
    return layers.assign(reader="icemap", borehole=pd.factorize(layers["site"])[0], file="t.csv")


def sites(
    *rows: dict[str, object],
    window: Window = ALL_GRADES,
    thaw: pd.DataFrame = NO_THAW_SITES,
    target: TargetConfig | None = None,
) -> pd.DataFrame:
    layers, _ = convert_layers(table(*rows))
    return sites_from_layers(layers, thaw, window, target or TargetConfig())


def test_flags_exclude_layers_and_delete_none() -> None:
    rows = [
        {"top": 0.0, "base": 1.0, "reported_vic": 0.4},
        {"top": 2.0, "base": 1.0, "reported_vic": 0.4},
        {"top": 2.0, "base": 3.0, "reported_vic": 1.4},
        {"top": 3.0, "base": 4.0, "gravimetric_water": 25.0, "dry_density": 0.02},
        {"top": 4.0, "base": 5.0, "gravimetric_water": 0.4, "dry_density": 2.7},
        {"top": 5.0, "base": 6.0, "reported_vic": 0.9, "dry_density": 1.5},
        {"top": 6.0, "base": 7.0, "visible_ice": 0.3},
        {"top": 6.5, "base": 8.0, "reported_vic": 0.3},
    ]
    layers, flags = convert_layers(table(*rows))
    assert len(layers) == len(rows)
    assert layers["vic"].notna().tolist() == [True, False, False, False, False, False, False, True]
    found = {line: rule for line, rule in zip(flags["line"], flags["rule"]) if rule != "overlap"}
    assert found == {
        3: "depths",
        4: "fractions",
        5: "gravimetric water",
        6: "density",
        7: "solids",
        8: "no VIC",
    }
    assert flags.loc[flags["rule"] == "overlap", "line"].tolist() == [9]
    assert flags["excludes"].tolist() == (flags["rule"] != "overlap").tolist()
    assert (layers["vic_reason"] != "").tolist() == layers["vic"].isna().tolist()


def test_one_borehole_becomes_one_site() -> None:
    made = sites(
        {"top": 0.0, "base": 1.0, "reported_vic": 0.2},
        {"top": 1.0, "base": 3.0, "reported_vic": 0.6},
        {"top": 3.0, "base": 5.0, "reported_vic": 0.4},
    )
    assert len(made) == 1
    row = made.iloc[0]
    assert row["value"] == pytest.approx((0.5 * 20 + 2 * 60 + 2 * 40) / 4.5)
    assert row["coverage"] == pytest.approx(0.9)
    assert (row["grade"], row["used"], row["reason"], row["permafrost_table_source"]) == (
        "A",
        True,
        "",
        "reported",
    )


def test_the_best_source_of_the_permafrost_table_counts() -> None:
    layer = {"top": 0.0, "base": 6.0, "reported_vic": 0.5}
    made = sites(
        layer | {"permafrost_table": 2.0, "permafrost_table_source": "mapped"},
        layer | {"permafrost_table": 0.9, "permafrost_table_source": "active_layer"},
        layer | {"permafrost_table": 0.7, "permafrost_table_source": "active_layer"},
    )
    assert made["permafrost_table"][0] == pytest.approx(0.8)
    assert made["permafrost_table_source"][0] == "active_layer"


def test_neighbours_within_a_kilometre_lend_their_permafrost_table() -> None:
    layer = {
        "top": 0.0,
        "base": 6.0,
        "reported_vic": 0.5,
        "permafrost_table": np.nan,
        "permafrost_table_source": "",
    }
    thaw = pd.DataFrame(
        {"lon": [-148.5, -148.5], "lat": [65.508, 65.52], "active_layer": [0.7, 0.9]}
    )
    near = sites(layer, thaw=thaw)
    assert near[["permafrost_table", "permafrost_table_source", "used"]].iloc[0].tolist() == [
        0.7,
        "neighbour",
        True,
    ]
    far = sites(layer | {"reported_vic": np.nan, "volumetric_water": 0.5}, thaw=thaw.iloc[[1]])
    assert far["reason"][0] == NO_TABLE
    layer |= {"reported_vic": np.nan, "volumetric_water": 0.5}
    own = {
        "site": "b",
        "lat": 65.504,
        "reported_vic": 0.8,
        "top": 0.0,
        "base": 6.0,
        "permafrost_table": 0.6,
    }
    between = sites(layer, own | {"permafrost_table_source": "thaw_depth"})
    assert between["permafrost_table_source"].tolist() == ["neighbour", "thaw_depth"]
    assert sites(layer, own | {"permafrost_table_source": "neighbour"})[
        "permafrost_table_source"
    ].tolist() == ["", "neighbour"]


def test_a_mapped_permafrost_table_is_grade_d() -> None:
    layer = {"top": 0.0, "base": 6.0, "reported_vic": 0.5, "permafrost_table_source": "mapped"}
    assert sites(layer)["grade"][0] == "D"
    assert sites(layer, window=GOOD)["reason"][0] == "grade D: permafrost table from a map"


def test_wedge_ice_is_added_at_the_site() -> None:
    made = sites({"top": 0.0, "base": 6.0, "reported_vic": 0.5, "wedge_ice": 0.2})
    assert made["value"][0] == pytest.approx(100 * (0.2 + 0.8 * 0.5))


def test_impossible_wedge_ice_is_left_out() -> None:
    layer = {"top": 0.0, "base": 3.0, "reported_vic": 0.5, "wedge_ice": 1.4}
    made = sites(layer, layer | {"top": 3.0, "base": 6.0, "wedge_ice": 0.2})
    assert made["value"][0] == pytest.approx(60)
    assert made["coverage"][0] == pytest.approx(0.5)


def test_the_standard_error_adds_measurement_coverage_and_position() -> None:
    layer = {"top": 0.5, "base": 5.5, "reported_vic": 0.5}
    parts = ["standard_error", *ERROR_PARTS]
    exact = sites(layer)[parts].iloc[0]
    vague = sites(layer | {"position_grade": "B"})[parts].iloc[0]
    half = sites(layer | {"base": 3.0})[parts].iloc[0]
    by_table = np.sqrt(2) * LAYER_SPREAD * TABLE_ERROR["reported"] / 5
    assert exact.tolist() == pytest.approx([np.hypot(5.0, by_table), 5.0, 0.0, by_table, 0.0])
    assert vague["standard_error"] == pytest.approx(np.hypot(exact["standard_error"], 2.0))
    assert half["unsampled_error"] == pytest.approx(7.5)
    for site in (exact, vague, half):
        assert site["standard_error"] == pytest.approx(
            np.sqrt((site[list(ERROR_PARTS)] ** 2).sum())
        )


def test_the_measurement_error_of_a_site_is_that_of_its_ways_of_measuring() -> None:
    """From the layers into the site: the eye is worse than the laboratory."""
    lab = {"top": 0.5, "base": 5.5, "gravimetric_water": 0.3, "frozen_bulk_density": 1.7}
    eye = {"top": 0.5, "base": 5.5, "visible_ice": 0.2, "matrix_vic": 0.3}
    found = [sites(layer)["measurement_error"][0] for layer in (lab, eye)]
    assert found == pytest.approx([5.0, 10.0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lon": np.nan}, "no coordinates"),
        ({"lon": 65.5, "lat": -148.5}, "longitude and latitude are swapped"),
        ({"position_grade": "D"}, "position coarser than the grid"),
        ({"top": np.nan, "base": np.nan, "reported_vic": np.nan}, "no layer was measured"),
        (
            {"reported_vic": np.nan, "excess_ice": 0.3},
            "excess ice alone is not VIC: porosity is missing",
        ),
        ({"reported_vic": 3.0}, "VIC outside 0-100 %"),
        (
            {
                "permafrost_table": np.nan,
                "permafrost_table_source": "",
                "reported_vic": np.nan,
                "volumetric_water": 0.4,
            },
            NO_TABLE,
        ),
        (
            {"permafrost_table": np.nan, "permafrost_table_source": "", "top": 5.5},
            (
                "frozen ground was only met below 5 m: the permafrost table is somewhere above, and"
                " the samples may be below its window"
            ),
        ),
        ({"frozen": "no"}, "unfrozen when sampled"),
        ({"permafrost_table": 7.0}, "no layer in the 5 m below the permafrost table"),
        ({"top": 4.0}, "grade D: too little of the 5 m below the permafrost table is covered"),
        ({}, ""),
    ],
)
def test_every_site_that_is_not_used_says_why(change: dict[str, object], reason: str) -> None:
    made = sites({"top": 0.0, "base": 6.0, "reported_vic": 0.5} | change, window=GOOD)
    assert made["reason"].tolist() == [reason]
    assert made["used"].tolist() == [reason == ""]


def test_duplicates_are_not_used_twice() -> None:
    layer = {"top": 0.0, "base": 6.0, "reported_vic": 0.5}
    made = sites(
        layer,
        layer | {"site": "b"},
        layer | {"site": "c", "lat": 65.5003, "reported_vic": 0.51},
        layer | {"site": "d", "lat": 65.6},
    )
    assert made["reason"].tolist() == [
        "",
        "duplicate: same coordinates and value as an earlier site",
        "duplicate: within 50 m and 2 % VIC of an earlier site",
        "",
    ]


def test_the_target_may_be_a_fraction_but_no_length() -> None:
    layer = {"top": 0.5, "base": 5.5, "reported_vic": 0.5}
    made = sites(layer, target=TargetConfig(unit="fraction", bounds=(0, 1)))
    assert made[["value", "standard_error"]].iloc[0].tolist() == pytest.approx(
        [0.5, 0.0501797], rel=1e-5
    )
    with pytest.raises(IcemapError, match="target alt is in 'cm'"):
        sites(layer, target=TargetConfig(name="alt", unit="cm", bounds=None))


def test_a_site_without_layers_in_the_window_has_no_grade() -> None:
    assert sites({"top": 0.0, "base": 6.0, "reported_vic": 0.5})["grade"].tolist() == ["A"]
    below = {"top": 0.0, "base": 6.0, "reported_vic": 0.5, "permafrost_table": 7.0}
    assert sites(below)["grade"].tolist() == [""]
    assert sites(below)["position_error"].isna().all()
