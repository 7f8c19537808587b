import datetime
import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from icemap import Grid, IcemapError
from icemap.config import Config, load_config
from icemap.paths import resolve

MINIMAL = {
    "run": "runs/demo",
    "grid": {"south": 30, "resolution": "10 arcmin"},
    "catalog": "catalog.yaml",
    "predictors": ["t_jan", "elev"],
    "sites": {"table": "points.csv", "value": "alt_cm"},
}


@pytest.fixture
def load(tmp_path):
    """Write settings to run.yaml and load them."""

    def write_and_load(settings: dict | str) -> Config:
        path = tmp_path / "run.yaml"
        path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
        return load_config(str(path))

    return write_and_load


def refused(load, settings) -> str:
    with pytest.raises(IcemapError) as caught:
        load(settings)
    sentence = str(caught.value)
    assert "run.yaml" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def with_changes(**changes) -> dict:
    return {**MINIMAL, **changes}


def test_minimal_config_has_sensible_defaults(load):
    config = load(MINIMAL)
    assert config.grid.grid == Grid(-180, 30, 180, 90, 1 / 6)
    assert config.ensemble.replicates == 200
    assert config.ensemble.members == ("svr", "gam", "random_forest", "lightgbm")
    assert (config.target.name, config.target.unit, config.target.bounds) == ("vic", "%", (0, 100))
    assert config.masks == ()


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("30 arcsec", 1 / 120), ("10 arcmin", 1 / 6), ("0.5deg", 0.5), (0.25, 0.25), ("0.25", 0.25)],
)
def test_resolution_is_read_in_its_unit(load, text, degrees):
    assert load(
        with_changes(grid={"south": 30, "resolution": text})
    ).grid.resolution == pytest.approx(degrees)


def test_paths_are_seen_from_the_file(load, tmp_path):
    layers = [{"path": "logs/a.csv"}, {"reader": "jorgenson2025", "path": "/data/alaska"}]
    settings = with_changes(boreholes={"layers": layers, "permafrost_table": "calm.csv"})
    del settings["sites"]
    config = load(settings)
    assert config.boreholes is not None
    assert [source.path for source in config.boreholes.layers] == [
        f"{tmp_path}/logs/a.csv",
        "/data/alaska",
    ]
    assert config.boreholes.permafrost_table == f"{tmp_path}/calm.csv"
    assert config.folder.map == f"{tmp_path}/runs/demo/map.zarr"
    assert config.catalog == f"{tmp_path}/catalog.yaml"
    assert load(MINIMAL).sites.table == f"{tmp_path}/points.csv"


@pytest.mark.parametrize(
    ("url", "base", "seen"),
    [
        ("cube", "s3://bucket/config/run.yaml", "s3://bucket/config/cube"),
        ("s3://other/cube", "run.yaml", "s3://other/cube"),
        ("/data/cube", "s3://bucket/run.yaml", "/data/cube"),
        ("cube", "run.yaml", f"{Path.cwd()}/cube"),
        ("../cube", "folder/run.yaml", f"{Path.cwd()}/cube"),
    ],
)
def test_resolve(url, base, seen):
    assert resolve(url, base) == seen


def test_a_config_beside_the_user_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(yaml.safe_dump(MINIMAL))
    assert load_config("run.yaml").folder.samples == f"{tmp_path}/runs/demo/samples.parquet"


def test_paths_of_maps_to_compare_with_are_seen_from_the_file(load, tmp_path):
    compared = [
        {"other": "older", "depth": 5},
        {"other": "entry", "catalog": "c.yaml", "classes": "ice.csv"},
    ]
    first, second = load(with_changes(compare=compared)).compare
    assert (first.other, first.mask) == (f"{tmp_path}/older", "fraction")
    assert (second.other, second.catalog, second.classes) == (
        "entry",
        f"{tmp_path}/c.yaml",
        f"{tmp_path}/ice.csv",
    )
    assert "compare.0.depth" in refused(
        load, with_changes(compare=[{"other": "a.tif", "depth": 0}])
    )
    assert "which the run could overwrite" in refused(
        load, with_changes(compare=[{"other": "runs/demo/a.tif"}])
    )


