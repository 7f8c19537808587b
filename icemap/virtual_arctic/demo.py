"""The virtual Arctic as an ordinary run: a config, a catalogue and a table of layers, written where
the user asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from icemap.catalog import DATATYPE, OUTPUT, READER
from icemap.errors import IcemapError
from icemap.source import VIRTUAL_ARCTIC
from icemap.store import exists, join, read_bytes, write_text
from icemap.virtual_arctic import world

REMEDY = "name another folder with --out, or run a config of your own with 'icemap run'"


@dataclass(frozen=True)
class DemoSize:
    """How much the demo computes: its grid, its ensemble and the folds of its verification."""

    resolution: str
    chunk: int
    replicates: int
    folds: int
    candidates: int
    verification_folds: int


SIZES = {
    "small": DemoSize("30 arcmin", 64, 8, 5, 2, 5),
    "full": DemoSize("10 arcmin", 256, 200, 10, 8, 10),
}


def write_demo(folder: str, size: str, seed: int = 0) -> str:
    """Write the inputs of the demo.

    Parameters
    ----------
    folder : str
        Where they are written.
    size : {"small", "full"}
    seed : int
        Of the world.

    Returns
    -------
    str
        URL of its config.

    Raises
    ------
    IcemapError
        If a file with the name of one of them and other content is there; it stays.
    """
    from icemap.virtual_arctic.boreholes import boreholes_csv

    chosen = SIZES[size]
    config = {
        "run": "run",
        "title": "Ground ice of the virtual Arctic (synthetic)",
        "seed": seed,
        "grid": {
            "west": -180,
            "south": 25,
            "east": 180,
            "north": 85,
            "resolution": chosen.resolution,
            "chunk": chosen.chunk,
        },
        "catalog": "catalog.yaml",
        "predictors": list(world.PREDICTORS),
        "masks": [
            {"source": "land_fraction", "at_least": 0.5},
            {"source": "permafrost_fraction", "at_least": 0.1, "counts": "part"},
            {"source": "lake_fraction", "counts": "rest"},
            {"source": "glacier_fraction", "at_most": 0.5, "counts": "rest"},
        ],
        "boreholes": {"layers": [{"path": "layers.csv"}]},
        "ensemble": {
            "replicates": chosen.replicates,
            "folds": chosen.folds,
            "candidates": chosen.candidates,
        },
        "verification": {"folds": chosen.verification_folds},
    }
    inputs = {
        "layers.csv": boreholes_csv(seed),
        "catalog.yaml": yaml.safe_dump(_catalog(seed), sort_keys=False),
        "config.yaml": yaml.safe_dump(config, sort_keys=False),
    }
    there = [name for name in inputs if exists(join(folder, name))]
    for name in there:
        url = join(folder, name)
        if read_bytes(url) != inputs[name].encode():
            raise IcemapError(f"{url} is there and is not what this demo writes: {REMEDY}.")
    for name in inputs.keys() - there:
        write_text(join(folder, name), inputs[name])
    return join(folder, "config.yaml")


def _catalog(seed: int) -> dict[str, object]:
    entries = {}
    truth = {f"true_{name}": info for name, info in world.TRUTH.items()}
    for name, info in {**world.PREDICTORS, **world.MASKS, **truth}.items():
        metadata: dict[str, object] = {
            "family": info.family,
            "long_name": info.long_name,
            "unit": info.unit,
            "kind": info.kind,
        }
        if name in truth:
            metadata["variable"] = info.name
        if info.classes:
            metadata["classes"] = dict(enumerate(info.classes))
        entries[name] = {
            "reader": READER,
            "output_instance": OUTPUT,
            "user_parameters": {},
            "kwargs": {
                "catalog": "{CATALOG_PATH}",
                "name": name,
                "data": "{data(virtual_arctic)}",
            },
            "metadata": metadata,
        }
    citation = "icemap's virtual Arctic: synthetic, on the coastline of global-land-mask"
    data = {
        "virtual_arctic": {
            "datatype": DATATYPE,
            "user_parameters": {},
            "kwargs": {"url": f"{VIRTUAL_ARCTIC}{seed}"},
            "metadata": {"licence": "Apache-2.0", "citation": citation},
        }
    }
    return {
        "version": 2,
        "metadata": {},
        "aliases": {name: name for name in entries},
        "user_parameters": {},
        "data": data,
        "entries": entries,
    }
