"""Settings and files that are wrong in ways no library expects: each ends in one sentence, soon,
and nothing is made.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from click.testing import CliRunner

from icemap import IcemapError, store
from icemap.boreholes.samples import SAMPLE_COLUMNS
from icemap.cli import main
from icemap.config import load_config
from icemap.config_sections import TargetConfig
from icemap.mapping.map_schema import OVERVIEWS, map_variables
from icemap.names import RESERVED
from icemap.pipeline.steps import Context
from icemap.predictors.cube_variables import FRACTION, VALID
from icemap.running.run import SerialExecutor

GRID = {"west": 100, "south": 60, "east": 140, "north": 76, "resolution": 1, "chunk": 16}
CONFIG = {
    "run": "run",
    "grid": GRID,
    "catalog": "catalog.yaml",
    "predictors": ["a", "b"],
    "sites": {"table": "sites.csv", "value": "ice", "unit": "%"},
}


def write_raster(path: Path, values: np.ndarray) -> None:
    transform = rasterio.Affine(1, 0, 100, 0, -1, 76)
    rows, cols = values.shape
    options = {"crs": "EPSG:4326", "transform": transform, "dtype": values.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=cols, count=1, **options
    ) as raster:
        raster.write(values, 1)


def catalogue(**urls: str) -> dict:
    entries = {
        name: {
            "kwargs": {"data": f"{{data({name})}}"},
            "metadata": {"family": "topography", "long_name": name, "unit": "1"},
        }
        for name in urls
    }
    return {
        "version": 2,
        "data": {name: {"kwargs": {"url": url}} for name, url in urls.items()},
        "entries": entries,
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """The config of a project of which nothing has been made; its chunks are made in this
    process.
    """
    rng = np.random.default_rng(0)
    for name in "ab":
        write_raster(tmp_path / f"{name}.tif", rng.normal(size=(16, 40)).astype("f4"))
    places = "".join(
        f"{x + 100.5},{y + 60.5},{(3 * x + 7 * y) % 97}\n" for x in range(20) for y in range(6)
    )
    (tmp_path / "sites.csv").write_text("lon,lat,ice\n" + places)
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(catalogue(a="a.tif", b="b.tif")))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    return tmp_path / "config.yaml"


def change(config: Path, **changes: object) -> None:
    config.write_text(yaml.safe_dump({**CONFIG, **changes}))


def refused(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2, (result.exception, result.stdout, result.stderr)
    lines = [
        line
        for line in result.stderr.replace("\r", "\n").splitlines()
        if line.startswith("icemap: ")
    ]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for foreign in ("pydantic", "Input should", "validation error"):
        assert foreign not in lines[0]
    return lines[0]


def untouched(config: Path) -> bool:
    return not (config.parent / "run").exists()


@pytest.mark.quick
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ensemble": {"block_degrees": float("inf")}},
            "'ensemble.block_degrees' is inf: give a finite number",
        ),
        ({"ensemble": {"prior_strength": float("inf")}}, "give a finite number"),
        ({"ensemble": {"prior_strength": float("nan")}}, "give a finite number"),
        (
            {"target": {"bounds": [float("-inf"), float("inf")]}},
            "'target.bounds.0' is -inf: give a finite number",
        ),
        ({"seed": 2**32}, "'seed' is 4294967296: give a number at most 4.29497e+09"),
        ({"seed": True}, "'seed' is true"),
        (
            {"grid": {**GRID, "resolution": 1e-5}},
            "makes 6.4e+12 cells (1.6e+06 x 4e+06), which is 26 TB for each predictor",
        ),
        ({"grid": {**GRID, "resolution": 1e-300}}, "cells"),
        (
            {"grid": {"south": 60, "resolution": 30}},
            "the resolution 30 is in degrees, cells of 3,330 km: write '30 arcmin' or '30 arcsec'",
        ),
        ({"grid": {**GRID, "resolution": 10}}, "write '10 arcmin'"),
        ({"grid": {**GRID, "west": 160, "east": -160, "resolution": 1e-5}}, "makes 6.4e+12 cells"),
        (
            {"grid": {**GRID, "resolution": 1e-3, "chunk": 10**9}},
            "'grid.chunk': chunks of 40,000 x 40,000 cells take 6.4 GB for each predictor",
        ),
        ({"run": "a\0b"}, "holds a zero byte"),
        ({"run": "foo://x"}, "begins with 'foo://', which is no kind of storage"),
        ({"run": ""}, "an address is empty"),
        ({"run": "."}, "'run': '.' is a folder with inputs in it"),
        ({"run": ".."}, "'run': '..' is a folder with inputs in it"),
        ({"run": "s3://bucket/double//slash"}, "a folder without a name in it"),
        ({"sites": {**CONFIG["sites"], "table": "a\0.csv"}}, "holds a zero byte"),
        ({"ensemble": {"members": ["svr", "svr"]}}, "members lists svr twice"),
        (
            {"ensemble": {"members": ["svr", "sklearn.isotonic.IsotonicRegression"]}},
            "cannot be fitted to 2 predictors",
        ),
        (
            {"ensemble": {"members": ["svr", "sklearn.linear_model.GammaRegressor"]}},
            "a target from 0 to 100",
        ),
        ({"grid": {**GRID, "resolution": "fine"}}, "'fine' is no resolution"),
        (
            {"ensemble": {"replicats": 5}},
            (
                "unknown key 'ensemble.replicats', remove it or correct its spelling (did you mean"
                " 'replicates'? known are"
            ),
        ),
        ({"predictors": "a"}, "'predictors' is 'a': give a list"),
        ({"title": 5}, "'title' is 5: give text"),
        ({"sites": {**CONFIG["sites"], "missing": -9999}}, "'sites.missing' is -9999: give a list"),
    ],
)
def test_a_setting_beyond_reason_is_refused_before_anything_is_made(
    project: Path, changes: dict, words: str
) -> None:
    change(project, **changes)
    assert words in refused("run", project)
    assert untouched(project)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "seed: 1\nrun: x\nseed: 2\n",
            "(line 3): the key 'seed' stands there twice, first in line 1",
        ),
        ("grid: {south: 1, west: 2, south: 3}\n", "the key 'south' stands there twice"),
        ("seed: " + "9" * 5000, "number or a date that is none"),
        ("seed: 2001-99-99", "number or a date that is none"),
        ("[" * 3000, "nested too deeply"),
        ("? [a, b]\n: c\n", "not readable YAML"),
        ("1: 2\n", "the key 1"),
    ],
)
def test_yaml_that_no_reader_expects(project: Path, text: str, words: str) -> None:
    project.write_text(text)
    assert words in refused("run", project)
    change(project)
    (project.parent / "catalog.yaml").write_text(text)
    refused("run", project)
    assert untouched(project)


def test_a_large_chunk_is_cut_to_the_grid_and_the_cube_is_made(project: Path) -> None:
    change(project, grid={**GRID, "chunk": 100_000})
    assert load_config(str(project)).grid.chunk == 256
    change(project, grid={**GRID, "west": 170, "east": -170, "resolution": 0.05, "chunk": 100_000})
    assert load_config(str(project)).grid.chunk == 448
    change(project, grid={**GRID, "chunk": 100_000})
    result = CliRunner().invoke(main, ["cube", str(project)])
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", [*sorted(RESERVED), "__cell"])
def test_a_name_that_icemap_uses_is_refused_for_predictors_masks_and_targets(
    project: Path, name: str
) -> None:
    (project.parent / "catalog.yaml").write_text(
        yaml.safe_dump(catalogue(**{"a": "a.tif", name: "b.tif"}))
    )
    for changes in (
        {"predictors": ["a", name]},
        {"masks": [{"source": name, "at_least": 0}]},
        {"target": {"name": name, "bounds": None}},
    ):
        change(project, **changes)
        assert f"the name '{name}' is taken" in refused("cube", project)
        assert untouched(project)


def test_the_list_of_names_is_whole() -> None:
    own = {
        VALID.name,
        FRACTION.name,
        OVERVIEWS,
        "latitude",
        "longitude",
        "spatial_ref",
        *SAMPLE_COLUMNS,
        "geometry",
    }
    fixed = {
        variable.name
        for variable in map_variables(TargetConfig(name="t"))
        if not variable.name.startswith("t_")
    } - {"t"}
    assert own | fixed <= RESERVED


@pytest.mark.parametrize(
    "name",
    [
        "cell",
        "place",
        "x",
        "y",
        "band",
        "index",
        "vic",
        "grade",
        "source",
        "site",
        "time",
        "Lat",
        "used",
        "c",
    ],
)
def test_other_names_go_through_the_cube_and_the_samples(project: Path, name: str) -> None:
    (project.parent / "catalog.yaml").write_text(
        yaml.safe_dump(catalogue(**{"a": "a.tif", name: "b.tif"}))
    )
    change(project, predictors=["a", name])
    for step in ("cube", "boreholes"):
        result = CliRunner().invoke(main, [step, str(project)])
        assert result.exit_code == 0, (result.exception, result.stderr)
    from icemap.boreholes.sample_files import read_samples
    from icemap.predictors.cube import open_cube

    run = project.parent / "run"
    samples, cube = read_samples(str(run / "samples.parquet")), open_cube(str(run / "cube.zarr"))
    with rasterio.open(project.parent / "b.tif") as raster:
        right = raster.read(1)
    np.testing.assert_array_equal(cube[name].to_numpy(), right)
    np.testing.assert_allclose(samples[name], right[samples["cell_row"], samples["cell_col"]])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/vsicurl/http://127.0.0.1/a.tif", "GDAL's way of writing an address"),
        ("WMS:http://127.0.0.1/a.tif", "no kind of storage"),
        ("a\0.tif", "zero byte"),
        ("s3://bucket/a//b.tif", "a folder without a name"),
        ("pipe.tif", "no file but a pipe"),
        ("complex.tif", "complex"),
        ("words.nc", "words.nc"),
        ("empty.tif", "empty.tif"),
        ("folder.tif", "folder.tif"),
    ],
)
def test_a_source_that_cannot_be_one(project: Path, url: str, words: str) -> None:
    folder = project.parent
    if url == "pipe.tif":
        os.mkfifo(folder / url)
    if url == "complex.tif":
        write_raster(folder / url, np.ones((16, 40), dtype="complex64"))
    if url == "words.nc":
        axes = {"lat": np.arange(75.5, 59, -1), "lon": np.arange(100.5, 140)}
        xr.Dataset({"a": (("lat", "lon"), np.full((17, 40), "word"))}, axes).to_netcdf(folder / url)
    if url == "empty.tif":
        (folder / url).touch()
    if url == "folder.tif":
        (folder / url).mkdir()
    (folder / "catalog.yaml").write_text(yaml.safe_dump(catalogue(a=url, b="b.tif")))
    assert words in refused("cube", project)
    assert not (folder / "run" / "cube.zarr").exists()


@pytest.mark.parametrize("table", ["pipe.csv", "folder.csv", "."])
def test_a_table_that_is_no_file(project: Path, table: str) -> None:
    if table == "pipe.csv":
        os.mkfifo(project.parent / table)
    else:
        (project.parent / table).mkdir(exist_ok=True)
    change(project, sites={**CONFIG["sites"], "table": table})
    for command in ("cube", "boreholes", "run"):
        said = refused(command, project)
        assert str(project.parent / table) in said
        assert ("pipe" if table == "pipe.csv" else "folder") in said


@pytest.mark.parametrize("endpoint", ["not a url", "localhost:9000", "ftp://host", "http://"])
def test_an_endpoint_that_is_no_address(monkeypatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    assert f"AWS_ENDPOINT_URL_S3 is '{endpoint}', which is no address" in refused(
        "run", "s3://bucket/config.yaml"
    )


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/double//slash/config.yaml",
        "foo://x/config.yaml",
        "/vsis3/bucket/config.yaml",
        "a\0b",
    ],
)
def test_a_config_at_no_address(url: str) -> None:
    refused("run", url)
    refused("doctor", url)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("RequestTimeTooSkewed", "clock is wrong"),
        ("InvalidObjectState", "archived"),
        ("429", "too many requests"),
        ("RequestTimeout", "waited too long"),
        ("301", "another region"),
        ("PermanentRedirect", "another region"),
        ("QuotaExceeded", "over its quota"),
    ],
)
def test_what_a_bucket_answers_is_told_with_what_to_do(code: str, words: str) -> None:
    import errno

    from botocore.exceptions import ClientError

    cause = ClientError({"Error": {"Code": code, "Message": "x"}}, "GetObject")
    # s3fs raises some of these as a lack of rights or as an unknown error.
    for outer in (
        PermissionError("x"),
        OSError(errno.EIO, "x"),
        OSError(errno.EREMCHG, "Moved Permanently."),
    ):
        if isinstance(outer, OSError) and outer.errno == errno.EREMCHG and "region" not in words:
            continue
        outer.__cause__ = cause
        with pytest.raises(IcemapError, match=words), store.storage_errors("s3://b/k", "read"):
            raise outer


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("provenance.json", {"steps": {"cube": 5}}),
        ("provenance.json", {"steps": {}, "versions": [1]}),
        ("provenance.json", {"steps": {"cube": {"key": 1}}}),
        ("cube.zarr/zarr.json", None),
        ("ledger/cube/r000c000.json", {}),
        ("ledger/cube/r000c000.json", {"pixels": "x"}),
    ],
)
def test_a_record_with_other_content_is_named(project: Path, file: str, content: object) -> None:
    assert CliRunner().invoke(main, ["cube", str(project)]).exit_code == 0
    path = project.parent / "run" / file
    path.write_text(path.read_text()[:40] if content is None else json.dumps(content))
    if file.startswith("ledger"):
        record = project.parent / "run" / "provenance.json"
        begun = json.loads(record.read_text())
        begun["steps"]["cube"]["finished"] = None
        record.write_text(json.dumps(begun))
    step = "boreholes" if "zarr" in file else "cube"
    said = refused(step, project)
    assert file.removesuffix("/zarr.json") in said
    assert "delete it" in said


def test_all_problems_of_the_inputs_are_told_before_the_first_chunk(project: Path) -> None:
    (project.parent / "a.tif").write_text("no raster")
    (project.parent / "sites.csv").write_text("lon,lat,vic\n1,2,3\n")
    change(project, ensemble={"members": ["svr", "sklearn.isotonic.IsotonicRegression"]})
    said = refused("cube", project)
    for words in (
        "3 problems",
        "'a' cannot be opened",
        "no column 'ice'",
        "IsotonicRegression' cannot be fitted",
    ):
        assert words in said
    assert not (project.parent / "run" / "cube.zarr").exists()
