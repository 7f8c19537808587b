"""What a client may read a part of, as rio-cogeo judges it."""

import re

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rio_cogeo.cogeo import cog_validate

from icemap.products.cog import _to_cog
from icemap.products.cog_layout import layout_problem

PLACE = {"crs": "EPSG:4326", "transform": Affine(0.1, 0, -180, 0, -0.1, 90)}


def _plain(path, **profile) -> None:
    values = np.random.default_rng(1).random((700, 1300), dtype="float32")
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=700,
        width=1300,
        count=1,
        dtype="float32",
        **PLACE,
        **profile,
    ) as file:
        file.write(values, 1)


def _striped(path) -> None:
    _plain(path, tiled=False)


def _without_overviews(path) -> None:
    _plain(path, tiled=True, blockxsize=512, blockysize=512)


def _overviews_behind(path) -> None:
    _without_overviews(path)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])


def _in_strips(path) -> None:
    plain = path.with_suffix(".plain.tif")
    _striped(plain)
    with rasterio.open(plain, "r+") as file:
        file.build_overviews([2, 4])
    rasterio.shutil.copy(plain, path, driver="GTiff", COPY_SRC_OVERVIEWS="YES", TILED="NO")


def _changed_afterwards(path) -> None:
    _without_overviews(path.with_suffix(".plain.tif"))
    _to_cog(path.with_suffix(".plain.tif"), path)
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(note="too long for the place that its header has")


def _small(path) -> None:
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=300,
        width=300,
        count=1,
        dtype="float32",
        **PLACE,
    ) as file:
        file.write(np.ones((300, 300), "float32"), 1)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_striped, "no overviews"),
        (_without_overviews, "no overviews"),
        (_overviews_behind, "headers are not at its start|smaller overviews do not come before"),
        (_in_strips, "not stored in tiles"),
        (_changed_afterwards, "changed after it was made"),
        (_small, None),
    ],
)
def test_what_is_no_cog_is_known_as_by_rio_cogeo(tmp_path, make, problem):
    path = tmp_path / "made.tif"
    make(path)
    found = layout_problem(path)
    assert (found is None) == cog_validate(str(path), strict=True, quiet=True)[0]
    assert found is None if problem is None else re.search(problem, found)
