import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_table import read_layer_table

CENTIMETRES = (0, 20, 45, 100, 220, 350, 480, 500)
METRES = tuple(depth / 100 for depth in CENTIMETRES)
REAL_AND_DEEP = (0, 1.5, 6, 20, 40, 120, 300)
FEW_AND_DEEP = (0, 30, 100, 300)


def pieces(site: str, edges: Sequence[float]) -> list[str]:
    return [
        f"{site},{130 + len(site)},60,{top},{base},{20 + i}"
        for i, (top, base) in enumerate(itertools.pairwise(edges))
    ]


def read(folder: Path, *rows: str, depths: str = "top [m],base [m]", **source: object):
    path = folder / "layers.csv"
    path.write_text("\n".join([f"site,lon,lat,{depths},vic [%]", *rows]) + "\n")
    return read_layer_table(str(path), LayerSource(path=str(path), **source))


@pytest.mark.parametrize("scale", [1, 10])
@pytest.mark.parametrize("holes", [1, 4])
def test_centimetres_and_millimetres_under_metres_are_asked_about(
    tmp_path: Path, scale: int, holes: int
) -> None:
    edges = [depth * scale for depth in CENTIMETRES]
    rows = [row for i in range(holes) for row in pieces("b" * (i + 1), edges)]
    with pytest.raises(IcemapError, match=rf"'base \[m\]' reaches {edges[-1]:g} m at 'b+'.*cm\?"):
        read(tmp_path, *rows)
    confirmed = read(tmp_path, *rows, units={"top": "m", "base": "m"})
    assert confirmed.layers["base"].max() == edges[-1]


def test_points_and_ranges_in_centimetres_are_asked_about_too(tmp_path: Path) -> None:
    points = [f"a,130,60,{depth},20" for depth in CENTIMETRES]
    ranges = [f"a,130,60,{a}-{b},20" for a, b in itertools.pairwise(CENTIMETRES)]
    for rows in (points, ranges):
        with pytest.raises(IcemapError, match=r"'depth \[m\]' reaches 500 m"):
            read(tmp_path, *rows, depths="depth [m]")


def test_one_hole_in_centimetres_among_others_in_metres_is_asked_about(tmp_path: Path) -> None:
    others = [row for name in ("a", "bb", "ccc") for row in pieces(name, METRES)]
    with pytest.raises(IcemapError, match=r"at 'dddd'.*1 of 4 sites"):
        read(tmp_path, *others, *pieces("dddd", CENTIMETRES))
    layers = read(tmp_path, *others, *pieces("dddd", REAL_AND_DEEP)).layers
    assert layers["base"].max() == 300


@pytest.mark.parametrize("edges", [METRES, REAL_AND_DEEP, FEW_AND_DEEP, range(0, 101, 2)])
def test_real_depths_in_metres_are_read(tmp_path: Path, edges: Sequence[float]) -> None:
    layers = read(tmp_path, *pieces("a", edges), *pieces("bb", edges)).layers
    assert layers["base"].max() == max(edges)


@pytest.mark.parametrize(
    ("edges", "depths"),
    [
        ([(0, 0.5), (0.5, 0.5), (1, 0.7), (1.7, 1.3), (3, 1.5)], "a thickness"),
        ([(1, 0), (3, 1), (6, 3)], "columns exchanged"),
        ([(0, -1), (-1, -3), (-3, -6)], "depths with a sign"),
    ],
)
def test_layers_that_are_mostly_upside_down_are_refused(
    tmp_path: Path, edges: list[tuple[float, float]], depths: str
) -> None:
    rows = [f"a,130,60,{top},{base},20" for top, base in edges]
    with pytest.raises(IcemapError, match=r"'base \[m\]' is above 'top \[m\]' in 3 of"):
        read(tmp_path, *rows)


def test_one_layer_upside_down_is_a_slip(tmp_path: Path) -> None:
    assert len(read(tmp_path, *pieces("a", METRES), "a,131,60,7,6,20").layers) == 8


def test_the_top_of_the_hole_is_not_that_of_its_layers(tmp_path: Path) -> None:
    cumulative = [f"{site},130,60,0,{base},20" for site in "ab" for base in (1, 2, 3)]
    with pytest.raises(IcemapError, match="every layer of 'a' begins at 0 m"):
        read(tmp_path, *cumulative)
    whole = [f"{site},130,60,0,{base},20" for site, base in zip("abcd", (1, 2, 3, 4))]
    assert len(read(tmp_path, *whole).layers) == 4


@pytest.mark.parametrize("header", ["top_cm", "Top, cm", "top mm", "top_ft"])
def test_a_header_that_ends_with_another_unit_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "layers.csv"
    path.write_text(f'site,lon,lat,"{header}",base [m],vic_1 [%]\na,130,60,0,1,20\n')
    source = LayerSource(
        path=str(path),
        columns={"top": header, "reported_vic": "vic_1"},
        units={"top": "m"},
    )
    with pytest.raises(
        IcemapError, match=r"ends with '(cm|mm|ft)', and its unit is said to be 'm'"
    ):
        read_layer_table(str(path), source)


