"""What does not fit together is refused before the first chunk, by name."""

import copy

import numpy as np
import pytest

from icemap import Grid, IcemapError
from icemap.gridded import Variable, create_gridded
from icemap.mapping import agreement
from icemap.mapping.agreement import chunk_bytes, require_agreement, require_memory
from icemap.mapping.map import MapBuild
from icemap.predictors.cube import describe_predictors
from icemap.running.cluster import DaskExecutor
from icemap.running.run import SerialExecutor

pytestmark = pytest.mark.quick
GRID = Grid(100, 60, 140, 80, 1)
CLASSES = {"flag_values": [1, 3], "flag_meanings": "sand peat"}


@pytest.fixture
def build(tmp_path) -> MapBuild:
    url = str(tmp_path / "cube.zarr")
    variables = [
        Variable("maat", attrs={"units": "degC", "digest": "d1", "role": "predictor"}),
        Variable("rock", "uint8", {"units": "1", "digest": "d2", "role": "predictor", **CLASSES}),
        Variable("land", attrs={"units": "1", "digest": "d3", "role": "mask"}),
        Variable("valid", "uint8"),
    ]
    create_gridded(url, GRID, variables, {}, chunk=16)
    return MapBuild(str(tmp_path / "map.zarr"), url, "ensemble", "0" * 64, GRID, 16, ())


@pytest.fixture
def manifest(build, monkeypatch) -> dict:
    """Of an ensemble trained on that cube; tests change it."""
    content = {
        "coding": {"names": ["maat", "rock"]},
        "parameters": {"members": ["svr", "gam"], "replicates": 200},
        "predictors": copy.deepcopy(describe_predictors(build.cube_url)),
    }
    monkeypatch.setattr(agreement, "read_manifest", lambda url: content)
    return content


def test_what_belongs_together_passes(build, manifest):
    assert describe_predictors(build.cube_url) == {
        "maat": {"unit": "degC", "digest": "d1", "classes": {}},
        "rock": {"unit": "1", "digest": "d2", "classes": {"1": "sand", "3": "peat"}},
    }
    require_agreement(build)
    manifest["coding"]["names"].reverse()  # the map asks the cube by name
    require_agreement(build)
    del manifest["predictors"]  # saved by hand
    require_agreement(build)


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("maat", "unit", "K", "'maat' has the unit 'degC' and had 'K' in training"),
        (
            "maat",
            "digest",
            "other",
            "'maat' comes from another file or other settings than in training",
        ),
        (
            "rock",
            "classes",
            {"1": "sand", "3": "silt"},
            "'rock' has the class 3 = peat, which was silt in training",
        ),
        (
            "rock",
            "classes",
            {"1": "sand"},
            "'rock' has the class 3 = peat, which was nothing in training",
        ),
        (
            "rock",
            "classes",
            {"1": "sand", "3": "peat", "10": "clay"},
            "'rock' has the class 10 = nothing, which was clay in training",
        ),
    ],
)
def test_a_predictor_that_differs_is_named(build, manifest, name, key, value, said):
    manifest["predictors"][name][key] = value
    with pytest.raises(IcemapError, match="do not belong together") as caught:
        require_agreement(build)
    assert f"the predictor {said}" in str(caught.value)
    assert "icemap train" in str(caught.value)


def test_a_predictor_that_the_cube_lacks_is_named(build, manifest):
    manifest["coding"]["names"].append("slope")
    with pytest.raises(IcemapError, match="the cube has no predictor 'slope'"):
        require_agreement(build)


@pytest.mark.parametrize("grid", [Grid(100, 60, 140, 80, 0.5), Grid(99, 60, 139, 80, 1)])
def test_a_cube_on_another_grid_is_refused(build, manifest, grid):
    with pytest.raises(IcemapError, match=r"is on the grid Grid\(west=100.*make the cube again"):
        require_agreement(MapBuild(build.url, build.cube_url, "ensemble", "", grid, 16, ()))


def test_a_worker_with_less_memory_than_the_ensemble_needs_is_named(build, manifest, monkeypatch):
    from distributed import Client, LocalCluster

    ensemble = 100_000_000
    monkeypatch.setattr(agreement, "compiled_size", lambda url: ensemble)
    needed = (agreement.WORKER_BYTES + ensemble + 2 * chunk_bytes(build)) / agreement.USABLE
    require_memory(build, SerialExecutor())
    limit, said = (
        int(needed) + 1,
        (
            r"The worker \S+ has 0\.\d\d GB of memory; with 2 threads, an ensemble of 101 MB .*"
            r" give the workers more memory"
        ),
    )
    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        memory_limit=limit,
        processes=False,
        dashboard_address=None,
    )
    with cluster, Client(cluster) as client:
        require_memory(build, DaskExecutor(client))
        ensemble += 1_000_000
        with pytest.raises(IcemapError, match=said):
            require_memory(build, DaskExecutor(client))


def test_memory_of_a_chunk_grows_with_the_chunk_and_the_replicates(build, manifest):
    small = chunk_bytes(build)
    large = chunk_bytes(
        MapBuild(build.url, build.cube_url, "ensemble", "", Grid(-180, 0, 180, 90, 0.1), 512, ())
    )
    assert large - small == 4 * 3 * 2 * (512**2 - 16**2)
    manifest["parameters"]["replicates"] = 100
    assert small - chunk_bytes(build) == np.prod([agreement.BATCH, 4, 100, 4])
