from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from icemap.comparison.agreement import (
    Cells,
    ComparedSums,
    class_limits,
    class_matrix,
    class_names,
    compared_sums,
    joint_histogram,
    spearman,
    weighted_kappa,
)


def make_cells(n: int = 5000, seed: int = 3) -> Cells:
    rng = np.random.default_rng(seed)
    run = rng.uniform(10, 90, n)
    other = np.clip(0.6 * run + rng.normal(0, 12, n), 0, 100)
    return Cells(rng.uniform(1, 3, n), run, run - 10, run + 10, other, other - 4, other + 6)


def picked(cells: Cells, rows) -> Cells:
    return Cells(*(getattr(cells, field.name)[rows] for field in fields(cells)))


def test_rank_correlation_is_that_of_scipy():
    cells = make_cells()
    even = Cells(np.ones(5000), *(getattr(cells, field.name) for field in fields(cells)[1:]))
    found = spearman(joint_histogram(even, (10, 90), (0, 100)))
    assert found == pytest.approx(stats.spearmanr(cells.run, cells.other).statistic, abs=1e-4)


def test_rank_correlation_weighs_by_area():
    """A cell of weight two counts as two cells."""
    cells = make_cells(400)
    double = np.arange(400) < 150
    weighted = Cells(
        np.where(double, 2.0, 1.0), *(getattr(cells, field.name) for field in fields(cells)[1:])
    )
    twice = np.r_[np.arange(400), np.flatnonzero(double)]
    expected = stats.spearmanr(cells.run[twice], cells.other[twice]).statistic
    assert spearman(joint_histogram(weighted, (10, 90), (0, 100))) == pytest.approx(
        expected, abs=1e-3
    )


def test_of_a_constant_map_there_is_no_rank_correlation():
    cells = make_cells(10)
    flat = Cells(
        cells.weight, np.full(10, 5.0), *(getattr(cells, field.name) for field in fields(cells)[2:])
    )
    assert np.isnan(spearman(joint_histogram(flat, (5, 5), (0, 100))))


def test_kappa_is_that_of_scikit_learn():
    cells, limits = make_cells(), (20.0, 40.0, 60.0, 80.0)
    expected = cohen_kappa_score(
        np.digitize(cells.run, limits),
        np.digitize(cells.other, limits),
        weights="quadratic",
        sample_weight=cells.weight,
    )
    assert weighted_kappa(class_matrix(cells, limits)) == pytest.approx(expected)


def test_sums_of_parts_add_up():
    cells = make_cells()
    south = np.arange(5000) < 2000
    whole = compared_sums(cells, {"all": np.ones(5000, bool), "south": south})
    parts = [
        compared_sums(picked(cells, rows), {"all": np.ones(2500, bool)})["all"]
        for rows in (slice(0, 2500), slice(2500, None))
    ]
    added = sum(parts, ComparedSums())
    for field in fields(ComparedSums):
        assert getattr(added, field.name) == pytest.approx(getattr(whole["all"], field.name)), (
            field.name
        )
    w = cells.weight
    assert whole["all"].mean("run") == pytest.approx(np.average(cells.run, weights=w))
    assert whole["south"].mean("squares") == pytest.approx(
        np.average((cells.run - cells.other)[south] ** 2, weights=w[south])
    )
    inside = abs(cells.run - cells.other) <= 10
    assert whole["all"].mean("covered") == pytest.approx(np.average(inside, weights=w))
    meet = (cells.other - 4 <= cells.run + 10) & (cells.run - 10 <= cells.other + 6)
    assert whole["all"].mean("overlapping") == pytest.approx(np.average(meet, weights=w))
    assert whole["all"].mean("other_width") == pytest.approx(10)


def test_an_area_without_cells_is_left_out():
    assert list(
        compared_sums(make_cells(5), {"all": np.ones(5, bool), "none": np.zeros(5, bool)})
    ) == ["all"]


def test_limits_are_of_the_classes_else_of_the_target_else_of_the_values():
    assert class_limits((0, 100), (0, 60), [(10, 20), (0, 10)]) == (10, 20)
    assert class_limits(None, (0, 50)) == (10, 20, 30, 40)
    assert len(class_names((10, 20), "%")) == 3
