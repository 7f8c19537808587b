"""Places that a table gives twice."""

from pathlib import Path

import pandas as pd
import pytest
from pyproj import Transformer

from icemap import IcemapError, read_boreholes

PLACES = [(6, -148.1234, 65.1234), (6, -147.5, 64.9), (5, -151.2, 66.1), (5, -152.1, 67.1)]


def metres(zone: int, lon: float, lat: float) -> str:
    to_zone = Transformer.from_crs("EPSG:4326", f"EPSG:{32600 + zone}", always_xy=True)
    x, y = to_zone.transform(lon, lat)
    return f"{x:.0f},{y:.0f}"


def table(folder: Path, header: str, rows: list[str]) -> Path:
    lines = [f"{header},vic [%]", *(f"{row},{30 + i}" for i, row in enumerate(rows))]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "t.csv"


def rows_of_zones(decimals: int) -> list[str]:
    return [
        f"{lon:.{decimals}f},{lat:.{decimals}f},{metres(zone, lon, lat)},{zone}N"
        for zone, lon, lat in PLACES
    ]


@pytest.mark.parametrize("decimals", [4, 1])
def test_a_row_whose_metres_are_elsewhere_is_named(tmp_path: Path, decimals: int) -> None:
    header, rows = "lon,lat,Easting [m],UTM northing,UTM zone", rows_of_zones(decimals)
    assert read_boreholes(table(tmp_path, header, rows), value="vic")["used"].all()
    wrong = [*rows[:2], rows[2].replace("-151", "-150"), rows[3]]
    with pytest.raises(IcemapError, match=r"line 4: 'lon' and 'lat' are longitude -150\.2"):
        read_boreholes(table(tmp_path, header, wrong), value="vic")
    layers = [f"a{i},0.5,0.5,5.5,{row}" for i, row in enumerate(wrong)]
    header = f"site,permafrost_table [m],top [m],base [m],{header}"
    with pytest.raises(IcemapError, match=r"line 4: 'lon' and 'lat' are longitude -150\.2"):
        read_boreholes(table(tmp_path, header, layers))


def test_columns_of_something_else_are_left_alone(tmp_path: Path) -> None:
    header = "lon,lat,x,y,zone"
    local = [f"{lon},{lat},{i},{i + 1},2" for i, (_, lon, lat) in enumerate(PLACES)]
    assert read_boreholes(table(tmp_path, header, local), value="vic")["used"].all()
    other = [row.replace(",7", ",6") for row in rows_of_zones(4)]
    assert read_boreholes(table(tmp_path, header, other), value="vic")["used"].all()


@pytest.mark.parametrize("sign", ["", "-"])
def test_degrees_next_to_metres_show_another_zone(tmp_path: Path, sign: str) -> None:
    rows = [f"{sign}{-lon},{lat},{metres(6, lon, lat)}" for _, lon, lat in PLACES]
    path = table(tmp_path, "Longitude,Latitude,x,y", rows)

    def read(crs: str) -> pd.DataFrame:
        return read_boreholes(path, value="vic", longitude="x", latitude="y", crs=crs)

    assert read("EPSG:32606")["used"].all()
    assert read("EPSG:26906")["used"].all()
    with pytest.raises(IcemapError, match=r"'x' and 'y' in EPSG:32605 are longitude -154\.123"):
        read("EPSG:32605")
