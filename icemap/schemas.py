"""JSON schemas of config and catalogue, by which editors complete and check what is typed."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from icemap.config import Config
from icemap.json_records import Json
from icemap.source import SourceConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Part(BaseModel):
    """A part of the catalogue's file, which intake reads as well, with keys of its own."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)


class FileKwargs(_Part):
    """Where a file is."""

    url: str | list[str]
    """Address of the file, seen from the catalogue; many with * or as a list; {env(ICEMAP_...)}
    stands for an environment variable.
    """


class FileMetadata(_Part):
    """Whose a file is."""

    licence: str = ""
    """Terms under which it may be used."""
    citation: str = ""
    """How it is cited."""


class CatalogFile(_Part):
    """One file, or many that are read as one."""

    kwargs: FileKwargs
    """Where it is."""
    metadata: FileMetadata = FileMetadata()
    """Whose it is."""


class EntryKwargs(_Part):
    """What an entry is made from."""

    data: Annotated[str, Field(pattern=r"^\{data\(.+\)\}$")] | None = None
    """{data(NAME)}, with a NAME listed under data."""


class Entry(_Part):
    """One predictor or mask."""

    kwargs: EntryKwargs | None = None
    """What it is made from; none for a derived predictor."""
    metadata: SourceConfig
    """How it is read."""


class Catalog(_Part):
    """The catalogue of sources: an intake (version 2) file."""

    version: Literal[2]
    """Of intake's format."""
    data: dict[str, CatalogFile] = Field(default_factory=dict)
    """The files, each under a name."""
    entries: dict[str, Entry]
    """The predictors and masks, each under the name that the config uses."""
    metadata: Json = Field(default_factory=dict)
    """Words about the whole catalogue; icemap reads none of them."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names of entries, for intake alone."""
    user_parameters: Json = Field(default_factory=dict)
    """Parameters of intake; icemap reads none of them."""


MODELS: dict[str, type[BaseModel]] = {"config": Config, "catalog": Catalog}


def schema_file(kind: str) -> str:
    """Name of the file that a schema is written to, next to config and catalogue."""
    return f"icemap-{kind}.schema.json"


def schema_text(kind: str) -> str:
    """The JSON schema of a config or a catalogue.

    Parameters
    ----------
    kind : str
        ``config`` or ``catalog``.
    """
    schema = MODELS[kind].model_json_schema()
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"
