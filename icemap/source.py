"""One predictor of the catalogue: how its file is read, or how it is computed from others."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BeforeValidator, ConfigDict, Field, model_validator

from icemap.addresses import shown
from icemap.section import Section
from icemap.units import part_of_one

Family = Literal["paleoclimate", "climate", "remote_sensing", "topography", "geology", "mask"]
Reduction = Literal["mean", "min", "max", "sum", "range"]
VIRTUAL_ARCTIC = "virtual-arctic:"
MONTHS = 12
TERRAIN = ("slope", "aspect_sin", "aspect_cos")
NEIGHBOURHOOD = ("tpi", "roughness")
WETNESS = "wetness"
DEGLACIATION = "deglaciation_age"
MONTHLY = ("thawing_degree_days", "freezing_degree_days", "frost_number", "temperature_range")
DERIVATIONS = (
    *TERRAIN,
    *NEIGHBOURHOOD,
    WETNESS,
    *MONTHLY,
    "difference",
    "distance_to",
    DEGLACIATION,
)
CELSIUS, KELVIN = ("degC", "°C", "celsius"), ("K", "kelvin")
# Keys of a source for people alone; what its class codes are called is words as well.
SOURCE_WORDS = ("family", "long_name", "licence", "citation")
# Keys that say how a raster is read, and those for the numbers in it.
RASTER_KEYS = ("variable", "x", "y", "select", "reduce", "fraction_of", "overlay", "fill_nearest")
NUMBER_KEYS = ("file_unit", "scale", "offset")
# What a derived predictor may say about itself; the other keys tell how a file is read.
DERIVED_KEYS = {"family", "long_name", "unit", "kind", "valid_range", "fill_value", "derived"}


class Derivation(Section):
    """How a predictor is computed from others on the map's grid.

    ``radius`` (km) belongs to tpi, roughness, wetness and distance_to, which is told what to look
    for by ``codes`` of a class, ``at_least`` or ``at_most``. Monthly derivations take twelve
    entries, or one entry and the axis ``along`` which its months lie (``band`` in a raster). The
    deglaciation age likewise takes the ice cover at each of ``ages`` (thousand years), in this
    order; a cell is covered where the value is ``at_least`` this.
    """

    how: str = Field(json_schema_extra={"enum": list(DERIVATIONS)})
    """Name of the derivation."""
    of: tuple[str, ...] = Field(min_length=1)
    """Entries of the catalogue that it is computed from."""
    radius: float | None = Field(default=None, gt=0)
    """Kilometres around a cell that are looked at."""
    along: str | None = None
    """Axis along which the months or ages of a single entry lie; band in a raster."""
    codes: tuple[int, ...] = ()
    """Class codes that the distance is measured to."""
    ages: tuple[float, ...] = ()
    """Thousand years before present of each ice cover, in the order of the entries."""
    at_least: float | None = None
    """What is looked for is this or more."""
    at_most: float | None = None
    """What is looked for is this or less."""

    @model_validator(mode="after")
    def _complete(self) -> Derivation:
        if self.how not in DERIVATIONS:
            raise ValueError(
                f"there is no derivation '{self.how}', use one of {', '.join(DERIVATIONS)}"
            )
        wanted = {
            "difference": (2,),
            **dict.fromkeys(MONTHLY, (1, MONTHS)),
            DEGLACIATION: tuple({1, max(len(self.ages), 1)}),
        }.get(self.how, (1,))
        if len(self.of) not in wanted:
            raise ValueError(
                f"'{self.how}' is made of {' or '.join(map(str, wanted))} entries, but 'of' names"
                f" {len(self.of)}"
            )
        # Each key, whether it is given, and whether the derivation needs it.
        single, any_codes = len(self.of) == 1, bool(self.codes)
        above, below = self.at_least is not None, self.at_most is not None
        around = self.how in (*NEIGHBOURHOOD, WETNESS, "distance_to")
        keys = [("radius", self.radius is not None, around)]
        if self.how == DEGLACIATION:
            keys += [
                ("ages", bool(self.ages), True),
                ("at_least", above, True),
                ("codes or at_most", any_codes or below, False),
            ]
            in_one = len(self.ages) > 1
        else:
            sought = any_codes or above or below
            keys += [
                ("ages", bool(self.ages), False),
                ("codes, at_least or at_most", sought, self.how == "distance_to"),
            ]
            in_one = self.how in MONTHLY
        keys.append(("along", self.along is not None, single and in_one))
        for key, given, needed in keys:
            if given != needed:
                raise ValueError(
                    f"'{self.how}' of {len(self.of)} {'needs' if needed else 'takes no'} {key}"
                )
        return self

    @property
    def text(self) -> str:
        """In words, for the cube's attributes."""
        options = {
            key: value
            for key, value in self.model_dump(exclude={"how", "of"}).items()
            if value not in (None, ())
        }
        return ", ".join(
            [
                f"{self.how} of {', '.join(self.of)}",
                *(f"{key} {value}" for key, value in options.items()),
            ]
        )


