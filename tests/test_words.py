"""Which steps are made again, and which only reworded, by a change of each key of the config and of
the catalogue.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from icemap.borehole_sections import BedrockConfig, CollarSource
from icemap.config import Config, load_config
from icemap.config_sections import CompareConfig, MaskConfig
from icemap.pipeline.chain import STEPS
from icemap.pipeline.steps import Context, digests_of
from icemap.source import Derivation, Rasterize, Source
from icemap.virtual_arctic.demo import write_demo

pytestmark = pytest.mark.quick

ORDER = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]
SITES, TRAINING, VERIFYING, MAPPING = ORDER[1:], ORDER[2:], ORDER[3:], ORDER[4:]
NAMED = ["boreholes", "train", "verify", "map", "publish", "report"]

# Key: another value, steps whose numbers depend on it, steps that only say it.
CONFIG: dict[str, tuple[Any, list[str], list[str]]] = {
    "run": ("/elsewhere/run", [], []),
    "seed": (1, TRAINING, []),
    "title": ("Ice", [], ["cube", "boreholes", "verify", "map", "publish", "report"]),
    "quick": (True, VERIFYING, []),
    "author": ("Somebody", [], ["map", "publish", "report"]),
    "licence": ("CC-BY-4.0", [], ["map", "publish", "report"]),
    "citation": ("Somebody (2026)", [], ["map", "publish", "report"]),
    "grid.west": (-170.0, ORDER, []),
    "grid.south": (42.0, ORDER, []),
    "grid.east": (170.0, ORDER, []),
    "grid.north": (80.0, ORDER, []),
    "grid.resolution": (4.0, ORDER, []),
    "grid.chunk": (128, ORDER, []),
    "catalog": ("/elsewhere/catalog.yaml", [], []),
    "predictors": (("slope", "maat"), ORDER, []),
    "masks.source": ("slope", ORDER, []),
    "masks.at_least": (0.4, ORDER, []),
    "masks.at_most": (0.9, ORDER, []),
    "masks.counts": ("part", ORDER, []),
    "target.name": ("ice", MAPPING, ["boreholes", "train", "verify"]),
    "target.long_name": ("ice", [], NAMED),
    "target.unit": ("1", SITES, []),
    "target.bounds": ((0.0, 90.0), SITES, []),
    "sites.table": ("copy.csv", [], ["boreholes", "report"]),
    "sites.value": ("vic", SITES, []),
    "sites.sheet": ("2", SITES, []),
    "sites.unit": ("1", SITES, []),
    "sites.id": ("name", SITES, []),
    "sites.standard_error": ("error", SITES, []),
    "sites.longitude": ("x", SITES, []),
    "sites.crs": ("EPSG:3857", SITES, []),
    "sites.latitude": ("y", SITES, []),
    "sites.missing": ((-9999.0,), SITES, []),
    "boreholes.layers.reader": ("mohammadi2024", SITES, []),
    "boreholes.layers.path": ("copy.csv", [], ["boreholes", "report"]),
    "boreholes.layers.support": ("logs", SITES, []),
    "boreholes.layers.frozen": (True, SITES, []),
    "boreholes.layers.columns": ({"site": "hole"}, SITES, []),
    "boreholes.layers.units": ({"top": "cm"}, SITES, []),
    "boreholes.layers.crs": ("EPSG:3413", SITES, []),
    "boreholes.layers.missing": (("-99",), SITES, []),
    "boreholes.layers.sheet": ("2", SITES, []),
    "boreholes.layers.collars.path": ("copy.csv", [], ["boreholes", "report"]),
    "boreholes.layers.collars.sheet": ("2", SITES, []),
    "boreholes.layers.collars.columns": ({"site": "hole"}, SITES, []),
    "boreholes.permafrost_table": ("other.csv", SITES, []),
    "boreholes.thickness": (3.0, SITES, []),
    "boreholes.grades": (("A",), SITES, []),
    "boreholes.bedrock.table": ("copy.csv", [], ["boreholes", "report"]),
    "boreholes.bedrock.sheet": ("2", SITES, []),
    "boreholes.bedrock.longitude": ("x", SITES, []),
    "boreholes.bedrock.latitude": ("y", SITES, []),
    "boreholes.bedrock.crs": ("EPSG:3413", SITES, []),
    "boreholes.bedrock.predictor": ("tpi", SITES, []),
    "boreholes.bedrock.below": (2.0, SITES, []),
    "boreholes.bedrock.sites": (40, SITES, []),
    "ensemble.recipe": ("published", TRAINING, []),
    "ensemble.fitted_on": ("out_of_fold", TRAINING, []),
    "ensemble.members": (("svr", "gam"), TRAINING, []),
    "ensemble.replicates": (3, TRAINING, []),
    "ensemble.folds": (4, TRAINING, []),
    "ensemble.held_out": (0.2, TRAINING, []),
    "ensemble.block_degrees": (5.0, TRAINING, []),
    "ensemble.prior_strength": (1.0, TRAINING, []),
    "ensemble.climatology": (0.0, TRAINING, []),
    "ensemble.position": (True, TRAINING, []),
    "ensemble.candidates": (5, TRAINING, []),
    "ensemble.monotone": ({"maat": "falling"}, TRAINING, []),
    "verification.folds": (4, VERIFYING, []),
    "verification.places": (400, VERIFYING, []),
    "verification.competitors": ((), ["verify"], ["report"]),
    "verification.classes": ((0.0, 30.0, 100.0), [], ["verify", "report"]),
    "verification.nugget": (True, VERIFYING, []),
    "verification.confidence": (0.9, VERIFYING, []),
    "map.replicate_fields": (False, MAPPING, []),
    "compare.other": ("other.csv", ["report"], []),
    "compare.name": ("earlier", ["report"], []),
    "compare.classes": ("other.csv", ["report"], []),
    "compare.depth": (2.0, ["report"], []),
    "compare.mask": ("whole", ["report"], []),
    "compare.ice": ("excess", ["report"], []),
    "compare.catalog": ("catalog.yaml", ["report"], []),
    "compare.attribute": ("class", ["report"], []),
}

SAID = ["cube", "report"]
CATALOG: dict[str, tuple[Any, list[str], list[str]]] = {
    "family": ("geology", [], SAID),
    "long_name": ("other words", [], SAID),
    "unit": ("K", ORDER, []),
    "file_unit": ("K", ORDER, []),
    "kind": ("continuous", ORDER, []),
    "variable": ("t", ORDER, []),
    "x": ("i", ORDER, []),
    "y": ("j", ORDER, []),
    "select": ({"time": "2019-07"}, ORDER, []),
    "reduce": ({"time": "mean"}, ORDER, []),
    "crs": ("EPSG:3413", ORDER, []),
    "nodata": ((0.0,), ORDER, []),
    "scale": (0.1, ORDER, []),
    "offset": (1.0, ORDER, []),
    "valid_range": ((-10.0, 10.0), ORDER, []),
    "fill_value": (0.0, ORDER, []),
    "fill_nearest": (2, ORDER, []),
    "classes": ({1: "peat", 2: "gravel"}, [], ["cube", "train", "verify", "report"]),
    "fraction_of": ((1,), ORDER, []),
    "overlay": (True, ORDER, []),
    "rasterize.into": ("value", ORDER, []),
    "rasterize.attribute": ("other", ORDER, []),
    "rasterize.layer": ("2", ORDER, []),
    "rasterize.codes": ({"sand": 2}, ORDER, []),
    "rasterize.only": (("sand",), ORDER, []),
    "rasterize.samples": (4, ORDER, []),
    "derived.how": ("roughness", ORDER, []),
    "derived.of": (("other",), ORDER, []),
    "derived.radius": (20.0, ORDER, []),
    "derived.along": ("band", ORDER, []),
    "derived.codes": ((1,), ORDER, []),
    "derived.ages": ((1.0,), ORDER, []),
    "derived.at_least": (1.0, ORDER, []),
    "derived.at_most": (1.0, ORDER, []),
    "name": ("other", ORDER, []),
    "url": ("copy.csv", [], SAID),
    "parts": (("layers.csv", "other.csv"), ORDER, []),
    "step": (("band", 1, 12), ORDER, []),
    "licence": ("CC0", [], SAID),
    "citation": ("Somebody 2026", [], SAID),
    "inputs": ("a unit of an input", ORDER, []),
}


def leaves(model: type[BaseModel]) -> Iterator[str]:
    """Every key of a model that holds a value, those of the models in it included."""
    for name, field in model.model_fields.items():
        part = next((one for one in models(field.annotation) if one is not model), None)
        yield from [name] if part is None else (f"{name}.{key}" for key in leaves(part))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def changed(model: Any, key: str, value: Any) -> Any:
    """A copy with another value of a key; of several models in a list, that of the first."""
    name, _, rest = key.partition(".")
    old = getattr(model, name)
    if rest:
        value = (
            (changed(old[0], rest, value), *old[1:])
            if isinstance(old, tuple)
            else changed(old, rest, value)
        )
    assert value != old, f"{key} is {value!r} already"
    return model.model_copy(update={name: value})


def test_every_key_is_in_the_tables():
    """A new key is numbers until somebody has decided otherwise, and is to be listed here."""
    assert sorted(CONFIG) == sorted(leaves(Config))
    assert sorted(CATALOG) == sorted(leaves(Source))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Files with the same content under two names, and with another under a third."""
    here = tmp_path_factory.mktemp("words")
    write_demo(str(here), "small")
    shutil.copy(here / "layers.csv", here / "copy.csv")
    # A file that is called like an entry of the catalogue.
    shutil.copy(here / "layers.csv", here / "maat")
    (here / "other.csv").write_text("another table\n")
    return here


