"""Which table of a folder holds boreholes, and which of its columns is which."""

from pathlib import Path

import pandas as pd
import pytest

from icemap.starting.tables import TableChoice, Tables, find_tables

DEPTHS = [(0.5, 1), (1, 2), (2, 4)]


def found(folder: Path, text: str, name: str = "t.csv") -> Tables:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return find_tables(folder, [path])


def choice(folder: Path, text: str, name: str = "t.csv") -> TableChoice:
    (best,) = found(folder, text, name).choices
    return best


def layers(site: str, lat: str, lon: str, top: str, base: str, value: str) -> str:
    rows = [f"A;68.5;-148.2;{above};{below};{40 + above}" for above, below in DEPTHS]
    return "\n".join([";".join([site, lat, lon, top, base, value]), *rows]) + "\n"


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (
            ("profile_name", "lat (dec. deg)", "long (dec. deg)", "layer_top (m)", "layer_bot (m)"),
            "profile_name",
        ),
        (("pedon_key", "site_lat", "site_long", "hzn_top (m)", "hzn_bot (m)"), "pedon_key"),
        (("Site", "Latitude (N)", "Longitude (E)", "Core top (m)", "Core bottom (m)"), None),
        (("hole", "LAT_NAD83", "LONG_NAD83", "top_of_interval_m", "base_of_interval_m"), "hole"),
        (("Event", "Latitude", "Longitude", "Depth top [m]", "Depth bot [m]"), "Event"),
        (("Скважина", "Широта", "Долгота", "Глубина от, м", "Глубина до, м"), "Скважина"),
        (("钻孔编号", "纬度", "经度", "顶深(m)", "底深(m)"), "钻孔编号"),
        (("Forage", "lat", "lon", "Profondeur haut (m)", "Profondeur bas (m)"), "Forage"),
    ],
)
def test_ends_of_layers_are_known_by_the_words_in_which_they_differ(
    tmp_path: Path, names: tuple[str, ...], read: str | None
) -> None:
    best = choice(tmp_path, layers(*names, "Ice con vol [%]"))
    assert best.layers is not None
    assert best.problem == ""
    assert best.layers.columns.get("site") == read
    assert (best.layers.columns["top"], best.layers.columns["base"]) == names[3:]
    assert best.latitude.tolist() == [68.5]


def test_limits_of_a_value_are_no_ends(tmp_path: Path) -> None:
    rows = [f"A{i},6{i},-148,-{i}.5,-{i + 1},-{i}" for i in range(1, 6)]
    best = choice(tmp_path, "\n".join(["site,lat,lon,magt_c,lower,upper", *rows]))
    assert best.sites is not None
    assert best.sites.value == "magt_c"
    rows = [f"A{i},6{i},-148,3{i},6{i},45" for i in range(1, 6)]
    best = choice(tmp_path, "\n".join(["site,lat,lon,alt_min_cm,alt_max_cm,alt_cm", *rows]))
    assert best.sites is not None


@pytest.mark.parametrize(
    ("depth", "value", "quantity"),
    [
        ("Sample depth (m)", "GMC (%)", "gravimetric_water"),
        ("Depth sed [m]", "Ice con vol [%]", "reported_vic"),
        ("Depth interval (m)", "EIC (%)", "excess_ice"),
    ],
)
def test_water_and_ice_at_depths_of_one_place_are_layers(
    tmp_path: Path, depth: str, value: str, quantity: str
) -> None:
    rows = [f"A,68.5,-148,{top}-{base},{40 + top}" for top, base in DEPTHS]
    best = choice(tmp_path, "\n".join([f"Borehole,Lat,Long,{depth},{value}", *rows]))
    assert best.layers is not None
    assert best.layers.columns["depth"] == depth
    assert best.layers.columns[quantity] == value


def test_a_log_of_engineers_is_read_as_it_is(tmp_path: Path) -> None:
    header = "Boring,Lat,Long,From (ft),To (ft),MC (%),Dry Unit Weight (pcf)"
    best = choice(tmp_path, f"{header}\nB-1,65,-147,0,2.5,45,72\nB-1,65,-147,2.5,8,80,50\n")
    assert best.layers is not None
    assert best.problem == ""
    assert best.layers.columns["gravimetric_water"] == "MC (%)"
    assert best.layers.columns["dry_density"] == "Dry Unit Weight (pcf)"


def test_sites_in_metres_are_asked_for_their_crs(tmp_path: Path) -> None:
    best = choice(tmp_path, "Site,Northing,Easting,ALD mean (cm)\nS1,7776540,589400,45\n")
    assert best.sites is not None
    assert (best.sites.longitude, best.sites.latitude) == ("Easting", "Northing")
    assert best.sites.value == "ALD mean (cm)"
    assert best.questions[0].startswith("which CRS do the columns Northing, Easting have?")


@pytest.mark.parametrize("name", ["Thaw depth [cm]", "thaw_depth_cm", "ALT/Depth [cm]"])
def test_a_thaw_depth_is_a_value(tmp_path: Path, name: str) -> None:
    rows = [f"A{i}\t6{i}\t-148\t4{i}" for i in range(1, 6)]
    text = "\n".join([f"Event\tLatitude\tLongitude\t{name}", *rows])
    best = choice(tmp_path, text, "t.tab")
    assert best.sites is not None
    assert (best.sites.value, best.sites.unit, best.sites.id) == (name, "cm", "Event")


