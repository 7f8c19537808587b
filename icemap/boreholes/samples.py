"""Sites joined to cube cells: the training table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.pseudo import is_pseudo
from icemap.boreholes.sample_weights import declustering_weights, site_errors, spread_in_cells
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.sphere import chord_km, unit_vectors
from icemap.store import storage_errors

if TYPE_CHECKING:
    import xarray as xr

# How much a site counts in the mean of its cell, by grade; sites without a grade count fully
# (choice).
GRADE_WEIGHT = {"A": 1.0, "B": 0.7, "C": 0.4, "D": 0.1}
FILL_CELLS = 2
SAMPLE_COLUMNS = (
    "sample",
    "cell_row",
    "cell_col",
    "lon",
    "lat",
    "value",
    "standard_error",
    "sites",
    "within_variance",
    "nugget",
    "weight",
    "in_domain",
    "filled_from_km",
    "pseudo",
)
# Sites from which a table tells that its coordinates are exchanged, and the share of them that is
# in place as it is; when exchanged, the rest of the whole would be.
EXCHANGED_SITES, EXCHANGED_SHARE = 5, 0.5
TAKEN = "a borehole stands in its cell"


def build_samples(
    sites: pd.DataFrame, grid: Grid, cube: xr.Dataset, predictors: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every usable site the predictors of its cell, and merge the sites of one cell.

    Only the cells with sites are read. A predictor missing in a site's own cell (coasts, mostly) is
    taken from the nearest cell within two that has it.

    Parameters
    ----------
    sites : DataFrame
        The site table; rows with ``used`` False are left alone.
    cube : Dataset
        Predictors on ``grid``, missing values NaN; a variable ``valid`` (1 and 0), if there, marks
        the mapped domain. Rows with ``pseudo`` True, if that column is there, are pseudo-sites (see
        `icemap.boreholes.bedrock`), which give way to boreholes of their cell.

    Returns
    -------
    samples : DataFrame
        One row per cell: ``sample, cell_row, cell_col, lon, lat, value, standard_error, sites,
        within_variance, nugget, weight, in_domain, filled_from_km, pseudo`` and the predictors,
        pseudo-sites last. ``lon`` and ``lat`` are the mean position; ``within_variance`` is NaN for
        a single site.
        ``standard_error`` is that of the value about the mean of the cell, from the sites' errors
        and from the spread between holes of one cell; that spread, a standard deviation and the
        same for all cells, is ``nugget``.
    sites : DataFrame
        The site table with ``used`` and ``reason`` updated, and ``sample``, ``in_domain``,
        ``filled_from_km`` and ``pseudo`` added.

    Raises
    ------
    IcemapError
        If no site is usable (with the reasons counted), most are where no predictor has data and
        would not be with longitude and latitude exchanged, a predictor is not in the cube, or a
        predictor is the same in all samples.
    """
    absent = [name for name in predictors if name not in cube.data_vars]
    if absent:
        raise IcemapError(
            f"The cube has no predictor {', '.join(absent)}: it has"
            f" {', '.join(map(str, cube.data_vars))}. Correct 'predictors' in the config."
        )
    sites = sites.reset_index(drop=True)
    sites["used"], sites["pseudo"] = sites["used"].astype(bool), is_pseudo(sites)
    placed = sites[sites["used"] & ~sites["pseudo"]]
    row, col = grid.locate(sites["lon"].to_numpy(float), sites["lat"].to_numpy(float))
    outside = sites["used"].to_numpy() & (row < 0)
    sites.loc[outside, "reason"] = "outside the grid"
    sites.loc[outside, "used"] = False
    measured = in_cells(row, col, drilled_cells(sites, grid))
    taken = sites["used"].to_numpy() & sites["pseudo"].to_numpy() & measured
    sites.loc[taken, "reason"] = TAKEN
    sites.loc[taken, "used"] = False
    at = np.flatnonzero(sites["used"])
    values, filled_km, in_domain = _sample_cube(cube, grid, row[at], col[at], predictors)
    missing = np.isnan(values)
    lacking = missing.any(axis=1)
    sites.loc[at[lacking], "reason"] = [_lacking(predictors, gaps) for gaps in missing[lacking]]
    sites.loc[at[lacking], "used"] = False
    sites["in_domain"], sites["filled_from_km"], sites["sample"] = False, np.nan, ""
    sites.loc[at, "in_domain"], sites.loc[at, "filled_from_km"] = in_domain, filled_km
    at, values = at[~lacking], values[~lacking]
    _require_order(placed, sites.loc[placed.index, "used"].sum(), grid, cube, predictors)
    if sites["pseudo"].to_numpy()[at].all():
        counted = "; ".join(
            f"{n} x {reason}"
            for reason, n in sites.loc[~sites["used"], "reason"].value_counts().items()
        )
        raise IcemapError(
            f"No site can be used for training ({len(sites)} read: {counted}): check the sites'"
            " coordinates, the grid and the predictors."
        )
    samples, names = _merge(sites.iloc[at], row[at], col[at])
    sites.loc[at, "sample"] = names
    first = pd.Series(np.arange(len(at))).groupby(names, sort=False).first()
    samples = pd.concat(
        [
            samples,
            pd.DataFrame(values[first.loc[samples["sample"]].to_numpy()], columns=list(predictors)),
        ],
        axis=1,
    )
    _require_variation(samples, predictors)
    return samples, sites


