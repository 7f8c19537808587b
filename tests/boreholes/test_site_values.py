from pathlib import Path

import numpy as np
import pytest

from icemap import IcemapError
from icemap.borehole_sections import SitesConfig
from icemap.boreholes.site_values import read_site_values
from icemap.config_sections import TargetConfig

CM = TargetConfig(name="alt", unit="cm", bounds=(0, 300))


def write(folder: Path, text: str) -> str:
    (folder / "sites.csv").write_text(text, encoding="utf-8")
    return str(folder / "sites.csv")


def test_every_row_is_kept_and_says_why_it_is_not_used(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        "name,lon,lat,alt [m]\n"
        "good,10,60,0.5\n"
        "high,11,60,4\n"
        "word,12,60,deep\n"
        "none,13,60,\n"
        "limit,14,60,>1.5\n"
        "swapped,69.7,-143.6,0.5\n"
        "far,400,60,0.5\n"
        "lost,,60,0.5\n"
        "where,here,60,0.5\n"
        "copy,10,60,0.5\n"
        "range,15,60,0.4-1.0\n",
    )
    sites = read_site_values(SitesConfig(table=url, value="alt", id="name"), CM)
    assert dict(zip(sites["site"], sites["reason"])) == {
        "good": "",
        "high": "value outside 0-300 cm",
        "word": "value is not a number",
        "none": "no value",
        "limit": "value is only known to be above a limit",
        "swapped": "longitude and latitude are swapped",
        "far": "impossible coordinates",
        "lost": "no coordinates",
        "where": "coordinates are not numbers",
        "copy": "duplicate: same coordinates and value as an earlier site",
        "range": "",
    }
    assert (sites["used"] == (sites["reason"] == "")).all()
    assert sites["row"].tolist() == list(range(1, 12))
    assert sites["line"].tolist() == list(range(2, 13))
    assert sites["value"].iloc[[0, -1]].tolist() == pytest.approx([50, 70])
    assert sites["standard_error"].iloc[-1] == pytest.approx(60 / np.sqrt(12))


@pytest.mark.parametrize(
    ("header", "unit", "target", "expected"),
    [
        ("alt [cm]", None, "cm", 50.0),
        ("alt [cm]", None, "m", 0.5),
        ("alt", "mm", "cm", 5.0),
        ("alt [index]", None, "index", 50.0),
        ("alt [percent]", "%", "%", 50.0),
        ("alt_cm", None, "m", 0.5),
        ("alt, mm", None, "cm", 5.0),
        ("alt (F)", None, "degC", 10.0),
        ("alt [ft]", None, "cm", 1524.0),
        ("alt", "%", "fraction", 0.5),
        ("alt (K)", None, "degC", -223.15),
        ("alt", "mW/m2", "mW/m2", 50.0),
    ],
)
def test_units(tmp_path: Path, header: str, unit: str | None, target: str, expected: float) -> None:
    url = write(tmp_path, f'lon,lat,"{header}"\n10,60,50\n')
    value = header if header in ("alt_cm", "alt, mm") else "alt"
    sites = read_site_values(
        SitesConfig(table=url, value=value, unit=unit), TargetConfig(unit=target, bounds=None)
    )
    assert sites["value"][0] == pytest.approx(expected)
    assert sites["used"][0]
    assert sites["site"][0] == "row 1"


