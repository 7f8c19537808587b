from __future__ import annotations

import json

import numpy as np
import pytest

from icemap.grid import Grid
from icemap.mapping.sums import add, chunk_sums, from_records, masked_sums, to_records

GRID = Grid(0, 60, 30, 80, 0.5)


@pytest.fixture(scope="module")
def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    rows, cols = GRID.shape
    mapped = rng.random((rows, cols)) < 0.6
    fields = {
        "fraction": rng.random((rows, cols)),
        "replicates": rng.uniform(0, 100, (7, rows, cols)),
        "sd": rng.uniform(1, 9, (rows, cols)),
    }
    fields = {name: np.where(mapped, values, np.nan) for name, values in fields.items()}
    return fields | {
        "aoa": np.where(mapped, rng.integers(0, 2, (rows, cols)), 255),
        "south": np.broadcast_to(GRID.latitudes[:, None] < 66, (rows, cols)),
    }


def sums_of(fields, rows=slice(None), cols=slice(None)):
    part = {name: values[..., rows, cols] for name, values in fields.items()}
    area = GRID.cell_area()[rows][:, None]
    return chunk_sums(
        area,
        part["fraction"],
        part["replicates"],
        part["sd"],
        part["aoa"],
        {"south": part["south"]},
    )


def test_sums_over_the_whole_equal_the_definition(fields):
    weight = np.nan_to_num(GRID.cell_area()[:, None] * fields["fraction"])
    found = sums_of(fields)
    for name, member in (("all", True), ("south", fields["south"])):
        part = weight * member
        assert found[name].area_km2 == pytest.approx(part.sum())
        assert found[name].integral == pytest.approx(
            [np.nansum(part * r) for r in fields["replicates"]]
        )
        assert found[name].integral_aoa == pytest.approx(
            [np.nansum(part * r * (fields["aoa"] == 1)) for r in fields["replicates"]]
        )
        assert found[name].area_aoa_km2 == pytest.approx((part * (fields["aoa"] == 1)).sum())
        assert found[name].integral_sd == pytest.approx(np.nansum(part * fields["sd"]))
        assert found[name].integral_var == pytest.approx(np.nansum((part * fields["sd"]) ** 2))


def test_chunks_add_up_in_any_order_after_a_trip_through_json(fields):
    parts = [
        from_records(json.loads(json.dumps(to_records(sums_of(fields, chunk.rows, chunk.cols)))))
        for chunk in GRID.chunks(16)
    ]
    assert any("south" not in part for part in parts)
    forwards, backwards = {}, {}
    for part in parts:
        forwards = add(forwards, part)
    for part in reversed(parts):
        backwards = add(part, backwards)
    whole = sums_of(fields)
    for name, region in whole.items():
        for key, value in region.to_record().items():
            assert getattr(forwards[name], key) == pytest.approx(value)
            assert getattr(backwards[name], key) == pytest.approx(value)


def test_nothing_mapped_gives_nothing(fields):
    empty = {
        name: np.full_like(values, np.nan, dtype=float)
        for name, values in fields.items()
        if name != "south"
    }
    assert sums_of({**empty, "south": fields["south"]}) == {}


def test_missing_values_are_loud(fields):
    replicates = fields["replicates"].copy()
    replicates[3, np.isfinite(fields["sd"])] = np.nan
    with pytest.raises(ValueError, match="replicate 3 is NaN in"):
        sums_of({**fields, "replicates": replicates})
    with pytest.raises(ValueError, match="fraction is NaN in"):
        sums_of({**fields, "fraction": np.full(GRID.shape, np.nan)})


def test_parts_of_different_ensembles_do_not_add(fields):
    with pytest.raises(ValueError, match=r"region 'all': .* 7 replicates in one part and 6"):
        add(sums_of(fields), sums_of({**fields, "replicates": fields["replicates"][:6]}))


def test_bounds_of_cells_are_summed_by_the_area_that_counts(fields):
    lower, upper = fields["sd"] * 2, fields["sd"] * 5
    area = GRID.cell_area()[:, None]
    columns = fields["fraction"], fields["replicates"], fields["sd"], fields["aoa"]
    found = chunk_sums(area, *columns, {"south": fields["south"]}, (lower, upper))
    for name, inside in (("all", True), ("south", fields["south"])):
        weight = np.where(inside, area * fields["fraction"], 0.0)
        for key, values in (("integral_lower", lower), ("integral_upper", upper)):
            assert getattr(found[name], key) == pytest.approx(np.nansum(weight * values))


def test_bounds_survive_the_ledger_and_do_not_add_to_sums_without(fields):
    """Of the recipe as printed; other records have no such keys."""
    bounds = (fields["sd"] * 2, fields["sd"] * 5)
    area = GRID.cell_area()[:, None]
    columns = fields["fraction"], fields["replicates"], fields["sd"], fields["aoa"]
    printed, other = chunk_sums(area, *columns, None, bounds), chunk_sums(area, *columns)
    assert from_records(json.loads(json.dumps(to_records(printed)))) == printed
    assert not {"integral_lower", "integral_upper"} & to_records(other)["all"].keys()
    assert add(printed, printed)["all"].integral_upper == 2 * printed["all"].integral_upper
    with pytest.raises(ValueError, match="one part has integral_lower and another has not"):
        add(printed, other)


def test_a_key_that_a_later_version_adds_to_the_ledger_is_passed_over(fields):
    sums = sums_of(fields)
    records = {name: {**record, "more": 1.0} for name, record in to_records(sums).items()}
    assert from_records(records) == sums


def test_masks_are_summed_as_if_each_were_alone(fields):
    """To the bit, also with more regions than one whole number has flags."""
    rng = np.random.default_rng(2)
    shape = GRID.shape
    regions = {f"region {i}": rng.random(shape) < 0.3 for i in range(70)}
    fractions = {"own": fields["fraction"], "whole": np.ones(shape), "none": np.zeros(shape)}
    rest = fields["replicates"], fields["sd"], fields["aoa"], regions
    area = GRID.cell_area()[:, None]
    found = masked_sums(area, fractions, *rest, (fields["sd"], 2 * fields["sd"]))
    assert found["none"] == {}
    for name, fraction in fractions.items():
        alone = chunk_sums(area, fraction, *rest, (fields["sd"], 2 * fields["sd"]))
        assert found[name] == alone, name
    weight = np.nan_to_num(area * fields["fraction"])
    for name, member in regions.items():
        expected = [np.nansum(weight * member * r) for r in fields["replicates"]]
        assert found["own"][name].integral == pytest.approx(expected)
        expected = np.nansum(weight * member * (fields["aoa"] == 1))
        assert found["own"][name].area_aoa_km2 == pytest.approx(expected)
