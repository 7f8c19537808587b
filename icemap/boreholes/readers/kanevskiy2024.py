"""Cryostratigraphy and ground-ice content of the upper permafrost in Alaska and Northern Canada
(Kanevskiy et al. 2024, doi:10.18739/A2H12V928).

22 CSV files of the NSF Arctic Data Center, one a field trip: a title, a blank line, a header in two
lines (the concept above, its unit or ``Latitude`` and ``Longitude`` below), the samples, and a
legend of 15 lines. Depths are text in cm (``27-39``); blank cells are missing, and an excess ice
content of 0 is a result. A file that repeats the samples of an earlier one adds nothing. Written
from the published description, without a file at hand.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from icemap.boreholes.coordinates import parse_coordinates
from icemap.boreholes.csv_files import decoded
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.places import rounding_km
from icemap.boreholes.records import (
    Flags,
    Problems,
    Records,
    join_flags,
    make_flags,
    make_layers,
    require_schema,
)
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError
from icemap.store import is_remote, join, list_names, local_path, read_bytes

SOURCE = "Kanevskiy et al. 2024"
HEADER_WITHIN = 12  # lines in which the header begins
QUANTITIES = {"gmc": "gravimetric_water", "vmc": "volumetric_water", "eic": "excess_ice"}
UNFROZEN, ACTIVE_LAYER, MASSIVE = ("ALU",), ("ALU", "ALF"), ("IW", "TCI")
COLUMNS = (
    "borehole",
    "date",
    "latitude",
    "longitude",
    "unit_depth",
    "unit",
    "sample_depth",
    *QUANTITIES.values(),
)
_YEAR = re.compile(r"(?:19|20)\d\d")


def read_kanevskiy2024(url: str) -> Records:
    """Read the data set's folder (the package as downloaded, or its folder ``data``).

    The permafrost table is the bottom of the active layer that the cryostratigraphic units give
    (the lowest ``ALU`` or ``ALF``, undifferentiated ``ALF-TL`` not included), where they do. Wedge
    ice (``IW``) and thermokarst-cave ice (``TCI``) are massive ice.

    Raises
    ------
    IcemapError
        If there is no such file or cells cannot be read: every one by line.
    """
    folder = url if any(name.endswith(".csv") for name in list_names(url)) else join(url, "data")
    names = sorted(
        name
        for name in (list_names(folder) if folder == url or _has(folder) else [])
        if name.lower().endswith(".csv")
    )
    parts, flags, problems = [], [], []
    seen: set[tuple[str, ...]] = set()
    for name in names:
        file = join(folder, name)
        try:
            table = _table(file)
            if table is None:
                flags.append(
                    make_flags(
                        file,
                        np.array([1]),
                        [""],
                        "not read",
                        True,
                        ["the file has no columns of samples with GMC, VMC or EIC"],
                    )
                )
                continue
            layers, told = _layers(table, name.rsplit(".", 1)[0], seen)
        except IcemapError as error:
            problems.append(str(error))
            continue
        parts.append(layers)
        flags.append(told)
    if problems:
        raise IcemapError(" ".join(problems))
    if not parts:
        raise IcemapError(
            f"{url} holds no CSV with columns GMC, VMC and EIC: give the folder of Kanevskiy et al."
            " 2024 from the Arctic Data Center."
        )
    return Records(pd.concat(parts, ignore_index=True), join_flags(flags))


def _has(folder: str) -> bool:
    return is_remote(folder) or local_path(folder).is_dir()


def _table(file: str) -> Table | None:
    """The samples of one file under plain names; None where it has none."""
    rows = list(_rows(decoded(read_bytes(file))))
    start = next(
        (
            i
            for i, (_, row) in enumerate(rows[:HEADER_WITHIN])
            if row and re.match(r"(borehole|exposure)", row[0], re.IGNORECASE)
        ),
        None,
    )
    if start is None or start + 1 >= len(rows):
        return None
    upper, lower = rows[start][1], rows[start + 1][1]
    if re.search(r"\d", " ".join(lower)):
        # A sample, and no second line of a header.
        return None
    places = _find(upper, lower)
    if not any(name in places for name in QUANTITIES.values()) or "sample_depth" not in places:
        return None
    at = places["sample_depth"]
    if not re.search(r"\bcm\b", " ".join([*upper[at : at + 1], *lower[at : at + 1]])):
        return None
    body = [
        (
            line,
            {
                name: row[places[name]] if name in places and places[name] < len(row) else ""
                for name in COLUMNS
            },
        )
        for line, row in rows[start + 2 :]
    ]
    # Legend and separators have no depth and no result.
    told = [
        (line, cells)
        for line, cells in body
        if any(cells[name] for name in ("sample_depth", "unit_depth", *QUANTITIES.values()))
    ]
    if not told:
        return None
    frame = pd.DataFrame([cells for _, cells in told], columns=list(COLUMNS))
    lines = np.array([line for line, _ in told])
    # A name may stand at the first sample of a borehole only; a blank line ends it.
    blank = {line for line, row in rows if not any(row)}
    block = np.array([sum(b < line for b in blank) for line in lines])
    for name in ("borehole", "date", "latitude", "longitude"):
        frame[name] = frame[name].mask(frame[name] == "").groupby(block).ffill().fillna("")
    return Table(file, frame, lines)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    begin = 1
    for row in reader:
        yield begin, [cell.strip() for cell in row]
        begin = reader.line_num + 1


def _find(upper: list[str], lower: list[str]) -> dict[str, int]:
    """Number of the column of every concept; a concept is in the upper line, or in the lower
    one.
    """
    width = max(len(upper), len(lower))
    cells = [
        " ".join(row[i] for row in (upper, lower) if i < len(row) and row[i]).lower()
        for i in range(width)
    ]
    found: dict[str, int] = {}
    for i, text in enumerate(cells):
        for name, pattern in (
            ("borehole", r"(borehole|exposure)"),
            ("date", r"date"),
            ("latitude", r"(coordinates\s*)?lat"),
            ("longitude", r"(coordinates\s*)?long?"),
            ("sample_depth", r"sample depth"),
            ("unit_depth", r"(unit )?depth"),
            ("unit", r"cryostratigraphic unit"),
            *((name, rf"{short}\b") for short, name in QUANTITIES.items()),
        ):
            if name not in found and re.match(pattern, text):
                found[name] = i
                break
    # In a few files the lower line does not name the two columns under "Coordinates".
    shared = next((i for i, text in enumerate(cells) if text == "coordinates"), None)
    if shared is not None and "latitude" not in found and "longitude" not in found:
        found |= {"latitude": shared, "longitude": shared + 1}
    return found


def _layers(
    table: Table, campaign: str, seen: set[tuple[str, ...]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = table.frame
    names = frame["borehole"] + f" ({campaign})"
    flags, problems = Flags(table, names), Problems(table)
    problems.add((frame["borehole"] == "").to_numpy(), "no borehole")
    lon, lat = (_coordinate(table, name, problems) for name in ("longitude", "latitude"))
    depth = parse_numbers(frame["sample_depth"])
    problems.add(
        depth.unreadable | (depth.censored != 0),
        "the sample depth is not a depth:",
        frame["sample_depth"],
    )
    quantities = {name: parse_numbers(frame[name]) for name in QUANTITIES.values()}
    for name, numbers in quantities.items():
        problems.add(
            numbers.unreadable | (numbers.censored != 0), f"{name} is not a number:", frame[name]
        )
    unit_depth = parse_numbers(frame["unit_depth"])
    problems.require_none()
    # A unit without a sample keeps its own depths: massive ice is ice without a test.
    sampled = (frame["sample_depth"] != "").to_numpy()
    low, high = (
        np.where(sampled, own, of_unit) / 100
        for own, of_unit in ((depth.low, unit_depth.low), (depth.high, unit_depth.high))
    )
    unit = frame["unit"].str.upper().str.split("/").str[0].str.strip()
    key = frame[
        [
            "borehole",
            "date",
            "latitude",
            "longitude",
            "unit_depth",
            "sample_depth",
            *QUANTITIES.values(),
        ]
    ].agg(tuple, axis=1)
    again = np.array([one in seen for one in key])
    seen.update(key)
    flags.add(again, "duplicate", "the same sample was read from another file", excludes=True)
    active = unit.isin(ACTIVE_LAYER).to_numpy()
    bottom = (
        pd.Series(np.where(active, unit_depth.high / 100, np.nan))
        .groupby(names.to_numpy())
        .transform("max")
        .to_numpy()
    )
    year = (
        frame["date"]
        .str.extract(rf"({_YEAR.pattern})", expand=False)
        .fillna((_YEAR.findall(campaign) or [""])[-1])
    )
    layers = make_layers(
        table,
        {
            "site": names,
            "lon": lon,
            "lat": lat,
            "position_km": rounding_km(table, ("longitude", "latitude")),
            "permafrost_table": bottom,
            "permafrost_table_source": np.where(np.isnan(bottom), "", "reported").astype(object),
            "top": low,
            "base": high,
            "frozen": np.where(unit.isin(UNFROZEN), "no", "yes").astype(object),
            "method": "SIPRE core",
            "ice_type": np.where(unit.isin(MASSIVE), "massive", "").astype(object),
            **{name: numbers.value / 100 for name, numbers in quantities.items()},
            "source": SOURCE,
            "year": pd.to_numeric(year, errors="coerce").to_numpy(float),
        },
    )
    require_schema(layers, table)
    return layers[~again], flags.table()


def _coordinate(table: Table, name: str, problems: Problems) -> np.ndarray:
    values, unreadable = parse_coordinates(as_text(table.frame[name]).str.rstrip("°º "))
    problems.add(unreadable, f"the {name} is not a coordinate:", table.frame[name])
    return values