def test_no_unit_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    url = write(tmp_path, "lon,lat,alt\n10,60,50\n")
    with pytest.raises(
        IcemapError, match=r"does not say the unit of the column 'alt'.*sites\.unit.*'alt \[cm\]'"
    ) as caught:
        read_site_values(SitesConfig(table=url, value="alt"), CM)
    assert url in str(caught.value)
    # A header with the unit "unknown" would say nothing.
    with pytest.raises(IcemapError, match=r"give it as sites\.unit and as target\.unit in the"):
        read_site_values(SitesConfig(table=url, value="alt"), TargetConfig(unit="unknown"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"value": "vic", "unit": "%"},
            r"no column 'vic' \(sites\.value\): it has lon, lat, alt \[cm\], %",
        ),
        ({"value": "alt", "longitude": "x"}, r"no column 'x' \(sites\.longitude\)"),
        ({"value": "alt", "id": "name"}, r"no column 'name' \(sites\.id\)"),
        ({"value": "%", "unit": "%"}, "'%' and the target alt in 'cm', which cannot be converted"),
    ],
)
def test_wrong_names_and_units_are_errors(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    url = write(tmp_path, "lon,lat,alt [cm],%\n10,60,50,1\n")
    with pytest.raises(IcemapError, match=words):
        read_site_values(SitesConfig(table=url, **settings), CM)


def said(folder: Path, text: str, target: TargetConfig = CM, **settings: object) -> str:
    """The one sentence by which a table is refused."""
    url = write(folder, text)
    with pytest.raises(IcemapError) as caught:
        read_site_values(
            SitesConfig.model_validate({"table": url, "value": "alt", **settings}), target
        )
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def values(
    folder: Path, text: str, target: TargetConfig = CM, **settings: object
) -> list[float | None]:
    """The values of the sites that are used, None for the others."""
    url = write(folder, text)
    sites = read_site_values(
        SitesConfig.model_validate({"table": url, "value": "alt", **settings}), target
    )
    return [value if used else None for value, used in zip(sites["value"].round(9), sites["used"])]


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("alt [m]", "cm"),
        ("alt (m)", "cm"),
        ("alt [%]", "cm"),
        ("alt [W/m2]", "mW/m2"),
        ("alt [degC]", "K"),
    ],
)
def test_header_and_config_that_name_two_units_are_both_named(
    tmp_path: Path, header: str, unit: str
) -> None:
    message = said(
        tmp_path, f"lon,lat,{header}\n10,60,1\n", TargetConfig(unit=unit, bounds=None), unit=unit
    )
    assert (
        f"'{header}' gives the unit '{header[5:-1]}' and the config '{unit}' (sites.unit)"
        in message
    )


def test_a_unit_at_the_end_of_a_name_is_heard_where_it_measures_the_same(tmp_path: Path) -> None:
    assert "the unit 'm' and the config 'cm'" in said(
        tmp_path, "lon,lat,alt_m\n10,60,1\n", value="alt_m", unit="cm"
    )
    # A mean of percentages, not metres.
    percent = TargetConfig(unit="%", bounds=None)
    assert values(tmp_path, "lon,lat,ice_m\n10,60,40\n", percent, value="ice_m", unit="%") == [40]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1.2 m", 120), ("0.9m", 90), ("70 cm", 70), ("850mm", 85), ("1,2 m", 120), ("0.5-0.7 m",
        60),
        ("3/4", None), ("01/02", None), ("2019-05", None), ("01-02", None), ("2019-05-12", None),
        ("2-Mar", None),
        ("80 %", None), ("5 apples", None), ("1,234", None), ("1,234.5", None), ("1 234", None),
        ("12:30", None),
        ("<5", None), (">300", None), ("< 0.5 m", None), ("n/a", None), ("nan", None), ("-", None),
        ("trace", None), ("#N/A", None), ("#DIV/0!", None),
    ],
)  # fmt: skip
def test_what_a_cell_says_is_read_or_left_out_with_a_reason(
    tmp_path: Path, cell: str, expected: float | None
) -> None:
    assert values(tmp_path, f'lon,lat,alt\n10,60,"{cell}"\n11,60,50\n', unit="cm") == [expected, 50]


def test_a_fraction_in_words_of_percent_becomes_a_fraction(tmp_path: Path) -> None:
    assert values(
        tmp_path,
        "lon,lat,alt\n10,60,30 %\n11,60,0.5\n",
        TargetConfig(unit="fraction", bounds=(0, 1)),
        unit="fraction",
    ) == [0.3, 0.5]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["8,5", "1,234"], [8.5, 1.234]),
        (["0,125", "1,234"], [0.125, 1.234]),
        # Nothing tells a decimal comma from one of thousands.
        (["1,234", "2,345"], [None, None]),
        (["1,234", "0.5"], [None, 0.5]),
        # Points among decimal commas are of thousands.
        (["1.250", "2,5"], [None, 2.5]),
    ],
)
def test_the_column_says_what_a_comma_is(
    tmp_path: Path, cells: list[str], expected: list[float | None]
) -> None:
    rows = "".join(f"{10 + i};60;{cell}\n" for i, cell in enumerate(cells))
    target = TargetConfig(name="depth", unit="cm", bounds=None)
    assert values(tmp_path, f"lon;lat;alt [cm]\n{rows}", target) == expected


