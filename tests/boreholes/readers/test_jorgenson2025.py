"""The two soil tables are made here, column for column as the data set's EML describes them; the
real site table is read in test_real_tables.py.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.readers.jorgenson2025 import read_jorgenson2025

SITE = {
    "SiteIDYear": "S1-2010",
    "SiteID": "S1",
    "Date": "8/14/10 0:00",
    "Year": 2010,
    "LatWGS84": 65.5,
    "LonWGS84": -148.5,
    "SoilThawDep_cm": 60,
    "SoilPFrost": "p",
    "WaterStore_m": 0,
    "CarbWat_SumDepth": 0,
}
PHYSICAL = {
    "SampleIDFnl": "x",
    "SiteID": "S1",
    "SiteIDYear": "S1-2010",
    "Year": 2010,
    "DepthTop_cm": 60,
    "DepthBot_cm": 80,
    "SampleType": "Vol",
    "FrozenStatus": "Frozen",
    "DensDry_gcm3": 1.1,
    "Moist_wtpct": 45.0,
    "Moist_volpct": 49.5,
    "MoistCrsFrag_volpct": 49.5,
    "Ice_volpct": 53.955,
    "ExcessIcePct": 5,
    "DataQualPhys": "good",
}
STRATIGRAPHY = {
    "SiteLayerID": "x",
    "SiteIDYear": "S1-2010",
    "Year": 2010,
    "DepthTop_cm": 60,
    "DepthBot_cm": 150,
    "HrznFnl": "Cf",
    "HrznSpcl": "nd",
    "FrostStatus": "F",
    "IceVisPct": 30,
    "DataTypeLayer": "m",
    "DataTypePhys": "Meas",
    "MoistLyr_volpct": 55.0,
    "DensLyr_gcc": 1.0,
}


def write(folder: Path, name: str, plain: dict[str, object], *changes: dict[str, object]) -> None:
    pd.DataFrame([{**plain, **change} for change in changes]).to_csv(
        folder / f"tbl_{name}_2024.csv", index=False, encoding="cp1252"
    )


def test_physical_samples_join_their_site(tmp_path: Path) -> None:
    write(tmp_path, "Site", SITE, {})
    write(
        tmp_path,
        "Soil_Physical",
        PHYSICAL,
        {},
        {"DepthTop_cm": 80, "DepthBot_cm": 100, "Ice_volpct": 0, "MoistCrsFrag_volpct": 0},
    )
    layers = read_jorgenson2025(str(tmp_path)).layers
    assert layers[["lon", "lat", "permafrost_table", "top", "base"]].to_numpy().tolist() == [
        [-148.5, 65.5, 0.6, 0.6, 0.8],
        [-148.5, 65.5, 0.6, 0.8, 1.0],
    ]
    np.testing.assert_allclose(layers["reported_vic"], [0.53955, np.nan])
    np.testing.assert_allclose(layers["gravimetric_water"], 0.45)
    np.testing.assert_allclose(layers["dry_density"], 1.1)
    assert (layers["position_grade"] == "B").all()
    assert (layers["permafrost_table_source"] == "thaw_depth").all()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"SampleType": "Ave"}, "not a measurement"),
        ({"SampleType": "O18"}, "not a measurement"),
        ({"FrozenStatus": "Unfrozen"}, "unfrozen"),
        ({"DataQualPhys": "Outlier, volume too small"}, "data quality"),
    ],
)
def test_samples_that_are_no_frozen_measurement_lose_their_quantities(
    tmp_path: Path, change: dict[str, object], rule: str
) -> None:
    write(tmp_path, "Site", SITE, {})
    write(tmp_path, "Soil_Physical", PHYSICAL, change)
    records = read_jorgenson2025(str(tmp_path))
    assert (
        records.layers[["reported_vic", "volumetric_water", "gravimetric_water"]]
        .isna()
        .all(axis=None)
    )
    assert records.flags.loc[records.flags["excludes"], ["rule", "line"]].to_numpy().tolist() == [
        [rule, 2]
    ]


def test_sentinels_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "Site", SITE, {"SoilThawDep_cm": 999})
    write(
        tmp_path,
        "Soil_Physical",
        PHYSICAL,
        {"DepthBot_cm": 999, "DensDry_gcm3": 99, "Moist_wtpct": 9999, "ExcessIcePct": 0},
    )
    records = read_jorgenson2025(str(tmp_path))
    row = records.layers.iloc[0]
    assert row[["permafrost_table", "base", "dry_density", "gravimetric_water"]].isna().all()
    assert row["excess_ice"] == 0
    assert (
        records.flags["rule"] == "sentinel"
    ).sum() == 3 + 1 + 1 + 1  # thaw depth, water store and its depth; then three of the sample


def test_stratigraphy_holds_whole_profiles_and_replaces_samples(tmp_path: Path) -> None:
    write(tmp_path, "Site", SITE, {}, {"SiteIDYear": "S2-2010"})
    write(tmp_path, "Soil_Physical", PHYSICAL, {}, {"SiteIDYear": "S2-2010"})
    write(
        tmp_path,
        "Soil_Stratigraphy",
        STRATIGRAPHY,
        {},
        {
            "DepthTop_cm": 150,
            "DepthBot_cm": 250,
            "HrznFnl": "Wfm",
            "MoistLyr_volpct": 0,
            "DataTypePhys": "Ave",
        },
        {"DepthTop_cm": 250, "DepthBot_cm": 300, "DataTypeLayer": "el"},
        {"DepthTop_cm": 300, "DepthBot_cm": 350, "DataTypePhys": "Nearby"},
        {"DepthTop_cm": 0, "DepthBot_cm": 60, "FrostStatus": "U"},
    )
    records = read_jorgenson2025(str(tmp_path))
    first = records.layers[records.layers["site"] == "S1-2010"]
    np.testing.assert_allclose(first["volumetric_water"], [0.55, np.nan, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(first["visible_ice"], [0.3, 0.3, np.nan, np.nan, np.nan])
    assert first["ice_type"].tolist() == ["", "massive", "", "", ""]
    assert records.layers.loc[records.layers["site"] == "S2-2010", "method"].tolist() == ["vol"]
    assert records.flags.loc[records.flags["excludes"], "rule"].tolist() == [
        "extended",
        "substituted",
        "unfrozen",
        "superseded",
    ]


@pytest.mark.parametrize(
    ("change", "place", "rule"),
    [
        ({"LatWGS84": -143.62, "LonWGS84": 69.7}, (-143.62, 69.7), "swapped coordinates"),
        ({"LatWGS84": 64.73, "LonWGS84": 148.0}, (-148.0, 64.73), "sign of the longitude"),
    ],
)
def test_mistyped_coordinates_are_put_right_and_flagged(
    tmp_path: Path, change: dict[str, object], place: tuple[float, float], rule: str
) -> None:
    write(tmp_path, "Site", SITE, change)
    records = read_jorgenson2025(str(tmp_path))
    assert tuple(records.layers[["lon", "lat"]].iloc[0]) == place
    assert rule in records.flags["rule"].tolist()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"Date": "6/14/10 0:00"},
            "thaw depth not measured from August to October, not used as permafrost table",
        ),
        (
            {"Date": ""},
            "thaw depth not measured from August to October, not used as permafrost table",
        ),
        ({"SoilPFrost": "A"}, "thaw depth without permafrost, not used"),
    ],
)
def test_only_late_thaw_over_permafrost_is_a_permafrost_table(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    write(tmp_path, "Site", SITE, change)
    records = read_jorgenson2025(str(tmp_path))
    assert np.isnan(records.layers["permafrost_table"][0])
    assert reason in records.flags["reason"].tolist()


def test_an_unknown_site_is_flagged_and_has_no_place(tmp_path: Path) -> None:
    write(tmp_path, "Site", SITE, {})
    write(tmp_path, "Soil_Physical", PHYSICAL, {"SiteIDYear": "elsewhere"})
    records = read_jorgenson2025(str(tmp_path))
    assert records.layers.loc[records.layers["site"] == "elsewhere", "lon"].isna().all()
    assert "site not known" in records.flags["rule"].tolist()


def test_unreadable_cells_and_a_wrong_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"tbl_Site_2024\.csv"):
        read_jorgenson2025(str(tmp_path))
    write(tmp_path, "Site", SITE, {"SoilThawDep_cm": "knee-deep"}, {"LonWGS84": "west"})
    with pytest.raises(
        IcemapError,
        match=(
            r"2 bad rows: LonWGS84 is not a coordinate: 'west' \(line 3\); SoilThawDep_cm is not a"
            r" number: 'knee-deep' \(line 2\)"
        ),
    ):
        read_jorgenson2025(str(tmp_path))


@pytest.mark.parametrize("code", [999, 9999])
@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("DepthTop_cm", "top"),
        ("DepthBot_cm", "base"),
        ("MoistLyr_volpct", "volumetric_water"),
        ("IceVisPct", "visible_ice"),
    ],
)
def test_codes_of_the_stratigraphy_are_missing_and_flagged(
    tmp_path: Path, code: int, column: str, found: str
) -> None:
    write(tmp_path, "Site", SITE, {})
    write(tmp_path, "Soil_Physical", PHYSICAL, {})
    write(tmp_path, "Soil_Stratigraphy", STRATIGRAPHY, {column: code})
    records = read_jorgenson2025(str(tmp_path))
    assert np.isnan(records.layers[found].iloc[0])
    # Two are of the tables as they are.
    assert (records.flags["rule"] == "sentinel").sum() == 2 + 1
