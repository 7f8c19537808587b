import numpy as np
import pandas as pd
import pytest

from icemap.boreholes import quality
from icemap.boreholes.records import QUANTITIES


def layers(**columns: list[float]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    empty = {name: np.full(n, np.nan) for name in ("top", "base", "vic", *QUANTITIES)}
    return pd.DataFrame({**empty, "borehole": np.zeros(n, dtype=int), **columns})


def sites(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    plain = {
        "site": [f"s{i}" for i in range(n)],
        "source": "x",
        "position_grade": "A",
        "lon": 10.0,
        "lat": 60.0,
        "value": 50.0,
    }
    return pd.DataFrame(
        {
            **{
                name: [value] * n if not isinstance(value, list) else value
                for name, value in plain.items()
            },
            **columns,
        }
    )


def test_depths() -> None:
    table = layers(
        top=[0.0, 2.0, -1.0, np.nan, 1.0, 0.0, 2000.0],
        base=[1.0, 1.0, 1.0, 2.0, 1.0, 9000.0, 2000.0],
    )
    assert quality.check_depths(table).tolist() == [
        "",
        "inverted: base above top",
        "depth above the ground surface",
        "no depths",
        "",
        "deeper than 2000 m",
        "",
    ]


def test_overlap_is_found_within_a_borehole_whatever_the_order_of_rows() -> None:
    table = layers(top=[3.0, 0.0, 1.0, 0.5], base=[4.0, 3.5, 2.0, 1.0])
    table["borehole"] = [0, 0, 0, 1]
    assert (quality.check_overlap(table) != "").tolist() == [True, False, True, False]


def test_touching_layers_do_not_overlap() -> None:
    table = layers(top=[0.0, 0.1 + 0.2], base=[0.3, 1.0])
    assert (quality.check_overlap(table) == "").all()


@pytest.mark.parametrize(
    ("rule", "column", "good", "bad"),
    [
        (quality.check_water, "gravimetric_water", 19.9, 20.1),
        (quality.check_water, "gravimetric_water", 0.0, -0.1),
        (quality.check_density, "dry_density", 2.59, 2.61),
        (quality.check_density, "dry_density", 0.1, 0.0),
        (quality.check_density, "frozen_bulk_density", 2.6, 2.7),
        (quality.check_fractions, "reported_vic", 1.0, 1.01),
        (quality.check_fractions, "porosity", 0.0, -0.01),
        (quality.check_fractions, "wedge_ice", 1.0, 1.5),
    ],
)
def test_thresholds_of_single_values(
    rule: quality.Rule, column: str, good: float, bad: float
) -> None:
    table = layers(**{column: [good, bad, np.nan]})
    assert (rule(table) != "").tolist() == [False, True, False]


def test_solids_and_ice_share_one_volume() -> None:
    # 0.57 + 1.20 / 2.65 = 1.023 is within 1.03; 0.57 + 1.25 / 2.65 = 1.042 is not.
    table = layers(vic=[57.0, 57.0, 57.0], dry_density=[1.20, 1.25, np.nan])
    assert (quality.check_solids(table) != "").tolist() == [False, True, False]


def test_coordinates() -> None:
    table = sites(
        lon=[10.0, np.nan, 200.0, 69.7, 0.0, -180.0], lat=[60.0, 60.0, 60.0, -143.6, 0.0, 90.0]
    )
    assert quality.check_coordinates(table).tolist() == [
        "",
        "no coordinates",
        "impossible coordinates",
        "longitude and latitude are swapped",
        "no coordinates (0, 0)",
        "",
    ]


def test_position_must_suit_the_grid() -> None:
    table = sites(position_grade=["A", "B", "C", "D", ""])
    assert (quality.check_position(table, 1.0) != "").tolist() == [False, False, True, True, False]
    assert (quality.check_position(table, 20.0) != "").tolist() == [
        False,
        False,
        False,
        False,
        False,
    ]


def test_same_site_of_the_same_source() -> None:
    table = sites(site=["A1", "a1 ", "A1", "A2"], source=["x", "x", "y", "x"])
    assert (quality.check_same_id(table) != "").tolist() == [False, True, False, False]
    # One name at two places is two sites; the second of each place is a copy.
    table = sites(site=["1"] * 4, source=[""] * 4, lon=[10.0, 150.0, 10.001, 150.0], lat=[60.0] * 4)
    assert (quality.check_same_id(table) != "").tolist() == [False, False, True, True]


def test_identical_places_and_values() -> None:
    table = sites(lon=[10.0, 10.00001, 10.0, np.nan, np.nan], value=[50.0, 50.0, 51.0, 50.0, 50.0])
    assert (quality.check_identical(table) != "").tolist() == [False, True, False, False, False]


def test_close_places_and_values() -> None:
    # 0.0004 degrees of latitude are 44 m, 0.0005 degrees 56 m.
    table = sites(lat=[60.0, 60.0004, 60.0005, 60.0004], value=[50.0, 51.0, 50.5, 53.5])
    reasons = quality.check_close(table.iloc[[0, 1]])
    assert reasons.tolist()[0] == ""
    assert "within 50 m and 2 % VIC" in reasons.tolist()[1]
    assert (quality.check_close(table.iloc[[0, 2]]) == "").all()
    assert (quality.check_close(table.iloc[[0, 3]]) == "").all()
    assert (quality.check_close(table.assign(position_grade="B")) == "").all()


def wet(**columns: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"gravimetric_water": np.nan, "dry_density": np.nan, "frozen_bulk_density": np.nan}
            | columns
        ]
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"gravimetric_water": 23.22, "frozen_bulk_density": 0.9211},
            "",
        ),  # peat of a published table
        ({"gravimetric_water": 23.22, "dry_density": 0.9211 / 24.22}, ""),
        ({"gravimetric_water": 19.9}, ""),
        (
            {"gravimetric_water": 23.22},
            "gravimetric water above 2000 % without a density to confirm it",
        ),
        (
            {"gravimetric_water": 25.0, "frozen_bulk_density": 1.8},
            "does not go with its density",
        ),  # 25 % taken for a fraction
        ({"gravimetric_water": 25.0, "dry_density": 0.002}, "does not go with its density"),
        ({"gravimetric_water": 30.1, "frozen_bulk_density": 0.92}, "outside 0-3000 %"),
        ({"gravimetric_water": -0.1}, "outside 0-3000 %"),
    ],
)
def test_very_wet_peat_is_believed_where_its_density_says_so(
    columns: dict[str, float], words: str
) -> None:
    (reason,) = quality.check_water(wet(**columns))
    assert (words in reason) if words else reason == ""