class Rasterize(Section):
    """How polygons become cells.

    ``into`` class or value takes the ``attribute`` of the polygon at each of ``samples`` x
    ``samples`` points in a cell (the mode, or the mean), fraction the part of these points that lie
    in a polygon, or that a line passes. Points in no polygon have the ``fill_value`` of the source,
    or no say. ``codes`` turns the attribute's words into class codes; with fraction, ``only``
    chooses polygons by it.
    """

    # Words may look like numbers.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    into: Literal["class", "fraction", "value"]
    """What a cell gets: the class or mean value of the polygons in it, or the part that they
    cover.
    """
    attribute: str | None = None
    """Column of the polygons that is read."""
    layer: str | None = None
    """Layer of a file that has several."""
    codes: dict[str, int] = Field(default_factory=dict)
    """Class code of each word of the attribute."""
    only: tuple[str, ...] = ()
    """Words of the attribute whose polygons count; all without it."""
    samples: int = Field(default=8, ge=1, le=32)
    """Points per side of a cell at which the polygons are asked."""

    @model_validator(mode="after")
    def _complete(self) -> Rasterize:
        if self.into != "fraction" and self.attribute is None:
            raise ValueError(f"rasterizing into '{self.into}' needs 'attribute'")
        if self.codes and self.into != "class":
            raise ValueError("'codes' belong to rasterizing into class")
        if self.into == "fraction" and self.attribute is not None and not self.only:
            raise ValueError(
                "rasterizing into fraction takes an 'attribute' only to choose polygons by 'only':"
                " give that, leave 'attribute' out, or take its numbers by into: value"
            )
        if self.only and (self.into != "fraction" or self.attribute is None):
            raise ValueError(
                "'only' belongs to rasterizing into fraction, with the 'attribute' that it"
                " chooses by"
            )
        return self


