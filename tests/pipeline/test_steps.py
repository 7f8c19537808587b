"""What a step leaves in the record of a run."""

import itertools
import json
from pathlib import Path

import pytest
import yaml

from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context, Step
from icemap.provenance import processor
from icemap.running.run import Job
from icemap.virtual_arctic.demo import write_demo


class Part:
    def __init__(self, key: str) -> None:
        self.key = key


def count(context: Context) -> dict[str, int]:
    records = context.run_job(
        Job("count", [Part("a"), Part("b"), Part("c")], lambda part: {"n": 1}), "count"
    )
    return {"n": sum(record["n"] for record in records)}


@pytest.fixture
def run_count(tmp_path):
    """Runs a step of three parts; what it said and its record."""

    def run() -> tuple[list[str], dict[str, object]]:
        said: list[str] = []
        context = Context(load_config(write_demo(str(tmp_path), "small")), "serial", 1, said.append)
        run_steps(
            [Step("count", (), lambda context: None, count, lambda config: [])], context, ["count"]
        )
        return (
            said,
            json.loads((tmp_path / "run" / "provenance.json").read_text())["steps"]["count"],
        )

    return run


def test_the_record_names_the_processor(run_count):
    said, record = run_count()
    assert (record["n"], record["processors"]) == (3, [processor()])
    assert not any("processors" in line for line in said)


def test_workers_with_different_processors_are_told(run_count, monkeypatch):
    kinds = itertools.cycle(["znver3 (avx2)", "skylake-avx512 (avx512f)"])
    monkeypatch.setattr("icemap.running.run.processor", lambda: next(kinds))
    said, record = run_count()
    assert record["processors"] == ["skylake-avx512 (avx512f)", "znver3 (avx2)"]
    assert [
        line
        for line in said
        if "2 kinds of processors: skylake-avx512 (avx512f), znver3 (avx2)" in line
    ]


@pytest.mark.parametrize("name", ["dem.tif", "all.vrt"])
def test_a_raster_in_the_run_folder_is_refused(tmp_path, name):
    """By its own address, or as a part of a virtual raster elsewhere."""
    config = Path(write_demo(str(tmp_path), "small"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "dem.tif").touch()
    path = "run/dem.tif" if name == "dem.tif" else name
    part = '<SourceFilename relativeToVRT="1">run/dem.tif</SourceFilename>'
    (tmp_path / "all.vrt").write_text(f"<VRTDataset>{part}</VRTDataset>")
    metadata = {"family": "topography", "long_name": "elevation", "unit": "m"}
    entry = {"kwargs": {"data": "{data(dem)}"}, "metadata": metadata}
    data = {"dem": {"kwargs": {"url": path}}}
    catalog = {"version": 2, "data": data, "entries": {"elevation": entry}}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(catalog))
    settings = {**yaml.safe_load(config.read_text()), "predictors": ["elevation"], "masks": []}
    config.write_text(yaml.safe_dump(settings))
    with pytest.raises(IcemapError) as caught:
        Context(load_config(str(config)), "local", 1, print).sources  # noqa: B018
    both = f"(source 'elevation': {tmp_path}/run/dem.tif)"
    assert f"{tmp_path}/run is a folder with inputs in it" in str(caught.value)
    assert f"which the run could overwrite {both}: name a folder" in str(caught.value)
