"""The one file a run is described by. Unknown keys are errors; paths are relative to the file; no
key or password has a place here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.json_records import Json
from icemap.names import name_problem
from icemap.own_folder import require_own_folder
from icemap.paths import resolve
from icemap.recipe import MEMBER_NAMES, PUBLISHED_HELD_OUT, FittedOn, Recipe, RecipeName
from icemap.run_folder import RunFolder
from icemap.settings_text import parse_yaml, problems
from icemap.store import (
    RECORD,
    read_json,
    read_text,
)

# Names become parts of paths, where no separator and no leading dot may be.
PLAIN_NAME = r"^\w[\w.-]*$"


# A million km2 at 10 m; the circum-Arctic at 6 arc seconds.
MAX_CELLS = 1e10
# Chunks that are larger than the grid are cut to a multiple of this, but not below the smaller
# number.
CHUNK_STEP, SMALL_CHUNK = 64, 256
# One chunk of a predictor takes a gigabyte at this many cells per side.
MAX_CHUNK = 16384
# What random number generators of the libraries take.
MAX_SEED = 2**32 - 1
# A preview takes no more than these, whatever the settings say.
QUICK_ENSEMBLE = {"replicates": 4, "folds": 3, "candidates": 1}
QUICK_VERIFICATION = {"folds": 3, "places": 500}
PREVIEW_TITLE = " (preview)"
PREVIEW = (
    "a preview (quick: true): few replicates, three folds and no competitors, so that scores,"
    " intervals and totals are rough, and settings chosen once with all sites, so that scores are"
    " slightly flattered; a run without quick makes the map"
)


class Section(BaseModel):
    """A part of the config: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, content: Any) -> Any:
        # It would be read as 1 or 0.
        for name, value in content.items() if isinstance(content, dict) else ():
            field = cls.model_fields.get(str(name))
            if (
                isinstance(value, bool)
                and field is not None
                and not any(
                    kind is bool or isinstance(kind, bool) for kind in _kinds(field.annotation)
                )
            ):
                raise ValueError(
                    f"'{name}' is {str(value).lower()}: give a value that is not true or false, or"
                    " quote it"
                )
        return content


Settings = TypeVar("Settings", bound=Section)