def _as_text(value: Any) -> Any:
    """``variable: 2`` is the name or number 2."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_date(value: Any) -> Any:
    """YAML makes dates of what looks like one."""
    if isinstance(value, datetime.datetime):
        return (
            value.replace(tzinfo=None).isoformat()
            if value.utcoffset() is None
            else value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat()
        )
    return value.isoformat() if isinstance(value, datetime.date) else value


class SourceConfig(Section):
    """How one predictor is read from its file.

    What the file itself says counts, and is compared: its unit is converted to ``unit``, and its
    classes, missing values, scale and offset are read. ``file_unit`` stands in for the unit of a
    file that says none or a wrong one, after all scaling. ``nodata`` are values as the file stores
    them, before scale and offset. Values that the file means as missing without saying so are
    refused, unless ``valid_range`` (in ``unit``) includes them. A file with a colour table or flags
    needs a ``kind``. ``overlay: true`` says that files which cover one another are meant to: the
    first with a value counts.
    """

    family: Family
    """Group of predictors that it belongs to; a word for pages, which changes no number."""
    long_name: str
    """Name in words, for legends and pages."""
    unit: str
    """Unit of the predictor; values of a file in another one are converted."""
    file_unit: str | None = None
    """Unit of the file's values after all scaling, where the file says none or a wrong one."""
    # None, if nothing is said, is continuous, but for a file that looks like classes.
    kind: Literal["continuous", "class"] | None = None
    """Whether values are quantities, of which means are taken, or codes of classes."""
    variable: Annotated[
        str | None, BeforeValidator(_as_text, json_schema_input_type=str | int | None)
    ] = None
    """In NetCDF, HDF and Zarr its name, with its groups (a/b/name); in a raster the number or the
    name of a band.
    """
    x: str | None = None
    """Dimension that runs east, where its name and attributes do not say so."""
    y: str | None = None
    """Dimension that runs north, where its name and attributes do not say so."""
    select: dict[str, Annotated[float | str, BeforeValidator(_as_date)]] = Field(
        default_factory=dict
    )
    """A place on further axes: a value, a label, a date of a time axis (2019-07,
    2019-07-01T06), or ``place 7``, the seventh, where an axis has no values.
    """
    reduce: dict[str, Reduction] = Field(default_factory=dict)
    """How further axes are reduced."""
    crs: str | None = None
    """CRS of the file, in place of its own."""
    nodata: tuple[Annotated[float, AllowInfNan(True)], ...] = ()
    """Values that mean missing, as the file stores them, besides those that it declares."""
    scale: float | None = None
    """Factor to the unit. Of a raster: in place of its own, which counts by default; of NetCDF, HDF
    and Zarr: after theirs.
    """
    offset: float | None = None
    """What is added after the factor, as for scale."""
    valid_range: tuple[float, float] | None = None
    """Lowest and highest value that is real, in the unit: says that one like -9999 is no code for
    missing.
    """
    fill_value: float | None = None
    """What missing cells get."""
    fill_nearest: int = Field(default=0, ge=0)
    """A missing cell takes the nearest value up to this many cells of the file away."""
    classes: dict[int, str] = Field(default_factory=dict)
    """Name of each class code, 0 to 254; without it the file's own names."""
    fraction_of: tuple[int, ...] = ()
    """Codes of a class raster: the predictor is the part of a cell that they cover."""
    overlay: bool = False
    """True says that files which cover one another, or differ where they overlap, are meant to: the
    first with a value counts.
    """
    rasterize: Rasterize | None = None
    """For a file of polygons: how they become cells."""
    derived: Derivation | None = None
    """For a predictor without a file: how it is computed from other entries."""

    @model_validator(mode="after")
    def _fits_together(self) -> SourceConfig:
        if self.derived is not None:
            foreign = sorted(set(SourceConfig.model_fields) & self.model_fields_set - DERIVED_KEYS)
            if foreign or self.kind == "class":
                raise ValueError(
                    "a derived predictor is continuous and takes no"
                    f" '{foreign[0] if foreign else 'kind'}'"
                )
        if self.rasterize is not None and (self.rasterize.into == "class") != (
            self.kind == "class"
        ):
            raise ValueError(
                f"polygons rasterized into '{self.rasterize.into}' do not make a source of kind"
                f" '{self.kind or 'continuous'}'"
            )
        self._require_no_raster_keys()
        unnamed = sorted(
            {*self.fraction_of, *(self.rasterize.codes.values() if self.rasterize else ())}
            - set(self.classes)
        )
        # Without 'classes' the file is asked for them.
        if unnamed and (self.classes or self.rasterize is not None):
            raise ValueError(
                f"the class code {unnamed[0]} is not among the 'classes' {sorted(self.classes)}"
            )
        if self.fraction_of and self.kind == "class":
            raise ValueError(
                "a fraction_of classes is a continuous predictor: leave out kind: class"
            )
        if (
            self.fraction_of or (self.rasterize and self.rasterize.into == "fraction")
        ) and part_of_one(self.unit) not in (1.0, 0.01):
            raise ValueError(f"a fraction has the unit 1 or %, not '{self.unit}'")
        return self

    def _require_no_raster_keys(self) -> None:
        """What says how a raster is read would be passed over for polygons."""
        if self.rasterize is None:
            return
        foreign = [key for key in RASTER_KEYS if getattr(self, key)]
        if self.rasterize.into != "value":
            foreign += [key for key in NUMBER_KEYS if getattr(self, key) is not None]
        if foreign:
            raise ValueError(
                f"polygons that are rasterized into {self.rasterize.into} take no '{foreign[0]}'"
            )

    @model_validator(mode="after")
    def _values_kept(self) -> SourceConfig:
        if self.kind == "class" and not self.classes and self.rasterize is not None:
            raise ValueError(
                "a source of kind 'class' needs 'classes', a mapping from code to name"
            )
        if self.scale == 0:
            raise ValueError("a scale of 0 makes all values one: give the factor, or remove it")
        if any(not 0 <= code <= 254 for code in self.classes):
            raise ValueError("class codes must lie in 0-254 (255 is nodata)")
        return self