def test_config_is_immutable(load):
    with pytest.raises(ValidationError, match="frozen"):
        load(MINIMAL).seed = 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sead": 1}, ["unknown key 'sead'", "correct its spelling"]),
        ({"grid": {"south": 30, "resolution": 0.5, "chunks": 128}}, ["unknown key 'grid.chunks'"]),
        ({"ensemble": {"member": ["svr"]}}, ["unknown key 'ensemble.member'"]),
        ({"aws_secret_access_key": "abc"}, ["unknown key 'aws_secret_access_key'"]),
        ({"grid": {"south": 30}}, ["the key 'grid.resolution' is missing"]),
        (
            {"grid": {"south": 30, "resolution": "coarse"}},
            ["'grid.resolution'", "'coarse' is no resolution"],
        ),
        ({"grid": {"south": 30, "resolution": "x arcmin"}}, ["'grid.resolution'"]),
        ({"grid": {"south": 30, "resolution": -1}}, ["'grid.resolution'", "above 0"]),
        ({"grid": {"south": 30, "resolution": 0.5, "chunk": 8}}, ["'grid.chunk'", "at least 16"]),
        ({"grid": {"south": 30, "resolution": 0.7}}, ["width of 360 degrees", "whole number"]),
        ({"grid": {"south": 95, "resolution": 0.5}}, ["not a part of the globe"]),
        ({"predictors": []}, ["'predictors'", "at least 1"]),
        ({"predictors": ["elev", "t_jan", "elev"]}, ["predictors lists elev twice"]),
        ({"boreholes": {"layers": [{"path": "a.csv"}]}}, ["either 'sites'", "or 'boreholes'"]),
        ({"sites": None}, ["either 'sites'", "or 'boreholes'"]),
        ({"sites": {"table": "a.csv"}}, ["the key 'sites.value' is missing"]),
        (
            {"target": {"bounds": [100, 0]}},
            ["'target'", "bounds [100.0, 0.0] are not in rising order"],
        ),
        ({"ensemble": {"replicates": 0}}, ["'ensemble.replicates'", "at least 1"]),
        (
            {"ensemble": {"replicates": "1,000"}},
            ["'ensemble.replicates' is '1,000'", "without signs between thousands (1000)"],
        ),
        (
            {"ensemble": {"replicates": "12 000"}},
            ["without signs between thousands (12000)"],
        ),
        ({"ensemble": {"held_out": "0,2"}}, ["with a point for decimals (0.2)"]),
        ({"sites": {"table": "$HOME/a.csv", "value": "x"}}, ["$HOME, a variable of the shell"]),
        ({"run": "${DATA}/run"}, ["${DATA}, a variable of the shell", "{env(ICEMAP_NAME)}"]),
        ({"catalog": "%USERPROFILE%/c.yaml"}, ["%USERPROFILE%, a variable of the shell"]),
        (
            {"sites": {"table": "data\\a.csv", "value": "x"}},
            ["'data", "backslashes, which part folders on Windows alone: write 'data/a.csv'"],
        ),
        (
            {"sites": {"table": "data/*.csv", "value": "x"}},
            ["'sites.table': '*.csv' stands for all files", "the name of one file"],
        ),
        ({"ensemble": {"members": ["svr"]}}, ["'ensemble.members'", "at least 2"]),
        ({"ensemble": {"held_out": 0.6}}, ["'ensemble.held_out'", "below 0.5"]),
        ({"seed": -1}, ["'seed'", "at least 0"]),
        ({"seed": "tomorrow"}, ["'seed'", "a whole number"]),
    ],
)
def test_a_wrong_setting_is_said_in_one_sentence(load, changes, said):
    sentence = refused(load, with_changes(**changes))
    assert all(part in sentence for part in said), sentence


@pytest.mark.parametrize(
    ("bedrock", "said"),
    [
        ({}, "give either 'table' (places) or 'predictor' and 'below' (a rule)"),
        ({"table": "a.csv", "predictor": "elev", "below": 1}, "either 'table' (places) or"),
        ({"predictor": "elev"}, "'predictor' and 'below' go together"),
        ({"table": "a.csv", "below": 1}, "'predictor' and 'below' go together"),
        ({"table": "a.csv", "sites": 40}, "'sites' is for a rule: remove it"),
        ({"predictor": "elev", "below": 1, "latitude": "y"}, "'latitude' is for a table"),
        ({"predictor": "depth", "below": 1}, "the predictor depth, which predictors does not list"),
        ({"predictor": "elev", "below": 1, "sites": 0}, "at least 1"),
        ({"table": "a.csv", "places": 3}, "unknown key 'boreholes.bedrock.places'"),
    ],
)
def test_bedrock_is_a_table_or_a_rule(load, bedrock, said):
    layers = {"layers": [{"path": "good.csv"}], "bedrock": bedrock}
    settings = with_changes(boreholes=layers)
    del settings["sites"]
    assert said in refused(load, settings)


