import tracemalloc

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.virtual_arctic.world import (
    CLASS_NODATA,
    MASKS,
    PREDICTORS,
    predictors,
    predictors_at_points,
    truth,
    truth_at_points,
)

FAMILIES = {"paleoclimate", "climate", "remote_sensing", "topography", "geology"}
EVERYTHING = [*PREDICTORS, *MASKS]
# Physical limits of each field on land.
LIMITS = {
    "lgm_temperature": (-60, 30),
    "holocene_temperature": (-45, 35),
    "deglaciation_age": (0, 30),
    "maat": (-45, 32),
    "thawing_degree_days": (0, 12000),
    "freezing_degree_days": (0, 16000),
    "precipitation": (25, 3500),
    "snow_depth": (0, 3),
    "ndvi": (0, 0.95),
    "land_surface_temperature": (-45, 35),
    "snow_cover_days": (0, 365),
    "surface_water": (0, 100),
    "elevation": (0, 8900),
    "slope": (0, 60),
    "topographic_position": (-6000, 6000),
    "wetness_index": (2, 25),
    "distance_to_coast": (0, 3000),
    "sediment_thickness": (0, 300),
    "soil_organic_carbon": (0, 150),
    "yedoma_probability": (0, 1),
    "land_fraction": (0, 1),
    "permafrost_fraction": (0, 1),
    "lake_fraction": (0, 1),
    "glacier_fraction": (0, 1),
}


@pytest.fixture(scope="module")
def hemisphere():
    """All fields and the truth at 1 degree north of 30 N, flattened, land only."""
    grid = Grid(-180, 30, 180, 90, 1.0)
    fields = predictors(grid.longitudes, grid.latitudes, EVERYTHING)
    fields["vic"] = truth(grid.longitudes, grid.latitudes)
    lon, lat = np.meshgrid(grid.longitudes, grid.latitudes)
    land = fields["land_fraction"] == 1
    weight = (
        np.cos(np.radians(lat)) * fields["permafrost_fraction"] * (1 - fields["glacier_fraction"])
    )
    return {
        name: values[land]
        for name, values in (fields | {"lon": lon, "lat": lat, "weight": weight}).items()
    }


def weighted_mean(values, weight):
    return float(np.sum(values * weight) / np.sum(weight))


def test_predictors_are_described():
    assert {info.family for info in PREDICTORS.values()} == FAMILIES
    assert 16 <= len(PREDICTORS) <= 24
    for name, info in EVERYTHING_INFO.items():
        assert info.name == name
        assert info.unit
        assert info.long_name
        assert bool(info.classes) == (info.kind == "class")


EVERYTHING_INFO = PREDICTORS | MASKS


def test_a_place_has_one_value_on_every_grid():
    coarse = Grid(120, 60, 140, 75, 1.0)
    fine_lon = np.sort(
        np.concatenate([coarse.longitudes, coarse.longitudes + 1 / 120, coarse.longitudes + 0.3])
    )
    fine_lat = np.sort(np.concatenate([coarse.latitudes, coarse.latitudes + 1 / 120]))[::-1]
    cols, rows = (
        np.searchsorted(fine_lon, coarse.longitudes),
        len(fine_lat) - 1 - np.searchsorted(fine_lat[::-1], coarse.latitudes),
    )
    one, two = (
        predictors(coarse.longitudes, coarse.latitudes, EVERYTHING),
        predictors(fine_lon, fine_lat, EVERYTHING),
    )
    lon, lat = (axis.ravel() for axis in np.meshgrid(coarse.longitudes, coarse.latitudes))
    points = predictors_at_points(lon, lat, EVERYTHING)
    for name in EVERYTHING:
        np.testing.assert_array_equal(one[name], two[name][np.ix_(rows, cols)])
        np.testing.assert_array_equal(one[name].ravel(), points[name])
    vic = truth(coarse.longitudes, coarse.latitudes)
    np.testing.assert_array_equal(vic, truth(fine_lon, fine_lat)[np.ix_(rows, cols)])
    np.testing.assert_array_equal(vic.ravel(), truth_at_points(lon, lat))