DEGREES = TargetConfig(name="magt", unit="degC", bounds=None)


@pytest.mark.parametrize(
    "code",
    [
        "-9999",
        "-999",
        "999",
        "9999",
        "99",
        "-99",
        "-999.9",
        "-32768",
        "1e20",
        "-3.4e38",
        "9.96921e36",
        "777",
    ],
)
def test_codes_far_outside_the_rest_are_asked_about(tmp_path: Path, code: str) -> None:
    rows = f"10,60,-8.5\n11,60,-3\n12,60,{code}\n13,60,1\n"
    message = said(tmp_path, f"lon,lat,alt\n{rows}", DEGREES, unit="degC")
    assert "(line 4), far outside the rest (-8.5 to 1)" in message
    assert "sites.missing: [" in message
    named = float(code)
    assert values(tmp_path, f"lon,lat,alt\n{rows}", DEGREES, unit="degC", missing=[named]) == [
        -8.5,
        -3,
        None,
        1,
    ]
    assert values(tmp_path, f"lon,lat,alt\n{rows}", DEGREES, unit="degC", missing=[])[
        2
    ] == pytest.approx(named)
    # In Parquet and in a column of texts it is the same number.
    assert "sites.missing" in said(tmp_path, f"lon,lat,alt\n{rows}14,60,nd\n", DEGREES, unit="degC")


def test_a_second_code_next_to_a_named_one_is_asked_about_too(tmp_path: Path) -> None:
    rows = "lon,lat,alt\n10,60,-8.5\n11,60,-9999\n12,60,999\n13,60,-2\n"
    assert "sites.missing: [-9999, 999]" in said(
        tmp_path, rows, DEGREES, unit="degC", missing=[-9999]
    )


@pytest.mark.parametrize(
    "given", [[40, 70, 99], [80, 99, 88, 77], [500, 999, 1400], [99], [-99, -88, -101]]
)
def test_numbers_that_look_like_codes_within_the_rest_are_values(
    tmp_path: Path, given: list[float]
) -> None:
    rows = "".join(f"{10 + i},60,{value}\n" for i, value in enumerate(given))
    assert (
        values(tmp_path, f"lon,lat,alt\n{rows}", TargetConfig(unit="x", bounds=None), unit="x")
        == given
    )


@pytest.mark.parametrize("code", ["-9999", "-999", "999", "9999", "-32768", "1e20"])
def test_codes_in_coordinates_are_no_places(tmp_path: Path, code: str) -> None:
    assert values(
        tmp_path,
        f"lon,lat,alt\n{code},60,-8\n10,{code},-8\n{code},{code},-8\n10,60,-3\n",
        DEGREES,
        unit="degC",
    ) == [None, None, None, -3]


@pytest.mark.parametrize("header", ["alt [%]", "alt"])
def test_fractions_among_percent_and_percent_among_fractions_are_refused(
    tmp_path: Path, header: str
) -> None:
    percent, fraction = TargetConfig(unit="%"), TargetConfig(unit="fraction", bounds=None)
    rows = f"lon,lat,{header}\n10,60,0.4\n11,60,0.7\n12,60,1\n"
    assert "go from 0.4 to 1 like fractions" in said(tmp_path, rows, percent, unit="%")
    assert values(tmp_path, rows, TargetConfig(unit="%", bounds=(0, 2)), unit="%") == [0.4, 0.7, 1]
    rows = rows.replace("[%]", "[fraction]").replace("0.4", "40").replace("0.7", "70")
    assert "like %" in said(tmp_path, rows, fraction, unit="fraction")
    assert values(
        tmp_path, rows, TargetConfig(unit="fraction", bounds=(0, 90)), unit="fraction"
    ) == [40, 70, 1]


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        ("Longitude (W)", "Latitude (N)", (-148.5, 70)),
        ("lon [deg W]", "lat", (-148.5, 70)),
        ("lon_w", "lat_n", (-148.5, 70)),
        ("West longitude", "North latitude", (-148.5, 70)),
        ("lon (degrees_west)", "lat", (-148.5, 70)),
        ("lon, W", "lat, S", (-148.5, -70)),
        ("lon (°W)", "lat (°S)", (-148.5, -70)),
        ("lon (WGS84)", "lat [decimal degrees]", (148.5, 70)),
        ("Longitude (E)", "Latitude", (148.5, 70)),
        ("lon [gon]", "lat [grad]", (133.65, 63)),
        ("lon [arcmin]", "lat", (2.475, 70)),
    ],
)
def test_what_the_header_of_a_coordinate_says_is_heard(
    tmp_path: Path, lon: str, lat: str, expected: tuple[float, float]
) -> None:
    url = write(tmp_path, f'"{lon}","{lat}",alt [cm]\n148.5,70,50\n')
    sites = read_site_values(SitesConfig(table=url, value="alt", longitude=lon, latitude=lat), CM)
    assert sites[["lon", "lat"]].iloc[0].tolist() == pytest.approx(expected)


