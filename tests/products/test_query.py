from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables, open_map
from icemap.products.query import query
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 40, 180, 80, 1.0)


@pytest.fixture(scope="module")
def map_url(tmp_path_factory) -> str:
    url = str(tmp_path_factory.mktemp("run") / "map.zarr")
    create_gridded(url, GRID, map_variables(TargetConfig()), {}, chunk=20)
    for chunk in GRID.chunks(20):
        row, col = np.meshgrid(
            np.arange(chunk.rows.start, chunk.rows.stop),
            np.arange(chunk.cols.start, chunk.cols.stop),
            indexing="ij",
        )
        value = np.where(row == 3, np.nan, row + col / 1000).astype("float32")
        flag = np.where(np.isnan(value), 255, col % 2)
        write_chunk(
            url,
            chunk,
            {
                v.name: flag if v.dtype == "uint8" else value + (v.name == "vic_upper95")
                for v in map_variables(TargetConfig())
            },
        )
    return url


def test_the_cell_that_holds_the_place(map_url):
    found = query(map_url, -119.2, 68.7)  # row 11, column 60
    assert found["vic"] == pytest.approx(11.060)
    assert found["vic_upper95"] == pytest.approx(12.060)
    assert (found["lon"], found["lat"], found["unit"]) == (-119.5, 68.5, "%")
    assert found["aoa"] is False
    assert query(map_url, -118.2, 68.7)["aoa"] is True
    assert query(map_url, 240.8, 68.7) == found


def test_only_the_chunk_that_holds_it_is_read(map_url, tmp_path):
    import shutil
    from pathlib import Path

    copy = tmp_path / "map.zarr"
    shutil.copytree(map_url, copy)
    for chunk in copy.glob("*/c/*/*"):
        if chunk.relative_to(copy).parts[2:] != ("0", "3") and chunk.parts[-4] in {
            v.name for v in map_variables(TargetConfig())
        }:
            Path(chunk).write_bytes(b"damaged")
    assert query(str(copy), -119.2, 68.7) == query(map_url, -119.2, 68.7)
    with pytest.raises(Exception, match=r".+"):
        query(str(copy), 60.0, 50.0)


def test_a_handful_of_objects_is_read(map_url, monkeypatch):
    import zarr

    asked: list[str] = []
    get = zarr.storage.LocalStore.get

    def counting(self, key, *args, **kwargs):
        asked.append(key)
        return get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counting)
    query(map_url, -119.2, 68.7)
    names = [v.name for v in map_variables(TargetConfig())]
    chunks = [key for key in asked if "/c" in key]
    # One chunk of each variable, and what the group says about itself and its arrays.
    assert sorted(chunks) == sorted(f"{name}/c/0/3" for name in names)
    assert {key for key in asked if key not in chunks} <= {
        "zarr.json",
        *(f"{name}/zarr.json" for name in [*names, "latitude", "longitude", "spatial_ref"]),
    }


def test_an_opened_map_and_a_part_of_it_give_the_same(map_url):
    dataset = open_map(map_url)
    assert query(dataset, -119.2, 68.7) == query(map_url, -119.2, 68.7)
    part = dataset.sel(longitude=slice(-130, -100), latitude=slice(72, 60))
    assert query(part, -119.2, 68.7) == query(map_url, -119.2, 68.7)
    with pytest.raises(IcemapError, match="spans -130 to -100 E and 60 to 72 N"):
        query(part, -90.0, 68.7)


def test_many_places_at_once(map_url):
    table = query(map_url, [-119.2, 10, 10, 241.8], [68.7, 30, 76.5, 68.7])
    one = query(map_url, -119.2, 68.7)
    assert list(table) == list(one)
    assert table.iloc[0].to_dict() == one
    assert table["vic"].isna().tolist() == [False, True, True, False]
    assert table["aoa"].tolist()[:1] == [False]
    assert table["aoa"].isna().tolist() == [False, True, True, False]
    assert bool(table["aoa"][3]) is True
    assert table["lon"][3] == -118.5
    with pytest.raises(IcemapError, match="2 longitudes and 1 latitudes"):
        query(map_url, [1, 2], [60])


@pytest.mark.parametrize("kept", [[3, 0], [1, 2], [0, 1, 2, 3]])
def test_an_answer_falls_on_the_rows_of_the_table_that_asks(map_url, kept):
    sites = pd.DataFrame({"lon": [-119.2, 10, 10, 241.8], "lat": [68.7, 30, 76.5, 68.7]})
    some = sites.loc[kept]
    some = some.assign(vic=query(map_url, some.lon, some.lat)["vic"])
    every = query(map_url, sites.lon.to_numpy(), sites.lat.to_numpy())["vic"]
    pd.testing.assert_series_equal(some["vic"], every.loc[kept], check_names=False)
    pd.testing.assert_index_equal(query(map_url, some.lon, some.lat.to_numpy()).index, some.index)
    with pytest.raises(IcemapError, match="columns of different tables, or in different order"):
        query(map_url, some.lon, some.lat[::-1])


