"""``icemap compare``: a run compared with an earlier map, on the cells that both describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from icemap.addresses import recorded, shown
from icemap.catalog import load_sources
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
from icemap.comparison.class_table import ICE_KINDS
from icemap.comparison.other_map import OtherMap, ValueMap, open_other
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
from icemap.config import CompareConfig, TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import (
    open_gridded,
)
from icemap.mapping.map_schema import open_map, require_complete
from icemap.mapping.zones import DEFAULT_MASK, EXTENTS, MASKS
from icemap.predictors.cube import identity
from icemap.predictors.suffixes import suffix_of
from icemap.products.cog import write_layer
from icemap.products.compared_run import CELL_INTERVAL, RunMap, open_run, run_facts, zone_total
from icemap.products.comparison_stage import DIFFERENCE, Stage
from icemap.products.pages.comparison import write_comparison_page
from icemap.products.viewer_layers import SUFFIX, write_differences
from icemap.provenance import fingerprint, metadata_digest
from icemap.regions import REGIONS
from icemap.run_folder import RunFolder
from icemap.running.leftovers import COMPARISON_FOLDER
from icemap.running.lock import run_lock
from icemap.store import (
    exists,
    file_name,
    is_remote,
    join,
    local_path,
    remove,
    replace_folder,
    write_json,
)
from icemap.totals import polygon_storage
from icemap.totals.ice_storage import region_totals
from icemap.totals.opened_map import OpenedMap, holds_ice


def compare(
    run: str,
    other: str,
    classes: str | None = None,
    depth: float | None = None,
    mask: str = DEFAULT_MASK,
    ice: str | None = None,
    catalog: str | None = None,
    attribute: str | None = None,
    name: str | None = None,
) -> Comparison:
    """Compare a run with an earlier map or run, and write the page, JSON, Zarr and GeoTIFF of it.

    Only what both describe is compared: the same cells, the same permafrost mask (the run's), the
    same depth; weighted by area on the ellipsoid.

    Parameters
    ----------
    run : str
        A run folder or bucket prefix, which the results are written to.
    other : str
        A run folder, a raster of any CRS in the unit of the target, a raster of classes or a file
        of polygons; with ``catalog`` the name of an entry there.
    classes : str, optional
        Table of what the classes of ``other`` hold: ``code``, ``name``, ``low``, ``middle``,
        ``high`` (%), ``depth`` (m), ``extent`` (parts of one) and ``ice`` (excess or total).
    depth : float, optional
        Metres below the permafrost table that are compared. Needed where ``other`` does not say
        what its values hold for; else the smaller of the two depths.
    mask : str
        What counts of a cell, of :data:`icemap.mapping.zones.MASKS`.
    ice : {"excess", "total"}, optional
        Which ice ``other`` counts, where its table does not say.
    catalog : str, optional
    attribute : str, optional
        Column of polygons with the codes of the table.
    name : str, optional
        Of the comparison; that of the file or folder when left out.

    Returns
    -------
    Comparison
        ``whole`` is the row of all cells, ``areas`` those of zones: regions, bands of latitude,
        extents of permafrost and classes; ``files`` says what was written.

    Raises
    ------
    IcemapError
        One sentence: what of the input cannot be compared, and what to do.
    """
    if mask not in MASKS:
        raise IcemapError(f"There is no mask '{mask}': choose from {', '.join(MASKS)}.")
    if ice is not None and ice not in ICE_KINDS:
        raise IcemapError(f"There is no ice '{ice}': choose from {', '.join(ICE_KINDS)}.")
    if depth is not None and not 0 < depth < np.inf:
        raise IcemapError(f"The depth is {depth:g}: give metres, more than 0.")
    given = {"other": other, "classes": classes, "depth": depth, "mask": mask, "ice": ice}
    given |= {"catalog": catalog, "attribute": attribute, "name": name}
    settings = CompareConfig.model_validate(given)
    require_complete_run(run)
    with run_lock(run, "icemap compare", lambda line: None):
        return make_comparison(run, settings)


def require_complete_run(run_url: str) -> None:
    """Refuse a run without a finished map."""
    open_map(RunFolder(run_url).map)
    require_complete(RunFolder(run_url).map)


def comparison_urls(run_url: str, name: str) -> dict[str, str]:
    """What a comparison writes: what -> address."""
    folder = RunFolder(run_url).comparisons
    return {
        "page": join(run_url, f"comparison-{name}.html"),
        "numbers": join(folder, f"{name}.json"),
        "cells": join(folder, f"{name}.zarr"),
        "difference": join(folder, f"{name}{SUFFIX}"),
    }


def comparison_name(settings: CompareConfig) -> str:
    """Name of a comparison: the one given, else that of the file or run folder."""
    if settings.name is not None:
        return settings.name
    parts = shown(settings.other).rstrip("/").removesuffix("/map.zarr")
    stem = file_name(parts).rsplit(".", 1)[0] if settings.catalog is None else settings.other
    return (
        "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
        or "other"
    )


def comparison_inputs(settings: CompareConfig) -> list[Any]:
    """What a comparison depends on in addition to the run: settings and digests, JSON-able."""
    keys = settings.model_dump(exclude={"other", "classes", "catalog"})
    files = [fingerprint(settings.classes)] if settings.classes is not None else []
    if settings.catalog is not None:
        source = load_sources(settings.catalog, [settings.other])[settings.other]
        return [keys, *files, identity(source)]
    run = _run_at(settings)
    other = fingerprint(settings.other) if run is None else metadata_digest(RunFolder(run).map)
    return [keys, *files, other]


def require_different_names(compared: Sequence[CompareConfig]) -> None:
    """Refuse two comparisons that would write the same files.

    Raises
    ------
    IcemapError
        Naming the two.
    """
    names: dict[str, str] = {}
    for one in compared:
        name = comparison_name(one)
        if name in names:
            raise IcemapError(
                f"compare: {shown(names[name])} and {shown(one.other)} are both called '{name}':"
                " give one of them a 'name' in the config."
            )
        names[name] = one.other


def make_comparison(run_url: str, settings: CompareConfig) -> Comparison:
    """Compare and write, with the lock of the run held; what was there stays where this fails."""
    map_url = RunFolder(run_url).map
    run = OpenedMap.of(map_url)
    target, name = run.target, comparison_name(settings)
    urls = comparison_urls(run_url, name)
    stage_url = join(run_url, f"{COMPARISON_FOLDER}{name}.zarr")
    try:
        with _opened(run_url, settings, run.grid, target) as other:
            depth = common_depth(run, other, settings, target)
            stage = Stage.make(stage_url, run, other, settings.mask)
            _require_unit(stage, other, settings)
            found = _compared(run_url, run, stage, other, settings, depth)
        found = replace(found, files=urls)
        written = open_gridded(stage_url, "comparison")
        write_layer(written, stage_url, DIFFERENCE, urls["difference"], found.footing.cells)
        replace_folder(stage_url, urls["cells"])
    finally:
        remove(stage_url)
    write_json(urls["numbers"], _plain(asdict(found)))
    write_comparison_page(urls["page"], found, urls["cells"], map_url)
    write_differences(run_url)
    return found


def comparison_problems(
    run_url: str, compared: Sequence[CompareConfig], grid: Grid, target: TargetConfig
) -> list[str]:
    """What of the maps to be compared with cannot be opened as a comparison will open it.

    Parameters
    ----------
    run_url : str
        The run that they are compared with, finished or not.
    compared : sequence of CompareConfig
    grid : Grid
        Of the run.
    target : TargetConfig

    Returns
    -------
    list of str
        A sentence for each problem.
    """
    found = []
    try:
        require_different_names(compared)
    except IcemapError as error:
        found.append(str(error))
    for settings in compared:
        try:
            with _opened(run_url, settings, grid, target):
                pass
        except IcemapError as error:
            found.append(str(error))
    return found


@contextmanager
def _opened(
    run_url: str, settings: CompareConfig, grid: Grid, target: TargetConfig
) -> Iterator[OtherMap]:
    other_run = _run_at(settings)
    with ExitStack() as stack:
        if other_run is None:
            yield stack.enter_context(
                open_other(
                    settings.other,
                    grid,
                    target,
                    settings.classes,
                    settings.ice,
                    settings.catalog,
                    settings.attribute,
                )
            )
            return
        if _same_place(other_run, run_url):
            raise IcemapError(
                f"{settings.other} is the run itself: give another run, or an earlier copy of it."
            )
        for option in ("classes", "attribute", "ice"):
            if getattr(settings, option) is not None:
                raise IcemapError(
                    f"{settings.other} is a run of icemap, which needs no --{option}: leave it out."
                )
        yield stack.enter_context(open_run(other_run, grid, target, settings.mask))


def _run_at(settings: CompareConfig) -> str | None:
    """The run folder that the other map is, if it is one."""
    if settings.catalog is not None:
        return None
    place = settings.other.rstrip("/")
    if place.endswith("/map.zarr"):
        place = place.removesuffix("/map.zarr")
    elif place.startswith("http") and suffix_of(place):
        # Asked for what is below a file, a server may refuse.
        return None
    return place if exists(join(RunFolder(place).map, "zarr.json")) else None


def _same_place(one: str, other: str) -> bool:
    if is_remote(one) or is_remote(other):
        return one.rstrip("/") == other.rstrip("/")
    return local_path(one).resolve() == local_path(other).resolve()


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


def _require_unit(stage: Stage, other: OtherMap, settings: CompareConfig) -> None:
    """Refuse parts of one where the file says nothing and per cent are expected."""
    low, high = stage.other_range
    if (
        isinstance(other, ValueMap)
        and settings.catalog is None
        and stage.target.unit == "%"
        and low >= 0
        and 0 < high <= 1
    ):
        raise IcemapError(
            f"{comparison_name(settings)} holds values from {low:.3g} to {high:.3g}, which look"
            " like parts of one and not like per cent: describe it with its 'unit' or 'file_unit'"
            " in a catalogue, and name that with --catalog."
        )


def _compared(
    run_url: str,
    run: OpenedMap,
    stage: Stage,
    other: OtherMap,
    settings: CompareConfig,
    depth: float | None,
) -> Comparison:
    target, name = stage.target, comparison_name(settings)
    ranges = [] if stage.table is None else [(one.low, one.high) for one in stage.table.known]
    lowest, highest = (f(stage.run_range[k], stage.other_range[k]) for k, f in ((0, min), (1, max)))
    limits = class_limits(target.bounds, (lowest, highest), ranges)
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


def _plain(value: Any) -> Any:
    """As JSON, in which NaN is null and no address has a secret."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return recorded(value) if isinstance(value, str) else value
