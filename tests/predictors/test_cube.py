from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine

import icemap
from icemap import IcemapError
from icemap.config import Config
from icemap.predictors.cube import plan_cube, require_predictors
from icemap.source import Source
from icemap.virtual_arctic import world

pytestmark = pytest.mark.quick

GRID = {"west": 10, "south": 60, "east": 50, "north": 80, "resolution": 1, "chunk": 16}
SHAPE = (20, 40)


def fields() -> dict[str, np.ndarray]:
    """Sources on the very cells of the grid, so that nothing is resampled."""
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]].astype("f4")
    slope = row + col
    slope[2, 3] = np.nan
    rock = np.where(col < 20, 1.0, 4.0)
    rock[5, 6] = np.nan
    land, frozen, lake = np.ones(SHAPE), 100 * row / 19, np.full(SHAPE, 0.25)
    land[:, 30:] = 0.2
    land[0, 0] = np.nan
    lake[10, 10] = np.nan
    return {"slope": slope, "rock": rock, "land": land, "frozen": frozen, "lake": lake}


@pytest.fixture
def build(tmp_path):
    """Plan the cube of some sources; values and catalogue keys can be changed."""

    def plan(
        changes: dict | None = None,
        masks: list | None = None,
        predictors=("slope", "rock"),
        **values,
    ):
        keys = {
            "slope": {},
            "rock": {"kind": "class", "classes": {1: "till", 4: "yedoma silt"}},
            "land": {},
            "frozen": {"unit": "%"},
            "lake": {},
        }
        sources = {}
        for name, array in {**fields(), **values}.items():
            path = tmp_path / f"{name}.tif"
            profile = {
                "driver": "GTiff",
                "height": SHAPE[0],
                "width": SHAPE[1],
                "count": 1,
                "dtype": "float32",
                "nodata": np.nan,
            }
            with rasterio.open(
                path, "w", crs="EPSG:4326", transform=Affine(1, 0, 10, 0, -1, 80), **profile
            ) as raster:
                raster.write(array.astype("f4"), 1)
            entry = {
                "name": name,
                "url": str(path),
                "family": "geology",
                "long_name": name,
                "unit": "1",
                **keys[name],
                **(changes or {}).get(name, {}),
            }
            sources[name] = Source(**entry)
        settings = {
            "run": str(tmp_path / "run"),
            "grid": GRID,
            "catalog": "-",
            "predictors": predictors,
            "masks": masks or [],
            "sites": {"table": "-", "value": "-"},
        }
        return plan_cube(Config.model_validate(settings), sources)

    return plan


def made(build):
    build.create("Test")
    records = [build(chunk) for chunk in build.chunks]
    return icemap.open_cube(build.url).load(), records


MASKS = [
    {"source": "land", "at_least": 0.5},
    {"source": "frozen", "at_least": 10, "at_most": 90, "counts": "part"},
    {"source": "lake", "counts": "rest"},
]


def test_values_arrive_cell_for_cell(build):
    cube, _ = made(build())
    for name, values in fields().items():
        np.testing.assert_allclose(
            cube[name].to_numpy(), values.astype("f4"), rtol=1e-6, err_msg=name
        )
    assert cube.latitude[0] > cube.latitude[-1]


def test_masks_and_missing_predictors_decide_what_is_mapped(build):
    cube, _ = made(build(masks=MASKS))
    values = fields()
    inside = (
        (np.nan_to_num(values["land"]) >= 0.5) & (values["frozen"] >= 10) & (values["frozen"] <= 90)
    )
    valid = inside & np.isfinite(values["slope"]) & np.isfinite(values["rock"])
    assert 100 < valid.sum() == inside.sum() - 2 < valid.size
    assert np.array_equal(cube.valid.to_numpy() == 1, valid)


def test_the_fraction_is_frozen_ground_without_lakes(build):
    cube, _ = made(build(masks=MASKS))
    expected = fields()["frozen"] / 100 * (1 - np.nan_to_num(fields()["lake"]))
    np.testing.assert_allclose(cube.fraction.to_numpy(), expected, rtol=1e-6)
    assert (made(build())[0].fraction == 1).all()


