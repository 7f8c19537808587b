"""The benchmark of the map runs, and both ways agree."""

import runpy
from pathlib import Path

SMALL = [
    "--sites",
    "150",
    "--replicates",
    "2",
    "--pixels",
    "700",
    "--slow-pixels",
    "40",
    "--slow-replicates",
    "1",
    "--checked-pixels",
    "40",
    "--rounds",
    "1",
]


def test_the_benchmark_of_the_map_runs_small(capsys, monkeypatch):
    file = Path(__file__).with_name("bench_map.py")
    monkeypatch.syspath_prepend(file.parent)
    found = runpy.run_path(str(file))["main"](SMALL)
    assert set(found) == {"coherent", "scattered"}
    for differences in found.values():
        assert differences["replicate means"] < 2e-3
        assert max(differences["lower"], differences["upper"]) < 0.03  # half of it the bisection's
    printed = capsys.readouterr().out
    for part in (
        "the obvious way",
        "random_forest",
        "dissimilarity",
        "times icemap's",
        "worst pixel",
    ):
        assert part in printed
