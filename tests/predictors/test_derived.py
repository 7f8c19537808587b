"""Derived predictors against fields whose derivatives, distances and sums are known."""

from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import xarray as xr
import yaml
from affine import Affine
from shapely.geometry import box

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import resampling
from icemap.predictors.derived import EARTH_RADIUS_KM, Window, derive, distance_to, halo
from icemap.predictors.fields import ChunkFields
from icemap.predictors.sources import open_source
from icemap.source import Derivation
from tests.small_rasters import write_tif

pytestmark = pytest.mark.quick
META = {"family": "topography", "long_name": "a field", "unit": "m"}


def catalog(folder, data, entries):
    """A catalogue of ``data`` {name: url} and ``entries`` {name: metadata}; an entry is made from
    the data of its own name.
    """
    content = {
        "version": 2,
        "data": {name: {"kwargs": {"url": str(url)}} for name, url in data.items()},
        "entries": {
            name: {
                "metadata": META | {key: value for key, value in keys.items() if key != "data"},
                **(
                    {}
                    if "derived" in keys
                    else {"kwargs": {"data": f"{{data({keys.get('data', name)})}}"}}
                ),
            }
            for name, keys in entries.items()
        },
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "catalog.yaml")


def built(url, names, grid, chunk=10_000):
    sources = load_sources(url, list(names))
    ways = {}
    for leaf in {leaf.name: leaf for source in sources.values() for leaf in source.leaves}.values():
        if not leaf.is_virtual:
            with open_source(leaf, grid) as raster:
                ways[leaf.name] = resampling(raster, grid)
    out = {name: np.full(grid.shape, -7, np.float32) for name in names}
    for part in grid.chunks(chunk):
        fields = ChunkFields(grid, ways, part, sources.values())
        for name in names:
            out[name][part.rows, part.cols] = fields.read(sources[name])
    return out


def window(latitudes, columns, step):
    return Window(np.asarray(latitudes, float), step, slice(0, len(latitudes)), slice(0, columns))


def test_slope_and_aspect_of_planes_in_metres() -> None:
    step, geod = 0.01, pyproj.Geod(ellps="WGS84")
    latitudes = 70 + step * np.arange(1, -2, -1)
    height = geod.line_length([0, 0], [69.99, 70.01])
    width = geod.line_length([-step, step], [70, 70])
    up_north = np.array([[height], [height / 2], [0]]) * 0.1 * np.ones((1, 3))
    up_east = (
        np.array([[0, width / 2, width]])
        * 0.2
        * np.cos(np.radians(latitudes))[:, None]
        / np.cos(np.radians(70))
    )
    for plane, rise, facing in (
        (up_north, 0.1, (0, -1)),
        (up_east, 0.2, (-1, 0)),
        (np.full((3, 3), 5.0), 0, (0, 0)),
    ):
        values = {
            how: derive(
                Derivation(how=how, of=("z",)),
                [plane.astype("f4")],
                "m",
                window(latitudes, 3, step),
            )
            for how in ("slope", "aspect_sin", "aspect_cos")
        }
        assert values["slope"][1, 1] == pytest.approx(np.degrees(np.arctan(rise)), rel=1e-5)
        assert (values["aspect_sin"][1, 1], values["aspect_cos"][1, 1]) == pytest.approx(
            facing, abs=2e-3
        )


def test_a_missing_neighbour_is_level_and_a_missing_cell_stays_missing() -> None:
    z = np.full((3, 3), 10, "f4")
    z[0, 0] = np.nan
    slope = derive(Derivation(how="slope", of=("z",)), [z], "m", window([61, 60, 59], 3, 1))
    assert np.isnan(slope[0, 0])
    assert slope[1, 1] == 0
    assert np.isfinite(slope).sum() == 8


def great_circle(lon, lat, lon0, lat0):
    return (
        pyproj.Geod(a=EARTH_RADIUS_KM * 1000, f=0).inv(*np.broadcast_arrays(lon, lat, lon0, lat0))[
            2
        ]
        / 1000
    )


