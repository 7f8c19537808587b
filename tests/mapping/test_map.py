from __future__ import annotations

import dataclasses
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import icemap
from icemap import Grid, IceEnsemble, IcemapError
from icemap.config_sections import TargetConfig
from icemap.ensemble.model import vectors_of
from icemap.gridded import Variable, create_gridded
from icemap.json_records import MapChunkRecord
from icemap.mapping import broadcast
from icemap.mapping import chunk as chunk_module
from icemap.mapping.broadcast import ensemble_digest, get_predictor
from icemap.mapping.chunk import map_pixels
from icemap.mapping.compiled_file import ensure_compiled
from icemap.mapping.map import MapBuild
from icemap.mapping.map_schema import map_variables
from icemap.mapping.sums import add, from_records
from icemap.running.ledger import Ledger
from icemap.running.run import Job, SerialExecutor, run_job
from icemap.sphere import unit_vectors
from icemap.store import write_json
from icemap.totals.ice_storage import read_sums
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.zarr_groups import read_chunk, write_chunk
from tests.benchmarks.exact_pool import exact_means, exact_quantiles

GRID = Grid(100, 60, 140, 80, 1)
NAMES = ["maat", "rock"]


def fields() -> dict[str, np.ndarray]:
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    rock = np.where(lon < 120, 2, 7).astype(np.uint8)
    rock[0, 0] = 9
    valid = ((lon + lat) % 5 > 1).astype(np.uint8)
    valid[0, 0], valid[:, 32:] = 1, 0
    return {
        "maat": (-0.4 * lat + 15 + np.sin(lon / 6)).astype(np.float32),
        "rock": rock,
        "valid": valid,
        "fraction": (lat / 100).astype(np.float32),
    }


