from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.records import ASSUMED

HEADER = "site,longitude [deg],latitude [deg],permafrost_table [m],top [m],base [m],vic [%]\n"
PLACE = "-148.72,69.54"
HOLE = [f"BH-3,{PLACE},0.5,{depths}" for depths in ("0.5,1.3", "1.3,2.2", "2.2,3", "3,4", "4,5.6")]


def told(folder: Path, *rows: str) -> list[str]:
    path = folder / "t.csv"
    path.write_text(HEADER + "".join(f"{row},{40 + i}\n" for i, row in enumerate(rows)))
    flags = read_layer_table(str(path)).flags
    return flags.loc[flags["rule"] == ASSUMED, "reason"].tolist()


@pytest.mark.parametrize(
    "row",
    [
        "BH-33,-148.72,69.54,0.5,1.3,2.2",
        "BH-3a,-148.72,69.54,0.5,1.3,2.2",
        "BH-3,-184.72,69.54,0.5,1.3,2.2",
        "BH-3,-148.72,59.54,0.5,1.3,2.2",
    ],
)
def test_a_layer_that_fills_the_gap_of_another_borehole_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(IcemapError, match=r"line 3: the layer from 1\.3 to 2\.2 m .* it touches"):
        told(tmp_path, HOLE[0], row, *HOLE[2:])


def test_a_layer_that_goes_on_below_another_borehole_is_told(tmp_path: Path) -> None:
    (sentence,) = told(tmp_path, *HOLE, f"Pit,{PLACE},0.5,0,0.5")
    assert "line 7" in sentence
    assert "read as two boreholes" in sentence
    (sentence,) = told(tmp_path, *HOLE, "BH-3,-140.1,69.54,0.5,5.6,7")
    assert "at longitude -140.1, latitude 69.54" in sentence


@pytest.mark.parametrize(
    "row",
    [
        # Another place, the depths of another hole, a gap, and a point.
        "BH-4,-149.72,69.54,0.5,1.3,2.2",
        f"BH-4,{PLACE},0.5,0.5,2.2",
        f"BH-4,{PLACE},0.5,5.7,6.2",
        f"BH-4,{PLACE},0.5,5.6,5.6",
        f"BH-3,{PLACE},0.5,5.6,6",
    ],
)
def test_other_boreholes_are_read(tmp_path: Path, row: str) -> None:
    assert not told(tmp_path, *HOLE, row)


@pytest.mark.parametrize("depths", ["1.3,22", "1.3,220", "1.3,3"])
def test_a_layer_that_reaches_over_the_next_one_of_a_log_is_named(
    tmp_path: Path, depths: str
) -> None:
    with pytest.raises(
        IcemapError, match=r"line 3: this layer of 'BH-3' ends at .* all other layers"
    ):
        told(tmp_path, HOLE[0], f"BH-3,{PLACE},0.5,{depths}", *HOLE[2:])


@pytest.mark.parametrize(
    "rows",
    [
        [HOLE[0], f"BH-3,{PLACE},0.5,1.3,2.25", *HOLE[2:]],
        [HOLE[0], f"BH-3,{PLACE},0.5,1.3,2.0", *HOLE[2:]],
        [HOLE[0], f"BH-3,{PLACE},0.5,1.3,2.95", *HOLE[2:]],
        [*HOLE, *HOLE],
        [*HOLE, f"BH-3,{PLACE},0.5,0.5,5.6"],
        [*HOLE[:3], f"BH-3,{PLACE},0.5,0.6,0.7"],
    ],
)
def test_gaps_repeats_and_layers_around_others_are_read(tmp_path: Path, rows: list[str]) -> None:
    assert not told(tmp_path, *rows)


@pytest.mark.parametrize("row", ["110,550", "0.011,0.05", "1100,5500"])
def test_a_layer_in_another_unit_than_the_one_above_it_is_named(tmp_path: Path, row: str) -> None:
    rows = [f"BH-3,{PLACE},0.5,0.5,1.1", f"BH-3,{PLACE},0.5,{row}"]
    with pytest.raises(IcemapError, match=r"line 3: .* as where one of them is in another unit"):
        told(tmp_path, *rows)
    # Points of a sounding, another borehole, and a gap.
    assert not told(tmp_path, f"BH-3,{PLACE},0.5,1,1", f"BH-3,{PLACE},0.5,100,100")
    assert not told(tmp_path, rows[0], f"BH-4,-149.72,69.54,0.5,{row}")
    assert not told(tmp_path, rows[0], f"BH-3,{PLACE},0.5,11,12")
    # Thin layers far below, and a first centimetre.
    assert not told(tmp_path, rows[0], f"BH-3,{PLACE},0.5,110,110.2")
    assert not told(tmp_path, f"BH-3,{PLACE},0.5,0.005,0.01", f"BH-3,{PLACE},0.5,1,2")
