"""``icemap compare``: a run compared with an earlier map, on the cells that both describe."""

from __future__ import annotations

from dataclasses import asdict, replace
from os import PathLike, fspath
from typing import Any

import numpy as np

from icemap.addresses import recorded
from icemap.comparison.classes import ICE_KINDS
from icemap.comparison.result import Comparison
from icemap.config_sections import CompareConfig
from icemap.errors import IcemapError
from icemap.gridded import open_gridded
from icemap.mapping.zones import DEFAULT_MASK, MASKS
from icemap.products.cog import write_layer
from icemap.products.comparison_inputs import (
    comparison_name,
    comparison_urls,
    open_compared,
    require_complete_run,
)
from icemap.products.comparison_numbers import common_depth, compared_maps, require_unit
from icemap.products.comparison_stage import DIFFERENCE, Stage
from icemap.products.pages.comparison import write_comparison_page
from icemap.products.viewer_layers import write_differences
from icemap.run_folder import RunFolder
from icemap.running.leftovers import COMPARISON_FOLDER
from icemap.running.lock import run_lock
from icemap.store import join, remove, replace_folder, write_json
from icemap.totals.opened_map import OpenedMap


def compare(
    run: str | PathLike[str],
    other: str | PathLike[str],
    classes: str | PathLike[str] | None = None,
    depth: float | None = None,
    mask: str = DEFAULT_MASK,
    ice: str | None = None,
    catalog: str | PathLike[str] | None = None,
    attribute: str | None = None,
    name: str | None = None,
) -> Comparison:
    """Compare a run with an earlier map or run, and write the page, JSON, Zarr and GeoTIFF of it.

    Only what both describe is compared: the same cells, the same permafrost mask (the run's), the
    same depth; weighted by area on the ellipsoid.

    Parameters
    ----------
    run : str
        A run folder or bucket prefix, which the results are written to.
    other : str
        A run folder, a raster of any CRS in the unit of the target, a raster of classes or a file
        of polygons; with ``catalog`` the name of an entry there.
    classes : str, optional
        Table of what the classes of ``other`` hold: ``code``, ``name``, ``low``, ``middle``,
        ``high`` (%), ``depth`` (m), ``extent`` (parts of one) and ``ice`` (excess or total).
    depth : float, optional
        Metres below the permafrost table that are compared. Needed where ``other`` does not say
        what its values hold for; else the smaller of the two depths.
    mask : str
        What counts of a cell, of :data:`icemap.mapping.zones.MASKS`.
    ice : {"excess", "total"}, optional
        Which ice ``other`` counts, where its table does not say.
    catalog : str, optional
    attribute : str, optional
        Column of polygons with the codes of the table.
    name : str, optional
        Of the comparison; that of the file or folder when left out.

    Returns
    -------
    Comparison
        ``whole`` is the row of all cells, ``areas`` those of zones: regions, bands of latitude,
        extents of permafrost and classes; ``files`` says what was written.

    Raises
    ------
    IcemapError
        One sentence: what of the input cannot be compared, and what to do.
    """
    if mask not in MASKS:
        raise IcemapError(f"There is no mask '{mask}': choose from {', '.join(MASKS)}.")
    if ice is not None and ice not in ICE_KINDS:
        raise IcemapError(f"There is no ice '{ice}': choose from {', '.join(ICE_KINDS)}.")
    if depth is not None and not 0 < depth < np.inf:
        raise IcemapError(f"The depth is {depth:g}: give metres, more than 0.")
    run, other = fspath(run), fspath(other)
    classes, catalog = (one and fspath(one) for one in (classes, catalog))
    given = {"other": other, "classes": classes, "depth": depth, "mask": mask, "ice": ice}
    given |= {"catalog": catalog, "attribute": attribute, "name": name}
    settings = CompareConfig.model_validate(given)
    require_complete_run(run)
    with run_lock(run, "icemap compare", lambda line: None):
        return make_comparison(run, settings)


def make_comparison(run_url: str, settings: CompareConfig) -> Comparison:
    """Compare and write, with the lock of the run held; what was there stays where this fails."""
    map_url = RunFolder(run_url).map
    run = OpenedMap.of(map_url)
    target, name = run.target, comparison_name(settings)
    urls = comparison_urls(run_url, name)
    stage_url = join(run_url, f"{COMPARISON_FOLDER}{name}.zarr")
    try:
        with open_compared(run_url, settings, run.grid, target) as other:
            depth = common_depth(run, other, settings, target)
            stage = Stage.make(stage_url, run, other, settings.mask)
            require_unit(stage, other, settings)
            found = compared_maps(run_url, run, stage, other, settings, depth)
        found = replace(found, files=urls)
        written = open_gridded(stage_url, "comparison")
        write_layer(written, stage_url, DIFFERENCE, urls["difference"], found.footing.cells)
        replace_folder(stage_url, urls["cells"])
    finally:
        remove(stage_url)
    write_json(urls["numbers"], _plain(asdict(found)))
    write_comparison_page(urls["page"], found, urls["cells"], map_url)
    write_differences(run_url)
    return found


def _plain(value: Any) -> Any:
    """As JSON, in which NaN is null and no address has a secret."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return recorded(value) if isinstance(value, str) else value
