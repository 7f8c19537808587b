"""Total of a region with its interval and the parts of its uncertainty: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from icemap.mapping.sums import RegionSums
from icemap.totals.replicate_spread import ReplicateSpread
from icemap.totals.residual_field import Variogram
from icemap.verification.interval_scope import NORMAL_95

# Density of ice over that of water: km3 of ice to km3 of water.
WATER_PER_ICE = 0.917


def totals(
    sums: RegionSums,
    residual_sd: float = 0.0,
    thickness_m: float | None = 5.0,
    held_out: float | None = None,
    bounds: tuple[float, float] | None = None,
    splits: Sequence[int] | None = None,
    variogram: Variogram | None = None,
) -> dict[str, float]:
    """Total of one region with its 95 % interval and the parts of its uncertainty.

    Parameters
    ----------
    sums : RegionSums
        Of one region, added up over chunks.
    residual_sd : float
        Standard deviation of the correlated residual's own total (target unit x km2), from
        :func:`icemap.totals.residual_field.residual_total_sd`.
    thickness_m : float or None
        Thickness of the layer whose ice is counted; None gives the area-weighted mean of the target
        instead of a volume.
    held_out : float, optional
        Share of the sites that each replicate was trained without. None takes the spread of the
        replicates as it is.
    bounds : (float, float), optional
        Of the target, where its mean has some; ice has 0 and 100 %.
    splits : sequence of int, optional
        Number of the split of each replicate, where some share one; None takes each for a split of
        its own.
    variogram : Variogram, optional
        Of the residual, whose mean moves the interval, and whose doubt widens it.

    Returns
    -------
    dict
        ``area_km2``, then per quantity q (``ice_km3``, or ``mean``): ``q``, ``q_lower95``,
        ``q_upper95``, ``q_sd``, ``q_aoa`` and ``q_outside_aoa`` (of a mean: its values inside and
        outside), ``share_ensemble`` and ``share_residual`` (parts of the variance), and the
        limiting cases ``q_independent_lower95`` ... (every cell's error its own) and
        ``q_correlated_lower95``
        ... (one error for all). For ice also the equivalent ``water_km3``.

    Notes
    -----
    The interval is not around the total where left-out sites say that the map is too high or too
    low on average: it is moved by the mean of the residual, of which it carries the error.

    The total of each replicate carries the errors that its cells share, so the spread of the totals
    is used, never a sum of the cells' spreads. What it says of new sites, and of the chance in the
    fits, is that of `icemap.totals.replicate_spread`: where enough replicates share a split, only
    the chance of sampling is enlarged. The interval is never wider than without telling them
    apart, and is cut off where there would be less than no ice or nothing but ice, or at the bounds
    of the target, as the limiting cases are.

    With the published recipe (sums with ``integral_lower``) the interval is that of the summed
    bounds of the cells, and there is no residual.

    Examples
    --------
    >>> region = RegionSums(100.0, 50.0, [4000.0, 6000.0], [2000.0, 3000.0], 1000.0, 1e4)
    >>> round(totals(region)["ice_km3"], 6), round(totals(region, thickness_m=None)["mean"], 6)
    (0.25, 50.0)
    """
    quantity = "mean" if thickness_m is None else "ice_km3"
    area = sums.area_km2
    scale = 1 / area if thickness_m is None else thickness_m / 1000 / 100
    replicates = scale * np.asarray(sums.integral)
    centre = float(replicates.mean())
    independent, correlated = (
        scale * float(np.sqrt(sums.integral_var)),
        scale * sums.integral_sd,
    )
    residual_variance = (scale * residual_sd) ** 2
    moved, doubt = (0.0, 0.0) if variogram is None else (variogram.mean, variogram.mean_doubt)
    spread = ReplicateSpread.together(replicates, held_out)
    half = spread.half_width(residual_variance, doubt)
    if splits is not None and (apart := ReplicateSpread.apart(replicates, splits, held_out)):
        half = min(half, apart.half_width(residual_variance, doubt))
        spread = apart
    ensemble_variance = spread.variance
    variance = ensemble_variance + residual_variance

    lowest, highest = (-np.inf, np.inf) if bounds is None else bounds
    if thickness_m is not None:
        lowest, highest = 0.0, area * thickness_m / 1000

    def around(middle: float, half: float) -> tuple[float, float]:
        low, high = np.clip([middle - half, middle + half], lowest, highest)
        return float(low), float(high)

    low, high = around(centre + scale * area * moved, half)
    if sums.integral_lower is not None and sums.integral_upper is not None:
        # The recipe as printed: every cell at its lower bound, or every cell at its upper one.
        low, high = scale * sums.integral_lower, scale * sums.integral_upper
        ensemble_variance = variance = ((high - low) / (2 * NORMAL_95)) ** 2
        residual_variance = 0.0
    result = {
        "area_km2": area,
        "area_aoa_km2": sums.area_aoa_km2,
        quantity: centre,
        f"{quantity}_lower95": low,
        f"{quantity}_upper95": high,
    }
    result[f"{quantity}_sd"] = float(np.sqrt(variance))
    inside = float(np.mean(sums.integral_aoa))
    outside = float(np.mean(sums.integral)) - inside
    if thickness_m is None:
        for name, integral, part in (
            ("aoa", inside, sums.area_aoa_km2),
            ("outside_aoa", outside, area - sums.area_aoa_km2),
        ):
            result[f"mean_{name}"] = integral / part if part > 0 else float("nan")
    else:
        result |= {"ice_km3_aoa": scale * inside, "ice_km3_outside_aoa": scale * outside}
        result |= {
            "water_km3": WATER_PER_ICE * centre,
            "water_km3_lower95": WATER_PER_ICE * low,
            "water_km3_upper95": WATER_PER_ICE * high,
        }
    result |= {"share_ensemble": ensemble_variance / variance if variance else float("nan")}
    result |= {"share_residual": residual_variance / variance if variance else float("nan")}
    for case, sd in (("independent", independent), ("correlated", correlated)):
        low, high = around(centre, NORMAL_95 * sd)
        result |= {f"{quantity}_{case}_lower95": low, f"{quantity}_{case}_upper95": high}
    return result


def with_mask(
    row: Mapping[str, Any], masks: Sequence[RegionSums], thickness_m: float | None
) -> dict[str, str | float]:
    """A total with the part of its uncertainty that the choice of the mask has, every mask taken
    for equally likely.

    Parameters
    ----------
    row : mapping
        Of :func:`totals`, under one mask; its interval stays that of this mask.
    masks : sequence of RegionSums
        Of the region under each mask.
    thickness_m : float or None
        Of the layer whose ice is counted; None for a mean of the target.

    Returns
    -------
    dict
        The row with its shares of ensemble and residual lowered by ``share_mask``, and the lowest
        and highest total over the masks.
    """
    quantity = "mean" if thickness_m is None else "ice_km3"
    if len(masks) < 2:
        return dict(row)
    each = [totals(sums, 0.0, thickness_m) for sums in masks]
    centres = np.array([one[quantity] for one in each])
    variance = row[f"{quantity}_sd"] ** 2
    share = (
        float(centres.var() / (centres.var() + variance))
        if centres.var() + variance
        else float("nan")
    )
    shares = {name: row[name] * (1 - share) for name in ("share_ensemble", "share_residual")} | {
        "share_mask": share
    }
    return {
        **row,
        **shares,
        f"{quantity}_masks_lowest": float(centres.min()),
        f"{quantity}_masks_highest": float(centres.max()),
    }
