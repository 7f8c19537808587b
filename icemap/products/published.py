"""Figures of the published map (Wang, Ran & Li 2026): printed next to a map of the same quantity,
never aimed at.
"""

from __future__ import annotations

from icemap.config_sections import TargetConfig
from icemap.totals.opened_map import holds_ice

SOURCE = "Wang, Ran & Li 2026"
PUBLISHED = {
    "R²": "0.86",
    "RMSE": "7.08 %",
    "bias": "0.02 %",
    "width of the 95 % interval": "16.08 ± 3.55 %",
    "ice storage": "54,600 km³ (47,800 to 62,300)",
}
CAVEAT = (
    "published for another data set, from a random hold-out, which measures interpolation between"
    " neighbouring boreholes; the interval is the spread of re-fitted simulations, not a prediction"
    " interval"
)


def published_figures(target: TargetConfig) -> dict[str, str]:
    """The published figures where the target is the same quantity; {} elsewhere."""
    return PUBLISHED if holds_ice(target) else {}
