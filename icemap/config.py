"""The one file a run is described by. Unknown keys are errors; paths are relative to the file; no
key or password has a place here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.bounds import contradiction
from icemap.config_sections import (
    PLAIN_NAME,
    CompareConfig,
    EnsembleConfig,
    GridConfig,
    MapConfig,
    MaskConfig,
    TargetConfig,
    VerificationConfig,
)
from icemap.errors import IcemapError
from icemap.json_records import Json
from icemap.names import ICE, in_words, name_problem
from icemap.own_folder import require_own_folder
from icemap.paths import resolve
from icemap.run_folder import RunFolder
from icemap.section import Section
from icemap.settings_text import parse_yaml, problems
from icemap.store import (
    RECORD,
    read_json,
    read_text,
)

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


class Config(Section):
    """A whole run."""

    run: str
    """Folder or bucket prefix that everything is written to, and that holds nothing else."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Start of all random numbers: the same seed makes the same map."""
    title: str = "Ground ice"
    """Title of the map, report and catalogues; without it that of a target other than ice is its
    name in words.
    """
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

    @model_validator(mode="before")
    @classmethod
    def _titled(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "title" in content:
            return content
        target = content.get("target")
        if not isinstance(target, dict) or target.get("name", ICE) == ICE:
            return content
        title = str(target.get("long_name", in_words(str(target["name"]))))
        return {**content, "title": title[:1].upper() + title[1:]}

    @field_validator("target")
    @classmethod
    def _agreeing(cls, target: TargetConfig) -> TargetConfig:
        problem = contradiction(target.name, target.unit, target.bounds)
        if problem is not None:
            raise ValueError(problem)
        return target

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
    _require_single(url, inputs)
    if url.rsplit("/", 1)[-1] == RECORD:
        inputs = inputs[2:]
    require_own_folder(f"{url}, 'run': '{config.run}'", resolved.run, inputs)
    return resolved


def _require_single(url: str, inputs: list[tuple[str, str]]) -> None:
    """Refuse a pattern in the place of a file: only the catalogue joins many files to one."""
    for key, path in inputs[1:]:
        name = path.rstrip("/").rsplit("/", 1)[-1]
        if "*" not in name:
            continue
        several = (
            "write an entry {path: ...} under layers for each file, all of which are used together"
            if key == "boreholes.layers"
            else "write the name of one file"
        )
        raise IcemapError(
            f"{url}, '{key}': '{name}' stands for all files that are called so, and one is needed:"
            f" {several}."
        )


def _tables(config: Config) -> Iterator[tuple[str, str]]:
    if config.sites is not None:
        yield "sites.table", config.sites.table
    if config.boreholes is not None:
        layers = config.boreholes.layers
        yield from (("boreholes.layers", path) for layer in layers for path in layer.paths)
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
            "layers": tuple(resolve_layers(source, base) for source in config.boreholes.layers)
        }
        if config.boreholes.permafrost_table:
            update["permafrost_table"] = resolve(config.boreholes.permafrost_table, base)
        bedrock = config.boreholes.bedrock
        if bedrock is not None and bedrock.table is not None:
            update["bedrock"] = bedrock.model_copy(update={"table": resolve(bedrock.table, base)})
        changes["boreholes"] = config.boreholes.model_copy(update=update)
    changes["compare"] = tuple(_resolve_compared(one, base) for one in config.compare)
    return config.model_copy(update=changes)


def resolve_layers(source: LayerSource, base: str) -> LayerSource:
    """A source of layers with its paths as seen from the file it is written in."""
    update: dict[str, Any] = {"path": resolve(source.path, base)}
    if source.collars is not None:
        path = resolve(source.collars.path, base)
        update["collars"] = source.collars.model_copy(update={"path": path})
    return source.model_copy(update=update)


def _resolve_compared(one: CompareConfig, base: str) -> CompareConfig:
    """With the paths of one comparison as seen from the config; an entry of a catalogue is none."""
    keys = ("classes", "catalog", *(("other",) if one.catalog is None else ()))
    given = {key: getattr(one, key) for key in keys if getattr(one, key) is not None}
    return one.model_copy(update={key: resolve(url, base) for key, url in given.items()})
