"""Ice storage with an honest interval, from the partial sums in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.config import TargetConfig
from icemap.errors import IcemapError
from icemap.mapping.ledger import Ledger
from icemap.mapping.sums import Sums, add
from icemap.products.layout import ledger_url, open_map, require_complete, target_of
from icemap.products.residual_field import Variogram
from icemap.store import write_json

if TYPE_CHECKING:
    import pandas as pd

# Density of ice over that of water: km3 of ice to km3 of water.
WATER_PER_ICE = 0.917
NORMAL_95 = 1.959963984540054
DEFAULT_MASK = "fraction"


def holds_ice(target: TargetConfig) -> bool:
    """True when the target is a volumetric ice content in per cent, so that its integral is a volume of ice."""
    return target.name == "vic" and target.unit == "%"


def totals(sums: Mapping[str, Any], residual_sd: float = 0.0, thickness_m: float | None = 5.0) -> dict[str, float]:
    """Total of one region with its 95 % interval and the parts of its uncertainty.

    Parameters
    ----------
    sums : mapping
        One region of :func:`icemap.mapping.sums.chunk_sums`, added up over chunks.
    residual_sd : float
        Standard deviation of the correlated residual's own total (target unit x km2), from
        :func:`icemap.products.residual_field.residual_total_sd`.
    thickness_m : float or None
        Thickness of the layer whose ice is counted; None gives the area-weighted mean of the target instead of a volume.

    Returns
    -------
    dict
        ``area_km2``, then per quantity q (``ice_km3``, or ``mean``): ``q``, ``q_lower95``, ``q_upper95`` (quantiles of the
        totals of the replicates, each with the correlated residual added), ``q_aoa`` and ``q_outside_aoa`` (of a mean: its
        values inside and outside), ``share_ensemble`` and ``share_residual`` (parts of the variance), and the limiting cases
        ``q_independent_lower95`` ... (every cell's error its own) and ``q_correlated_lower95`` ... (one error for all).
        For ice also the equivalent ``water_km3``.

    Notes
    -----
    The quantile of sums is not the sum of quantiles: the interval is taken over the replicates' totals.

    Examples
    --------
    >>> region = {"area_km2": 100.0, "area_aoa_km2": 50.0, "integral": [4000.0, 6000.0], "integral_aoa": [2000.0, 3000.0],
    ...           "integral_sd": 1000.0, "integral_var": 1e4}
    >>> round(totals(region)["ice_km3"], 6), round(totals(region, thickness_m=None)["mean"], 6)
    (0.25, 50.0)
    """
    quantity = "mean" if thickness_m is None else "ice_km3"
    area = sums["area_km2"]
    scale = 1 / area if thickness_m is None else thickness_m / 1000 / 100
    replicates = scale * np.asarray(sums["integral"])
    centre = float(replicates.mean())
    low, high = _mixture_interval(replicates, scale * residual_sd)
    independent, correlated = scale * float(np.sqrt(sums["integral_var"])), scale * sums["integral_sd"]
    ensemble_variance, residual_variance = float(replicates.var(ddof=1)) if len(replicates) > 1 else 0.0, (scale * residual_sd) ** 2
    variance = ensemble_variance + residual_variance
    result = {"area_km2": area, "area_aoa_km2": sums["area_aoa_km2"], quantity: centre, f"{quantity}_lower95": low, f"{quantity}_upper95": high}
    inside = float(np.mean(sums["integral_aoa"]))
    outside = float(np.mean(sums["integral"])) - inside
    if thickness_m is None:
        for name, integral, part in (("aoa", inside, sums["area_aoa_km2"]), ("outside_aoa", outside, area - sums["area_aoa_km2"])):
            result[f"mean_{name}"] = integral / part if part > 0 else float("nan")
    else:
        result |= {"ice_km3_aoa": scale * inside, "ice_km3_outside_aoa": scale * outside}
        result |= {"water_km3": WATER_PER_ICE * centre, "water_km3_lower95": WATER_PER_ICE * low, "water_km3_upper95": WATER_PER_ICE * high}
    result |= {"share_ensemble": ensemble_variance / variance if variance else float("nan")}
    result |= {"share_residual": residual_variance / variance if variance else float("nan")}
    for case, sd in (("independent", independent), ("correlated", correlated)):
        result |= {f"{quantity}_{case}_lower95": centre - NORMAL_95 * sd, f"{quantity}_{case}_upper95": centre + NORMAL_95 * sd}
    return result


def _mixture_interval(centres: np.ndarray, sd: float) -> tuple[float, float]:
    """2.5 and 97.5 % quantiles of centre + Normal(0, sd), every centre equally likely."""
    if sd == 0:
        low, high = np.quantile(centres, [0.025, 0.975])
        return float(low), float(high)
    from scipy.special import ndtri

    # Equal-probability points of the residual instead of random draws: no seed, no sampling noise.
    points = sd * ndtri((np.arange(2000) + 0.5) / 2000)
    low, high = np.quantile((centres[:, None] + points).ravel(), [0.025, 0.975])
    return float(low), float(high)


def read_sums(map_url: str) -> Sums:
    """Partial sums of all chunks of a finished map, added up.

    Raises
    ------
    IcemapError
        If the map is unfinished, or its ledger is missing or holds no sums.
    """
    require_complete(map_url)
    ledger = ledger_url(map_url)
    records = Ledger(ledger).records().values()
    if not records:
        raise IcemapError(f"There are no chunk records in {ledger}, from which totals are made: give the map inside its run folder, or run 'icemap map' first.")
    sums: Sums = reduce(add, (record.get("sums", {}) for record in records), {})
    if not sums:
        raise IcemapError(f"The chunk records in {ledger} hold no sums: no cell of the map counts. Check the masks in the config.")
    return sums


def ice_storage(
    map_url: str, region: str | None = None, mask: str = DEFAULT_MASK, residual_sd: Mapping[str, float] | None = None, thickness_m: float = 5.0
) -> pd.DataFrame:
    """Ice storage per region, with interval and parts.

    For a target other than VIC in per cent the table gives the area-weighted mean of the target instead of a volume.

    Parameters
    ----------
    map_url : str
        A finished map in its run folder; the totals come from the ledger beside it.
    region : str, optional
        One region of the ledger; all of them when left out.
    mask : str
        Which part of a cell counts: ``"fraction"`` is the permafrost fraction of the run; others are those the map was made with
        (regions named ``"region / mask"`` in the ledger).
    residual_sd : mapping of str to float, optional
        Per region, standard deviation of the total of the correlated residual (target unit x km2).
    thickness_m : float
        Thickness of the layer, for ice.

    Returns
    -------
    pandas.DataFrame
        One row per region; columns as in :func:`totals`, after ``region``, ``mask`` and ``unit``.

    Raises
    ------
    IcemapError
        If the map is unfinished or there is no such region or mask.
    """
    import pandas as pd

    target = target_of(open_map(map_url))
    sums = read_sums(map_url)
    masks = {_split(name)[1] for name in sums}
    if mask not in masks:
        raise IcemapError(f"The map {map_url} was made without the mask '{mask}': it has {', '.join(sorted(masks))}.")
    chosen = {_split(name)[0]: part for name, part in sums.items() if _split(name)[1] == mask}
    if region is not None and region not in chosen:
        raise IcemapError(f"The map {map_url} has no totals for the region '{region}': it has {', '.join(sorted(chosen))}.")
    ice = holds_ice(target)
    rows = [
        {"region": name, "mask": mask, "unit": "km3" if ice else target.unit} | totals(part, (residual_sd or {}).get(name, 0.0), thickness_m if ice else None)
        for name, part in chosen.items()
        if region in (None, name)
    ]
    return pd.DataFrame(rows)


def _split(name: str) -> tuple[str, str]:
    region, _, mask = name.partition(" / ")
    return region, mask or DEFAULT_MASK


def write_ice_storage(url: str, table: pd.DataFrame, variogram: Variogram | None = None) -> None:
    """Write the table as JSON, one object per region, with the variogram of the residual if there is one; what is undefined is null."""
    rows = [{key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()} for row in table.to_dict("records")]
    quantity = "ice storage" if "ice_km3" in table else "area-weighted mean"
    write_json(url, {"quantity": quantity, "residual_variogram": asdict(variogram) if variogram else None, "regions": rows})
