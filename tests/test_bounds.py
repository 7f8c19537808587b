"""Bounds of the target by its unit, and what contradicts it, as a config says them."""

from pathlib import Path

import pytest
import yaml

import icemap
from icemap.config import Config, load_config
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.mapping.map_schema import map_variables
from icemap.provenance import digest
from icemap.words import map_words, target_numbers

BASE = {
    "run": "run",
    "grid": {"south": 60, "resolution": 1},
    "catalog": "catalog.yaml",
    "predictors": ["maat"],
    "sites": {"table": "sites.csv", "value": "v"},
}


def load(folder: Path, target: dict[str, object]) -> Config:
    (folder / "config.yaml").write_text(yaml.safe_dump({**BASE, "target": target}))
    return load_config(str(folder / "config.yaml"))


@pytest.mark.parametrize(
    ("unit", "bounds"),
    [
        *((unit, (0.0, 100.0)) for unit in ("%", "percent", "Percent", "vol%")),
        *((unit, (0.0, 1.0)) for unit in ("1", "fraction", "FRACTION", "m3 m-3", "unitless")),
        *((unit, (0.0, None)) for unit in ("m", "cm", "mm", "CM", "Metres", "km", "m2")),
        *((unit, (0.0, None)) for unit in ("kg", "kg/m3", "KG/M3", "kg m-2", "kg/m2", "g/cm3")),
        *((unit, (0.0, None)) for unit in ("K", "k", "kelvin")),
        *((unit, None) for unit in ("degC", "DEGC", "°C", "C", "degF", "celsius")),
        *((unit, None) for unit in ("mm/yr", "W m-1 K-1", "degC/year", "days", "index", "-", "")),
    ],
)
def test_bounds_follow_from_the_unit(tmp_path, unit, bounds):
    target = load(tmp_path, {"name": "thing", "unit": unit}).target
    assert target.bounds == bounds
    assert load(tmp_path, {"name": "thing", "unit": unit, "bounds": [1, 2]}).target.bounds == (1, 2)
    assert load(tmp_path, {"name": "thing", "unit": unit, "bounds": None}).target.bounds is None


def test_a_run_of_ice_content_is_what_it_was():
    given = {"name": "vic", "long_name": "volumetric ice content", "unit": "%", "bounds": [0, 100]}
    configs = [
        Config.model_validate(content)
        for content in (BASE, {**BASE, "target": {}}, {**BASE, "target": given})
    ]
    assert {digest(target_numbers(config)) for config in configs} == {
        "64c36dcfdafe632e0f49c85ccce8deff918f3447973dd5cb24906912d02c219c"
    }
    assert len({digest(config.model_dump(mode="json")) for config in configs}) == 1
    assert configs[0].title == "Ground ice"
    assert map_words(configs[0])["keywords"] == "permafrost, ground ice, volumetric ice content"


