"""The intake catalogue of a run's products, with relative addresses, so that the run can be moved
or copied to a bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml

from icemap.mapping.map_schema import open_map, product_files, target_of
from icemap.run_folder import RunFolder
from icemap.store import exists, join, write_text
from icemap.zarr_groups import consolidate, is_consolidated


@dataclass(frozen=True)
class Format:
    """How intake opens a file: its name for the kind of data, and the keywords of xarray."""

    datatype: str
    options: Mapping[str, object]


ZARR = Format(
    "intake.readers.datatypes:Zarr",
    # A web server lists nothing: without the consolidated metadata a group would seem empty.
    {"engine": "zarr", "chunks": {}, "consolidated": True},
)
GEOTIFF = Format("intake.readers.datatypes:TIFF", {"engine": "rasterio", "chunks": {}})


@dataclass(frozen=True)
class Product:
    """A product as the catalogue lists it; ``path`` is seen from the run folder."""

    name: str
    path: str
    format: Format
    description: str

    @property
    def data(self) -> dict[str, object]:
        """Where it is, for intake."""
        return {
            "datatype": self.format.datatype,
            "kwargs": {"url": f"{{CATALOG_DIR}}/{self.path}", "storage_options": None},
            "metadata": {},
            "user_parameters": {},
        }

    @property
    def entry(self) -> dict[str, object]:
        """How it is opened, for intake."""
        return {
            "reader": "intake.readers.readers:XArrayDatasetReader",
            "output_instance": "xarray:Dataset",
            "kwargs": {"args": [f"{{data({self.name}_files)}}"], **self.format.options},
            "metadata": {"description": self.description},
            "user_parameters": {},
        }


def write_catalog(run_url: str, title: str) -> str:
    """Write ``catalog.yaml``, an intake (version 2) catalogue that needs no plugin.

    It has an entry for each product that is there: ``map``, ``cube`` and the GeoTIFFs by file name.
    Addresses are relative to the catalogue, so the run can be moved.
    ``intake.open_catalog(url)["map"].read()`` opens lazily.

    Returns
    -------
    str
        URL of the catalogue.

    Raises
    ------
    IcemapError
        If the run has no map.
    """
    run = RunFolder(run_url)
    dataset = open_map(run.map)
    target = target_of(dataset)
    products = [
        Product("map", run.name_of(run.map), ZARR, "every variable of the map"),
        Product("cube", run.name_of(run.cube), ZARR, "the predictors, aligned"),
    ]
    for variable, file in product_files(target.name).items():
        products.append(
            Product(
                PurePosixPath(file).stem,
                run.name_of(run.product(file)),
                GEOTIFF,
                str(dataset[variable].attrs["long_name"]),
            )
        )
    there = [product for product in products if exists(join(run_url, product.path))]
    for product in there:
        url = join(run_url, product.path)
        if product.format is ZARR and not is_consolidated(url):
            consolidate(url)
    content = {
        "version": 2,
        "metadata": {"title": title},
        "user_parameters": {},
        "data": {f"{product.name}_files": product.data for product in there},
        "entries": {product.name: product.entry for product in there},
        "aliases": {product.name: product.name for product in there},
    }
    write_text(run.catalog, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return run.catalog
