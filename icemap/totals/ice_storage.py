"""Ice storage with an honest interval, from the partial sums in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import reduce
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError
from icemap.json_records import MapChunkRecord
from icemap.mapping.map_schema import require_complete
from icemap.mapping.sums import RegionSums, Sums, add, from_records
from icemap.mapping.zones import (
    BAND_DEGREES,
    DEFAULT_MASK,
    EXTENTS,
    MASKS,
    total_name,
    zone_and_mask,
)
from icemap.regions import REGIONS
from icemap.run_folder import RunFolder
from icemap.running.ledger import Ledger
from icemap.store import write_json
from icemap.totals.ice_totals import with_mask
from icemap.totals.opened_map import OpenedMap, ResidualFacts, read_storage
from icemap.totals.polygon_storage import ZoneSums, sum_polygons
from icemap.totals.polygons import SUFFIXES, read_zones
from icemap.totals.zone_storage import sum_zones

if TYPE_CHECKING:
    import pandas as pd

# Of the regions in a table: the whole, regions, bands from the pole, classes of permafrost.
ORDER = (
    "all",
    *REGIONS,
    *(f"{south} to {south + BAND_DEGREES} N" for south in range(80, -91, -BAND_DEGREES)),
    *(f"{name} permafrost" for name in EXTENTS),
)


def read_sums(map_url: str) -> Sums:
    """Partial sums of all chunks of a finished map, added up.

    Raises
    ------
    IcemapError
        If the map is unfinished, or its ledger is missing or holds no sums.
    """
    require_complete(map_url)
    ledger = Ledger(RunFolder.of_map(map_url).ledger("map"), MapChunkRecord)
    if not ledger.keys():
        raise IcemapError(
            f"There are no chunk records in {ledger.url}, from which totals are made: give the map"
            " inside its run folder, or run 'icemap map' first."
        )
    parts = (ledger.numbers(key, record) for key, record in ledger.each())
    sums = reduce(add, (from_records(part) for part in parts), Sums())
    if not sums:
        raise IcemapError(
            f"The chunk records in {ledger.url} hold no sums: no cell of the map counts. Check the"
            " masks in the config."
        )
    return sums


def ice_storage(
    map_url: str | PathLike[str],
    region: str | PathLike[str] | None = None,
    mask: str = DEFAULT_MASK,
    thickness_m: float | None = None,
    attribute: str | None = None,
    layer: str | None = None,
    zones: str | PathLike[str] | None = None,
    classes: str | PathLike[str] | None = None,
    **storage_options: Any,
) -> pd.DataFrame:
    """Ice storage per region, with interval and parts.

    For a target other than VIC in per cent the table gives the area-weighted mean of the target
    instead of a volume.

    Parameters
    ----------
    map_url : str
        A finished map in its run folder; the totals come from the ledger next to it, the
        correlated residual from ``ice_storage.json`` (none where there is no such file).
    region : str, optional
        One region of the ledger, all of them when left out; or a file of polygons (GeoPackage,
        GeoJSON ...), whose totals are summed from the replicates stored with the map.
    mask : str
        Which part of a cell counts, of :data:`icemap.mapping.zones.MASKS`: ``"fraction"`` is the
        permafrost fraction of the run.
    thickness_m : float, optional
        Thickness of the layer, for ice; that of ``ice_storage.json`` when left out, else 5.
    attribute : str, optional
        Column of the polygon file that names the zones.
    layer : str, optional
        Of a polygon file that has several.
    zones : str, optional
        A raster of classes in any CRS: the totals by its classes, instead of those of regions.
    classes : str, optional
        Table with the ``code`` and ``name`` of the classes of ``zones``.
    **storage_options
        What fsspec needs beyond the environment to read the map, such as ``anon=True``.

    Returns
    -------
    pandas.DataFrame
        One row per region; columns as in :func:`icemap.totals.ice_totals.totals`, after ``region``,
        ``mask``, ``unit`` and ``residual_sd`` (target unit x km2). Rows of the ledger also have
        ``share_mask`` (of the variance, next to ensemble and residual) and the range of the total
        over the masks.

    Raises
    ------
    IcemapError
        If the map is unfinished, or there is no such region, mask or file.
    """
    if mask not in MASKS:
        raise IcemapError(f"There is no mask '{mask}': choose from {', '.join(MASKS)}.")
    if classes is not None and zones is None:
        raise IcemapError(
            "A table of classes names those of a raster: give it with --zones, or as 'zones' in"
            " Python."
        )
    if zones is not None and region is not None:
        raise IcemapError("Totals are either by region or polygons or by zones: give one of them.")
    for given in (region, zones, classes):
        if given is not None and not isinstance(given, str | PathLike):
            raise IcemapError(
                "Regions, polygons, zones and classes are given by name or file, not as a"
                f" {type(given).__name__}: write it to a file first, such as .gpkg, .tif or .csv."
            )
    opened = OpenedMap.of(fspath(map_url), **storage_options)
    if zones is not None:
        table = None if classes is None else fspath(classes)
        sums = sum_zones(opened, fspath(zones), table, mask)
        return zone_totals(opened, sums, mask, thickness_m)
    region = None if region is None else fspath(region)
    if region is not None and region.lower().endswith(SUFFIXES):
        drawn = sum_polygons(opened, read_zones(region, attribute, layer), mask)
        return zone_totals(opened, drawn, mask, thickness_m)
    return region_totals(opened, region, mask, thickness_m)


def zone_totals(
    opened: OpenedMap, zones: Mapping[str, ZoneSums], mask: str, thickness_m: float | None = None
) -> pd.DataFrame:
    """Totals of zones that the ledger does not hold.

    Parameters
    ----------
    opened : OpenedMap
    zones : mapping of str to ZoneSums
        By name; of `icemap.totals.polygon_storage` or `icemap.totals.zone_storage`.
    mask : str
        Under which the zones were summed.
    thickness_m : float, optional
        Of the layer, for ice; that of the run when left out.

    Returns
    -------
    pandas.DataFrame
        A row per zone, as `ice_storage` gives them.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            _row(opened, name, mask, part.sums, part.residual_sd(opened.residual.variogram), depth)
            for depth in [_depth(opened, thickness_m)]
            for name, part in zones.items()
        ]
    )