@pytest.mark.parametrize("reader", [{"reader": "excel", "path": "a.csv"}, {"reader": "icemap"}])
def test_a_wrong_layer_source_is_named_by_its_place(load, reader):
    settings = with_changes(boreholes={"layers": [{"path": "good.csv"}, reader]})
    del settings["sites"]
    assert "boreholes.layers.1." in refused(load, settings)


def test_a_pattern_of_tables_of_layers_is_told_how_they_are_listed(load):
    settings = with_changes(boreholes={"layers": [{"path": "data/*.csv"}]})
    del settings["sites"]
    sentence = refused(load, settings)
    assert "'boreholes.layers': '*.csv' stands for all files" in sentence
    assert "an entry {path: ...} under layers for each file" in sentence


def test_the_table_of_holes_is_seen_from_the_config(load):
    collars = {"path": "holes.csv"}
    settings = with_changes(boreholes={"layers": [{"path": "a.csv", "collars": collars}]})
    del settings["sites"]
    (layers,) = load(settings).boreholes.layers
    assert [Path(path).name for path in layers.paths] == ["a.csv", "holes.csv"]
    assert all(Path(path).is_absolute() for path in layers.paths)


def test_every_missing_key_is_named_at_once(load):
    sentence = refused(load, {"run": "x"})
    assert all(
        f"the key '{key}' is missing" in sentence for key in ("grid", "catalog", "predictors")
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("run: demo\n\tgrid: 1\n", 2),
        ("run: demo\nseed: 1\ntitle: ice: ground\n", 3),
        ("run: 'demo\n", 2),
        ("run: demo\n  seed: 1\n", 2),
    ],
)
def test_bad_yaml_names_the_line(load, text, line):
    assert f"is not readable YAML (line {line})" in refused(load, text)


@pytest.mark.parametrize(
    ("number", "line"),
    [
        ("seed: 010", 1),
        ("grid: {south: 060, resolution: 0.5}", 1),
        ("grid:\n  resolution: 0.5\n  south: 60:30", 3),
        ("grid: {west: -120:15:30.5, south: 60, resolution: 0.5}", 1),
        ("title: 12:30", 1),
    ],
)
def test_a_number_that_yaml_reads_as_another_one_is_refused(load, number, line):
    others = {key: value for key, value in MINIMAL.items() if key != number.split(":")[0]}
    sentence = refused(load, f"{number}\n" + yaml.safe_dump(others))
    assert f"(line {line})" in sentence
    assert "is not read as it looks" in sentence


@pytest.mark.parametrize(
    ("written", "title", "seed"),
    [("'010'", "010", "07"), ("'12:30'", "12:30", "0"), ("1:a", "1:a", "1_000"), ("t", "t", "08")],
)
def test_numbers_and_texts_that_look_like_them_are_taken(load, written, title, seed):
    config = load(f"title: {written}\nseed: {seed}\n" + yaml.safe_dump(MINIMAL))
    assert (config.title, config.seed) == (title, int(seed))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"predictors": ["elev t_jan"]}, "'predictors.0': a name may hold letters"),
        ({"ensemble": {"members": ["svr", 5]}}, "'ensemble.members.1' is 5: give text"),
        ({"verification": {"classes": [0, 20, "x"]}}, "'verification.classes.2' is 'x': give a"),
        ({"target": {"name": "ice %"}}, "'target.name': a name may hold letters"),
        ({"target": {"name": "alt", "unit": 5}}, "'target.unit' is 5: give text"),
    ],
)
def test_what_follows_from_another_mistake_is_not_told(load, changes, said):
    sentence = refused(load, with_changes(**changes))
    assert said in sentence
    assert not any(word in sentence for word in ("; ", "at least", "Undefined")), sentence


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": datetime.date(2024, 1, 1)}, "'title' is 2024-01-01: give text"),
        ({"masks": [{"source": "elev", "at_least": 30, "at_most": 5}]}, "at_least 30 is above at"),
        ({"run": "s3:/bucket/run"}, "'s3:/bucket/run' has one slash behind 's3:'"),
        ({"catalog": "https:/example.org/c.yaml"}, "has one slash behind 'https:'"),
        ({"run": r"C:\Users\ada\run"}, "a path of Windows"),
        ({"run": "d:/run"}, "/mnt/d/..."),
    ],
)
def test_a_value_that_means_something_else_is_told(load, changes, said):
    assert said in refused(load, with_changes(**changes))