def test_radians_become_degrees(tmp_path: Path) -> None:
    url = write(tmp_path, "lon [rad],lat (radians),alt [cm]\n1.5,1.1,50\n")
    sites = read_site_values(SitesConfig(table=url, value="alt"), CM)
    assert sites[["lon", "lat"]].iloc[0].tolist() == pytest.approx(np.degrees([1.5, 1.1]))


def test_western_longitudes_that_have_their_sign_keep_it(tmp_path: Path) -> None:
    url = write(tmp_path, "Longitude (W),lat,alt [cm]\n-148.5,70,50\n149 W,70,50\n")
    sites = read_site_values(SitesConfig(table=url, value="alt", longitude="Longitude"), CM)
    assert sites["lon"].tolist() == [-148.5, -149]


@pytest.mark.parametrize(
    ("lon", "cells", "words"),
    [
        ("Longitude (W)", ["148.5", "-170"], "says W and holds numbers of both signs"),
        ("Longitude (N)", ["148.5"], "says N and is read as the longitude"),
        ("x [m]", ["50"], "gives coordinates in 'm'"),
        ("x (km)", ["50"], "gives coordinates in 'km'"),
        ("lon_dms", ["148.3015"], "degrees, minutes and seconds, but holds plain numbers"),
    ],
)
def test_headers_that_contradict_their_coordinates_are_refused(
    tmp_path: Path, lon: str, cells: list[str], words: str
) -> None:
    rows = "".join(f"{cell},70,50\n" for cell in cells)
    assert words in said(tmp_path, f"{lon},lat,alt [cm]\n{rows}", longitude=lon)


def test_a_letter_of_the_other_axis_is_no_coordinate(tmp_path: Path) -> None:
    assert values(tmp_path, "lon,lat,alt [cm]\n65 N,148 W,50\n148 W,65 N,50\n") == [None, 50]


def test_longitudes_of_a_whole_turn_are_brought_back(tmp_path: Path) -> None:
    url = write(tmp_path, "name,lon,lat,alt [cm]\na,210,60,50\nb,20,61,40\n")
    sites = read_site_values(SitesConfig(table=url, value="alt"), CM)
    assert sites["lon"].tolist() == [-150, 20]
    assert sites["used"].all()


def test_projected_coordinates_need_their_crs(tmp_path: Path) -> None:
    url = write(tmp_path, "name,x,y,alt [cm]\na,500000,7700000,50\nb,510000,7710000,40\n")
    places = {"longitude": "x", "latitude": "y"}
    with pytest.raises(IcemapError, match="no degrees: name their CRS, as 'crs: EPSG:32606'"):
        read_site_values(SitesConfig(table=url, value="alt", **places), CM)
    config = SitesConfig(table=url, value="alt", crs="EPSG:32606", **places)
    sites = read_site_values(config, CM)
    assert sites["lon"].tolist() == pytest.approx([-147, -146.744], abs=1e-3)
    assert sites["lat"].tolist() == pytest.approx([69.409, 69.499], abs=1e-3)
    url = write(tmp_path, "name,x,y,alt [cm]\na,500000,7700000,50\nb,here,7710000,40\n")
    with pytest.raises(IcemapError, match=r"x is not a number: 'here' \(line 3\)"):
        read_site_values(config, CM)


