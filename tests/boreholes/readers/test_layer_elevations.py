"""Tables that say by elevations where layers end, as the logs of engineers do."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from icemap import IcemapError
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.cli import main

GROUND = {"a": 152.4, "b": 140.0}
EDGES = (0, 1.4, 2.9, 5.4)
COLUMNS = {"top": "Top El.", "base": "Bottom El.", "surface": "Ground El."}


def write(folder: Path, unit: str = "m", scale: float = 1.0, own: str = "m", **changes) -> Path:
    """A table of two holes; heights of the ends in ``unit``, those of the surface in ``own``."""
    header = f"Hole,Lat,Long,Ground El. ({own}),Top El. ({unit}),Bottom El. ({unit}),VIC (%)"
    rows = [
        f"{hole},65,{-147 - i},{changes.get(hole, ground)},{(ground - top) * scale},"
        f"{(ground - base) * scale},{30 + top}"
        for i, (hole, ground) in enumerate(GROUND.items())
        for top, base in itertools.pairwise(EDGES)
    ]
    path = folder / "logs.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def read(path: Path, columns=COLUMNS, **keys):
    source = LayerSource(path=str(path), columns={"site": "Hole", **columns}, **keys)
    return read_layer_table(str(path), source).layers


@pytest.mark.parametrize(("unit", "scale"), [("m", 1.0), ("ft", 1 / 0.3048)])
def test_they_become_depths_below_the_surface(tmp_path, unit, scale) -> None:
    layers = read(write(tmp_path, unit, scale))
    assert np.allclose(layers["top"], [*EDGES[:-1]] * 2, atol=1e-6)
    assert np.allclose(layers["base"], [*EDGES[1:]] * 2, atol=1e-6)
    assert layers["reported_vic"].to_numpy() == pytest.approx([0.3, 0.314, 0.329] * 2)


def test_points_have_elevations_too(tmp_path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("site,lat,lon,ground [m],elevation [m],vic [%]\na,65,-147,30,29.5,40\n")
    layers = read_layer_table(
        str(path),
        LayerSource(path=str(path), columns={"depth": "elevation", "surface": "ground"}),
    ).layers
    assert layers[["top", "base"]].to_numpy().tolist() == [[0.5, 0.5]]


def test_the_surface_may_be_in_the_table_of_the_holes(tmp_path) -> None:
    (tmp_path / "logs.csv").write_text(
        "hole,top el [m],base el [m],vic [%]\na,30,29,40\na,29,27.5,60\n"
    )
    (tmp_path / "holes.csv").write_text("hole,lat,lon,collar_m\na,65,-147,30\n")
    collars = {"path": str(tmp_path / "holes.csv")}
    collars["columns"] = {"site": "hole", "surface": "collar_m"}
    columns = {"site": "hole", "top": "top el", "base": "base el"}
    layers = read(tmp_path / "logs.csv", columns, collars=collars)
    assert layers[["top", "base"]].to_numpy().tolist() == [[0, 1], [1, 2.5]]


@pytest.mark.parametrize(
    ("ground", "said"),
    [
        (150, r"'Top El. \(m\)' \(152.4\) is above the surface \('Ground El. \(m\)', 150\) in"),
        ("", r"line 2 has an elevation in 'Top El. \(m\)' and none of the surface"),
        (-9999, r"'Ground El. \(m\)' holds -9999, which is far from .*name it with 'missing'"),
        ("150-155", r"'Ground El. \(m\)' is no single elevation in line 2 \(150-155\)"),
    ],
)
def test_what_cannot_be_is_told_by_its_line(tmp_path, ground, said) -> None:
    with pytest.raises(IcemapError, match=said):
        read(write(tmp_path, a=ground))


def test_a_surface_in_another_unit_than_is_said_is_asked_about(tmp_path) -> None:
    in_feet = {hole: round(ground / 0.3048 + 0.01, 2) for hole, ground in GROUND.items()}
    with pytest.raises(
        IcemapError, match=r"every 'Top El\. .*' is more than 60 m below the surface"
    ):
        read(write(tmp_path, **in_feet))
    assert read(write(tmp_path, own="ft", **in_feet))["base"].max() == pytest.approx(5.4, abs=0.1)


def test_a_surface_with_depths_is_refused(tmp_path) -> None:
    path = tmp_path / "depths.csv"
    path.write_text("site,lat,lon,ground [m],top [m],base [m],vic [%]\na,65,-147,0.2,0,1,40\n")
    source = LayerSource(path=str(path), columns={"surface": "ground"})
    with pytest.raises(IcemapError, match=r"above the surface .*remove columns\.surface"):
        read_layer_table(str(path), source)


def test_a_column_called_surface_is_none_unless_it_is_named(tmp_path) -> None:
    path = tmp_path / "depths.csv"
    path.write_text("site,lat,lon,surface [m],top [m],base [m],vic [%]\na,65,-147,30,0,1,40\n")
    layers = read_layer_table(str(path)).layers
    assert layers[["top", "base"]].to_numpy().tolist() == [[0, 1]]


def test_units_have_to_be_said(tmp_path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("Ground El. (m)", "Ground El."))
    with pytest.raises(IcemapError, match=r"one unit for the column 'Ground El\.'"):
        read(path)
    assert read(path, units={"surface": "m"})["base"].max() == 5.4


def test_init_names_the_three_columns(tmp_path) -> None:
    write(tmp_path)
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    (source,) = yaml.safe_load((tmp_path / "config.yaml").read_text())["boreholes"]["layers"]
    named = {name: source["columns"][name].removesuffix(" (m)") for name in COLUMNS}
    assert named == COLUMNS


def test_init_without_a_surface_says_what_is_missing(tmp_path) -> None:
    path = write(tmp_path)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(cells[:3] + cells[4:]) for cells in lines) + "\n")
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    written = " ".join((tmp_path / "config.yaml").read_text().replace("#", "").split())
    assert "QUESTION" in written
    assert "Top El. (m)" in written
    assert "value:" not in written
