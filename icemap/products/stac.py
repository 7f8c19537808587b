"""The STAC collection of a run's products, with relative addresses, so that the run can be moved or
copied to a bucket.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import pandas as pd

from icemap.boreholes.sample_files import read_samples
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import wrapped
from icemap.gridded import (
    DIMENSIONS,
    Variable,
    grid_of,
    open_gridded,
)
from icemap.mapping.map_schema import (
    CALIBRATED_INTERVAL,
    PSEUDO_SITES,
    REPLICATE_INTERVAL,
    is_published,
    map_variables,
    open_map,
    product_files,
    product_stem,
    target_of,
)
from icemap.run_folder import RunFolder
from icemap.store import exists, is_remote, join, local_path, write_json
from icemap.words import keywords

if TYPE_CHECKING:
    import pystac
    import xarray as xr

    from icemap.grid import Grid

SCIENTIFIC = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
# Identifiers of SPDX have neither blanks nor slashes.
SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
DOI = re.compile(r"10\.\d{4,9}/[^\s;,]+[^\s;,.]")
PROVIDER_ROLES: Any = ["producer", "licensor"]
THUMBNAIL = "thumbnail.png"
# Boreholes were not logged before, nor will they have been after.
YEARS = (1800, 2200)
DATACUBE = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    DATACUBE,
)
ZARR_MEDIA_TYPE = "application/vnd.zarr; version=3"


class Publication(TypedDict):
    """How a predictor is cited."""

    citation: str
    doi: NotRequired[str]


Scientific = TypedDict(
    "Scientific",
    {
        "sci:citation": NotRequired[str],
        "sci:doi": NotRequired[str],
        "sci:publications": NotRequired[list[Publication]],
    },
)
Projection = TypedDict("Projection", {"proj:shape": list[int], "proj:transform": list[float]})
Band = TypedDict(
    "Band",
    {
        "name": str,
        "description": str,
        "data_type": str,
        "nodata": str | float,
        "unit": str,
        "raster:sampling": str,
    },
)


class Dimension(TypedDict):
    """An axis of the map; its extent is that of the cells, not of their centres."""

    type: str
    reference_system: int
    axis: str
    extent: list[float]
    step: float


class CubeVariable(TypedDict):
    """A variable of the map."""

    dimensions: list[str]
    type: str
    description: str
    unit: str
    data_type: str


Cube = TypedDict(
    "Cube",
    {"cube:dimensions": dict[str, Dimension], "cube:variables": dict[str, CubeVariable]},
)
Ring = list[list[float]]


class Footprint(TypedDict):
    """A geometry of GeoJSON."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[Ring] | list[list[Ring]]


