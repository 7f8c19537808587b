"""What PANGAEA says of a table above it."""

from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes
from icemap.borehole_sections import SitesConfig
from icemap.boreholes.site_values import read_site_values
from icemap.boreholes.tables import read_table
from icemap.config_sections import TargetConfig

EVENTS = (
    "Event(s):\tBK-8 * LATITUDE: 72.340000 * LONGITUDE: 126.300000 * DATE/TIME: 2012-04-15 *"
    " METHOD/DEVICE: Drilling\n\tLD14 (LD14_1) * LATITUDE: -62.5 * LONGITUDE: -60.25\n"
)
ONE = EVENTS.partition("\n")[0] + "\n"
DEPTHS = "Depth top [m]\tDepth bot [m]"
ICE = "Ice con vol [%]"
COLUMNS = {"site": "Event", "top": "Depth top", "base": "Depth bot", "reported_vic": "Ice con vol"}


def write(
    folder: Path, events: str, header: str, rows: list[str], parameters: str = "", end: str = "\n"
) -> str:
    above = f"/* DATA DESCRIPTION:\nCitation:\tCores\n{events}Parameter(s):\tEvent label (Event)\n"
    text = above + parameters + "Size:\t9 data points\n*/\n" + "\n".join([header, *rows]) + "\n"
    path = folder / "cores.tab"
    path.write_bytes(text.replace("\n", end).encode())
    return str(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_without_an_event_are_of_the_only_one(tmp_path: Path, end: str) -> None:
    url = write(tmp_path, ONE, f"{DEPTHS}\t{ICE}", ["0.5\t2\t40", "2\t5.5\t60"], end=end)
    sites = read_boreholes(url, columns=COLUMNS)
    assert sites[["site", "lat", "lon"]].iloc[0].tolist() == ["BK-8", 72.34, 126.3]
    assert sites["value"].tolist() == pytest.approx([54])


def test_rows_are_of_the_event_that_they_name(tmp_path: Path) -> None:
    rows = ["LD14\t1\t40", "BK-8\t1\t60", "LD14_1\t1\t50"]
    frame = read_table(write(tmp_path, EVENTS, f"Event\tDepth sed [m]\t{ICE}", rows)).frame
    assert list(frame) == ["Event", "Latitude", "Longitude", "Depth sed [m]", ICE]
    assert frame["Latitude"].tolist()[:2] == [-62.5, 72.34]
    assert frame["Longitude"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("events", "header"),
    [
        (EVENTS, f"Depth sed [m]\t{ICE}"),
        (ONE, f"Latitude\t{ICE}"),
        (ONE, f"Event\t{ICE}"),
        ("Event(s):\tA * LATITUDE START: 72 * LONGITUDE START: 126 * LATITUDE END: 73\n", ICE),
    ],
)
def test_no_place_is_guessed(tmp_path: Path, events: str, header: str) -> None:
    row = "\t".join(["1"] * len(header.split("\t")))
    assert list(read_table(write(tmp_path, events, header, [row])).frame) == header.split("\t")


@pytest.mark.parametrize(
    "said",
    [
        "\tIce content [%] (Ice con [%]) * PI: A * COMMENT: absolute ice content in wt%\n",
        "\tIce content, by weight [%] (Ice con [%]) * METHOD/DEVICE: Balance\n",
    ],
)
def test_ice_that_a_parameter_calls_that_by_mass_is_none_by_volume(
    tmp_path: Path, said: str
) -> None:
    header = f"{DEPTHS}\tIce con [%]\tLatitude\tLongitude\tEvent"
    url = write(tmp_path, ONE, header, ["0.5\t5.5\t40\t72\t126\tA"], said)
    with pytest.raises(IcemapError, match=r"'Ice con: .* is read as ice by frozen volume"):
        read_boreholes(url, columns={**COLUMNS, "reported_vic": "Ice con"})
    config = SitesConfig(table=url, value="Ice con", longitude="Longitude", latitude="Latitude")
    with pytest.raises(IcemapError, match="is read as ice by frozen volume"):
        read_site_values(config, TargetConfig())


def test_what_is_said_of_another_parameter_is_not_of_this_one(tmp_path: Path) -> None:
    said = (
        "\tIce content, gravimetric [%] (Ice con grav [%]) * COMMENT: in wt%\n"
        "\tIce content, volumetric [%] (Ice con vol [%]) * COMMENT: calculated\n"
    )
    header = f"{DEPTHS}\tIce con grav [%]\t{ICE}"
    url = write(tmp_path, ONE, header, ["0.5\t5.5\t30\t40"], said)
    assert read_boreholes(url, columns=COLUMNS)["value"].tolist() == pytest.approx([40])