def _require_order(
    sites: pd.DataFrame, used: int, grid: Grid, cube: xr.Dataset, predictors: Sequence[str]
) -> None:
    """Refuse longitudes and latitudes that are exchanged: no sign tells it where both are from 60
    to 85, but that most places are outside the grid or in the sea.
    """
    if len(sites) < EXCHANGED_SITES or used > EXCHANGED_SHARE * len(sites):
        return
    row, col = grid.locate(sites["lat"].to_numpy(float), sites["lon"].to_numpy(float))
    inside = row >= 0
    if inside.sum() <= (1 - EXCHANGED_SHARE) * len(sites):
        return
    values = _sample_cube(cube, grid, row[inside], col[inside], predictors)[0]
    found = int(np.isfinite(values).all(axis=1).sum())
    if found > (1 - EXCHANGED_SHARE) * len(sites):
        raise IcemapError(
            f"Of {len(sites)} boreholes {len(sites) - used} are outside the grid or where a"
            f" predictor has no data; with longitude and latitude exchanged {found} would be where"
            " all have: exchange the names of the two columns in the config, or the columns."
        )


def occupied_cells(sites: pd.DataFrame, grid: Grid) -> int:
    """Grid cells that hold a usable borehole: the most samples that a table of sites can give."""
    return len(drilled_cells(sites, grid))


def drilled_cells(sites: pd.DataFrame, grid: Grid) -> NDArray[np.int64]:
    """Row and column of every grid cell that holds a usable borehole, (cells, 2)."""
    used = sites[sites["used"].astype(bool) & ~is_pseudo(sites)]
    row, col = grid.locate(used["lon"].to_numpy(float), used["lat"].to_numpy(float))
    inside = row >= 0
    return np.unique(np.column_stack([row[inside], col[inside]]), axis=0)