def settings_from(model: type[Settings], content: Mapping[str, Any], where: str) -> Settings:
    """Settings that come from no file, checked as those of a config are.

    Raises
    ------
    IcemapError
        Beginning with ``where``, with every wrong key.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise IcemapError(f"{where}: {'; '.join(problems(error, model))}.") from error


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]


def _degrees(value: Any) -> Any:
    """``0.5``, ``10 arcmin`` and ``30 arcsec`` in degrees."""
    if isinstance(value, str):
        for unit, per_degree in (("arcmin", 60.0), ("arcsec", 3600.0), ("deg", 1.0), ("", 1.0)):
            if value.endswith(unit):
                try:
                    return float(value.removesuffix(unit)) / per_degree
                except ValueError:
                    raise ValueError(
                        f"'{value[:40]}' is no resolution: give degrees, or such as '10 arcmin' or"
                        " '30 arcsec'"
                    ) from None
    return value


class GridConfig(Section):
    """Extent in degrees; resolution in degrees or as ``10 arcmin`` or ``30 arcsec``; cells per side
    of a chunk.
    """

    west: float = -180.0
    """Western edge, degrees east."""
    south: float
    """Southern edge, degrees north."""
    east: float = 180.0
    """Eastern edge, degrees east; west of the western edge where the grid crosses the date line."""
    north: float = 90.0
    """Northern edge, degrees north."""
    resolution: Annotated[float, BeforeValidator(_degrees, json_schema_input_type=float | str)] = (
        Field(gt=0)
    )
    """Side of a cell: degrees, or such as '10 arcmin' or '30 arcsec'."""
    chunk: int = Field(default=256, ge=16)
    """Cells per side of a chunk, the part that a worker makes at a time."""

    @model_validator(mode="after")
    def _possible(self) -> GridConfig:
        rows, cols = self._cells
        cells = rows * cols
        if cells > MAX_CELLS:
            raise ValueError(
                f"the resolution of {self.resolution:g} degrees makes {cells:.2g} cells ({rows:.2g}"
                f" x {cols:.2g}), which is {4e-12 * cells:.2g} TB for each predictor and, at 0.1 ms"
                f" a cell, {cells * 1e-4 / 3600:.2g} hours of computing for the map: at most"
                f" {MAX_CELLS:.0e} cells can be mapped, choose a coarser resolution or a smaller"
                " extent"
            )
        return self

    @property
    def _cells(self) -> tuple[float, float]:
        """Rows and columns, not yet known to be whole numbers; a grid may cross the date line."""
        width = self.east - self.west
        return (self.north - self.south) / self.resolution, (
            width if width > 0 else width + 360
        ) / self.resolution

    @property
    def side(self) -> int:
        """Cells per side of a chunk: as asked for, but not much more than the grid has."""
        return min(
            self.chunk, max(SMALL_CHUNK, math.ceil(max(self._cells) / CHUNK_STEP) * CHUNK_STEP)
        )

    @property
    def grid(self) -> Grid:
        return Grid(self.west, self.south, self.east, self.north, self.resolution)


class TargetConfig(Section):
    """What is mapped. Bounds are physical limits in the unit, or null."""

    name: str = Field(default="vic", pattern=PLAIN_NAME)
    """Short name, after which files and variables are named."""
    long_name: str = "volumetric ice content"
    """Name in words, for legends and pages."""
    unit: str = "%"
    """Unit of the map; values of sites in another one are converted."""
    bounds: tuple[float, float] | None = (0.0, 100.0)
    """Lowest and highest value that is physically possible, in the unit; null for none."""

    @model_validator(mode="after")
    def _ordered(self) -> TargetConfig:
        problem = name_problem(self.name)
        if problem is not None:
            raise ValueError(problem)
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds {list(self.bounds)} are not in rising order")
        return self


class MaskConfig(Section):
    """Where the map is made, and what part of a cell counts in the ice storage.

    Cells are mapped where ``source`` (a catalogue entry) is ``at_least`` and ``at_most`` this. With
    ``counts: part`` its value is the part of the cell that counts (permafrost), with ``counts:
    rest`` the part that does not (lakes, glaciers). Sources in % are divided by 100.
    """

    source: str = Field(pattern=PLAIN_NAME)
    """Entry of the catalogue."""
    at_least: float | None = None
    """Cells are mapped where the source is this or more."""
    at_most: float | None = None
    """Cells are mapped where the source is this or less."""
    counts: Literal["part", "rest"] | None = None
    """Whether the source's value is the part of a cell that counts in totals, or the rest of it."""

    @model_validator(mode="after")
    def _of_use(self) -> MaskConfig:
        problem = name_problem(self.source)
        if problem is not None:
            raise ValueError(f"{problem} in the catalogue")
        if self.at_least is None and self.at_most is None and self.counts is None:
            raise ValueError(
                f"the mask '{self.source}' does nothing: give at_least, at_most or counts"
            )
        return self


class SitesConfig(Section):
    """A table of sites that already have one value of the target each.

    ``missing`` lists the codes that stand for no value, such as -9999; an empty list says that
    every number is a value.
    """

    table: str
    """The file: CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON."""
    value: str
    """Column with the values of the target."""
    unit: str | None = None
    """Unit of the values, where the header does not say it."""
    id: str | None = None
    """Column with the names of the sites."""
    standard_error: str | None = None
    """Column with the standard error of each value, in its unit; empty where it is not known."""
    longitude: str = "lon"
    """Column with degrees east, or the easting."""
    latitude: str = "lat"
    """Column with degrees north, or the northing."""
    crs: str | None = None
    """CRS of projected coordinates, such as EPSG:32606."""
    missing: tuple[float, ...] | None = None
    """Numbers that stand for no value, such as -9999; an empty list says that there are none."""


