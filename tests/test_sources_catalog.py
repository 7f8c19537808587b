"""The catalogue of real sources is complete and can be read, by intake and by icemap."""

import re
from pathlib import Path

import intake
import pytest
import yaml

from icemap.catalog import load_sources
from icemap.provenance import Provenance
from icemap.source import DERIVED_KEYS

CATALOG = Path(__file__).parents[1] / "examples" / "sources.yaml"
CONTENT = yaml.safe_load(CATALOG.read_text())
FAMILIES = {"paleoclimate", "climate", "remote_sensing", "topography", "geology"}


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ICEMAP_DATA", str(tmp_path))


@pytest.mark.parametrize("name", CONTENT["entries"])
def test_icemap_reads_every_entry(name, tmp_path):
    source = load_sources(str(CATALOG), [name])[name]
    assert source.family in FAMILIES
    for leaf in source.leaves:
        assert leaf.url.startswith(str(tmp_path))
        assert leaf.licence
        assert "doi:" in leaf.citation or "Permafrost_cci" in leaf.citation
    if (
        source.derived is None
        and source.kind == "continuous"
        and source.rasterize is None
        and source.unit != "m"
    ):
        assert source.valid_range is not None


def test_the_record_of_a_run_gives_every_source_back(tmp_path):
    sources = load_sources(str(CATALOG), list(CONTENT["entries"]))
    odd = next(source for source in sources.values() if source.derived is None).model_copy(
        update={"nodata": (float("nan"), -9999.0)}
    )
    sources["odd"] = odd.model_copy(update={"name": "odd"})
    described = {
        name: source.model_dump(mode="json", exclude_defaults=True)
        for name, source in sources.items()
    }
    Provenance(str(tmp_path)).describe({}, config={}, sources=described)
    again = load_sources(str(tmp_path / "provenance.json"), list(sources))
    for name, source in sources.items():
        assert again[name].url == source.url
        assert repr(again[name]) == repr(source), "NaN is not equal to itself"


def test_intake_opens_every_entry_with_a_file():
    catalog = intake.open_catalog(str(CATALOG))
    sources = load_sources(str(CATALOG), list(CONTENT["entries"]))
    for name, entry in CONTENT["entries"].items():
        if "derived" in entry["metadata"]:
            assert set(entry["metadata"]) <= DERIVED_KEYS
        else:
            assert catalog[name].kwargs["data"].url == sources[name].url


@pytest.mark.parametrize("name", CONTENT["data"])
def test_every_file_says_where_it_comes_from_and_what_was_tested(name):
    metadata = CONTENT["data"][name]["metadata"]
    assert set(metadata) == {"licence", "citation", "resolution", "download", "tested"}
    assert all(metadata.values())
    assert metadata["download"].startswith("https://")
    for doi in re.findall(r"doi:(\S+)", metadata["citation"]):
        assert re.fullmatch(r"10\.\d{4,9}/[^\s;]+;?", doi)
    assert any(
        entry["kwargs"].get("data") == f"{{data({name})}}"
        for entry in CONTENT["entries"].values()
        if entry["kwargs"]
    )


def test_all_five_families_are_there():
    assert {entry["metadata"]["family"] for entry in CONTENT["entries"].values()} == FAMILIES
