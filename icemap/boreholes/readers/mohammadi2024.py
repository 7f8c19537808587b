"""Permafrost Thaw Settlement Dataset (Mohammadi and Hayley 2024, doi:10.5281/zenodo.14538524):
frozen laboratory samples of 91 boreholes.

All samples are frozen cores of a few centimetres. Derived columns hold ``Inf`` where a test failed;
they are not read, but for the volumetric water, which must agree with the water and density that it
was made from. ``data_quality_flag`` judges the thaw test: water and density stay valid.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from icemap.boreholes.coordinates import parse_coordinates
from icemap.boreholes.ice_content import ICE_DENSITY, from_frozen_bulk
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.places import rounding_km
from icemap.boreholes.records import Flags, Problems, Records, make_layers, require_schema
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError
from icemap.store import join, list_names

PLACES = "borehole_location_and_datasource.csv"
SAMPLES = "sample_details_with_derived_parameters.csv"
SOURCE = "Mohammadi and Hayley 2024"
AGREES = 0.005  # volumetric water, fraction


def read_mohammadi2024(url: str) -> Records:
    """Read the folder that holds ``borehole_location_and_datasource.csv`` and
    ``sample_details_with_derived_parameters.csv``.

    Raises
    ------
    IcemapError
        If one of them is not there or has unreadable cells: every one by line.
    """
    there = list_names(url)
    absent = [name for name in (PLACES, SAMPLES) if name not in there]
    if absent:
        raise IcemapError(
            f"{url} holds no {absent[0]}: give the folder with both tables of the Permafrost Thaw"
            " Settlement Dataset."
        )
    table = read_table(join(url, SAMPLES), text=("borehole",))
    names = as_text(table.column("borehole"))
    flags, problems = Flags(table, names), Problems(table)
    top, base = (_number(table, name, problems) for name in ("top", "bottom"))
    water = _number(table, "gravimetric_wc_init", problems) / 100
    density = _number(table, "frozen_bulk_density_rep", problems) / 1000
    problems.require_none()
    published = (
        _number(table, "volumetric_wc_calc", Problems(table)) / 100
        if "volumetric_wc_calc" in table.frame
        else np.full(len(names), np.nan)
    )
    ours = np.asarray(from_frozen_bulk(water, density)) * ICE_DENSITY
    flags.add(
        np.abs(ours - published) > AGREES,
        "volumetric water",
        "the published volumetric water does not follow from the water and density; these were"
        " used",
    )
    places = _places(read_table(join(url, PLACES), text=("borehole",))).reindex(names)
    flags.add(
        places["lon"].isna().to_numpy(), "site not known", f"the borehole has no place in {PLACES}"
    )
    layers = make_layers(
        table,
        {
            "site": names,
            **{name: places[name].to_numpy() for name in ("lon", "lat", "position_km")},
            "top": top,
            "base": base,
            "support": "samples",
            "frozen": "yes",
            "method": "thaw settlement test",
            "gravimetric_water": water,
            "frozen_bulk_density": density,
            "source": SOURCE,
        },
    )
    require_schema(layers, table)
    return Records(layers, flags.table())


def _places(table: Table) -> pd.DataFrame:
    names = as_text(table.column("borehole"))
    problems = Problems(table)
    problems.add(names.duplicated().to_numpy(), "borehole is there twice:", names)
    columns = {}
    for name, header in (("lon", "long"), ("lat", "lat")):
        columns[name], unreadable = parse_coordinates(table.column(header))
        problems.add(unreadable, f"{header} is not a coordinate:", table.column(header))
    problems.require_none()
    return pd.DataFrame(
        {**columns, "position_km": rounding_km(table, ("long", "lat"))}, index=names
    )


def _number(table: Table, name: str, problems: Problems) -> np.ndarray:
    """A column of numbers; ``NA`` and infinity are no data."""
    column = table.column(name)
    infinite = as_text(column).str.lower().isin(("inf", "-inf", "+inf"))
    numbers = parse_numbers(column.mask(infinite))
    problems.add(numbers.unreadable | (numbers.censored != 0), f"{name} is not a number:", column)
    return numbers.value