def write_cube(url: str, arrays: dict[str, np.ndarray]) -> None:
    create_gridded(
        url,
        GRID,
        [
            Variable("maat"),
            Variable("rock", "uint8"),
            Variable("valid", "uint8"),
            Variable("fraction"),
        ],
        {},
        chunk=16,
    )
    for chunk in GRID.chunks(16):
        write_chunk(
            url, chunk, {name: values[chunk.rows, chunk.cols] for name, values in arrays.items()}
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cube made by hand, and an ensemble with calibration and applicability."""
    folder = tmp_path_factory.mktemp("mapping")
    write_cube(str(folder / "cube.zarr"), fields())
    rng = np.random.default_rng(0)
    n = 100
    samples = pd.DataFrame(
        {
            "maat": rng.uniform(-20, -5, n),
            "rock": rng.choice([2, 7], n),
            "lon": rng.uniform(100, 140, n),
            "lat": rng.uniform(60, 80, n),
        }
    )
    samples["value"] = (
        20 - 2 * samples.maat + 10 * (samples.rock == 7) + 4 * rng.normal(size=n)
    ).clip(0, 100)
    ensemble = IceEnsemble(
        classes=["rock"], replicates=3, folds=3, candidates=0, prior_strength=50.0, climatology=0
    ).fit(samples)
    ensemble.save(str(folder / "ensemble"))
    calibration = Calibration((0.03, 0.96))
    write_json(str(folder / "ensemble" / "calibration.json"), calibration.to_dict())
    applicability = Applicability.fit(ensemble.coding_.design(ensemble.table(samples).X))
    write_json(str(folder / "ensemble" / "applicability.json"), applicability.to_dict())
    ensure_compiled(str(folder / "ensemble"), samples)
    return folder


def planned(folder, name: str, chunk: int = 16) -> MapBuild:
    ensemble = str(folder / "ensemble")
    return MapBuild(
        str(folder / name),
        str(folder / "cube.zarr"),
        ensemble,
        ensemble_digest(ensemble),
        GRID,
        chunk,
        map_variables(TargetConfig()),
    )


@pytest.fixture(scope="module")
def mapped(folder):
    """The finished build and its records."""
    build = planned(folder, "map.zarr")
    build.create({"title": "test"})
    return build, {chunk.key: build(chunk) for chunk in build.chunks}


def test_the_ledger_adds_up_the_spread_of_the_cells_of_the_map(mapped):
    """A cell's sd in the sums is its interval's width over 2 x 1.96, as the map holds it."""
    build, records = mapped
    data, arrays = icemap.open_map(build.url).load(), fields()
    sd = (data.vic_upper95 - data.vic_lower95).to_numpy() / (2 * 1.959963984540054)
    spread = (GRID.cell_area()[:, None] * arrays["fraction"] * sd)[arrays["valid"] == 1]
    parts = [record["sums"]["all"] for record in records.values() if record.get("sums")]
    assert sum(part["integral_sd"] for part in parts) == pytest.approx(spread.sum(), rel=1e-4)
    squares = sum(part["integral_var"] for part in parts)
    assert squares == pytest.approx((spread**2).sum(), rel=1e-4)


def located(arrays: dict[str, np.ndarray], valid: np.ndarray) -> pd.DataFrame:
    """Predictors and place of the mapped cells."""
    row, col = np.nonzero(valid)
    frame = pd.DataFrame({name: arrays[name][valid].astype(float) for name in NAMES})
    return frame.assign(lon=GRID.longitudes[col], lat=GRID.latitudes[row])


def test_every_valid_pixel_holds_the_ensembles_prediction(folder, mapped):
    build, _ = mapped
    data, arrays = icemap.open_map(build.url).load(), fields()
    valid = arrays["valid"] == 1
    places = located(arrays, valid)
    ensemble = icemap.open_ensemble(build.ensemble_url)
    coded = ensemble.coding_.encode(places[list(NAMES)].to_numpy())[0]
    F, partners = ensemble.member_predictions(coded), ensemble.partners(coded, vectors_of(places))
    bmas = [replicate.bma for replicate in ensemble.replicates_]
    means = exact_means(bmas, F, partners)
    np.testing.assert_allclose(data.vic.to_numpy()[valid], means.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(
        data.vic_sd_ensemble.to_numpy()[valid], means.std(axis=0, ddof=1), atol=2e-3
    )
    exact = exact_quantiles(bmas, F, np.array([0.03, 0.96]), partners)
    for name, bound in zip(("vic_lower95", "vic_upper95"), exact.T, strict=True):
        np.testing.assert_allclose(data[name].to_numpy()[valid], bound, atol=0.05)
    for name in data.data_vars:
        assert np.array_equal(np.isfinite(data[name].to_numpy()), valid), name


def test_a_class_never_met_is_outside_the_area_of_applicability(mapped):
    data = icemap.open_map(mapped[0].url).load()
    assert float(data.aoa[0, 0]) == 0
    assert float(data.aoa.mean()) > 0.5


def test_records_hold_counts_and_sums_of_the_chunk(mapped):
    build, records = mapped
    arrays = fields()
    data = icemap.open_map(build.url).load()
    assert sum(record["valid"] for record in records.values()) == arrays["valid"].sum()
    assert sum(record.get("aoa", 0) for record in records.values()) == int(data.aoa.sum())
    assert records["r000c002"] == {"pixels": 128, "valid": 0, "sums": {}}
    weight = GRID.cell_area()[:, None] * arrays["fraction"] * arrays["valid"]
    sums = [record["sums"]["all"] for record in records.values() if record["sums"]]
    assert sum(part["area_km2"] for part in sums) == pytest.approx(weight.sum(), rel=1e-6)
    total = np.mean(np.sum([part["integral"] for part in sums], axis=0))
    assert total == pytest.approx(float((weight * data.vic.fillna(0)).sum()), rel=1e-5)
    assert json.loads(json.dumps(records)) == records


@pytest.mark.parametrize(("size", "batch"), [(32, 4096), (16, 7)])
def test_the_map_does_not_depend_on_chunks_or_batches(folder, mapped, monkeypatch, size, batch):
    monkeypatch.setattr(chunk_module, "BATCH", batch)
    build = planned(folder, f"map_{size}_{batch}.zarr", size)
    build.create({})
    for chunk in build.chunks:
        build(chunk)
    first, second = (icemap.open_map(url).load() for url in (mapped[0].url, build.url))
    for name in first.data_vars:
        np.testing.assert_array_equal(first[name].to_numpy(), second[name].to_numpy(), err_msg=name)


def test_the_order_of_the_chunks_does_not_matter(folder, mapped):
    build = planned(folder, "backwards.zarr")
    build.create({})
    records = {chunk.key: build(chunk) for chunk in build.chunks[::-1]}
    assert records == mapped[1]
    for chunk in build.chunks:
        names = [variable.name for variable in build.variables]
        for one, two in zip(
            read_chunk(build.url, chunk, names).values(),
            read_chunk(mapped[0].url, chunk, names).values(),
            strict=True,
        ):
            assert one.tobytes() == two.tobytes()


def test_threads_share_one_predictor_and_map_bit_for_bit_alike(folder, mapped):
    build = planned(folder, "threads.zarr")
    build.create({})
    broadcast._loaded.clear()
    with ThreadPoolExecutor(4) as pool:
        records = dict(zip((chunk.key for chunk in build.chunks), pool.map(build, build.chunks)))
    assert records == mapped[1]
    first, second = (icemap.open_map(url).load() for url in (mapped[0].url, build.url))
    assert all(
        np.array_equal(first[name], second[name], equal_nan=True) for name in first.data_vars
    )
    assert len(broadcast._loaded) == 1


def test_processes_map_bit_for_bit_alike(folder, mapped):
    build = planned(folder, "processes.zarr")
    build.create({})
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        records = dict(zip((chunk.key for chunk in build.chunks), pool.map(build, build.chunks)))
    assert records == mapped[1]
    first, second = (icemap.open_map(url).load() for url in (mapped[0].url, build.url))
    assert all(
        np.array_equal(first[name], second[name], equal_nan=True) for name in first.data_vars
    )


def test_what_travels_with_a_task_is_small(mapped):
    assert len(pickle.dumps(mapped[0])) < 10_000


def test_the_ensemble_is_loaded_once_for_all_chunks(folder, mapped, monkeypatch):
    build, _ = mapped
    first = get_predictor(build.ensemble_url, build.ensemble_digest)
    monkeypatch.setattr(broadcast, "read_compiled", lambda url: pytest.fail("loaded again"))
    assert get_predictor(build.ensemble_url, build.ensemble_digest) is first


def test_another_ensemble_than_the_planned_one_is_refused(folder, mapped):
    build = dataclasses.replace(mapped[0], ensemble_digest="0" * 64)
    with pytest.raises(
        IcemapError, match="has changed since this job was planned: start the command again"
    ):
        build(build.chunks[0])


@pytest.mark.parametrize(("name", "hole"), [("maat", np.nan), ("rock", 255)])
def test_a_cube_with_holes_in_valid_cells_is_refused_by_predictor_and_chunk(
    folder, mapped, name, hole
):
    arrays = fields()
    arrays[name][3, 5] = hole
    arrays["valid"][3, 5] = 1
    write_cube(str(folder / "damaged.zarr"), arrays)
    build = dataclasses.replace(
        planned(folder, "unused.zarr"), cube_url=str(folder / "damaged.zarr")
    )
    with pytest.raises(IcemapError, match=f"'{name}' is missing in valid pixels of chunk r000c000"):
        build(build.chunks[0])
    assert not (folder / "unused.zarr").exists()


@pytest.mark.parametrize("name", ["rock", "fraction"])
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_truncated_chunk_of_the_cube_is_named(folder, mapped, tmp_path, name, kept):
    write_cube(str(tmp_path / "cube.zarr"), fields())
    stored = tmp_path / "cube.zarr" / name / "c" / "0" / "1"
    stored.write_bytes(stored.read_bytes()[: int(kept * stored.stat().st_size)])
    build = dataclasses.replace(
        planned(folder, "unused.zarr"), cube_url=str(tmp_path / "cube.zarr")
    )
    with pytest.raises(
        IcemapError, match=rf"Chunk r000c001 of '{name}' in .*cube\.zarr is damaged"
    ):
        build(build.chunks[1])


@pytest.mark.parametrize("name", ["valid", "fraction"])
def test_a_chunk_that_the_cube_lost_is_not_taken_for_sea(folder, mapped, tmp_path, name):
    write_cube(str(tmp_path / "cube.zarr"), fields())
    (tmp_path / "cube.zarr" / name / "c" / "0" / "1").unlink()
    build = dataclasses.replace(
        planned(folder, "unused.zarr"), cube_url=str(tmp_path / "cube.zarr")
    )
    with pytest.raises(IcemapError, match="Chunk r000c001 is missing in the cube"):
        build(build.chunks[1])


def test_pixels_of_a_chunk_are_independent_of_one_another(mapped):
    predictor = get_predictor(mapped[0].ensemble_url, mapped[0].ensemble_digest)
    X = np.column_stack([np.linspace(-18, -6, 9), np.tile([2.0, 7.0, 9.0], 3)])
    where = unit_vectors(np.linspace(60, 80, 9), np.full(9, 70.0))
    together, alone = (
        map_pixels(
            predictor.compiled, predictor.applicability, predictor.calibration, X[rows], where[rows]
        )
        for rows in (slice(None), slice(4, 5))
    )
    assert together.replicate_means.shape == (3, 9)
    np.testing.assert_allclose(together.mean[4:5], alone.mean, rtol=1e-12)
    assert together.aoa[2] == together.aoa[8] == np.False_


def test_an_opened_ensemble_predicts_the_bits_of_the_map(mapped):
    build, _ = mapped
    data, arrays = icemap.open_map(build.url).load(), fields()
    valid = arrays["valid"] == 1
    said = icemap.open_ensemble(build.ensemble_url).predict_all(located(arrays, valid))
    for name, values in {"vic": said.mean, "vic_sd_ensemble": said.sd_ensemble}.items():
        stored = data[name].to_numpy()[valid]
        assert np.array_equal(stored, values.astype(stored.dtype)), name
    assert np.array_equal(data.extrapolated.to_numpy()[valid] == 1, said.extrapolated)


def test_totals_are_made_of_the_numbers_that_workers_wrote(folder, mapped):
    """The ledger next to the map holds small records, and its sums are those of the chunks."""
    build = planned(folder, "run/map.zarr")
    build.create({"title": "test"})
    ledger = Ledger(str(folder / "run" / "ledger" / "map"), MapChunkRecord)
    run_job(Job("map", build.chunks, build), ledger, SerialExecutor(), progress=False)
    assert all(not record.get("sums") for record in ledger.records().values())
    expected = {}
    for key in sorted(mapped[1]):
        expected = add(expected, from_records(mapped[1][key]["sums"]))
    assert read_sums(build.url) == expected
