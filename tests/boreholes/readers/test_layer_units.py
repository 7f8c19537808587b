from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_table import read_layer_table


def read(folder: Path, name: str, *cells: object, **source: object):
    path = folder / "layers.csv"
    rows = "".join(f"a,130,60,{i},{i + 1},{cell},20\n" for i, cell in enumerate(cells))
    other = "visible_ice [%]" if "vic" in name else "vic [%]"
    path.write_text(f"site,lon,lat,top [m],base [m],{name},{other}\n{rows}")
    return read_layer_table(str(path), LayerSource(path=str(path), **source)).layers


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("vic [%]", (30, 150, 220, 40, 180)),
        ("vic [1]", (0.3, 1.5, 2.2, 0.4, 1.8)),
        ("volumetric_water [%]", (30, 150, 220, 40, 180)),
    ],
)
def test_water_by_dry_mass_is_no_part_of_the_volume(
    tmp_path: Path, name: str, cells: tuple[float, ...]
) -> None:
    with pytest.raises(
        IcemapError, match="is a part of the volume, but 3 of its 5 values are up to"
    ):
        read(tmp_path, name, *cells)


@pytest.mark.parametrize("cells", [(30, 104, 103, 106, 40), (30, 150, 40), (30, 999, 999, 999)])
def test_errors_of_measurement_slips_and_codes_are_left_to_the_rules(
    tmp_path: Path, cells: tuple[float, ...]
) -> None:
    assert len(read(tmp_path, "vic [%]", *cells)) == len(cells)


def test_gravimetric_water_may_be_above_a_hundred_percent(tmp_path: Path) -> None:
    assert read(tmp_path, "gravimetric_water [%]", 30, 150, 220, 400)["gravimetric_water"][3] == 4


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("permafrost_table [cm]", (0.5, 0.8, 0.6)),
        ("permafrost_table [mm]", (0.5, 0.8, 0.6)),
    ],
)
def test_a_permafrost_table_in_metres_under_centimetres_is_asked_about(
    tmp_path: Path, header: str, cells: tuple[float, ...]
) -> None:
    with pytest.raises(IcemapError, match=r"half of its values are 0.\d+ m or less.*\(m\?\)"):
        read(tmp_path, header, *cells)


def test_a_permafrost_table_at_the_surface_is_one(tmp_path: Path) -> None:
    assert read(tmp_path, "permafrost_table [cm]", 0, 0, 60)["permafrost_table"][0] == 0
    sure = read(tmp_path, "permafrost_table [cm]", 1, 2, units={"permafrost_table": "cm"})
    assert sure["permafrost_table"][0] == 0.01


def test_bare_fractions_among_cells_with_percent_signs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        IcemapError, match=r"numbers up to 0\.4 without one \(the first in line 3\)"
    ):
        read(tmp_path, "vic [%]", "30 %", 0.4, "50%")
    layers = read(tmp_path, "vic [%]", "30 %", 40, "50%", 0)
    assert layers["reported_vic"].tolist() == [0.3, 0.4, 0.5, 0.0]


@pytest.mark.parametrize("name", ["volumetric_water [%]", "gravimetric_water [%]", "porosity [%]"])
def test_fractions_in_some_rows_are_asked_about(tmp_path: Path, name: str) -> None:
    cells = (45, 0.52, 38, 0.61, 70, 0.44)
    with pytest.raises(IcemapError, match=r"3 of its values are below 1 \(the first in line 3\)"):
        read(tmp_path, name, *cells)
    assert len(read(tmp_path, name, *cells, units={name.split(" ")[0]: "%"})) == 6


@pytest.mark.parametrize("cells", [(45, 0.52, 38, 0.61, 2.2, 0.44), (45, 0.01, 38, 0.02, 50, 0.1)])
def test_little_ice_in_some_rows_is_read(tmp_path: Path, cells: tuple[float, ...]) -> None:
    assert len(read(tmp_path, "porosity [%]", *cells)) == len(cells)


@pytest.mark.parametrize("unit", ["g/g", "kg kg-1", "g g⁻¹"])
def test_water_by_dry_mass_in_grams(tmp_path: Path, unit: str) -> None:
    layers = read(tmp_path, f"gravimetric_water [{unit}]", 0.4, 1.2)
    assert layers["gravimetric_water"].tolist() == [0.4, 1.2]
    with pytest.raises(IcemapError, match="unit that is not known for it"):
        read(tmp_path, f"volumetric_water [{unit}]", 0.4, 0.2)


@pytest.mark.parametrize("unit", ["% dry weight", "% d.w.", "%db", "% dry mass"])
def test_percents_of_dry_mass(tmp_path: Path, unit: str) -> None:
    layers = read(tmp_path, f"gravimetric_water [{unit}]", 40, 120)
    assert layers["gravimetric_water"].tolist() == [0.4, 1.2]
    with pytest.raises(IcemapError, match=r"gravimetric_water|unit that is not known"):
        read(tmp_path, "gravimetric_water [wt%]", 40, 120)


def test_a_permafrost_table_at_the_surface_everywhere_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    header = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]\n"

    def at(*tables: float, **source: object):
        rows = [f"{i},{130 + i},60,{table},0,5,4{i}\n" for i, table in enumerate(tables)]
        path.write_text(header + "".join(rows))
        return read_layer_table(str(path), LayerSource(path=str(path), **source)).layers

    with pytest.raises(IcemapError, match="is 0 at all of 3 sites: leave it empty"):
        at(0, 0, 0)
    assert len(at(0, 0, 0, units={"permafrost_table": "m"})) == 3
    assert len(at(0, 0)) == 2
    assert len(at(0, 0, 0.4)) == 3


def read_ice(folder: Path, *cells: object, **source: object):
    path = folder / "layers.csv"
    rows = "".join(f"a,130,60,{i},{i + 1},{cell},\n" for i, cell in enumerate(cells))
    path.write_text(f"site,lon,lat,top [m],base [m],vic [%],ice_type\n{rows}")
    return read_layer_table(str(path), LayerSource(path=str(path), **source)).layers


@pytest.mark.parametrize("cells", [(1, 2, 4, 3, 1, 2), (0, 1, 1, 0), (1, 1, 1), (1, "", 1, 0)])
def test_classes_under_percent_are_asked_about(tmp_path: Path, cells: tuple[object, ...]) -> None:
    with pytest.raises(IcemapError, match=r"in '%', but holds .* alone, like classes") as error:
        read_ice(tmp_path, *cells)
    assert "'units: {reported_vic: \"%\"}'" in str(error.value)
    layers = read_ice(tmp_path, *cells, units={"reported_vic": "%"})
    assert layers["reported_vic"].max() == max(cell for cell in cells if cell != "") / 100


@pytest.mark.parametrize("cells", [(1, 2, 4, 3, 1, 20), (1, 2.5, 4, 3, 1, 2), (1, 2, 3), (0, 0, 0)])
def test_few_or_other_low_percents_are_read(tmp_path: Path, cells: tuple[float, ...]) -> None:
    assert len(read_ice(tmp_path, *cells)) == len(cells)