class LayerSource(Section):
    """Raw layers in one file or folder and the reader that understands them.

    ``support`` says whether the pieces are samples, which stand for their surroundings, or the
    layers of logs; without it the table decides. ``frozen`` says that all layers of the source were
    frozen ground. The other keys are for any table of one row per layer: ``columns`` names the
    table's columns (``site: Bohrung``), ``units`` their units where the header does not, or the
    columns that hold them, ``crs`` that of projected coordinates, ``missing`` what stands for no
    data, ``sheet`` the sheet of a workbook or the layer of a GeoPackage.
    """

    reader: Literal[
        "icemap", "jorgenson2025", "castagner2022", "mohammadi2024", "kanevskiy2024", "cf_profiles"
    ] = "icemap"
    """What understands the file: icemap for any table of one row per layer, else a published
    format.
    """
    path: str
    """The file, or the folder that a published format is made of."""
    support: Literal["samples", "logs"] | None = None
    """Whether the pieces are samples, which stand for their surroundings, or layers of logs."""
    frozen: Literal[True] | None = None
    """True says that all layers of the source were frozen ground."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column of the table is which: icemap's name to the table's."""
    units: dict[str, str] = Field(default_factory=dict)
    """Units of columns whose header says none, or the columns that hold them, by icemap's name."""
    crs: str | None = None
    """CRS of projected coordinates, such as EPSG:32606."""
    missing: tuple[str | float, ...] | None = None
    """Numbers and words of the table that stand for no data; [] says that every number is a value,
    without which numbers such as 9999, far outside the rest, are asked about.
    """
    sheet: str | None = None
    """Sheet of a workbook, or layer of a GeoPackage."""

    @model_validator(mode="after")
    def _only_for_any_table(self) -> LayerSource:
        given = [
            key for key in ("columns", "units", "crs", "missing", "sheet") if getattr(self, key)
        ]
        if self.reader != "icemap" and given:
            raise ValueError(
                f"'{given[0]}' is for any other table: the reader {self.reader} knows its own,"
                " remove the key or the reader"
            )
        return self


class BedrockConfig(Section):
    """Places known to be bedrock or thin sediment, with 0-5 % ice: pseudo-sites, where nobody
    drills.

    Either a ``table`` of places, or the rule that a ``predictor`` is ``below`` a value. They are
    trained on and marked, never scored, and never counted as boreholes.
    """

    table: str | None = None
    """A table of such places: CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON."""
    longitude: str = "lon"
    """Column of the table with degrees east, or the easting."""
    latitude: str = "lat"
    """Column of the table with degrees north, or the northing."""
    crs: str | None = None
    """CRS of projected coordinates of the table, such as EPSG:32606."""
    predictor: str | None = None
    """In place of a table: a continuous predictor that is low on such ground, such as the thickness
    of sediment.
    """
    below: float | None = None
    """Cells of the map where the predictor is lower are such ground, in its unit."""
    sites: int | None = Field(default=None, ge=1, le=100_000)
    """How many of these cells become pseudo-sites; null for as many as give them, among all
    samples, their share of the map, but at least 20 (or a tenth of the boreholes if that is less).
    """

    @model_validator(mode="after")
    def _table_or_rule(self) -> BedrockConfig:
        if (self.table is None) == (self.predictor is None):
            raise ValueError("give either 'table' (places) or 'predictor' and 'below' (a rule)")
        if (self.predictor is None) != (self.below is None):
            raise ValueError("'predictor' and 'below' go together: give both, or a 'table'")
        of_other = self.model_fields_set & (
            {"sites"} if self.predictor is None else {"longitude", "latitude", "crs"}
        )
        if of_other:
            what = "a rule" if self.predictor is None else "a table"
            raise ValueError(f"'{min(of_other)}' is for {what}: remove it")
        return self


