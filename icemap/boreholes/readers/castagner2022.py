"""Boreholes of the Tuktoyaktuk Coastlands and Anderson Plain (Castagner, Brenning, Gruber and
Kokelj 2022, Arctic Science): logs and excess-ice samples.

The published tables have no coordinates: their sites can show profiles, and are not used for
training until a table gives their places.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.records import (
    Flags,
    Problems,
    Records,
    join_flags,
    make_layers,
    require_schema,
)
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError
from icemap.store import join, list_names

LOGS = (
    "CryostratigraphyBHdataMI.csv",
    "CryostratigraphyBHdata.csv",
)  # the first also has massive ice and unfrozen intervals
SAMPLES = "SentinelBHdata.csv"
SOURCE = "Castagner et al. 2022"
# Middle of the classes of visible ice, as a fraction; the samples' table gives the same numbers.
VISIBLE_ICE = {"No visible ice": 0.0, "Low": 0.08, "Medium to high": 0.45, "High": 0.87}


def read_castagner2022(url: str) -> Records:
    """Read the folder that holds ``CryostratigraphyBHdataMI.csv`` (or
    ``CryostratigraphyBHdata.csv``) and ``SentinelBHdata.csv``, or one of them.

    Raises
    ------
    IcemapError
        If none of them is there or a table has unreadable cells: every one by line.
    """
    there = list_names(url)
    log = next((name for name in LOGS if name in there), None)
    if log is None and SAMPLES not in there:
        raise IcemapError(
            f"{url} holds neither {', '.join(LOGS)} nor {SAMPLES}: give the data folder of"
            " Castagner et al. 2022."
        )
    parts = [_log(read_table(join(url, log)))] if log else []
    if SAMPLES in there:
        parts.append(_samples(read_table(join(url, SAMPLES))))
    return Records(
        pd.concat([part.layers for part in parts], ignore_index=True),
        join_flags([part.flags for part in parts]),
    )


def _log(table: Table) -> Records:
    names = as_text(table.column("Borehole.ID"))
    flags, problems = Flags(table, names), Problems(table)
    top, base = (_depth(table, name, problems) for name in ("Top.depth", "Bottom.depth"))
    classes = as_text(table.column("Visible.ice"))
    massive = (as_text(table.column("Material")) == "Ice") | (classes == "ice")
    unknown = ~classes.isin([*VISIBLE_ICE, "ice", "NA", ""])
    problems.add(unknown, "Visible.ice is not a class:", classes)
    problems.require_none()
    unfrozen = as_text(table.column("Frozen")) == "No"
    flags.add(unfrozen, "unfrozen", "unfrozen when drilled", excludes=True)
    layers = make_layers(
        table,
        {
            "site": names,
            "position_grade": "D",
            "top": top,
            "base": base,
            "support": "logs",
            "frozen": np.where(unfrozen, "no", "").astype(object),
            "method": "log",
            "visible_ice": classes.map(VISIBLE_ICE).where(~massive & ~unfrozen).to_numpy(float),
            "ice_type": np.where(massive, "massive", "").astype(object),
            "source": SOURCE,
        },
    )
    require_schema(layers, table)
    return Records(layers, flags.table())


def _samples(table: Table) -> Records:
    names = as_text(table.column("Site ID"))
    problems = Problems(table)
    top, base = (_depth(table, name, problems) for name in ("From (m)", "To (m)"))
    excess = parse_numbers(table.column("Excess ice (%)"), "%")
    problems.add(
        excess.unreadable, "Excess ice (%) is not a number:", table.column("Excess ice (%)")
    )
    problems.require_none()
    layers = make_layers(
        table,
        {
            "site": names,
            "position_grade": "D",
            "top": top,
            "base": base,
            "support": "samples",
            "frozen": "yes",
            "method": "thaw test",
            "excess_ice": excess.value / 100,
            "ice_type": (
                np.where(as_text(table.column("Material")) == "Rock", "bedrock", "").astype(object)
            ),
            "source": SOURCE,
        },
    )
    require_schema(layers, table)
    return Records(layers, join_flags([]))


def _depth(table: Table, name: str, problems: Problems) -> np.ndarray:
    numbers = parse_numbers(table.column(name), "m")
    problems.add(
        numbers.unreadable | (numbers.censored != 0), f"{name} is not a depth:", table.column(name)
    )
    return numbers.value
