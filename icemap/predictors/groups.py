"""A variable of NetCDF, HDF or Zarr as it is stored, wherever in the groups of its file it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError
from icemap.predictors.cf import ZarrFill, declared_by
from icemap.predictors.declared import Declared
from icemap.predictors.grid_mappings import mapping_of

if TYPE_CHECKING:
    import xarray as xr
    import zarr


@dataclass(frozen=True)
class Container:
    """A file of NetCDF or HDF, or a Zarr store.

    Attributes
    ----------
    place : str or Zarr store
    is_zarr : bool
    """

    place: Any
    is_zarr: bool

    def open(self, group: str | None) -> xr.Dataset:
        """The variables of one group as they are stored, lazily."""
        import xarray as xr

        as_stored: dict[str, Any] = {
            "decode_times": False,
            "decode_timedelta": False,
            "mask_and_scale": False,
        }
        # Of a variable in a group xarray forgets the grid mapping, if that is in a group above.
        as_stored["decode_coords"] = "coordinates" if group else "all"
        if self.is_zarr:
            from xarray.backends.zarr import ZarrStore

            # xarray's own entry point fails on a _FillValue that is written as a number, and does
            # not hand on how to take it.
            store = ZarrStore.open_group(
                self.place,
                mode="r",
                group=group,
                consolidated=False,
                use_zarr_fill_value_as_mask=True,
            )
            return xr.open_dataset(store, **as_stored)
        return xr.open_dataset(self.place, group=group, **as_stored)

    def subgroups(self, group: str) -> list[str]:
        """Names of the groups in a group."""
        if self.is_zarr:
            return sorted(self._zarr_group(group).group_keys())
        import netCDF4

        with netCDF4.Dataset(self.place) as file:
            return sorted((file[group] if group else file).groups)

    def declared(self, array: xr.DataArray, path: str, where: str) -> Declared:
        """What the attributes of a variable say about its values.

        Parameters
        ----------
        array : DataArray
            The variable.
        path : str
            Of the variable in the file.
        where : str
            The source, for messages.
        """
        attrs, fill = dict(array.attrs), None
        if self.is_zarr:
            *groups, name = path.split("/")
            stored = self._zarr_group("/".join(groups))[name]
            metadata: Any = stored.metadata
            attrs = _zarr_attributes(stored)
            fill = ZarrFill(metadata.zarr_format, metadata.fill_value)
        return declared_by(
            attrs, array.dtype, str(array.name), where, netcdf=not self.is_zarr, zarr=fill
        )

    def _zarr_group(self, group: str) -> zarr.Group:
        import zarr

        return zarr.open_group(self.place, mode="r", path=group or None, use_consolidated=False)


def _zarr_attributes(stored: Any) -> dict[str, object]:
    """Attributes of an array of Zarr; xarray writes its fill value in a coding of its own."""
    from xarray.backends.zarr import FillValueCoder

    attrs = dict(stored.attrs)
    fill = attrs.get("_FillValue")
    if isinstance(fill, str):
        with suppress(ValueError, TypeError):
            attrs["_FillValue"] = FillValueCoder.decode(fill, stored.dtype)
    return attrs


@contextmanager
def open_variable(
    opened: Container, wanted: str | None, who: str, axis_names: tuple[str, ...]
) -> Iterator[tuple[xr.Dataset, xr.DataArray, Declared]]:
    """The dataset of its group and the variable, with decoded axes and undecoded values.

    Axes and grid mapping of a variable may be in any group above its own.

    Parameters
    ----------
    opened : Container
    wanted : str or None
        Name of the variable, after the names of its groups; None if the file has but one.
    who : str
        Source and file, for messages.
    axis_names : tuple of str
        Names by which one-dimensional variables are known as axes.

    Raises
    ------
    IcemapError
        If there is no such group or variable, or several when none is named.
    """
    *groups, name = wanted.strip("/").split("/") if wanted else [""]
    with ExitStack() as stack:
        above = ["/".join(groups[:depth]) or None for depth in range(len(groups) + 1)]
        try:
            datasets = [stack.enter_context(opened.open(group)) for group in above]
        except (OSError, KeyError, FileNotFoundError) as error:
            if not groups:
                raise
            raise IcemapError(
                f"{who} has no group '{'/'.join(groups)}', it has the variables"
                f" {_all_variables(opened)}."
            ) from error
        own = datasets[-1]
        array = _named(own, name, wanted, who, opened)
        for dataset in reversed(datasets):
            array = _with_axes(array, dataset, axis_names, same_group=dataset is own)
        mapping = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping"))
        if isinstance(mapping, str):
            array = _with_mapping(array, mapping_of(mapping, array.dims), datasets)
        declared = opened.declared(array, "/".join([*groups, str(array.name)]), who)
        yield own, _decoded_axes(array), declared


def _named(
    dataset: xr.Dataset, name: str, wanted: str | None, who: str, opened: Container
) -> xr.DataArray:
    if name:
        if name not in dataset.variables:
            raise IcemapError(f"{who} has no variable '{wanted}', it has {_all_variables(opened)}.")
        return dataset[name]
    bounds = {str(array.attrs.get("bounds", "")) for array in dataset.variables.values()}
    spatial = [
        str(key)
        for key, array in dataset.data_vars.items()
        if array.ndim >= 2 and key not in bounds and array.dtype.kind in "biuf"
    ]
    if len(spatial) == 1:
        return dataset[spatial[0]]
    if spatial:
        raise IcemapError(
            f"{who} has the variables {', '.join(spatial)}, name one as 'variable' in the"
            " catalogue."
        )
    raise IcemapError(
        f"{who} has no raster outside of groups, it has the variables {_all_variables(opened)}:"
        " name one as 'variable' in the catalogue."
    )


def _all_variables(opened: Container) -> str:
    """Paths of all variables with two axes or more; those of one, if there are none."""
    found: list[tuple[str, int]] = []
    waiting = [""]
    while waiting:
        group = waiting.pop(0)
        with opened.open(group or None) as dataset:
            prefix = f"{group}/" if group else ""
            found += [(f"{prefix}{name}", array.ndim) for name, array in dataset.data_vars.items()]
            waiting += [f"{prefix}{name}" for name in opened.subgroups(group)]
    rasters = [name for name, axes in found if axes >= 2] or [name for name, _ in found]
    return ", ".join(rasters[:20]) + (" ..." if len(rasters) > 20 else "") or "none"


def _with_mapping(array: xr.DataArray, name: str, datasets: list[xr.Dataset]) -> xr.DataArray:
    """The array with its grid mapping among its coordinates, from the nearest group that has it."""
    array = array.assign_attrs(grid_mapping=name)
    array.encoding.pop("grid_mapping", None)
    for dataset in reversed(datasets):
        if name in dataset.variables and name not in array.coords:
            array = array.assign_coords({name: dataset[name].variable})
    return array


def _with_axes(
    array: xr.DataArray, dataset: xr.Dataset, names: tuple[str, ...], *, same_group: bool
) -> xr.DataArray:
    """One-dimensional variables as coordinates of dimensions that have none; plain HDF5 does not
    tie them together.
    """
    for dim in array.dims:
        if dim in array.coords:
            continue
        if (
            dim in dataset.variables
            and dataset[dim].ndim == 1
            and dataset[dim].size == array.sizes[dim]
        ):
            array = array.assign_coords({dim: (dim, dataset[dim].to_numpy(), dataset[dim].attrs)})
            continue
        fitting = []
        for name, variable in dataset.variables.items():
            if (
                variable.ndim != 1
                or variable.size != array.sizes[dim]
                or str(name).lower() not in names
            ):
                continue
            alone = [other for other in array.dims if array.sizes[other] == variable.size] == [dim]
            if variable.dims == (dim,) or (
                alone and (not same_group or str(variable.dims[0]).startswith("phony"))
            ):
                fitting.append(str(name))
        if len(fitting) == 1 and fitting[0] not in array.dims:
            axis = dataset[fitting[0]]
            array = array.drop_vars(fitting[0], errors="ignore").rename({dim: fitting[0]})
            array = array.assign_coords({fitting[0]: (fitting[0], axis.to_numpy(), axis.attrs)})
    return array


def _decoded_axes(array: xr.DataArray) -> xr.DataArray:
    """Coordinates with their scale and offset; Zarr's fill value of an axis is never a gap in
    it.
    """
    from xarray.conventions import decode_cf_variable

    decoded: dict[Any, Any] = {}
    for name, coordinate in array.coords.items():
        attrs = {
            key: value
            for key, value in coordinate.attrs.items()
            if key not in ("_FillValue", "missing_value")
        }
        variable = coordinate.variable.to_base_variable().copy(deep=False)
        variable.attrs = attrs
        if {"scale_factor", "add_offset"} & set(attrs) and np.dtype(variable.dtype).kind in "iuf":
            variable = decode_cf_variable(
                str(name), variable, decode_times=False, decode_timedelta=False
            )
        decoded[name] = variable
    return array.assign_coords(decoded)
