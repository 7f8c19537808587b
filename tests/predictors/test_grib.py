"""GRIB files, written here octet by octet after the WMO's tables for edition 2, are read by GDAL
with values and places as they stand in the file.
"""

import struct
from pathlib import Path

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import align, resampling
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick


def kelvin(lon, lat):
    return (
        260 + 10 * np.sin(np.radians(lat)) + 5 * np.cos(np.radians(lon)) * np.cos(np.radians(lat))
    )


def message(lon, lat, values):
    """A field of 2 m temperature on a regular grid, rows from the north, packed to 16 bits."""

    def section(number, *parts):
        body = b"".join(parts)
        return struct.pack(">IB", 5 + len(body), number) + body

    def degrees(value):
        micro = round(abs(value) * 1e6)
        return struct.pack(">I", micro | (0x80000000 if value < 0 else 0))

    low, power = float(values.min()), int(np.ceil(np.log2(np.ptp(values) / 65535)))
    packed = np.rint((values - np.float32(low)) / 2.0**power).astype(">u2")
    exponent = abs(power) | (0x8000 if power < 0 else 0)
    size = struct.pack(">BBIBIBI", 6, *(0, 0) * 3)
    corners = (
        degrees(lat[0]),
        degrees(lon[0] % 360),
        b"\x30",
        degrees(lat[-1]),
        degrees(lon[-1] % 360),
        degrees(lon[1] - lon[0]),
        degrees(lat[0] - lat[1]),
        b"\0",
    )
    sections = [
        section(1, struct.pack(">HHBBBHBBBBBBB", 98, 0, 4, 0, 1, 2020, 1, 1, 0, 0, 0, 0, 1)),
        section(
            3,
            struct.pack(">BIBBH", 0, values.size, 0, 0, 0),
            size,
            struct.pack(">IIII", lon.size, lat.size, 0, 0xFFFFFFFF),
            *corners,
        ),
        section(
            4,
            struct.pack(
                ">HHBBBBBHBBIBBIBBI",
                0,
                0,
                0,
                0,
                2,
                0,
                0,
                0,
                0,
                1,
                0,
                103,
                0,
                2,
                255,
                255,
                0xFFFFFFFF,
            ),
        ),
        section(5, struct.pack(">IHfHHBB", values.size, 0, low, exponent, 0, 16, 0)),
        section(6, b"\xff"),
        section(7, packed.tobytes()),
    ]
    body = b"".join(sections) + b"7777"
    return b"GRIB" + struct.pack(">HBBQ", 0, 0, 2, 16 + len(body)) + body


def read(path, grid, **keys):
    source = Source(
        **{
            "name": "t2m",
            "family": "climate",
            "long_name": "a field",
            "unit": "K",
            "url": str(path),
            **keys,
        }
    )
    out = np.full(grid.shape, np.nan, np.float32)
    with open_source(source, grid) as raster:
        how = resampling(raster, grid)
        for chunk in grid.chunks(50):
            out[chunk.rows, chunk.cols] = align(raster, grid, chunk, how)
    return out


@pytest.mark.parametrize("first", [0.0, 0.5, -180.0, -179.5])
def test_temperatures_stay_in_kelvin_and_in_their_place_round_the_globe(
    tmp_path: Path, first
) -> None:
    """GDAL alone would give Celsius, and move a grid that begins at 0.5 E by half a cell."""
    lon, lat = first + np.arange(360.0), np.arange(89.0 + first % 1, -90, -1)
    values = kelvin(*np.meshgrid(lon, lat))
    (tmp_path / "a.grib").write_bytes(message(lon, lat, values) + message(lon, lat, values + 10))
    grid = Grid(-180, 40, 180, 88, 0.5)
    expected = kelvin(*np.meshgrid(grid.longitudes, grid.latitudes))
    # Half a cell beside the place would err by 0.04.
    np.testing.assert_allclose(read(tmp_path / "a.grib", grid, variable=1), expected, atol=4e-3)
    np.testing.assert_allclose(
        read(tmp_path / "a.grib", grid, variable="2"), expected + 10, atol=4e-3
    )
    with pytest.raises(IcemapError, match=r"has the 2 bands 1 .*, 2 .*: name one as 'variable'"):
        read(tmp_path / "a.grib", grid)
    with pytest.raises(IcemapError, match="has 2 bands, but 'variable' asks for band 3"):
        read(tmp_path / "a.grib", grid, variable="3")


def test_a_region_across_greenwich(tmp_path: Path) -> None:
    lon, lat = np.arange(350.0, 371), np.arange(80.0, 59, -1)
    (tmp_path / "a.grb2").write_bytes(message(lon, lat, kelvin(*np.meshgrid(lon, lat))))
    grid = Grid(-9, 61, 9, 79, 1)
    np.testing.assert_allclose(
        read(tmp_path / "a.grb2", grid),
        kelvin(*np.meshgrid(grid.longitudes, grid.latitudes)),
        atol=4e-3,
    )