def region_totals(
    opened: OpenedMap,
    region: str | None = None,
    mask: str = DEFAULT_MASK,
    thickness_m: float | None = None,
) -> pd.DataFrame:
    """Totals of the regions of the ledger, or of one of them.

    Parameters
    ----------
    opened : OpenedMap
    region : str, optional
        All when left out.
    mask : str
        Of :data:`icemap.mapping.zones.MASKS`.
    thickness_m : float, optional
        Of the layer, for ice; that of the run when left out.

    Returns
    -------
    pandas.DataFrame
        A row per region, as `ice_storage` gives them.

    Raises
    ------
    IcemapError
        If the map is unfinished, or there is no such region or mask.
    """
    import pandas as pd

    parts = {zone_and_mask(name): part for name, part in read_sums(opened.url).items()}
    chosen = {zone: part for (zone, of_mask), part in parts.items() if of_mask == mask}
    if not chosen:
        raise IcemapError(
            f"The map {opened.url} was made without the mask '{mask}': it has"
            f" {', '.join(sorted({of_mask for _, of_mask in parts}))}."
        )
    if region is not None and region not in chosen:
        raise IcemapError(
            f"The map {opened.url} has no totals for the region '{region}': it has"
            f" {', '.join(chosen)}; or give a file of polygons."
        )
    depth = _depth(opened, thickness_m)
    names = sorted(chosen, key=lambda name: (_place(name), name))
    rows = []
    for name in names if region is None else [region]:
        here = opened.residual.sd.get(total_name(name, mask), 0.0)
        every_mask = [part for (zone, _), part in parts.items() if zone == name]
        row = _row(opened, name, mask, chosen[name], here, depth)
        rows.append(with_mask(row, every_mask, depth))
    return pd.DataFrame(rows)


def _depth(opened: OpenedMap, thickness_m: float | None) -> float | None:
    """Thickness of the layer in metres: the one given, else the run's; None of no ice."""
    return opened.thickness_m and (thickness_m or opened.thickness_m)


def _row(
    opened: OpenedMap,
    name: str,
    mask: str,
    sums: RegionSums,
    residual_sd: float,
    thickness_m: float | None,
) -> dict[str, str | float]:
    unit = opened.target.unit if thickness_m is None else "km3"
    found = opened.total(sums, residual_sd, thickness_m)
    return {"region": name, "mask": mask, "unit": unit, "residual_sd": residual_sd, **found}


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def storage_lines(table: pd.DataFrame) -> Iterator[str]:
    """The table as lines of text: total and interval of each region, and how much of it is inside
    the area of applicability.
    """
    quantity = "ice_km3" if "ice_km3" in table else "mean"
    widest = max(len(name) for name in table["region"])
    for row in table.to_dict("records"):
        total, low, high, inside = (
            four_digits(row[quantity + part]) for part in ("", "_lower95", "_upper95", "_aoa")
        )
        yield (
            f"{row['region']:{widest}s} {total:>12s} {row['unit']} (95 %: {low} to {high}), inside"
            f" the AOA {inside}"
        )


def total_line(url: str) -> str:
    """Total and interval of the whole map in one line, from an ``ice_storage.json``.

    Raises
    ------
    IcemapError
        If it has none.
    """
    content = read_storage(url)
    quantity = "ice_km3" if content["quantity"] == "ice storage" else "mean"
    needed = {"unit", quantity}
    rows: list[Mapping[str, Any]] = [
        row for row in content["regions"] if row.get("region") == "all" and needed <= row.keys()
    ]
    if not rows:
        raise IcemapError(
            f"{url} has no total: delete it, and make it again with 'icemap storage'."
        )
    total, low, high = (
        four_digits(rows[0][quantity + part]) for part in ("", "_lower95", "_upper95")
    )
    return f"{content['quantity']}: {total} {rows[0]['unit']} (95 %: {low} to {high})"


def four_digits(value: float) -> str:
    """Four significant digits without a power of ten.

    Examples
    --------
    >>> four_digits(35841.2), four_digits(25.914), four_digits(float("nan"))
    ('35,840', '25.91', 'nan')
    """
    return f"{float(f'{value:.4g}'):,.12g}"


def write_ice_storage(
    url: str, table: pd.DataFrame, facts: ResidualFacts | None = None, *, preview: str = ""
) -> None:
    """Write totals as JSON, one object per region, with what they were made with.

    Parameters
    ----------
    url : str
        Where the file will be.
    table : DataFrame
        From :func:`ice_storage`.
    facts : ResidualFacts, optional
        Of the run: totals of other zones need them.
    preview : str, optional
        What the map says of itself if it is a preview.
    """
    facts = facts or ResidualFacts()
    rows = [
        {
            key: None if isinstance(value, float) and np.isnan(value) else value
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
    content = {
        "quantity": "ice storage" if "ice_km3" in table else "area-weighted mean",
        "thickness_m": facts.thickness_m,
        "masks": MASKS,
        "residual_variogram": asdict(facts.variogram) if facts.variogram else None,
        "regions": rows,
        "residual_sd": dict(facts.sd),
        **({"preview": preview} if preview else {}),
    }
    write_json(url, content)
