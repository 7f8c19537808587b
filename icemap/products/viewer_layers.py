"""What the viewer can show: the GeoTIFFs of a run and of its comparisons, and in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from icemap.config_sections import TargetConfig
from icemap.mapping.map_schema import product_files
from icemap.products.figures.style import (
    BLUE,
    DIFFERENCE_COLOURS,
    VALUE_COLOURS,
    VERMILION,
    WIDTH_COLOURS,
    ramp,
)
from icemap.run_folder import RunFolder
from icemap.store import exists, join, list_names, read_json, write_json

if TYPE_CHECKING:
    import xarray as xr

SUFFIX = "_difference.tif"
DIFFERENCES = "differences.json"


class Layer(TypedDict):
    """One choice of the viewer.

    ``files`` are addresses as seen from the page: one, or two whose difference (first minus second)
    is shown. ``limits`` are those of the ramp; None where they are to be those of the data.
    ``kind`` is "value", "difference" (the ramp's middle is zero) or "classes" (of zeros and ones).
    """

    variable: str
    files: list[str]
    title: str
    unit: str
    kind: str
    limits: tuple[float, float] | None
    colours: list[str]


def map_layers(run_url: str, dataset: xr.Dataset, target: TargetConfig) -> list[Layer]:
    """Layers of the published GeoTIFFs, in the order in which they are offered, and the width of
    the interval.
    """
    names = product_files(target.name)
    there = {
        variable: f"../{file}"
        for variable, file in names.items()
        if exists(RunFolder(run_url).product(file))
    }
    lower, upper = f"{target.name}_lower95", f"{target.name}_upper95"
    layers: list[Layer] = []
    for variable, file in there.items():
        classes = variable == "aoa"
        if classes and lower in there and upper in there:
            layers.append(_width([there[upper], there[lower]], target))
        in_unit = variable in (target.name, lower, upper)
        ramp_name = VALUE_COLOURS if in_unit else WIDTH_COLOURS
        layers.append(
            {
                "variable": variable,
                "files": [file],
                "title": dataset[variable].attrs["long_name"],
                "unit": dataset[variable].attrs["units"],
                "kind": "classes" if classes else "value",
                "limits": target.closed_bounds if in_unit else None,
                "colours": [VERMILION, BLUE] if classes else ramp(ramp_name),
            }
        )
    return layers


def _width(files: list[str], target: TargetConfig) -> Layer:
    return {
        "variable": f"{target.name}_width95",
        "files": files,
        "title": "width of the 95 % interval",
        "unit": target.unit,
        "kind": "value",
        "limits": None,
        "colours": ramp(WIDTH_COLOURS),
    }


def write_differences(run_url: str) -> None:
    """Write the layers of the comparisons that a run has, next to its viewer; nothing without a
    viewer.
    """
    run = RunFolder(run_url)
    viewer = run.viewer
    if not exists(join(viewer, "map.json")):
        return
    about = read_json(join(viewer, "map.json"))
    colours = ramp(DIFFERENCE_COLOURS)
    layers: list[Layer] = []
    for file in list_names(run.comparisons):
        if not file.endswith(SUFFIX):
            continue
        name = file.removesuffix(SUFFIX)
        numbers = join(run.comparisons, f"{name}.json")
        other = read_json(numbers)["other"]["name"] if exists(numbers) else name
        layers.append(
            {
                "variable": f"minus_{name}",
                "files": [f"../../{run.name_of(run.comparisons)}/{file}"],
                "title": f"this map minus {other}",
                "unit": about["unit"],
                "kind": "difference",
                "limits": None,
                "colours": colours,
            }
        )
    write_json(join(viewer, DIFFERENCES), layers)