def test_chunks_fit_together():
    grid = Grid(-142, 66, -138, 69, 1 / 30)
    whole = predictors(grid.longitudes, grid.latitudes, EVERYTHING, seed=4) | {
        "vic": truth(grid.longitudes, grid.latitudes, seed=4)
    }
    for chunk in grid.chunks(37):
        lon, lat = grid.longitudes[chunk.cols], grid.latitudes[chunk.rows]
        part = predictors(lon, lat, EVERYTHING, seed=4) | {"vic": truth(lon, lat, seed=4)}
        for name, values in part.items():
            np.testing.assert_array_equal(
                values, whole[name][chunk.rows, chunk.cols], err_msg=f"{name} {chunk.key}"
            )


def test_asking_for_fewer_fields_changes_nothing():
    lon, lat = np.linspace(90, 100, 11), np.linspace(70, 60, 7)
    whole = predictors(lon, lat)
    assert list(whole) == list(PREDICTORS)
    for name in ("deposit", "maat"):
        np.testing.assert_array_equal(predictors(lon, lat, [name])[name], whole[name])


def test_another_seed_is_another_world():
    lon, lat = np.linspace(100, 130, 31), np.linspace(72, 58, 15)
    first, second = predictors(lon, lat, seed=0), predictors(lon, lat, seed=1)
    for name, info in PREDICTORS.items():
        if (
            name not in ("lgm_ice_sheet", "deglaciation_age", "distance_to_coast")
            and info.kind == "continuous"
        ):
            assert np.mean(first[name] == second[name]) < 0.6, name
    np.testing.assert_array_equal(first["distance_to_coast"], second["distance_to_coast"])
    assert not np.array_equal(truth(lon, lat, seed=0), truth(lon, lat, seed=1), equal_nan=True)


def test_no_seam_at_the_antimeridian():
    lat = np.linspace(65.6, 68.9, 200)
    east, west = (
        predictors_at_points(np.full(200, lon), lat, EVERYTHING) for lon in (180.0, -180.0)
    )
    assert np.isfinite(east["maat"]).sum() > 100
    for name in EVERYTHING:
        # 180 and -180 are one meridian, up to the last bits of its cosine.
        np.testing.assert_allclose(
            east[name].astype(float), west[name].astype(float), rtol=1e-4, atol=1e-4, err_msg=name
        )
    # Nine metres apart across the meridian, smooth fields differ by next to nothing.
    east, west = (
        predictors_at_points(np.full(200, lon), lat, EVERYTHING) for lon in (180 - 1e-4, 1e-4 - 180)
    )
    for name, difference in {
        "distance_to_coast": 0.05,
        "elevation": 5.0,
        "maat": 0.03,
        "precipitation": 0.1,
        "thawing_degree_days": 3.0,
    }.items():
        assert np.nanmax(np.abs(east[name] - west[name])) < difference, name


def test_no_seam_at_the_pole():
    # The pole is sea: look below the coastline, at the fields themselves.
    from icemap.virtual_arctic.fields import FIELDS, _place, noise_keys
    from icemap.virtual_arctic.geography import LAYERS, open_nodes

    keys, nodes = noise_keys(0), open_nodes()
    names = ("maat", "precipitation", "snow_depth", "lgm_temperature", "elevation")
    values = []
    for lon in np.linspace(-180, 170, 36):
        fields = np.empty(len(FIELDS))
        _place(lon, 90 - 1e-6, nodes, keys, np.empty(len(LAYERS)), np.empty(len(keys)), fields)
        values.append([fields[FIELDS.index(name)] for name in names])
    assert np.ptp(np.array(values), axis=0) == pytest.approx(np.zeros(len(names)), abs=0.01)