def around_the_pole(radius, how, **keys):
    """A 2-degree cap round the globe, its halo of repeated columns, and the window of its own
    cells.
    """
    step = 2.0
    latitudes, columns = np.arange(89, 60, -step), np.arange(180)
    derivation = Derivation(how=how, of=("z",), radius=radius, **keys)
    wide = halo(derivation, step, latitudes)
    padded = (columns[0] - wide.cols + np.arange(180 + 2 * wide.cols)) % 180
    inner = Window(
        latitudes, step, slice(0, len(latitudes)), slice(wide.cols, wide.cols + 180), -wide.cols
    )
    return derivation, latitudes, columns * step, padded, inner


@pytest.mark.parametrize("radius", [300, 1200])
def test_distances_are_great_circles_bounded_by_the_radius_also_over_the_pole(radius) -> None:
    _, latitudes, longitudes, padded, inner = around_the_pole(radius, "distance_to", codes=(1,))
    sought = np.random.default_rng(0).random((len(latitudes), 180)) < 0.004
    sought[4:9, 20:30] = True
    ours = distance_to(sought[:, padded], inner, radius)
    lon, lat = np.meshgrid(longitudes, latitudes)
    each = [great_circle(lon, lat, longitudes[c], latitudes[r]) for r, c in np.argwhere(sought)]
    np.testing.assert_allclose(ours, np.minimum(np.min(each, axis=0), radius), atol=1e-6)
    assert (ours < radius).mean() > 0.1


@pytest.mark.parametrize("radius", [250, 900])
@pytest.mark.parametrize("how", ["tpi", "roughness"])
def test_neighbourhoods_are_disks_of_cells_counted_by_area(how, radius) -> None:
    derivation, latitudes, longitudes, padded, inner = around_the_pole(radius, how)
    z = np.random.default_rng(1).normal(800, 300, (len(latitudes), 180)).astype("f4")
    z[5, 60:70] = np.nan
    ours = derive(derivation, [z[:, padded]], "m", inner)
    lon, lat = np.meshgrid(longitudes, latitudes)
    area = np.repeat(Grid(-180, 60, 180, 90, 2).cell_area()[:, None], 180, axis=1)
    for row, col in [(0, 0), (1, 17), (3, 179), (5, 59), (8, 90)]:
        near = (great_circle(lon, lat, longitudes[col], latitudes[row]) <= radius) & np.isfinite(z)
        mean = np.average(z[near], weights=area[near])
        expected = (
            z[row, col] - mean
            if how == "tpi"
            else np.sqrt(np.average((z[near] - mean) ** 2, weights=area[near]))
        )
        assert ours[row, col] == pytest.approx(expected, abs=0.15), (row, col)
    assert np.isnan(ours[5, 60:70]).all()


def test_roughness_of_level_ground_is_nothing_however_high_it_lies() -> None:
    derivation, latitudes, _, padded, inner = around_the_pole(600, "roughness")
    ours = derive(derivation, [np.full((len(latitudes), len(padded)), 4321.5, "f4")], "m", inner)
    assert np.abs(ours).max() < 1e-3


YEAR = np.array([-30, -25, -15, -5, 2, 10, 15, 12, 5, -5, -20, -28], "f4")
THAWING = 2 * 31 + 10 * 30 + 15 * 31 + 12 * 31 + 5 * 30
FREEZING = 30 * 31 + 25 * 28.25 + 15 * 31 + 5 * 30 + 5 * 31 + 20 * 30 + 28 * 31


@pytest.mark.parametrize("unit", ["degC", "K"])
def test_degree_days_of_a_known_year_from_an_axis_from_bands_and_from_twelve_entries(
    tmp_path: Path, unit
) -> None:
    lon, lat = np.arange(0.5, 10), np.arange(59.5, 50, -1)
    months = np.broadcast_to(
        YEAR[:, None, None] + (273.15 if unit == "K" else 0), (12, 10, 10)
    ).astype("f4")
    xr.Dataset(
        {"t": (("month", "lat", "lon"), months)},
        coords={"month": np.arange(12) * 30 + 15, "lat": lat, "lon": lon},
    ).to_netcdf(tmp_path / "t.nc")
    write_tif(tmp_path / "t.tif", months, Affine(1, 0, 0, 0, -1, 60))
    entries = {"nc": {"variable": "t", "unit": unit}, "tif": {"unit": unit}}
    entries |= {
        f"m{i:02d}": {"data": "tif", "variable": str(i + 1), "unit": unit} for i in range(12)
    }
    expected = {
        "thawing_degree_days": THAWING,
        "freezing_degree_days": FREEZING,
        "temperature_range": 45,
        "frost_number": FREEZING**0.5 / (FREEZING**0.5 + THAWING**0.5),
    }
    for how in expected:
        for of, along in (
            (["nc"], "month"),
            (["tif"], "band"),
            ([f"m{i:02d}" for i in range(12)], None),
        ):
            entries[f"{how}_{of[0]}"] = {
                "unit": "1",
                "derived": {"how": how, "of": of, "along": along},
            }
    url = catalog(tmp_path, {"nc": tmp_path / "t.nc", "tif": tmp_path / "t.tif"}, entries)
    names = [name for name in entries if "derived" in entries[name]]
    out = built(url, names, Grid(2, 52, 8, 58, 1))
    for name in names:
        np.testing.assert_allclose(out[name], expected[name.rsplit("_", 1)[0]], rtol=1e-5)


