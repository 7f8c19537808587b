"""Attributes of CF that became tags of a GeoTIFF count as they do in NetCDF."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from icemap.errors import IcemapError
from icemap.grid import Grid
from tests.small_rasters import read_whole, source, write_tif

pytestmark = pytest.mark.quick
NORTH = Affine(1, 0, 0, 0, -1, 64)
GRID = Grid(0, 60, 8, 64, 1.0)
VALUES = np.arange(32).reshape(4, 8)


def tagged(path: Path, of_band, of_file=None, dtype="float32", scale=None) -> Path:
    made = write_tif(path / "a.tif", VALUES.astype(dtype), NORTH)
    with rasterio.open(made, "r+") as dataset:
        dataset.update_tags(1, **of_band)
        dataset.update_tags(**(of_file or {}))
        if scale is not None:
            dataset.scales = (scale,)
    return made


def kept(path: Path, **keys) -> list[float]:
    values = read_whole(source(path, **keys), GRID)
    return sorted(values[np.isfinite(values)].round(6).tolist())


@pytest.mark.parametrize(
    ("of_band", "of_file"),
    [
        ({"valid_range": "{3,20}"}, {}),
        ({"valid_range": "3, 20"}, {}),
        ({"valid_min": "3", "VALID_MAX": "20"}, {}),
        ({}, {"valid_min": "3", "valid_max": "20"}),
        ({"NETCDF_VARNAME": "t"}, {"t#valid_range": "{3,20}", "lat#valid_range": "{5,6}"}),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_values_outside_of_the_valid_range_are_missing(tmp_path, of_band, of_file, dtype) -> None:
    path = tagged(tmp_path, of_band, of_file, dtype)
    assert kept(path) == list(range(3, 21))


def test_the_range_of_packed_values_is_as_stored_or_in_floats_of_what_they_stand_for(
    tmp_path,
) -> None:
    packed = tagged(tmp_path, {"valid_range": "{3,20}"}, dtype="int16", scale=0.5)
    assert kept(packed) == [0.5 * n for n in range(3, 21)]
    physical = tagged(tmp_path, {"valid_range": "{1.5,10.0}"}, dtype="int16", scale=0.5)
    assert kept(physical) == [0.5 * n for n in range(3, 21)]


def test_the_range_of_whole_numbers_does_not_count_for_values_unpacked_since(tmp_path) -> None:
    path = tagged(tmp_path, {"valid_range": "{100,200}", "scale_factor": "0.1"})
    assert len(kept(path)) == 32


def test_a_range_that_leaves_out_all_values_is_asked_about(tmp_path) -> None:
    path = tagged(tmp_path, {"valid_range": "{100,200}"})
    with pytest.raises(IcemapError, match=r"stores 0 to 31, all of which are outside of .*100 to"):
        kept(path)


def test_the_range_of_a_file_of_several_bands_is_of_none_of_them(tmp_path) -> None:
    made = write_tif(tmp_path / "a.tif", np.stack([VALUES, VALUES]).astype("f4"), NORTH)
    with rasterio.open(made, "r+") as dataset:
        dataset.update_tags(valid_range="{3,20}")
        dataset.update_tags(2, valid_range="{5,20}")
    assert len(kept(made, variable="1")) == 32
    assert kept(made, variable="2") == list(range(5, 21))


@pytest.mark.parametrize("codes", ["{3,20}", "3 20", "3, 20"])
def test_all_of_several_missing_values_are_missing(tmp_path, codes) -> None:
    left = [n for n in range(32) if n not in (3, 20)]
    assert kept(tagged(tmp_path, {"missing_value": codes})) == left


def test_a_range_that_is_none_is_refused(tmp_path) -> None:
    path = tagged(tmp_path, {"valid_range": "{20,3}"})
    with pytest.raises(IcemapError, match=r"a\.tif: the attribute valid_range of band 1 is"):
        kept(path)


def test_flags_are_classes_with_their_names(tmp_path) -> None:
    flags = {"flag_values": "{1,2}", "flag_meanings": "till bare_rock"}
    path = tagged(tmp_path, {**flags, "valid_range": "{1,2}"}, dtype="uint8")
    with pytest.raises(IcemapError, match=r"has flags \(flag_values, meaning till bare_rock\)"):
        kept(path)
    assert kept(path, kind="class") == [1, 2]
    assert kept(path, fraction_of=[2]) == [0, 1]
    with pytest.raises(IcemapError, match="calls the code 1 'bare_rock', which by the file"):
        kept(path, kind="class", classes={1: "bare_rock", 2: "till"})


def test_a_flag_among_quantities_contradicts_a_continuous_kind(tmp_path) -> None:
    path = tagged(tmp_path, {"flag_values": "30, 31", "flag_meanings": "ice water"}, dtype="uint8")
    with pytest.raises(
        IcemapError, match=r"the value 30 in 1 of 32 cells, a code for 'ice' .*it is continuous"
    ):
        kept(path, kind="continuous")
    assert kept(path, kind="continuous", nodata=[30, 31]) == list(range(30))
    assert len(kept(path, kind="continuous", valid_range=[0, 40])) == 32
