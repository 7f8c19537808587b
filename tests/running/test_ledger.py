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
