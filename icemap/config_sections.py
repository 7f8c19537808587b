"""The sections of the file that describes a run, and what each key of them may be."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from icemap import bounds as of_bounds
from icemap.grid import Grid
from icemap.names import ICE, ICE_IN_WORDS, in_words, name_problem
from icemap.recipe import MEMBER_NAMES, PUBLISHED_HELD_OUT, FittedOn, Recipe, RecipeName
from icemap.section import Section

# Names become parts of paths, where no separator and no leading dot may be.
PLAIN_NAME = r"^\w[\w.-]*$"
# A million km2 at 10 m; the circum-Arctic at 6 arc seconds.
MAX_CELLS = 1e10
# Degrees: a larger number is meant in another unit.
MAX_RESOLUTION = 5.0
# Chunks that are larger than the grid are cut to a multiple of this, but not below the smaller
# number.
CHUNK_STEP, SMALL_CHUNK = 64, 256


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
    """Side of a cell: degrees, at most 5, or such as '10 arcmin' or '30 arcsec'."""
    chunk: int = Field(default=256, ge=16)
    """Cells per side of a chunk, the part that a worker makes at a time."""

    @model_validator(mode="after")
    def _possible(self) -> GridConfig:
        if self.resolution > MAX_RESOLUTION:
            raise ValueError(
                f"the resolution {self.resolution:g} is in degrees, cells of"
                f" {111 * self.resolution:,.0f} km: write '{self.resolution:g} arcmin' or"
                f" '{self.resolution:g} arcsec' if these are meant, and at most"
                f" {MAX_RESOLUTION:g} degrees"
            )
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
    """What is mapped. Bounds are physical limits in the unit; null for an end that there is not, or
    for none at all.

    Without the key they follow from the unit: 0 to 100 for %, 0 to 1 for a fraction, 0 or more for
    lengths, areas, volumes, masses, densities and kelvins, none for anything else.
    """

    name: str = Field(default=ICE, pattern=PLAIN_NAME)
    """Short name, after which files and variables are named."""
    long_name: str = Field(
        default_factory=lambda known: in_words(known.get("name", ICE)),
        json_schema_extra={"default": ICE_IN_WORDS},
    )
    """Name in words, for legends and pages; without it that of the short name."""
    unit: str = "%"
    """Unit of the map; values of sites in another one are converted."""
    bounds: tuple[float | None, float | None] | None = Field(
        default_factory=lambda known: of_bounds.usual_bounds(known.get("unit", "%")),
        json_schema_extra={"default": [0.0, 100.0]},
    )
    """Lowest and highest value that is physically possible, in the unit; null for none."""

    @model_validator(mode="after")
    def _ordered(self) -> TargetConfig:
        problem = name_problem(self.name)
        if problem is not None:
            raise ValueError(problem)
        if not self.limits[0] < self.limits[1]:
            raise ValueError(f"bounds {list(self.bounds or ())} are not in rising order")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The bounds, infinite where there are none."""
        return of_bounds.limits(self.bounds)

    @property
    def closed_bounds(self) -> tuple[float, float] | None:
        """The bounds if they have both ends, else None."""
        return of_bounds.closed(self.bounds)


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
        low, high = self.at_least, self.at_most
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"no cell can be in the mask '{self.source}': at_least {low:g} is above at_most"
                f" {high:g}; exchange them, or give one of them"
            )
        return self


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
    position: bool | None = None
    """Whether the position of a place, as a unit vector, is among the predictors; null lets spatial
    folds choose."""

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
            "position": (not self.position, "does not know the position"),
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
    """What the map is compared with, fitted again in every fold; the published recipe, which takes
    longest, in random and kNNDM folds alone."""
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