def test_of_columns_of_years_the_last_is_taken_and_their_mean_asked_for(tmp_path: Path) -> None:
    rows = [f"U{i},6{i},-148,1,-,4{i},5{i}" for i in range(1, 6)]
    best = choice(tmp_path, "\n".join(["Site Code,Lat,Long,Method,1990,1991,1992", *rows]))
    assert best.sites is not None
    assert best.sites.value == "1992"
    assert any("columns of 2 years: their mean" in question for question in best.questions)
    assert "sites.unit and as target.unit" in best.problem


@pytest.mark.parametrize(
    ("name", "header", "is_thaw"),
    [
        ("calm_summary.csv", "Site Code,Lat,Long,2001,2002", True),
        ("sites.csv", "Site,Lat,Long,alt [cm],year", True),
        ("snow_depth_cm.csv", "Station,Lat,Long,2001,2002", False),
    ],
)
def test_columns_of_years_are_of_thaw_where_something_says_so(
    tmp_path: Path, name: str, header: str, is_thaw: bool
) -> None:
    cores = tmp_path / "cores.csv"
    cores.write_text(layers("site", "lat", "lon", "top [m]", "base [m]", "vic [%]"))
    other = tmp_path / name
    other.write_text(f"{header}\nA,68.5,-148.2,45,50\nB,68.6,-148.2,45,50\n")
    assert find_tables(tmp_path, [cores, other]).thaw == (other if is_thaw else None)


def test_why_a_file_is_no_table_is_told_of_tables_and_logs(tmp_path: Path) -> None:
    ((path, why),) = found(tmp_path, '"GROUP","LOCA"\n"HEADING","LOCA_ID"\n', "a.ags").unread
    assert (path.name, "is AGS: save one of its groups as CSV" in why) == ("a.ags", True)
    ((path, why),) = found(tmp_path, "Core\tDepth [m]\tAge\nA\t1\t2\n", "b.tab").unread
    assert "no columns of longitude and latitude" in why
    assert found(tmp_path, "Read me, please.\nIt is short.\n", "c.txt").unread == []


HOLES = pd.DataFrame({"Hole_ID": ["A", "B"], "lon": [-148.2, -148.9], "lat": [68.5, 68.1]})
OF_THEM = pd.DataFrame(
    {
        "BH": ["A", "A", "B"],
        "top [m]": [0.5, 1.0, 0.5],
        "base [m]": [1.0, 2.0, 3.0],
        "vic [%]": [40.0, 50.0, 60.0],
    }
)


def joined(best: TableChoice) -> dict[str, object]:
    assert best.problem == ""
    assert best.layers is not None
    assert best.layers.collars is not None
    assert len(best.longitude) == 2
    collars = best.layers.collars
    return {"file": Path(collars.path).name, "sheet": collars.sheet, **collars.columns}


def test_layers_and_their_holes_in_two_files_are_joined(tmp_path: Path) -> None:
    paths = [tmp_path / "collars.csv", tmp_path / "layers.csv"]
    HOLES.assign(depth_m=9.0, thickness=4.0).to_csv(paths[0], index=False)
    OF_THEM.to_csv(paths[1], index=False)
    tables = find_tables(tmp_path, paths)
    (best,) = tables.choices
    assert joined(best) == {"file": "collars.csv", "sheet": None, "site": "Hole_ID"}
    assert tables.unread == []


def test_layers_and_their_holes_in_two_sheets_are_joined(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        notes = pd.DataFrame({"what": ["depths", "ice"], "unit": ["m", "%"]})
        for name, frame in (("README", notes), ("layers", OF_THEM), ("holes", HOLES)):
            frame.to_excel(book, sheet_name=name, index=False)
    (best,) = find_tables(tmp_path, [path]).choices
    assert joined(best) == {"file": "a.xlsx", "sheet": "holes", "site": "Hole_ID"}
    assert best.layers is not None
    assert best.layers.sheet == "layers"


def test_a_table_of_other_holes_is_not_joined(tmp_path: Path) -> None:
    paths = [tmp_path / "collars.csv", tmp_path / "layers.csv"]
    HOLES.assign(Hole_ID=["X", "Y"]).to_csv(paths[0], index=False)
    OF_THEM.to_csv(paths[1], index=False)
    (only,) = find_tables(tmp_path, paths).choices
    assert "If another table holds the places" in only.problem


def test_layers_whose_holes_have_no_names_are_not_joined(tmp_path: Path) -> None:
    paths = [tmp_path / "collars.csv", tmp_path / "layers.csv"]
    HOLES.to_csv(paths[0], index=False)
    OF_THEM.assign(BH=None).to_csv(paths[1], index=False)
    layers = [one.layers for one in find_tables(tmp_path, paths).choices if one.layers is not None]
    assert [one.collars for one in layers] == [None]


def test_values_of_sites_in_one_of_several_sheets(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        notes = pd.DataFrame({"what": ["depths", "ice"], "unit": ["m", "%"]})
        notes.to_excel(book, sheet_name="README", index=False)
        values = HOLES.assign(**{"vic [%]": [40.0, 60.0]})
        values.to_excel(book, sheet_name="sites", index=False)
    (best,) = find_tables(tmp_path, [path]).choices
    assert best.problem == ""
    assert best.sites is not None
    assert best.sites.sheet == "sites"
    assert len(best.longitude) == 2


def test_a_title_above_the_header_is_no_header(tmp_path: Path) -> None:
    text = layers("profile_name", "lat", "lon", "layer_top (m)", "layer_bot (m)", "vic [%]")
    best = choice(tmp_path, "Ground ice of the valley\n\n" + text)
    assert best.problem == ""
    assert best.layers is not None
    assert best.layers.columns["site"] == "profile_name"
