from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.borehole_sections import SitesConfig
from icemap.boreholes.sites import SiteTable, read_valued_sites
from icemap.config_sections import TargetConfig

ALT = TargetConfig(name="alt", long_name="active-layer thickness", unit="cm", bounds=(0, 300))
MAGT = TargetConfig(name="magt", unit="degC", bounds=None)


def read(
    folder: Path, text: str, target: TargetConfig | None = None, id: str | None = "name"
) -> SiteTable:
    path = folder / "sites.csv"
    path.write_text(text, encoding="utf-8")
    value = text.split("\n", 1)[0].split(",")[3].split(" [")[0]
    config = SitesConfig(table=str(path), value=value, id=id)
    return read_valued_sites(config, target or TargetConfig())


@pytest.mark.parametrize(
    ("depths", "one", "other"),
    [
        ("top [m],base [m]", "0.5,1", "1,2"),
        ("depth", "0-1 m,", "1-2 m,"),
        ("Sample depth (cm)", "50,", "150,"),
        ("from,to", "0,1", "1,3"),
        ("Core top (m),Core bottom (m)", "0.5,1", "1,2"),
        ("layer_top (cm),layer_bot (cm)", "0,20", "20,50"),
        ("Depth sed [m]", "0.5", "1.5"),
        ("Depth_from_surface_cm", "-17.8", "-27.3"),
        ("top_of_interval,base_of_interval", "0,1", "1,2"),
        ("Глубина отбора [м]", "0.5", "1.5"),
    ],
)
def test_layers_are_no_sites(tmp_path: Path, depths: str, one: str, other: str) -> None:
    text = f"name,lon,lat,vic [%],{depths}\nA,-148,69,40,{one}\nA,-148,69,20,{other}\n"
    with pytest.raises(IcemapError, match=r"one place has rows of several depths.*table of layers"):
        read(tmp_path, text)
    assert read(tmp_path, text.replace("A,-148,69,20", "B,-148.5,69,20")).sites["used"].all()
    assert read(tmp_path, text.replace(other, one)).sites["used"].all()


def test_depths_of_other_quantities_and_of_holes(tmp_path: Path) -> None:
    text = "name,lon,lat,magt [degC],depth [m]\nA,-148,69,-4,10\nA,-148,69,-5,20\n"
    with pytest.raises(IcemapError, match="keep one row for each site"):
        read(tmp_path, text, MAGT)
    # Of two holes at one place, and of no layer at all.
    assert read(tmp_path, text.replace("\nA,", "\nB,", 1), MAGT).sites["used"].all()
    assert read(tmp_path, text, MAGT, id=None).sites["used"].all()
    assert read(tmp_path, text.replace("depth [m]", "hole depth [m]"), MAGT).sites["used"].all()


def chained(names: str, step: int, start: int = 0) -> str:
    rows = [f"A,-148,69,{40 + i},{start + step * i},{start + step * (i + 1)}" for i in range(4)]
    return "\n".join([f"name,lon,lat,vic [%],{names}", *rows]) + "\n"


def test_rows_that_go_on_where_the_one_above_ends_are_layers(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"line 2: 'hzdepb' is where 'hzdept' of the next row"):
        read(tmp_path, chained("hzdept,hzdepb", 20))


def test_rows_that_do_not_go_on_at_one_place_are_none(tmp_path: Path) -> None:
    text = chained("hzdept,hzdepb", 20)
    apart = text
    for row in range(4):
        apart = apart.replace("\nA,-148,", f"\nB{row},-14{row},", 1)
    assert read(tmp_path, apart).sites["used"].all()
    assert read(tmp_path, chained("first_year,last_year", 1, 2001)).sites["used"].all()


def test_depths_of_thaw_and_snow_are_of_years_and_no_layers(tmp_path: Path) -> None:
    text = "name,lon,lat,alt [cm],snow depth [cm],year\nA,-148,69,40,30,2015\n"
    text += "A,-148,69,45,35,2016\n"
    assert read(tmp_path, text, ALT).sites["used"].all()


@pytest.mark.parametrize(
    ("target", "value", "when", "used"),
    [
        (ALT, "alt [cm]", ("year", 2015, 2016), True),
        (ALT, "alt [cm]", ("Date", "2015-08-20", "2016-08-21"), True),
        (ALT, "alt [cm]", ("year", 2015, 2015), False),
        (ALT, "alt [cm]", ("observer", "X", "Y"), False),
        (None, "vic [%]", ("year", 2015, 2016), False),
    ],
)
def test_what_is_the_same_in_another_year_is_no_duplicate(
    tmp_path: Path, target: TargetConfig | None, value: str, when: tuple, used: bool
) -> None:
    name, first, second = when
    text = f"name,lon,lat,{value},{name}\nA,-148,69,40,{first}\nA,-148,69,40,{second}\n"
    assert read(tmp_path, text, target).sites["used"].tolist() == [True, used]


def test_a_name_with_several_rows_at_one_place_is_told(tmp_path: Path) -> None:
    text = "name,lon,lat,alt [cm],year\nA,-148,69,40,2015\nA,-148,69,45,2016\nB,-149,69,45,2016\n"
    (note,) = read(tmp_path, text, ALT).notes
    assert note.startswith("'A' has 2 rows at one place: they count as samples of one cell")
    assert not read(tmp_path, text.replace("A,-148,69,45", "A,-140,69,45"), ALT).notes


@pytest.mark.parametrize(
    ("header", "date", "used"),
    [
        ("thaw depth [cm]", "2015-06-12", False),
        ("thaw depth [cm]", "2015-08-30", True),
        ("max thaw depth [cm]", "2015-06-12", True),
        ("alt [cm]", "2015-06-12", True),
    ],
)
def test_a_thaw_depth_of_june_is_no_active_layer(
    tmp_path: Path, header: str, date: str, used: bool
) -> None:
    text = f"name,lon,lat,{header},date\nA,-148,69,40,{date}\n"
    assert read(tmp_path, text, ALT).sites["used"].tolist() == [used]
    assert read(
        tmp_path, text, ALT.model_copy(update={"name": "thaw", "long_name": "thaw in June"})
    )


@pytest.mark.parametrize(("header", "word"), [("month", ""), ("Monat", ""), ("Season", "s")])
def test_the_months_of_a_year_are_no_sites(tmp_path: Path, header: str, word: str) -> None:
    def table(months: int) -> str:
        rows = "".join(f"A,-148,69,{-m},{word}{m}\nB,-149,69,{-m},{word}1\n" for m in range(months))
        return f"name,lon,lat,magt [degC],{header}\n{rows}"

    for id in ("name", None):
        with pytest.raises(IcemapError, match="one place has rows of several times of the year"):
            read(tmp_path, table(4), MAGT, id)
    # Ends of the season.
    assert read(tmp_path, table(2), MAGT).sites["used"].any()