def year_from(first: int, axis: dict, values, **more) -> xr.Dataset:
    """The year of the tests on an axis of twelve that begins with another month, 0 for January."""
    months = np.roll(YEAR, -first)[:, None, None] * np.ones((12, 10, 10), "f4")
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), months), **more},
        coords={
            "time": ("time", values, axis),
            "lat": np.arange(59.5, 50, -1),
            "lon": np.arange(0.5, 10),
        },
    )


STARTS = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
FROM_OCTOBER = np.array([273, 304, 334, *(STARTS[:9] + 365)])


@pytest.mark.parametrize(
    "data",
    [
        year_from(9, {"units": "days since 2001-01-01"}, FROM_OCTOBER),
        year_from(9, {"units": "months since 2001-10-01"}, np.arange(12)),
        year_from(9, {"long_name": "month"}, [10, 11, 12, *range(1, 10)]),
        # Stamped with the end of each month, which its bounds tell.
        year_from(
            0,
            {"units": "days since 2001-01-01", "bounds": "b"},
            STARTS[1:],
            b=(("time", "nv"), np.stack([STARTS[:-1], STARTS[1:]], 1)),
        ),
        # Months of 30 days, of which two are in January.
        year_from(0, {"units": "days since 2001-01-01"}, np.arange(12) * 30),
        year_from(0, {"long_name": "step"}, np.arange(12)),
    ],
    ids=["october", "counted", "numbers", "ends", "thirty", "steps"],
)
def test_a_year_that_begins_with_another_month_has_the_days_of_its_months(tmp_path, data) -> None:
    data.to_netcdf(tmp_path / "t.nc")
    derived = {"how": "freezing_degree_days", "of": ["t"], "along": "time"}
    entries = {"t": {"variable": "t", "unit": "degC"}, "d": {"unit": "1", "derived": derived}}
    url = catalog(tmp_path, {"t": tmp_path / "t.nc"}, entries)
    np.testing.assert_allclose(built(url, ["d"], Grid(2, 52, 8, 58, 1))["d"], FREEZING, rtol=1e-5)


@pytest.mark.parametrize(
    ("units", "values"),
    [("days since 1990-07-01", np.arange(12) * 365.25), ("hours since 2001-07-01", np.arange(12))],
)
def test_twelve_years_or_hours_are_no_months(tmp_path: Path, units, values) -> None:
    year_from(0, {"units": units}, values).to_netcdf(tmp_path / "t.nc")
    derived = {"how": "thawing_degree_days", "of": ["t"], "along": "time"}
    entries = {"t": {"variable": "t", "unit": "degC"}, "d": {"unit": "1", "derived": derived}}
    url = catalog(tmp_path, {"t": tmp_path / "t.nc"}, entries)
    with pytest.raises(IcemapError, match="needs January to December on its axis 'time'"):
        built(url, ["d"], Grid(2, 52, 8, 58, 1))


@pytest.mark.parametrize("how", ["thawing_degree_days", "frost_number"])
def test_months_in_celsius_under_kelvin_are_asked_about(tmp_path: Path, how) -> None:
    months = np.broadcast_to(YEAR[:, None, None], (12, 10, 10)).astype("f4")
    write_tif(tmp_path / "t.tif", months, Affine(1, 0, 0, 0, -1, 60))
    derived = {"how": how, "of": ["m"], "along": "band"}
    entries = {"m": {"data": "t", "unit": "K"}, "d": {"unit": "1", "derived": derived}}
    url = catalog(tmp_path, {"t": tmp_path / "t.tif"}, entries)
    with pytest.raises(IcemapError, match="which are no temperatures in kelvin: correct the 'uni"):
        built(url, ["d"], Grid(2, 52, 8, 58, 1))