@pytest.mark.parametrize(
    "columns",
    [
        {"standard_error": "alt_cm"},
        {"standard_error": "lat"},
        {"id": "lon"},
        {"longitude": "x", "latitude": "x"},
        {"id": "alt_cm"},
    ],
)
def test_one_column_has_one_meaning(load, columns):
    sites = {**MINIMAL["sites"], **columns}
    assert "are the same column" in refused(load, with_changes(sites=sites))


def test_frozen_is_true_or_left_out(load):
    layers = [{"path": "a.csv", "frozen": False}]
    settings = with_changes(boreholes={"layers": layers})
    del settings["sites"]
    sentence = refused(load, settings)
    assert "'boreholes.layers.0.frozen' is false: give true, or leave the key out" in sentence
    assert "at least" not in sentence


@pytest.mark.parametrize("text", ["", "# nothing\n", "- run\n- grid\n", "just words\n"])
def test_a_file_without_settings_is_said(load, text):
    assert "holds no settings" in refused(load, text)


def test_a_tag_that_would_run_code_is_refused(load):
    sentence = refused(load, "run: !!python/object/apply:os.system ['true']\n")
    assert "not readable YAML (line 1)" in sentence


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        IcemapError, match=rf"^Cannot read {tmp_path}/absent\.yaml: there is no such file"
    ):
        load_config(f"{tmp_path}/absent.yaml")


