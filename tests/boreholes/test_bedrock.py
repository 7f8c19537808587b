from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.borehole_sections import BedrockConfig
from icemap.boreholes.bedrock import (
    READER,
    MapCells,
    sites_of_rule,
    sites_of_table,
    spread_places,
    with_pseudo_sites,
)
from icemap.boreholes.sites import SiteTable
from icemap.config_sections import TargetConfig

pytestmark = pytest.mark.quick
VIC = TargetConfig()
RULE = BedrockConfig(predictor="depth", below=1.0)


def written(folder: Path, text: str) -> str:
    (folder / "places.csv").write_text(text)
    return str(folder / "places.csv")


def cells(depth: np.ndarray) -> MapCells:
    n = len(depth)
    rng = np.random.default_rng(0)
    return MapCells(
        rng.uniform(60, 120, n), rng.uniform(60, 75, n), depth, np.full(n, 1 / n), depth < 0
    )


def test_places_of_a_table_become_sites_with_the_ice_of_bedrock(tmp_path: Path) -> None:
    url = written(tmp_path, "lon,lat\n100,70\n200,65\nx,65\n100,95\n")
    sites = sites_of_table(BedrockConfig(table=url), VIC)
    assert sites["used"].tolist() == [True, True, False, False]
    assert sites["lon"].iloc[:2].tolist() == [100, -160]
    assert sites[["value", "standard_error"]].iloc[0].tolist() == [2.5, 2.0]
    assert sites["reason"].iloc[2] == "coordinates are not numbers"
    assert sites["reason"].iloc[3] != ""
    assert sites["line"].tolist() == [2, 3, 4, 5]


def test_projected_places_and_fractions(tmp_path: Path) -> None:
    url = written(tmp_path, "east,north\n0,-2000000\n")
    config = BedrockConfig(table=url, longitude="east", latitude="north", crs="EPSG:3413")
    target = TargetConfig(unit="fraction", bounds=(0, 1))
    sites = sites_of_table(config, target)
    assert sites["lon"].iloc[0] == pytest.approx(-45)
    assert sites["value"].iloc[0] == pytest.approx(0.025)


def test_what_is_wrong_with_a_table_is_said(tmp_path: Path) -> None:
    url = written(tmp_path, "x,lat\n100,70\n")
    with pytest.raises(IcemapError, match=r"no column 'lon' \(boreholes.bedrock.longitude\)"):
        sites_of_table(BedrockConfig(table=url), VIC)
    url = written(tmp_path, "lon,lat\n100,70\n")
    with pytest.raises(IcemapError, match=r"set target\.unit to %"):
        sites_of_table(BedrockConfig(table=url), TargetConfig(name="alt", unit="cm"))


def test_a_rule_gives_such_ground_its_share_of_the_samples() -> None:
    depth = np.repeat([0.2, 9.0], [600, 2400])
    sites, share = sites_of_rule(RULE, cells(depth), 400, 0, VIC)
    assert share == pytest.approx(0.2)
    assert len(sites) == 100
    assert len(sites) / (len(sites) + 400) == pytest.approx(share)
    asked, _ = sites_of_rule(RULE.model_copy(update={"sites": 7}), cells(depth), 400, 0, VIC)
    assert len(asked) == 7
    low = cells(depth)
    places = {*zip(low.longitude[:600], low.latitude[:600])}
    assert {*zip(sites["lon"], sites["lat"])} <= places


def test_no_pseudo_site_is_drawn_where_a_borehole_stands() -> None:
    drawn_from = cells(np.full(40, 0.1))
    drilled = np.arange(40) < 35
    rule = RULE.model_copy(update={"sites": 5})
    sites, share = sites_of_rule(rule, replace(drawn_from, drilled=drilled), 400, 0, VIC)
    assert sites["lon"].tolist() == drawn_from.longitude[35:].tolist()
    assert share == pytest.approx(1)


def test_the_same_seed_draws_the_same_places() -> None:
    depth = np.repeat([0.2, 9.0], [600, 2400])
    first, again, other = (sites_of_rule(RULE, cells(depth), 99, s, VIC)[0] for s in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_a_rule_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(IcemapError, match="nowhere on the map, where it goes from 3 to 9"):
        sites_of_rule(RULE, cells(np.linspace(3, 9, 50)), 400, 0, VIC)
    with pytest.raises(IcemapError, match=r"in 100% of the map.*'sites'"):
        sites_of_rule(RULE, cells(np.full(50, 0.1)), 400, 0, VIC)


def test_chosen_places_are_spread_over_all() -> None:
    """Four groups of different density: each has one of four, and chance would often miss one."""
    rng = np.random.default_rng(0)
    lon = np.concatenate([rng.normal(m, 1, n) for m, n in ((20, 300), (90, 30), (150, 30))])
    chosen = spread_places(lon, np.full(360, 65.0), 3, 0)
    assert np.histogram(lon[chosen], [0, 55, 120, 180])[0].tolist() == [1, 1, 1]
    assert spread_places(lon[:2], np.full(2, 65.0), 3, 0).tolist() == [0, 1]


def test_pseudo_sites_stand_below_the_boreholes_and_are_told_apart(tmp_path: Path) -> None:
    boreholes = pd.DataFrame(
        {
            "site": ["A"],
            "lon": [1.0],
            "lat": [60.0],
            "value": [40.0],
            "standard_error": [5.0],
            "grade": ["A"],
            "coverage": [0.9],
            "layers": [3],
            "source": ["x"],
            "reader": ["icemap"],
            "file": ["layers.csv"],
            "line": [2],
            "used": [True],
            "reason": [""],
        }
    )
    url = written(tmp_path, "lon,lat\n100,70\n100,95\n")
    table = SiteTable(boreholes, pd.DataFrame(), pd.DataFrame())
    found = with_pseudo_sites(table, sites_of_table(BedrockConfig(table=url), VIC))
    assert found.sites["pseudo"].tolist() == [False, True, True]
    assert found.sites["reader"].tolist() == ["icemap", READER, READER]
    assert found.sites["source"].tolist() == ["x", "", ""]
    assert found.sites["layers"].tolist() == [3, 0, 0]
    assert found.sites["coverage"].isna().tolist() == [False, True, True]
    kept = found.sites.iloc[:1][boreholes.columns.tolist()]
    pd.testing.assert_frame_equal(kept, boreholes, check_dtype=False)
    assert found.flags["line"].tolist() == [3]
