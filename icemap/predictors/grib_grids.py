"""The grids of the messages of a GRIB file: GDAL places all of them like the first."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from icemap.errors import IcemapError
from icemap.predictors.gdal_access import address_of
from icemap.store import filesystem, read_start, storage_errors

# What is read at a time to find the next message behind padding.
BLOCK = 2**16
# Kinds of grids whose last octets say how they are scanned: in degrees, and Gaussian.
DEGREES, GAUSSIAN = (0, 1, 2, 3), (40, 41, 42, 43)
WESTWARD = 0x80
# Of each edition, the number of grids whose rows are the zeros of a polynomial.
GAUSSIAN_ROWS = {1: 4, 2: 40}
# Kinds that GDAL does not know, or puts nowhere, by their numbers in both editions.
OTHERS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "a stretched one": ((20, 24, 30, 34), (2, 3, 42, 43)),
    "a Gaussian one round a rotated pole": ((14,), (41,)),
    "made of spectral coefficients": ((50, 60, 70, 80), (50, 51, 52, 53)),
    "made of triangles, or of cells without order": ((192,), (100, 101)),
}
# The first edition has thousandths of degrees.
ROUNDED = 1.5e-3
# Octets of the number of columns, behind that of the edition; all ones where rows differ in it.
COLUMNS = {1: (7, 9), 2: (31, 35)}
# Octet of the flags that say how winds are directed, which changes no place.
WINDS = {1: 16, 2: 54}
WINDS_OF_PROJECTIONS = 46


def require_grid_of_first(name: str, path: str, stamp: str, band: int) -> None:
    """Refuse a band of a GRIB file that GDAL would put elsewhere than its message says.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    path : str
        As GDAL reaches the file.
    stamp : str
        Of the file: it is read once as long as this stays the same.
    band : int
        From 1.

    Raises
    ------
    IcemapError
        If its grid is not that of the first message, or its rows run from east to west.
    """
    grids = _grids(path, stamp)
    if band > len(grids):
        return
    first, own = grids[0], grids[band - 1]
    who = f"The source '{name}' ({address_of(path)})"
    _require_known_kind(who, own)
    if not _same_place(own, first):
        raise IcemapError(
            f"{who}: message {band} is on another grid ({_size(own)} cells) than the first"
            f" ({_size(first)}), where GDAL would put it: make one file of each grid (cdo"
            " splitgrid, or wgrib2) and give each its entry in the catalogue."
        )
    if _is_westward(own):
        raise IcemapError(
            f"{who}: rows of its grid run from east to west, which GDAL puts elsewhere: turn them"
            " first (cdo invertlon, or wgrib2 -new_grid)."
        )


def require_known_grids(name: str, path: str, stamp: str) -> None:
    """Refuse a GRIB file that GDAL fails on without saying why: cut off, on a reduced grid, or on
    another that it does not know.

    Parameters
    ----------
    name, path, stamp
        As for `require_grid_of_first`.
    """
    url = address_of(path)
    who = f"The source '{name}' ({url})"
    if url.startswith("/vsi") or b"GRIB" not in read_start(url, BLOCK):
        return
    grids = _grids(path, stamp)
    for grid in grids:
        _require_known_kind(who, grid)
    if any(grid and set(grid[slice(*COLUMNS[grid[0]])]) == {0xFF} for grid in grids):
        raise IcemapError(
            f"{who}: its grid is a reduced one, whose rows have fewer cells towards the poles, and"
            " GDAL reads none: make it regular first (cdo -setgridtype,regular, or grib_to_netcdf"
            " -T)."
        )
    if grids:
        _require_whole(who, path)


def gaussian_rows(path: str, stamp: str, band: int) -> tuple[float, float] | None:
    """Northern edge of the first row, and height of a row, of a Gaussian grid (degrees); None for
    others.

    GDAL takes 180 degrees for the height of all rows together, of which those next to the poles
    leave out a part: rows towards the equator would be up to half a row too far south. Between the
    first and the last row they are even to a hundredth of a row.

    Parameters
    ----------
    path, stamp, band
        As for `require_grid_of_first`.
    """
    grids = _grids(path, stamp)
    grid = grids[band - 1] if band <= len(grids) else b""
    corners = _corners(grid) if grid and _kind(grid) == GAUSSIAN_ROWS[grid[0]] else None
    if corners is None or corners[1] < 2:
        return None
    south, north = sorted(corners[3:5])
    height = (north - south) / (corners[1] - 1)
    return north + height / 2, height


def _require_known_kind(who: str, grid: bytes) -> None:
    """Refuse a grid that GDAL does not know, or puts nowhere."""
    found = next((kind for kind, numbers in OTHERS.items() if _is_of(grid, numbers)), None)
    if found is not None:
        raise IcemapError(
            f"{who}: its grid is {found}, which GDAL puts nowhere: make it regular in longitude and"
            " latitude first (cdo remapbil, or cdo sp2gp and then remapbil for coefficients)."
        )


def _is_of(grid: bytes, numbers: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    return bool(grid) and _kind(grid) in numbers[grid[0] - 1]


def _require_whole(who: str, path: str) -> None:
    """Refuse a file whose last message is cut off, which GDAL calls no raster."""
    url = address_of(path)
    with storage_errors(url, "read"):
        fs, place = filesystem(url)
        size = int(fs.size(place))
        with fs.open(place, "rb", block_size=BLOCK) as file:
            at = 0
            while (at := _next_message(file, at)) >= 0:
                file.seek(at)
                head = file.read(16).ljust(16, b"\0")
                length = int.from_bytes(head[8:] if head[7] == 2 else head[4:7], "big")
                if head[7] == 2 and at + length > size:
                    raise IcemapError(
                        f"{who} is cut off: its message at byte {at:,} is {length:,} long, and the"
                        f" file {size:,}; get it again."
                    )
                at += max(length, 8)


@lru_cache(maxsize=64)
def _grids(path: str, stamp: str) -> tuple[bytes, ...]:
    """The edition and the description of the grid of every field, in the order of the bands."""
    url = address_of(path)
    if url.startswith("/vsi"):
        return ()
    with storage_errors(url, "read"):
        fs, place = filesystem(url)
        with fs.open(place, "rb", block_size=BLOCK) as file:
            return tuple(_described(file))


def _described(file: Any) -> Iterator[bytes]:
    at = 0
    while (at := _next_message(file, at)) >= 0:
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            return
        if head[7] == 1:
            yield _of_first_edition(file, at)
            # Messages beyond 8 MB say their length otherwise: the next one is looked for.
            length = int.from_bytes(head[4:7], "big")
            at += length if length < 0x800000 else 8
        else:
            yield from _of_second_edition(file, at)
            at += max(struct.unpack(">Q", head[8:])[0], 16)


def _next_message(file: Any, at: int) -> int:
    """Where the next message begins; -1 behind the last one."""
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        found = block.find(b"GRIB")
        if found >= 0:
            return at + int(found)
        if len(block) < BLOCK:
            return -1
        at += BLOCK - 3


def _of_first_edition(file: Any, at: int) -> bytes:
    file.seek(at + 8)
    product = file.read(8)
    if not product[7] & 0x80:
        return b""
    file.seek(at + 8 + int.from_bytes(product[:3], "big"))
    grid = file.read(3)
    return b"\x01" + _without_winds(grid + file.read(int.from_bytes(grid, "big") - 3), WINDS[1])


def _of_second_edition(file: Any, at: int) -> Iterator[bytes]:
    """A message may hold several fields: each has a section 7, on the last grid before it."""
    at, grid = at + 16, b""
    while True:
        file.seek(at)
        head = file.read(5)
        if len(head) < 5 or head[:4] == b"7777":
            return
        length = int.from_bytes(head[:4], "big")
        if head[4] == 3:
            section = head + file.read(length - 5)
            kind = int.from_bytes(section[12:14], "big")
            octet = WINDS[2] if kind in (*DEGREES, *GAUSSIAN) else WINDS_OF_PROJECTIONS
            grid = b"\x02" + _without_winds(section, octet)
        elif head[4] == 7:
            yield grid
        at += max(length, 5)


def _without_winds(section: bytes, octet: int) -> bytes:
    return section[:octet] + b"\0" + section[octet + 1 :]


def _same_place(one: bytes, other: bytes) -> bool:
    """True for one grid, in whichever edition it is written down."""
    if one == other:
        return True
    here, there = _corners(one), _corners(other)
    if here is None or there is None:
        return False
    return max(abs(a - b) for a, b in zip(here, there)) <= ROUNDED


def _corners(grid: bytes) -> tuple[float, ...] | None:
    """Columns, rows, the way of scanning, and both corners (degrees), for grids in longitude and
    latitude; None for others.
    """
    if not grid or _kind(grid) not in (0, 4, 40):
        return None
    if grid[0] == 1:
        size, lats, lons, width, unit = ((7, 9), (11, 18), (14, 21), 3, 1e-3)
    else:
        size, lats, lons, width, unit = ((31, 35), (47, 56), (51, 60), 4, 1e-6)
    sides = (int.from_bytes(grid[at : at + (2 if width == 3 else 4)], "big") for at in size)
    north = (_signed(grid[at : at + width]) * unit for at in lats)
    east = (_signed(grid[at : at + width]) * unit % 360 for at in lons)
    return (*sides, float(grid[28 if grid[0] == 1 else 72]), *north, *east)


def _signed(octets: bytes) -> int:
    """The first bit is the sign."""
    value, half = int.from_bytes(octets, "big"), 1 << (8 * len(octets) - 1)
    return value if value < half else half - value


def _kind(grid: bytes) -> int:
    return grid[6] if grid[0] == 1 else int.from_bytes(grid[13:15], "big")


def _size(grid: bytes) -> str:
    if not grid:
        return "unsaid"
    places = (7, 9, 2) if grid[0] == 1 else (31, 35, 4)
    cols, rows = (int.from_bytes(grid[at : at + places[2]], "big") for at in places[:2])
    return f"{cols} x {rows}"


def _is_westward(grid: bytes) -> bool:
    """True for a grid in degrees whose rows begin in the east."""
    if not grid:
        return False
    first = grid[0] == 1
    scan = 28 if first else 72
    known = (0, 4, 10, 14) if first else (*DEGREES, *GAUSSIAN)
    return _kind(grid) in known and len(grid) > scan and bool(grid[scan] & WESTWARD)
