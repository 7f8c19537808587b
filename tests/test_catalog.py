from __future__ import annotations

import pytest
import yaml

from icemap import IcemapError
from icemap.catalog import load_sources, read_catalog

pytestmark = pytest.mark.quick

METADATA = {"family": "topography", "long_name": "elevation", "unit": "m"}


def content(metadata: dict | None = None, url: str = "grids/elev.tif") -> dict:
    data = {
        "dem": {"kwargs": {"url": url}, "metadata": {"licence": "CC0", "citation": "somebody 2020"}}
    }
    return {
        "version": 2,
        "data": data,
        "entries": {
            "elevation": {
                "kwargs": {"data": "{data(dem)}"},
                "metadata": {**METADATA, **(metadata or {})},
            }
        },
    }


@pytest.fixture
def write(tmp_path):
    def to_file(value) -> str:
        path = tmp_path / "catalog.yaml"
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value))
        return str(path)

    return to_file


def test_an_entry_has_its_file_and_licence(write, tmp_path):
    source = load_sources(write(content({"nodata": [-9999], "scale": 0.1})), ["elevation"])[
        "elevation"
    ]
    assert source.url == str(tmp_path / "grids" / "elev.tif")
    assert (source.name, source.licence, source.citation) == ("elevation", "CC0", "somebody 2020")
    assert (source.nodata, source.scale, source.offset, source.kind) == (
        (-9999.0,),
        0.1,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("{CATALOG_DIR}/grids/elev.tif", "{folder}/grids/elev.tif"),
        ("{env(ICEMAP_TEST_DATA)}/elev.tif", "/data/elev.tif"),
        ("/abs/elev.tif", "/abs/elev.tif"),
        ("s3://bucket/elev.tif", "s3://bucket/elev.tif"),
        ("virtual-arctic:3", "virtual-arctic:3"),
    ],
)
def test_addresses_are_seen_from_the_catalogue(write, tmp_path, monkeypatch, url, expected):
    monkeypatch.setenv("ICEMAP_TEST_DATA", "/data")
    assert load_sources(write(content(url=url)), ["elevation"])["elevation"].url == expected.format(
        folder=tmp_path
    )


def test_only_the_named_entries_need_to_be_right(write):
    catalog = content()
    catalog["entries"]["broken"] = {"metadata": {}}
    assert list(load_sources(write(catalog), ["elevation"])) == ["elevation"]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"family": "weather"}, ["'family'", "paleoclimate"]),
        ({"colour": 1}, ["'colour'", "unknown key"]),
        ({"kind": "class", "rasterize": {"into": "class", "attribute": "a"}}, ["needs 'classes'"]),
        ({"kind": "class", "classes": {255: "x"}}, ["0-254"]),
        ({"fill_nearest": -1}, ["'fill_nearest'"]),
        ({"reduce": {"time": "median"}}, ["'reduce.time'"]),
        ({"valid_range": [1]}, ["'valid_range.1'"]),
        ({"scale": "big"}, ["'scale'"]),
        ({"scale": 0}, ["a scale of 0 makes all values one"]),
    ],
)
def test_a_wrong_key_is_named_with_file_and_entry(write, metadata, words):
    with pytest.raises(IcemapError) as caught:
        load_sources(write(content(metadata)), ["elevation"])
    said = str(caught.value)
    assert all(word in said for word in ["catalog.yaml", "entry 'elevation'", *words]), said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("licence", "belongs to the 'metadata' of the file, under 'data'"),
        ("citation", "belongs to the 'metadata' of the file, under 'data'"),
        ("url", "the file of an entry is named under 'data'"),
        ("step", "remove it"),
    ],
)
def test_what_an_entry_cannot_say_is_not_passed_over(write, key, words):
    with pytest.raises(IcemapError, match=f"entry 'elevation': '{key}' is no key of an entry") as e:
        load_sources(write(content({key: "CC-BY-4.0"})), ["elevation"])
    assert words in str(e.value)


def test_a_licence_of_a_derived_entry_is_that_of_its_input(write):
    catalog = content()
    slope = {"family": "topography", "long_name": "slope", "unit": "degrees"}
    slope["derived"] = {"how": "slope", "of": ["elevation"]}
    catalog["entries"]["slope"] = {"kwargs": {}, "metadata": {**slope, "licence": "CC0"}}
    with pytest.raises(IcemapError, match="'licence' is no key of an entry: it is that of"):
        load_sources(write(catalog), ["slope"])


def test_an_unknown_key_is_told_with_the_keys_that_are_documented(write):
    with pytest.raises(IcemapError, match="did you mean 'scale'") as error:
        load_sources(write(content({"scal": 2})), ["elevation"])
    assert "inputs" not in str(error.value)


def test_a_missing_entry_is_told_with_the_one_like_it(write):
    with pytest.raises(IcemapError, match=r"no entry 'elevaton' \(did you mean 'elevation'\?\)"):
        load_sources(write(content()), ["elevaton"])


def test_a_missing_entry_data_or_address_is_named(write):
    with pytest.raises(
        IcemapError, match=r"catalog\.yaml has no entry 'slope': add it, or use one of elevation\."
    ):
        load_sources(write(content()), ["slope"])
    for reference in ("elev.tif", "{data(other)}", ""):
        catalog = content()
        catalog["entries"]["elevation"]["kwargs"]["data"] = reference
        with pytest.raises(IcemapError, match=r"entry 'elevation': kwargs\.data is"):
            load_sources(write(catalog), ["elevation"])
    with pytest.raises(IcemapError, match=r"data 'dem': kwargs\.url is missing"):
        load_sources(write(content(url="")), ["elevation"])


@pytest.mark.parametrize("part", ["entries", "data"])
@pytest.mark.parametrize("value", ["text", ["list"], None, 3])
def test_parts_of_another_shape_are_refused(write, part, value):
    catalog = content()
    key = "elevation" if part == "entries" else "dem"
    catalog[part][key] = value
    with pytest.raises(IcemapError, match=r"catalog\.yaml"):
        load_sources(write(catalog), ["elevation"])


@pytest.mark.parametrize(
    "text", ["", "[]", "version: 1\nsources: {}", "version: 2", "version: 2\nentries: [a]"]
)
def test_what_is_no_catalogue_is_refused(write, text):
    with pytest.raises(
        IcemapError, match="is not a catalogue: it must be an intake file with 'version: 2'"
    ):
        read_catalog(write(text))


@pytest.mark.parametrize("part", ["entries", "data"])
@pytest.mark.parametrize("name", [0, True, 2026])
def test_a_name_that_is_no_text_is_told(write, part, name):
    content = {"version": 2, "data": {}, "entries": {}, part: {name: {}}}
    with pytest.raises(
        IcemapError,
        match=f"has the name {name}, which YAML reads as no text: write '{name}' in quotes",
    ):
        load_sources(write(yaml.safe_dump(content)), ["elevation"])


def test_unreadable_yaml_names_the_line(write):
    with pytest.raises(IcemapError, match=r"catalog\.yaml is not readable YAML \(line 3\)"):
        read_catalog(write("version: 2\nentries: [a\n"))


def test_nothing_in_it_runs(write, tmp_path):
    with pytest.raises(IcemapError, match="not readable YAML"):
        read_catalog(
            write(f"version: 2\nentries: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
        )
    assert not (tmp_path / "made").exists()