def write_stac(run_url: str, title: str, created: datetime | None = None, author: str = "") -> str:
    """Write ``stac/collection.json`` and the item of the products of a run.

    Parameters
    ----------
    run_url : str
        Folder or prefix with ``map.zarr`` and ``products/``.
    title : str
        Of the collection and its item.
    created : datetime, optional
        When the products were made; now when left out.
    author : str
        Who made the map; nobody is named when left out.

    Returns
    -------
    str
        URL of the collection.

    Raises
    ------
    IcemapError
        If there is no map, or none of its GeoTIFFs.
    """
    import pystac

    dataset = open_map(RunFolder(run_url).map)
    root = run_url.rstrip("/") if is_remote(run_url) else str(local_path(run_url).resolve())
    collection = _collection(
        dataset, title, root, (created or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    )
    collection.providers = [pystac.Provider(author, roles=PROVIDER_ROLES)] if author else None
    collection.normalize_hrefs(RunFolder(root).stac)
    for item in collection.get_items():
        item.make_asset_hrefs_relative()
        write_json(item.get_self_href() or "", item.to_dict(include_self_link=False))
    url = collection.get_self_href() or ""
    write_json(url, collection.to_dict(include_self_link=False))
    return url


def _collection(dataset: xr.Dataset, title: str, root: str, created: datetime) -> pystac.Collection:
    import pystac

    target, grid = target_of(dataset), grid_of(dataset)
    published = is_published(dataset)
    variables = map_variables(target, published=published)
    interval = REPLICATE_INTERVAL if published else CALIBRATED_INTERVAL
    marked = str(dataset.attrs.get(PSEUDO_SITES, ""))
    extent = pystac.Extent(
        pystac.SpatialExtent([list(_bbox(grid))]),
        pystac.TemporalExtent([list(_period(root) or (created, created))]),
    )
    collection = pystac.Collection(
        id=re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or target.name,
        title=title,
        description=(
            f"{title}: {target.long_name} ({target.unit}) with its {interval}, ensemble spread and"
            f" area of applicability.{f' {marked}.' if marked else ''}"
        ),
        extent=extent,
        license=_licence(dataset),
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
        keywords=keywords(target),
        stac_extensions=[DATACUBE, SCIENTIFIC],
        extra_fields={**_cube(grid, variables), **_scientific(dataset, root)},
    )
    address = _licence_address(dataset)
    if address:
        collection.add_link(pystac.Link("license", address, title="licence of the map"))
    if exists(RunFolder(root).product(THUMBNAIL)):
        collection.add_asset("thumbnail", _thumbnail(root))
    item = _item(title, grid, target, variables, root, created)
    if marked:
        item.properties[f"icemap:{PSEUDO_SITES}"] = marked
    collection.add_item(item)
    return collection


def _item(
    title: str,
    grid: Grid,
    target: TargetConfig,
    variables: Sequence[Variable],
    root: str,
    created: datetime,
) -> pystac.Item:
    import pystac

    period = _period(root)
    item = pystac.Item(
        id=product_stem(target.name),
        geometry=_footprint(grid),
        bbox=list(_bbox(grid)),
        # Of no one day: from the first to the last borehole, where the tables say when.
        datetime=None if period else created,
        start_datetime=period[0] if period else None,
        end_datetime=period[1] if period else None,
        properties={
            "created": created.isoformat().replace("+00:00", "Z"),
            "proj:code": "EPSG:4326",
            **_projection(grid),
        },
        stac_extensions=list(EXTENSIONS),
    )
    item.common_metadata.title = title
    by_name = {variable.name: variable for variable in variables}
    for name, file in product_files(target.name).items():
        url = RunFolder(root).product(file)
        if exists(url):
            item.add_asset(name, _asset(url, by_name[name], grid, pystac.MediaType.COG))
    if not item.assets:
        raise IcemapError(
            f"There is no GeoTIFF in {join(root, 'products')}: run 'icemap publish' first."
        )
    described = {
        "bands": [_band(variable) for variable in variables],
        **_projection(grid),
        **_cube(grid, variables),
    }
    if exists(RunFolder(root).product(THUMBNAIL)):
        item.add_asset("thumbnail", _thumbnail(root))
    item.add_asset(
        "map",
        pystac.Asset(
            RunFolder(root).map,
            "All variables as a Zarr group",
            None,
            ZARR_MEDIA_TYPE,
            ["data"],
            described,
        ),
    )
    return item


def _thumbnail(root: str) -> pystac.Asset:
    import pystac

    url = RunFolder(root).product(THUMBNAIL)
    return pystac.Asset(url, "The map", None, pystac.MediaType.PNG, ["thumbnail"])


def _licence(dataset: xr.Dataset) -> str:
    """In STAC's words: an identifier of SPDX, else ``other``."""
    licence = str(dataset.attrs.get("license", ""))
    return licence if SPDX.fullmatch(licence) else "other"


def _licence_address(dataset: xr.Dataset) -> str:
    """Where the text of the licence is; empty where the map does not say."""
    licence = str(dataset.attrs.get("license", ""))
    if licence.startswith(("http://", "https://")):
        return licence
    return f"https://spdx.org/licenses/{licence}.html" if SPDX.fullmatch(licence) else ""


def _scientific(dataset: xr.Dataset, root: str) -> Scientific:
    """How to cite the map, and what its predictors are to be cited by, after the scientific
    extension.
    """
    fields: Scientific = {}
    citation = str(dataset.attrs.get("references", ""))
    if citation:
        fields["sci:citation"] = citation
        if doi := DOI.search(citation):
            fields["sci:doi"] = doi.group()
    if exists(join(RunFolder(root).cube, "zarr.json")):
        variables = open_gridded(RunFolder(root).cube, "predictor cube").data_vars.values()
        cited = dict.fromkeys(str(variable.attrs.get("citation", "")) for variable in variables)
        if publications := [_publication(text) for text in cited if text]:
            fields["sci:publications"] = publications
    return fields


def _publication(text: str) -> Publication:
    doi = DOI.search(text)
    return {"citation": text, "doi": doi.group()} if doi else {"citation": text}


def _period(root: str) -> tuple[datetime, datetime] | None:
    """From the first to the last year of the boreholes that the map is made from; None where they
    do not say.
    """
    url = RunFolder(root).sites
    if not exists(url):
        return None
    sites = read_samples(url)
    if not {"year", "used"} <= set(sites):
        return None
    years = pd.to_numeric(sites.loc[sites["used"].astype(bool), "year"], errors="coerce").dropna()
    years = years[years.between(*YEARS)]
    if years.empty:
        return None
    first, last = int(years.min()), int(years.max())
    return datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, 23, 59, 59, tzinfo=UTC)