@pytest.fixture(scope="module")
def project(folder) -> tuple[Config, dict[str, Source]]:
    """A config of layers, and sources of every kind."""
    config = load_config(str(folder / "config.yaml"))
    layers = Path(config.boreholes.layers[0].path)
    file = Source(
        name="maat",
        family="climate",
        long_name="temperature",
        unit="degC",
        url=str(layers),
        classes={1: "peat", 2: "sand"},
    )
    polygons = file.model_copy(
        update={"name": "geology", "rasterize": Rasterize(into="class", attribute="unit")}
    )
    relief = file.model_copy(
        update={
            "name": "tpi",
            "url": "",
            "derived": Derivation(how="tpi", of=("maat",), radius=10.0),
            "inputs": (file,),
        }
    )
    masks = (MaskConfig(source="geology", at_least=0.5),)
    return config.model_copy(update={"predictors": ("maat", "tpi"), "masks": masks}), {
        "maat": file,
        "geology": polygons,
        "tpi": relief,
    }


def found(config: Config, sources: dict[str, Source]) -> dict[str, tuple[str, str]]:
    context = Context(config, "local", 1, lambda line: None)
    context.__dict__["sources"] = sources
    return {name: (one.key, one.words) for name, one in digests_of(STEPS, context).items()}


def difference(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Steps to be made again, and steps to be reworded."""
    remade = [name for name in ORDER if before[name][0] != after[name][0]]
    return remade, [
        name for name in ORDER if name not in remade and before[name][1] != after[name][1]
    ]


@pytest.mark.parametrize("key", CONFIG)
def test_a_key_of_the_config_touches_what_depends_on_it(project, folder, key, monkeypatch):
    value, remade, reworded = CONFIG[key]
    config, sources = project
    if key.startswith("compare."):
        monkeypatch.chdir(folder)
        config = config.model_copy(update={"compare": (CompareConfig(other="maat"),)})
    if key.startswith("sites."):
        table = {"table": str(folder / "layers.csv"), "value": "value"}
        sites = Config.model_validate(
            {**config.model_dump(), "boreholes": None, "sites": table}
        ).sites
        config = config.model_copy(update={"boreholes": None, "sites": sites})
    if key.startswith("boreholes.layers.collars."):
        layers = config.boreholes.layers
        collars = CollarSource(path=str(folder / "layers.csv"))
        first = layers[0].model_copy(update={"collars": collars})
        boreholes = config.boreholes.model_copy(update={"layers": (first, *layers[1:])})
        config = config.model_copy(update={"boreholes": boreholes})
    if key.startswith("boreholes.bedrock."):
        places = {"table": str(folder / "layers.csv")}
        rule = {"predictor": "maat", "below": 1.0}
        bedrock = BedrockConfig(**(places if key.endswith("table") else rule))
        boreholes = config.boreholes.model_copy(update={"bedrock": bedrock})
        config = config.model_copy(update={"boreholes": boreholes})
    if str(value).endswith(".csv"):
        value = str(folder / value)
    assert difference(found(config, sources), found(changed(config, key, value), sources)) == (
        remade,
        reworded,
    )


@pytest.mark.parametrize("key", CATALOG)
def test_a_key_of_the_catalogue_touches_what_depends_on_it(project, folder, key):
    value, remade, reworded = CATALOG[key]
    config, sources = project
    name = {"rasterize": "geology", "derived": "tpi", "inputs": "tpi"}.get(
        key.partition(".")[0], "maat"
    )
    if key == "inputs":
        value = (changed(sources[name].inputs[0], "unit", "K"),)
    if key in ("url", "parts"):
        value = str(folder / value) if key == "url" else tuple(str(folder / one) for one in value)
    after = {**sources, name: changed(sources[name], key, value)}
    assert difference(found(config, sources), found(config, after)) == (remade, reworded)


def test_another_code_is_no_word(project):
    config, sources = project
    after = {**sources, "maat": changed(sources["maat"], "classes", {1: "peat", 3: "sand"})}
    assert difference(found(config, sources), found(config, after)) == (ORDER, [])


def test_the_words_of_an_input_are_words(project):
    config, sources = project
    inputs = (changed(sources["maat"], "long_name", "other words"),)
    after = {**sources, "tpi": changed(sources["tpi"], "inputs", inputs)}
    assert difference(found(config, sources), found(config, after)) == ([], SAID)


def test_a_table_with_another_content_under_the_same_name_is_read_again(project, folder):
    config, sources = project
    before, table = found(config, sources), folder / "layers.csv"
    content = table.read_bytes()
    table.write_text("another table\n")
    after = found(config, sources)
    table.write_bytes(content)
    assert difference(before, after)[0] == ORDER