def ice(folder):
    """Ice that shrinks northwards: at 21, 12 and 8 ka it ends at 50.5, 54 and 57 N; one cell has no
    value at 12 ka.
    """
    lat, lon = np.arange(59.5, 50, -1), np.arange(0.5, 10)
    cover = np.stack(
        [np.repeat((lat > edge).astype("f4")[:, None], 10, axis=1) for edge in (51, 54, 57)]
    )
    cover[1, 4, 4] = np.nan
    xr.Dataset(
        {"ice": (("time", "lat", "lon"), cover)},
        coords={"time": [21, 12, 8], "lat": lat, "lon": lon},
    ).to_netcdf(folder / "ice.nc")
    expected = np.select([lat > 57, lat > 54, lat > 51], [8, 12, 21], np.nan)[:, None].repeat(
        10, axis=1
    )
    expected[4, 4] = np.nan
    return expected


def test_deglaciation_age_is_the_youngest_with_ice_along_an_axis_and_from_entries(
    tmp_path: Path,
) -> None:
    expected = ice(tmp_path)
    derived = {"how": "deglaciation_age", "ages": [21, 12, 8], "at_least": 0.5}
    entries = {
        "ice": {"unit": "1"},
        "axis": {"unit": "ka", "derived": derived | {"of": ["ice"], "along": "time"}},
    }
    entries |= {
        f"ice_{age}": {"data": "ice", "unit": "1", "select": {"time": age}} for age in (21, 12, 8)
    }
    entries["entries"] = {"unit": "ka", "derived": derived | {"of": ["ice_21", "ice_12", "ice_8"]}}
    entries["filled"] = entries["axis"] | {"fill_value": 30}
    # The order in which ages are listed does not matter.
    entries["turned"] = {
        "unit": "ka",
        "derived": {
            "how": "deglaciation_age",
            "ages": [8, 21, 12],
            "at_least": 0.5,
            "of": ["ice_8", "ice_21", "ice_12"],
        },
    }
    out = built(
        catalog(tmp_path, {"ice": tmp_path / "ice.nc"}, entries),
        ["axis", "entries", "filled", "turned"],
        Grid(0, 50, 10, 60, 1),
        chunk=4,
    )
    for name in ("axis", "entries", "turned"):
        np.testing.assert_array_equal(out[name], expected.astype("f4"))
    np.testing.assert_array_equal(
        out["filled"], np.where(np.isnan(expected), 30, expected).astype("f4")
    )


def test_deglaciation_age_from_dated_ice_margins_in_one_file(tmp_path: Path) -> None:
    margins = geopandas.GeoDataFrame(
        {"ka": [21, 12, 8]}, geometry=[box(-1, edge, 11, 61) for edge in (51, 54, 57)], crs=4326
    )
    margins.to_file(tmp_path / "margins.gpkg")
    entries = {
        f"ice_{age}": {
            "data": "margins",
            "unit": "1",
            "rasterize": {"into": "fraction", "attribute": "ka", "only": [age]},
        }
        for age in (21, 12, 8)
    }
    derived = {
        "how": "deglaciation_age",
        "ages": [21, 12, 8],
        "at_least": 0.5,
        "of": ["ice_21", "ice_12", "ice_8"],
    }
    url = catalog(
        tmp_path,
        {"margins": tmp_path / "margins.gpkg"},
        entries | {"age": {"unit": "ka", "derived": derived}},
    )
    out = built(url, ["age"], Grid(0, 50, 10, 60, 1), chunk=4)["age"]
    lat = np.arange(59.5, 50, -1)
    np.testing.assert_array_equal(
        out,
        np.select([lat > 57, lat > 54, lat > 51], [8, 12, 21], np.nan)[:, None]
        .repeat(10, axis=1)
        .astype("f4"),
    )


def test_ages_that_do_not_fit_the_axis_are_refused(tmp_path: Path) -> None:
    ice(tmp_path)
    age = {
        "unit": "ka",
        "derived": {
            "how": "deglaciation_age",
            "ages": [21, 12],
            "at_least": 0.5,
            "of": ["ice"],
            "along": "time",
        },
    }
    url = catalog(tmp_path, {"ice": tmp_path / "ice.nc"}, {"ice": {"unit": "1"}, "age": age})
    with pytest.raises(IcemapError, match="'time' is 3 long, but a derivation needs 2 steps"):
        built(url, ["age"], Grid(0, 50, 10, 60, 1))


