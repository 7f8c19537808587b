"""Real tables, with the counts that their own documentation gives. They are read where they are and
never copied.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.boreholes.ice_content import (
    from_excess_ice,
    from_visible_ice,
    from_volumetric_water,
)
from icemap.boreholes.layer_vic import layer_vic
from icemap.boreholes.quality import check_coordinates
from icemap.boreholes.readers import READERS
from icemap.boreholes.readers.calm import read_calm
from icemap.boreholes.site_values import read_site_values
from icemap.boreholes.sites import read_layer_sites
from icemap.config_sections import TargetConfig

REAL = Path(__file__).parents[2] / "../shared/realcase"
JORGENSON = REAL / "boreholes/jorgenson2025_alaska"
CASTAGNER = REAL / "boreholes/castagner2022_excess_ice"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real tables is not here")


def test_the_site_table_of_alaska() -> None:
    """3,412 sites (EML abstract); 1,408 thaw depths over permafrost, 64 + 18 water stores, swapped
    and unsigned coordinates (as counted in the file).
    """
    records = READERS["jorgenson2025"](str(JORGENSON))
    layers, flags = records.layers, records.flags
    assert len(layers) == layers["site"].nunique() == 3412
    thaw = (
        flags["reason"]
        == "thaw depth not measured from August to October, not used as permafrost table"
    )
    assert layers["permafrost_table"].notna().sum() + thaw.sum() == 1408
    assert (flags["rule"] == "swapped coordinates").sum() == 2
    assert (flags["rule"] == "sign of the longitude").sum() == 10
    places = check_coordinates(layers)
    assert places[places != ""].tolist() == ["no coordinates"] * 8
    assert layers["lat"].min() == pytest.approx(58.67)
    assert layers["lat"].max() == pytest.approx(83.09)
    assert layers["lon"].max() < -50
    assert (
        not layers[["permafrost_table", "base", "volumetric_water"]]
        .isin([99, 999, 9999, 99.99, 9.99])
        .any(axis=None)
    )


def test_the_water_stores_of_alaska_give_the_published_ice_contents() -> None:
    """37 permafrost sites with the water of 0-2 m; a table made from them multiplies by 1.09 where
    the densities give 1 / 0.917.
    """
    published = pd.read_csv(REAL / "boreholes/points_vic_jorgenson.csv")
    assert (len(published), published["vic_equiv"].notna().sum()) == (64, 37)
    layers = READERS["jorgenson2025"](str(JORGENSON)).layers
    layers = layers[layers["volumetric_water"].notna()].set_index("site")
    two_metres = layers[layers["base"] == 2]
    vic = layer_vic(two_metres)["vic"].reindex(published["point_id"]).to_numpy() / 100
    np.testing.assert_array_equal(np.isnan(vic), published["vic_equiv"].isna())
    np.testing.assert_allclose(
        vic,
        from_volumetric_water(published["vwc_0_2m"].where(published["vic_equiv"].notna())),
        rtol=1e-9,
    )
    np.testing.assert_allclose(vic, published["vic_equiv"], rtol=0.001)


def test_the_logs_and_samples_of_the_tuktoyaktuk_coastlands() -> None:
    """354 samples of 15 boreholes; 1,483 icy intervals; 566 boreholes were logged, of which 350 met
    icy sediment.
    """
    records = READERS["castagner2022"](str(CASTAGNER))
    layers = records.layers
    samples, log = layers[layers["method"] == "thaw test"], layers[layers["method"] == "log"]
    assert (len(samples), samples["site"].nunique()) == (354, 15)
    assert (len(log), log["visible_ice"].notna().sum(), (log["ice_type"] == "massive").sum()) == (
        1852,
        1483,
        162,
    )
    assert log.loc[log["visible_ice"].notna(), "site"].nunique() == 350
    assert set(log["site"]) <= set(pd.read_csv(CASTAGNER / "LandscapeTypes.csv")["Borehole ID"])
    assert (records.flags["rule"] == "unfrozen").sum() == 207
    published = pd.read_csv(CASTAGNER / "SentinelBHdata.csv")
    np.testing.assert_allclose(samples["excess_ice"], published["EI"], atol=5e-5)
    middles = pd.read_csv(CASTAGNER / "CryostratigraphyBHdata.csv")["Mid_VI"]
    np.testing.assert_allclose(np.sort(log["visible_ice"].dropna()), np.sort(middles / 100))


def test_ice_contents_of_real_samples_stay_physical() -> None:
    layers = READERS["castagner2022"](str(CASTAGNER)).layers
    excess, visible = layers["excess_ice"].dropna(), layers["visible_ice"].dropna()
    for porosity in (0.0, 0.35, 0.6):
        vic = from_excess_ice(excess, porosity)
        assert np.all((vic >= excess - 1e-12) & (vic <= 1))
    np.testing.assert_allclose(from_excess_ice(excess, 0.0), excess)
    assert np.all(from_visible_ice(visible, 0.4) >= 0.4)


def test_real_layers_become_sites_or_reasons() -> None:
    sources = (
        LayerSource(reader="jorgenson2025", path=str(JORGENSON)),
        LayerSource(reader="castagner2022", path=str(CASTAGNER)),
    )
    calm = str(REAL / "points/points_alt.csv")
    strict = read_layer_sites(
        BoreholesConfig(layers=sources, permafrost_table=calm), TargetConfig(), 1.0
    )
    assert len(strict.sites) == 3412 + 374
    assert set(strict.sites.loc[strict.sites["used"], "grade"]) == {
        "D"
    }  # water stores reach 2 m, windows 5 m
    assert (strict.sites["used"] == (strict.sites["reason"] == "")).all()
    shallow = read_layer_sites(
        BoreholesConfig(layers=sources, permafrost_table=calm, thickness=1.0), TargetConfig(), 1.0
    ).sites
    used = shallow[shallow["used"]]
    assert len(used) == 34
    assert used["value"].between(13, 85).all()
    assert (used["reader"] == "jorgenson2025").all()


def test_active_layers_of_the_calm_network() -> None:
    """262 sites."""
    sites = read_calm(str(REAL / "points/points_alt.csv"))
    assert len(sites) == 262
    assert (sites["reason"] == "").all()
    assert sites["active_layer"].between(0.2, 12).all()


@pytest.mark.parametrize(
    ("name", "column", "unit", "rows"),
    [
        ("alt", "alt_cm", "cm", 262),
        ("magt", "magt_c", "degC", 460),
        ("pfthick", "pf_thick_m", "m", 659),
    ],
)
def test_tables_of_values(name: str, column: str, unit: str, rows: int) -> None:
    sites = read_site_values(
        SitesConfig(
            table=str(REAL / f"points/points_{name}.csv"), value=column, unit=unit, id="point_id"
        ),
        TargetConfig(unit=unit, bounds=None),
    )
    assert len(sites) == rows
    assert sites["used"].sum() >= rows - 1
    assert sites.loc[~sites["used"], "reason"].str.startswith("duplicate").all()
