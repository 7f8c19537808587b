from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from distributed import Future
from distributed.comm import CommClosedError

from icemap import IcemapError
from icemap.running.dask_executor import DaskExecutor
from icemap.running.ledger import Ledger
from icemap.running.run import Job, SerialExecutor, run_job


@dataclass(frozen=True)
class Item:
    number: int

    @property
    def key(self) -> str:
        return f"r000c{self.number:03d}"


class Shuffled(SerialExecutor):
    """Finishes in another order than it was given."""

    def map(self, function, items):
        return super().map(function, random.Random(3).sample(items, len(items)))


class Work:
    """Counts its calls; fails for some items."""

    def __init__(self, wrong: tuple[int, ...] = (), error: type[Exception] = IcemapError) -> None:
        self.calls: list[int] = []
        self.wrong, self.error = wrong, error

    def __call__(self, item: Item) -> dict:
        self.calls.append(item.number)
        if item.number in self.wrong:
            raise self.error(f"Part {item.number} is broken.")
        return {"square": item.number**2}


ITEMS = [Item(number) for number in range(12)]


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def run(work, ledger, executor=None, items=ITEMS):
    return run_job(Job("test", items, work), ledger, executor or SerialExecutor(), progress=False)


@pytest.mark.quick
@pytest.mark.parametrize("executor", [SerialExecutor(), Shuffled()])
def test_records_come_in_the_order_of_the_keys(ledger, executor):
    work = Work()
    records = run(work, ledger, executor, ITEMS[::-1])
    assert [record["square"] for record in records] == [number**2 for number in range(12)]
    assert all(record["seconds"] >= 0 for record in records)
    assert sorted(work.calls) == list(range(12))


@pytest.mark.quick
def test_what_the_ledger_has_is_not_done_again(ledger):
    first = run(Work(), ledger, items=ITEMS[:5])
    work = Work()
    records = run(work, ledger)
    assert sorted(work.calls) == list(range(5, 12))
    assert records[:5] == first
    nothing = Work()
    assert run(nothing, ledger) == records
    assert nothing.calls == []


@pytest.mark.quick
def test_one_mistake_leaves_the_others_done_and_recorded(ledger):
    with pytest.raises(IcemapError) as caught:
        run(Work(wrong=(3,)), ledger)
    assert str(caught.value) == "Part 3 is broken."
    assert ledger.keys() == {item.key for item in ITEMS} - {"r000c003"}
    mended = Work()
    assert len(run(mended, ledger)) == 12
    assert mended.calls == [3]


@pytest.mark.quick
def test_of_several_mistakes_the_same_one_is_told_in_any_order(ledger, tmp_path):
    said = set()
    for number, executor in enumerate((SerialExecutor(), Shuffled())):
        with pytest.raises(IcemapError) as caught:
            run(Work(wrong=(9, 2, 5)), Ledger(str(tmp_path / str(number))), executor)
        said.add(str(caught.value))
    assert said == {"Part 2 is broken. (2 other parts failed too; what is done is kept.)"}


@pytest.mark.quick
def test_a_job_in_which_everything_fails_stops_early(ledger):
    work = Work(wrong=tuple(range(1, 12)))
    with pytest.raises(
        IcemapError,
        match=r"Part 1 is broken\. \(9 other parts failed too; what is done is kept\.\)",
    ):
        run(work, ledger)
    assert ledger.keys() == {ITEMS[0].key}
    assert work.calls == list(range(11))


@pytest.mark.quick
def test_a_bug_is_not_turned_into_a_sentence(ledger):
    with pytest.raises(ZeroDivisionError):
        run(Work(wrong=(4,), error=ZeroDivisionError), ledger)
    assert ledger.keys() == {item.key for item in ITEMS[:4]}