def test_coast_and_missing_values():
    # Yakutsk, Fairbanks, Lhasa; Arctic Ocean, North Pacific, Hudson Bay.
    lon, lat = [129.7, -147.7, 91.1, -150.0, -170.0, -86.0], [62.0, 64.8, 29.7, 80.0, 45.0, 59.0]
    fields = predictors_at_points(lon, lat, EVERYTHING)
    np.testing.assert_array_equal(fields["land_fraction"], [1, 1, 1, 0, 0, 0])
    for name, info in EVERYTHING_INFO.items():
        if info.family == "mask":
            assert np.all(fields[name][3:] == 0)
        elif info.kind == "class":
            assert fields[name].dtype == np.uint8
            assert np.all(fields[name][3:] == CLASS_NODATA)
            assert np.all(fields[name][:3] < len(info.classes))
        else:
            assert fields[name].dtype == np.float32
            assert np.all(np.isnan(fields[name][3:]))
            assert np.all(np.isfinite(fields[name][:3]))
    assert list(np.isnan(truth_at_points(lon, lat))) == [False] * 3 + [True] * 3


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_fields_stay_in_their_limits(hemisphere, name):
    low, high = LIMITS[name]
    assert np.all(np.isfinite(hemisphere[name]))
    assert hemisphere[name].min() >= low
    assert hemisphere[name].max() <= high
    assert name == "land_fraction" or np.ptp(hemisphere[name]) > 0


def test_every_class_occurs(hemisphere):
    for name, info in PREDICTORS.items():
        if info.kind == "class":
            assert set(np.unique(hemisphere[name])) == set(range(len(info.classes)))


def test_climate_depends_on_place_as_in_nature(hemisphere):
    world = hemisphere
    band = (np.abs(world["lat"] - 47) < 4) & (world["distance_to_coast"] > 600)
    lapse = np.polyfit(world["elevation"][band] / 1000, world["maat"][band], 1)[0]
    assert -8 < lapse < -3
    low = world["elevation"] < 500
    assert np.corrcoef(world["lat"][low], world["maat"][low])[0, 1] < -0.85
    swing = world["thawing_degree_days"] + world["freezing_degree_days"]
    belt = low & (np.abs(world["lat"] - 63) < 5)
    assert (
        swing[belt & (world["distance_to_coast"] > 600)].mean()
        > 1.2 * swing[belt & (world["distance_to_coast"] < 100)].mean()
    )
    balance = world["thawing_degree_days"] - world["freezing_degree_days"] - 365 * world["maat"]
    assert np.abs(balance).max() < 5
    assert np.all(world["lgm_temperature"] < world["maat"])


def test_permafrost_follows_cold_and_snow(hemisphere):
    world = hemisphere
    assert world["permafrost_fraction"][world["maat"] < -9].min() > 0.8
    assert world["permafrost_fraction"][world["maat"] > 4].max() < 0.05
    edge = (world["maat"] > -5) & (world["maat"] < -1)
    little = world["snow_depth"][edge] < np.median(world["snow_depth"][edge])
    assert (
        world["permafrost_fraction"][edge][little].mean()
        > world["permafrost_fraction"][edge][~little].mean() + 0.1
    )
    assert (
        np.corrcoef(
            world["thawing_degree_days"][world["lat"] > 55], world["ndvi"][world["lat"] > 55]
        )[0, 1]
        > 0.6
    )


def test_permafrost_covers_a_plausible_area():
    grid = Grid(-180, 30, 180, 90, 0.5)
    fields = predictors(grid.longitudes, grid.latitudes, list(MASKS))
    share = fields["permafrost_fraction"] * (1 - fields["glacier_fraction"])
    area = float((share * grid.cell_area()[:, None]).sum())
    assert 12e6 < area < 21e6
    assert float((fields["land_fraction"] * grid.cell_area()[:, None]).sum()) == pytest.approx(
        64e6, rel=0.05
    )


