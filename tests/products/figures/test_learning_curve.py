from __future__ import annotations

from icemap.products.figures.learning_curve import learning_figure


def point(sites: float, crps: float, low: float | None = None) -> dict[str, float | None]:
    high = None if low is None else crps + 1
    return {
        "share": 0.5,
        "sites": sites,
        "crps": crps,
        "crps_low": low,
        "crps_high": high,
        "rmse": 7,
    }


def test_scores_stand_at_their_number_of_sites_with_their_limits(drawn):
    picture = learning_figure([point(240, 5.0, 4.5), point(1030, 4.0, 3.5)], "%")
    assert b"1,030" in picture
    crps, rmse = drawn[0].axes
    curve, *bars = crps.lines
    assert curve.get_xydata().tolist() == [[240, 5], [1030, 4]]
    assert [list(bar.get_ydata()) for bar in bars] == [[4.5, 6.0], [3.5, 5.0]]
    assert rmse.lines[0].get_ydata().tolist() == [7, 7]


def test_without_limits_there_are_no_bars(drawn):
    learning_figure([point(240, 5.0), point(1030, 4.0)], "%")
    assert len(drawn[0].axes[0].lines) == 1
