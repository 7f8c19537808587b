"""``icemap init``: a config and a catalogue from a folder of rasters and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from icemap.config import load_config
from icemap.ensemble.checks import MIN_SAMPLES
from icemap.errors import IcemapError, first_line
from icemap.grid import Grid
from icemap.predictors.checks import check_source
from icemap.schemas import MODELS, schema_file, schema_text
from icemap.settings_text import problems
from icemap.source import Source
from icemap.starting.coverage import coverage, some_sites
from icemap.starting.entries import Entry, Names
from icemap.starting.extent import ProposedGrid, propose_grid
from icemap.starting.folder import Contents, look_into
from icemap.starting.legends import with_legends
from icemap.starting.multidimensional import multidimensional_entries
from icemap.starting.rasters import raster_entries
from icemap.starting.tables import Tables, find_tables
from icemap.starting.written import CATALOG, CONFIG, QUESTION, Proposal, catalog_text, config_text

Log = Callable[[str], None]
# A predictor that fewer of the sites have would cost most of the samples.
MIN_SHARE = 0.5
NEITHER = (
    "There is nothing in {folder} that a map could be made from: put the rasters (GeoTIFF, NetCDF,"
    " Zarr) and the table of boreholes (CSV, .xlsx, GeoPackage, Parquet) into it, or copy an"
    " example with 'icemap init --example virtual'."
)


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    files : tuple of Path
        Config, catalogue and schemas.
    predictors, left_out : int
        Entries of the catalogue that the config lists, and those it does not.
    sites : int
        Places of sites in the table that was chosen.
    questions : int
        How many comments ask for an answer.
    """

    files: tuple[Path, ...]
    predictors: int
    left_out: int
    sites: int
    questions: int


def init_folder(folder: Path, log: Log) -> Written:
    """Write ``config.yaml`` and ``catalog.yaml`` with their schemas into a folder of inputs.

    Parameters
    ----------
    folder : Path
        With rasters and a table, in subfolders too.
    log : callable
        Gets each line of what is found.

    Raises
    ------
    IcemapError
        If a file with the name of one of them is there, or nothing to begin with. Nothing is
        written then.
    """
    texts = {folder / schema_file(kind): schema_text(kind) for kind in MODELS}
    _require_free([folder / CONFIG, folder / CATALOG], texts)
    contents = look_into(folder)
    if contents.is_empty:
        raise IcemapError(NEITHER.format(folder=folder))
    proposal = _proposal(folder, contents, log)
    config, catalog = config_text(proposal), catalog_text(proposal)
    texts |= {folder / CATALOG: catalog, folder / CONFIG: config}
    write_new(texts)
    # A sentence of a mistake of ours would be better here than in the first run.
    load_config(str(folder / CONFIG))
    used = [entry for entry in proposal.entries if not entry.problem]
    sites = len(proposal.tables.choices[0].longitude) if proposal.tables.choices else 0
    asked = (config + catalog).count(f"# {QUESTION}")
    left = len(proposal.entries) - len(used)
    return Written(tuple(texts), len(used), left, sites, asked)


def write_new(texts: dict[Path, str]) -> None:
    """Write files that are not there, or say the same already."""
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
        except OSError as error:
            raise IcemapError(
                f"{path} cannot be written ({first_line(error)}): check the rights on its folder."
            ) from error


def _require_free(paths: Iterable[Path], schemas: dict[Path, str]) -> None:
    there = [path for path in paths if path.exists()]
    there += [
        path
        for path, text in schemas.items()
        if path.exists() and path.read_bytes() != text.encode()
    ]
    if there:
        raise IcemapError(
            f"{there[0]} is there already, and 'icemap init' overwrites nothing: move it away, or"
            " go on with it."
        )


