import numpy as np
import pandas as pd
import pytest

from icemap.boreholes.layer_vic import layer_vic
from icemap.boreholes.records import QUANTITIES


def layers(**columns: object) -> pd.DataFrame:
    n = max(len(np.atleast_1d(np.asarray(value, dtype=object))) for value in columns.values())
    frame = pd.DataFrame({name: np.full(n, np.nan) for name in QUANTITIES}).assign(ice_type="")
    return frame.assign(**columns)


def test_the_best_measurement_of_a_layer_decides() -> None:
    table = layers(
        gravimetric_water=[0.4, 0.4, 0.4, np.nan, np.nan, np.nan, np.nan, 0.4],
        dry_density=[1.3, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 1.3],
        frozen_bulk_density=[np.nan, 1.82, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan],
        excess_ice=[np.nan, np.nan, np.nan, 0.3, 0.3, np.nan, np.nan, np.nan],
        porosity=[np.nan, np.nan, np.nan, 0.45, np.nan, np.nan, np.nan, np.nan],
        visible_ice=[np.nan, np.nan, np.nan, np.nan, np.nan, 0.2, np.nan, np.nan],
        reported_vic=[np.nan] * 7 + [0.7],
        ice_type=["", "", "", "", "", "", "massive", ""],
    )
    result = layer_vic(table)
    assert result["vic_from"].tolist() == [
        "gravimetric water and dry density",
        "gravimetric water and frozen bulk density",
        "saturated gravimetric water",
        "excess ice and porosity",
        "",
        "",
        "massive ice",
        "reported VIC",
    ]
    np.testing.assert_allclose(
        result["vic"], [56.7067, 56.7067, 53.6184, 63.0, np.nan, np.nan, 100, 70], atol=0.01
    )
    assert result["vic_reason"][4] == "excess ice alone is not VIC: porosity is missing"
    assert result["vic_reason"][5] == "visible ice alone is not VIC: the VIC between is missing"
    assert result["vic_reason"][[0, 1, 2, 3, 6, 7]].eq("").all()


def test_unfrozen_water_is_taken_out_of_water_but_not_out_of_reported_ice() -> None:
    table = layers(
        volumetric_water=[0.4585, np.nan],
        reported_vic=[np.nan, 0.5],
        unfrozen_water=[0.0917, 0.0917],
    )
    np.testing.assert_allclose(layer_vic(table)["vic"], [40.0, 50.0])


def test_unfrozen_water_is_taken_out_of_every_ice_that_is_found_from_water() -> None:
    """Of excess ice and porosity, too: the pores hold water that does not freeze."""
    given = {
        "gravimetric water and dry density": {"gravimetric_water": 0.3, "dry_density": 1.3},
        "gravimetric water and frozen bulk density": {
            "gravimetric_water": 0.3,
            "frozen_bulk_density": 1.7,
        },
        "volumetric water": {"volumetric_water": 0.4},
        "excess ice and porosity": {"excess_ice": 0.2, "porosity": 0.4},
        "saturated gravimetric water": {"gravimetric_water": 0.3},
    }
    for way, columns in given.items():
        wet = layer_vic(layers(**{name: [value] for name, value in columns.items()}))
        held = layer_vic(
            layers(
                **{name: [value] for name, value in columns.items()}, unfrozen_water=[0.05 * 0.917]
            )
        )
        assert wet["vic_from"].tolist() == held["vic_from"].tolist() == [way]
        assert wet["vic"][0] - held["vic"][0] == pytest.approx(5.0), way


def test_the_error_of_a_layer_is_that_of_the_way_it_was_found() -> None:
    table = layers(
        reported_vic=[0.5, np.nan, np.nan],
        gravimetric_water=[np.nan, 0.3, np.nan],
        visible_ice=[np.nan, np.nan, 0.2],
        matrix_vic=[np.nan, np.nan, 0.3],
    )
    found = layer_vic(table)
    assert found["vic_error"].tolist() == [5.0, 10.0, 10.0]
    assert layer_vic(layers(ice_type=["massive"]))["vic_error"].tolist() == [3.0]


def test_bedrock_counts_with_its_fractures_and_impossible_layers_say_so() -> None:
    table = layers(
        ice_type=["bedrock", "bedrock", ""],
        reported_vic=[np.nan, 0.04, np.nan],
        gravimetric_water=[np.nan, np.nan, 3.0],
        dry_density=[np.nan, np.nan, 1.5],
    )
    result = layer_vic(table)
    np.testing.assert_allclose(result["vic"], [2.5, 4.0, np.nan])
    assert result["vic_reason"][2] == "impossible VIC from gravimetric water and dry density"
