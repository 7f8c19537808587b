"""One self-contained page about a predictor cube: so that a wrong unit, a gap or a flipped raster
is seen before anything is fitted to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.grid import Chunk, Grid
from icemap.gridded import grid_of
from icemap.json_records import CubeFacts
from icemap.predictors.cube import open_cube
from icemap.predictors.raster import CLASS_NODATA
from icemap.products.collinearity import correlations, variance_inflation
from icemap.products.figures.predictors import predictor_histogram, predictor_map
from icemap.products.pages.page import embedded, render
from icemap.products.plausible import doubt
from icemap.store import write_text
from icemap.zarr_groups import read_chunk

if TYPE_CHECKING:
    import xarray as xr

# Pictures and correlations are made from at most about this many cells, evenly spaced; ranges and
# coverage come from every cell.
MAX_CELLS = 1_000_000
STRONG_CORRELATION = 0.9
HIGH_INFLATION = 10.0


@dataclass(frozen=True)
class _Sample:
    """Every ``step``-th row and column of a cube."""

    step: int
    values: dict[str, NDArray[np.float32]]
    valid: NDArray[np.bool_]


def write_predictors_page(url: str, cube_url: str, facts: CubeFacts, title: str) -> None:
    """Write the page; it needs no network and no other file.

    Parameters
    ----------
    url : str
        Where the page will be.
    cube_url : str
        Of a finished cube.
    facts : CubeFacts
        What the building of the cube counted in every cell: ``cells`` (``inside``, ``valid``), and
        ``missing`` and ``ranges`` by predictor.
    title : str
        Of the run.

    Raises
    ------
    IcemapError
        If there is no cube, or the page cannot be written.
    """
    cube = open_cube(cube_url)
    names = [name for name in facts["ranges"] if name in cube]
    grid = grid_of(cube)
    sample = _sample(cube_url, grid.shape, names)
    continuous = [name for name in names if cube[name].attrs.get("kind") != "class"]
    page = render(
        "predictors.html",
        title=title,
        grid=grid,
        shape=grid.shape,
        cells=facts["cells"],
        share=_percent(facts["cells"]["valid"], facts["cells"]["inside"]),
        step=sample.step,
        sampled=int(sample.valid.sum()),
        predictors=[_predictor(name, cube[name], sample, facts, grid) for name in names],
        classes=[name for name in names if name not in continuous],
        **_collinearity(sample, continuous),
        strong=STRONG_CORRELATION,
        high=HIGH_INFLATION,
    )
    write_text(url, page)


def _sample(cube_url: str, shape: tuple[int, int], names: list[str]) -> _Sample:
    rows, cols = shape
    step = int(np.ceil(np.sqrt(rows * cols / MAX_CELLS)))
    # Zarr keeps of each stored chunk only the cells asked for; a whole variable is never in memory.
    thinned = Chunk((0, 0), slice(0, rows, step), slice(0, cols, step))
    values = {name: _decoded(read_chunk(cube_url, thinned, [name])[name]) for name in names}
    return _Sample(step, values, read_chunk(cube_url, thinned, ["valid"])["valid"] == 1)


def _decoded(stored: NDArray[Any]) -> NDArray[np.float32]:
    return (
        np.where(stored == CLASS_NODATA, np.nan, stored).astype(np.float32)
        if stored.dtype == np.uint8
        else stored
    )


def _predictor(
    name: str, variable: xr.DataArray, sample: _Sample, facts: CubeFacts, grid: Grid
) -> dict[str, object]:
    attrs = variable.attrs
    missing, inside = facts["missing"].get(name, 0), facts["cells"]["inside"]
    declared = attrs.get("valid_range")
    known = sample.values[name][sample.valid & np.isfinite(sample.values[name])]
    low, high = facts["ranges"][name]
    is_class = attrs.get("kind") == "class"
    return {
        "name": name,
        "attrs": attrs,
        "unit": "" if attrs["units"] == "1" else attrs["units"],
        "range": (
            f"{len(np.unique(known))} of {len(attrs['flag_values'])} classes"
            if is_class
            else f"{_number(low)} to {_number(high)}"
        ),
        "low": "" if is_class else _number(low),
        "high": "" if is_class else _number(high),
        "declared": (
            f"{len(attrs['flag_values'])} classes"
            if is_class
            else None
            if declared is None
            else f"{_number(declared[0])} to {_number(declared[1])}"
        ),
        "constant": low == high,
        "doubt": doubt(name, low, high, attrs),
        "missing": missing,
        "coverage": _percent(inside - missing, inside),
        "map": embedded(predictor_map(sample.values[name], known, sample.step, grid, attrs)),
        "histogram": embedded(predictor_histogram(known, attrs)),
    }


def _number(value: float) -> str:
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _percent(part: int, whole: int) -> str:
    """Not rounded up to all, nor down to none."""
    if not whole or part == whole:
        return "100 %" if whole else "–"
    return f"{np.floor(1000 * part / whole) / 10:.1f} %"


def _collinearity(sample: _Sample, names: list[str]) -> Mapping[str, Any]:
    if not sample.valid.any() or not names:
        return {"continuous": [], "matrix": [], "pairs": [], "inflation": []}
    matrix = correlations(np.stack([sample.values[name][sample.valid] for name in names], axis=1))
    factors = variance_inflation(matrix)
    pairs = [
        (abs(matrix[i, j]), names[j], names[i], f"{matrix[i, j]:.2f}")
        for i in range(len(names))
        for j in range(i)
        if abs(matrix[i, j]) > STRONG_CORRELATION
    ]
    return {
        "continuous": names,
        "matrix": [[_cell(matrix[i, j]) for j in range(len(names))] for i in range(len(names))],
        "pairs": [{"first": a, "second": b, "r": r} for _, a, b, r in sorted(pairs, reverse=True)],
        "inflation": [
            {"name": names[i], "value": _inflation(factors[i]), "high": factors[i] > HIGH_INFLATION}
            for i in np.argsort(-factors, kind="stable")
        ],
    }


def _inflation(factor: float) -> str:
    if np.isnan(factor):
        return "constant"
    return (
        "a linear combination of others"
        if np.isinf(factor)
        else f"{factor:.1f}"
        if factor < 1000
        else f"{factor:,.0f}"
    )


def _cell(r: float) -> dict[str, str]:
    """Text and colour of a correlation: blue for negative, brown for positive, white for none."""
    if np.isnan(r):
        return {"text": "–", "background": "#ffffff", "ink": "#22292f"}
    end = np.array([139, 69, 19]) if r > 0 else np.array([11, 95, 165])
    colour = np.round(255 + (end - 255) * abs(r)).astype(int)
    return {
        "text": f"{r:.2f}".replace("-", "−"),
        "background": "#{:02x}{:02x}{:02x}".format(*colour),
        "ink": "#ffffff" if abs(r) > 0.6 else "#22292f",
    }
