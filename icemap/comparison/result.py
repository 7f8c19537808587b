"""What a comparison of a run with another map finds, as its page and its JSON file give it."""

from __future__ import annotations

from dataclasses import dataclass, field

from icemap.comparison.classes import IceKind, OwnTotal

# Of the zones of which totals are given, in the order of the page.
GROUPS = {
    "all": "all",
    "region": "regions",
    "latitude": "bands of latitude",
    "permafrost": "permafrost extent",
    "class": "classes of the other map",
}


@dataclass(frozen=True)
class Total:
    """A total (km3 of ice) or a mean (unit of the target); bounds are None where there are none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Party:
    """One of the two maps.

    Attributes
    ----------
    name : str
        As the page calls it.
    address : str
    kind : str
        What it is, in words.
    depth_m : float or None
        Metres that it describes; None where it does not say.
    ice : "excess", "total" or None
    bounds : str
        What its low and high are, in words; empty without.
    facts : dict
        Where it comes from: digests, dates, seeds, boreholes.
    """

    name: str
    address: str
    kind: str
    depth_m: float | None
    ice: IceKind | None
    bounds: str
    facts: dict[str, str]


@dataclass(frozen=True)
class ZoneResult:
    """Both maps over the cells of one zone that both describe.

    Attributes
    ----------
    group, name : str
        Of the zone; see `GROUPS`.
    area_km2 : float
        That counts, the same for both.
    run, other : Total
    run_mean, other_mean : float
        Means weighted by area, in the unit of the target.
    run_width, other_width : float or None
        Mean widths of the 95 % interval of a cell, and of the other map's range.
    rmse : float
        Of run minus other, over cells weighted by area.
    covered : float
        Part of the area where the run's 95 % interval holds the other map's value.
    overlapping, holding : float or None
        Part where the interval and the other's range meet, and where that range holds the run's
        value.
    """

    group: str
    name: str
    area_km2: float
    run: Total
    other: Total
    run_mean: float
    other_mean: float
    run_width: float
    other_width: float | None
    rmse: float
    covered: float
    overlapping: float | None
    holding: float | None

    @property
    def bias(self) -> float:
        """Mean of run minus other."""
        return self.run_mean - self.other_mean


@dataclass(frozen=True)
class Footing:
    """What is compared of each map, and what is not.

    Attributes
    ----------
    depth_m : float or None
        Thickness of the layer; None where the target is no ice.
    mask, mask_words : str
    cells : int
        That both maps describe.
    cells_km2 : float
        Their whole area.
    counted_km2 : float
        The part of it that counts under the mask.
    run_km2 : float
        Area that counts of the whole run.
    run_total : Total
        Of the whole run, of the same depth.
    other_own, other_cut : OwnTotal or None
        Over the other map's own extent, to its own depth and to the depth compared.
    """

    depth_m: float | None
    mask: str
    mask_words: str
    cells: int
    cells_km2: float
    counted_km2: float
    run_km2: float
    run_total: Total
    other_own: OwnTotal | None
    other_cut: OwnTotal | None


@dataclass(frozen=True)
class Agreement:
    """Over all cells that both describe, weighted by area.

    Attributes
    ----------
    spearman, kappa : float
        Kappa has quadratic weights.
    classes : tuple of str
        By which kappa is told; both maps are cut at the same limits.
    matrix : tuple of tuples
        Part of the area by class of the run (rows) and of the other map (columns).
    """

    spearman: float
    kappa: float
    classes: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """A run and another map on a common footing.

    Attributes
    ----------
    name : str
        Of the comparison, which its files are named after.
    quantity : str
        ``ice storage`` or ``area-weighted mean``.
    unit : str
        Of the totals.
    target, target_unit : str
        What is mapped, and its unit.
    run, other : Party
    footing : Footing
    agreement : Agreement
    areas : tuple of ZoneResult
        All cells first.
    remarks : tuple of str
        What a ratio of the totals must not be read without.
    files : dict
        What was written: what -> address.
    """

    name: str
    quantity: str
    unit: str
    target: str
    target_unit: str
    run: Party
    other: Party
    footing: Footing
    agreement: Agreement
    areas: tuple[ZoneResult, ...]
    remarks: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> ZoneResult:
        return self.areas[0]