def test_the_ice_sheets_stood_where_they_did():
    # Hudson Bay lowland, Stockholm, Winnipeg; Yakutsk, Kolyma, Fairbanks, central Mongolia.
    fields = predictors_at_points(
        [-85.0, 17.9, -97.1, 129.7, 157.0, -147.7, 103.0],
        [55.0, 59.4, 49.9, 62.0, 68.5, 64.8, 47.0],
        ["lgm_ice_sheet", "deglaciation_age"],
    )
    np.testing.assert_array_equal(fields["lgm_ice_sheet"], [1, 1, 1, 0, 0, 0, 0])
    assert np.all(fields["deglaciation_age"][:3] < 20)
    np.testing.assert_array_equal(fields["deglaciation_age"][3:], 30)


def test_yedoma_lies_in_cold_lowlands_that_were_never_under_ice(hemisphere):
    yedoma = hemisphere["yedoma_probability"] > 0.3
    assert yedoma.sum() > 20
    assert hemisphere["lgm_ice_sheet"][yedoma].max() == 0
    assert hemisphere["elevation"][yedoma].max() < 600
    assert hemisphere["maat"][yedoma].max() < -4
    assert hemisphere["vic"][yedoma].mean() > 60


def test_ice_is_distributed_as_people_found_it(hemisphere):
    world = hemisphere
    lon, lat, weight, vic = world["lon"], world["lat"], world["weight"], world["vic"]
    assert vic.min() >= 0
    assert vic.max() <= 100
    mean = weighted_mean(vic, weight)
    spread = np.sqrt(weighted_mean((vic - mean) ** 2, weight))
    assert 30 < mean < 50
    assert 16 < spread < 24
    assert weighted_mean((vic - mean) ** 3, weight) > 0
    plateau = (lon > 78) & (lon < 100) & (lat > 31) & (lat < 38) & (world["elevation"] > 3500)
    mongolia = (lon > 90) & (lon < 115) & (lat > 45) & (lat < 52)
    lowland = (lon > 138) & (lon < 160) & (lat > 69)
    assert 20 < weighted_mean(vic[plateau], weight[plateau]) < 40
    assert 20 < weighted_mean(vic[mongolia], weight[mongolia]) < 40
    assert weighted_mean(vic[lowland], weight[lowland]) > 55
    assert np.mean(vic[lowland] > 80) > 0.15
    steep = world["slope"] > 6
    assert weighted_mean(vic[steep], weight[steep]) < 25


def test_ice_varies_at_every_distance():
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(62, 70, 1500), rng.uniform(100, 125, 1500)
    here = truth_at_points(lon, lat)
    gamma = [
        0.5 * np.nanmean((here - truth_at_points(lon, lat + km / 111.2)) ** 2)
        for km in (0.01, 0.2, 5.0, 60.0)
    ]
    assert np.all(np.diff(gamma) > 0)
    # The nugget: much of it is gone 10 m away and all of it is there at 200 m.
    assert gamma[0] < 0.1 * gamma[1]
    assert 0.05 < gamma[1] / gamma[3] < 0.5


def test_a_kilometre_chunk_is_small():
    lon, lat = (110 + (np.arange(512) + 0.5) / 120), 66 - (np.arange(512) + 0.5) / 120
    predictors(lon[:2], lat[:2])
    tracemalloc.start()
    fields = predictors(lon, lat)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(fields["maat"]).all()
    assert peak < 100e6


@pytest.mark.parametrize(
    ("lon", "lat", "names", "words"),
    [
        ([100.0], [60.0], ["maat", "magic"], "no predictor 'magic'"),
        ([100.0], [np.nan], ["maat"], "latitudes 0 to 90"),
        ([190.0], [60.0], ["maat"], "longitudes -180 to 180"),
        ([100.0], [-10.0], ["maat"], "latitudes 0 to 90"),
        ([100.0, 101.0], [60.0], ["maat"], "2 longitudes but 1 latitudes"),
    ],
)
def test_mistakes_are_said_in_a_sentence(lon, lat, names, words):
    with pytest.raises(IcemapError, match=words):
        predictors_at_points(lon, lat, names)