DERIVED = {
    "slope": {"how": "slope", "of": ["elevation"]},
    "facing": {"how": "aspect_sin", "of": ["elevation"]},
    "northern": {"how": "aspect_cos", "of": ["elevation"]},
    "tpi": {"how": "tpi", "of": ["elevation"], "radius": 250},
    "roughness": {"how": "roughness", "of": ["elevation"], "radius": 180},
    "to_low": {"how": "distance_to", "of": ["elevation"], "radius": 400, "at_most": 150},
    "to_class": {"how": "distance_to", "of": ["lithology"], "radius": 300, "codes": [1]},
    "wetness": {"how": "wetness", "of": ["elevation"], "radius": 300},
    "of_derived": {"how": "difference", "of": ["tpi", "tpi_wide"]},
    "tpi_wide": {"how": "tpi", "of": ["elevation"], "radius": 500},
    "rough_tpi": {"how": "roughness", "of": ["tpi"], "radius": 200},
}


def entries_of_derived(**elevation):
    units = {"slope": "degrees", "facing": "1", "northern": "1"}
    lithology = {"kind": "class", "classes": {i: str(i) for i in range(9)}, "unit": "1"}
    derived = {
        name: {"derived": keys, "unit": units.get(name, "m")} for name, keys in DERIVED.items()
    }
    return {"elevation": elevation, "lithology": lithology, **derived}


@pytest.mark.parametrize(
    "grid",
    [Grid(-180, 60, 180, 90, 1), Grid(150, 50, 180, 75, 1)],
    ids=["round the globe", "up to the date line"],
)
def test_chunks_of_derived_predictors_join_without_a_trace(tmp_path: Path, grid) -> None:
    url = catalog(
        tmp_path,
        {"elevation": "virtual-arctic:3", "lithology": "virtual-arctic:3"},
        entries_of_derived(),
    )
    whole, parts = built(url, DERIVED, grid), built(url, DERIVED, grid, chunk=17)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values, err_msg=name)
        assert np.nanstd(values) > 0, name


@pytest.mark.parametrize("resolution", [0.5, 2.0])
def test_chunks_join_without_a_trace_from_a_file_finer_or_coarser_than_the_grid(
    tmp_path: Path, resolution
) -> None:
    rng = np.random.default_rng(5)
    write_tif(
        tmp_path / "z.tif",
        rng.normal(300, 200, (180, 360)).astype("f4"),
        Affine(1, 0, -180, 0, -1, 90),
    )
    write_tif(
        tmp_path / "c.tif",
        rng.integers(0, 9, (180, 360)).astype("f4"),
        Affine(1, 0, -180, 0, -1, 90),
    )
    url = catalog(
        tmp_path,
        {"elevation": tmp_path / "z.tif", "lithology": tmp_path / "c.tif"},
        entries_of_derived(),
    )
    grid = Grid(-180, 60, 180, 90, resolution)
    whole, parts = built(url, DERIVED, grid), built(url, DERIVED, grid, chunk=16)
    for name in DERIVED:
        np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)
        assert np.isfinite(whole[name]).all(), name


