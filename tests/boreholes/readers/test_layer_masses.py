from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes

HEADER = "site,lon,lat,permafrost_table [m],top [m],base [m],dry_density [g/cm3],"


def read(folder: Path, names: str, *rows: str):
    path = folder / "t.csv"
    layers = (f"a,-134,68.9,0.5,{i + 0.5},{i + 1.5},1.0,{row}" for i, row in enumerate(rows))
    path.write_text("\n".join([HEADER + names, *layers]) + "\n", encoding="utf-8")
    return read_boreholes(path)


@pytest.mark.parametrize(
    "names",
    [
        "wet mass [g],dry mass [g],gravimetric_water [%]",
        "Wet_Weight_g,Oven_dry_weight_g,gravimetric_water [%]",
        "Feuchtgewicht (g),Trockengewicht (g),gravimetric_water [%]",
        "湿重(g),干重(g),gravimetric_water [%]",
    ],
)
def test_water_that_its_masses_show_to_be_by_wet_mass_is_refused(
    tmp_path: Path, names: str
) -> None:
    with pytest.raises(
        IcemapError, match=r"line 3: .* 44\.4 % of the wet mass and 80 % of the dry"
    ):
        read(tmp_path, names, "150,100,50", "180,100,44.4", "190,100,47.4")
    assert len(read(tmp_path, names, "150,100,50", "180,100,80", "190,100,90.1")) == 1


@pytest.mark.parametrize(
    ("names", "row"),
    [
        # With the container, of another sample, and no mass.
        ("wet mass [g],dry mass [g],gravimetric_water [%]", "200,150,80"),
        ("wet mass [g],dry mass [g],gravimetric_water [%]", ",100,44.4"),
        ("wet mass [g],dry mass [g],dry mass 2 [g],gravimetric_water [%]", "180,100,90,44.4"),
        ("water by wet mass [%],dry mass [g],gravimetric_water [%]", "44.4,100,80"),
    ],
)
def test_masses_that_tell_nothing_are_left_alone(tmp_path: Path, names: str, row: str) -> None:
    assert len(read(tmp_path, names, row, row)) == 1
