"""A static page next to the products: the GeoTIFFs by range requests from any web server, and
totals of drawn areas from a small table.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.site_files import read_training_sites
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.gridded import grid_of
from icemap.mapping.map_schema import HELD_OUT, is_published, open_map, splits_of, target_of
from icemap.mapping.replicate_fields import StoredReplicates, replicates_url
from icemap.products.coast import coast_lines
from icemap.products.figures.style import COAST, SITE
from icemap.products.viewer_layers import DIFFERENCES, map_layers, write_differences
from icemap.run_folder import RunFolder
from icemap.store import exists, join, storage_errors, write_bytes, write_json
from icemap.totals.opened_map import holds_ice, read_storage

if TYPE_CHECKING:
    import xarray as xr

PAGES = ("index.html", "viewer.js", "viewer.css")
# Of npm packages, fetched by 'make viewer'; none of them is part of icemap.
LIBRARIES = ("ol.js", "ol.css", "proj4.js", "geotiff.js", "LICENSES.txt")
# Side in degrees of the cells of which a drawn area's total is made up.
COARSE = 1.0
MISSING = (
    "The viewer was left out, because the JavaScript libraries it needs are not installed: run"
    " 'make viewer' in a checkout of icemap (it takes them from npm), then publish again."
)


def viewer_files(run_url: str) -> list[str]:
    """URLs of what `write_viewer` writes; [] where the JavaScript libraries are not installed."""
    if not _installed():
        return []
    names = [*PAGES, "map.json", "coast.json", DIFFERENCES, *(f"lib/{name}" for name in LIBRARIES)]
    return [join(RunFolder(run_url).viewer, name) for name in names]


def _installed() -> bool:
    library = files("icemap.products").joinpath("viewer_page", "lib")
    return all(library.joinpath(name).is_file() for name in LIBRARIES)


def write_viewer(run_url: str, title: str) -> bool:
    """Write ``products/viewer/`` of a run.

    Returns
    -------
    bool
        False where the JavaScript libraries are not installed; nothing is written then.

    Raises
    ------
    IcemapError
        If there is no map, or the place cannot be written.
    """
    page = files("icemap.products").joinpath("viewer_page")
    libraries = {name: page.joinpath("lib", name) for name in LIBRARIES}
    if not _installed():
        return False
    folder = RunFolder(run_url).viewer
    settings = viewer_settings(run_url, title)
    for name, library in libraries.items():
        write_bytes(join(folder, "lib", name), library.read_bytes())
    write_json(join(folder, "coast.json"), coast_lines(grid_of(open_map(RunFolder(run_url).map))))
    write_json(join(folder, "map.json"), settings)
    write_differences(run_url)
    for name in reversed(PAGES):
        write_bytes(join(folder, name), page.joinpath(name).read_bytes())
    return True


def viewer_settings(run_url: str, title: str) -> dict[str, object]:
    """What the page has to know: layers, the extent, and the table for drawn areas (null where the
    map was made without replicates).

    ``summed_bounds`` says that the map follows the recipe as printed, for which there is no table.
    """
    map_url = RunFolder(run_url).map
    dataset = open_map(map_url)
    target, grid = target_of(dataset), grid_of(dataset)
    layers = map_layers(run_url, dataset, target)
    if not layers:
        raise IcemapError(
            f"There is no GeoTIFF in {join(run_url, 'products')}: run 'icemap publish' first."
        )
    storage = RunFolder(run_url).storage
    known = {**read_storage(storage)} if exists(storage) else {}
    facts = {
        "title": title,
        "name": target.name,
        "unit": target.unit,
        "extent": [grid.west, grid.south, grid.east, grid.north],
    }
    # The bounds of a total of the recipe as printed are sums over cells, which the page has not.
    published = is_published(dataset)
    totals = None if published else _totals(map_url, dataset, known, target)
    return {
        **facts,
        "resolution": grid.resolution,
        "layers": layers,
        "sites": _sites(run_url),
        "ink": {"coast": COAST, "sites": SITE},
        "totals": totals,
        "summed_bounds": published,
    }


def _sites(run_url: str) -> list[list[float]]:
    """Longitude and latitude of the sites that the map was trained on."""
    run = RunFolder(run_url)
    if not (exists(run.sites) or exists(run.samples)):
        return []
    return np.round(read_training_sites(run)[["lon", "lat"]].to_numpy(float), 5).tolist()


def _totals(
    map_url: str, dataset: xr.Dataset, known: Mapping[str, Any], target: TargetConfig
) -> dict[str, object] | None:
    if not exists(join(replicates_url(map_url), "zarr.json")):
        return None
    longitude, latitude, side, area, means = coarse_replicates(map_url)
    low, high = float(means.min()), float(means.max())
    codes = np.rint((means - low) / max(high - low, 1e-9) * 65535).astype("<u2")
    return {
        "held_out": dataset.attrs.get(HELD_OUT),
        "splits": splits_of(dataset),
        "variogram": known.get("residual_variogram"),
        "thickness_m": known.get("thickness_m", 5.0) if holds_ice(target) else None,
        "bounds": target.bounds,
        "replicates": len(means),
        "side": side,
        "longitude": np.round(longitude, 6).tolist(),
        "latitude": np.round(latitude, 6).tolist(),
        "area_km2": np.round(area, 3).tolist(),
        "low": low,
        "high": high,
        "means": base64.b64encode(codes.tobytes()).decode(),
    }


def coarse_replicates(
    map_url: str,
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]
]:
    """The replicates as means over the area that counts, on cells of about ``COARSE`` degrees.

    Returns
    -------
    longitude, latitude : ndarray of shape (n,)
        Centres.
    side : float
        Degrees.
    area_km2 : ndarray of shape (n,)
        Area that counts.
    means : ndarray of shape (replicates, n)
    """
    dataset, stored = open_map(map_url), StoredReplicates(map_url)
    grid = grid_of(dataset)
    name = target_of(dataset).name
    step = max(1, round(COARSE / grid.resolution))
    columns = -(-grid.shape[1] // step)
    areas: dict[int, float] = {}
    sums: dict[int, NDArray[np.float64]] = {}
    for chunk in grid.chunks(stored.chunk):
        values, fraction = stored.read(chunk.rows, chunk.cols)
        mapped = np.isfinite(fraction) & (fraction > 0)
        if not mapped.any():
            continue
        row, col = np.nonzero(mapped)
        with storage_errors(map_url, "read"):
            vic = dataset[name][chunk.rows, chunk.cols].to_numpy()[mapped]
        values = values[:, mapped]
        values += vic - values.mean(axis=0)
        weight = grid.cell_area()[chunk.rows][row] * fraction[mapped]
        key, label = np.unique(
            (chunk.rows.start + row) // step * columns + (chunk.cols.start + col) // step,
            return_inverse=True,
        )
        total = np.bincount(label, weight)
        part = np.stack([np.bincount(label, weight * one) for one in values], axis=1)
        for k, number in enumerate(key.tolist()):
            areas[number] = areas.get(number, 0.0) + float(total[k])
            sums[number] = sums.get(number, 0.0) + part[k]
    if not areas:
        raise IcemapError(
            f"No cell of the map {map_url} counts in a total: check the masks in the config."
        )
    keys = np.array(sorted(areas))
    area = np.array([areas[key] for key in keys.tolist()])
    side = step * grid.resolution
    longitude, latitude = (
        grid.west + (keys % columns + 0.5) * side,
        grid.north - (keys // columns + 0.5) * side,
    )
    return (
        longitude,
        latitude,
        side,
        area,
        np.stack([sums[key] for key in keys.tolist()], axis=1) / area,
    )
