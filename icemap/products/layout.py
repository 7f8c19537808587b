"""What a map holds: its variables, their attributes and the files they are published as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from icemap.config import TargetConfig
from icemap.errors import IcemapError
from icemap.gridded import Variable, grid_of, open_gridded
from icemap.mapping.ledger import Ledger
from icemap.store import join

if TYPE_CHECKING:
    import xarray as xr

# Suffix of the published file for each variable; "{name}" is the target's name.
PRODUCT_FILES = {"{name}": "", "{name}_lower95": "_lower95", "{name}_upper95": "_upper95", "{name}_sd_ensemble": "_sd", "aoa": "_aoa"}
# Attribute of a map: the share of the sites that each replicate was trained without.
HELD_OUT = "replicates_held_out"


def map_variables(target: TargetConfig) -> tuple[Variable, ...]:
    """The variables of ``map.zarr`` for a target, in the order they are stored.

    Examples
    --------
    >>> from icemap.config import TargetConfig
    >>> [v.name for v in map_variables(TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=None))]
    ['alt', 'alt_sd_ensemble', 'alt_lower95', 'alt_upper95', 'dissimilarity', 'aoa', 'extrapolated']
    """
    name, what, unit = target.name, target.long_name, target.unit
    limits = {} if target.bounds is None else {"valid_range": [float(b) for b in target.bounds]}
    spread: dict[str, Any] = {"valid_min": 0.0}
    if target.bounds is not None:
        spread = {"valid_range": [0.0, float(target.bounds[1] - target.bounds[0])]}
    companions = f"{name}_sd_ensemble {name}_lower95 {name}_upper95 dissimilarity aoa extrapolated"
    return (
        Variable(name, attrs={"long_name": what, "units": unit, **limits, "ancillary_variables": companions}),
        Variable(
            f"{name}_sd_ensemble",
            attrs={
                "long_name": f"standard deviation of {what} between the replicates of the ensemble",
                "units": unit,
                **spread,
                "comment": "The spread of re-fitted models. It is not a prediction interval: those are the lower95 and upper95 variables.",
            },
        ),
        Variable(f"{name}_lower95", attrs={"long_name": f"lower bound of the calibrated 95 % prediction interval of {what}", "units": unit, **limits}),
        Variable(f"{name}_upper95", attrs={"long_name": f"upper bound of the calibrated 95 % prediction interval of {what}", "units": unit, **limits}),
        Variable(
            "dissimilarity",
            attrs={
                "long_name": "dissimilarity index of the predictors to the training sites",
                "units": "1",
                "valid_min": 0.0,
                "references": "doi:10.1111/2041-210X.13650",
            },
        ),
        _flag("aoa", "area of applicability", "outside inside", references="doi:10.1111/2041-210X.13650"),
        _flag("extrapolated", "a member's prediction left the range it had in out-of-fold prediction", "within_range outside_range"),
    )


def _flag(name: str, long_name: str, meanings: str, **attrs: str) -> Variable:
    return Variable(name, "uint8", {"long_name": long_name, "units": "1", "valid_range": [0, 1], "flag_values": [0, 1], "flag_meanings": meanings, **attrs})


def product_stem(name: str) -> str:
    """First part of the published file names: ``T5m_VIC`` for ``vic``, else the target's name in capitals."""
    return "T5m_VIC" if name == "vic" else name.upper()


def product_files(name: str) -> dict[str, str]:
    """Published file of each map variable that has one.

    Examples
    --------
    >>> product_files("vic")["vic_sd_ensemble"], product_files("alt")["alt"]
    ('T5m_VIC_sd.tif', 'ALT.tif')
    """
    return {variable.format(name=name): f"{product_stem(name)}{suffix}.tif" for variable, suffix in PRODUCT_FILES.items()}


def open_map(url: str, **storage_options: Any) -> xr.Dataset:
    """Open a map lazily from a folder, ``s3://`` or ``https://``.

    Parameters
    ----------
    url : str
        The Zarr group, such as ``run/map.zarr``.
    **storage_options
        What fsspec needs beyond the environment, such as ``anon=True``.

    Returns
    -------
    xarray.Dataset
        Dimensions (latitude, longitude), north row first; nodata is NaN in every variable.

    Raises
    ------
    IcemapError
        If there is no map.
    """
    dataset = open_gridded(url, "map", **storage_options)
    dataset.encoding["source"] = url
    order = [variable.name for variable in map_variables(target_of(dataset))]
    ordered = dataset[[*order, *(str(name) for name in dataset.data_vars if name not in order)]]
    ordered.encoding["source"] = url
    return ordered


def target_name(dataset: xr.Dataset) -> str:
    """Name of the variable that a map is about.

    Raises
    ------
    IcemapError
        If no variable has a 95 % interval beside it.
    """
    for name in dataset.data_vars:
        if f"{name}_lower95" in dataset and f"{name}_upper95" in dataset:
            return str(name)
    source = dataset.encoding.get("source", "This dataset")
    raise IcemapError(f"{source} is not a map of icemap: no variable has _lower95 and _upper95 beside it. Give the address of a map.zarr.")


def target_of(dataset: xr.Dataset) -> TargetConfig:
    """What a map is about, read from the map itself."""
    name = target_name(dataset)
    attrs = dataset[name].attrs
    bounds = attrs.get("valid_range")
    return TargetConfig(name=name, long_name=attrs["long_name"], unit=attrs["units"], bounds=None if bounds is None else (float(bounds[0]), float(bounds[1])))


def ledger_url(map_url: str) -> str:
    """Folder of the chunk records that belong to a map: ``ledger/map`` beside it."""
    run = map_url.rstrip("/").rpartition("/")[0]
    return join(run or ".", "ledger", "map")


def require_complete(map_url: str) -> None:
    """Refuse a map of which chunks are missing in its ledger; a map without a ledger (a published copy) passes.

    Raises
    ------
    IcemapError
        Names how many chunks are missing and the first of them.
    """
    if map_url.startswith(("http://", "https://")):
        return
    done = Ledger(ledger_url(map_url)).keys()
    if not done:
        return
    dataset = open_map(map_url)
    grid = grid_of(dataset)
    size = max(dataset[target_name(dataset)].encoding["chunks"])
    chunks = list(grid.chunks(size))
    missing = [chunk.key for chunk in chunks if chunk.key not in done]
    if missing:
        raise IcemapError(f"The map {map_url} is not finished: {len(missing)} of {len(chunks)} chunks are missing, {missing[0]} first. Run 'icemap map' again.")
