"""The JSON schemas say what the models hold, and take what icemap takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from icemap.cli import main
from icemap.config import Config
from icemap.schemas import MODELS, Catalog, schema_text
from icemap.source import Source

pytestmark = pytest.mark.quick
ROOT = Path(__file__).parents[1]


def validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(schema_text(kind))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def faults(kind: str, content: object) -> list[str]:
    # Codes of classes are numbers in YAML and text in JSON, as editors take them.
    plain = json.loads(json.dumps(content, default=str))
    return [f"{error.json_path}: {error.message}" for error in validator(kind).iter_errors(plain)]


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all models in its fields, each once."""
    waiting, seen = [model], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        yield one
        for field in one.model_fields.values():
            waiting += [
                kind
                for kind in _kinds(field.annotation)
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ]


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]


@pytest.mark.parametrize("model", [Config, Catalog, Source])
def test_every_field_of_every_model_is_described(model):
    models = list(models_of(model))
    assert len(models) > 2
    silent = [
        f"{one.__name__}.{name}"
        for one in models
        for name, field in one.model_fields.items()
        if not field.description
    ]
    assert silent == []
    assert [one.__name__ for one in models if not one.__doc__] == []


def test_a_field_without_words_is_seen():
    class Silent(Config):
        more: int = 1

    assert not Silent.model_fields["more"].description


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "catalog.yaml"],
    ids=lambda path: path.name,
)
def test_the_schemas_take_the_examples(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert faults("config" if "run" in content else "catalog", content) == []


def test_the_schema_refuses_what_icemap_refuses():
    content = yaml.safe_load((ROOT / "examples" / "active_layer.yaml").read_text(encoding="utf-8"))
    assert faults("config", {**content, "predictor": []}) != []
    assert faults("config", {**content, "grid": {**content["grid"], "chunk": "many"}}) != []
    catalog = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))
    name, entry = next(iter(catalog["entries"].items()))
    wrong = {**entry, "metadata": {**entry["metadata"], "units": "m"}}
    assert faults("catalog", {**catalog, "entries": {name: wrong}}) != []


@pytest.mark.parametrize("kind", MODELS)
def test_the_command_prints_the_schema(kind):
    done = CliRunner().invoke(main, ["schema", kind])
    assert done.exit_code == 0, done.output
    schema = json.loads(done.output)
    assert schema == json.loads(schema_text(kind))
    assert schema["properties"]
