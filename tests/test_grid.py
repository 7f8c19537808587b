import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from icemap import Grid, IcemapError
from icemap.grid import Chunk
from icemap.gridded import Variable, create_gridded, grid_of

WGS84 = Geod(ellps="WGS84")


def on_the_ellipsoid(west: float, south: float, east: float, north: float) -> float:
    """Area in km2 of a cell as a polygon whose parallels are followed in small steps."""
    steps = np.linspace(west, east, 2001)
    lon = np.concatenate([steps, steps[::-1]])
    lat = np.concatenate([np.full(2001, south), np.full(2001, north)])
    return abs(WGS84.polygon_area_perimeter(lon, lat)[0]) / 1e6


def test_the_whole_earth():
    grid = Grid(-180, -90, 180, 90, 0.25)
    assert grid.cell_area().sum() * grid.shape[1] == pytest.approx(510_065_621.7, abs=0.1)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(10, 40, 20, 80, 2),
        Grid(-180, 85, -170, 90, 1),
        Grid(0, -60, 1, -59, 1 / 120),
        Grid(0, -3, 6, 3, 3),
    ],
)
def test_cell_area_against_polygons(grid):
    area = grid.cell_area()
    assert area.shape == (grid.shape[0],)
    for row in {0, grid.shape[0] // 2, grid.shape[0] - 1}:
        half = grid.resolution / 2
        polygon = on_the_ellipsoid(
            grid.west,
            grid.latitudes[row] - half,
            grid.west + grid.resolution,
            grid.latitudes[row] + half,
        )
        assert area[row] == pytest.approx(polygon, rel=2e-6)


def test_area_falls_towards_the_pole_and_the_hemispheres_mirror():
    area = Grid(0, -90, 10, 90, 10).cell_area()
    assert (np.diff(area[:9]) > 0).all()
    assert area == pytest.approx(area[::-1])


def test_centres_and_transform_agree():
    grid = Grid(-30, 50, 60, 83, 0.1)
    assert grid.shape == (330, 900)
    for row, column in [(0, 0), (329, 899), (17, 400)]:
        assert grid.transform @ (column + 0.5, row + 0.5) == pytest.approx(
            (grid.longitudes[column], grid.latitudes[row])
        )
    chunk = list(grid.chunks(100))[-1]
    assert grid.chunk_transform(chunk) @ (0.5, 0.5) == pytest.approx(
        (grid.longitudes[chunk.cols.start], grid.latitudes[chunk.rows.start])
    )


@given(
    row=st.integers(0, 359),
    column=st.integers(0, 1439),
    across=st.floats(0.001, 0.999),
    down=st.floats(0.001, 0.999),
)
@settings(max_examples=100)
def test_a_place_is_in_the_cell_that_holds_it(row, column, across, down):
    grid = Grid(-180, 0, 180, 90, 0.25)
    found = grid.locate(grid.west + (column + across) * 0.25, grid.north - (row + down) * 0.25)
    assert (int(found[0]), int(found[1])) == (row, column)


def test_locate_at_the_edges():
    grid = Grid(-10, 50, 10, 60, 5)
    row, column = grid.locate([-10, 10, -10, 10, -5, 0], [60, 60, 50, 50, 55, 57])
    assert row.tolist() == [0, 0, 1, 1, 1, 0]
    assert column.tolist() == [0, 3, 0, 3, 1, 2]


def test_locate_outside_and_without_a_place():
    row, column = Grid(-10, 50, 10, 60, 5).locate(
        [-10.001, 10.001, 0, 0, np.nan, 0, np.inf], [55, 55, 49.99, 60.01, 55, np.nan, 55]
    )
    assert row.tolist() == [-1] * 7
    assert column.tolist() == [-1] * 7


@given(rows=st.integers(1, 60), columns=st.integers(1, 90), size=st.integers(1, 40))
@settings(max_examples=60)
def test_chunks_cover_every_cell_once(rows, columns, size):
    seen = np.zeros((rows, columns), dtype=int)
    chunks = list(Grid(0, 0, columns, rows, 1).chunks(size))
    for chunk in chunks:
        seen[chunk.rows, chunk.cols] += 1
        assert chunk.shape == seen[chunk.rows, chunk.cols].shape
    assert (seen == 1).all()
    assert len({chunk.key for chunk in chunks}) == len(chunks)


def test_chunk_names_say_where_they_are():
    keys = [chunk.key for chunk in Grid(0, 0, 30, 20, 1).chunks(10)]
    assert keys == ["r000c000", "r000c001", "r000c002", "r001c000", "r001c001", "r001c002"]
    assert Chunk((3, 12), slice(0, 1), slice(0, 1)).key == "r003c012"


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ((10, 50, -10, 60, 1), "not a part of the globe"),
        ((-10, 60, 10, 50, 1), "not a part of the globe"),
        ((-190, 50, 10, 60, 1), "not a part of the globe"),
        ((-10, 50, 10, 91, 1), "not a part of the globe"),
        ((-10, float("nan"), 10, 60, 1), "not a part of the globe"),
        ((-10, 50, 10, 60, 0), "resolution is 0: give a positive"),
        ((-10, 50, 10, 60, float("nan")), "resolution is nan: give a positive"),
        ((-10, 50, 10, 60, 0.3), "width of 20 degrees is 66.6667 cells"),
        ((-9, 50, 9, 60, 3), "height of 10 degrees is 3.3333 cells"),
        ((-10, 50, 10, 60, 40), "width of 20 degrees is 0.5000 cells"),
    ],
)
def test_impossible_grids_are_refused(edges, message):
    with pytest.raises(IcemapError, match=message):
        Grid(*edges)


