"""Rasters turned against the grid, against GDAL and against PROJ at every sample: over poles, date
lines and the seams of interrupted projections.
"""

from dataclasses import replace

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.grid import Chunk, Grid
from icemap.predictors import align as align_module
from icemap.predictors.align import Resampling, _warp, align, resampling
from icemap.predictors.raster import Raster
from icemap.predictors.reprojection import TOLERANCE, is_rotated, place, to_source

pytestmark = pytest.mark.quick

MODIS = "+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs"
# West, south, east, north of the grid; whether PROJ is needed at some samples besides the nodes.
CASES = {
    "polar stereographic, the pole": ("EPSG:3995", (-5, 87.5, 5, 90), False),
    "azimuthal, not centred on the pole": (
        "+proj=laea +lat_0=80 +lon_0=30",
        (-5, 87.5, 5, 90),
        False,
    ),
    "polar stereographic": ("EPSG:3995", (-160, 60, -155, 64), False),
    "sinusoidal": (MODIS, (20, 50, 25, 54), False),
    "sinusoidal, its western edge": (MODIS, (-180, 60, -175, 63), False),
    "sinusoidal, the date line in its middle": (
        "+proj=sinu +lon_0=180 +R=6371007.181",
        (177, 60, 180, 63),
        False,
    ),
    "interrupted Goode, the seam at 40 W": ("+proj=igh", (-43, 55, -38, 59), True),
    "interrupted Goode, the kink at 40.7 N": ("+proj=igh", (20, 38, 25, 43), True),
    "across the date line": ("+proj=laea +lat_0=65 +lon_0=180", (175, 55, 180, 58), False),
    "across the date line, its east": (
        "+proj=laea +lat_0=65 +lon_0=180",
        (-180, 55, -175, 58),
        False,
    ),
    "rotated pole": (
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18",
        (5, 55, 10, 58),
        False,
    ),
}


def grid_of(case):
    """Up to two hundred cells in each direction, a number that no block divides."""
    return Grid(*CASES[case][1], 0.025)


def raster_of(case, size=400, codes=False, kind="continuous"):
    """Noise with holes, wide enough for the grid of a case."""
    crs, (west, south, east, north), _ = CASES[case]
    lon, lat = np.meshgrid(
        np.linspace(west + 1e-9, east - 1e-9, 181), np.linspace(south, north, 61)
    )
    x, y = to_source(crs).transform(lon, lat)
    margin = 0.02 * np.ptp(x)
    left, top = x.min() - margin, y.max() + margin
    cell = max(np.ptp(x) + 2 * margin, np.ptp(y) + 2 * margin) / size
    rng = np.random.default_rng(1)
    values = (
        rng.integers(0, 5, (size, size)).astype("f4")
        if codes
        else rng.normal(size=(size, size)).astype("f4")
    )
    values[rng.random((size, size)) < 0.1] = np.nan
    return (
        Raster(
            "noise",
            crs,
            Affine(cell, 0, left, 0, -cell, top),
            values.shape,
            None,
            kind,
            lambda rows, cols: values[rows, cols],
        ),
        values,
    )


def in_chunks(raster, grid, how, size):
    out = np.full(grid.shape, -7, np.float32)
    for chunk in grid.chunks(size):
        out[chunk.rows, chunk.cols] = align(raster, grid, chunk, how)
    return out


def whole(grid):
    return Chunk((0, 0), slice(0, grid.shape[0]), slice(0, grid.shape[1]))


def exact_positions(raster, grid, samples):
    """Columns and rows by PROJ, shape (cells down, cells across, samples down, samples across)."""
    inside = (np.arange(samples) + 0.5) / samples - 0.5
    lon = grid.longitudes[None, :, None, None] + inside * grid.resolution
    lat = grid.latitudes[:, None, None, None] - inside[:, None] * grid.resolution
    return ~raster.transform @ to_source(raster.crs).transform(*np.broadcast_arrays(lon, lat))


@pytest.mark.parametrize("case", CASES)
def test_positions_are_those_of_proj(case) -> None:
    grid, (raster, _) = grid_of(case), raster_of(case)
    crs, _, needs_proj = CASES[case]
    where = place(crs, raster.transform, grid, whole(grid), 1)
    # Blocks of the last rows and columns reach over the edges of the grid, for example beyond 180
    # E.
    assert (where.index[:-1, :-1] >= 0).any() == needs_proj
    assert (where.index < 0).any()
    # A ramp shows the positions.
    for axis, exact in enumerate(exact_positions(raster, grid, 1)):
        ramp = np.indices((400, 400))[1 - axis].astype("f4")
        found = where.resample(ramp, 0, 0, "bilinear") + 0.5
        inside = (exact[..., 0, 0] > 1) & (exact[..., 0, 0] < 399)
        known = inside & np.isfinite(found)
        assert known.sum() > 0.2 * known.size
        assert np.abs(found - exact[..., 0, 0])[known].max() < TOLERANCE + 4e-5


@pytest.mark.parametrize("case", [case for case in CASES if case != "rotated pole"])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_single_samples_agree_with_gdal(case, method) -> None:
    grid, (raster, values) = grid_of(case), raster_of(case, codes=method == "nearest")
    ours = align(raster, grid, whole(grid), Resampling(method))
    theirs = _warp(values, raster.crs, raster.transform, grid.transform, grid.shape, method)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.mean() > 0.3
    # GDAL itself errs by a millionth of a cell, which now and then is another cell.
    assert (np.isfinite(ours) != np.isfinite(theirs)).mean() < 1e-3
    if method == "nearest":
        assert (ours[both] != theirs[both]).mean() < 1e-3
    else:
        gaps = np.abs(ours - theirs)[both]
        assert np.quantile(gaps, 0.999) < 1e-4 * np.ptp(values[np.isfinite(values)])