@pytest.mark.quick
def test_records_that_vanish_are_noticed(ledger):
    class Forgetful(SerialExecutor):
        def map(self, function, items):
            return super().map(function, items[:-2])

    with pytest.raises(
        IcemapError,
        match="test: 2 of 12 parts were not finished, first r000c010: run the same command again",
    ):
        run(Work(), ledger, Forgetful())


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_on_dask_at_most_two_tasks_per_thread_wait(client, ledger):
    class Watched:
        """A client that remembers how many of its futures were unfinished at once."""

        def __init__(self) -> None:
            self.submitted, self.most = [], 0

        def submit(self, *args, **kwargs):
            future = client.submit(*args, **kwargs)
            self.submitted.append(future)
            self.most = max(self.most, sum(not future.done() for future in self.submitted))
            return future

        def __getattr__(self, name):
            return getattr(client, name)

    watched = Watched()
    items = [Item(number) for number in range(40)]
    records = run_job(Job("test", items, _slow), ledger, DaskExecutor(watched), progress=False)
    assert [record["square"] for record in records] == [number**2 for number in range(40)]
    assert len(watched.submitted) == 40
    assert watched.most <= 2 * 2 + 1


def test_a_scheduler_that_goes_while_a_record_is_on_its_way(ledger, client, monkeypatch):
    """The moment cannot be hit with a real scheduler, so that the cut is played; see
    test_cluster_processes.py for its real death.
    """
    whole, cuts = Future.result, []

    def cut_once(self, timeout=None):
        if not cuts:
            cuts.append(self.key)
            raise CommClosedError("in <TLS ConnectionPool.gather>: Stream is closed")
        return whole(self, timeout)

    monkeypatch.setattr(Future, "result", cut_once)
    items = [Item(number) for number in range(8)]
    records = run_job(Job("test", items, _slow), ledger, DaskExecutor(client), progress=False)
    assert [record["square"] for record in records] == [number**2 for number in range(8)]
    assert cuts

    def gone():
        raise OSError("no answer")

    cuts.clear()
    monkeypatch.setattr(client, "nthreads", lambda: gone() if cuts else {"worker": 1})
    for here, words in (
        (False, "was lost: what is finished is kept"),
        (True, "The workers of this machine do not answer, .*with fewer --workers"),
    ):
        cuts.clear()
        with pytest.raises(IcemapError, match=words):
            list(DaskExecutor(client, here=here).map(_slow, [Item(1)]))


def _slow(item: Item) -> dict:
    import time

    time.sleep(0.01)
    return {"square": item.number**2}


def _wrong_at_three(item: Item) -> dict:
    if item.number == 3:
        raise IcemapError("Part 3 is broken.")
    return {"square": item.number**2}


def test_on_dask_one_mistake_leaves_the_others_done_and_recorded(client, ledger):
    with pytest.raises(IcemapError, match=r"^Part 3 is broken\.$"):
        run_job(Job("test", ITEMS, _wrong_at_three), ledger, DaskExecutor(client), progress=False)
    assert ledger.keys() == {item.key for item in ITEMS} - {"r000c003"}


def test_on_dask_a_bug_ends_the_job_and_leaves_nothing_running(client, ledger):
    with pytest.raises(AttributeError):
        run_job(Job("test", ITEMS, _not_there), ledger, DaskExecutor(client), progress=False)
    assert not [future for future in client.futures.values() if future.status == "pending"]


def _not_there(item: Item) -> dict:
    return {"square": item.nothing}


@pytest.mark.quick
def test_numbers_of_a_part_are_written_where_it_is_worked_on(ledger):
    """They are next to the records, and neither travel nor stay in memory."""
    travelled = []

    class Seen(SerialExecutor):
        def map(self, function, items):
            for item, outcome in super().map(function, items):
                travelled.append(outcome.record)
                assert (item.number > 0) == ledger_has(item)
                yield item, outcome

    def ledger_has(item):
        from icemap.store import exists

        return exists(f"{ledger.url}/{item.key}.npz")

    sums = {"all": {"area_km2": 2.0, "integral": [1.0, 1 / 3]}}

    def work(item):
        return {"valid": item.number, "sums": sums if item.number else {}}

    records = run(work, ledger, Seen(), ITEMS[:3])
    assert all("sums" not in record for record in (*records[1:], *travelled[1:]))
    assert [ledger.numbers(key, record) for key, record in ledger.each()] == [{}, sums, sums]
    assert [record["valid"] for record in records] == [0, 1, 2]