def test_records_add_up(build):
    cube, records = made(build(masks=MASKS))
    inside = (
        (np.nan_to_num(fields()["land"]) >= 0.5)
        & (fields()["frozen"] >= 10)
        & (fields()["frozen"] <= 90)
    )
    assert sum(record["pixels"] for record in records) == 800
    assert sum(record["inside"] for record in records) == inside.sum()
    assert sum(record["valid"] for record in records) == int(cube.valid.sum())
    assert {
        name: sum(record["missing"][name] for record in records) for name in ("slope", "rock")
    } == {"slope": 1, "rock": 1}
    slope = fields()["slope"][inside]
    assert min(record["lowest"]["slope"] for record in records if record["lowest"]) == np.nanmin(
        slope
    )
    assert max(record["highest"]["slope"] for record in records if record["highest"]) == np.nanmax(
        slope
    )
    assert json.loads(json.dumps(records)) == records


def test_a_fill_value_closes_gaps(build):
    cube, records = made(build({"slope": {"fill_value": -1}}))
    assert cube.slope[2, 3] == -1
    assert sum(record["missing"]["slope"] for record in records) == 0


def test_variables_say_what_they_are(build):
    cube, _ = made(
        build({"slope": {"licence": "CC0", "citation": "doi:x", "unit": "degree"}}, masks=MASKS)
    )
    assert {key: cube.slope.attrs[key] for key in ("units", "licence", "citation", "role", "kind",
    "source")} == {
        "units": "degree", "licence": "CC0", "citation": "doi:x", "role": "predictor",
        "kind": "continuous", "source": "slope.tif",
    }  # fmt: skip
    assert cube.land.attrs["role"] == "mask"
    assert list(cube.rock.attrs["flag_values"]) == [1, 4]
    assert cube.rock.attrs["flag_meanings"] == "till yedoma_silt"


def test_what_travels_with_a_task_is_small_and_works_after_the_journey(build):
    plan = build()
    sent = pickle.dumps(plan)
    assert len(sent) < 20_000
    plan.create("Test")
    assert pickle.loads(sent)(plan.chunks[0])["pixels"] == 256  # noqa: S301  (what Dask does with it)


def test_unknown_classes_are_named(build):
    plan = build(rock=np.full(SHAPE, 9.0))
    plan.create("Test")
    with pytest.raises(
        IcemapError,
        match=(
            "'rock' holds the class code 9 in chunk r000c000, which its 'classes' in the catalogue"
            " do not name"
        ),
    ):
        plan(plan.chunks[0])


def test_values_outside_the_valid_range_are_named(build):
    plan = build({"slope": {"valid_range": (0, 40), "scale": 2.0}})
    plan.create("Test")
    with pytest.raises(
        IcemapError,
        match=(
            r"Chunk r000c000: The source 'slope' \(slope\.tif\) holds 42 to 72 1 in .* cells,"
            r" outside its valid_range \[0\.0, 40\.0\]"
        ),
    ):
        plan(plan.chunks[0])


def test_a_cube_that_maps_nothing_is_refused(build):
    plan = build(masks=[{"source": "land", "at_least": 2}])
    with pytest.raises(IcemapError, match="No cell of the grid is inside the masks land"):
        require_predictors(made(plan)[1], plan)
    plan = build(slope=np.full(SHAPE, np.nan))
    with pytest.raises(
        IcemapError, match=r"'slope' \(.*slope\.tif\) has no value in any cell to be mapped"
    ):
        require_predictors(made(plan)[1], plan)
    plan = build(masks=MASKS)
    require_predictors(made(plan)[1], plan)


def test_the_virtual_arctic_is_evaluated_at_the_cell_centres(tmp_path):
    names = ["maat", "lithology"]
    sources = {}
    for name in names:
        info = world.PREDICTORS[name]
        classes = dict(enumerate(info.classes))
        sources[name] = Source(
            name=name,
            url="virtual-arctic:5",
            family=info.family,
            long_name=name,
            unit=info.unit,
            kind=info.kind,
            classes=classes,
        )
    settings = {
        "run": str(tmp_path),
        "grid": GRID,
        "catalog": "-",
        "predictors": names,
        "sites": {"table": "-", "value": "-"},
    }
    cube, _ = made(plan_cube(Config.model_validate(settings), sources))
    expected = world.predictors(cube.longitude, cube.latitude, names, seed=5)
    np.testing.assert_array_equal(cube.maat, expected["maat"])
    np.testing.assert_array_equal(cube.lithology.fillna(world.CLASS_NODATA), expected["lithology"])
    assert 0.1 < float(cube.maat.isnull().mean()) < 0.9


