"""Predictions of Datasets, Dask arrays and frames: lazy, and those of the map."""

import sys
import warnings

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401  (the accessor)
import xarray as xr

import icemap
from icemap import Grid, IceEnsemble, IcemapError, IceRegressor
from icemap.config_sections import TargetConfig
from icemap.gridded import Variable, create_gridded
from icemap.mapping import lazy
from icemap.mapping.broadcast import ensemble_digest
from icemap.mapping.compiled_file import ensure_compiled
from icemap.mapping.map import MapBuild
from icemap.mapping.map_schema import map_variables
from icemap.store import write_json
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.zarr_groups import write_chunk

GRID = Grid(100, 60, 140, 80, 0.5)
LINEAR = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")
UNITS = {"maat": "degC", "rock": ""}
TARGET = TargetConfig(name="vic", long_name="volumetric ice content", unit="%")


def table(n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    samples = pd.DataFrame({"maat": rng.uniform(-20, -5, n), "rock": rng.choice([2, 7], n)})
    samples["lon"], samples["lat"] = rng.uniform(100, 140, n), rng.uniform(60, 80, n)
    samples["value"] = np.clip(20 - 2 * samples.maat + rng.normal(0, 5, n), 0, 100)
    return samples


def write_cube(url: str) -> None:
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    rock = np.where(lon < 120, 2, 7).astype(np.uint8)
    rock[0, 0] = 9
    valid = ((lon + lat) % 5 > 1).astype(np.uint8)
    valid[0, 0], valid[:, 64:] = 1, 0
    arrays = {
        "maat": (-0.4 * lat + 15 + np.sin(lon / 6)).astype(np.float32),
        "rock": rock,
        "valid": valid,
        "fraction": (lat / 100).astype(np.float32),
    }
    variables = [
        Variable("maat", attrs={"units": "degC", "role": "predictor"}),
        Variable("rock", "uint8", {"role": "predictor"}),
        Variable("valid", "uint8"),
        Variable("fraction"),
    ]
    create_gridded(url, GRID, variables, {}, chunk=16)
    for chunk in GRID.chunks(16):
        write_chunk(
            url, chunk, {name: values[chunk.rows, chunk.cols] for name, values in arrays.items()}
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A cube, an ensemble of the four members and their map."""
    run = tmp_path_factory.mktemp("run")
    samples = table()
    ensemble = IceEnsemble(classes=["rock"], replicates=2, folds=2, candidates=0).fit(samples)
    url = str(run / "ensemble")
    ensemble.save(url)
    from icemap.ensemble.saved import describe_ensemble

    facts = {name: {"unit": unit} for name, unit in UNITS.items()}
    describe_ensemble(url, {"predictors": facts, "target": TARGET.model_dump(mode="json")})
    design = ensemble.coding_.design(ensemble.table(samples).X)
    write_json(f"{url}/applicability.json", Applicability.fit(design).to_dict())
    write_json(f"{url}/calibration.json", Calibration((0.02, 0.97), 3.0).to_dict())
    ensure_compiled(url, samples)
    write_cube(str(run / "cube.zarr"))
    build = MapBuild(
        str(run / "map.zarr"),
        str(run / "cube.zarr"),
        url,
        ensemble_digest(url),
        GRID,
        32,
        map_variables(TARGET),
    )
    build.create({"title": "test"})
    for chunk in build.chunks:
        build(chunk)
    return run


@pytest.fixture(scope="module")
def fitted():
    samples = table()
    X = samples[["maat", "rock"]]
    X.attrs["units"] = UNITS
    model = IceRegressor(classes=["rock"], members=LINEAR, replicates=2, folds=2)
    return model.fit(X, samples["value"].rename("vic"), coordinates=samples[["lon", "lat"]])


def cube(run) -> xr.Dataset:
    return icemap.open_cube(str(run / "cube.zarr"))


@pytest.mark.parametrize("chunks", [None, {"latitude": 7, "longitude": 33}, -1, "in memory"])
def test_a_cube_gives_the_map_bit_for_bit(run, chunks):
    dataset = cube(run)
    if chunks == "in memory":
        dataset = dataset.load()
    elif chunks is not None:
        dataset = dataset.chunk(chunks)
    expected = icemap.open_map(str(run / "map.zarr"))
    for model in (
        icemap.open_ensemble(str(run)),
        icemap.open_ensemble(str(run / "ensemble")),
        IceRegressor.from_run(str(run)),
    ):
        found = model.predict(dataset)
        assert all(array.chunks is not None for array in found.data_vars.values())
        assert list(found.data_vars) == list(expected.data_vars)
        computed = found.compute()
        for name, variable in expected.data_vars.items():
            assert computed[name].dtype == variable.dtype
            np.testing.assert_array_equal(computed[name], variable)
            xr.testing.assert_identical(computed[name].variable, variable.load().variable)
        assert found.rio.crs == expected.rio.crs
        assert found.vic.rio.crs.to_epsg() == 4326
        assert found.aoa.isnull().any().compute()


def test_the_mean_of_a_table_is_that_of_the_map(run):
    model = IceRegressor.from_run(str(run))
    mapped = icemap.open_map(str(run / "map.zarr")).to_dataframe().dropna()
    places = cube(run).to_dataframe().loc[mapped.index, ["maat", "rock"]]
    values = places.astype(np.float32)
    where = mapped.reset_index()[["longitude", "latitude"]].to_numpy()
    found = model.predict(values, coordinates=where)
    np.testing.assert_array_equal(found.astype(np.float32), mapped.vic)
    interval = model.predict_interval(values, coordinates=where)
    np.testing.assert_allclose(interval[:, 0], mapped.vic_lower95, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(interval[:, 1], mapped.vic_upper95, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("lines", [("latitude", "longitude"), ("longitude", "latitude")])
def test_cells_are_predicted_tile_by_tile_and_go_back_to_their_places(run, lines):
    """Chunks larger than a tile, with dimensions in any order and holes, bit for bit."""
    rng = np.random.default_rng(3)
    shape = (2, 70, 130)
    fields = xr.Dataset(
        {
            "maat": (("step", "latitude", "longitude"), rng.uniform(-25, 0, shape)),
            "rock": (("step", "latitude", "longitude"), rng.choice([2.0, 7.0, 9.0], shape)),
        },
        {"latitude": np.linspace(80, 60, 70), "longitude": np.linspace(100, 140, 130)},
    )
    fields["maat"] = fields.maat.where(rng.random(shape) < 0.8)
    model = icemap.open_ensemble(str(run))
    expected = model.predict(fields.chunk({"latitude": 1})).compute()
    assert int(expected.vic.isnull().sum()) == int(fields.maat.isnull().sum())
    found = model.predict(fields.transpose(*lines, "step")).compute()
    assert found.vic.dims == (*lines, "step")
    xr.testing.assert_identical(found.transpose(*expected.vic.dims), expected)
    line = fields.isel(step=0, latitude=3, drop=True)
    alone = model.predict(line.assign_coords(latitude=float(fields.latitude[3]))).compute()
    np.testing.assert_array_equal(alone.vic, expected.vic.isel(step=0, latitude=3))


def test_nothing_is_predicted_before_it_is_asked_for_and_then_once(fitted, run, monkeypatch):
    calls = []
    own = lazy.map_batches

    def map_batches(*arguments):
        calls.append(len(arguments[-1]))
        return own(*arguments)

    monkeypatch.setattr(lazy, "map_batches", map_batches)
    dataset = cube(run)
    made = fitted.predict(dataset)
    assert calls == []
    made.compute()
    assert sum(calls) == int(dataset.valid.sum())


def test_chunks_larger_than_the_limit_are_cut(fitted, run, monkeypatch):
    monkeypatch.setattr(lazy, "MAX_CELLS", 100)
    made = fitted.predict(cube(run).chunk(-1))
    assert max(made.vic.chunks[0]) * max(made.vic.chunks[1]) <= 100


def test_what_is_written_is_stored_as_the_map_is(fitted, run, tmp_path):
    fitted.predict(cube(run)).to_zarr(tmp_path / "made.zarr", consolidated=False)
    raw = xr.open_zarr(tmp_path / "made.zarr", consolidated=False, mask_and_scale=False)
    assert raw.aoa.dtype == np.uint8
    assert raw.vic.dtype == np.float32
    assert 255 in raw.aoa.to_numpy()


def test_what_is_made_of_fields_without_a_crs_is_written(fitted, run, tmp_path):
    fields = cube(run)[["maat", "rock"]].drop_vars("spatial_ref", errors="ignore")
    for variable in fields.variables.values():
        variable.attrs.pop("grid_mapping", None)
        variable.encoding.pop("grid_mapping", None)
    made = fitted.predict(fields)
    made.to_zarr(tmp_path / "made.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "made.zarr", consolidated=False, decode_coords="all")
    assert stored.rio.crs.to_epsg() == 4326
    np.testing.assert_array_equal(stored.vic, made.vic)


def test_without_a_mask_cells_with_all_predictors_are_mapped(fitted, run):
    dataset = cube(run)[["maat", "rock"]].load()
    dataset.maat[3, 4] = np.nan
    made = fitted.predict(dataset).vic.compute()
    assert int(made.isnull().sum()) == 1
    contradictory = fitted.predict(dataset.assign(valid=xr.ones_like(dataset.maat)))
    with pytest.raises(IcemapError, match="'maat' is missing in cells of which 'valid' is 1"):
        contradictory.compute()


def test_places_along_one_dimension_are_predicted_too(fitted):
    sites = table(20)[["maat", "rock"]]
    made = fitted.predict(sites.to_xarray())
    assert made.vic.dims == ("index",)
    np.testing.assert_array_equal(made.vic, fitted.predict(sites).astype(np.float32))


def change(dataset: xr.Dataset, what: str) -> xr.Dataset:
    if what == "missing":
        return dataset.drop_vars("rock")
    if what == "unit":
        return dataset.assign(maat=(dataset.maat + 273.15).assign_attrs(units="K"))
    if what == "dims":
        return dataset.assign(maat=dataset.maat.expand_dims(month=12))
    if what == "one dim":
        return dataset.assign(rock=dataset.rock.isel(latitude=0))
    if what == "text":
        return dataset.assign(rock=dataset.rock.astype(str))
    return dataset.to_dataarray()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", r"has no variable 'rock', a predictor of this model"),
        ("unit", r"'maat' is in 'K', but the model was trained with 'degC'"),
        ("dims", r"but 'maat' has \(month, latitude, longitude\)"),
        ("one dim", r"'rock' has the dimensions \(longitude\), but 'maat' has"),
        ("text", r"'rock' holds <U\d+, but a predictor is a number"),
        ("array", r"A DataArray does not say"),
    ],
)
def test_what_does_not_fit_is_a_sentence(fitted, run, what, words):
    with pytest.raises(IcemapError, match=words):
        fitted.predict(change(cube(run), what))


def test_other_spellings_of_a_unit_are_the_same(fitted, run):
    dataset = cube(run)
    fitted.predict(dataset.assign(maat=dataset.maat.assign_attrs(units="degrees Celsius")))


def test_variables_that_are_no_predictors_are_named(fitted, run):
    dataset = cube(run)
    with pytest.warns(UserWarning, match="not used: slope"):
        fitted.predict(dataset.assign(slope=dataset.maat))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fitted.predict(dataset)


def test_the_order_of_dimensions_is_that_of_the_first_predictor(fitted, run):
    dataset = cube(run)
    turned = dataset.assign(rock=dataset.rock.transpose("longitude", "latitude"))
    xr.testing.assert_equal(fitted.predict(turned).compute(), fitted.predict(dataset).compute())


def test_dask_in_is_dask_out(fitted):
    X = table(40)[["maat", "rock"]]
    frame = pytest.importorskip("dask.dataframe").from_pandas(X, npartitions=3)
    expected = fitted.predict(X)
    made = fitted.predict(frame)
    assert hasattr(made, "__dask_graph__")
    np.testing.assert_array_equal(made.compute(), expected)
    assert made.name == "vic"
    array = fitted.predict(da.from_array(X.to_numpy(float), chunks=(7, 1)))
    assert isinstance(array, da.Array)
    assert array.shape[0] == 40
    np.testing.assert_array_equal(array.compute(), expected)


def test_dask_is_not_computed_without_a_word(fitted):
    X = table(40)[["maat", "rock"]]
    array = da.from_array(X.to_numpy(float), chunks=20)
    with dask.config.set(scheduler=lambda *a, **k: pytest.fail("computed")):
        with pytest.raises(TypeError, match=r"call \.compute\(\)"):
            fitted.predict_interval(array)
        with pytest.raises(TypeError, match="fit takes a table in memory"):
            IceRegressor().fit(array, table(40).value)
        with pytest.raises(ValueError, match="expecting 2 features"):
            fitted.predict(array[:, :1])
        with pytest.raises(TypeError, match="an IceEnsemble predicts a table in memory"):
            fitted.ensemble_.predict(array)


def graph_bytes(dataset: xr.Dataset) -> int:
    from distributed.protocol.pickle import dumps

    return len(dumps(dataset.__dask_graph__()))


def test_the_model_is_in_the_graph_once(fitted, run):
    from distributed.protocol.pickle import dumps

    size = len(dumps(fitted.predictor_))
    few, many = (
        graph_bytes(fitted.predict(cube(run)[["maat", "rock"]].load().chunk(side)))
        for side in (40, 8)
    )
    assert size > 100_000
    assert few > size
    # Fifty chunks and not two: what grows is less than one more model.
    assert many - few < size
    saved = graph_bytes(IceRegressor.from_run(str(run)).predict(cube(run)))
    assert saved < size


@pytest.fixture(scope="module")
def counting_client():
    """Of two workers that count."""
    import cloudpickle
    from distributed import Client, LocalCluster

    # Workers cannot import this file.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.run(count_arrivals)
        yield client


@pytest.mark.parametrize("kind", ["fitted", "saved"])
def test_a_model_reaches_each_worker_once(fitted, run, kind, counting_client):
    model = fitted if kind == "fitted" else IceRegressor.from_run(str(run))
    dataset = cube(run).chunk(latitude=5, longitude=20)
    expected = model.predict(dataset).compute(scheduler="sync")
    counting_client.run(count_from_nothing)
    with counting_client.as_current():
        found = model.predict(dataset).compute(scheduler=counting_client)
    arrived = counting_client.run(arrivals)
    ran = counting_client.run(blocks_run)
    xr.testing.assert_equal(found, expected)
    # Both worked, on more chunks than there are workers, each with one model.
    assert len(ran) == 2
    assert sum(ran.values()) >= 16
    assert all(count <= 1 for count in arrived.values())
    assert sum(arrived.values()) >= 1


def count_arrivals():
    """On a worker: note each predictor that is unpickled or read, and each block that is mapped."""
    from icemap.mapping import broadcast, lazy
    from icemap.mapping.broadcast import Predictor

    def setstate(self, state):
        lazy._arrived.append("unpickled")
        self.__dict__.update(state)

    Predictor.__setstate__ = setstate
    read, batches = broadcast.read_compiled, lazy.map_batches

    def read_compiled(url):
        lazy._arrived.append("read")
        return read(url)

    def map_batches(*arguments):
        lazy._ran.append(1)
        return batches(*arguments)

    broadcast.read_compiled, lazy.map_batches = read_compiled, map_batches


def count_from_nothing():
    from icemap.mapping import lazy

    lazy._arrived, lazy._ran = [], []


def arrivals():
    from icemap.mapping import lazy

    return len(lazy._arrived)


def blocks_run():
    from icemap.mapping import lazy

    return len(lazy._ran)
