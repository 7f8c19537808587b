"""Places of holes from a table of their own, joined to layers by the names of the holes."""

from pathlib import Path

import pytest

import icemap
from icemap import IcemapError
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_table import read_layer_table

pytestmark = pytest.mark.quick
LAYERS = "BH,top [m],base [m],vic [%]\nA,0.5,1,40\nB,0.5,2,50\nA,1,2,60\n"
HOLES = (
    "Hole,lon,lat,permafrost_table [cm],year,casing\n"
    "A,-148.5,65.5,50,2001,x\nB,-148.1,65.2,40,2002,y\n"
)


def read(folder: Path, layers: str = LAYERS, holes: str = HOLES, **keys):
    (folder / "layers.csv").write_text(layers, encoding="utf-8")
    (folder / "holes.csv").write_text(holes, encoding="utf-8")
    collars = {"path": str(folder / "holes.csv"), "columns": {"site": "Hole"}}
    content = {"path": str(folder / "layers.csv"), "columns": {"site": "BH"}, "collars": collars}
    source = LayerSource.model_validate({**content, **keys})
    return read_layer_table(source.path, source)


def test_each_layer_has_what_is_said_of_its_hole(tmp_path: Path) -> None:
    records = read(tmp_path)
    layers = records.layers
    assert layers["site"].tolist() == ["A", "B", "A"]
    assert layers["lon"].tolist() == [-148.5, -148.1, -148.5]
    assert layers["lat"].tolist() == [65.5, 65.2, 65.5]
    assert layers["permafrost_table"].tolist() == [0.5, 0.4, 0.5]
    assert layers["year"].tolist() == [2001, 2002, 2001]
    assert layers["line"].tolist() == [2, 3, 4]
    reasons = records.flags["reason"].tolist()
    assert "the column 'casing' of holes.csv is not known and was not read" in reasons


def test_metres_of_holes_are_those_of_the_crs_of_the_source(tmp_path: Path) -> None:
    holes = "Hole,easting,northing\nA,523000,7265000\nB,541000,7232000\n"
    layers = read(tmp_path, holes=holes, crs="EPSG:32606").layers
    assert layers["lon"].round(1).tolist() == [-146.5, -146.1, -146.5]


def test_numbers_of_holes_are_names(tmp_path: Path) -> None:
    layers, holes = LAYERS, HOLES
    for name, number in (("A", "007"), ("B", "8")):
        layers = layers.replace(f"\n{name},", f"\n{number},")
        holes = holes.replace(f"\n{name},", f"\n{number},")
    assert read(tmp_path, layers, holes).layers["site"].tolist() == ["007", "8", "007"]


def test_the_same_hole_twice_is_one(tmp_path: Path) -> None:
    assert len(read(tmp_path, holes=HOLES + HOLES.splitlines()[1] + "\n").layers) == 3


@pytest.mark.parametrize(
    ("layers", "holes", "sentence"),
    [
        (LAYERS + "C,1,2,3\nC,2,3,4\n", HOLES, r"layers\.csv: 'C' is not among .*line 5-6"),
        (LAYERS, HOLES.replace("\nA,", "\na-,"), r"'A' is not among the holes of .*holes\.csv"),
        (
            LAYERS.replace("A,", "BH-1,"),
            HOLES.replace("\nA,", "\nBH1,"),
            r"\('BH-1' may be 'BH1'\)",
        ),
        (LAYERS, HOLES + "A,-140,65.5,50,2001,\n", r"holes\.csv: 'A' is in several .*line 2, 4"),
        (LAYERS, HOLES + ",-140,65.5,50,2001,z\n", r"holes\.csv: a hole has no name \(line 4\)"),
        (
            LAYERS,
            HOLES.replace("65.2", "north"),
            r"holes\.csv has 1 bad row: .*'north' \(line 3\)",
        ),
        (LAYERS.replace("vic", "lat,vic"), HOLES, r"both have a latitude \('lat' and 'lat'\)"),
        (LAYERS, "Hole,casing\nA,1\nB,2\n", r"says nothing of its holes that is known"),
        (LAYERS, HOLES.replace("Hole", "Loch"), r"has no column 'Hole' \(columns\.site\)"),
    ],
)
def test_holes_that_are_not_clear_are_named(tmp_path: Path, layers, holes, sentence) -> None:
    with pytest.raises(IcemapError, match=sentence):
        read(tmp_path, layers, holes)


def test_holes_without_layers_are_told(tmp_path: Path) -> None:
    read(tmp_path, holes=HOLES + "C,-148,65,30,2003,z\n")
    collars = {"path": tmp_path / "holes.csv", "columns": {"site": "Hole"}}
    collars["path"] = str(collars["path"])
    sites = icemap.read_boreholes(tmp_path / "layers.csv", columns={"site": "BH"}, collars=collars)
    assert sites["value"].round(1).tolist() == [53.3, 50.0]
    (note,) = [note for note in sites.attrs["notes"] if "holes.csv" in note]
    assert note == ("layers.csv: 1 of 3 holes of holes.csv have no layers and are not used: C")


def test_layers_without_places_are_told_of_the_key(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"name it as 'collars: \{path: \.\.\.\}'"):
        read(tmp_path, collars=None)


def test_a_published_format_has_no_collars() -> None:
    with pytest.raises(ValueError, match="'collars' is for any other table"):
        LayerSource.model_validate(
            {"path": "a", "reader": "castagner2022", "collars": {"path": "b"}}
        )
