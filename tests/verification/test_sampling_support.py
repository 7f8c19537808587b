"""Share of the map against share of the samples, by class of each predictor."""

import numpy as np
import pytest

from icemap.verification.sampling_support import (
    Described,
    group_labels,
    group_names,
    map_classes,
    support_sentence,
    support_table,
    worst_supported,
)

pytestmark = pytest.mark.quick
WORDS = {"depth": Described("m", {}), "rock": Described("", {1: "bedrock", 2: "till"})}


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    depth, rock = rng.exponential(10, 4000), np.where(rng.random(4000) < 0.2, 1.0, 2.0)
    return np.column_stack([depth, rock]), np.full(4000, 1 / 4000)


def test_a_part_of_the_map_that_boreholes_avoid_is_named() -> None:
    values, weight = world()
    classes = map_classes(values, weight, ["depth", "rock"], ["rock"])
    drilled = values[(values[:, 0] > 1.5) & (values[:, 1] == 2)][:300]
    rows = support_table(classes, {"depth": drilled[:, 0], "rock": drilled[:, 1]}, WORDS)
    for name in ("depth", "rock"):
        own = [row for row in rows if row["predictor"] == name]
        assert sum(row["map_share"] for row in own) == pytest.approx(1)
        assert sum(row["samples"] for row in own) == 300
    worst = worst_supported(rows)
    assert (worst[0]["predictor"], worst[0]["group"]) == ("rock", "bedrock")
    assert worst[1]["predictor"] == "depth"
    assert worst[1]["samples"] == 0
    sentence = support_sentence(rows)
    assert "rock bedrock is 21% of the map and 0% of the samples" in sentence


def test_samples_drawn_like_the_map_leave_nothing_out() -> None:
    values, weight = world()
    classes = map_classes(values, weight, ["depth", "rock"], ["rock"])
    drawn, _ = world(1)
    rows = support_table(classes, {"depth": drawn[:400, 0], "rock": drawn[:400, 1]}, WORDS)
    assert worst_supported(rows) == []
    assert support_sentence(rows).startswith("The samples are spread")


def test_shares_of_the_map_are_by_weight() -> None:
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    found = map_classes(values, np.array([0.7, 0.1, 0.1, 0.1]), ["rock"], ["rock"])[0]
    assert found["map_share"] == pytest.approx([0.7, 0.1, 0.1, 0.1])


def test_a_predictor_that_is_one_value_nearly_everywhere_keeps_its_shares() -> None:
    values = np.concatenate([np.zeros(950), np.linspace(1, 2, 50)])[:, None]
    found = map_classes(values, np.full(1000, 1e-3), ["depth"], [])[0]
    assert sum(found["map_share"]) == pytest.approx(1)
    names = group_names(found, np.array([0.0, 1.9, -3.0]), WORDS["depth"])
    assert names[0] == names[2] != names[1]
    constant = map_classes(np.ones((9, 1)), np.full(9, 1 / 9), ["depth"], [])[0]
    assert constant["map_share"] == pytest.approx([1.0])
    assert group_names(constant, np.ones(2), WORDS["depth"]).tolist() == ["1 m", "1 m"]


def test_a_code_that_the_map_does_not_have_is_a_class_of_its_own() -> None:
    found = map_classes(np.array([[2.0], [2.0]]), np.array([0.5, 0.5]), ["rock"], ["rock"])[0]
    assert group_names(found, np.array([2.0, 7.0]), WORDS["rock"]).tolist() == ["till", "class 7"]


def test_pseudo_sites_are_counted_by_themselves() -> None:
    values, weight = world()
    classes = map_classes(values, weight, ["depth", "rock"], ["rock"])
    drilled = values[values[:, 1] == 2][:300]
    bedrock = values[values[:, 1] == 1][:40]
    both = np.concatenate([drilled, bedrock])
    pseudo = np.arange(340) >= 300
    columns = {"depth": both[:, 0], "rock": both[:, 1]}
    rows = support_table(classes, columns, WORDS, pseudo)
    row = next(row for row in rows if row["group"] == "bedrock")
    assert (row["samples"], row["pseudo_sites"], row["sample_share"]) == (0, 40, 0.0)
    assert "0% of the samples (and 40 pseudo-sites)" in support_sentence(rows)


@pytest.mark.parametrize(
    ("unit", "said"), [("m", " m"), ("degC", " degC"), ("1", ""), ("", ""), ("unknown", "")]
)
def test_classes_have_the_unit_that_is_known(unit: str, said: str) -> None:
    (found,) = map_classes(np.linspace(0, 8, 900)[:, None], np.full(900, 1 / 900), ["depth"], [])
    labels = group_labels(found, Described(unit, {}))
    assert labels[4] == f"4 to 6{said}"
