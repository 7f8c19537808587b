"""A folder of one's own becomes a config and a catalogue that doctor passes."""

import json
import shlex
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import xarray as xr
import yaml
from click.testing import CliRunner
from rasterio.transform import from_origin

from icemap.catalog import load_sources
from icemap.cli import main
from icemap.config import load_config
from icemap.pipeline.input_check import require_inputs
from icemap.starting.entries import crs_words

WEST, SOUTH, EAST, NORTH = -152.0, 64.0, -142.0, 70.0
ROWS, COLS = 40, 60
HERE = from_origin(WEST - 1, NORTH + 1, 12 / COLS, 8 / ROWS)


def field(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, COLS)).cumsum(0).cumsum(1).astype("float32")


def write_raster(path: Path, values: np.ndarray, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[1],
        width=bands.shape[2],
        count=len(bands),
        dtype=bands.dtype,
        crs=how.get("crs", "EPSG:4326"),
        transform=how.get("transform", HERE),
        nodata=how.get("nodata"),
    ) as dataset:
        dataset.write(bands)
        if "unit" in how:
            dataset.units = [how["unit"]] * len(bands)
        for number, name in enumerate(how.get("names", ()), 1):
            dataset.set_band_description(number, name)
        if "colours" in how:
            dataset.write_colormap(1, how["colours"])


def places(count: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "site": [f"BH-{i:03d}" for i in range(count)],
            "lon": rng.uniform(WEST, EAST, count).round(4),
            "lat": rng.uniform(SOUTH, NORTH, count).round(4),
        }
    )