def test_a_row_of_units_below_the_header_is_heard(tmp_path: Path) -> None:
    text = "name,lon,lat,alt\n,deg,deg,m\na,10,60,0.5\nb,11,61,0.4\n"
    url = write(tmp_path, text)
    sites = read_site_values(SitesConfig(table=url, value="alt", id="name"), CM)
    assert sites["value"].tolist() == pytest.approx([50, 40])
    assert sites["line"].tolist() == [3, 4]
    with pytest.raises(IcemapError, match=r"'alt \[m\]' gives the unit 'm' and the config 'cm'"):
        read_site_values(SitesConfig(table=url, value="alt", id="name", unit="cm"), CM)


def test_kelvin_among_degrees_celsius_is_asked_about(tmp_path: Path) -> None:
    url = write(tmp_path, "lon,lat,t\n10,60,268.2\n11,61,271\n")
    target = TargetConfig(name="t", unit="degC", bounds=None)
    for unit, fits in (("K", True), ("degC", False)):
        config = SitesConfig(table=url, value="t", unit=unit)
        if fits:
            assert read_site_values(config, target)["value"][0] == pytest.approx(-4.95)
        else:
            with pytest.raises(IcemapError, match="which no ground or air has"):
                read_site_values(config, target)


def test_percent_by_weight_are_none_by_volume(tmp_path: Path) -> None:
    url = write(tmp_path, "lon,lat,ice (% by weight)\n10,60,30\n11,61,40\n")
    config = SitesConfig(table=url, value="ice", unit="%")
    with pytest.raises(IcemapError, match="gives the unit '% by weight' and the config '%'"):
        read_site_values(config, TargetConfig())


def test_the_row_of_means_is_no_site(tmp_path: Path) -> None:
    url = write(tmp_path, "name,lon,lat,alt\na,10,60,50\nb,11,61,70\nMean,10.5,60.5,60\n")
    sites = read_site_values(SitesConfig(table=url, value="alt", id="name", unit="cm"), CM)
    assert sites["used"].tolist() == [True, True, False]
    assert sites["reason"].iloc[2] == "the row sums up others and is no site"


@pytest.mark.parametrize("error", ["999", "-9999", "> 5"])
def test_a_code_or_a_lower_limit_is_no_standard_error(tmp_path: Path, error: str) -> None:
    url = write(tmp_path, f"lon,lat,alt [cm],se [cm]\n10,60,50,{error}\n11,60,60,5\n")
    config = SitesConfig(table=url, value="alt", standard_error="se")
    with pytest.raises(IcemapError, match=f"holds '{error}', which is no standard error"):
        read_site_values(config, CM)
    if error != "> 5":
        coded = config.model_copy(update={"missing": (float(error),)})
        found = read_site_values(coded, CM)["standard_error"].to_numpy()
        assert np.isnan(found[0])
        assert found[1] == 5
    if error == "999":
        every = config.model_copy(update={"missing": ()})
        assert read_site_values(every, CM)["standard_error"].tolist() == [999, 5]


@pytest.mark.parametrize(
    ("header", "cells", "long_name"),
    [
        ("alt [cm]", (0.5, 0.8, 0.6), "thaw depth"),
        ("alt [m]", (50, 80, 60), "thaw depth"),
        ("depth [cm]", (0.5, 0.8, 0.6), "Active-layer thickness"),
        ("depth [mm]", (0.5, 0.8, 0.6), "active layer"),
    ],
)
def test_thaw_depths_that_no_ground_has_are_asked_about(
    tmp_path: Path, header: str, cells: tuple[float, ...], long_name: str
) -> None:
    rows = "".join(f"{10 + i},60,{cell}\n" for i, cell in enumerate(cells))
    target = TargetConfig(name="depth", long_name=long_name, unit="cm", bounds=None)
    text = f"lon,lat,{header}\n{rows}"
    config = SitesConfig(table=write(tmp_path, text), value=header.split(" [")[0])
    with pytest.raises(IcemapError, match="which no ground thaws to: give the right unit"):
        read_site_values(config, target)
    other = target.model_copy(update={"long_name": "depth of permafrost"})
    assert read_site_values(config, other)["used"].all()


def test_thaw_depths_in_their_unit_are_read(tmp_path: Path) -> None:
    target = TargetConfig(name="thaw", long_name="thaw depth", unit="cm", bounds=None)
    for header, cells in (("alt [cm]", (5, 80, 900)), ("alt [m]", (0.3, 0, 12))):
        rows = "".join(f"{10 + i},60,{cell}\n" for i, cell in enumerate(cells))
        config = SitesConfig(table=write(tmp_path, f"lon,lat,{header}\n{rows}"), value="alt")
        assert read_site_values(config, target)["used"].all()


