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


def message(lon, lat, values, month=(2020, 1), element=0, scan=0, earth=6):
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
    size = struct.pack(">BBIBIBI", earth, *(0, 0) * 3)
    corners = (
        degrees(lat[0]),
        degrees(lon[0] % 360),
        b"\x30",
        degrees(lat[-1]),
        degrees(lon[-1] % 360),
        degrees(abs(lon[1] - lon[0])),
        degrees(abs(lat[0] - lat[1])),
        bytes([scan]),
    )
    sections = [
        section(1, struct.pack(">HHBBBHBBBBBBB", 98, 0, 4, 0, 1, *month, 1, 0, 0, 0, 0, 1)),
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
                element,
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
    # Half a cell off the place would err by 0.04.
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


LON, LAT = np.arange(100.5, 110), np.arange(65.5, 60, -1)
GRID = Grid(100, 60, 110, 66, 1)


def field(lon=LON, lat=LAT):
    return kelvin(*np.meshgrid(lon, lat))


def old_message(lon, lat, values):
    """The same in edition 1, with whole values in 16 bits."""

    def three(value, sign=0x800000):
        return (abs(round(value)) | (sign if value < 0 else 0)).to_bytes(3, "big")

    def sized(body):
        return three(len(body) + 3) + body

    low = int(values.min())
    product = struct.pack(">BBBBBBBH", 128, 98, 145, 255, 128, 167, 1, 0)
    product += struct.pack(">BBBBBBBBBHBBBh", 20, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 21, 0, 0)
    corners = [three(1000 * corner) for corner in (lat[0], lon[0], lat[-1], lon[-1])]
    grid = struct.pack(">BBBHH", 0, 255, 0, lon.size, lat.size) + corners[0] + corners[1]
    grid += b"\x80" + corners[2] + corners[3] + struct.pack(">HHB4x", 1000, 1000, 0)
    # The lowest value in the hexadecimal floating point of IBM.
    lowest = struct.pack(">I", 67 << 24 | low << 12)
    packed = (values - low).round().astype(">u2").tobytes()
    parts = [*map(sized, (product, grid, struct.pack(">BH", 0, 0) + lowest + b"\x10" + packed))]
    body = b"".join(parts) + b"7777"
    return b"GRIB" + three(8 + len(body)) + b"\1" + body


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (np.arange(100.25, 110, 0.5), np.arange(65.75, 60, -0.5)),
        (LON + 5, LAT),
        (LON, LAT - 1),
        (LON[:5], LAT),
    ],
    ids=["finer", "east", "south", "half"],
)
@pytest.mark.parametrize("last", [0, 1])
def test_a_message_on_another_grid_than_the_first_is_refused(tmp_path, lon, lat, last) -> None:
    """GDAL reads all of them as if they were on the grid of the first."""
    messages = [message(LON, LAT, field()), message(lon, lat, field(lon, lat))]
    path = tmp_path / "a.grib"
    path.write_bytes(b"".join(messages[::-1] if last else messages))
    with pytest.raises(IcemapError, match=r"message 2 is on another grid .* first .* splitgrid"):
        read(path, GRID, variable=2)
    if not last:
        np.testing.assert_allclose(read(path, GRID, variable=1), field(), atol=4e-3)


def test_one_grid_may_be_written_down_in_several_ways(tmp_path) -> None:
    whole = field().round()
    path = tmp_path / "a.grib"
    messages = [
        message(LON, LAT, whole),
        message(LON, LAT, whole + 1, earth=5),
        old_message(LON, LAT, whole + 2),
    ]
    path.write_bytes(b"\0" * 99 + (b"\n" * 7).join(messages))
    for band in (1, 2, 3):
        np.testing.assert_allclose(read(path, GRID, variable=band), whole + band - 1, atol=4e-3)


def test_rows_from_the_south_are_turned_and_from_the_east_are_refused(tmp_path) -> None:
    (tmp_path / "s.grib").write_bytes(message(LON, LAT[::-1], field()[::-1], scan=0x40))
    np.testing.assert_allclose(read(tmp_path / "s.grib", GRID), field(), atol=4e-3)
    (tmp_path / "w.grib").write_bytes(message(LON[::-1], LAT, field()[:, ::-1], scan=0x80))
    with pytest.raises(IcemapError, match="from east to west, which GDAL puts elsewhere"):
        read(tmp_path / "w.grib", GRID)


def months(path, stamps, elements=(0,)):
    """The values at a place that a derivation gets for January, February, ..."""
    messages = [
        message(LON, LAT, field() * 0.01 + 250 + month, (year, month), element)
        for year, month in stamps
        for element in elements
    ]
    path.write_bytes(b"".join(messages))
    return [
        float(read(path, GRID, step=("band", step, 12))[0, 0] - field()[0, 0] * 0.01)
        for step in range(12)
    ]


@pytest.mark.parametrize("first", [1, 10, 5])
def test_months_are_those_of_the_messages(tmp_path, first) -> None:
    stamps = [(2000 + (k > 12), (k - 1) % 12 + 1) for k in range(first, first + 12)]
    found = months(tmp_path / "a.grib", stamps)
    np.testing.assert_allclose(found, 250 + np.arange(1, 13), atol=0.01)