def test_thirty_arc_seconds_over_the_hemisphere():
    assert Grid(-180, 25, 180, 90, 1 / 120).shape == (7800, 43200)


@pytest.mark.parametrize(
    ("west", "east", "counted"),
    [
        (160, 210, (160, 210)),
        (160, -150, (160, 210)),
        (-200, -150, None),
        (190, 210, (-170, -150)),
        (180, 200, (-180, -160)),
        (180, -170, (-180, -170)),
        (160, 180, (160, 180)),
        (0, 360, (0, 360)),
        (179.5, -179.5, (179.5, 180.5)),
        (190.1, 209.9, (-169.9, -150.1)),
        (360, 370, (0, 10)),
    ],
)
def test_a_west_and_an_east_are_counted_one_way(west, east, counted):
    if counted is None:
        with pytest.raises(IcemapError, match="not a part of the globe"):
            Grid(west, 50, east, 75, 0.1)
        return
    grid = Grid(west, 50, east, 75, 0.1)
    assert (grid.west, grid.east) == counted
    assert grid == Grid(*counted[:1], 50, counted[1], 75, 0.1)


def test_a_grid_across_the_date_line_has_longitudes_that_rise_beyond_180():
    grid = Grid(160, 50, -150, 75, 0.5)
    assert grid.shape == (50, 100)
    assert grid.longitudes[[0, 39, 40, 99]].tolist() == [160.25, 179.75, 180.25, 209.75]
    assert (np.diff(grid.longitudes) == 0.5).all()
    assert grid.transform @ (0, 0) == (160, 75)
    assert grid.transform @ (40, 0) == (180, 75)
    assert grid.transform @ (100, 50) == (210, 50)
    assert grid.cell_area() == pytest.approx(Grid(-50, 50, 0, 75, 0.5).cell_area())


