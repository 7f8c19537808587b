"""The layout that lets a client read only what it needs of a GeoTIFF: the rules of ``cog_validate``
(rio-cogeo), strict.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Cells per side of a tile.
BLOCK = 512
# Where the first header of a file may begin; GDAL writes some 200 bytes on the layout before it.
FIRST_HEADER = 300


def layout_problem(path: Path | str) -> str | None:
    """What keeps a GeoTIFF from being cloud optimized; None where nothing does.

    All headers come first, that of the full resolution before the overviews'; then the cells, the
    smallest overview first; everything in tiles.
    """
    import rasterio

    with rasterio.open(path) as file:
        levels = [None, *range(len(file.overviews(1)))]
        large = max(file.shape) > BLOCK
        headers = [
            int(file.get_tag_item("IFD_OFFSET", "TIFF", bidx=1, ovr=level)) for level in levels
        ]
        structure = file.get_tag_item("GDAL_STRUCTURAL_METADATA", "TIFF") or ""
    if large and len(levels) == 1:
        return "there are no overviews inside it"
    if "KNOWN_INCOMPATIBLE_EDITION=YES" in structure:
        return "it was changed after it was made"
    if headers != sorted(headers) or headers[0] > FIRST_HEADER:
        return "its headers are not at its start"
    cells = []
    for level in levels:
        with rasterio.open(path, **({} if level is None else {"overview_level": level})) as file:
            if max(file.shape) > BLOCK and not file.block_shapes[0][1] < file.width:
                return "its cells are not stored in tiles"
            cells += _first_tile(file)
    if cells != sorted(cells, reverse=True) or (cells and min(cells) < headers[-1]):
        return "its smaller overviews do not come before the larger"
    return None


def _first_tile(file: DatasetReader) -> list[int]:
    """Where the cells of a level begin in the file; [] where no tile has cells."""
    for (row, column), _ in file.block_windows(1):
        offset = file.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
        if offset is not None and int(offset) > 0:
            return [int(offset)]
    return []