def test_a_file_in_another_encoding_is_said(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes("title: Bodeneis für Jakutien\n".encode("latin-1"))
    with pytest.raises(IcemapError, match=r"run\.yaml"):
        load_config(str(path))


def test_the_record_of_a_run_is_a_config_for_the_folder_where_it_lies(load, tmp_path):
    config = load(with_changes(seed=3, author="A. N. Author"))
    folder = tmp_path / "again"
    folder.mkdir()
    record = {"steps": {}, "config": config.model_dump(mode="json"), "sources": {}}
    (folder / "provenance.json").write_text(json.dumps(record))
    again = load_config(str(folder / "provenance.json"))
    assert (again.run, again.catalog) == (str(folder), str(folder / "provenance.json"))
    assert again.model_copy(update={"run": config.run, "catalog": config.catalog}) == config


@pytest.mark.parametrize("record", [{"steps": {}}, {"steps": {}, "config": {}}, []])
def test_a_record_without_settings_is_a_sentence(tmp_path, record):
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(
        IcemapError,
        match=(
            r"provenance\.json is not the record of a run with its settings and sources: give the"
            r" config"
        ),
    ):
        load_config(str(tmp_path / "provenance.json"))


IN_THE_RUN = {
    "the config": lambda folder: {"run": "."},
    "the config through a link": lambda folder: {"run": linked(folder / "link", folder)},
    "the catalogue": lambda folder: {"run": "out", "catalog": "out/catalog.yaml"},
    "a link to the catalogue": lambda folder: {
        "run": "out",
        "catalog": linked(folder / "out" / "catalog.yaml", folder / "catalog.yaml"),
    },
    "the catalogue in a folder that a product links to": lambda folder: {
        "run": str(Path(linked(folder / "out" / "products", folder / "data")).parent),
        "catalog": "data/catalog.yaml",
    },
    "a table": lambda folder: {"sites": {"table": "runs/demo/products/points.csv", "value": "a"}},
    "the first of two tables": lambda folder: {
        "sites": None,
        "boreholes": {"layers": [{"path": "runs/demo/a.csv"}, {"path": "b.csv"}]},
    },
    "the run itself": lambda folder: {"run": "catalog.yaml"},
    "the catalogue by its url": lambda folder: {"catalog": f"file://{folder}/runs/demo/c.yaml"},
}


def linked(link: Path, target: Path) -> str:
    link.parent.mkdir(exist_ok=True)
    target.parent.mkdir(exist_ok=True)
    (target if target.suffix == "" else target.parent).mkdir(exist_ok=True)
    link.symlink_to(target)
    return str(link)


@pytest.mark.parametrize("name", IN_THE_RUN)
def test_a_run_folder_with_an_input_in_it_is_refused(load, tmp_path, name):
    said = refused(load, with_changes(**IN_THE_RUN[name](tmp_path)))
    assert "is a folder with inputs in it, which the run could overwrite (" in said


def test_a_run_folder_inside_an_input_is_refused(load, tmp_path):
    layers = {"sites": None, "boreholes": {"layers": [{"path": "logs"}]}, "run": "logs/run"}
    (tmp_path / "logs").mkdir()
    said = refused(load, with_changes(**layers))
    assert f"'run': 'logs/run' is inside an input (boreholes.layers: {tmp_path}/logs)" in said


def test_a_linked_run_folder_is_followed(load, tmp_path):
    link = linked(tmp_path / "link", tmp_path / "large disk")
    assert load(with_changes(run="link")).run == link


def test_the_home_folder_and_file_urls_are_understood(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(with_changes(run="~/ice")).run == str(tmp_path / "home" / "ice")
    assert load(with_changes(run="file:///data/my%20run")).run == "/data/my run"
    assert load(with_changes(run="file://localhost/data/run")).run == "/data/run"
    for name in ("100%_50%", "caf%C3%A9"):
        assert load(with_changes(run=f"/data/{name}")).run == f"/data/{name}"
    for run in ("file:/data/run", "file://data/run", "file:run", "file://~/run"):
        said = refused(load, with_changes(run=run))
        assert f"'{run}' is no address of a file on this machine: write file:///path" in said


PUBLISHED_FIXES = {
    "members": (["svr", "gam"], "members: svr, gam contradicts recipe: published"),
    "held_out": (0.2, "held_out: 0.2 contradicts recipe: published"),
    "prior_strength": (5, "prior_strength: 5 contradicts recipe: published"),
    "climatology": (0.1, "climatology: 0.1 contradicts recipe: published"),
    "monotone": ({"elev": "falling"}, "monotone: elev contradicts recipe: published"),
    "replicates": (1, "replicates: 1 contradicts recipe: published"),
}


@pytest.mark.parametrize("key", PUBLISHED_FIXES)
def test_what_the_published_recipe_fixes_is_no_choice(load, key):
    value, sentence = PUBLISHED_FIXES[key]
    load({**MINIMAL, "ensemble": {key: value}})
    assert sentence in refused(load, {**MINIMAL, "ensemble": {"recipe": "published", key: value}})


def test_the_published_recipe_has_no_nugget(load):
    nugget = {**MINIMAL, "verification": {"nugget": True}}
    load(nugget)
    sentence = refused(load, {**nugget, "ensemble": {"recipe": "published"}})
    assert "verification.nugget: true contradicts ensemble.recipe: published" in sentence


def test_the_published_recipe_has_no_confidence(load):
    sure = {**MINIMAL, "verification": {"confidence": 0.9}}
    assert load(sure).verification.confidence == 0.9
    sentence = refused(load, {**sure, "ensemble": {"recipe": "published"}})
    assert "verification.confidence contradicts ensemble.recipe: published" in sentence


def test_what_agrees_with_the_published_recipe_may_be_said(load):
    said = {"held_out": 0.1, "prior_strength": 0, "climatology": 0, "replicates": 20}
    members = ["lightgbm", "svr", "gam", "random_forest"]
    ensemble = {"recipe": "published", "fitted_on": "out_of_fold", "members": members, **said}
    assert load({**MINIMAL, "ensemble": ensemble}).ensemble.fitted_on == "out_of_fold"


def test_icemap_never_fits_cop_bma_in_sample(load):
    load({**MINIMAL, "ensemble": {"fitted_on": "out_of_fold"}})
    sentence = refused(load, {**MINIMAL, "ensemble": {"fitted_on": "in_sample"}})
    assert "fitted_on: in_sample contradicts recipe: icemap" in sentence