class BoreholesConfig(Section):
    """Raw borehole layers, turned into one VIC per site."""

    layers: tuple[LayerSource, ...] = Field(min_length=1)
    """Tables of layers; all of them are used together."""
    permafrost_table: str | None = None
    """A table of active-layer thickness (CALM), for holes that say no permafrost table."""
    thickness: float = Field(default=5.0, gt=0)
    """Metres below the permafrost table whose mean ice content is mapped."""
    # Where little of the window is covered the standard error is large: a hole weighs by that, and
    # grades inform.
    grades: tuple[Literal["A", "B", "C", "D"], ...] = Field(
        default=("A", "B", "C", "D"), min_length=1
    )
    """Grades of boreholes that are used, A being the best sampled."""
    bedrock: BedrockConfig | None = None
    """Places of bedrock or thin sediment that the map is trained on as well, marked as
    pseudo-sites.
    """


class EnsembleConfig(Section):
    """How the ensemble is trained.

    ``recipe: published`` is that of Wang, Ran & Li (2026) as printed, whose COP-BMA is
    ``fitted_on`` the members' in-sample predictions unless told otherwise.
    """

    recipe: RecipeName = "icemap"
    """icemap's own recipe, or that of Wang, Ran & Li (2026) as printed."""
    fitted_on: FittedOn | None = None
    """With recipe: published, which predictions of the members COP-BMA is fitted on."""
    members: tuple[str, ...] = Field(default=MEMBER_NAMES, min_length=2)
    """Models of the ensemble: names of icemap's, or import paths of scikit-learn regressors."""
    replicates: int = Field(default=200, ge=1, le=100_000)
    """Repetitions on other splits of the samples, whose spread becomes the ensemble's."""
    folds: int = Field(default=10, ge=2, le=1000)
    """Folds by which out-of-fold predictions are made and settings are chosen."""
    held_out: float = Field(default=0.1, gt=0, lt=0.5)
    """Part of the samples that each replicate leaves out."""
    block_degrees: float = Field(default=10.0, gt=0)
    """Side of the blocks of spatial folds, degrees."""
    # Fitted on a few hundred clustered sites, free weights overfit.
    prior_strength: float | None = Field(default=None, ge=0)
    """Rows' worth of belief in the plain mean of the members: 0 is plain EM, null lets spatial
    folds choose.
    """
    climatology: float | None = Field(default=None, ge=0, le=1)
    """Share of climatology in the pool: 0 keeps it out, null lets spatial folds choose. Where both
    this and ``prior_strength`` are given, COP-BMA, quantile forest and Gaussian process have equal
    shares; else the folds choose those, too."""
    candidates: int = Field(default=8, ge=0, le=10_000)
    """Settings that the tuning tries for each member in addition to its defaults."""
    monotone: dict[str, Literal["rising", "falling"]] = Field(default_factory=dict)
    """Predictors along which the target only rises or only falls, for members that can hold it."""

    @model_validator(mode="after")
    def _different_members(self) -> EnsembleConfig:
        twice = sorted({name for name in self.members if self.members.count(name) > 1})
        if twice:
            raise ValueError(
                f"members lists {', '.join(twice)} twice: the same model again adds nothing,"
                " remove it"
            )
        return self

    @model_validator(mode="after")
    def _as_the_recipe_says(self) -> EnsembleConfig:
        Recipe.of(self.recipe, self.fitted_on)
        if self.recipe == "icemap":
            return self
        fixed: dict[str, tuple[bool, str]] = {
            "members": (
                set(self.members) == set(MEMBER_NAMES),
                f"has the members {', '.join(MEMBER_NAMES)}",
            ),
            "held_out": (
                self.held_out == PUBLISHED_HELD_OUT,
                f"holds {PUBLISHED_HELD_OUT:g} of the cells out",
            ),
            "prior_strength": (not self.prior_strength, "has no prior"),
            "climatology": (not self.climatology, "has no climatology"),
            "monotone": (not self.monotone, "holds no predictor monotone"),
            "replicates": (self.replicates >= 2, "takes its interval from several replicates"),
        }
        for key, (agrees, what) in fixed.items():
            if not agrees:
                value = getattr(self, key)
                given = (
                    ", ".join(map(str, value)) if isinstance(value, tuple | dict) else f"{value:g}"
                )
                raise ValueError(
                    f"{key}: {given} contradicts recipe: published, which {what}: remove {key}, or"
                    " set recipe to icemap"
                )
        return self


