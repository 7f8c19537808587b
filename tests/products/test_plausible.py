"""Ranges that cannot be are told from those that can."""

import pytest

from icemap.products.plausible import doubt

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("low", "high", "unit", "name", "words"),
    [
        (250, 290, "degC", "temperature", "no temperature"),
        (-30, 20, "K", "temperature", "no temperature"),
        (-300, 250, "degC", "tenths", "no temperature"),
        (0, 100, "1", "forest fraction", "no part of a whole"),
        (0, 255, "%", "clay", "no part of a whole"),
        (0, 0.9, "%", "clay", "parts of 1"),
        (0, 20000, "m", "elevation", "no elevation"),
        (0, 65500, "ft", "elevation", "no elevation"),
        (-9999, 20, "degC", "temperature", "code for missing"),
        (0, 9.969209968386869e36, "mm", "precipitation", "code for missing"),
    ],
)
def test_what_cannot_be_is_doubted(low, high, unit, name, words) -> None:
    assert words in doubt("x", low, high, {"units": unit, "long_name": name, "kind": "continuous"})


@pytest.mark.parametrize(
    ("low", "high", "unit", "name", "more"),
    [
        (-50, 30, "degC", "temperature", {}),
        (220, 300, "K", "temperature", {}),
        (5, 60, "K", "annual range of temperature", {}),
        (0, 1, "1", "forest fraction", {}),
        (0, 100, "%", "clay", {}),
        (0, 255, "1", "NDVI as 8-bit number", {}),
        (-10500, 8600, "m", "elevation", {}),
        (0, 150, "%", "slope", {}),
        (-5, 5, "m", "elevation above the mean of the surroundings", {"derivation": "tpi of z"}),
        (1, 255, "1", "land cover", {"kind": "class"}),
        (0, 4000, "K d", "thawing degree days", {}),
        (0, 9998, "mm", "precipitation", {}),
        (1, 2, "no unit at all", "x", {}),
    ],
)
def test_what_can_be_is_not(low, high, unit, name, more) -> None:
    assert (
        doubt("x", low, high, {"units": unit, "long_name": name, "kind": "continuous", **more})
        == ""
    )