@pytest.mark.parametrize(("unit", "whole"), [("%", 100), ("percent", 100), ("1", 1), ("‰", 1000)])
def test_a_mask_counts_by_its_unit(build, unit, whole):
    lake = np.full(SHAPE, 0.25 * whole)
    cube, _ = made(
        build({"lake": {"unit": unit}}, masks=[{"source": "lake", "counts": "part"}], lake=lake)
    )
    np.testing.assert_allclose(cube.fraction, 0.25)


@pytest.mark.parametrize(
    ("unit", "values", "sentence"),
    [
        (
            "1",
            30,
            (
                "runs from 30 to 30, but a part of a cell in the unit '1' is from 0 to 1: correct"
                " 'unit'"
            ),
        ),
        (
            "%",
            250,
            (
                "in the unit '%' is from 0 to 100: correct 'unit' in the catalogue, or give the"
                " value that means missing as 'nodata'"
            ),
        ),
        ("%", -1, "runs from -1 to -1"),
    ],
)
def test_a_mask_out_of_its_range_is_refused(build, unit, values, sentence):
    plan = build(
        {"lake": {"unit": unit}},
        masks=[{"source": "lake", "counts": "part"}],
        lake=np.full(SHAPE, values),
    )
    plan.create("Test")
    with pytest.raises(IcemapError, match=f"The mask 'lake' .*{sentence}"):
        plan(plan.chunks[0])


def test_a_mask_in_metres_counts_nothing(build):
    with pytest.raises(
        IcemapError, match="The mask 'lake' counts as part of a cell, but its unit is 'm'"
    ):
        build({"lake": {"unit": "m"}}, masks=[{"source": "lake", "counts": "part"}])


def test_units_of_files_are_converted_and_noted_in_the_cube(build, tmp_path):
    build()
    with rasterio.open(tmp_path / "slope.tif", "r+") as raster:
        raster.units = ("degF",)
    source = Source(
        name="slope",
        url=str(tmp_path / "slope.tif"),
        family="climate",
        long_name="air temperature",
        unit="degC",
    )
    settings = {
        "run": str(tmp_path / "run"),
        "grid": GRID,
        "catalog": "-",
        "predictors": ["slope"],
        "sites": {"table": "-", "value": "-"},
    }
    cube, _ = made(plan_cube(Config.model_validate(settings), {"slope": source}))
    np.testing.assert_allclose(cube.slope, (fields()["slope"] - 32) * 5 / 9, rtol=1e-5, atol=1e-9)
    assert cube.slope.attrs["conversion"] == "converted from degF to degC"


def test_the_classes_of_the_file_go_into_the_cube(build, tmp_path):
    build()
    path = tmp_path / "cover.tif"
    profile = {
        "driver": "GTiff",
        "height": SHAPE[0],
        "width": SHAPE[1],
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:4326",
    }
    with rasterio.open(path, "w", transform=Affine(1, 0, 10, 0, -1, 80), **profile) as raster:
        raster.write(np.where(fields()["rock"] == 1, 1, 2).astype("u1"), 1)
    names = "".join(f"<Category>{name}</Category>" for name in ("", "till", "bed rock"))
    (tmp_path / "cover.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand"
        f' band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand></PAMDataset>'
    )
    cover = Source(
        name="cover", url=str(path), family="geology", long_name="cover", unit="1", kind="class"
    )
    near = {"how": "distance_to", "of": ["cover"], "radius": 100, "codes": [2]}
    derived = Source(
        name="near", family="geology", long_name="near", unit="km", derived=near, inputs=(cover,)
    )
    settings = {
        "run": str(tmp_path / "run"),
        "grid": GRID,
        "catalog": "-",
        "predictors": ["cover", "near"],
        "sites": {"table": "-", "value": "-"},
    }
    cube, _ = made(plan_cube(Config.model_validate(settings), {"cover": cover, "near": derived}))
    assert cube.cover.attrs["flag_meanings"] == "till bed_rock"
    assert list(cube.cover.attrs["flag_values"]) == [1, 2]
    wrong = derived.model_copy(
        update={"derived": derived.derived.model_copy(update={"codes": (7,)})}
    )
    with pytest.raises(
        IcemapError, match=r"the class code 7 is not among the classes \[1, 2\]; correct 'codes'"
    ):
        plan_cube(Config.model_validate(settings), {"cover": cover, "near": wrong})


