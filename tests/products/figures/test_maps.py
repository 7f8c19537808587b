from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.image import imread

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables, open_map
from icemap.products.figures.maps import map_figure, width_parts_figure
from icemap.products.figures.style import STYLE, new_figure, saved
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 40, 180, 90, 2.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    url = str(tmp_path_factory.mktemp("run") / "map.zarr")
    create_gridded(url, GRID, map_variables(TargetConfig()), {}, chunk=180)
    for chunk in GRID.chunks(180):
        value = np.broadcast_to(np.where(GRID.longitudes < 0, 20.0, 80.0), chunk.shape)
        half = {"vic": 0, "vic_lower95": -10, "vic_upper95": 10, "vic_sd_ensemble": 0}
        arrays = {name: (value + shift).astype("float32") for name, shift in half.items()}
        write_chunk(url, chunk, {**arrays, "aoa": np.ones(chunk.shape, "uint8")})
    return open_map(url)


def pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))[..., :3]


def colour_share(picture: np.ndarray, colour) -> float:
    return float((np.abs(picture - np.asarray(colour)[:3]).max(axis=2) < 0.02).mean())


@pytest.mark.parametrize("projection", ["equal-area", "plate-carree"])
def test_the_values_are_on_the_picture_in_their_colours(dataset, projection):
    picture = pixels(map_figure(dataset, "A test", projection=projection, pixels=300))
    left = (
        picture[:, : picture.shape[1] // 2]
        if projection == "equal-area"
        else picture[: picture.shape[0] // 2]
    )
    colours = mpl.colormaps["viridis_r"]
    for value in (0.2, 0.8):
        assert colour_share(left, colours(value)) > 0.1, value
    assert colour_share(left, colours(0.5)) < 0.02


def test_west_is_left_of_the_pole(dataset):
    picture = pixels(map_figure(dataset, "A test", pixels=300))
    colours = mpl.colormaps["viridis_r"]
    columns = [
        np.flatnonzero((np.abs(picture - colours(v)[:3]).max(axis=2) < 0.02).any(axis=0))
        for v in (0.2, 0.8)
    ]
    middle = [c[c < picture.shape[1] // 2].mean() for c in columns]
    assert middle[0] < middle[1]


def test_what_is_outside_the_area_of_applicability_is_hatched(dataset):
    inside = pixels(map_figure(dataset, "", pixels=300))
    outside = pixels(map_figure(dataset.assign(aoa=dataset.aoa * 0), "", pixels=300))
    half = inside.shape[1] // 2
    # Not identical layouts (the second has a caption), so dark pixels are compared, not positions.
    dark = [(picture[:, half:] < 0.25).all(axis=2).mean() for picture in (inside, outside)]
    assert dark[1] > 1.5 * dark[0]
    assert colour_share(outside[:, :half], (0.1, 0.1, 0.1)) < 0.02


def test_the_part_of_the_replicates_is_that_of_the_error_of_a_cell(dataset):
    sd = 20 / (2 * 1.959963984540054)
    west = dataset.longitude < 0
    spread = xr.ones_like(dataset.vic) * sd * np.sqrt(xr.where(west, 0.2, 0.4))
    made = dataset.assign(vic_sd_ensemble=spread, dissimilarity=xr.ones_like(dataset.vic))
    # With a nugget and a stretch the same cells have a wider interval.
    half = 1.959963984540054 * np.hypot(2 * sd, 5.0)
    wider = made.assign(vic_lower95=made.vic - half, vic_upper95=made.vic + half).assign_attrs(
        interval_nugget=5.0, interval_stretch=2.0
    )
    pictures = [pixels(width_parts_figure(one, pixels=300)) for one in (made, wider)]
    colours = mpl.colormaps["cividis"]
    for picture in pictures:
        left = picture[:, : picture.shape[1] // 2]
        for share in (0.5, 1.0):
            assert colour_share(left, colours(share)) > 0.1, share
    np.testing.assert_allclose(*pictures, atol=0.05)


def test_sites_are_drawn(dataset):
    sites = pd.DataFrame({"lon": np.linspace(-170, 170, 80), "lat": 65.0})
    colour = mpl.colors.to_rgb("#e4572e")
    assert colour_share(
        pixels(map_figure(dataset, "", sites=sites, pixels=300)), colour
    ) > 10 * max(colour_share(pixels(map_figure(dataset, "", pixels=300)), colour), 1e-6)


def test_same_input_same_bytes_and_the_users_settings_stay(dataset):
    before = dict(mpl.rcParams)
    assert map_figure(dataset, "A", pixels=200) == map_figure(dataset, "A", pixels=200)
    assert dict(mpl.rcParams) == before


def test_a_map_without_values_is_still_a_picture(dataset):
    empty = dataset.where(dataset.vic > 1000)
    assert pixels(map_figure(empty, "Nothing", pixels=200)).std() > 0


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_saved_figure_is_laid_out_and_keeps_its_layout(kind):
    """As matplotlib lays it out, which draws all of it for that."""
    figure = new_figure(4, 3)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1e6])
    axes.set(xlabel="time", ylabel="something\nof two lines")
    layout = figure.get_layout_engine()
    found = saved(figure, kind)
    inside = axes.get_position().bounds
    assert figure.get_layout_engine() is layout
    content = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(content, format=kind, dpi=160, facecolor="white")
    assert axes.get_position().bounds == pytest.approx(inside, abs=0.01)
    if kind == "png":
        assert np.array_equal(pixels(found), pixels(content.getvalue()))
