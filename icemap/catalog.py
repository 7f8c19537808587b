"""The catalogue of sources: an intake (version 2) file whose entries also say how each predictor is
made.

``data`` lists files, with licence and citation; ``entries`` lists predictors made from them, and
their ``metadata`` holds the keys of `SourceConfig`. An entry whose metadata has ``derived`` is
computed from other entries and has no ``data`` of its own. The file is read here as plain YAML:
nothing in it can run code.
"""

from __future__ import annotations

import datetime
import re
import reprlib
from typing import Annotated, Any, Literal

from pydantic import (
    AllowInfNan,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from icemap.addresses import shown
from icemap.companions import SIDECARS
from icemap.config import Section
from icemap.errors import IcemapError
from icemap.names import require_free_name
from icemap.paths import resolve
from icemap.settings_text import parse_yaml, problems
from icemap.store import RECORD, filesystem, is_remote, read_json, read_text, storage_errors
from icemap.units import part_of_one

Family = Literal["paleoclimate", "climate", "remote_sensing", "topography", "geology", "mask"]
Reduction = Literal["mean", "min", "max", "sum", "range"]
# What intake opens an entry with, what that gives, and what a file is to intake, which leaves the
# reading of it to the reader.
READER = "icemap.predictors.intake_reader:PredictorReader"
OUTPUT = "xarray:DataArray"
DATATYPE = "intake.readers.datatypes:FileData"
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
        single, ice = len(self.of) == 1, self.how == DEGLACIATION
        sought = bool(self.codes) or self.at_least is not None or self.at_most is not None
        for key, given, needed in (
            (
                "radius",
                self.radius is not None,
                self.how in (*NEIGHBOURHOOD, WETNESS, "distance_to"),
            ),
            ("ages", bool(self.ages), ice),
            (
                "at_least" if ice else "codes, at_least or at_most",
                self.at_least is not None if ice else sought,
                ice or self.how == "distance_to",
            ),
            (
                ("codes or at_most", bool(self.codes) or self.at_most is not None, False)
                if ice
                else ("", False, False)
            ),
            (
                "along",
                self.along is not None,
                single and (self.how in MONTHLY or (ice and len(self.ages) > 1)),
            ),
        ):
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
    """A place on further axes: a value, a label, or a date of a time axis (2019-07,
    2019-07-01T06).
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
    """True says that files which cover one another are meant to: the first with a value counts."""
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

    @model_validator(mode="after")
    def _classes_named(self) -> SourceConfig:
        if self.kind == "class" and not self.classes and self.rasterize is not None:
            raise ValueError(
                "a source of kind 'class' needs 'classes', a mapping from code to name"
            )
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

    def settings(self) -> dict[str, Any]:
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

    def words(self) -> dict[str, Any]:
        """What is said about it and changes none of its values, the names of its classes and file
        among that.
        """
        own = self.model_dump(mode="json", include={*SOURCE_WORDS, "classes"})
        return {**own, "origin": self.origin, "inputs": [source.words() for source in self.inputs]}


def read_catalog(url: str) -> dict[str, Any]:
    """The parsed catalogue with its ``data`` and ``entries``.

    Raises
    ------
    IcemapError
        If the file is not YAML or not a version 2 catalogue.
    """
    content = parse_yaml(url, read_text(url))
    if (
        not isinstance(content, dict)
        or content.get("version") != 2
        or not isinstance(content.get("entries"), dict)
    ):
        raise IcemapError(
            f"{url} is not a catalogue: it must be an intake file with 'version: 2', 'data' and"
            " 'entries'."
        )
    data = content.get("data")
    for name in [*content["entries"], *(data if isinstance(data, dict) else ())]:
        if not isinstance(name, str):
            raise IcemapError(
                f"{url} has the name {name}, which YAML reads as no text: write '{name}' in quotes."
            )
    return content


def load_sources(url: str, names: list[str]) -> dict[str, Source]:
    """The named entries of a catalogue, or of the sources that the record of a run holds.

    Raises
    ------
    IcemapError
        If an entry is missing or wrong; names the file, the entry and the key.
    """
    if url.rsplit("/", 1)[-1] == RECORD:
        recorded = _mapping(
            _mapping(read_json(url), url).get("sources", {}), f"{url}, key 'sources'"
        )
        sources = {
            name: _validated(url, name, _mapping(recorded.get(name), f"{url}, source '{name}'"))
            for name in names
        }
        return {name: _located(source, url) for name, source in sources.items()}
    for name in names:
        require_free_name(name, f"{url}, entry '{name}'")
    content = read_catalog(url)
    return {name: _source(url, name, content) for name in names}


def _source(url: str, name: str, content: dict[str, Any], path: tuple[str, ...] = ()) -> Source:
    entries = content["entries"]
    if name not in entries:
        asked = f", which '{path[-1]}' is derived from" if path else ""
        raise IcemapError(
            f"{url} has no entry '{name}'{asked}: add it, or use one of"
            f" {', '.join(sorted(entries))}."
        )
    if name in path:
        raise IcemapError(
            f"{url}: the derivation {' of '.join([*path, name])} goes in a circle; derive one of"
            " them from a file."
        )
    entry = _mapping(entries[name], f"{url}, entry '{name}'")
    metadata = _mapping(entry.get("metadata") or {}, f"{url}, entry '{name}', key 'metadata'")
    made_from = {} if "derived" in metadata else _data(url, name, entry, content)
    source = _validated(url, name, {**metadata, "name": name, **made_from})
    if source.derived is None:
        return source
    inputs = tuple(_source(url, other, content, (*path, name)) for other in source.derived.of)
    if source.derived.along is not None:
        inputs = _steps(
            url, name, inputs[0], source.derived.along, len(source.derived.ages) or MONTHS
        )
    _require_fitting(url, source, inputs)
    first = dict.fromkeys(leaf.citation for item in inputs for leaf in item.leaves if leaf.citation)
    licences = dict.fromkeys(
        leaf.licence for item in inputs for leaf in item.leaves if leaf.licence
    )
    return source.model_copy(
        update={"inputs": inputs, "citation": "; ".join(first), "licence": "; ".join(licences)}
    )


def _data(url: str, name: str, entry: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Address, licence and citation of the file or files of an entry."""
    kwargs = _mapping(entry.get("kwargs") or {}, f"{url}, entry '{name}', key 'kwargs'")
    reference = str(kwargs.get("data", ""))
    match = re.fullmatch(r"\{data\(([^)]+)\)\}", reference)
    listed = _mapping(content.get("data") or {}, f"{url}, key 'data'")
    if match is None or listed.get(match.group(1)) is None:
        raise IcemapError(
            f"{url}, entry '{name}': kwargs.data is '{reference}', give '{{data(NAME)}}' with a"
            " NAME listed under 'data'."
        )
    where = f"{url}, data '{match.group(1)}'"
    data = _mapping(listed[match.group(1)], where)
    given = _mapping(data.get("kwargs") or {}, f"{where}, key 'kwargs'").get("url", "")
    if not given:
        raise IcemapError(f"{where}: kwargs.url is missing.")
    metadata = _mapping(data.get("metadata") or {}, f"{where}, key 'metadata'")
    about = {"licence": metadata.get("licence", ""), "citation": metadata.get("citation", "")}
    if isinstance(given, list):
        return {
            **about,
            "url": str(given[0]),
            "parts": tuple(_location(str(part), url) for part in given),
        }
    location = _location(str(given), url)
    return {
        **about,
        "url": location,
        "parts": _matching(location, where) if "*" in location else (),
    }


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise IcemapError(
            f"{where} is {reprlib.repr(_hidden(value))[:80]}, but must hold keys and values."
        )
    return value


def _hidden(value: Any) -> Any:
    """Before a value is cut short, in which the end of an address would be lost."""
    return shown(value) if isinstance(value, str) else value


def _matching(pattern: str, where: str) -> tuple[str, ...]:
    """The files that a pattern with ``*`` names, sorted."""
    with storage_errors(pattern, "list"):
        fs, path = filesystem(pattern)
        found = sorted(
            str(fs.unstrip_protocol(match)) if is_remote(pattern) else str(match)
            for match in fs.glob(path)
        )
    # dem/* is not meant to name what is next to the rasters.
    found = [match for match in found if not match.lower().endswith(SIDECARS)] or found
    if not found:
        raise IcemapError(f"{where}: no file matches {pattern}, correct kwargs.url.")
    return tuple(found)


def _steps(url: str, name: str, source: Source, along: str, count: int) -> tuple[Source, ...]:
    if source.derived is not None or source.is_virtual:
        raise IcemapError(
            f"{url}, entry '{name}': 'along' takes apart an axis of a file, and '{source.name}' has"
            f" none; name {count} entries in 'of'."
        )
    return tuple(
        source.model_copy(
            update={"name": f"{source.name}[{along} {step}]", "step": (along, step, count)}
        )
        for step in range(count)
    )


def _require_fitting(url: str, source: Source, inputs: tuple[Source, ...]) -> None:
    """Inputs that a derivation cannot use are named here, before anything is read."""
    derived = source.derived
    assert derived is not None
    for item in inputs:
        where = f"{url}, entry '{source.name}': '{derived.how}' of '{item.name}'"
        if (item.kind == "class") != bool(derived.codes):
            wanted = (
                "names no 'codes', but that is a class"
                if item.kind == "class"
                else "names 'codes', but that is not a class"
            )
            raise IcemapError(f"{where} {wanted}; correct 'of' or 'codes'.")
        unknown = sorted(set(derived.codes) - set(item.classes))
        if unknown and item.classes:
            raise IcemapError(
                f"{where}: the class code {unknown[0]} is not among its 'classes'"
                f" {sorted(item.classes)}."
            )
        metres = derived.how in (*TERRAIN, *NEIGHBOURHOOD, WETNESS)
        if metres or (derived.how in MONTHLY and derived.how != "temperature_range"):
            wanted_units = ("m",) if metres else (*CELSIUS, *KELVIN)
            if item.unit not in wanted_units:
                raise IcemapError(
                    f"{where} needs the unit {' or '.join(wanted_units)}, but its unit is"
                    f" '{item.unit}'."
                )
    if len({item.unit for item in inputs}) > 1:
        raise IcemapError(
            f"{url}, entry '{source.name}': its inputs have different units"
            f" ({', '.join(f'{i.name} {i.unit}' for i in inputs)}); convert one."
        )


def _validated(url: str, name: str, content: dict[str, Any]) -> Source:
    try:
        return Source.model_validate(content)
    except ValidationError as error:
        found = "; ".join(problems(error, Source))
        raise IcemapError(f"{url}, entry '{name}': {found}.") from error


def _located(source: Source, record_url: str) -> Source:
    """A source of a record, which keeps ``{env(NAME)}`` as it was written."""
    changes: dict[str, Any] = {"inputs": tuple(_located(one, record_url) for one in source.inputs)}
    if source.url:
        changes["url"] = _location(source.url, record_url)
    changes["parts"] = tuple(_location(part, record_url) for part in source.parts)
    return source.model_copy(update=changes)


def _location(location: str, catalog_url: str) -> str:
    if location.startswith(VIRTUAL_ARCTIC):
        return location
    return resolve(location.replace("{CATALOG_DIR}/", ""), catalog_url)
