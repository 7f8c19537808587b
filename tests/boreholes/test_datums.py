"""Coordinates on an old datum, and CRSs that a table and the config name otherwise."""

from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes

LAYERS = "site,{},{},permafrost_table [m],top [m],base [m],vic [%]{}\n{},0.5,0.5,5.5,40{}\n"
DEGREES = "a,-134.1,68.9"
UTM = "a,500000,7600000"
OLD = ["NAD27", "NAD 27", "nad_1927", "Clarke 1866", "EPSG:4267", "Pulkovo 1942", "SK-42", "СК-42"]


def write(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder / "t.csv"


def sites(folder: Path, lon: str, lat: str, place: str, **keys: str) -> dict[str, float]:
    path = write(folder, f"name,{lon},{lat},vic [%]\n{place},40\n")
    found = read_boreholes(path, value="vic", longitude=lon, latitude=lat, **keys)
    return found[["lon", "lat"]].iloc[0].round(4).to_dict()


@pytest.mark.parametrize("datum", OLD)
@pytest.mark.parametrize("header", ["datum", "Geodetic datum", "geodeticDatum", "CRS"])
def test_an_old_datum_in_a_column_is_asked_about(tmp_path: Path, header: str, datum: str) -> None:
    path = write(tmp_path, LAYERS.format("lon", "lat", f",{header}", DEGREES, f",{datum}"))
    with pytest.raises(IcemapError, match=r"\(line 2\) says the datum .*key 'crs', EPSG:42"):
        read_boreholes(path)
    code = "EPSG:4267" if datum in OLD[:5] else "EPSG:4284"
    assert abs(read_boreholes(path, crs=code)["lon"][0] + 134.1) < 0.01


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        ("lon (NAD27)", "lat (NAD27)"),
        ("lon_pulkovo42", "lat_pulkovo42"),
        ("долгота (СК-42)", "широта (СК-42)"),
    ],
)
def test_an_old_datum_in_a_header_is_asked_about(tmp_path: Path, lon: str, lat: str) -> None:
    with pytest.raises(IcemapError, match=r"says the datum (?:NAD27|Pulkovo 1942)"):
        sites(tmp_path, lon, lat, DEGREES)
    path = write(tmp_path, LAYERS.format(lon, lat, "", DEGREES, ""))
    with pytest.raises(IcemapError, match=r"says the datum (?:NAD27|Pulkovo 1942)"):
        read_boreholes(path, columns={"longitude": lon, "latitude": lat})


@pytest.mark.parametrize("datum", ["WGS 84", "WGS84", "NAD83", "unknown", "ETRS89", ""])
@pytest.mark.parametrize("header", ["datum", "Datum", "crs"])
def test_the_datums_of_today_are_read(tmp_path: Path, header: str, datum: str) -> None:
    path = write(tmp_path, LAYERS.format("lon", "lat", f",{header}", DEGREES, f",{datum}"))
    assert read_boreholes(path)["lon"].tolist() == [-134.1]


def test_the_datum_of_a_projection_is_that_of_the_table(tmp_path: Path) -> None:
    text = LAYERS.format("x", "y", ",datum", UTM, ",NAD27")
    assert read_boreholes(write(tmp_path, text), crs="EPSG:26708")["used"].all()
    with pytest.raises(IcemapError, match=r"'NAD27' .* read as EPSG:32608"):
        read_boreholes(write(tmp_path, text), crs="EPSG:32608")
    with pytest.raises(IcemapError, match=r"'WGS 84' .* read as EPSG:26708"):
        read_boreholes(write(tmp_path, text.replace("NAD27", "WGS 84")), crs="EPSG:26708")


@pytest.mark.parametrize(
    ("x", "y", "crs", "right"),
    [
        ("x (EPSG:3995)", "y (EPSG:3995)", "EPSG:3413", "EPSG:3995"),
        ("x_3995", "y_3995", "EPSG:3413", "EPSG:3995"),
        ("Easting UTM 9N", "Northing UTM 9N", "EPSG:32608", "EPSG:32609"),
        ("E [zone 9]", "N [zone 9]", "EPSG:32608", "EPSG:32609"),
    ],
)
def test_a_header_of_another_crs_is_refused(
    tmp_path: Path, x: str, y: str, crs: str, right: str
) -> None:
    place = UTM if crs == "EPSG:32608" else "a,-1000000,-200000"
    with pytest.raises(IcemapError, match=r"names another CRS than the key 'crs'"):
        sites(tmp_path, x, y, place, crs=crs)
    assert sites(tmp_path, x, y, place, crs=right)


@pytest.mark.parametrize(
    ("crs", "km"), [("EPSG:3413", "-1000,-200"), ("EPSG:3571", "500,-900"), ("EPSG:32608", "500,7")]
)
def test_kilometres_without_a_unit_are_asked_about(tmp_path: Path, crs: str, km: str) -> None:
    with pytest.raises(IcemapError, match=r"within 10 km of the origin.*as 'x \[km\]'"):
        sites(tmp_path, "x", "y", f"a,{km}", crs=crs)
    told = sites(tmp_path, "x [km]", "y [km]", f"a,{km}", crs=crs)
    metres = ",".join(f"{part}000" for part in km.split(","))
    assert told == sites(tmp_path, "x", "y", f"a,{metres}", crs=crs)