@pytest.mark.parametrize(
    ("stamps", "elements", "words"),
    [
        ([(year, 7) for year in range(1990, 2002)], (0,), "which hold 1990-07-01, 1991-07-01"),
        ([(2001, 7)] * 12, (0,), "needs January to December in its bands"),
        ([(2001, month) for month in range(1, 7)], (0, 6), "'TMP 2-HTGL' and 'DPT 2-HTGL'"),
    ],
    ids=["years", "hours", "two quantities"],
)
def test_twelve_messages_that_are_no_months_are_refused(tmp_path, stamps, elements, words) -> None:
    with pytest.raises(IcemapError, match=words):
        months(tmp_path / "a.grib", stamps, elements)


def on_template(encoded: bytes, number: int, more: bytes = b"", **octets: bytes) -> bytes:
    """A message whose grid has another template; octets are those of its section 3."""
    at = 16
    while encoded[at + 4] != 3:
        at += int.from_bytes(encoded[at : at + 4], "big")
    end = at + int.from_bytes(encoded[at : at + 4], "big")
    section = bytearray(encoded[at:end])
    section[12:14] = number.to_bytes(2, "big")
    for place, value in octets.items():
        first = int(place.removeprefix("octet")) - 1
        section[first : first + len(value)] = value
    section += more
    section[:4] = len(section).to_bytes(4, "big")
    whole = bytearray(encoded[:at] + section + encoded[end:])
    whole[8:16] = len(whole).to_bytes(8, "big")
    return bytes(whole)


def test_a_grid_round_a_rotated_pole_is_in_its_place(tmp_path: Path) -> None:
    lon, lat = np.arange(-5.0, 6), np.arange(5.0, -6, -1)
    values = 270 + np.broadcast_to(lat[:, None], (11, 11))
    south_pole = struct.pack(">III", 28_000000 | 0x80000000, 100_000000, 0)
    encoded = on_template(message(lon, lat, values), 1, south_pole)
    (tmp_path / "a.grb2").write_bytes(encoded)
    # The origin of its degrees is then at 100 E, 62 N, and its meridian is that of 100 E.
    found = read(tmp_path / "a.grb2", Grid(99.5, 59.5, 100.5, 64.5, 1))
    np.testing.assert_allclose(found[:, 0], 270 + np.arange(2, -3, -1), atol=0.05)


@pytest.mark.parametrize("half", [16, 80])
def test_rows_of_a_gaussian_grid_are_in_their_place(tmp_path: Path, half) -> None:
    lat = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(2 * half)[0]))[::-1]
    lon = np.arange(0, 360, 90 / half)
    values = 270 + np.broadcast_to(lat[:, None] / 10, (lat.size, lon.size))
    number = {"octet68": half.to_bytes(4, "big")}
    (tmp_path / "a.grb2").write_bytes(on_template(message(lon, lat, values), 40, **number))
    found = read(tmp_path / "a.grb2", Grid(100, 0, 101, 80, 1))[:, 0]
    held = np.arange(79.5, 0, -1)
    np.testing.assert_allclose((found - 270) * 10, held, atol=0.1 * 90 / half / 5 + 0.05)


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        (2, struct.pack(">III", 60_000000, 105_000000, 2_400000), "a stretched one"),
        (41, struct.pack(">III", 28_000000 | 0x80000000, 100_000000, 0), "a Gaussian one round"),
        (50, b"", "made of spectral coefficients, .* cdo sp2gp"),
        (101, b"", "made of triangles, or of cells without order"),
    ],
)
def test_grids_that_gdal_does_not_know_are_told(tmp_path: Path, kind, more, said) -> None:
    (tmp_path / "a.grb2").write_bytes(on_template(message(LON, LAT, field()), kind, more))
    with pytest.raises(IcemapError, match=rf"a\.grb2\): its grid is {said}"):
        read(tmp_path / "a.grb2", Grid(101, 61, 109, 65, 1))


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.grb2").write_bytes(message(LON, LAT, field()) + message(LON, LAT, field())[:-30])
    with pytest.raises(IcemapError, match=r"a\.grb2\) is cut off: its message at byte"):
        read(tmp_path / "a.grb2", Grid(101, 61, 109, 65, 1))


def test_rows_of_different_lengths_are_told(tmp_path: Path) -> None:
    lon, lat = np.arange(100.5, 110), np.arange(65.5, 60, -1)
    values = kelvin(*np.meshgrid(lon, lat))
    lengths = b"".join(struct.pack(">H", 10) for _ in lat)
    octets = {"octet11": b"\x02\x01", "octet31": b"\xff" * 4}
    encoded = on_template(message(lon, lat, values), 40, lengths, **octets)
    (tmp_path / "a.grb2").write_bytes(encoded)
    with pytest.raises(IcemapError, match=r"a\.grb2\): its grid is a reduced one"):
        read(tmp_path / "a.grb2", Grid(101, 61, 109, 65, 1))
