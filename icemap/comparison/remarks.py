"""Remarks on a ratio of two totals, so that it is not misread."""

from __future__ import annotations

from icemap.comparison.classes import OwnTotal
from icemap.comparison.result import Footing, Party

# Samples of Mohammadi & Hayley 2024 (doi:10.5281/zenodo.14538524) with both quantities: mean
# volumetric ice content (water by frozen volume / 0.917) and mean excess-water strain, per cent.
SAMPLES, ALL_ICE, EXCESS_ICE = 434, 59, 12
SAMPLES_SAY = (
    f"in {SAMPLES} laboratory samples (Mohammadi & Hayley 2024, doi:10.5281/zenodo.14538524) all"
    f" ice averages {ALL_ICE} % of the volume and excess ice {EXCESS_ICE} %"
)


def remarks(run: Party, other: Party, footing: Footing) -> tuple[str, ...]:
    """Sentences on depth and on the kind of ice; empty where the target is no ice.

    Parameters
    ----------
    run, other : Party
        The two maps.
    footing : Footing
        Depth, mask and cells of the comparison.
    """
    if footing.depth_m is None:
        return ()
    found = []
    own, cut = footing.other_own, footing.other_cut
    if own is not None and cut is not None and own.depths_m[1] > footing.depth_m:
        found.append(
            f"Depth: {other.name} describes the upper {_depths(own)} m and holds {_volume(own)}"
            f" there, of which {_volume(cut)} in the upper {footing.depth_m:g} m. Only the latter"
            f" can be compared with a total of {footing.depth_m:g} m."
        )
    if run.depth_m is not None and run.depth_m > footing.depth_m:
        found.append(
            f"Depth: {run.name} describes {run.depth_m:g} m; of its upper {footing.depth_m:g} m the"
            " content is taken to be that of the whole layer."
        )
    if other.ice == "excess":
        found.append(
            f"Kind of ice: {other.name} counts excess (visible) ice, {run.name} all ice, that in"
            f" pores included; {SAMPLES_SAY}. Where both maps are right, their totals differ."
        )
    elif other.ice is None:
        found.append(
            f"Kind of ice: {other.name} does not say whether it counts all ice or excess ice alone;"
            f" {SAMPLES_SAY}. Say it with --ice, or in the table of its classes."
        )
    return tuple(found)


def _depths(own: OwnTotal) -> str:
    low, high = own.depths_m
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _volume(own: OwnTotal) -> str:
    low, middle, high = (f"{float(f'{value:.4g}'):,.12g}" for value in own.volume_km3)
    return f"{middle} km³" if low == high else f"{middle} km³ ({low} to {high})"
