"""Where a raster contradicts the files next to it: GDAL takes the one and passes over the other."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.predictors.crs_spellings import cells_apart
from icemap.predictors.disputes import Dispute, Heard
from icemap.predictors.missing import same_code
from icemap.units import same_unit, says_nothing

if TYPE_CHECKING:
    from affine import Affine

# What GDAL, ArcGIS and QGIS write next to rasters.
AUXILIARY = ".aux.xml"
PROJECTION = ".prj"
WORLD_FILES = (".tfw", ".TFW", ".tifw", ".tiffw", ".wld")
# Part of a cell by which two places may differ, by one CRS and by two.
ROUNDED, ELSEWHERE = 0.01, 0.5


def heard_next_to(path: str, dataset: Any, *, looks_around: bool) -> list[Heard]:
    """Of each band of a raster what is said otherwise next to it.

    What an auxiliary file says of missing values and of places goes before what the raster itself
    says, as for GDAL and ArcGIS: it is how they correct a file that they do not write to.

    Parameters
    ----------
    path : str
        As GDAL reaches the file.
    dataset : rasterio dataset
        The same, opened, with all that is next to it.
    looks_around : bool
        False leaves out what is next to a file in a bucket, which is asked for each name; a web
        server may answer for any.
    """
    import rasterio

    heard = [Heard() for _ in range(dataset.count)]
    if path.startswith("/vsi") and not (looks_around and path.startswith("/vsis3/")):
        return heard
    auxiliary = next((one for one in dataset.files if one.lower().endswith(AUXILIARY)), None)
    if auxiliary is not None:
        try:
            with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path) as alone:
                if alone.count == dataset.count:
                    place = _of_place(alone, dataset, auxiliary)
                    heard = [
                        place + _of_band(alone, dataset, number, (path, auxiliary))
                        for number in range(dataset.count)
                    ]
        except rasterio.errors.RasterioIOError:
            # A format that is told by what is next to it.
            pass
    heard = [one + _of_projection_file(path, dataset) for one in heard]
    world = _world_file(path, dataset)
    if world is not None:
        with rasterio.open(path, GEOREF_SOURCES="WORLDFILE") as placed:
            elsewhere = placed.transform
        if _differ(dataset.transform, elsewhere, dataset.shape):
            said = f"{path} has {_placed(dataset.transform)}, and {world} {_placed(elsewhere)}"
            heard = [one + Heard((Dispute(said),)) for one in heard]
    return heard


def _of_band(alone: Any, dataset: Any, number: int, files: tuple[str, str]) -> Heard:
    path, auxiliary = files
    disputes, doubted = [], {}
    own, other = alone.nodatavals[number], dataset.nodatavals[number]
    # NaN is missing anyway.
    if _is_number(own) and other is not None and not same_code(np.array([own]), other)[0]:
        doubted[float(own)] = f"{path}, in whose place {auxiliary} says {other:g}"
    (scale, offset), packed = (
        (one.scales[number], one.offsets[number]) for one in (alone, dataset)
    )
    if (scale, offset) not in ((1.0, 0.0), packed):
        said = (
            f"{path} has the scale {scale:g} and the offset {offset:g}, and {auxiliary}"
            f" {packed[0]:g} and {packed[1]:g}"
        )
        disputes.append(Dispute(said, ("scale", "offset")))
    own_unit, other_unit = alone.units[number], dataset.units[number]
    if not says_nothing(own_unit) and not same_unit(own_unit, other_unit):
        said = f"the unit is '{own_unit}' by {path}, and '{other_unit}' by {auxiliary}"
        disputes.append(Dispute(said, ("file_unit",)))
    return Heard(tuple(disputes), doubted)


def _of_place(alone: Any, dataset: Any, auxiliary: str) -> Heard:
    notes = []
    if alone.crs and dataset.crs and alone.crs != dataset.crs and _are_elsewhere(alone, dataset):
        notes.append(
            f"the CRS is {_called(dataset.crs)} by {auxiliary}, and not {_called(alone.crs)} as by"
            " the raster itself"
        )
    own, other = alone.transform, dataset.transform
    if not own.is_identity and _differ(own, other, dataset.shape):
        notes.append(f"{auxiliary} has {_placed(other)}, and the raster itself {_placed(own)}")
    return Heard(notes=tuple(notes))


def _of_projection_file(path: str, dataset: Any) -> Heard:
    """What a ``.prj`` next to a raster with a CRS of its own says, which GDAL then passes over."""
    projection = PurePath(path).with_suffix(PROJECTION)
    is_of_polygons = os.path.isfile(projection.with_suffix(".shp"))
    if path.startswith("/vsi") or not dataset.crs or is_of_polygons:
        return Heard()
    if str(projection) in dataset.files or not os.path.isfile(projection):
        return Heard()
    import pyproj

    try:
        other = pyproj.CRS.from_user_input(Path(projection).read_text().strip())
    except (pyproj.exceptions.CRSError, UnicodeDecodeError):
        # Older ones are of another grammar.
        return Heard()
    own = dataset.crs.to_wkt()
    if cells_apart(dataset.transform, dataset.shape, own, other.to_wkt()) < ELSEWHERE:
        return Heard()
    said = f"the CRS is {_called(dataset.crs)} by {path}, and {other.name} by {projection}"
    return Heard((Dispute(said, ("crs",)),))


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _called(crs: Any) -> str:
    import pyproj

    return str(pyproj.CRS.from_user_input(crs.to_wkt()).name)


def _are_elsewhere(one: Any, other: Any) -> bool:
    """True if the CRS of two readings of a raster put it at different places."""
    crs = (dataset.crs.to_wkt() for dataset in (one, other))
    return cells_apart(one.transform, one.shape, *crs) >= ELSEWHERE


def _differ(one: Affine, other: Affine, shape: tuple[int, int]) -> bool:
    rows, cols = shape
    corners = [(0, 0), (cols, rows)]
    places = [np.array([transform @ corner for corner in corners]) for transform in (one, other)]
    return bool(np.abs(places[0] - places[1]).max() > ROUNDED * abs(one.a))


def _placed(transform: Affine) -> str:
    return (
        f"its first cell at {transform.c:g}, {transform.f:g} and cells of {transform.a:g} x"
        f" {-transform.e:g}"
    )


def _world_file(path: str, dataset: Any) -> str | None:
    """The world file next to a GeoTIFF that has places of its own."""
    if path.startswith("/vsi") or dataset.driver not in ("GTiff", "COG"):
        return None
    if dataset.transform.is_identity:
        return None
    names = (str(PurePath(path).with_suffix(suffix)) for suffix in WORLD_FILES)
    return next(
        (name for name in names if os.path.isfile(name) and name not in dataset.files), None
    )