@pytest.mark.parametrize(
    ("target", "sides"),
    [
        ({"bounds": [0, 1]}, ["[0, 1]", "'%'", "[0, 100]"]),
        ({"name": "share", "unit": "percent", "bounds": [0, 1]}, ["[0, 1]", "'percent'"]),
        ({"unit": "fraction", "bounds": [0, 100]}, ["[0, 100]", "'fraction'", "[0, 1]"]),
        ({"name": "s", "unit": "m3/m3", "bounds": [0, 100]}, ["[0, 100]", "'m3/m3'"]),
        ({"name": "magt", "unit": "K", "bounds": [-20, 10]}, ["[-20, 10]", "'K'", "0"]),
        ({"name": "magt", "unit": "degC", "bounds": [-300, 10]}, ["[-300, 10]", "-273.15"]),
        ({"name": "magt", "unit": "degF", "bounds": [-500, None]}, ["[-500, null]", "-459.67"]),
        ({"unit": "degC"}, ["'vic'", "'degC'", "long_name"]),
        ({"unit": "CM", "bounds": [0, 200]}, ["'vic'", "'CM'"]),
        ({"unit": "kg/m3"}, ["'vic'", "'kg/m3'"]),
        ({"bounds": [-10, 100]}, ["[-10, 100]", "0 to 100"]),
        ({"bounds": [0, 120]}, ["[0, 120]", "0 to 100"]),
        ({"unit": "1", "bounds": [0, 100]}, ["[0, 100]", "0 to 1 in"]),
        ({"name": "alt", "unit": "cm", "bounds": [300, 0]}, ["rising order"]),
        ({"name": "alt", "unit": "cm", "bounds": [3, 3]}, ["rising order"]),
        ({"name": "alt", "unit": "cm", "bounds": [0]}, ["target.bounds.1"]),
        ({"name": "alt", "unit": "cm", "bounds": [0, 1, 2]}, ["target.bounds"]),
    ],
)
def test_what_contradicts_the_unit_is_named_with_it(tmp_path, target, sides):
    with pytest.raises(IcemapError) as error:
        load(tmp_path, target)
    assert "target" in str(error.value)
    for side in sides:
        assert side in str(error.value)


@pytest.mark.parametrize(
    "target",
    [
        {"bounds": [0, 10]},
        {"bounds": [0, 0.5]},
        {"bounds": [0, 90]},
        {"bounds": None},
        {"unit": "fraction", "bounds": [0, 1]},
        {"unit": "vol%"},
        {"name": "gwc", "unit": "%", "bounds": [0, 500]},
        {"name": "change", "unit": "%", "bounds": [-100, 100]},
        {"name": "index", "unit": "1", "bounds": [0, 100]},
        {"name": "gwc", "unit": "fraction", "bounds": [0, 30]},
        {"name": "uplift", "unit": "m", "bounds": [-5, 5]},
        {"name": "alt", "unit": "cm", "bounds": [0, 100]},
        {"name": "alt", "unit": "m", "bounds": [0, 1]},
        {"name": "magt", "unit": "K", "bounds": [200, 320]},
        {"name": "magt", "unit": "degC", "bounds": [0, 100]},
        {"name": "magt", "unit": "degC", "bounds": [None, 30]},
        {"name": "magt", "unit": "degC", "bounds": [None, None]},
    ],
)
def test_what_can_be_passes(tmp_path, target):
    load(tmp_path, target)


def test_names_in_words(tmp_path):
    config = load(tmp_path, {"name": "thaw_depth", "unit": "cm"})
    assert (config.target.long_name, config.title) == ("thaw depth", "Thaw depth")
    assert "ice" not in " ".join(str(text) for text in map_words(config).values())
    named = load(tmp_path, {"name": "alt", "long_name": "active-layer thickness", "unit": "cm"})
    assert named.title == "Active-layer thickness"


@pytest.mark.parametrize(
    ("bounds", "attributes"),
    [
        ((0.0, 300.0), {"valid_range": [0.0, 300.0]}),
        ((0.0, None), {"valid_min": 0.0}),
        ((None, 30.0), {"valid_max": 30.0}),
        (None, {}),
    ],
)
def test_a_map_says_the_ends_that_there_are(bounds, attributes):
    first = map_variables(TargetConfig(name="x", unit="cm", bounds=bounds))[0]
    assert {key: end for key, end in first.attrs.items() if "valid" in key} == attributes


def test_a_session_hears_the_same(tmp_path):
    (tmp_path / "sites.csv").write_text("lon,lat,t [degC]\n10,60,-3\n11,60,-4\n12,61,1\n")
    url = str(tmp_path / "sites.csv")
    with pytest.raises(IcemapError, match=r"'vic'.*'degC'"):
        icemap.read_boreholes(url, value="t", target={"unit": "degC"})
    sites = icemap.read_boreholes(url, value="t", target={"name": "magt", "unit": "degC"})
    assert sites["used"].all()