@pytest.mark.parametrize("case", CASES)
def test_samples_are_averaged_and_vote(case) -> None:
    grid = grid_of(case)
    for method in ("average", "mode"):
        raster, values = raster_of(case, codes=method == "mode")
        ours = align(raster, grid, whole(grid), Resampling(method, 5))
        col, row = (np.floor(at) for at in exact_positions(raster, grid, 5))
        there = (col >= 0) & (col < 400) & (row >= 0) & (row < 400)
        samples = np.where(
            there,
            values[np.where(there, row, 0).astype(int), np.where(there, col, 0).astype(int)],
            np.nan,
        )
        count = np.isfinite(samples).sum(axis=(2, 3))
        if method == "average":
            expected = np.divide(
                np.nansum(samples, axis=(2, 3), dtype="f8"),
                count,
                out=np.full(count.shape, np.nan),
                where=count > 0,
            )
        else:
            votes = np.stack([(samples == code).sum(axis=(2, 3)) for code in range(5)])
            expected = np.where(count > 0, votes.argmax(axis=0), np.nan)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
        # A sample within the tolerance of an edge may be in the other cell.
        assert (np.abs(ours - expected) > 1e-5).mean() < 2e-3


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "how",
    [Resampling("bilinear"), Resampling("average", 3), Resampling("mode", 3)],
    ids=lambda how: how.method,
)
def test_cells_do_not_depend_on_their_chunk(case, how) -> None:
    grid, (raster, _) = grid_of(case), raster_of(case, codes=how.method == "mode")
    np.testing.assert_array_equal(
        in_chunks(raster, grid, how, 23), in_chunks(raster, grid, how, 10_000)
    )


@pytest.mark.parametrize("crs", ["EPSG:3995", "EPSG:4326"])
def test_cells_do_not_depend_on_how_much_is_done_at_a_time(crs, monkeypatch) -> None:
    raster, _ = raster_of("polar stereographic")
    if crs == "EPSG:4326":
        raster = replace(raster, crs=crs, transform=Affine(0.02, 0, -162, 0, -0.02, 66))
    grid = grid_of("polar stereographic")
    how = resampling(raster, grid)
    at_once = in_chunks(raster, grid, how, 64)
    windows = []
    monkeypatch.setattr(align_module, "MAX_WORK", 2000)
    watched = replace(
        raster,
        read=lambda rows, cols: (
            windows.append((rows.stop - rows.start) * (cols.stop - cols.start))
            or raster.read(rows, cols)
        ),
    )
    # GDAL's own arithmetic rounds differently in another window.
    np.testing.assert_allclose(
        in_chunks(watched, grid, how, 64), at_once, rtol=0, atol=0 if crs == "EPSG:3995" else 1e-6
    )
    assert max(windows) <= 2000


def test_a_seam_between_the_nodes_is_found_wherever_it_lies() -> None:
    """The lobes of the interrupted projection meet at 40 W; its first block is moved over them in
    small steps.
    """
    for shift in np.linspace(0.003, 1.597, 38):
        grid = Grid(-40 - shift, 60, -40 - shift + 1.6, 61.6, 0.1)
        where = place("+proj=igh", Affine(1000, 0, 0, 0, -1000, 0), grid, whole(grid), 1)
        assert (where.index >= 0).all(), shift


def test_large_blocks_fall_back_on_proj() -> None:
    coarse = Grid(-180, 45, 180, 90, 5)
    where = place("EPSG:3995", Affine(1000, 0, -6e6, 0, -1000, 6e6), coarse, whole(coarse), 1)
    assert (where.index >= 0).all()


def test_no_position_is_no_value() -> None:
    """The far side of an orthographic view has no positions."""
    grid = Grid(-180, -90, 180, 90, 3)
    ones = np.ones((640, 640), "f4")
    raster = Raster(
        "view",
        "+proj=ortho +lat_0=90",
        Affine(20_000, 0, -6.4e6, 0, -20_000, 6.4e6),
        ones.shape,
        None,
        "continuous",
        lambda r, c: ones[r, c],
    )
    for how in (Resampling("bilinear"), Resampling("average", 4)):
        out = in_chunks(raster, grid, how, 17)
        assert np.isnan(out[grid.latitudes < -2]).all()
        assert (out[grid.latitudes > 2] == 1).all()
    south = Grid(-180, -90, 180, -30, 3)
    assert np.isnan(in_chunks(raster, south, Resampling("bilinear"), 17)).all()


@settings(max_examples=25)
@given(
    lon=st.floats(-179, 170),
    lat=st.floats(-85, 80),
    step=st.sampled_from([0.001, 0.01, 0.1]),
    samples=st.integers(1, 24),
)
def test_bounds_hold_all_samples(lon, lat, step, samples) -> None:
    west, south = round(lon, 3), round(lat, 3)
    grid = Grid(west, south, round(west + 9 * step, 3), round(south + 7 * step, 3), step)
    for crs in ("EPSG:3995", MODIS, "+proj=igh"):
        raster = replace(
            raster_of("sinusoidal", 4)[0], crs=crs, transform=Affine(500, 0, 0, 0, -500, 0)
        )
        left, top, right, bottom = place(crs, raster.transform, grid, whole(grid), samples).bounds()
        col, row = exact_positions(raster, grid, samples)
        assert left <= col.min() + 1e-3
        assert col.max() <= right + 1e-3
        assert top <= row.min() + 1e-3
        assert row.max() <= bottom + 1e-3


def test_what_is_turned() -> None:
    assert is_rotated("EPSG:3995")
    assert is_rotated(CASES["rotated pole"][0])
    assert not is_rotated("EPSG:4326")
    assert not is_rotated(pyproj.CRS.from_epsg(4258).to_wkt())
