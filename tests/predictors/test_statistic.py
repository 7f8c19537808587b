"""The statistic that a file says it holds, against the name of the predictor."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from tests.netcdf_field import write_field
from tests.small_rasters import read_whole, source, write_tif

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)


def netcdf(folder, attrs):
    return write_field(folder / "a.nc", 7, {"units": "m", **attrs}, dtype="f4")


def tiff(folder, attrs):
    path = write_tif(folder / "a.tif", np.full((6, 10), 7, "f4"), Affine(1, 0, 100, 0, -1, 66))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, units="m", **attrs)
    return path


BOTH = pytest.mark.parametrize("write", [netcdf, tiff])


@BOTH
@pytest.mark.parametrize(
    ("attrs", "called", "said"),
    [
        ({"cell_methods": "time: standard_deviation"}, "snow depth", "the standard_deviation of"),
        ({"cell_methods": "area: mean time: variance"}, "mean snow depth", "the variance of"),
        ({"cell_methods": "time: maximum (interval: 1 day)"}, "mean snow depth", "the maximum of"),
        ({"standard_name": "snow_depth standard_error"}, "snow depth", "the standard_error of"),
        ({"long_name": "log10 of snow depth"}, "snow depth", "log10 of snow depth', a logarithm"),
        ({"long_name": "snow depth, log-transformed"}, "snow depth", "', a logarithm"),
    ],
)
def test_another_statistic_is_refused(tmp_path, write, attrs, called, said) -> None:
    with pytest.raises(IcemapError, match=f"holds .*{said}.*the catalogue calls it '{called}'"):
        read_whole(source(write(tmp_path, attrs), unit="m", long_name=called), GRID)


@BOTH
@pytest.mark.parametrize(
    ("attrs", "called"),
    [
        ({"cell_methods": "time: mean"}, "mean snow depth"),
        ({"cell_methods": "time: mean"}, "highest snow depth"),
        ({"cell_methods": "time: sum"}, "mean annual snowfall"),
        ({"cell_methods": "time: maximum"}, "snow depth"),
        ({"cell_methods": "time: maximum"}, "mean maximum of snow depth"),
        ({"cell_methods": "time: maximum within years time: mean over years"}, "mean snow depth"),
        ({"cell_methods": "area: maximum"}, "mean snow depth"),
        ({"cell_methods": "time: standard_deviation"}, "sd of snow depth"),
        ({"long_name": "log10 of snow depth"}, "log of snow depth"),
        ({"long_name": "snow depth at borehole logs"}, "snow depth"),
        ({"standard_name": "surface_snow_thickness"}, "snow depth"),
    ],
)
def test_the_same_statistic_in_other_words_is_left(tmp_path, write, attrs, called) -> None:
    made = source(write(tmp_path, attrs), unit="m", long_name=called)
    assert read_whole(made, GRID)[0, 0] == 7