class VerificationConfig(Section):
    """How the ensemble is verified: the number of folds of each kind, how many places stand for the
    map, and what it is compared with.

    ``competitors`` are fitted again in every fold, with the combinations of the ensemble's own
    members, which cost nothing. ``classes`` are the limits of the classes of the target for which
    scores are given; without them, steps of 20 for a target of 0 to 100 %, and quarters of the
    samples for any other.
    """

    # Two clusters of sites are never equal, and kNNDM wants no fold above half of them.
    folds: int = Field(default=10, ge=3, le=1000)
    """Folds of each kind: random, spatial blocks, kNNDM, regions."""
    places: int = Field(default=2000, ge=100, le=10_000_000)
    """Cells that stand for the map, when folds imitate how far it is from its sites."""
    competitors: tuple[
        Literal["quantile_forest", "conformal_quantiles", "kriging", "published_recipe"], ...
    ] = (
        "quantile_forest",
        "conformal_quantiles",
        "kriging",
        "published_recipe",
    )
    """What the map is compared with, fitted again in every fold."""
    classes: tuple[float, ...] | None = Field(default=None, min_length=3)
    """Limits of the classes of the target for which scores are given, in its unit."""
    nugget: bool = False
    """Whether the map's interval is for one new borehole in a cell, whose spread within it (the
    nugget) is then included, or for the mean of the cell.
    """
    confidence: float | None = Field(default=None, ge=0.5, lt=1)
    """With which the map's interval covers 95 %, for example 0.9: of ten networks of boreholes nine
    have an interval that covers 95 % of new places or more. Without it, 95 % are covered on average
    over networks.
    """

    @model_validator(mode="after")
    def _rising(self) -> VerificationConfig:
        if self.classes is not None and list(self.classes) != sorted(set(self.classes)):
            raise ValueError(f"classes {list(self.classes)} are not in rising order")
        return self


class MapConfig(Section):
    """What is kept of the map in addition to its variables."""

    replicate_fields: bool = True
    """What every replicate predicts in every cell, one byte each: areas drawn afterwards get their
    interval from it. It is most of the map's size.
    """


class CompareConfig(Section):
    """An earlier map or run to compare the map with; the keys are the options of ``icemap
    compare``.

    ``other`` is a run folder, a raster or a file of polygons, or with ``catalog`` an entry there.
    ``classes`` is the table of what its classes hold, ``depth`` the metres that are compared.
    """

    other: str
    """Run folder, raster, file of polygons, or with catalog the name of an entry there."""
    name: str | None = Field(default=None, pattern=PLAIN_NAME)
    """What the files are named after; the other map's own name without it."""
    classes: str | None = None
    """Table of what the classes of the other map hold."""
    depth: float | None = Field(default=None, gt=0)
    """Metres below the permafrost table that are compared."""
    mask: Literal["fraction", "majority", "whole"] = "fraction"
    """What counts of a cell: its fraction, the whole cell where that is the majority, or all."""
    ice: Literal["excess", "total"] | None = None
    """Which ice the other map counts, where its table does not say."""
    catalog: str | None = None
    """Catalogue in which the other map is an entry."""
    attribute: str | None = None
    """Of polygons: the column with the codes of the table."""


