from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.boreholes.readers.layer_table import read_layer_table

HEADER = "site,longitude [deg],latitude [deg],top [m],base [m],vic [%],"


def read(folder: Path, header: str, *told: str, depths: str = "0-1 1-2.5 2.5-2.75 2.75-5.5") -> int:
    path = folder / "t.csv"
    rows = [
        f"a,-134.1,68.9,{layer.replace('-', ',')},40,{cell}"
        for layer, cell in zip(depths.split(), told, strict=True)
    ]
    path.write_text("\n".join([HEADER + header, *rows]) + "\n", encoding="utf-8")
    return len(read_layer_table(str(path)).layers)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("thickness [m]", ("1", "1.5", "2.5", "2.75")),
        ("Layer thickness (cm)", ("100", "15", "25", "275")),
        ("Mächtigkeit", ("1", "1.5", "0.25", "27.5")),
        ("mid depth [m]", ("0.5", "17.5", "2.63", "4.13")),
        ("midpoint_cm", ("50", "175", "263", "41.3")),
        ("Sample middle", ("", "", "26", "4.12")),
    ],
)
def test_a_row_whose_thickness_or_middle_is_another_one_is_named(
    tmp_path: Path, header: str, told: tuple[str, ...]
) -> None:
    with pytest.raises(IcemapError, match=r"line \d: the layer is from .* correct what is wrong"):
        read(tmp_path, header, *told)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("thickness [m]", ("3.28", "4.92", "0.82", "9.02")),
        ("thickness [cm]", ("1", "1.5", "0.25", "2.75")),
    ],
)
def test_lengths_of_which_all_differ_by_one_unit_are_told(
    tmp_path: Path, header: str, told: tuple[str, ...]
) -> None:
    with pytest.raises(IcemapError, match=r"times what 'base .m.' and the tops say"):
        read(tmp_path, header, *told)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("thickness [m]", ("1", "1.5", "0.25", "2.75")),
        ("thickness [m]", ("1", "1.5", "0.3", "2.8")),
        ("thickness", ("100", "150", "25", "275")),
        ("ice thickness [m]", ("0.1", "1.5", "0.02", "0.01")),
        ("core length [m]", ("0.7", "1.5", "0.25", "2.75")),
        ("thickness [m]", ("12", "12", "12", "12")),
        ("mid depth [m]", ("0.5", "1.8", "2.6", "4.1")),
        ("mean grain size [mm]", ("0.5", "17", "26", "4")),
        ("thickness [m]", ("", "", "", "")),
    ],
)
def test_lengths_that_agree_or_are_of_something_else_are_no_contradiction(
    tmp_path: Path, header: str, told: tuple[str, ...]
) -> None:
    assert read(tmp_path, header, *told) == 4