@pytest.mark.parametrize(
    ("unit", "cells", "refused"),
    [
        ("%", (30, 150, 220, 40, 180), True),
        ("1", (0.3, 1.5, 1.4, 0.4, 1.2), True),
        ("%", (30, 104, 103, 106, 40), False),
        ("%", (30, 150, 140, 40, 60), False),
    ],
)
def test_many_values_above_all_of_the_volume_are_asked_about(
    tmp_path: Path, unit: str, cells: tuple[float, ...], refused: bool
) -> None:
    rows = "".join(f"{10 + i},60,{cell}\n" for i, cell in enumerate(cells))
    config = SitesConfig(table=write(tmp_path, f"lon,lat,vic [{unit}]\n{rows}"), value="vic")
    if refused:
        with pytest.raises(IcemapError, match=r"3 of 5 values of the column 'vic .*target\.bounds"):
            read_site_values(config, TargetConfig())
    else:
        assert read_site_values(config, TargetConfig())["used"].any()
    free = TargetConfig(bounds=(0, 300))
    assert read_site_values(config, free)["used"].all()


@pytest.mark.parametrize(("name", "value"), [("magt", 28), ("maat", 30), ("mean_temperature", 29)])
def test_fahrenheit_among_degrees_celsius_is_asked_about(
    tmp_path: Path, name: str, value: float
) -> None:
    text = f"lon,lat,alt\n10,60,{value}\n11,61,{value + 1}\n"
    celsius = TargetConfig(name=name, unit="degC", bounds=None)
    assert "which no ground or air has" in said(tmp_path, text, celsius, unit="degC")
    assert values(tmp_path, text, celsius, unit="degF")[0] == pytest.approx((value - 32) / 1.8)
    summer = TargetConfig(name="surface_in_july", unit="degC", bounds=None)
    assert values(tmp_path, text, summer, unit="degC")[0] == value


