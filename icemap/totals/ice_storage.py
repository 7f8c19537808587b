"""Ice storage with an honest interval, from the partial sums in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.config import TargetConfig
from icemap.errors import IcemapError
from icemap.json_records import MapChunkRecord, StorageRecord, read_record
from icemap.mapping.areas import BAND_DEGREES, DEFAULT_MASK, EXTENTS, MASKS
from icemap.mapping.map_schema import HELD_OUT, open_map, require_complete, target_of
from icemap.mapping.sums import Sums, add
from icemap.regions import REGIONS
from icemap.run_folder import RunFolder
from icemap.running.ledger import Ledger
from icemap.store import exists, write_json
from icemap.totals.ice_totals import totals, with_mask
from icemap.totals.polygon_storage import AreaSums, sum_areas
from icemap.totals.polygons import SUFFIXES, read_areas
from icemap.totals.residual_field import Variogram
from icemap.totals.zone_storage import sum_zones

if TYPE_CHECKING:
    import pandas as pd

# Of the layer below the permafrost table that site values without layers are taken to describe.
THICKNESS_M = 5.0
# Of the areas in a table: the whole, regions, bands from the pole, classes of permafrost.
ORDER = (
    "all",
    *REGIONS,
    *(f"{south} to {south + BAND_DEGREES} N" for south in range(80, -91, -BAND_DEGREES)),
    *(f"{name} permafrost" for name in EXTENTS),
)


def holds_ice(target: TargetConfig) -> bool:
    """True when the target is a volumetric ice content in per cent, so that its integral is a
    volume of ice.
    """
    return target.name == "vic" and target.unit == "%"


def read_sums(map_url: str) -> Sums:
    """Partial sums of all chunks of a finished map, added up.

    Raises
    ------
    IcemapError
        If the map is unfinished, or its ledger is missing or holds no sums.
    """
    require_complete(map_url)
    ledger = RunFolder.of_map(map_url).ledger("map")
    records = Ledger(ledger, MapChunkRecord).records().values()
    if not records:
        raise IcemapError(
            f"There are no chunk records in {ledger}, from which totals are made: give the map"
            " inside its run folder, or run 'icemap map' first."
        )
    sums: Sums = reduce(add, (record.get("sums", {}) for record in records), {})
    if not sums:
        raise IcemapError(
            f"The chunk records in {ledger} hold no sums: no cell of the map counts. Check the"
            " masks in the config."
        )
    return sums


def ice_storage(
    map_url: str,
    region: str | None = None,
    mask: str = DEFAULT_MASK,
    residual_sd: Mapping[str, float] | None = None,
    thickness_m: float | None = None,
    attribute: str | None = None,
    layer: str | None = None,
    zones: str | None = None,
    classes: str | None = None,
    **storage_options: Any,
) -> pd.DataFrame:
    """Ice storage per region, with interval and parts.

    For a target other than VIC in per cent the table gives the area-weighted mean of the target
    instead of a volume.

    Parameters
    ----------
    map_url : str
        A finished map in its run folder; the totals come from the ledger beside it.
    region : str, optional
        One region of the ledger, all of them when left out; or a file of polygons (GeoPackage,
        GeoJSON ...), whose totals are summed from the replicates stored with the map.
    mask : str
        Which part of a cell counts, of :data:`icemap.mapping.areas.MASKS`: ``"fraction"`` is the
        permafrost fraction of the run.
    residual_sd : mapping of str to float, optional
        Per region (``"region / mask"`` for other masks), standard deviation of the total of the
        correlated residual (target unit x km2). When left out: what ``ice_storage.json`` beside the
        map says; no residual where there is no such file.
    thickness_m : float, optional
        Thickness of the layer, for ice; that of ``ice_storage.json`` when left out, else 5.
    attribute : str, optional
        Column of the polygon file that names the areas.
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
        ``mask``, ``unit`` and ``residual_sd``. Rows of the ledger also have ``share_mask`` (of the
        variance, beside ensemble and residual) and the range of the total over the masks.

    Raises
    ------
    IcemapError
        If the map is unfinished, or there is no such region, mask or file.
    """
    import pandas as pd

    if mask not in MASKS:
        raise IcemapError(f"There is no mask '{mask}': choose from {', '.join(MASKS)}.")
    dataset = open_map(map_url, **storage_options)
    target, held_out = target_of(dataset), dataset.attrs.get(HELD_OUT)
    known = _known(map_url, **storage_options)
    thickness = (
        (thickness_m or known.get("thickness_m", THICKNESS_M)) if holds_ice(target) else None
    )
    columns = {"mask": mask, "unit": target.unit if thickness is None else "km3"}
    if classes is not None and zones is None:
        raise IcemapError(
            "A table of classes names those of a raster: give it with --zones, or as 'zones' in"
            " Python."
        )
    if zones is not None and region is not None:
        raise IcemapError("Totals are either by region or polygons or by zones: give one of them.")
    drawn: dict[str, AreaSums] = {}
    if zones is not None:
        drawn = sum_zones(map_url, zones, classes, mask, **storage_options)
    elif region is not None and region.lower().endswith(SUFFIXES):
        drawn = sum_areas(map_url, read_areas(region, attribute, layer), mask, **storage_options)
    if drawn:
        variogram = (
            Variogram(**known["residual_variogram"]) if known.get("residual_variogram") else None
        )
        rows = []
        for name, area in drawn.items():
            sd_here = area.residual_sd(variogram)
            rows.append(
                {"region": name, **columns, "residual_sd": sd_here}
                | totals(area.sums["all"], sd_here, thickness, held_out, target.bounds)
            )
        return pd.DataFrame(rows)
    sums = read_sums(map_url)
    chosen = {_split(name)[0]: part for name, part in sums.items() if _split(name)[1] == mask}
    if not chosen:
        raise IcemapError(
            f"The map {map_url} was made without the mask '{mask}': it has"
            f" {', '.join(sorted({_split(name)[1] for name in sums}))}."
        )
    if region is not None and region not in chosen:
        raise IcemapError(
            f"The map {map_url} has no totals for the region '{region}': it has"
            f" {', '.join(chosen)}; or give a file of polygons."
        )
    if residual_sd is None:
        residual_sd = known.get("residual_sd", {})
    sd = {
        name: residual_sd.get(name if mask == DEFAULT_MASK else f"{name} / {mask}", 0.0)
        for name in chosen
    }
    rows = []
    for name in sorted(
        chosen, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)
    ):
        part = chosen[name]
        if region in (None, name):
            every_mask = [other for key, other in sums.items() if _split(key)[0] == name]
            row = with_mask(
                totals(part, sd[name], thickness, held_out, target.bounds), every_mask, thickness
            )
            rows.append({"region": name, **columns, "residual_sd": sd[name]} | row)
    return pd.DataFrame(rows)


def storage_lines(table: pd.DataFrame) -> Iterator[str]:
    """The table as lines of text: total and interval of each region, and how much of it lies inside
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