def test_water_and_density_that_overfill_the_volume_are_told_and_doubted() -> None:
    layers = wet(gravimetric_water=0.25, frozen_bulk_density=2.4)
    assert quality.filled_volume(layers)[0] == pytest.approx(2.4 / 1.25 * (0.25 / 0.917 + 1 / 2.65))
    assert (
        quality.check_filled(layers)[0]
        == "water and density do not go together: ice and solids would fill more than 103 % of the"
        " volume"
    )
    assert quality.check_filled(wet(gravimetric_water=0.25, frozen_bulk_density=1.9))[0] == ""


def test_places_that_are_rounded_are_no_evidence_of_one_hole() -> None:
    sites = pd.DataFrame(
        {"lon": [-122.125] * 2, "lat": [62.33] * 2, "value": [50.0, 50.5], "position_grade": ""}
    )
    assert (quality.check_close(sites) != "").tolist() == [False, True]
    assert (quality.check_close(sites.assign(position_km=0.079)) != "").tolist() == [False, False]
    assert (quality.check_close(sites.assign(position_km=0.008)) != "").tolist() == [False, True]


def test_one_name_far_apart_is_two_sites() -> None:
    table = sites(
        site=["BH1", "BH1", "bh1 ", "BH1"],
        lon=[100.0, -150.0, 100.001, -150.0],
        lat=[70.0, 68.0, 70.0, 68.0],
    )
    assert (quality.check_same_id(table) != "").tolist() == [False, False, True, True]


def test_rows_that_sum_up_others_are_no_sites() -> None:
    names = ["Mean", "TOTAL:", "Std. dev", "std_dev", "Meander", "Sumdum", "1"]
    found = quality.check_summary(pd.DataFrame({"site": names})).ne("")
    assert found.tolist() == [True, True, False, True, False, False, False]


def test_a_density_in_another_unit_is_no_ground() -> None:
    layers = pd.DataFrame({"dry_density": [0.0014, 0.05], "frozen_bulk_density": np.nan})
    assert quality.check_density(layers).tolist() == ["density below 0.01 g/cm3", ""]


def test_rows_with_the_depths_of_an_earlier_one_are_told_apart_from_overlaps() -> None:
    table = pd.DataFrame(
        {
            "borehole": [0, 0, 0, 0, 1],
            "top": [0.0, 0.0, 0.0, 0.5, 0.0],
            "base": [1.0, 1.0, 1.0, 2.0, 1.0],
            "vic": [60.0, 10.0, 60.0, 30.0, 60.0],
        }
    )
    assert quality.check_overlap(table).tolist() == [
        "",
        "has the depths of an earlier row: their mean counts",
        "has the depths and the ice of an earlier row: their mean counts",
        "overlaps the layer above it",
        "",
    ]
