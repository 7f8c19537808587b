"""What a map holds: its variables, their attributes and the files they are published as."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import DIMENSIONS, Variable, grid_of, open_gridded
from icemap.json_records import CalibrationRecord, Json
from icemap.run_folder import RunFolder
from icemap.running.ledger import Ledger
from icemap.store import join
from icemap.verification.interval_scope import IntervalScope

if TYPE_CHECKING:
    import xarray as xr

# Suffix of the published file for each variable; "{name}" is the target's name.
PRODUCT_FILES = {
    "{name}": "",
    "{name}_lower95": "_lower95",
    "{name}_upper95": "_upper95",
    "{name}_sd_ensemble": "_sd",
    "aoa": "_aoa",
}
SPREAD = (
    "The spread of re-fitted models. It is not a prediction interval: those are the lower95 and"
    " upper95 variables."
)
SPREAD_ALONE = (
    "The spread of re-fitted models; lower95 and upper95 are percentiles of them, and no calibrated"
    " prediction interval."
)
# Attribute of a map: the share of the sites that each replicate was trained without.
HELD_OUT = "replicates_held_out"
# Attribute of a map: number of the split of each replicate; two that share one were trained without
# the same sites.
SPLITS = "replicates_splits"
# Attributes of a map whose interval is not that of a cell's mean in the mean over networks: see
# `icemap.verification.calibration.IntervalScope`, and how sure its coverage is.
INTERVAL_NUGGET, INTERVAL_STRETCH = "interval_nugget", "interval_stretch"
INTERVAL_CONFIDENCE = "interval_confidence"
# Attribute of a map: the recipe that its ensemble followed, where it is not icemap's.
RECIPE = "recipe"
# Attribute of a map that was trained on pseudo-sites as well: what is said of them.
PSEUDO_SITES = "pseudo_sites"
# Attribute of a map that was made in a hurry: what it says of itself.
PREVIEW = "preview"
CALIBRATED_INTERVAL = "calibrated 95 % prediction interval"
REPLICATE_INTERVAL = "95 % interval of the replicates' means (recipe as printed)"
# Folder of the coarser levels inside a map: "overviews/1" has cells of 2 x 2, "overviews/2" of 4 x
# 4 ...
OVERVIEWS = "overviews"
# Names, revisions and permanent numbers of the Zarr conventions that the levels are described by.
CONVENTIONS = {
    "multiscales": ("zarr-conventions/multiscales", "d35379db-88df-4056-af3a-620245f8e347"),
    "spatial": ("zarr-conventions/spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"),
    "proj:": ("zarr-experimental/geo-proj", "f17cb550-5864-4468-aeb7-f3180cfb622f"),
}


def is_published(dataset: xr.Dataset) -> bool:
    """Whether a map follows the published recipe as printed."""
    return bool(dataset.attrs.get(RECIPE) == "published")


def splits_of(dataset: xr.Dataset) -> tuple[int, ...] | None:
    """Number of the split of each replicate; None of a map that does not say."""
    stored = dataset.attrs.get(SPLITS)
    return None if stored is None else tuple(int(number) for number in np.atleast_1d(stored))


def scope_of(dataset: xr.Dataset) -> IntervalScope:
    """What the interval of a map holds in addition to the error of the means of its cells."""
    found = dataset.attrs
    return IntervalScope(
        float(found.get(INTERVAL_NUGGET, 0.0)), float(found.get(INTERVAL_STRETCH, 1.0))
    )


def interval_attributes(calibration: CalibrationRecord) -> dict[str, float]:
    """What a map says of its interval where it is not that of a cell's mean in the mean."""
    found = {
        INTERVAL_NUGGET: calibration.get("nugget"),
        INTERVAL_STRETCH: calibration.get("stretch"),
        INTERVAL_CONFIDENCE: calibration.get("confidence"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _valid(target: TargetConfig) -> dict[str, object]:
    """The bounds of a target as CF has them."""
    if target.closed_bounds is not None:
        return {"valid_range": list(target.closed_bounds)}
    low, high = target.bounds or (None, None)
    ends = {"valid_min": low, "valid_max": high}
    return {name: end for name, end in ends.items() if end is not None}


def map_variables(target: TargetConfig, *, published: bool = False) -> tuple[Variable, ...]:
    """The variables of ``map.zarr`` for a target, in the order they are stored.

    ``published`` says that the map follows the published recipe as printed, whose interval is
    another one.

    Examples
    --------
    >>> from icemap.config import TargetConfig
    >>> [v.name for v in map_variables(TargetConfig(name="alt", long_name="active-layer thickness",
    ...     unit="cm", bounds=None))]
    ['alt', 'alt_sd_ensemble', 'alt_lower95', 'alt_upper95', 'dissimilarity', 'aoa', 'extrapolated']
    """
    name, what, unit = target.name, target.long_name, target.unit
    limits = _valid(target)
    spread: dict[str, object] = {"valid_min": 0.0}
    if target.closed_bounds is not None:
        low, high = target.closed_bounds
        spread = {"valid_range": [0.0, high - low]}
    interval = REPLICATE_INTERVAL if published else CALIBRATED_INTERVAL
    companions = f"{name}_sd_ensemble {name}_lower95 {name}_upper95 dissimilarity aoa extrapolated"
    return (
        Variable(
            name,
            attrs={"long_name": what, "units": unit, **limits, "ancillary_variables": companions},
        ),
        Variable(
            f"{name}_sd_ensemble",
            attrs={
                "long_name": f"standard deviation of {what} between the replicates of the ensemble",
                "units": unit,
                **spread,
                "comment": SPREAD_ALONE if published else SPREAD,
            },
        ),
        Variable(
            f"{name}_lower95",
            attrs={
                "long_name": f"lower bound of the {interval} of {what}",
                "units": unit,
                **limits,
            },
        ),
        Variable(
            f"{name}_upper95",
            attrs={
                "long_name": f"upper bound of the {interval} of {what}",
                "units": unit,
                **limits,
            },
        ),
        Variable(
            "dissimilarity",
            attrs={
                "long_name": "dissimilarity index of the predictors to the training sites",
                "units": "1",
                "valid_min": 0.0,
                "references": "doi:10.1111/2041-210X.13650",
            },
        ),
        _flag(
            "aoa",
            "area of applicability",
            "outside inside",
            references="doi:10.1111/2041-210X.13650",
        ),
        _flag(
            "extrapolated",
            "a member's prediction left the range it had in out-of-fold prediction",
            "within_range outside_range",
        ),
    )


def _flag(name: str, long_name: str, meanings: str, **attrs: str) -> Variable:
    return Variable(
        name,
        "uint8",
        {
            "long_name": long_name,
            "units": "1",
            "valid_range": [0, 1],
            "flag_values": [0, 1],
            "flag_meanings": meanings,
            **attrs,
        },
    )


def product_stem(name: str) -> str:
    """First part of the published file names: ``T5m_VIC`` for ``vic``, else the target's name in
    capitals.
    """
    return "T5m_VIC" if name == "vic" else name.upper()


def product_files(name: str) -> dict[str, str]:
    """Published file of each map variable that has one.

    Examples
    --------
    >>> product_files("vic")["vic_sd_ensemble"], product_files("alt")["alt"]
    ('T5m_VIC_sd.tif', 'ALT.tif')
    """
    return {
        variable.format(name=name): f"{product_stem(name)}{suffix}.tif"
        for variable, suffix in PRODUCT_FILES.items()
    }


def multiscales(grids: Sequence[Grid]) -> Json:
    """Attributes of a map by which readers find its coarser levels, after the Zarr conventions
    multiscales, spatial and proj, version 1.

    Parameters
    ----------
    grids : sequence of Grid
        Of the full resolution, which is the group itself (``"."``), and of each level.

    Examples
    --------
    >>> levels = [Grid(0, 60, 8, 68, 1.0), Grid(0, 60, 8, 68, 2.0)]
    >>> [level["asset"] for level in multiscales(levels)["multiscales"]["layout"]]
    ['.', 'overviews/1']
    """
    layout: list[dict[str, object]] = []
    for number, grid in enumerate(grids):
        level: dict[str, object] = {"asset": f"{OVERVIEWS}/{number}" if number else "."}
        if number:
            level |= {
                "derived_from": layout[-1]["asset"],
                "transform": {"scale": [2.0, 2.0], "translation": [0.0, 0.0]},
                "resampling_method": "average",
            }
        layout.append(
            level
            | {
                "spatial:shape": list(grid.shape),
                "spatial:transform": list(grid.transform)[:6],
            }
        )
    full = grids[0]
    return {
        "zarr_conventions": [_convention(name, *where) for name, where in CONVENTIONS.items()],
        "multiscales": {
            "layout": layout,
            "comment": (
                "Classes (uint8) are those of the north-western cell, all others means of the"
                " mapped cells."
            ),
        },
        "spatial:dimensions": list(DIMENSIONS),
        "spatial:bbox": [full.west, full.south, full.east, full.north],
        "proj:code": "EPSG:4326",
    }


def _convention(name: str, repository: str, uuid: str) -> dict[str, str]:
    schema = f"https://raw.githubusercontent.com/{repository}/refs/tags/v1/schema.json"
    return {
        "name": name,
        "uuid": uuid,
        "schema_url": schema,
        "spec_url": f"https://github.com/{repository}/blob/v1/README.md",
    }


def open_map(url: str | PathLike[str], level: int = 0, **storage_options: Any) -> xr.Dataset:
    """Open a map lazily from a folder, ``s3://`` or ``https://``.

    Parameters
    ----------
    url : str
        The Zarr group, such as ``run/map.zarr``.
    level : int
        0 is the full resolution; each further level, made by ``icemap publish``, has cells of twice
        the side: means of the mapped ones, and of classes the north-western one.
    **storage_options
        What fsspec needs beyond the environment, such as ``anon=True``.

    Returns
    -------
    xarray.Dataset
        Dimensions (latitude, longitude), north row first; nodata is NaN in every variable.
        ``encoding["levels"]`` is the number of coarser levels.

    Raises
    ------
    IcemapError
        If there is no map, or no such level of it.
    """
    url = fspath(url)
    dataset = open_gridded(url, "map", **storage_options)
    levels = [str(one["asset"]) for one in dataset.attrs.get("multiscales", {}).get("layout", [])][
        1:
    ]
    if level:
        if not 0 < level <= len(levels):
            there = (
                f"has levels 0 to {len(levels)}"
                if levels
                else (
                    "has no coarser levels: 'icemap publish' makes them where it is larger than 512"
                    " cells"
                )
            )
            raise IcemapError(f"There is no level {level} of the map {url}: it {there}.")
        dataset = open_gridded(join(url, levels[level - 1]), "level of the map", **storage_options)
    # They describe the store, and no file that a user might save the dataset to takes them.
    for name in ("multiscales", "zarr_conventions"):
        dataset.attrs.pop(name, None)
    dataset.encoding["source"] = url
    ordered = dataset[in_order([str(name) for name in dataset.data_vars], target_name(dataset))]
    ordered.encoding |= {"source": url, "levels": len(levels)}
    return ordered


def in_order(names: Sequence[str], target: str) -> list[str]:
    """The variables of a map in the order in which they are said."""
    first = [variable.name for variable in map_variables(TargetConfig(name=target))]
    return [*first, *(name for name in names if name not in first)]


def target_name(dataset: xr.Dataset) -> str:
    """Name of the variable that a map is about.

    Raises
    ------
    IcemapError
        If no variable has a 95 % interval.
    """
    return target_among(
        [str(name) for name in dataset.data_vars], dataset.encoding.get("source", "This dataset")
    )


def target_among(names: Sequence[str], source: str) -> str:
    """Which of the variables a map is about; ``source`` is the map's address, for messages."""
    for name in names:
        if f"{name}_lower95" in names and f"{name}_upper95" in names:
            return name
    raise IcemapError(
        f"{source} is not a map of icemap: no variable comes with _lower95 and _upper95. Give"
        " the address of a map.zarr."
    )


def target_of(dataset: xr.Dataset) -> TargetConfig:
    """What a map is about, read from the map itself."""
    name = target_name(dataset)
    attrs = dataset[name].attrs
    low, high = attrs.get("valid_range", (attrs.get("valid_min"), attrs.get("valid_max")))
    # They are in the variable's precision: 0.1, not 0.10000000149.
    ends = tuple(None if end is None else float(str(end)) for end in (low, high))
    return TargetConfig(
        name=name,
        long_name=attrs["long_name"],
        unit=attrs["units"],
        bounds=None if ends == (None, None) else (ends[0], ends[1]),
    )


def require_complete(map_url: str) -> None:
    """Refuse a map of which chunks are missing in its ledger; a map without a ledger (a published
    copy) passes.

    Raises
    ------
    IcemapError
        Names how many chunks are missing and the first of them.
    """
    if map_url.startswith(("http://", "https://")):
        return
    done = Ledger(RunFolder.of_map(map_url).ledger("map")).keys()
    if not done:
        return
    dataset = open_map(map_url)
    grid = grid_of(dataset)
    size = max(dataset[target_name(dataset)].encoding["chunks"])
    chunks = list(grid.chunks(size))
    missing = [chunk.key for chunk in chunks if chunk.key not in done]
    if missing:
        raise IcemapError(
            f"The map {map_url} is not finished: {len(missing)} of {len(chunks)} chunks are"
            f" missing, {missing[0]} first. Run 'icemap map' again."
        )