def in_cells(
    row: NDArray[np.int64], col: NDArray[np.int64], cells: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which places, given by row and column (n,), are in one of some cells (cells, 2).

    Examples
    --------
    >>> in_cells(np.array([0, 4]), np.array([2, 2]), np.array([[4, 2], [7, 1]])).tolist()
    [False, True]
    """
    known = {*map(tuple, cells.tolist())}
    return np.array([cell in known for cell in zip(row.tolist(), col.tolist())], dtype=bool)


def _lacking(predictors: Sequence[str], gaps: NDArray[np.bool_]) -> str:
    if gaps.all():
        return "masked: no predictor has data here"
    names = [name for name, gap in zip(predictors, gaps) if gap]
    return f"missing predictor: {', '.join(names[:3])}" + (
        f" and {len(names) - 3} more" if len(names) > 3 else ""
    )


def _sample_cube(
    cube: xr.Dataset,
    grid: Grid,
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    predictors: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Predictors (n, predictors), the farthest distance one was taken from (km), and whether the
    own cell is mapped.
    """
    cells, where = np.unique(np.column_stack([row, col]), axis=0, return_inverse=True)
    where = where.ravel()
    names = list(predictors)
    has_domain = "valid" in cube.data_vars
    own = _read_cells(cube, cells[:, 0], cells[:, 1], [*names, "valid"] if has_domain else names)
    in_domain = own[:, -1] == 1 if has_domain else np.ones(len(cells), dtype=bool)
    values = own[:, : len(names)]
    filled = np.zeros(len(cells))
    gaps = np.flatnonzero(np.isnan(values).any(axis=1))
    if len(gaps):
        values[gaps], filled[gaps] = _fill(cube, grid, cells[gaps], values[gaps], names)
    return values[where], filled[where], in_domain[where]


def _read_cells(
    cube: xr.Dataset, row: NDArray[np.int64], col: NDArray[np.int64], names: list[str]
) -> NDArray[np.float64]:
    import xarray as xr

    rows, cols = xr.DataArray(row, dims="__cell"), xr.DataArray(col, dims="__cell")
    with storage_errors("the cube", "read"):
        picked = cube[names].isel(latitude=rows, longitude=cols).compute()
    return np.column_stack([picked[name].to_numpy().astype(float) for name in names]).reshape(
        len(row), len(names)
    )


def _fill(
    cube: xr.Dataset,
    grid: Grid,
    cells: NDArray[np.int64],
    values: NDArray[np.float64],
    names: list[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shifts = np.array(
        [
            (i, j)
            for i in range(-FILL_CELLS, FILL_CELLS + 1)
            for j in range(-FILL_CELLS, FILL_CELLS + 1)
            if (i, j) != (0, 0)
        ]
    )
    rows, cols = grid.shape
    near = cells[:, None, :] + shifts[None, :, :]
    if np.isclose(grid.east - grid.west, 360):
        near[..., 1] %= cols
    inside = (
        (near[..., 0] >= 0) & (near[..., 0] < rows) & (near[..., 1] >= 0) & (near[..., 1] < cols)
    )
    unique, where = np.unique(near[inside], axis=0, return_inverse=True)
    neighbours = np.full((*near.shape[:2], len(names)), np.nan)
    neighbours[inside] = _read_cells(cube, unique[:, 0], unique[:, 1], names)[where.ravel()]

    lon, lat = grid.longitudes, grid.latitudes
    near = np.where(inside[..., None], near, cells[:, None, :])
    km = chord_km(lon[cells[:, 1:]], lat[cells[:, :1]], lon[near[..., 1]], lat[near[..., 0]])
    # For each cell and predictor the nearest neighbour with data; infinity where there is none.
    distance = np.where(np.isnan(neighbours), np.inf, km[:, :, None])
    nearest = distance.argmin(axis=1)
    found = np.take_along_axis(neighbours, nearest[:, None, :], axis=1)[:, 0, :]
    found_km = np.take_along_axis(distance, nearest[:, None, :], axis=1)[:, 0, :]
    gap = np.isnan(values)
    taken = gap & np.isfinite(found_km)
    return np.where(gap, found, values), np.where(taken, found_km, 0.0).max(axis=1)


def _merge(
    sites: pd.DataFrame, row: NDArray[np.int64], col: NDArray[np.int64]
) -> tuple[pd.DataFrame, NDArray[np.object_]]:
    """One row per cell, in order of row and column and pseudo-sites last, and the sample name of
    every site.

    Where sites have errors, a site counts by 1 / (spread between holes of one cell + its error),
    both as variances, and the standard error is that of the mean about the cell's true mean; where
    none has, by its grade. What holes of one cell spread by, and the errors of those that have
    none, are told by boreholes alone. Boreholes are declustered among themselves; a pseudo-site
    weighs like one of them in the mean.
    """
    pseudo = sites["pseudo"].to_numpy(bool)
    cells, group = np.unique(np.column_stack([pseudo, row, col]), axis=0, return_inverse=True)
    of_bedrock, cells, group = cells[:, 0] == 1, cells[:, 1:], group.ravel()
    n = len(cells)
    names = np.array([f"r{r:05d}c{c:05d}" for r, c in cells], dtype=object)
    value, stated = sites["value"].to_numpy(float), sites["standard_error"].to_numpy(float)
    drilled, measured = ~pseudo, np.where(pseudo, np.nan, stated)
    error = site_errors(measured)
    if error is not None:
        error = np.where(pseudo, stated, error)
    spread_error = np.zeros(len(value)) if error is None else error
    between = spread_in_cells(value[drilled], spread_error[drilled], group[drilled])
    if error is None:
        weight = sites["grade"].map(GRADE_WEIGHT).fillna(1.0).to_numpy(float)
    else:
        # Exact sites in cells without spread would weigh infinitely.
        least = 1e-6 * float(np.var(value)) + 1e-12
        weight = 1 / np.maximum(np.nan_to_num(between) ** 2 + error**2, least)
    total = np.bincount(group, weight, n)
    count = np.bincount(group, minlength=n)
    mean = np.bincount(group, weight * value, n) / total
    squared = np.bincount(group, weight * (value - mean[group]) ** 2, n)
    # Unbiased for weights that state reliability; equals the ordinary variance when all weights are
    # equal.
    freedom = total - np.bincount(group, weight**2, n) / total
    within = np.divide(squared, freedom, out=np.full(n, np.nan), where=count > 1)
    # The mean direction of unit vectors, so that neighbours across the date line do not average to
    # Greenwich.
    vectors = unit_vectors(sites["lon"], sites["lat"])
    x, y, z = (np.bincount(group, vectors[:, k], n) for k in range(3))
    lon, lat = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    weights = np.ones(n)
    weights[~of_bedrock] = declustering_weights(lon[~of_bedrock], lat[~of_bedrock])
    first = np.full(n, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    single = count == 1
    samples = pd.DataFrame(
        {
            "sample": names,
            "cell_row": cells[:, 0],
            "cell_col": cells[:, 1],
            "lon": np.where(single, sites["lon"].to_numpy(float)[first], lon),
            "lat": np.where(single, sites["lat"].to_numpy(float)[first], lat),
            "value": mean,
            "standard_error": (
                np.sqrt(np.bincount(group, (weight * measured) ** 2, n)) / total
                if error is None
                else np.sqrt(1 / total)
            ),
            "sites": count,
            "within_variance": within,
            "nugget": between,
            "weight": weights,
            "in_domain": sites["in_domain"].to_numpy(bool)[first],
            "filled_from_km": sites["filled_from_km"].to_numpy(float)[first],
            "pseudo": of_bedrock,
        }
    )
    return samples, names[group]


def _require_variation(samples: pd.DataFrame, predictors: Sequence[str]) -> None:
    constant = [name for name in predictors if samples[name].nunique() < 2]
    if constant and len(samples) > 1:
        one = f"{constant[0]} (always {samples[constant[0]].iloc[0]:g})"
        others = f", and so are {', '.join(constant[1:])}" if len(constant) > 1 else ""
        raise IcemapError(
            f"The predictor {one} is the same in all {len(samples)} samples{others}: nothing can be"
            " learnt from it, remove it from 'predictors'."
        )