@pytest.mark.parametrize("cells", [("60%", "45 %", "0.35"), ("60 %", "0.4", "１２％")])
def test_fractions_among_cells_with_a_percent_sign_are_refused(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    rows = "".join(f"{10 + i},6{i},{cell}\n" for i, cell in enumerate(cells))
    config = SitesConfig(table=write(tmp_path, f"lon,lat,vic [%]\n{rows}"), value="vic")
    with pytest.raises(IcemapError, match=r"cells with a % sign, and numbers up to 0\.\d"):
        read_site_values(config, TargetConfig())
    url = write(tmp_path, f"lon,lat,vic [%]\n{rows}".replace("0.35", "0.35%").replace("0.4", "4"))
    assert read_site_values(SitesConfig(table=url, value="vic"), TargetConfig())["used"].all()


@pytest.mark.parametrize("error", ["", "error"])
def test_an_error_behind_a_value_is_its_standard_error(tmp_path: Path, error: str) -> None:
    url = write(tmp_path, "lon,lat,alt [cm],error\n10,60,0.85 ± 0.05 m,±7\n11,60,70,3\n")
    config = SitesConfig(table=url, value="alt", standard_error=error or None)
    sites = read_site_values(config, CM)
    assert sites["value"].tolist() == [85, 70]
    np.testing.assert_allclose(sites["standard_error"], [7, 3] if error else [5, np.nan])


def test_two_standard_deviations_behind_a_value_are_asked_about(tmp_path: Path) -> None:
    message = said(tmp_path, "lon,lat,alt 2 sd [cm]\n10,60,85 ± 5\n", value="alt 2 sd")
    assert "is to be standard_error" in message


@pytest.mark.parametrize(
    "cell", ["85^1", "85 1)", "85a", "85 (n=3)", "85²", "85 ± 10 (2σ)", "(85)"]
)
def test_a_value_with_a_mark_or_remark_is_asked_about(tmp_path: Path, cell: str) -> None:
    message = said(tmp_path, f"lon,lat,alt [cm]\n10,60,{cell}\n11,60,70\n")
    assert f"alt [cm] is not a number: '{cell}' (line 2)" in message


def column(header: str, *cells: object) -> str:
    return f"lon,lat,{header}\n" + "".join(f"{10 + i},60,{c}\n" for i, c in enumerate(cells))


def test_an_active_layer_of_nothing_is_asked_about(tmp_path: Path) -> None:
    table = column("alt [cm]", 45, 0, 61)
    assert "holds 0 (line 3)" in said(tmp_path, table)
    assert values(tmp_path, table, missing=[]) == [45, 0, 61]
    assert values(tmp_path, table, missing=[0]) == [45, None, 61]


@pytest.mark.parametrize(
    ("header", "cells"), [("alt [cm]", (45, 0.52, 61)), ("alt [m]", (0.45, 52, 0.61))]
)
def test_one_thaw_depth_in_another_unit_is_named(
    tmp_path: Path, header: str, cells: tuple[float, ...]
) -> None:
    assert f"line 3: '{header}' is {cells[1]:g}" in said(tmp_path, column(header, *cells))
    assert values(tmp_path, column(header, *cells), missing=[])[::2] == values(
        tmp_path, column(header, *cells[::2])
    )
    odd = 2 if "cm" in header else 140
    assert values(tmp_path, column(header, cells[0], odd, cells[2])).count(None) < 2


def test_one_ground_temperature_in_fahrenheit_is_named(tmp_path: Path) -> None:
    target = TargetConfig(name="magt", unit="degC", bounds=(-30, 40))
    cells = (-3.1, -3.4, 28.5, -2.2, -1.0)
    assert "line 4: 'alt' is 28.5" in said(tmp_path, column("alt", *cells), target, unit="degC")
    confirmed = values(tmp_path, column("alt", *cells), target, unit="degC", missing=[])
    assert confirmed == list(cells)
    for right in ((-3.1, -3.4, 9.5, -2.2), (-9, 28.5, 3, 22), (-3.1, 28.5)):
        assert values(tmp_path, column("alt", *right), target, unit="degC") == list(right)


VIC = TargetConfig(unit="%")


def errors(folder: Path, header: str, *cells: float) -> list[float]:
    rows = "".join(f"{10 + i},60,{40 + i},{cell}\n" for i, cell in enumerate(cells))
    config = SitesConfig(
        table=write(folder, f"lon,lat,vic [%],{header}\n{rows}"),
        value="vic",
        standard_error=header,
    )
    return read_site_values(config, VIC)["standard_error"].tolist()


def test_standard_errors_in_the_unit_at_the_end_of_their_name(tmp_path: Path) -> None:
    url = write(tmp_path, "lon,lat,alt_cm,se_mm,se_1\n10,60,50,60,2\n")
    for name, expected in (("se_mm", 6), ("se_1", 2)):
        config = SitesConfig(table=url, value="alt_cm", standard_error=name)
        assert read_site_values(config, CM)["standard_error"].tolist() == [expected]


def test_standard_errors_that_contradict_their_values(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="repeats the values in all of 3 rows"):
        errors(tmp_path, "se [%]", 40, 41, 42)
    with pytest.raises(IcemapError, match=r"says no unit and holds 0\.04 to 0\.06"):
        errors(tmp_path, "se", 0.05, 0.04, 0.06)
    assert errors(tmp_path, "se [%]", 0.05, 0.04, 0.06) == [0.05, 0.04, 0.06]
    assert errors(tmp_path, "se [1]", 0.05, 0.04, 0.06) == pytest.approx([5, 4, 6])
    assert errors(tmp_path, "se", 0.5, 4, 6) == [0.5, 4, 6]
    # As fractions two of them would be more than all of the ice.
    assert errors(tmp_path, "se", 0.5, 0.7, 0.2) == [0.5, 0.7, 0.2]
    assert errors(tmp_path, "se", 0, 0, 0) == [0, 0, 0]


def test_classes_of_ice_under_percent_are_asked_about(tmp_path: Path) -> None:
    table = column("vic [%]", 1, 2, 4, 3, 1, 2)
    assert "holds 1, 2, 3, 4 alone, like classes" in said(
        tmp_path, table, TargetConfig(), value="vic"
    )
    url = write(tmp_path, table)
    sites = read_site_values(SitesConfig(table=url, value="vic", missing=()), TargetConfig())
    assert sites["used"].all()