class Config(Section):
    """A whole run."""

    run: str
    """Folder or bucket prefix that everything is written to, and that holds nothing else."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Start of all random numbers: the same seed makes the same map."""
    title: str = "Ground ice"
    """Title of the map, report and catalogues."""
    author: str = ""
    """Who made the map, as the report and the catalogue shall say it; nothing is taken from the
    machine.
    """
    licence: str = ""
    """Of the map: an SPDX identifier such as CC-BY-4.0, an address, or words."""
    citation: str = ""
    """How to cite the map."""
    grid: GridConfig
    """Extent and resolution of the map."""
    catalog: str
    """File that says how each source is read."""
    quick: bool = False
    """True makes a preview in minutes: few replicates, three folds and no competitors, whatever the
    other settings say, and settings of the members that are not chosen again without each fold.
    Every product says that it is one.
    """
    predictors: tuple[Annotated[str, Field(pattern=PLAIN_NAME)], ...] = Field(min_length=1)
    """Entries of the catalogue that the map is made from."""
    masks: tuple[MaskConfig, ...] = ()
    """Where the map is made, and what part of a cell counts in totals."""
    target: TargetConfig = TargetConfig()
    """What is mapped."""
    sites: SitesConfig | None = None
    """A table of sites with one value each; this or boreholes."""
    boreholes: BoreholesConfig | None = None
    """Raw layers of boreholes; this or sites."""
    ensemble: EnsembleConfig = EnsembleConfig()
    """How the ensemble is trained."""
    verification: VerificationConfig = VerificationConfig()
    """How the ensemble is verified, and what it is compared with."""
    map: MapConfig = MapConfig()
    """What is kept of the map in addition to its variables."""
    compare: tuple[CompareConfig, ...] = ()
    """Earlier maps that the report compares this one with."""

    @model_validator(mode="after")
    def _one_kind_of_sites(self) -> Config:
        if (self.sites is None) == (self.boreholes is None):
            raise ValueError("give either 'sites' (one value per site) or 'boreholes' (raw layers)")
        for name in self.predictors:
            problem = name_problem(name)
            if problem is not None:
                raise ValueError(f"predictors: {problem} in the catalogue")
        if self.ensemble.recipe == "published" and self.verification.nugget:
            raise ValueError(
                "verification.nugget: true contradicts ensemble.recipe: published, whose interval"
                " is that of its replicates alone: remove one of them"
            )
        if self.ensemble.recipe == "published" and self.verification.confidence is not None:
            raise ValueError(
                "verification.confidence contradicts ensemble.recipe: published, whose interval is"
                " that of its replicates alone: remove one of them"
            )
        bedrock = self.boreholes.bedrock if self.boreholes is not None else None
        if bedrock is not None and bedrock.predictor not in (None, *self.predictors):
            raise ValueError(
                f"boreholes.bedrock names the predictor {bedrock.predictor}, which predictors does"
                " not list"
            )
        foreign = sorted(set(self.ensemble.monotone) - set(self.predictors))
        if foreign:
            raise ValueError(
                f"ensemble.monotone names {', '.join(foreign)}, which predictors does not list"
            )
        twice = sorted({name for name in self.predictors if self.predictors.count(name) > 1})
        if twice:
            raise ValueError(f"predictors lists {', '.join(twice)} twice")
        return self

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.run)

    @property
    def preview(self) -> str:
        """What a preview says of itself; empty if this is none."""
        return PREVIEW if self.quick else ""


def load_config(url: str, *, quick: bool = False) -> Config:
    """Read and check a config file.

    The record of a run, ``provenance.json``, is one as well: with the settings and sources that it
    holds, the run is made in the folder that it is in.

    Parameters
    ----------
    url : str
        The file.
    quick : bool
        True for a preview, whether the file asks for one or not.

    Raises
    ------
    IcemapError
        One sentence naming the file and every wrong key.
    """
    config = _checked(
        url, _recorded(url) if url.rsplit("/", 1)[-1] == RECORD else _parse(url, read_text(url))
    )
    return _previewed(config) if quick or config.quick else config


def _previewed(config: Config) -> Config:
    """The settings of a preview; those of one stay as they are."""
    ensemble, verification = (
        section.model_copy(
            update={key: min(getattr(section, key), most) for key, most in limits.items()}
        )
        for section, limits in (
            (config.ensemble, QUICK_ENSEMBLE),
            (config.verification, QUICK_VERIFICATION),
        )
    )
    return config.model_copy(
        update={
            "quick": True,
            "title": config.title.removesuffix(PREVIEW_TITLE) + PREVIEW_TITLE,
            "ensemble": ensemble,
            "verification": verification.model_copy(update={"competitors": ()}),
        }
    )


def recorded_config(url: str, step: str) -> Config:
    """The settings that the product of a step was made from, of the record of a run."""
    content = _recorded(url)
    record = read_json(url).get("steps", {}).get(step, {})
    if "made_from" in record:
        content |= {**record["made_from"]["config"], "run": ".", "catalog": RECORD}
    return _checked(url, content)