def layers(count: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = places(count).loc[np.repeat(np.arange(count), 6)].reset_index(drop=True)
    top = 0.5 + np.tile(np.arange(6.0), count)
    rows["permafrost_table [m]"] = 0.5
    return rows.assign(
        **{"top [m]": top, "base [m]": top + 1, "vic [%]": rng.uniform(5, 90, len(rows)).round(1)}
    )


def init(folder: Path, *options: str):
    return CliRunner().invoke(main, ["init", str(folder), *options])


def written(folder: Path) -> tuple[dict, dict, str]:
    texts = [
        (folder / name).read_text(encoding="utf-8") for name in ("config.yaml", "catalog.yaml")
    ]
    return yaml.safe_load(texts[0]), yaml.safe_load(texts[1]), "\n".join(texts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rasters that say enough, and a table of layers."""
    here = tmp_path / "meine Daten é"
    here.mkdir()
    write_raster(here / "elevation.tif", field(0), unit="metre", nodata=-9999)
    write_raster(here / "sub" / "Tongehalt (%).tif", field(1), unit="%")
    layers().to_csv(here / "boreholes.csv", index=False)
    return here


def test_what_init_writes_can_be_run_without_an_edit(folder):
    done = init(folder)
    assert done.exit_code == 0, done.output
    content, catalog, text = written(folder)
    config = load_config(str(folder / "config.yaml"))
    sources = load_sources(config.catalog, list(config.predictors))
    # All that doctor and the cube look at.
    require_inputs(config, sources.values())
    assert content["predictors"] == ["elevation", "tongehalt"]
    assert content["quick"] is True
    assert content["boreholes"]["layers"] == [{"path": "boreholes.csv"}]
    assert catalog["entries"]["elevation"]["metadata"]["unit"] == "m"
    assert "EPSG:4326 (WGS 84), 40 x 60 cells, float32, nodata -9999" in text
    assert text.startswith("# yaml-language-server: $schema=icemap-config.schema.json\n")
    assert (folder / "icemap-config.schema.json").is_file()
    assert (folder / "icemap-catalog.schema.json").is_file()
    sites = places()
    grid = config.grid
    assert grid.west < sites["lon"].min()
    assert grid.east > sites["lon"].max()
    assert grid.south < sites["lat"].min()
    assert grid.north > sites["lat"].max()
    # The rasters have cells of 0.2 degrees.
    assert grid.resolution == pytest.approx(0.25, abs=0.06)


def test_the_next_command_can_be_copied_into_a_shell(folder):
    last = init(folder).output.splitlines()[-1]
    assert shlex.split(last.removeprefix("Next: ")) == [
        "icemap",
        "doctor",
        str(folder / "config.yaml"),
    ]


def test_doctor_passes(folder):
    assert init(folder).exit_code == 0
    done = CliRunner().invoke(main, ["doctor", str(folder / "config.yaml"), "--cluster", "serial"])
    assert done.exit_code == 0, done.output
    assert "PROBLEM" not in done.output


def test_files_of_a_user_are_not_overwritten(folder):
    (folder / "catalog.yaml").write_text("mine")
    done = init(folder)
    assert done.exit_code == 2
    assert "catalog.yaml is there already" in done.output
    assert (folder / "catalog.yaml").read_text() == "mine"
    assert not (folder / "config.yaml").exists()
    assert not (folder / "icemap-config.schema.json").exists()


def test_an_empty_folder_and_none(tmp_path):
    done = init(tmp_path)
    assert done.exit_code == 2
    assert "nothing in" in done.output
    assert list(tmp_path.iterdir()) == []
    done = init(tmp_path / "nowhere")
    assert done.exit_code == 2
    assert "no folder" in done.output


def test_rasters_without_a_table_leave_a_question_that_doctor_names(folder):
    (folder / "boreholes.csv").unlink()
    assert init(folder).exit_code == 0
    content, _, text = written(folder)
    assert "QUESTION: no table of boreholes was found" in text
    done = CliRunner().invoke(main, ["doctor", str(folder / "config.yaml"), "--cluster", "serial"])
    assert done.exit_code == 2
    assert content["sites"]["table"] in done.output


def test_a_table_without_rasters_leaves_a_question_that_doctor_names(tmp_path):
    layers().to_csv(tmp_path / "boreholes.csv", index=False)
    assert init(tmp_path).exit_code == 0
    content, _, text = written(tmp_path)
    assert "QUESTION: no raster could be used" in text
    done = CliRunner().invoke(
        main, ["doctor", str(tmp_path / "config.yaml"), "--cluster", "serial"]
    )
    assert done.exit_code == 2
    assert f"no entry '{content['predictors'][0]}'" in done.output


def left_out(folder: Path, name: str) -> str:
    """The comment that says why a predictor is left out."""
    content, catalog, text = written(folder)
    assert name not in content["predictors"]
    assert name in catalog["entries"]
    before = text.partition(f"  # - {name}\n")[0]
    return " ".join(before.rpartition("# left out: ")[2].replace("#", "").split())


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"crs": None, "transform": from_origin(5000, 7000, 30, 30)}, "has no CRS"),
        ({"transform": from_origin(10, 50, 0.1, 0.1)}, "covers no part of the grid"),
        ({"transform": from_origin(WEST, NORTH, 2 / COLS, 6 / ROWS)}, "sites"),
    ],
    ids=["no CRS", "elsewhere", "covers a few sites"],
)
def test_a_raster_that_cannot_be_used_is_left_out_with_the_reason(folder, how, why):
    write_raster(folder / "other.tif", field(3), **how)
    assert init(folder).exit_code == 0
    assert why in left_out(folder, "other")


def test_codes_for_missing_that_nothing_declares_are_a_question(folder):
    values = field(4)
    values[::7, ::3] = -9999
    write_raster(folder / "soil.tif", values)
    assert init(folder).exit_code == 0
    assert "nodata: [-9999]" in left_out(folder, "soil")


def test_a_predictor_that_is_the_same_at_all_sites_is_left_out(folder):
    write_raster(folder / "flat.tif", np.full((ROWS, COLS), 3, dtype="float32"))
    assert init(folder).exit_code == 0
    assert "the same (3) at all sites" in left_out(folder, "flat")


def test_every_band_is_an_entry_and_a_projected_raster_is_read(folder):
    to_albers = pyproj.Transformer.from_crs(4326, 3338, always_xy=True)
    x, y = to_albers.transform([-156, -138, -156, -138], [62, 62, 72, 72])
    transform = from_origin(min(x), max(y), (max(x) - min(x)) / COLS, (max(y) - min(y)) / ROWS)
    stack = np.stack([field(5), field(6)])
    write_raster(
        folder / "sat.tif", stack, crs="EPSG:3338", transform=transform, names=("ndvi", "lst")
    )
    assert init(folder).exit_code == 0
    content, catalog, text = written(folder)
    assert {"sat_ndvi", "sat_lst"} <= set(content["predictors"])
    assert catalog["entries"]["sat_lst"]["metadata"]["variable"] == "2"
    assert "EPSG:3338 (NAD83 / Alaska Albers)" in text
    # Its unit is not in the file.
    assert catalog["entries"]["sat_lst"]["metadata"]["unit"] == "unknown"


def test_tiles_are_one_raster_and_months_are_not(folder):
    for number in (1, 2):
        tile = from_origin(WEST - 1 + (number - 1) * 6, NORTH + 1, 6 / COLS, 8 / ROWS)
        write_raster(folder / "dem" / f"dem_{number}.tif", field(7), transform=tile)
        write_raster(folder / f"rain_{number}.tif", field(7 + number))
    assert init(folder).exit_code == 0
    content, catalog, _ = written(folder)
    assert {"dem", "rain_1", "rain_2"} <= set(content["predictors"])
    assert catalog["data"]["dem_file"]["kwargs"]["url"] == ["dem/dem_1.tif", "dem/dem_2.tif"]


def half(number: int, year: int = 2020, west: float = 0.0):
    """A raster of the western or eastern half, called like a tile of MODIS."""
    place = from_origin(WEST - 1 + number * 6 + west, NORTH + 1, 6 / COLS, 8 / ROWS)
    return f"MOD13.A{year}001.h{10 + number}v0{number + 2}.061.tif", place


def test_tiles_of_modis_are_one_raster_for_each_date(folder):
    for year in (2020, 2021):
        for number in (0, 1):
            name, place = half(number, year)
            write_raster(folder / "modis" / name, field(year), transform=place)
    assert init(folder).exit_code == 0
    _, catalog, text = written(folder)
    urls = [one["kwargs"]["url"] for one in catalog["data"].values()]
    for year in (2020, 2021):
        assert [f"modis/{half(number, year)[0]}" for number in (0, 1)] in urls
    assert text.count("have one name but for numbers") == 1


def test_tiles_that_are_half_a_cell_apart_are_asked_about_where_they_are(folder):
    for number in (0, 1):
        name, place = half(number, west=number * 3 / COLS)
        write_raster(folder / name, field(5), transform=place)
    assert init(folder).exit_code == 0
    _, catalog, whole = written(folder)
    text = " ".join(whole.replace("#", " ").split())
    # Both at their entries.
    assert text.count("half a cell, as where the corner") == 2
    assert sum("mod13" in name for name in catalog["entries"]) == 2
    assert "Nothing was made of these files" not in text


@pytest.mark.parametrize("years", [(2010, 2010), (2010, 2015)])
def test_parts_of_different_years_are_asked_about(folder, years):
    for number, year in enumerate(years):
        place = half(number)[1]
        write_raster(folder / f"ndvi_{'we'[number]}_{year}.tif", field(3), transform=place)
    assert init(folder).exit_code == 0
    text = " ".join(written(folder)[2].replace("#", " ").split())
    assert ("have the years 2010, 2015 in their names" in text) == (years[0] != years[1])


def test_rasters_of_one_name_in_two_folders_are_asked_about(folder):
    for place in ("alaska", "yukon"):
        write_raster(folder / place / "height.tif", field(4))
    assert init(folder).exit_code == 0
    text = " ".join(written(folder)[2].replace("#", " ").split())
    assert text.count("QUESTION: 'height_2' and this one have one name but for numbers") == 1


def test_classes_are_read_from_colours_and_flags(folder):
    codes = np.random.default_rng(0).integers(1, 4, (ROWS, COLS)).astype("uint8")
    colours = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255)}
    write_raster(folder / "cover.tif", codes, colours=colours)
    lat = SOUTH - 1 + 8 / ROWS * (np.arange(ROWS) + 0.5)
    lon = WEST - 1 + 12 / COLS * (np.arange(COLS) + 0.5)
    axes = {
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon % 360, {"units": "degrees_east"}),
    }
    flags = {
        "flag_values": np.array([1, 2, 3], dtype="int8"),
        "flag_meanings": "bare shrub wet_tundra",
    }
    xr.Dataset({"ground": (("lat", "lon"), codes.astype("int8"), flags)}, axes).to_netcdf(
        folder / "ground.nc"
    )
    assert init(folder).exit_code == 0
    content, catalog, text = written(folder)
    entries = catalog["entries"]
    assert entries["cover"]["metadata"]["kind"] == "class"
    assert entries["cover"]["metadata"]["classes"] == {1: "class 1", 2: "class 2", 3: "class 3"}
    assert "names none of its classes" in text
    assert entries["ground"]["metadata"]["classes"] == {1: "bare", 2: "shrub", 3: "wet tundra"}
    assert {"cover", "ground"} <= set(content["predictors"])


def test_names_of_classes_are_taken_from_a_table_beside_the_raster(folder):
    codes = np.random.default_rng(0).integers(1, 3, (ROWS, COLS)).astype("uint8")
    write_raster(folder / "cover.tif", codes, colours={1: (255, 0, 0), 2: (0, 255, 0)})
    legend = pd.DataFrame({"IDs": [1, 2, 3], "categories": ["bog", "fen", "sea"]})
    legend.to_csv(folder / "cover_levels.csv", index=False)
    assert init(folder).exit_code == 0
    _, catalog, text = written(folder)
    classes = catalog["entries"]["cover"]["metadata"]["classes"]
    assert classes == {1: "bog", 2: "fen", 3: "sea"}
    assert "classes: from cover_levels.csv" in text
    assert "names none of its classes" not in text


def test_months_of_a_netcdf_are_reduced_and_told(folder):
    lat, lon = np.arange(60.0, 74, 1), np.arange(200.0, 222, 1)
    months = np.arange(12) * 30 + 15.0
    rng = np.random.default_rng(3)
    values = 260 + rng.normal(size=(12, len(lat), len(lon))).cumsum(1).astype("float32")
    axes = {
        "time": ("time", months, {"units": "days since 2001-01-01"}),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    attrs = {"units": "K", "long_name": "2 m temperature"}
    xr.Dataset({"t2m": (("time", "lat", "lon"), values.astype("f4"), attrs)}, axes).to_netcdf(
        folder / "t2m.nc"
    )
    assert init(folder).exit_code == 0
    content, catalog, text = written(folder)
    assert {"t2m_mean", "t2m_range"} <= set(content["predictors"])
    assert catalog["entries"]["t2m_mean"]["metadata"]["reduce"] == {"time": "mean"}
    assert "the axis time has 12 steps, 2001-01-16 to 2001-12-12" in text
    assert catalog["entries"]["t2m_mean"]["metadata"]["unit"] == "K"


def as_german_csv(folder: Path) -> None:
    table = layers().rename(
        columns={
            "site": "Bohrung",
            "lon": "Längengrad",
            "lat": "Breitengrad",
            "top [m]": "von [m]",
            "base [m]": "bis [m]",
            "vic [%]": "Eisgehalt [%]",
        }
    )
    table.to_csv(folder / "Bohrungen.csv", sep=";", decimal=",", index=False, encoding="cp1252")


def as_units_in_names(folder: Path) -> None:
    table = layers().rename(columns={"top [m]": "from_m", "base [m]": "to_m", "vic [%]": "ice_pct"})
    table.to_csv(folder / "logs.csv", index=False)


def as_workbook(folder: Path) -> None:
    with pd.ExcelWriter(folder / "logs.xlsx") as book:
        pd.DataFrame({"read": ["me"]}).to_excel(book, sheet_name="about", index=False)
        layers().to_excel(book, sheet_name="layers", index=False)


def as_parquet(folder: Path) -> None:
    layers().to_parquet(folder / "logs.parquet")


def as_geopackage(folder: Path) -> None:
    import geopandas

    table = layers()
    points = geopandas.points_from_xy(table.pop("lon"), table.pop("lat"), crs="EPSG:4326")
    frame = geopandas.GeoDataFrame(table, geometry=points).to_crs("EPSG:3338")
    frame.to_file(folder / "logs.gpkg")


@pytest.mark.parametrize(
    "write", [as_german_csv, as_units_in_names, as_workbook, as_parquet, as_geopackage]
)
def test_tables_of_layers_of_many_kinds_are_read(folder, write):
    (folder / "boreholes.csv").unlink()
    write(folder)
    done = init(folder)
    assert done.exit_code == 0, done.output
    assert "80 places with sites" in done.output
    config = load_config(str(folder / "config.yaml"))
    require_inputs(config, load_sources(config.catalog, list(config.predictors)).values())


def test_a_table_of_values_becomes_sites_and_a_target(folder):
    (folder / "boreholes.csv").unlink()
    table = places().assign(elevation_m=100.0, alt_cm=np.arange(80) + 30.0, alt_sd=3.0, year=2019)
    table.to_csv(folder / "points.csv", index=False)
    assert init(folder).exit_code == 0
    content, _, text = written(folder)
    assert content["sites"] == {
        "table": "points.csv",
        "value": "alt_cm",
        "unit": "cm",
        "id": "site",
        "longitude": "lon",
        "latitude": "lat",
    }
    assert content["target"]["unit"] == "cm"
    assert content["target"]["name"] == "alt"
    assert "is 'alt_sd' the standard error" in " ".join(text.replace("#", "").split())
    config = load_config(str(folder / "config.yaml"))
    require_inputs(config, load_sources(config.catalog, list(config.predictors)).values())


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        ("Long_E", "Lat_N"),
        ("lon_dd", "lat_dd"),
        ("Longitude East", "Latitude North"),
        ("decimal_longitude_wgs84", "decimal_latitude_wgs84"),
        ("Länge_E", "Breite_N"),
    ],
)
def test_coordinates_are_known_by_names_with_a_direction_or_degrees(folder, lon, lat):
    (folder / "boreholes.csv").unlink()
    table = places().assign(Ice_pct=np.linspace(5, 90, 80), Depth_m=12.5)
    if "_E" in lon or "East" in lon:
        table["lon"] %= 360
    table.rename(columns={"lon": lon, "lat": lat}).to_csv(folder / "points.csv", index=False)
    done = init(folder)
    assert "80 places with sites" in done.output
    content, _, _ = written(folder)
    assert content["sites"]["longitude"] == lon
    # One depth and one row for each place: that of the hole.
    assert content["sites"]["value"] == "Ice_pct"


def test_one_depth_in_several_rows_of_a_place_is_that_of_layers(folder):
    table = layers().drop(columns=["base [m]"]).rename(columns={"top [m]": "depth [m]"})
    table.to_csv(folder / "boreholes.csv", index=False)
    assert init(folder).exit_code == 0
    content, _, _ = written(folder)
    assert "boreholes" in content
    assert "sites" not in content


@pytest.mark.parametrize(("unit", "limit"), [("%", "10"), ("percent", "10"), ("1", "0.1")])
def test_the_limit_of_a_proposed_mask_is_in_the_unit_of_its_raster(folder, unit, limit):
    share = field(4) - field(4).min()
    write_raster(folder / "permafrost_depth.tif", share, unit="m")
    write_raster(folder / "permafrost.tif", share * (1 if unit == "1" else 100), unit=unit)
    assert init(folder).exit_code == 0
    assert f"source: permafrost, at_least: {limit}, counts: part" in written(folder)[2]


def test_a_crs_without_a_name_is_told_by_its_method(folder):
    crs = "+proj=sinu +R=6371007.181 +units=m +no_defs"
    here = from_origin(-7_000_000, 8_000_000, 20_000, 20_000)
    write_raster(folder / "lst.tif", field(6), crs=crs, transform=here, nodata=-1)
    assert init(folder).exit_code == 0
    assert "# Sinusoidal, " in written(folder)[2]


def test_longitudes_and_latitudes_without_a_name_are_told_as_such():
    ellipsoid = {"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0}
    crs = pyproj.CRS.from_cf({**ellipsoid, "inverse_flattening": 298.257223563})
    assert crs_words(crs) == "longitudes and latitudes"


def test_a_value_without_a_unit_is_what_doctor_asks_for(folder):
    (folder / "boreholes.csv").unlink()
    places().assign(vic=np.linspace(5, 90, 80)).to_csv(folder / "points.csv", index=False)
    assert init(folder).exit_code == 0
    _, _, text = written(folder)
    assert "does not say the unit of the column 'vic'" in " ".join(text.replace("#", "").split())
    done = CliRunner().invoke(main, ["doctor", str(folder / "config.yaml"), "--cluster", "serial"])
    assert done.exit_code == 2
    assert "does not say the unit of the column 'vic'" in done.output


def test_projected_coordinates_are_asked_for_their_crs(folder):
    table = layers().rename(columns={"lon": "Easting [m]", "lat": "Northing [m]"})
    table.to_csv(folder / "boreholes.csv", index=False)
    assert init(folder).exit_code == 0
    _, _, text = written(folder)
    assert "which CRS do the columns Easting [m], Northing [m] have?" in " ".join(
        text.replace("#", "").split()
    )
    done = CliRunner().invoke(main, ["doctor", str(folder / "config.yaml"), "--cluster", "serial"])
    assert done.exit_code == 2
    assert "has no column longitude, latitude" in done.output


def test_what_is_written_fits_the_schemas_written_with_it(folder):
    assert init(folder).exit_code == 0
    for name, content in zip(("config", "catalog"), written(folder)):
        schema = json.loads((folder / f"icemap-{name}.schema.json").read_text(encoding="utf-8"))
        # As editors take it: keys of JSON are text.
        jsonschema.validate(json.loads(json.dumps(content)), schema)


def test_of_two_tables_the_fuller_is_taken_and_the_other_asked_about(folder):
    layers(10).to_csv(folder / "a few.csv", index=False)
    assert init(folder).exit_code == 0
    content, _, text = written(folder)
    assert content["boreholes"]["layers"] == [{"path": "boreholes.csv"}]
    assert "# - {path: a few.csv}" in text


def test_what_is_no_raster_and_no_table_is_told_or_passed_over(folder):
    (folder / "README.md").write_text("about")
    (folder / "elevation.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    (folder / "elevation.tfw").write_text("0.2\n0\n0\n-0.2\n-152.9\n70.9\n")
    (folder / "broken.tif").write_bytes(b"nothing")
    assert init(folder).exit_code == 0
    content, _, text = written(folder)
    assert content["predictors"] == ["elevation", "tongehalt"]
    assert "broken.tif: no raster that GDAL reads" in text
    assert "README" not in text
    assert "aux.xml" not in text


def test_sites_on_both_sides_of_the_date_line(tmp_path):
    shift = from_origin(170, NORTH + 1, 24 / COLS, 8 / ROWS)
    write_raster(tmp_path / "elevation.tif", field(0), unit="m", transform=shift)
    table = layers()
    table["lon"] = (table["lon"] - WEST) * 2 + 172
    table["lon"] = table["lon"].where(table["lon"] <= 180, table["lon"] - 360)
    table.to_csv(tmp_path / "boreholes.csv", index=False)
    assert init(tmp_path).exit_code == 0
    config = load_config(str(tmp_path / "config.yaml"))
    assert config.grid.west > 170
    assert config.grid.east < -160
    assert config.predictors == ("elevation",)
