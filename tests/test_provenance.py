from __future__ import annotations

import json
import os

import pytest

from icemap import IcemapError
from icemap.provenance import Provenance, digest, fingerprint, versions

pytestmark = pytest.mark.quick


def test_digests_depend_on_values_not_on_order_of_keys():
    assert digest({"a": [1, {"b": 2, "c": None}]}) == digest({"a": [1, {"c": None, "b": 2}]})
    values = [{}, {"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": [1]}, {"b": 1}, [1, 2], [2, 1], None, ""]
    assert len({digest(value) for value in values}) == len(values)


def test_the_fingerprint_of_a_file_is_that_of_its_content(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("a,b\n1,2\n")
    two.write_text("a,b\n1,2\n")
    os.utime(two, (1, 1))
    assert fingerprint(str(one)) == fingerprint(str(two)) == fingerprint(f"file://{two}")
    two.write_text("a,b\n1,3\n")
    assert fingerprint(str(one)) != fingerprint(str(two))


def test_a_large_file_is_told_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr("icemap.provenance.MAX_HASHED", 10)
    path = tmp_path / "large.tif"
    path.write_bytes(bytes(100))
    before = fingerprint(str(path))
    assert fingerprint(str(path)) == before
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert fingerprint(str(path)) != before


def test_a_folder_changes_with_any_file_in_it(tmp_path):
    (tmp_path / "a.zarr" / "c").mkdir(parents=True)
    (tmp_path / "a.zarr" / "c" / "0").write_bytes(b"x")
    before = fingerprint(str(tmp_path / "a.zarr"))
    assert fingerprint(str(tmp_path / "a.zarr")) == before
    (tmp_path / "a.zarr" / "c" / "1").write_bytes(b"x")
    assert fingerprint(str(tmp_path / "a.zarr")) != before


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(IcemapError, match=r"absent\.csv: there is no such file"):
        fingerprint(str(tmp_path / "absent.csv"))


def test_the_fingerprint_of_an_object(s3_url):
    from icemap.store import write_text

    url = f"{s3_url}/sites.csv"
    write_text(url, "a")
    before = fingerprint(url)
    assert fingerprint(url) == before
    write_text(url, "b")
    assert fingerprint(url) != before
    with pytest.raises(IcemapError, match="there is no such file"):
        fingerprint(f"{s3_url}/absent.csv")


def test_a_step_is_new_then_started_then_finished(tmp_path):
    def state(key: str) -> tuple[bool, bool]:
        provenance = Provenance(str(tmp_path))
        return provenance.is_started("cube", key), provenance.is_finished("cube", key)

    assert state("k1") == (False, False)
    Provenance(str(tmp_path)).start("cube", "k1")
    assert state("k1") == (True, False)
    Provenance(str(tmp_path)).finish("cube", cells=7)
    assert state("k1") == (True, True)
    assert state("k2") == (False, False)
    Provenance(str(tmp_path)).start("cube", "k2")
    assert state("k1") == (False, False)
    assert state("k2") == (True, False)
    assert "cells" not in Provenance(str(tmp_path)).steps["cube"]


def test_facts_are_kept_next_to_the_steps(tmp_path):
    provenance = Provenance(str(tmp_path))
    provenance.start("cube", "k")
    provenance.finish("cube", cells=3)
    provenance.describe({}, config={"seed": 1}, sources={})
    content = json.loads((tmp_path / "provenance.json").read_text())
    assert content["steps"]["cube"]["cells"] == 3
    assert content["config"] == {"seed": 1}
    assert content["versions"].keys() == versions().keys() >= {"python", "icemap", "numpy"}


def test_what_a_step_depends_on_is_kept_and_what_json_lacks_becomes_a_word(tmp_path):
    Provenance(str(tmp_path)).start("cube", "k", {"nodata": (float("nan"), -1.0), "file": "ab12"})
    assert Provenance(str(tmp_path)).steps["cube"]["depends"] == {
        "nodata": ["NaN", -1.0],
        "file": "ab12",
    }


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"steps": []}', "{}"])
def test_a_record_that_is_none_is_named(tmp_path, text):
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(IcemapError, match=r"provenance\.json is not .*delete it"):
        Provenance(str(tmp_path))