def test_a_masked_place_is_no_place(map_url):
    lon = np.ma.masked_array([-119.2, -118.2], mask=[False, True])
    found = query(map_url, lon, [68.7, 68.7])
    assert found["vic"].tolist() == pytest.approx([11.060, np.nan], nan_ok=True)
    whole = query(map_url, np.ma.masked_array([-119.2, -118.2]), [68.7, 68.7])
    assert whole["vic"].tolist() == pytest.approx([11.060, 11.061])


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (pd.to_datetime(["2001", "2002"]), [68.7, 68.7], "cannot be read as numbers"),
        (["119 W", "118 W"], [68.7, 68.7], "cannot be read as numbers .*119 W"),
        ([None, "x"], [68.7, 68.7], "cannot be read as numbers"),
        ({1}, 68.7, "cannot be read as numbers"),
        ([68.7, 68.7], [-119.2, -118.2], "-119.2 is no latitude: give longitudes and latitudes in"),
        ([500_000, 510_000], [7_550_000, 7_560_000], "is no latitude: .* in degrees"),
    ],
)
def test_what_is_no_place_is_a_sentence(map_url, lon, lat, words):
    with pytest.raises(IcemapError, match=words):
        query(map_url, lon, lat)


def test_places_far_away_among_others_have_no_values(map_url):
    found = query(map_url, [-119.2, -9999, 10], [68.7, -9999, 30])["vic"]
    assert found.isna().tolist() == [False, True, True]
    assert query(map_url, [10, 20], [30, 20])["vic"].isna().all()


@pytest.mark.parametrize(
    ("dims", "coords", "right"),
    [
        (("p", "p"), ([0, 1], [0, 1]), True),
        (("p", "p"), (None, [0, 1]), True),
        (("p", "p"), (None, None), True),
        (("p", "p"), ([0, 1], [1, 0]), False),
        (("x", "y"), (None, None), False),
    ],
)
def test_arrays_of_xarray_are_paired_by_their_names(map_url, dims, coords, right):
    lon, lat = (
        xr.DataArray(values, dims=dim, coords={} if names is None else {dim: names})
        for values, dim, names in zip(([-119.2, -118.2], [68.7, 67.7]), dims, coords)
    )
    if right:
        assert query(map_url, lon, lat)["vic"].tolist() == pytest.approx([11.060, 12.061])
        return
    with pytest.raises(IcemapError, match="give one of each for every place, in one order"):
        query(map_url, lon, lat)


def test_fields_of_xarray_are_paired_by_their_dimensions(map_url):
    lon = xr.DataArray([[-119.2, -118.2]], dims=("y", "x"))
    assert len(query(map_url, lon, xr.full_like(lon, 68.7))) == 2
    with pytest.raises(IcemapError, match="along y, x, and latitudes along x, y"):
        query(map_url, lon, xr.full_like(lon, 68.7).T)


def test_the_address_of_a_run_is_answered_with_that_of_its_map(map_url):
    for look in (open_map, lambda run: query(run, -119.2, 68.7)):
        with pytest.raises(IcemapError, match=r"that of a run is RUN/map\.zarr"):
            look(Path(map_url).parent / "earlier")


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (10, 30, "outside the map .* 40 to 80 N"),
        (10, 76.5, "is not mapped"),
        (float("nan"), 50, "outside"),
    ],
)
def test_nowhere_is_a_sentence(map_url, lon, lat, words):
    with pytest.raises(IcemapError, match=words):
        query(map_url, lon, lat)


def test_a_path_is_an_address(map_url):
    path = Path(map_url)
    assert query(path, -119.2, 68.7) == query(map_url, -119.2, 68.7)
    pd.testing.assert_frame_equal(query(path, [-119.2], [68.7]), query(map_url, [-119.2], [68.7]))
    opened = open_map(path)
    assert opened.identical(open_map(map_url))
    assert opened.encoding["source"] == map_url


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.vic, "not one variable of it"),
        (lambda ds: ds.rename(latitude="lat", longitude="lon"), "has no coordinate 'latitude'"),
        (lambda ds: ds.drop_vars("spatial_ref"), "has no coordinate 'spatial_ref'"),
    ],
)
@pytest.mark.parametrize("lon", [-119.2, [-119.2]])
def test_what_is_no_map_is_a_sentence(map_url, change, words, lon):
    with pytest.raises(IcemapError, match=words):
        query(change(open_map(map_url)), lon, np.abs(lon) / 2)
