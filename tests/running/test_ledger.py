from __future__ import annotations

import threading

import pytest

from icemap import IcemapError, store
from icemap.running.ledger import Ledger

pytestmark = pytest.mark.quick


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(str(tmp_path / "run" / "ledger" / "map"))


def test_a_ledger_that_is_not_there_is_empty(ledger):
    assert ledger.keys() == set()
    assert ledger.records() == {}
    ledger.clear()


def test_records_come_back_by_key_in_order(ledger):
    for key, cells in (("r001c000", 3), ("r000c002", 5), ("r000c010", 1)):
        ledger.write(key, {"cells": cells, "sums": {"all": [1.5, None]}})
    assert ledger.keys() == {"r000c002", "r000c010", "r001c000"}
    assert list(ledger.records()) == ["r000c002", "r000c010", "r001c000"]
    assert ledger.records()["r000c002"] == {"cells": 5, "sums": {"all": [1.5, None]}}
    ledger.write("r000c002", {"cells": 6})
    assert ledger.records()["r000c002"] == {"cells": 6}
    ledger.clear()
    assert ledger.keys() == set()


def test_what_is_half_written_does_not_count(ledger, tmp_path):
    ledger.write("r000c000", {})
    (tmp_path / "run" / "ledger" / "map" / ".r000c001.json.k3xq").write_text('{"cells"')
    assert ledger.keys() == {"r000c000"}


def test_numbers_that_json_does_not_know_are_refused(ledger):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.write("r000c000", {"mean": float("nan")})
    assert ledger.keys() == set()


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "\udc80"])
def test_a_broken_record_is_named_with_what_to_do(ledger, content):
    ledger.write("r000c000", {})
    store.write_bytes(f"{ledger.url}/r000c001.json", content.encode(errors="surrogateescape"))
    with pytest.raises(
        IcemapError,
        match=(
            r"ledger/map/r000c001\.json is not valid JSON: delete it and run again, its chunk will"
            r" be made again\.$"
        ),
    ):
        ledger.records()


@pytest.mark.parametrize("bit", range(0, 400, 7))
def test_a_flipped_bit_of_a_record_is_named(ledger, tmp_path, bit):
    ledger.write("r000c000", {"sums": {"all": {"integral": [1.2345678901, 2.5]}}, "valid": 17})
    path = tmp_path / "run" / "ledger" / "map" / "r000c000.json"
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(content)
    with pytest.raises(
        IcemapError,
        match=(
            r"ledger/map/r000c000\.json is not .*: delete it and run again, its chunk will be made"
            r" again\.$"
        ),
    ):
        ledger.records()
    sound, damaged = ledger.examined()
    assert (sound, list(damaged)) == ({}, ["r000c000"])
    ledger.remove("r000c000")
    assert ledger.examined() == ({}, {})


def test_any_number_of_writers(ledger):
    def write(worker: int) -> None:
        for number in range(20):
            ledger.write(f"r{worker:03d}c{number:03d}", {"worker": worker})

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.records()) == 120


def test_it_lives_in_a_bucket(s3_url):
    ledger = Ledger(f"{s3_url}/ledger/map")
    assert ledger.records() == {}
    ledger.write("r000c001", {"cells": 1})
    ledger.write("r000c000", {"cells": 0})
    assert ledger.keys() == {"r000c000", "r000c001"}
    assert list(ledger.records().values()) == [{"cells": 0}, {"cells": 1}]
    ledger.clear()
    assert ledger.keys() == set()


SUMS = {"all": {"area_km2": 4.5, "integral": [1 / 3, 2.5]}, "north": {"area_km2": 1.0}}


def with_numbers(ledger, key="r000c000"):
    ledger.write(key, {"valid": 17, "table": ledger.write_numbers(key, SUMS)})


def test_numbers_are_in_a_file_next_to_the_record(ledger, tmp_path):
    with_numbers(ledger)
    assert ledger.keys() == {"r000c000"}
    (key, record), *rest = ledger.each()
    assert (key, rest, record["valid"]) == ("r000c000", [], 17)
    assert "integral" not in (tmp_path / "run" / "ledger" / "map" / "r000c000.json").read_text()
    assert ledger.numbers(key, record) == SUMS
    assert ledger.examined() == ({key: record}, {})
    ledger.remove(key)
    assert list((tmp_path / "run" / "ledger" / "map").iterdir()) == []


def test_numbers_that_an_earlier_version_wrote_into_the_record_are_read(ledger):
    ledger.write("r000c000", {"sums": SUMS})
    assert ledger.numbers("r000c000", ledger.records()["r000c000"]) == SUMS
    assert ledger.numbers("r000c001", {"sums": {}}) == ledger.numbers("r000c001", {}) == {}


@pytest.mark.parametrize("damage", ["lost", "emptied", "truncated", "flipped", "of another chunk"])
def test_damaged_numbers_are_named_with_what_to_do(ledger, tmp_path, damage):
    with_numbers(ledger)
    ledger.write_numbers("r000c001", {"all": {"area_km2": 4.5}})
    path = tmp_path / "run" / "ledger" / "map" / "r000c000.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(
            {
                "emptied": b"",
                "truncated": content[: len(content) // 2],
                "flipped": bytes(content),
                "of another chunk": path.with_name("r000c001.npz").read_bytes(),
            }[damage]
        )
    said = (
        r"The numbers .*ledger/map/r000c000\.npz of a ledger record are not .*: delete .*r000c000"
        r"\.json and run again, its chunk will be made again\.$"
    )
    with pytest.raises(IcemapError, match=said):
        ledger.numbers("r000c000", ledger.records()["r000c000"])
    sound, damaged = ledger.examined()
    assert (sound, list(damaged)) == ({}, ["r000c000"])
    assert ledger.examined(numbers=False)[1] == {}


def test_numbers_live_in_a_bucket(s3_url):
    ledger = Ledger(f"{s3_url}/ledger/map")
    with_numbers(ledger)
    assert [ledger.numbers(key, record) for key, record in ledger.each()] == [SUMS]
    ledger.remove("r000c000")
    assert ledger.keys() == set()
