from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.config_sections import LayerSource


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