class Source(SourceConfig):
    """One predictor of the catalogue, ready to open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name of the entry."""
    url: str = ""
    """Of its file; as written in the catalogue for many files; empty for a derived predictor."""
    parts: tuple[str, ...] = ()
    """The files of a mosaic."""
    step: tuple[str, int, int] | None = None
    """Axis that a derivation takes apart, position along it, and its length."""
    licence: str = ""
    """Terms under which the file may be used."""
    citation: str = ""
    """How the file is cited."""
    inputs: tuple[Source, ...] = ()
    """What a derived predictor is computed from."""

    @model_validator(mode="after")
    def _classes_from_a_file(self) -> Source:
        if self.kind == "class" and not self.classes and (self.is_virtual or not self.url):
            raise ValueError(
                "a source of kind 'class' needs 'classes', a mapping from code to name"
            )
        return self

    @property
    def is_virtual(self) -> bool:
        return self.url.startswith(VIRTUAL_ARCTIC)

    @property
    def leaves(self) -> tuple[Source, ...]:
        """The sources with files that it is made from in the end: itself, if it is not derived."""
        return (
            tuple(leaf for source in self.inputs for leaf in source.leaves)
            if self.derived
            else (self,)
        )

    @property
    def files(self) -> tuple[str, ...]:
        """All files it is made from, in order, none twice."""
        mine = [
            url for leaf in self.leaves if not leaf.is_virtual for url in leaf.parts or (leaf.url,)
        ]
        # The attributes of a Shapefile are next to it.
        tables = [url[:-4] + ".dbf" for url in mine if url.endswith(".shp")]
        return tuple(dict.fromkeys([*mine, *tables]))

    @property
    def origin(self) -> str:
        """What it is made from, for people: a file name, or a derivation of some."""
        if self.derived is not None:
            return (
                f"{self.derived.how} of"
                f" {', '.join(dict.fromkeys(leaf.origin for leaf in self.leaves))}"
            )
        return shown(self.url).rstrip("/").rsplit("/", 1)[-1]

    def scaled(self, values: Any, scale: float = 1.0, offset: float = 0.0) -> Any:
        """Physical values from those in the file, whose own scale and offset give way to the
        catalogue's.
        """
        return values * (scale if self.scale is None else self.scale) + (
            offset if self.offset is None else self.offset
        )

    def settings(self) -> dict[str, object]:
        """All that its values depend on besides the content of its files: neither their addresses
        nor words.
        """
        own = self.model_dump(
            mode="json", exclude={"url", "parts", "inputs", "classes", *SOURCE_WORDS}
        )
        return {
            **own,
            "classes": sorted(self.classes),
            "inputs": [source.settings() for source in self.inputs],
        }

    def words(self) -> dict[str, object]:
        """What is said about it and changes none of its values, the names of its classes and file
        among that.
        """
        own = self.model_dump(mode="json", include={*SOURCE_WORDS, "classes"})
        return {**own, "origin": self.origin, "inputs": [source.words() for source in self.inputs]}
