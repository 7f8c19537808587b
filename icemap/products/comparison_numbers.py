"""The numbers of a comparison, of all cells and of every zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from icemap.addresses import shown
from icemap.boreholes.table_units import unit_factor
from icemap.comparison.agreement import (
    BINS,
    ComparedSums,
    class_limits,
    class_matrix,
    class_names,
    compared_sums,
    joint_histogram,
    spearman,
    weighted_kappa,
)
from icemap.comparison.other_map import OtherMap, ValueMap
from icemap.comparison.remarks import remarks
from icemap.comparison.result import (
    GROUPS,
    Agreement,
    Comparison,
    Footing,
    Party,
    Total,
    ZoneResult,
)
from icemap.config_sections import CompareConfig, TargetConfig
from icemap.errors import IcemapError
from icemap.mapping.zones import EXTENTS, MASKS
from icemap.products.compared_run import CELL_INTERVAL, RunMap, run_facts, zone_total
from icemap.products.comparison_inputs import comparison_name
from icemap.products.comparison_stage import Stage
from icemap.provenance import fingerprint
from icemap.regions import REGIONS
from icemap.store import file_name
from icemap.totals import polygon_storage
from icemap.totals.ice_storage import region_totals
from icemap.totals.opened_map import OpenedMap, holds_ice


def common_depth(
    run: OpenedMap, other: OtherMap, settings: CompareConfig, target: TargetConfig
) -> float | None:
    """Thickness of the layer that is compared, m; None where the target is no ice.

    Parameters
    ----------
    run : OpenedMap
    other : OtherMap
    settings : CompareConfig
        With the depth that was asked for, m.
    target : TargetConfig

    Raises
    ------
    IcemapError
        If a map does not say its depth, or describes less than the depth asked for.
    """
    if not holds_ice(target):
        if settings.depth is not None:
            raise IcemapError(
                f"The run maps {target.long_name}, which has no depth: leave out --depth."
            )
        return None
    name = comparison_name(settings)
    if settings.depth is None and other.depth_m is None:
        raise IcemapError(
            f"{name} does not say which depth its values hold for: give --depth in metres"
            + (", or a column 'depth' in the table of its classes." if settings.classes else ".")
        )
    depth = settings.depth
    if depth is None:
        assert other.depth_m is not None
        depth = min(other.depth_m, run.residual.thickness_m)
    for whose, metres in (("The run", run.residual.thickness_m), (name, other.depth_m)):
        if metres is not None and depth > metres * (1 + 1e-9):
            raise IcemapError(
                f"{whose} describes {metres:g} m, of which {depth:g} m cannot be compared: give"
                f" --depth {metres:g} or less."
            )
    return float(depth)


def require_unit(stage: Stage, other: OtherMap, settings: CompareConfig) -> None:
    """Refuse parts of one where the file says nothing and per cent are expected.

    Parameters
    ----------
    stage : Stage
        The cells that are compared.
    other : OtherMap
    settings : CompareConfig

    Raises
    ------
    IcemapError
        Saying what the values look like, and where to say what they are.
    """
    low, high = stage.other_range
    if (
        isinstance(other, ValueMap)
        and settings.catalog is None
        and unit_factor(stage.target.unit, "fraction") == 0.01
        and low >= 0
        and 0 < high <= 1
    ):
        raise IcemapError(
            f"{comparison_name(settings)} holds values from {low:.3g} to {high:.3g}, which look"
            " like parts of one and not like per cent: describe it with its 'unit' or 'file_unit'"
            " in a catalogue, and name that with --catalog."
        )


def compared_maps(
    run_url: str,
    run: OpenedMap,
    stage: Stage,
    other: OtherMap,
    settings: CompareConfig,
    depth: float | None,
) -> Comparison:
    """Agreement of the two maps, and totals or means of all cells and of every zone.

    Parameters
    ----------
    run_url : str
    run : OpenedMap
        The map of the run.
    stage : Stage
        The cells that are compared.
    other : OtherMap
    settings : CompareConfig
    depth : float or None
        Thickness of the layer that is compared, m; None where the target is no ice.
    """
    target, name = stage.target, comparison_name(settings)
    ranges = [] if stage.table is None else [(one.low, one.high) for one in stage.table.known]
    lowest, highest = (f(stage.run_range[k], stage.other_range[k]) for k, f in ((0, min), (1, max)))
    limits = class_limits(target.closed_bounds, (lowest, highest), ranges)
    sums: dict[str, ComparedSums] = {}
    histogram = np.zeros((BINS, BINS))
    matrix = np.zeros((len(limits) + 1,) * 2)
    for _, cells, members in stage.chunks():
        for label, part in compared_sums(cells, members).items():
            sums[label] = sums.get(label, ComparedSums()) + part
        histogram += joint_histogram(cells, stage.run_range, stage.other_range)
        matrix += class_matrix(cells, limits)
    run_sums = polygon_storage.sum_covers(run, stage.covers, "whole")
    run_totals = {label: zone_total(run, part, depth) for label, part in run_sums.items()}
    other_totals = {
        label: _total(part, depth, has_range=stage.has_range) for label, part in sums.items()
    }
    if isinstance(other, RunMap):
        other_totals = other.totals(stage, other_totals, depth)
    areas = tuple(
        _zone_result(label, sums[label], run_totals[label], other_totals[label], stage)
        for label in _ordered(sums)
    )
    footing = _footing(run, stage, other, settings, depth, areas[0].area_km2)
    parties = _parties(run_url, run, other, settings, target)
    parts = tuple(tuple(float(part) for part in row) for row in matrix / matrix.sum())
    return Comparison(
        name=name,
        quantity="area-weighted mean" if depth is None else "ice storage",
        unit=target.unit if depth is None else "km3",
        target=target.long_name,
        target_unit=target.unit,
        run=parties[0],
        other=parties[1],
        footing=footing,
        agreement=Agreement(
            spearman(histogram), weighted_kappa(matrix), class_names(limits, target.unit), parts
        ),
        areas=areas,
        remarks=remarks(*parties, footing),
    )


def _ordered(labels: Mapping[str, Any]) -> list[str]:
    """Whole, regions, bands from the pole, extents from the most, classes as in the table."""
    regions, extents = list(REGIONS), [f"{name} permafrost" for name in EXTENTS]

    def place(label: str) -> tuple[int, float]:
        group, _, name = label.partition(": ")
        within = {
            "region": lambda: regions.index(name),
            "latitude": lambda: -float(name.split(" ")[0]),
            "permafrost": lambda: extents.index(name),
            "class": lambda: int(name),
        }.get(group, lambda: 0)
        return list(GROUPS).index(group), within()

    return sorted(labels, key=place)


def _total(sums: ComparedSums, depth: float | None, *, has_range: bool) -> Total:
    """Total or mean of the other map from its values in the cells."""
    scale = 1.0 if depth is None else sums.weight * depth / 1000 / 100
    low, high = (
        scale * sums.mean(key) if has_range else None for key in ("other_low", "other_high")
    )
    return Total(scale * sums.mean("other"), low, high)


def _zone_result(
    label: str, sums: ComparedSums, run: Total, other: Total, stage: Stage
) -> ZoneResult:
    group, _, name = label.partition(": ")
    if group == "class":
        assert stage.table is not None
        name = stage.table.classes[int(name)].name
    ranged = stage.has_range
    return ZoneResult(
        group=group,
        name=name,
        area_km2=sums.weight,
        run=run,
        other=other,
        run_mean=sums.mean("run"),
        other_mean=sums.mean("other"),
        run_width=sums.mean("run_width"),
        other_width=sums.mean("other_width") if ranged else None,
        rmse=float(np.sqrt(sums.mean("squares"))),
        covered=sums.mean("covered"),
        overlapping=sums.mean("overlapping") if ranged else None,
        holding=sums.mean("holding") if ranged else None,
    )


def _footing(
    run: OpenedMap,
    stage: Stage,
    other: OtherMap,
    settings: CompareConfig,
    depth: float | None,
    counted_km2: float,
) -> Footing:
    row = region_totals(run, "all", settings.mask, thickness_m=depth).iloc[0]
    quantity = "mean" if depth is None else "ice_km3"
    whole = Total(*(float(row[quantity + part]) for part in ("", "_lower95", "_upper95")))
    cut = own = other.own_total(depth) if depth is not None else None
    if depth is not None and (other.table is not None or other.depth_m not in (None, depth)):
        own = other.own_total(None if other.table is not None else other.depth_m)
    return Footing(
        depth_m=depth,
        mask=settings.mask,
        mask_words=MASKS[settings.mask],
        cells=stage.cells,
        cells_km2=stage.cells_km2,
        counted_km2=counted_km2,
        run_km2=float(row["area_km2"]),
        run_total=whole,
        other_own=own,
        other_cut=cut,
    )


def _parties(
    run_url: str, run: OpenedMap, other: OtherMap, settings: CompareConfig, target: TargetConfig
) -> tuple[Party, Party]:
    ice = holds_ice(target)
    facts = run_facts(run_url)
    own = Party(
        name=facts.get("title") or file_name(run_url),
        address=shown(run_url),
        kind="a run of icemap",
        depth_m=run.residual.thickness_m if ice else None,
        ice="total" if ice else None,
        bounds=CELL_INTERVAL,
        facts=facts,
    )
    if isinstance(other, RunMap):
        facts = run_facts(other.run_url)
        name = facts.get("title") or comparison_name(settings)
        # Two states of one map have one title.
        name = f"{name} ({comparison_name(settings)})" if name == own.name else name
    else:
        name, facts = comparison_name(settings), _file_facts(settings)
    return own, Party(
        name=name,
        address=shown(settings.other),
        kind=other.kind,
        depth_m=other.depth_m if ice else None,
        ice=other.ice if ice else None,
        bounds=other.range_is,
        facts=facts,
    )


def _file_facts(settings: CompareConfig) -> dict[str, str]:
    facts = {}
    if settings.catalog is not None:
        facts["catalogue"] = f"{file_name(settings.catalog)}, entry {settings.other}"
    else:
        facts["file"] = f"{file_name(settings.other)}, sha256:{fingerprint(settings.other)}"
    if settings.classes is not None:
        facts["classes"] = f"{file_name(settings.classes)}, sha256:{fingerprint(settings.classes)}"
    return facts
