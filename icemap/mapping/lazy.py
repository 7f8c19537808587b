"""Predictions of what is lazy: xarray in and xarray out, Dask in and Dask out, chunk by chunk with
the kernels of the map.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.gridded import typed
from icemap.mapping.chunk import map_batches
from icemap.mapping.forecast import predict_means
from icemap.mapping.map import in_tiles, map_layers
from icemap.mapping.map_schema import RECIPE, map_variables
from icemap.mapping.models import Model, SavedAddress, unpacked
from icemap.sphere import unit_vectors
from icemap.units import is_unit, same_unit, says_nothing

if TYPE_CHECKING:
    import xarray as xr

    from icemap.mapping.broadcast import Predictor

#: Cells of a chunk, at most; larger ones are cut, so that memory does not grow with them.
MAX_CELLS = 2**20
#: Variables of a cube that are no predictors.
NOT_PREDICTORS = ("valid", "fraction")
LAYERS = 7


def is_dataset(X: Any) -> bool:
    """Whether X is of xarray."""
    return type(X).__module__.partition(".")[0] == "xarray"


def is_lazy(X: Any) -> bool:
    """Whether X is a Dask array or frame."""
    return hasattr(X, "__dask_graph__") and not is_dataset(X)


def predict_dataset(dataset: Any, model: Model) -> xr.Dataset:
    """The map of a Dataset that has the predictors, not computed yet.

    Parameters
    ----------
    dataset : xarray.Dataset
        One variable for each predictor, all with the same dimensions. Cells are mapped where
        ``valid`` is 1, or, without such a variable, where no predictor is missing. Coordinates
        ``latitude`` and ``longitude`` (or ``lat`` and ``lon``), in degrees, say where they are.

    Returns
    -------
    xarray.Dataset
        The variables of ``map.zarr`` with their attributes, NaN where nothing is mapped, the
        coordinates and the CRS of the predictors.

    Raises
    ------
    IcemapError
        If a predictor is missing, has another unit than in training, or other dimensions than the
        others; or if the position is a predictor, and the Dataset does not say where its cells are.
    """
    import dask.array as da
    import xarray as xr

    compiled = model.predictor().compiled
    names, published = compiled.coding.given, compiled.published
    fields = _fields(dataset, names, model.units)
    first = fields[names[0]]
    arrays = [field.data for field in fields.values()]
    where = _where(dataset, first)
    if not where and compiled.coding.placed:
        raise IcemapError(
            "The Dataset has no coordinates 'latitude' and 'longitude' in degrees, and the position"
            " is among the predictors of this model: add them."
        )
    if not where and compiled.knows_places:
        warnings.warn(
            "The Dataset has no coordinates 'latitude' and 'longitude' in degrees: its cells are"
            " predicted as places that are far from every sample.",
            UserWarning,
            stacklevel=3,
        )
    pieces = first.data.chunks
    made = da.map_blocks(
        map_block,
        *arrays,
        *where,
        dtype=np.float32,
        new_axis=0,
        chunks=((LAYERS,), *pieces),
        meta=np.empty((0,) * (first.ndim + 1), np.float32),
        name=None,
        model=model.carried(),
        masked="valid" in fields,
        placed=bool(where),
    )
    variables = map_variables(model.target, published=published)
    result = xr.Dataset(coords=dict(first.coords), attrs={"Conventions": "CF-1.11"})
    if published:
        result.attrs[RECIPE] = "published"
    for k, variable in enumerate(variables):
        result[variable.name] = (first.dims, made[k], typed(variable.attrs, variable.dtype))
        # As they are stored, should the map be written.
        result[variable.name].encoding = {"dtype": variable.dtype, "_FillValue": variable.nodata}
    return _with_crs(result, dataset)


def map_block(
    *arrays: NDArray[Any], model: Predictor | SavedAddress, masked: bool, placed: bool
) -> NDArray[np.float32]:
    """Variables of the map, (7, ...), of predictors of the same shape; where ``masked``, a field
    after them says which cells are mapped, and where ``placed``, two more their longitude and
    latitude.
    """
    fields, where = (arrays[:-2], arrays[-2:]) if placed else (arrays, ())
    predictors = fields[:-1] if masked else fields
    shape = predictors[0].shape
    made = np.full((LAYERS, predictors[0].size), np.nan, np.float32)
    values = [_floating(field).reshape(-1) for field in predictors]
    finite = np.logical_and.reduce([np.isfinite(column) for column in values])
    wanted = fields[-1].reshape(-1) == 1 if masked else finite
    if not wanted.any():
        return made.reshape(LAYERS, *shape)
    predictor = unpacked(model)
    if (wanted & ~finite).any():
        names = predictor.compiled.coding.given
        missing = [
            name for name, column in zip(names, values) if not np.isfinite(column[wanted]).all()
        ]
        raise IcemapError(
            f"The predictor '{missing[0]}' is missing in cells of which 'valid' is 1: correct"
            " 'valid', or leave it out to map where no predictor is missing."
        )
    # Rows along the last dimension, whatever there is before it.
    rows, columns = in_tiles(*np.nonzero(wanted.reshape(-1, shape[-1])))
    cells = rows * shape[-1] + columns
    X = np.column_stack([column[cells] for column in values])
    vectors = unit_vectors(*(part.reshape(-1)[cells] for part in where)) if placed else None
    for batch, result in map_batches(
        predictor.compiled, predictor.applicability, predictor.calibration, X, vectors
    ):
        for layer, found in zip(made, map_layers(result), strict=True):
            layer[cells[batch]] = found
    return made.reshape(LAYERS, *shape)


def _where(dataset: Any, first: xr.DataArray) -> list[Any]:
    """Longitude and latitude of the cells of a field, lazy and in its chunks; none where the
    Dataset does not say where they are.
    """
    import xarray as xr

    for names in (("longitude", "latitude"), ("lon", "lat")):
        there = [dataset.coords[name] for name in names if name in dataset.coords]
        if len(there) == 2 and all(set(one.dims) <= set(first.dims) for one in there):
            wide = [xr.broadcast(one.reset_coords(drop=True), first)[0] for one in there]
            chunks = dict(zip(first.dims, first.data.chunks, strict=True))
            return [one.transpose(*first.dims).chunk(chunks).data for one in wide]
    return []


def _floating(field: NDArray[Any]) -> NDArray[Any]:
    return field.astype(np.result_type(field, np.float32), copy=False)


def _fields(
    dataset: Any, names: Sequence[str], units: Mapping[str, str]
) -> dict[str, xr.DataArray]:
    """The predictors in order and, last, ``valid`` where there is one, lazy and in equal chunks."""
    if not hasattr(dataset, "data_vars"):
        raise IcemapError(
            "A DataArray does not say which of its values is which predictor: give a Dataset with"
            f" the variables {', '.join(names)}, as DataArray.to_dataset(dim=...) makes it."
        )
    missing = [name for name in names if name not in dataset.data_vars]
    if missing:
        there = ", ".join(map(str, dataset.data_vars)) or "nothing"
        raise IcemapError(
            f"The Dataset has no variable '{missing[0]}', a predictor of this model (missing:"
            f" {', '.join(missing)}; there: {there}): add it, or rename the one that it is."
        )
    extra = [
        str(name)
        for name, variable in dataset.data_vars.items()
        if name not in names
        and name not in NOT_PREDICTORS
        and variable.ndim
        and variable.attrs.get("role") != "mask"
    ]
    if extra:
        warnings.warn(
            f"The Dataset has variables that are no predictors of this model and are not used:"
            f" {', '.join(extra)}.",
            UserWarning,
            stacklevel=4,
        )
    dims = dataset[names[0]].dims
    if not dims:
        raise IcemapError(f"The variable '{names[0]}' has no dimensions: give fields, not numbers.")
    fields = {}
    for name in (*names, *(("valid",) if "valid" in dataset.data_vars else ())):
        variable = dataset[name]
        if set(variable.dims) != set(dims):
            raise IcemapError(
                f"The variable '{name}' has the dimensions {_listed(variable.dims)}, but"
                f" '{names[0]}' has {_listed(dims)}: all predictors must have the same; select one"
                " step of a dimension with .sel(), or average over it."
            )
        if variable.dtype.kind not in "biuf":
            raise IcemapError(
                f"The variable '{name}' holds {variable.dtype}, but a predictor is a number: give"
                " classes as their codes."
            )
        if name in names:
            require_unit(f"The variable '{name}'", variable.attrs.get("units"), units.get(name))
        fields[name] = variable.transpose(*dims)
    return _in_equal_chunks(fields)


def require_unit(what: str, said: Any, wanted: str | None) -> None:
    """Refuse a predictor in another unit than that of the training."""
    if not _agree(said, wanted):
        raise IcemapError(
            f"{what} is in '{said}', but the model was trained with '{wanted}': convert it, or"
            " correct its attribute 'units'."
        )


def _agree(said: Any, wanted: str | None) -> bool:
    """Whether two units are one, as far as both sides have said one."""
    if wanted is None or says_nothing(wanted) or said is None or says_nothing(str(said)):
        return True
    if not is_unit(wanted) and not is_unit(str(said)):
        return str(said).strip() == wanted.strip()
    return same_unit(str(said), wanted)


def _listed(dims: Any) -> str:
    return f"({', '.join(map(str, dims))})"


def _in_equal_chunks(fields: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    import xarray as xr

    lazy = {
        name: field if field.chunks is not None else field.chunk(_pieces(field))
        for name, field in fields.items()
    }
    # As one Dataset they are cut at the same places.
    together = xr.Dataset({name: field.variable for name, field in lazy.items()}).unify_chunks()
    sizes = {dim: max(parts) for dim, parts in together.chunksizes.items()}
    if np.prod(list(sizes.values()), dtype=float) > MAX_CELLS:
        pieces = _pieces(together[next(iter(lazy))])
        together = together.chunk({dim: min(size, pieces[dim]) for dim, size in sizes.items()})
    return {name: field.copy(data=together[name].data) for name, field in lazy.items()}


def _pieces(field: Any) -> dict[Any, int]:
    """Chunk sizes by dimension, so that a chunk has at most `MAX_CELLS`."""
    side = int(MAX_CELLS ** (1 / field.ndim))
    return {dim: min(size, side) for dim, size in field.sizes.items()}


def _with_crs(result: xr.Dataset, dataset: xr.Dataset) -> xr.Dataset:
    """The CRS of the predictors; that of degrees for latitude and longitude."""
    import rioxarray  # noqa: F401  (the accessor)

    crs = dataset.rio.crs
    degrees = {"latitude", "longitude"} <= set(map(str, result.dims))
    if crs is None and degrees:
        crs = "EPSG:4326"
    if crs is None:
        return result
    if "spatial_ref" in dataset.variables:
        result = result.assign_coords(spatial_ref=dataset["spatial_ref"])
    else:
        result = result.rio.write_crs(crs)
    for name in result.data_vars:
        # write_crs says it in the encoding, and a variable that says it twice cannot be written.
        result[name].encoding.pop("grid_mapping", None)
        result[name].attrs["grid_mapping"] = "spatial_ref"
    return result


def predict_lazily(X: Any, model: Model, width: int) -> Any:
    """Means of a Dask array or frame, of its kind and not computed yet.

    Parameters
    ----------
    X : dask Array or DataFrame
        Predictors, (n, predictors) or with their names as columns.
    model : Model
    width : int
        Number of predictors.

    Raises
    ------
    TypeError, ValueError
        If it is not of Dask, or has another width.
    """
    coding = model.predictor().compiled.coding
    names = list(coding.given)
    if coding.placed:
        raise ValueError(
            "the position is among the predictors of this model, and a Dask array or frame does not"
            " say where its rows are: give a Dataset with latitude and longitude, or arrays in"
            " memory with their coordinates."
        )
    if hasattr(X, "map_partitions"):
        _require_columns(X, names)
        import pandas as pd

        meta = pd.Series(dtype=float, name=model.target.name)
        return X.map_partitions(
            _frame_means, model=model.carried(), name=model.target.name, meta=meta
        )
    if not hasattr(X, "map_blocks"):
        raise TypeError(
            f"{type(X).__name__} is not a Dask array or frame: call .compute() on it first."
        )
    if X.ndim != 2 or X.shape[1] != width:
        raise ValueError(
            f"X has the shape {X.shape}, but IceRegressor is expecting {width} features as input:"
            " give a Dask array (n, predictors)."
        )
    rows = X.rechunk({1: -1})
    return rows.map_blocks(
        _block_means,
        model=model.carried(),
        drop_axis=1,
        dtype=float,
        meta=np.empty(0),
    )


def _require_columns(X: Any, names: Sequence[str]) -> None:
    columns = [str(name) for name in X.columns]
    unnamed = all(name == f"x{k}" for k, name in enumerate(names))
    if (unnamed and len(columns) != len(names)) or (not unnamed and columns != list(names)):
        raise ValueError(
            f"The frame has the columns {', '.join(columns)}, but the fit had {', '.join(names)}:"
            " give the same, in the same order."
        )


def _block_means(X: NDArray[Any], *, model: Predictor | SavedAddress) -> NDArray[np.float64]:
    values = _floating(np.asarray(X))
    if not np.isfinite(values).all():
        raise ValueError(
            "Input X contains NaN or infinity: leave out such rows or fill them first."
        )
    return predict_means(unpacked(model), values) if len(values) else np.empty(0)


def _frame_means(X: Any, *, model: Predictor | SavedAddress, name: str) -> Any:
    import pandas as pd

    return pd.Series(_block_means(X.to_numpy(dtype=float), model=model), index=X.index, name=name)
