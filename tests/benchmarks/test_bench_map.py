"""The benchmark of the map runs, and both ways agree."""

import runpy
from pathlib import Path


def test_the_benchmark_of_the_map_runs_small(capsys):
    main = runpy.run_path(str(Path(__file__).with_name("bench_map.py")))["main"]
    found = main(["--sites", "150", "--replicates", "2", "--pixels", "700", "--slow-pixels", "40", "--rounds", "1"])
    assert set(found) == {"coherent", "scattered"}
    for differences in found.values():
        assert differences["replicate means"] < 2e-3
        assert max(differences["lower"], differences["upper"]) < 0.03  # half of it the bisection's
    printed = capsys.readouterr().out
    for part in ("the obvious way", "random_forest", "dissimilarity", "times icemap's"):
        assert part in printed
