"""How far a job is, told while it runs, after it was stopped and when it failed."""

import time

import pytest

from icemap import IcemapError
from icemap.grid import Chunk
from icemap.running.ledger import PROGRESS, Ledger
from icemap.running.progress import Progress, progress_lines
from icemap.running.run import Job, SerialExecutor, run_job

pytestmark = pytest.mark.quick
ITEMS = [Chunk((0, number), slice(0, 1), slice(number, number + 1)) for number in range(4)]
PIXELS = {"r000c000": 0, "r000c001": 500, "r000c002": 300, "r000c003": 200}
NOTE = {
    "running": True,
    "unit": "pixels",
    "total": 1000,
    "done": 400,
    "before": 100,
    "started": 0.0,
    "updated": 30.0,
    "longest": 5.0,
    "failed": {},
}


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def run(ledger: Ledger, work, items=ITEMS) -> None:
    run_job(
        Job("map", items, work, lambda chunk: PIXELS[chunk.key], "pixels"),
        ledger,
        SerialExecutor(),
        progress=False,
    )


def test_pixels_count_not_chunks(ledger, monkeypatch):
    monkeypatch.setattr("icemap.running.progress.SECONDS_BETWEEN_NOTES", 0.0)
    seen = []

    def work(chunk):
        seen.append(ledger.progress())
        return {}

    run(ledger, work)
    assert [note["done"] for note in seen] == [0, 0, 500, 800]
    assert all(note["running"] and note["total"] == 1000 for note in seen)
    note = ledger.progress()
    assert (note["done"], note["running"], note["failed"]) == (1000, False, {})
    assert progress_lines(note, time.time()) == ["100.0 % of 1,000 pixels"]


def test_a_second_start_counts_its_own_pace(ledger):
    def stop(chunk):
        if chunk.key == "r000c002":
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        run(ledger, stop)
    assert progress_lines(ledger.progress(), time.time()) == [
        "50.0 % of 1,000 pixels, stopped: the same command continues"
    ]
    run(ledger, lambda chunk: {})
    assert ledger.progress()["before"] == 500


def test_a_part_that_failed_is_told_until_the_next_start(ledger):
    def fail(chunk):
        if chunk.key == "r000c003":
            raise IcemapError("Chunk r000c003 is damaged.")
        return {}

    with pytest.raises(IcemapError):
        run(ledger, fail)
    assert progress_lines(ledger.progress(), time.time()) == [
        "80.0 % of 1,000 pixels, stopped: the same command continues",
        "r000c003 failed: Chunk r000c003 is damaged.",
    ]
    run(ledger, lambda chunk: {})
    assert ledger.progress()["failed"] == {}


def test_the_note_is_no_record_and_goes_with_the_ledger(ledger, tmp_path):
    run(ledger, lambda chunk: {})
    assert (tmp_path / "ledger" / PROGRESS).is_file()
    assert ledger.keys() == set(ledger.records()) == set(PIXELS)
    ledger.clear()
    assert ledger.progress() is None


def test_a_note_that_cannot_be_written_at_the_end_does_not_hide_what_went_wrong(
    ledger, monkeypatch
):
    def full(note):
        if not note["running"]:
            raise IcemapError("No space is left.")

    monkeypatch.setattr(ledger, "write_progress", full)
    with pytest.raises(ZeroDivisionError), Progress(ledger, "pixels", 10, 0):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("changes", "now", "said"),
    [
        ({}, 31.0, "40.0 % of 1,000 pixels, about 59 s left"),
        ({"updated": 330.0}, 330.0, "40.0 % of 1,000 pixels, about 11 min left"),
        ({"updated": 33_000.0}, 33_000.0, "40.0 % of 1,000 pixels, about 18.3 h left"),
        ({"done": 100}, 31.0, "10.0 % of 1,000 pixels"),
        (
            {},
            900.0,
            (
                "40.0 % of 1,000 pixels, nothing heard for 14 min: if the command no longer runs,"
                " start it again and it continues"
            ),
        ),
        ({"longest": 600.0}, 900.0, "40.0 % of 1,000 pixels, about 0 s left"),
    ],
)
def test_time_left_is_that_of_the_pace_of_this_start(changes, now, said):
    assert progress_lines({**NOTE, **changes}, now) == [said]