@pytest.fixture
def opened(monkeypatch) -> list[tuple[str, int]]:
    """Names of the sources that were opened and bytes that were read of them."""
    from dataclasses import replace

    from icemap.predictors import fields as fields_module

    seen: list[tuple[str, int]] = []
    open_source = fields_module.open_source

    class Counting:
        def __init__(self, source, grid):
            self.name, self.inner = source.name, open_source(source, grid)

        def __enter__(self):
            raster = self.inner.__enter__()

            def read(rows, cols):
                values = raster.read(rows, cols)
                seen.append((self.name, values.nbytes))
                return values

            return replace(raster, read=read)

        def __exit__(self, *how):
            return self.inner.__exit__(*how)

    monkeypatch.setattr(fields_module, "open_source", Counting)
    return seen


def test_no_predictor_is_read_where_nothing_is_mapped(build, opened):
    land = np.where(np.mgrid[: SHAPE[0], : SHAPE[1]][1] < 16, 1.0, 0.0)
    plan = build(masks=[{"source": "land", "at_least": 0.5}], land=land)
    plan.create("Test")
    chunks = {chunk.key: chunk for chunk in plan.chunks}
    record = plan(chunks["r000c001"])
    assert record["unread"]
    assert (record["inside"], record["valid"], record["missing"]) == (0, 0, {"slope": 0, "rock": 0})
    assert {name for name, _ in opened} == {"land"}
    opened.clear()
    record = plan(chunks["r000c000"])
    assert "unread" not in record
    assert {name for name, _ in opened} == set(fields())
    assert len({name for name, size in opened if size}) == len(opened)
    cube = icemap.open_cube(plan.url).load()
    for name, values in fields().items():
        shown = cube[name].to_numpy()
        assert np.isnan(shown[:16, 16:32]).all() == (name != "land"), name
        expected = land if name == "land" else values
        np.testing.assert_allclose(shown[:16, :16], expected[:16, :16].astype("f4"), rtol=1e-6)
    assert (cube["valid"].to_numpy()[:16, 16:32] == 0).all()


def test_predictors_of_such_a_chunk_are_made_when_a_site_needs_them(build):
    from dataclasses import replace

    plan = build(masks=[{"source": "land", "at_least": 2}])
    plan.create("Test")
    (chunk,) = [chunk for chunk in plan.chunks if chunk.key == "r000c001"]
    assert plan(chunk)["unread"]
    record = replace(plan, everywhere=True)(chunk)
    assert "unread" not in record
    assert (record["inside"], record["valid"]) == (0, 0)
    slope = icemap.open_cube(plan.url).slope.to_numpy()
    np.testing.assert_allclose(slope[:16, 16:32], fields()["slope"][:16, 16:32], rtol=1e-6)


def test_a_file_that_is_not_read_may_change(build, tmp_path):
    plan = build(masks=[{"source": "land", "at_least": 2}])
    plan.create("Test")
    (tmp_path / "rock.tif").write_bytes(b"changed")
    assert all(plan(chunk)["unread"] for chunk in plan.chunks)
    (tmp_path / "land.tif").write_bytes(b"changed")
    with pytest.raises(IcemapError, match=r"land\.tif of the source 'land' has changed"):
        plan(plan.chunks[0])


def test_a_chunk_is_stored_in_parts_that_are_read_by_themselves(build, tmp_path):
    larger = replace(build(), url=str(tmp_path / "larger.zarr"), chunk=1024)
    larger.create("larger")
    stored = zarr.open_group(larger.url, mode="r")["slope"]
    assert (stored.chunks, stored.shards) == ((256, 256), (1024, 1024))


def test_a_chunk_that_is_one_part_is_an_object_of_its_own(build):
    plan = build()
    plan.create("small")
    stored = zarr.open_group(plan.url, mode="r")["slope"]
    assert (stored.chunks, stored.shards) == ((plan.chunk, plan.chunk), None)