@pytest.mark.parametrize("header", ["top_m", "Top", "Depth in", "top_1"])
def test_a_header_that_agrees_with_its_unit_is_read(tmp_path: Path, header: str) -> None:
    path = tmp_path / "layers.csv"
    path.write_text(f"site,lon,lat,{header},base [m],vic_1 [%]\na,130,60,0.5,1,20\n")
    columns = {"top": header, "reported_vic": "vic_1"}
    source = LayerSource(path=str(path), columns=columns, units={"top": "m"})
    assert read_layer_table(str(path), source).layers["top"].tolist() == [0.5]


@pytest.mark.parametrize("header", ["total_depth_ft", "Total depth (ft)", "hole depth [cm]"])
def test_the_depth_of_holes_in_feet_is_that_of_bases_in_metres(tmp_path: Path, header: str) -> None:
    text = (
        f'site,lon,lat,permafrost_table [m],top [m],base [m],vic [%],"{header}"\n'
        "a,-134,68.9,0.5,0.5,2,40,{0}\na,-134,68.9,0.5,2,5.5,60,{0}\n"
        "b,-135,69,1,1,3,20,{1}\nb,-135,69,1,3,12,30,{1}\n"
    )
    path = tmp_path / "t.csv"
    path.write_text(text.format(5.5, 12))
    with pytest.raises(IcemapError, match=r"'base \[m\]' and '.*' hold the same numbers"):
        read_boreholes(path)
    path.write_text(text.format(18.1, 39.4))
    assert len(read_boreholes(path)) == 2


def test_the_depth_of_holes_is_none_of_points(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    header = "site,lon,lat,permafrost_table [m],depth [m],vic [%]\n"

    def write(depths: dict[str, list[float]]) -> None:
        rows = [f"{s},-134,68.{i},0.5,{d},4{i}\n" for s in depths for i, d in enumerate(depths[s])]
        rows = [row.replace("68.1", "68.0").replace("68.2", "68.0") for row in rows]
        path.write_text(header + "".join(rows))

    write({"a": [4, 4, 4], "b": [5, 5, 5]})
    with pytest.raises(IcemapError, match="all 3 rows of 'a' have one depth"):
        read_boreholes(path)
    assert len(read_boreholes(path, units={"depth": "m"})) == 2
    write({"a": [4, 4, 4], "b": [1, 2, 3]})
    assert len(read_boreholes(path)) == 2
    write({"a": [4, 4], "b": [5, 5]})
    assert len(read_boreholes(path)) == 2


@pytest.mark.parametrize("surface", [(1200, 640), (1.5, 12), (350, 350)])
@pytest.mark.parametrize("column", [False, True])
def test_elevations_in_place_of_depths_are_called_so(tmp_path: Path, surface, column) -> None:
    rows = []
    for site, height in zip("ab", surface):
        for top, base in itertools.pairwise((0.5, 1, 2, 4)):
            cells = f"{height - top},{height - base}" + (f",{height}" if column else "")
            rows.append(f"{site},{ord(site)},60,{cells},{20 + top}")
    depths = "top [m],base [m]" + (",surface altitude" if column else "")
    with pytest.raises(IcemapError, match=r"as elevations do, .*below the surface") as error:
        read(tmp_path, *rows, depths=depths)
    assert ("(is it 'surface altitude'?)" in str(error.value)) == column


def test_exchanged_and_negative_depths_are_no_elevations(tmp_path: Path) -> None:
    pairs = list(itertools.pairwise((0, 1, 2, 4)))
    for rows in (
        [f"a,130,60,{base},{top},{20 + top}" for top, base in pairs],
        [f"a,130,60,{-top},{-base},{20 + top}" for top, base in pairs],
    ):
        with pytest.raises(IcemapError, match="exchange the columns if they are, write depths"):
            read(tmp_path, *rows)


def test_elevations_that_are_called_so_are_told(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="'top elevation' looks like an elevation: write depths"):
        read(tmp_path, "a,130,60,9,8,20", depths="top elevation,bottom elevation")


@pytest.mark.parametrize("date", ["10-Nov", "Nov-10", "2026-11-10"])
def test_ranges_that_a_spreadsheet_made_dates_of_are_told(tmp_path: Path, date: str) -> None:
    rows = ["a,130,60,0-10,20", f"a,130,60,{date},30"]
    said = rf"has 1 bad row: .*'{date}' \(line 3\).* makes dates of ranges .*: write 10 to 11\."
    with pytest.raises(IcemapError, match=said):
        read(tmp_path, *rows, depths="depth [cm]")
    assert len(read(tmp_path, rows[0], "a,130,60,10 to 11,30", depths="depth [cm]").layers) == 2
