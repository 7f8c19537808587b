"""Names and values as config and catalogue take them."""

import pytest
import yaml

from icemap.names import name_problem
from icemap.starting.words import family_of, plain_name, yaml_value

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    "value", ["a: b", "x\ny", "yes", "07", "", "# no", "é", {"url": "a\nb"}, [1.5, None], "'", '"']
)
def test_a_value_is_one_line_that_reads_back(value):
    text = yaml_value(value)
    assert "\n" not in text
    assert yaml.safe_load(f"key: {text}")["key"] == value


@pytest.mark.parametrize("text", ["aoa", "__x", "температура", "a/b\\c", "...", "", "Höhe (m)"])
def test_a_name_is_one_that_the_config_takes(text):
    name = plain_name(text)
    assert name_problem(name) is None
    assert name[0] not in "._"
    assert "/" not in name
    assert plain_name(text, {name}) != name


def test_words_of_a_name_tell_the_family():
    assert family_of("mean annual temperature")[0] == "climate"
    assert family_of("LGM temperature")[0] == "paleoclimate"
    assert family_of("dem_10m") == ("topography", "dem")
    assert family_of("clay") == ("geology", "")
