import numpy as np
import pandas as pd
import pytest

from icemap.boreholes.permafrost_table import FROZEN_ONLY, frozen_ground
from icemap.boreholes.records import COLUMNS, NUMBERS
from icemap.boreholes.site_layers import Window, convert_layers, sites_from_layers
from icemap.config_sections import TargetConfig

NOWHERE = pd.DataFrame({"lon": [], "lat": [], "active_layer": []}, dtype=float)
PLAIN = {name: np.nan if name in NUMBERS else "" for name in COLUMNS} | {
    "site": "a",
    "lon": -148.5,
    "lat": 65.5,
    "position_grade": "A",
    "source": "x",
}
CORE = {"gravimetric_water": 0.4, "frozen_bulk_density": 1.7, "support": "samples"}


def table(*rows: dict[str, object]) -> pd.DataFrame:
    layers = pd.DataFrame([{**PLAIN, "line": i + 2, **row} for i, row in enumerate(rows)])
    return layers.assign(reader="icemap", borehole=pd.factorize(layers["site"])[0], file="t.csv")


def sites(*rows: dict[str, object], thaw: pd.DataFrame = NOWHERE) -> pd.DataFrame:
    return sites_from_layers(
        convert_layers(table(*rows))[0],
        thaw,
        Window(5.0, ("A", "B", "C", "D"), 1.0),
        TargetConfig(),
    )


def test_the_shallowest_frozen_sample_bounds_the_permafrost_table() -> None:
    row = sites(*({"top": 1.2 + 0.8 * i, "base": 1.3 + 0.8 * i} | CORE for i in range(6))).iloc[0]
    assert row[["permafrost_table", "permafrost_table_source", "grade", "used"]].tolist() == [
        1.2,
        "frozen_ground",
        "C",
        True,
    ]
    assert row["coverage"] > 0.8
    assert row["permafrost_table_error"] == pytest.approx(np.hypot(1.2 / np.sqrt(12), 0.5))


@pytest.mark.parametrize(
    ("source", "error"),
    [("reported", 0.1), ("thaw_depth", 0.15), ("active_layer", 0.2), ("mapped", 0.6)],
)
def test_any_other_source_is_kept_with_its_own_error(source: str, error: float) -> None:
    row = sites(
        {"top": 1.2, "base": 1.3, "permafrost_table": 0.6, "permafrost_table_source": source} | CORE
    ).iloc[0]
    assert row[
        ["permafrost_table", "permafrost_table_source", "permafrost_table_error"]
    ].tolist() == [0.6, source, error]


def test_a_thaw_site_nearby_is_better_than_a_bound() -> None:
    near = pd.DataFrame({"lon": [-148.5], "lat": [65.501], "active_layer": [0.7]})
    assert sites({"top": 1.2, "base": 1.3} | CORE, thaw=near)[
        "permafrost_table_source"
    ].tolist() == ["neighbour"]


@pytest.mark.parametrize(
    ("evidence", "bounds"),
    [
        ({"frozen_bulk_density": 1.7}, True),
        ({"excess_ice": 0.2}, True),
        ({"excess_ice": 0.0}, False),
        ({"visible_ice": 0.1}, True),
        ({"ice_type": "massive"}, True),
        ({"gravimetric_water": 0.4, "dry_density": 1.3}, False),
        ({"volumetric_water": 0.4}, False),
        ({"volumetric_water": 0.4, "frozen": "yes"}, True),
        ({"frozen_bulk_density": 1.7, "frozen": "no"}, False),
    ],
)
def test_only_what_is_frozen_bounds_it(evidence: dict[str, object], bounds: bool) -> None:
    layers = table({"top": 1.0, "base": 2.0} | evidence)
    assert frozen_ground(layers).tolist() == ([1.0] if bounds else [])


def test_frost_of_the_season_above_a_talik_is_no_permafrost() -> None:
    layers = table(
        {"top": 0, "base": 0.8, "frozen": "yes"},
        {"top": 0.8, "base": 2.0, "frozen": "no"},
        {"top": 2.0, "base": 9.0, "frozen": "yes"},
    )
    assert frozen_ground(layers).tolist() == [2.0]
    upside = layers.iloc[::-1]
    assert frozen_ground(upside).tolist() == [2.0]
    assert frozen_ground(table({"top": -9999, "base": 0.8, "frozen": "yes"})).empty


def test_a_bound_deeper_than_the_window_is_no_place_for_it() -> None:
    row = sites({"top": 5.2, "base": 5.4} | CORE).iloc[0]
    assert not row["used"]
    assert (
        row["reason"]
        == "frozen ground was only met below 5 m: the permafrost table is somewhere above, and the"
        " samples may be below its window"
    )


def test_a_deep_bound_makes_the_error_larger() -> None:
    near, far = (
        sites({"top": top, "base": top + 0.1} | CORE)["table_error"][0] for top in (0.8, 4.0)
    )
    assert far > 1.5 * near


def test_what_is_only_measured_in_frozen_ground_is_in_the_schema() -> None:
    assert set(FROZEN_ONLY) <= set(COLUMNS)
