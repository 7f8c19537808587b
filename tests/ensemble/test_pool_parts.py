import pytest

from icemap.ensemble.pool_parts import Shares


def as_numbers(shares: Shares) -> list[float]:
    return [shares.bma, shares.forest, shares.process]


def test_equal_shares_are_of_the_parts_that_there_are():
    assert as_numbers(Shares.equal(process=True)) == [1 / 3] * 3
    assert as_numbers(Shares.equal(process=False)) == [0.5, 0.5, 0.0]


def test_without_bma_the_others_keep_their_ratio_and_share_equally_where_they_had_none():
    assert as_numbers(Shares(0.5, 0.4, 0.1).without_bma()) == pytest.approx([0.0, 0.8, 0.2])
    assert as_numbers(Shares(0.5, 0.5, 0.0).without_bma()) == pytest.approx([0.0, 1.0, 0.0])
    assert as_numbers(Shares(1.0, 0.0, 0.0).without_bma()) == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("shares", "climatology", "expected"),
    [
        (Shares(0.3, 0.3, 0.4), 0.0, [0.3, 0.3, 0.4]),
        (Shares(0.3, 0.3, 0.4), 0.25, [0.35, 0.35, 0.3]),
        (Shares(0.2, 0.6, 0.2), 0.5, [0.225, 0.675, 0.1]),
        (Shares(0.0, 0.0, 1.0), 0.2, [0.1, 0.1, 0.8]),
        (Shares(0.2, 0.6, 0.2), 1.0, [0.25, 0.75, 0.0]),
    ],
)
def test_climatology_takes_from_the_process_and_goes_through_the_others(
    shares: Shares, climatology: float, expected: list[float]
):
    found = as_numbers(shares.with_climatology(climatology))
    assert found == pytest.approx(expected)
    assert sum(found) == pytest.approx(1.0)