def _recorded(url: str) -> Json:
    record = read_json(url)
    if (
        not isinstance(record, dict)
        or not isinstance(record.get("config"), dict)
        or not isinstance(record.get("sources"), dict)
    ):
        raise IcemapError(
            f"{url} is not the record of a run with its settings and sources: give the config that"
            " the run was made from."
        )
    return {**record["config"], "run": ".", "catalog": RECORD}


def _parse(url: str, text: str) -> Json:
    content = parse_yaml(url, text)
    if not isinstance(content, dict):
        raise IcemapError(
            f"{url} holds no settings: it must be a YAML mapping with the keys run, grid, catalog,"
            " predictors and sites or boreholes."
        )
    return content


def _checked(url: str, content: Json) -> Config:
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise IcemapError(f"{url}: {'; '.join(problems(error, Config))}.") from error
    try:
        config.grid.grid  # noqa: B018  (raises if the extent does not hold whole cells)
    except IcemapError as error:
        raise IcemapError(f"{url}, 'grid': {error}") from error
    if config.grid.side > MAX_CHUNK:
        side = config.grid.side
        raise IcemapError(
            f"{url}, 'grid.chunk': chunks of {side:,} x {side:,} cells take {4e-9 * side**2:,.3g}"
            f" GB for each predictor: give at most {MAX_CHUNK}, better 256 to 1024."
        )
    config = config.model_copy(
        update={"grid": config.grid.model_copy(update={"chunk": config.grid.side})}
    )
    resolved = _resolve(config, url)
    inputs = [("the config", url), ("catalog", resolved.catalog), *_tables(resolved)]
    if url.rsplit("/", 1)[-1] == RECORD:
        inputs = inputs[2:]
    require_own_folder(f"{url}, 'run': '{config.run}'", resolved.run, inputs)
    return resolved


def _tables(config: Config) -> Iterator[tuple[str, str]]:
    if config.sites is not None:
        yield "sites.table", config.sites.table
    if config.boreholes is not None:
        yield from (("boreholes.layers", layer.path) for layer in config.boreholes.layers)
        if config.boreholes.permafrost_table:
            yield "boreholes.permafrost_table", config.boreholes.permafrost_table
        if config.boreholes.bedrock is not None and config.boreholes.bedrock.table is not None:
            yield "boreholes.bedrock.table", config.boreholes.bedrock.table
    for one in config.compare:
        for key in ("other", "classes", "catalog"):
            value = getattr(one, key)
            if value is not None and (key != "other" or one.catalog is None):
                yield f"compare.{key}", value


def _resolve(config: Config, base: str) -> Config:
    changes: dict[str, Any] = {
        "run": resolve(config.run, base),
        "catalog": resolve(config.catalog, base),
    }
    if config.sites:
        changes["sites"] = config.sites.model_copy(
            update={"table": resolve(config.sites.table, base)}
        )
    if config.boreholes:
        update: dict[str, Any] = {
            "layers": tuple(
                s.model_copy(update={"path": resolve(s.path, base)})
                for s in config.boreholes.layers
            )
        }
        if config.boreholes.permafrost_table:
            update["permafrost_table"] = resolve(config.boreholes.permafrost_table, base)
        bedrock = config.boreholes.bedrock
        if bedrock is not None and bedrock.table is not None:
            update["bedrock"] = bedrock.model_copy(update={"table": resolve(bedrock.table, base)})
        changes["boreholes"] = config.boreholes.model_copy(update=update)
    changes["compare"] = tuple(_resolve_compared(one, base) for one in config.compare)
    return config.model_copy(update=changes)


def _resolve_compared(one: CompareConfig, base: str) -> CompareConfig:
    """With the paths of one comparison as seen from the config; an entry of a catalogue is none."""
    keys = ("classes", "catalog", *(("other",) if one.catalog is None else ()))
    given = {key: getattr(one, key) for key in keys if getattr(one, key) is not None}
    return one.model_copy(update={key: resolve(url, base) for key, url in given.items()})