def _cube(grid: Grid, variables: Sequence[Variable]) -> Cube:
    """Dimensions and variables of the map after the datacube extension."""
    dimensions: dict[str, Dimension] = {
        "latitude": {
            "type": "spatial",
            "reference_system": 4326,
            "axis": "y",
            "extent": [grid.south, grid.north],
            "step": -grid.resolution,
        },
        "longitude": {
            "type": "spatial",
            "reference_system": 4326,
            "axis": "x",
            "extent": [grid.west, grid.east],
            "step": grid.resolution,
        },
    }
    described: dict[str, CubeVariable] = {
        variable.name: {
            "dimensions": list(DIMENSIONS),
            "type": "data",
            "description": str(variable.attrs["long_name"]),
            "unit": str(variable.attrs["units"]),
            "data_type": variable.dtype,
        }
        for variable in variables
    }
    return {"cube:dimensions": dimensions, "cube:variables": described}


def _asset(url: str, variable: Variable, grid: Grid, media_type: str) -> pystac.Asset:
    import pystac

    long_name = str(variable.attrs["long_name"])
    return pystac.Asset(
        url,
        long_name,
        media_type=media_type,
        roles=["data"],
        extra_fields={"bands": [_band(variable)], **_projection(grid)},
    )


def _band(variable: Variable) -> Band:
    return {
        "name": variable.name,
        "description": str(variable.attrs["long_name"]),
        "data_type": variable.dtype,
        "nodata": "nan" if variable.dtype == "float32" else variable.nodata,
        "unit": str(variable.attrs["units"]),
        "raster:sampling": "area",
    }


def _projection(grid: Grid) -> Projection:
    return {"proj:shape": list(grid.shape), "proj:transform": list(grid.transform)[:6]}


def _bbox(grid: Grid) -> tuple[float, float, float, float]:
    """As RFC 7946 has it: across the date line west is greater than east; a band all round is from
    -180 to 180.
    """
    if grid.east <= 180:
        return grid.west, grid.south, grid.east, grid.north
    if grid.east - grid.west >= 360 - 1e-9:
        return -180.0, grid.south, 180.0, grid.north
    return grid.west, grid.south, float(wrapped(grid.east)), grid.north


def _footprint(grid: Grid) -> Footprint:
    """The extent as GeoJSON, cut at the date line as RFC 7946 asks."""
    west, south, east, north = _bbox(grid)
    parts = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
    rings = [[[[a, south], [b, south], [b, north], [a, north], [a, south]]] for a, b in parts]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}