def _proposal(folder: Path, contents: Contents, log: Log) -> Proposal:
    names = Names()
    entries, unread = raster_entries(contents.rasters, names)
    tables = list(contents.tables)
    for path in contents.multidimensional:
        found, why = multidimensional_entries(path, names)
        entries += found
        if not found:
            # Profiles of boreholes are NetCDF, too.
            unread.append((path, why))
            tables.append(path)
    entries = with_legends(entries, contents.tables)
    polygons, points = _vectors(contents.vectors)
    choices = find_tables(folder, [*tables, *points])
    known = {choice.path for choice in choices.choices}
    unread = [(path, why) for path, why in [*unread, *choices.unread] if path not in known]
    for path, why in unread:
        log(f"nothing was made of {path.relative_to(folder).as_posix()}: {why}")
    longitude, latitude = _sites(choices)
    log(f"{len(entries)} possible predictors in {len({entry.files for entry in entries})} rasters")
    notes = []
    cells = [entry.cell for entry in entries if entry.cell]
    if len(longitude):
        grid = propose_grid(longitude, latitude, cells)
    else:
        grid = _northern_grid(cells)
    area = Grid(grid.west, grid.south, grid.east, grid.north, grid.arcsec / 3600)
    checked = []
    complete = np.ones(len(some_sites(longitude, latitude)[0]) if len(longitude) else 0, dtype=bool)
    for entry in entries:
        log(f"  {entry.name}")
        one, has = _checked(entry, area, longitude, latitude)
        checked.append(one)
        if not one.problem and has is not None:
            complete &= has
    if complete.size and any(not entry.problem for entry in checked):
        share = float(complete.mean())
        notes.append(f"{share:.0%} of the sites that were asked about have all predictors.")
        if len(longitude) * share < MIN_SAMPLES:
            notes.append(
                f"{QUESTION}an ensemble needs sites with all predictors in {MIN_SAMPLES} cells, and"
                f" there are about {len(longitude) * share:.0f} such sites: are there more, or is"
                " a predictor with gaps to be left out?"
            )
    return Proposal(
        folder,
        _run_name(folder),
        checked,
        choices,
        grid,
        polygons,
        [*contents.unread, *unread],
        notes,
    )


def _sites(tables: Tables) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not tables.choices:
        return np.empty(0), np.empty(0)
    lon, lat = tables.choices[0].longitude, tables.choices[0].latitude
    possible = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90) & (np.abs(lon) <= 360)
    return lon[possible], lat[possible]


def _vectors(paths: Sequence[Path]) -> tuple[dict[Path, str], list[Path]]:
    """Files of polygons with what they hold, and those of points."""
    import pyogrio

    polygons, points = {}, []
    for path in paths:
        try:
            kinds = {str(kind) for _, kind in pyogrio.list_layers(path)}
        except (pyogrio.errors.DataSourceError, ValueError):
            points.append(path)
            continue
        if any("Polygon" in kind or "Line" in kind for kind in kinds):
            info = pyogrio.read_info(path, layer=0)
            columns = ", ".join(map(str, info["fields"]))
            polygons[path] = f"{info['geometry_type']}s with the columns {columns or 'none'}"
        else:
            points.append(path)
    return polygons, points


def _northern_grid(cells: Sequence[float]) -> ProposedGrid:
    """Where no site says the extent."""
    north, south = 84.0, 30.0
    corners = np.array([-180.0, -60.0, 60.0, 179.0]), np.array([south, north, south, north])
    proposed = propose_grid(*corners, cells)
    why = (
        f"{QUESTION}no table says where the sites are: which area is to be mapped? This is the"
        " north of the globe",
    )
    return ProposedGrid(-180.0, south, 180.0, north, max(proposed.arcsec, 600), why)


def _checked(
    entry: Entry, grid: Grid, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[Entry, NDArray[np.bool_] | None]:
    """The entry with what the making of the cube would stop at, and which of the sites have it."""
    try:
        source = entry.source()
    except ValidationError as error:
        return entry.without("; ".join(problems(error, Source))), None
    try:
        found = check_source(source, grid).problems
        if found:
            return entry.without(" ".join(found)), None
        if not len(longitude):
            return entry, None
        found_there = coverage(entry, grid, *some_sites(longitude, latitude))
    except IcemapError as error:
        return entry.without(str(error)), None
    # What a library may raise on a file that is not what it says.
    except Exception as error:
        return entry.without(f"it cannot be read ({first_line(error)})"), None
    has, constant = found_there.has, found_there.constant
    if constant is not None and has.mean() >= MIN_SHARE:
        return (
            entry.without(f"it is the same ({constant:g}) at all sites: nothing is learnt from it"),
            None,
        )
    if has.mean() < MIN_SHARE:
        return (
            entry.without(
                f"it has a value at {int(has.sum())} of {len(has)} sites; with it the others could"
                " not be used"
            ),
            None,
        )
    return entry, has


def _run_name(folder: Path) -> str:
    """A folder for the run that is not there."""
    names = ("run", "icemap_run", *(f"icemap_run_{number}" for number in range(2, 100)))
    return next(name for name in names if not (folder / name).exists())