@pytest.mark.parametrize(
    "names",
    [
        (-170, 190),
        (175, -185),
        (-150.25, 209.75),
        (180, -180),
        (160, -200),
        (-150, 210),
        (190, 550),
    ],
)
def test_a_place_is_in_one_cell_however_its_longitude_is_counted(names):
    grid = Grid(160, 50, 210, 75, 0.5)
    row, column = grid.locate(names, 60.1)
    assert row.tolist() == [29, 29]
    assert column[0] == column[1]
    expected = min(int(((names[0] - 160) % 360) / 0.5), 99)
    assert column[0] == expected


def test_places_on_either_side_of_a_grid_across_the_date_line_are_outside():
    row, column = Grid(160, 50, 210, 75, 0.5).locate(
        [159.99, -149.99, 210.01, 0, 359.99, np.nan], 60
    )
    assert row.tolist() == column.tolist() == [-1] * 6


def test_both_edges_of_a_band_round_the_globe_hold_places():
    grid = Grid(0, 50, 360, 60, 10)
    column = grid.locate([0, 360, -180, 180, -0.001, 355, -5], 55)[1]
    assert column.tolist() == [0, 35, 18, 18, 35, 35, 35]


@given(column=st.integers(0, 99), across=st.floats(0.001, 0.999), turn=st.integers(-1, 1))
@settings(max_examples=60)
def test_every_cell_across_the_date_line_is_found_again(column, across, turn):
    grid = Grid(160, 50, 210, 75, 0.5)
    assert int(grid.locate(160 + (column + across) * 0.5 + 360 * turn, 60)[1]) == column


def test_chunks_across_the_date_line_go_on_over_it():
    grid = Grid(160, 50, -150, 75, 0.5)
    chunks = list(grid.chunks(32))
    assert [chunk.key for chunk in chunks][:4] == ["r000c000", "r000c001", "r000c002", "r000c003"]
    seen = np.zeros(grid.shape, dtype=int)
    for chunk in chunks:
        seen[chunk.rows, chunk.cols] += 1
        centre = (grid.longitudes[chunk.cols.start], grid.latitudes[chunk.rows.start])
        assert grid.chunk_transform(chunk) @ (0.5, 0.5) == pytest.approx(centre)
    assert (seen == 1).all()
    # The second one holds 176 to 192.
    assert chunks[1].cols == slice(32, 64)


@pytest.mark.parametrize(
    ("west", "east"),
    [
        (10, -10),
        (20, -159),
        (180, 1),
        (160, 160),
        (160, 521),
        (-180, 181),
        (-181, 10),
        (361, 370),
        (160, -181),
        (160, 721),
        (float("nan"), 10),
        (160, float("inf")),
    ],
)
def test_edges_that_may_be_exchanged_or_are_no_longitudes_are_refused(west, east):
    with pytest.raises(
        IcemapError,
        match=(
            r"not a part of the globe: .*\. Across the date line east goes on beyond 180, as in"
            r" west: 160, east: 210\.$"
        ),
    ):
        Grid(west, 50, east, 75, 1)


@pytest.mark.parametrize(
    "edges",
    [
        (160, 50, 210, 75, 0.5),
        (160, 50, -150, 75, 1 / 120),
        (190.1, 50, 209.9, 75, 0.1),
        (-180, 30, 180, 90, 0.7 / 0.7),
        (0, 50, 360, 60, 10),
    ],
)
def test_a_stored_group_gives_its_grid_back(tmp_path, edges):
    grid = Grid(*edges)
    url = str(tmp_path / "a.zarr")
    create_gridded(url, grid, [Variable("v")], {}, chunk=512)
    dataset = xr.open_zarr(url, consolidated=True)
    found = grid_of(dataset)
    assert found.shape == grid.shape
    assert (found.west, found.south, found.east, found.north) == pytest.approx(
        (grid.west, grid.south, grid.east, grid.north), abs=1e-9
    )
    np.testing.assert_allclose(dataset.longitude, grid.longitudes, rtol=0, atol=1e-9)
    assert found.locate(grid.longitudes, 60)[1].tolist() == list(range(grid.shape[1]))
