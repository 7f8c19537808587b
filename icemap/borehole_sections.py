"""The sections of the file that describes a run on tables: of sites, of layers and of bedrock."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from icemap.section import Section


class SitesConfig(Section):
    """A table of sites that already have one value of the target each. Ice contents are taken to be
    of the 5 m below the permafrost table, as totals are.

    ``missing`` lists the codes that stand for no value, such as -9999; an empty list says that
    every number is a value.
    """

    table: str
    """The file: CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON."""
    value: str
    """Column with the values of the target."""
    sheet: str | None = None
    """Sheet of a workbook, or layer of a GeoPackage."""
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
    """CRS of projected coordinates, such as EPSG:32606; EPSG:4326 confirms decimal
    degrees that look like something else.
    """
    missing: tuple[float, ...] | None = None
    """Numbers that stand for no value, such as -9999; an empty list says that there are none."""

    @model_validator(mode="after")
    def _different_columns(self) -> SitesConfig:
        keys = ("value", "id", "standard_error", "longitude", "latitude")
        first: dict[str, str] = {}
        for key in keys:
            column = getattr(self, key)
            if column is not None and first.setdefault(column, key) != key:
                raise ValueError(
                    f"'{first[column]}' and '{key}' are the same column, '{column}': name the"
                    " column of each"
                )
        return self


class CollarSource(Section):
    """Holes of which the layers are in another table, joined to them by their names: where they
    are, and what else is said once for each hole.
    """

    path: str
    """The file: CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON."""
    sheet: str | None = None
    """Sheet of a workbook, or layer of a GeoPackage."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column of the table is which: icemap's name to the table's."""


class LayerSource(Section):
    """Raw layers in one file or folder and the reader that understands them.

    ``support`` says whether the pieces are samples, which stand for their surroundings, or the
    layers of logs; without it the table decides. ``frozen`` says that all layers of the source were
    frozen ground. The other keys are for any table of one row per layer: ``columns`` names the
    table's columns (``site: Bohrung``), ``units`` their units where the header does not, or the
    columns that hold them, ``crs`` that of projected coordinates, ``missing`` what stands for no
    data, ``sheet`` the sheet of a workbook or the layer of a GeoPackage, ``collars`` the table that
    holds the places of the holes where that of the layers does not.
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
    """Which column of the table is which: icemap's name to the table's. With one for surface, the
    elevation of the ground at the hole, top and base are elevations.
    """
    units: dict[str, str] = Field(default_factory=dict)
    """Units of columns whose header says none, or the columns that hold them, by icemap's name."""
    crs: str | None = None
    """CRS of projected coordinates, such as EPSG:32606; EPSG:4326 confirms decimal
    degrees that look like something else.
    """
    missing: tuple[str | float, ...] | None = None
    """Numbers and words of the table that stand for no data; [] says that every number is a value,
    without which numbers such as 9999, far outside the rest, are asked about.
    """
    sheet: str | None = None
    """Sheet of a workbook, or layer of a GeoPackage."""
    collars: CollarSource | None = None
    """Table of the holes, where the layers are in one without places: joined by their names."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that are read."""
        return (self.path, *((self.collars.path,) if self.collars is not None else ()))

    @model_validator(mode="after")
    def _only_for_any_table(self) -> LayerSource:
        keys = ("columns", "units", "crs", "missing", "sheet", "collars")
        given = [key for key in keys if getattr(self, key)]
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
    sheet: str | None = None
    """Sheet of a workbook, or layer of a GeoPackage."""
    longitude: str = "lon"
    """Column of the table with degrees east, or the easting."""
    latitude: str = "lat"
    """Column of the table with degrees north, or the northing."""
    crs: str | None = None
    """CRS of projected coordinates of the table, such as EPSG:32606; EPSG:4326 for degrees."""
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
            {"sites"} if self.predictor is None else {"sheet", "longitude", "latitude", "crs"}
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
