"""Predictors computed from others: terrain, neighbourhoods, degree days and distances on cells of
longitude and latitude.

Slopes are on the WGS84 ellipsoid (radii of curvature after Snyder 1987, doi:10.3133/pp1395, eq.
4-18 and 4-20), distances and neighbourhoods on the sphere of the mean radius, which errs by at most
0.6 %. Every cell is computed from the cells around it in one fixed order, so the result does not
depend on the chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import WGS84_A, WGS84_E2
from icemap.predictors.possible import COLDEST
from icemap.predictors.wetness import contributing_area, wetness_index
from icemap.source import DEGLACIATION, KELVIN, NEIGHBOURHOOD, TERRAIN, WETNESS, Derivation
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

Field = NDArray[np.float32]


# Of a climatological year.
DAYS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
ZERO_CELSIUS = 273.15
# Sums over a neighbourhood are differences of running totals, which only whole numbers keep exact:
# elevations count in units of 2**-12 m.
FIXED_POINT = 2.0**12


@dataclass(frozen=True)
class Halo:
    """Cells needed around a window: the same number above and below, and left and right."""

    rows: int = 0
    cols: int = 0


@dataclass(frozen=True)
class Window:
    """Where arrays lie, and which of their cells are wanted.

    Attributes
    ----------
    latitudes : ndarray of shape (rows,)
        Cell centres of the arrays, north first, degrees.
    step : float
        Cell size in degrees.
    rows, cols : slice
        The cells to compute; the others are their halo.
    west : int
        Column of the grid at which the arrays begin.
    """

    latitudes: NDArray[np.float64]
    step: float
    rows: slice
    cols: slice
    west: int = 0

    @property
    def inner(self) -> tuple[slice, slice]:
        return self.rows, self.cols


def halo(derivation: Derivation, step: float, latitudes: NDArray[np.float64]) -> Halo:
    """Cells that a derivation looks at around cells with these latitudes; never more than half way
    round the globe.

    Parameters
    ----------
    derivation : Derivation
    step : float
        Side of a cell, degrees.
    latitudes : ndarray of shape (rows,)
        Degrees.
    """
    if derivation.how in TERRAIN:
        return Halo(1, 1)
    if derivation.radius is None:
        return Halo()
    if derivation.how == WETNESS:
        around = _moves(derivation.radius, step) + 1
        return Halo(around, min(around, int(np.ceil(180 / step))))
    angle = derivation.radius / EARTH_RADIUS_KM
    rows = int(np.ceil(np.degrees(angle) / step)) + 1
    furthest = np.radians(np.abs(latitudes).max())
    half_circle = int(np.ceil(180 / step))
    if angle + furthest >= np.pi / 2:
        return Halo(rows, half_circle)
    # The easternmost point of a spherical cap.
    return Halo(
        rows,
        min(
            int(np.ceil(np.degrees(np.arcsin(np.sin(angle) / np.cos(furthest))) / step)) + 1,
            half_circle,
        ),
    )


def derive(derivation: Derivation, inputs: Sequence[Field], unit: str, window: Window) -> Field:
    """The derived predictor in the inner cells of a window.

    Parameters
    ----------
    inputs : sequence of ndarray of shape (rows, columns)
        On the window with its halo, NaN where missing.
    unit : str
        Of the inputs.

    Returns
    -------
    ndarray of float32
        NaN where an input is missing in the cell itself.
    """
    how = derivation.how
    if how in TERRAIN:
        result = terrain(inputs[0], window)[how]
    elif how in NEIGHBOURHOOD:
        result = _neighbourhood(how, inputs[0], window, float(derivation.radius or 0))
    elif how == WETNESS:
        result = _wetness(inputs[0], window, float(derivation.radius or 0))
    elif how == DEGLACIATION:
        result = deglaciation_age(
            np.stack([item[window.inner] for item in inputs]),
            derivation.ages,
            float(derivation.at_least or 0),
        )
    elif how == "distance_to":
        result = distance_to(_sought(inputs[0], derivation), window, float(derivation.radius or 0))
        result[np.isnan(inputs[0][window.inner])] = np.nan
    elif how == "difference":
        result = inputs[0][window.inner].astype(np.float64) - inputs[1][window.inner]
    else:
        months = np.stack([item[window.inner] for item in inputs]).astype(np.float64)
        if unit in KELVIN and how != "temperature_range":
            _require_kelvin(derivation, months)
        result = _yearly(
            how, months - ZERO_CELSIUS if unit in KELVIN and how != "temperature_range" else months
        )
    return np.asarray(result, dtype=np.float32)


def _require_kelvin(derivation: Derivation, months: NDArray[np.float64]) -> None:
    there = months[np.isfinite(months)]
    if there.size and there.min() < COLDEST:
        raise IcemapError(
            f"'{derivation.text}': the months go from {there.min():.6g} to {there.max():.6g} K,"
            " which are no temperatures in kelvin: correct the 'unit' of its entries in the"
            " catalogue, or say with 'file_unit' which unit the values of their files have."
        )


def cell_size(
    latitudes: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """East-west and north-south size (km) of cells of ``step`` degrees on the ellipsoid.

    Examples
    --------
    >>> width, height = cell_size(np.array([0.0, 60.0]), 1.0)
    >>> width.round(2).tolist(), height.round(2).tolist()
    ([111.32, 55.8], [110.57, 111.41])
    """
    sine = np.sin(np.radians(latitudes))
    squared = 1 - WGS84_E2 * sine**2
    normal, meridional = WGS84_A / np.sqrt(squared), WGS84_A * (1 - WGS84_E2) / squared**1.5
    return normal * np.cos(np.radians(latitudes)) * np.radians(step), meridional * np.radians(step)


def terrain(elevation: Field, window: Window) -> dict[str, NDArray[np.float64]]:
    """Slope (degrees) and the direction it faces, from elevation in metres.

    Returns
    -------
    dict
        ``slope``; ``aspect_sin`` and ``aspect_cos``, the east and north part of the unit vector
        down the slope, both 0 where it is flat.

    Notes
    -----
    Weights of Horn (1981, doi:10.1109/PROC.1981.11918), each row with its own cell width. A missing
    neighbour counts as level with the cell.
    """
    z = np.pad(elevation.astype(np.float64), 1, constant_values=np.nan)
    top, left = window.rows.start, window.cols.start
    height, width = window.rows.stop - top, window.cols.stop - left
    centre = elevation[window.inner].astype(np.float64)
    # Beyond the pole there is no row: its width is not used, as its cells are missing.
    latitudes = np.clip(
        np.r_[
            window.latitudes[0] + window.step, window.latitudes, window.latitudes[-1] - window.step
        ],
        -89.999,
        89.999,
    )
    dx, dy = (1000 * size for size in cell_size(latitudes, window.step))

    def at(down: int, right: int) -> NDArray[np.float64]:
        values = z[
            top + 1 + down : top + 1 + down + height, left + 1 + right : left + 1 + right + width
        ]
        return np.where(np.isnan(values), centre, values)

    east = np.zeros_like(centre)
    for down, weight in ((-1, 1), (0, 2), (1, 1)):
        east += (
            weight
            * (at(down, 1) - at(down, -1))
            / (8 * dx[top + 1 + down : top + 1 + down + height, None])
        )
    north = sum(
        weight * (at(-1, right) - at(1, right)) for right, weight in ((-1, 1), (0, 2), (1, 1))
    ) / (8 * dy[top + 1 : top + 1 + height, None])
    steepness = np.hypot(east, north)
    flat = steepness == 0
    with np.errstate(invalid="ignore"):
        facing_east, facing_north = (
            np.where(flat, 0.0, -part / np.where(flat, 1.0, steepness)) for part in (east, north)
        )
    return {
        "slope": np.degrees(np.arctan(steepness)),
        "aspect_sin": facing_east,
        "aspect_cos": facing_north,
    }


def _neighbourhood(
    how: str, elevation: Field, window: Window, radius: float
) -> NDArray[np.float64]:
    """Height above the mean (tpi), or standard deviation (roughness), of all cells whose centre is
    within ``radius`` km; cells count by their area.
    """
    centre = elevation[window.inner].astype(np.float64)
    present = np.isfinite(elevation)
    height = np.rint(np.where(present, elevation, 0).astype(np.float64) * FIXED_POINT).astype(
        np.int64
    )
    area, total, squares = _disk_sums(
        np.stack([present.astype(np.int64), height, height**2]), window, radius
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / area / FIXED_POINT
        if how == "tpi":
            return centre - mean
        variance = squares / area / FIXED_POINT**2 - mean**2
    return np.where(np.isnan(centre), np.nan, np.sqrt(np.maximum(variance, 0)))


def _moves(radius: float, step: float) -> int:
    """From cell to cell, so that water going along a meridian comes ``radius`` km far; along a
    parallel a cell is shorter.
    """
    return int(np.ceil(np.degrees(radius / EARTH_RADIUS_KM) / step))


def _wetness(elevation: Field, window: Window, radius: float) -> NDArray[np.float64]:
    width, height = (1000 * size for size in cell_size(window.latitudes, window.step))
    area = contributing_area(
        elevation.astype(np.float64), width, height, _moves(radius, window.step)
    )[window.inner]
    slope = terrain(elevation, window)["slope"]
    index = wetness_index(
        area, np.broadcast_to((width * height)[window.rows, None], area.shape), slope
    )
    return np.where(np.isnan(elevation[window.inner]), np.nan, index)


def deglaciation_age(cover: Field, ages: Sequence[float], at_least: float) -> NDArray[np.float64]:
    """The youngest age at which a cell was still covered; NaN where it never was, and where one of
    the covers has no value.

    Parameters
    ----------
    cover : ndarray of shape (ages, rows, columns)
        Ice cover at each age: a share, a mask or a thickness; covered is ``at_least`` this much.

    Examples
    --------
    >>> deglaciation_age(np.array([[[1, 1, 0]], [[1, 0, 0]]]), [21, 12], 0.5)
    array([[12., 21., nan]])
    """
    with np.errstate(invalid="ignore"):
        covered = np.where(
            cover >= at_least, np.asarray(ages, dtype=np.float64)[:, None, None], np.nan
        )
    youngest = np.fmin.reduce(covered, axis=0)
    return np.where(np.isnan(cover).any(axis=0), np.nan, youngest)


def _disk_sums(layers: NDArray[np.int64], window: Window, radius: float) -> NDArray[np.float64]:
    """Sums of layers of shape (layers, rows, columns) over the cells within ``radius`` km of each
    inner cell, weighted by cell area.
    """
    angle = radius / EARTH_RADIUS_KM
    around = int(360 / window.step + 1e-6)
    latitudes = np.radians(window.latitudes)
    width, height = cell_size(window.latitudes, window.step)
    totals = np.concatenate(
        [np.zeros((*layers.shape[:2], 1), dtype=np.int64), np.cumsum(layers, axis=2)], axis=2
    )
    start, stop = window.cols.start, window.cols.stop
    result = np.zeros((layers.shape[0], window.rows.stop - window.rows.start, stop - start))
    for row, out in zip(range(window.rows.start, window.rows.stop), np.moveaxis(result, 1, 0)):
        for other in np.flatnonzero(np.abs(latitudes - latitudes[row]) <= angle):
            product = np.cos(latitudes[row]) * np.cos(latitudes[other])
            cosine = (np.cos(angle) - np.sin(latitudes[row]) * np.sin(latitudes[other])) / product
            reach = int(np.degrees(np.arccos(np.clip(cosine, -1, 1))) / window.step + 1e-9)
            first, last = (
                (-reach, reach)
                if 2 * reach + 1 < around
                else (-(around // 2), around - around // 2 - 1)
            )
            out += (
                width[other]
                * height[other]
                * (
                    totals[:, other, start + last + 1 : stop + last + 1]
                    - totals[:, other, start + first : stop + first]
                )
            )
    return result


def _sought(values: Field, derivation: Derivation) -> NDArray[np.bool_]:
    if derivation.codes:
        return np.isin(values, derivation.codes)
    with np.errstate(invalid="ignore"):
        low = (
            values >= derivation.at_least
            if derivation.at_least is not None
            else np.isfinite(values)
        )
        return np.asarray(
            low & (values <= derivation.at_most) if derivation.at_most is not None else low
        )


def distance_to(sought: NDArray[np.bool_], window: Window, radius: float) -> NDArray[np.float64]:
    """Great-circle distance (km) from the centre of each inner cell to that of the nearest cell
    sought; ``radius`` where none is as near.

    Parameters
    ----------
    sought : ndarray of bool, shape (rows, columns)
        On the window with its halo.
    """
    from scipy.ndimage import binary_erosion
    from scipy.spatial import cKDTree

    here = sought[window.inner]
    result = np.where(here, 0.0, radius)
    # The nearest cell of an area is on its edge.
    row, col = np.nonzero(sought & ~binary_erosion(sought))
    if row.size and not here.all():
        angle = radius / EARTH_RADIUS_KM
        to_row, to_col = np.nonzero(~here)
        tree = cKDTree(_on_sphere(window, row, col))
        chord, _ = tree.query(
            _on_sphere(window, to_row + window.rows.start, to_col + window.cols.start),
            distance_upper_bound=2 * np.sin(angle / 2),
        )
        found = np.isfinite(chord)
        result[to_row[found], to_col[found]] = np.minimum(
            2 * np.arcsin(chord[found] / 2) * EARTH_RADIUS_KM, radius
        )
    return result


def _on_sphere(
    window: Window, row: NDArray[np.int64], col: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Points of the unit sphere, with the same coordinates in whatever window a cell is seen."""
    around = 360 / window.step
    column = col + window.west
    if abs(around - round(around)) < 1e-6:
        column = column % round(around)
    return unit_vectors(column * window.step, window.latitudes[row])


def _yearly(how: str, months: NDArray[np.float64]) -> NDArray[np.float64]:
    """From twelve monthly means, shape (12, rows, columns), °C.

    Degree days are days in the month times the mean, summed over the months above (thawing) or
    below (freezing) 0 °C. The frost number after Nelson & Outcalt (1987, doi:10.2307/1551363) is
    the share of the root of freezing in the sum of the roots of both: above 0.5 freezing prevails.
    """
    if how == "temperature_range":
        return np.asarray(months.max(axis=0) - months.min(axis=0))
    days = DAYS[:, None, None]
    thawing, freezing = (
        (days * np.maximum(months, 0)).sum(axis=0),
        (days * np.maximum(-months, 0)).sum(axis=0),
    )
    if how == "thawing_degree_days":
        return np.asarray(thawing)
    if how == "freezing_degree_days":
        return np.asarray(freezing)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(freezing) / (np.sqrt(freezing) + np.sqrt(thawing)))