def test_the_halo_sees_across_the_date_line_and_beyond_the_grid(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    write_tif(
        tmp_path / "z.tif",
        rng.normal(300, 200, (180, 360)).astype("f4"),
        Affine(1, 0, -180, 0, -1, 90),
    )
    url = catalog(
        tmp_path,
        {"elevation": tmp_path / "z.tif", "lithology": tmp_path / "z.tif"},
        entries_of_derived(),
    )
    names = [name for name in DERIVED if name != "to_class"]
    whole = built(url, names, Grid(-180, 60, 180, 90, 1))
    part = built(url, names, Grid(-180, 70, -170, 80, 1))
    for name in names:
        np.testing.assert_array_equal(part[name], whole[name][10:20, :10], err_msg=name)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"how": "steepness", "of": ["elevation"]}, "no derivation 'steepness', use one of slope"),
        ({"how": "wetness", "of": ["elevation"]}, "needs radius"),
        (
            {"how": "wetness", "of": ["lithology"], "radius": 5},
            "names no 'codes', but that is a class",
        ),
        (
            {"how": "deglaciation_age", "of": ["elevation"], "along": "time", "at_least": 0.5},
            "needs ages",
        ),
        (
            {"how": "deglaciation_age", "of": ["elevation"], "ages": [21, 12], "along": "time"},
            "needs at_least",
        ),
        (
            {"how": "deglaciation_age", "of": ["elevation"], "ages": [21, 12], "at_least": 0.5},
            "of 1 needs along",
        ),
        (
            {"how": "deglaciation_age", "of": ["elevation"] * 3, "ages": [21, 12], "at_least": 0.5},
            "'of' names 3",
        ),
        (
            {
                "how": "deglaciation_age",
                "of": ["elevation"] * 2,
                "ages": [21, 12],
                "at_least": 0.5,
                "at_most": 1,
            },
            "takes no codes or at_most",
        ),
        (
            {
                "how": "deglaciation_age",
                "of": ["elevation"],
                "ages": [21, 12],
                "at_least": 0.5,
                "along": "time",
            },
            "'along' takes apart an axis of a file",
        ),
        ({"how": "slope", "of": ["elevation"], "ages": [21]}, "takes no ages"),
        ({"how": "slope", "of": ["height"]}, "no entry 'height', which 'new' is derived from"),
        ({"how": "slope", "of": ["new"]}, "new of new goes in a circle"),
        ({"how": "slope", "of": ["round"]}, "new of round of new goes in a circle"),
        ({"how": "slope", "of": ["elevation", "slope"]}, "is made of 1 entries, but 'of' names 2"),
        ({"how": "slope", "of": ["elevation"], "radius": 3}, "takes no radius"),
        ({"how": "tpi", "of": ["elevation"]}, "needs radius"),
        (
            {"how": "distance_to", "of": ["elevation"], "radius": 3},
            "needs codes, at_least or at_most",
        ),
        (
            {"how": "distance_to", "of": ["lithology"], "radius": 3, "codes": [77]},
            "class code 77 is not among its 'classes'",
        ),
        ({"how": "distance_to", "of": ["elevation"], "radius": 3, "codes": [1]}, "is not a class"),
        ({"how": "slope", "of": ["lithology"]}, "names no 'codes', but that is a class"),
        ({"how": "frost_number", "of": ["elevation"]}, "of 1 needs along"),
        ({"how": "thawing_degree_days", "of": ["elevation"] * 12}, "needs the unit degC"),
        ({"how": "difference", "of": ["elevation", "slope"]}, "different units"),
        ({"how": "slope", "of": ["elevation"], "sigma": 3}, "unknown key"),
    ],
)
def test_bad_derivations_are_refused_by_name(tmp_path: Path, keys, sentence) -> None:
    entries = entries_of_derived() | {
        "new": {"derived": keys},
        "round": {"derived": {"how": "slope", "of": ["new"]}},
    }
    url = catalog(
        tmp_path, {"elevation": "virtual-arctic:3", "lithology": "virtual-arctic:3"}, entries
    )
    with pytest.raises(IcemapError, match=sentence) as error:
        load_sources(url, ["new"])
    assert "new" in str(error.value)
    assert url in str(error.value)


def test_a_derived_predictor_refuses_keys_of_files(tmp_path: Path) -> None:
    url = catalog(tmp_path, {}, {"new": {"derived": {"how": "slope", "of": ["z"]}, "scale": 2.0}})
    with pytest.raises(IcemapError, match="takes no 'scale'"):
        load_sources(url, ["new"])


def test_an_axis_that_has_no_twelve_months_is_refused(tmp_path: Path) -> None:
    t = xr.Dataset(
        {"t": (("time", "lat", "lon"), np.zeros((4, 5, 5)))},
        coords={"lat": np.arange(50.5, 55), "lon": np.arange(0.5, 5)},
    )
    t.to_netcdf(tmp_path / "t.nc")
    new = {"unit": "degC", "derived": {"how": "thawing_degree_days", "of": ["t"], "along": "time"}}
    url = catalog(tmp_path, {"t": tmp_path / "t.nc"}, {"t": {"unit": "degC"}, "new": new})
    with pytest.raises(
        IcemapError, match="'time' is 4 long, but a derivation needs 12 steps along it"
    ):
        built(url, ["new"], Grid(0, 50, 5, 55, 1))