def four_digits(value: float) -> str:
    """Four significant digits without a power of ten.

    Examples
    --------
    >>> four_digits(35841.2), four_digits(25.914), four_digits(float("nan"))
    ('35,840', '25.91', 'nan')
    """
    return f"{float(f'{value:.4g}'):,.12g}"


def _split(name: str) -> tuple[str, str]:
    region, _, mask = name.partition(" / ")
    return region, mask or DEFAULT_MASK


def _known(map_url: str, **storage_options: Any) -> Mapping[str, Any]:
    """What ``ice_storage.json`` beside the map holds; {} without one."""
    url = RunFolder.of_map(map_url).storage
    return read_storage(url, **storage_options) if exists(url, **storage_options) else {}


def read_storage(url: str, **storage_options: Any) -> StorageRecord:
    """The content of an ``ice_storage.json``.

    Raises
    ------
    IcemapError
        If it is not what icemap wrote.
    """
    return read_record(
        url, StorageRecord, "delete it, and make it again with 'icemap storage'", **storage_options
    )


def write_ice_storage(
    url: str,
    table: pd.DataFrame,
    variogram: Variogram | None = None,
    residual_sd: Mapping[str, float] | None = None,
    thickness_m: float = THICKNESS_M,
) -> None:
    """Write the table as JSON, one object per region, with what totals of other areas need: the
    residual's variogram and its part in each region.
    """
    rows = [
        {
            key: None if isinstance(value, float) and np.isnan(value) else value
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
    quantity = "ice storage" if "ice_km3" in table else "area-weighted mean"
    facts = {
        "quantity": quantity,
        "thickness_m": thickness_m,
        "masks": MASKS,
        "residual_variogram": asdict(variogram) if variogram else None,
    }
    write_json(url, {**facts, "regions": rows, "residual_sd": dict(residual_sd or {})})
