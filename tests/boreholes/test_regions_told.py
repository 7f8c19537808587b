"""Places that are not in the country that their table names."""

from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes


def read(folder: Path, header: str, *rows: str, names: str = "lon,lat"):
    lines = [f"{names},vic [%],{header}", *rows]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lon, lat = names.split(",")
    return read_boreholes(folder / "t.csv", value="vic", longitude=lon, latitude=lat)


@pytest.mark.parametrize(
    ("header", "word", "lon", "lat"),
    [
        ("state", "Alaska", 148.2, 65.1),
        ("Country", "Canada", 134.1, 68.9),
        ("territory", "Yukon", 139.2, 64.1),
        ("province", "NWT", 133.5, 68.4),
        ("country", "Россия", -129.3, 71.0),
        ("datum", "NAD83", 148.2, 65.1),
        ("Datum", "NAD83(CSRS)", 120.5, 62.3),
    ],
)
def test_a_sign_that_is_missing_all_over(
    tmp_path: Path, header: str, word: str, lon: float, lat: float
) -> None:
    rows = [f"{lon},{lat},40,{word}", f"{lon + 0.1},{lat},50,{word}"]
    with pytest.raises(IcemapError, match=r"line 2: 'lon' .* with the other sign they would be"):
        read(tmp_path, header, *rows)
    right = [f"{-lon},{lat},40,{word}", f"{-lon - 0.1},{lat},50,{word}"]
    assert read(tmp_path, header, *right)["used"].all()


@pytest.mark.parametrize(
    ("word", "lon", "lat"),
    [("Sweden", 68.35, 19.05), ("Norway", 69.6, 18.9), ("China", 34.7, 92.9), ("FI", 69.8, 27.0)],
)
def test_exchanged_places_that_are_land_both_ways(
    tmp_path: Path, word: str, lon: float, lat: float
) -> None:
    with pytest.raises(IcemapError, match="with longitude and latitude exchanged they would be"):
        read(tmp_path, "country", f"{lon},{lat},40,{word}")
    assert read(tmp_path, "country", f"{lat},{lon},40,{word}")["used"].all()


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("state", "173.1,52.9,40,Alaska"),
        ("country", "-175.2,66.4,40,Russia"),
        ("region", "-135.1,58.2,40,SE"),
        ("land", "-10.1,60.2,40,no"),
        ("country", "10.1,60.2,40,Atlantis"),
        ("country", "-70.2,-30.1,40,Canada"),
        ("vegetation", "148.2,65.1,40,Alaska"),
        ("datum", "-148.2,65.1,40,NAD83"),
        ("datum", "148.2,65.1,40,WGS84"),
    ],
)
def test_other_places_are_read(tmp_path: Path, header: str, row: str) -> None:
    assert read(tmp_path, header, row)["used"].all()


def test_a_header_that_says_an_american_datum(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="are not where 'lon_nad83' says"):
        read(tmp_path, "x", "148.2,65.1,40,1", names="lon_nad83,lat_nad83")
    right = read(tmp_path, "x", "-148.2,65.1,40,1", names="lon_nad83,lat_nad83")
    assert right["used"].all()


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("country", ["18.1,69.2,40,Norway", "100.2,48.1,41,Mongolia"], "20.1,9.1,42,Norway"),
        ("country", ["18.1,69.2,40,Norway", "19.2,69.1,41,Norway"], "20.1,69.1,42,Mongolia"),
        ("country", ["18.1,69.2,40,Norway", "19.2,69.1,41,Norway"], "20.1,-69.1,42,Norway"),
        ("UTM zone", ["-148.1,65.2,40,6", "-142.9,65.2,41,07"], "-119.1,65.3,42,6"),
        ("zone", ["-148.1,65.2,40,6W", "-143.8,65.2,41,6W"], "-148.1,65.3,42,11W"),
    ],
)
def test_a_single_place_far_from_what_is_told(
    tmp_path: Path, header: str, right: list[str], wrong: str
) -> None:
    assert read(tmp_path, header, *right)["used"].all()
    with pytest.raises(IcemapError, match=f"line 4: .* where '{wrong.split(',')[-1]}' says"):
        read(tmp_path, header, *right, wrong)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("country", ["-148.1,65.2,40,USA", "-149,65,41,USA", "172.9,52.9,42,USA"]),
        ("country", ["129.1,62.2,40,Russia", "76,66,41,Russia", "-169.8,66.1,42,Russia"]),
        ("country", ["18.1,69.2,40,Norway", "19.2,69,41,Norway", "2.5,-72.1,42,Norway"]),
        ("country", ["18.1,69.2,40,China", "19.2,69,41,China", "92.1,34.5,42,China"]),
        ("UTM zone", ["-179.1,65.2,40,1", "-178,65.2,41,1", "178.9,65.1,42,1"]),
        ("zone", ["-148.1,65.2,40,1", "19.1,65.2,41,2", "92.1,35.2,42,1"]),
    ],
)
def test_beyond_a_border_the_date_line_or_in_the_south(
    tmp_path: Path, header: str, rows: list[str]
) -> None:
    assert read(tmp_path, header, *rows)["used"].all()
