"""Values of a table against the bounds of the target, through the command."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from icemap.cli import main

COLD = [-8.1, -5.2, -3.3, -0.4, 0.2, 1.5]
THAW = [40, 55, 80, 120, 150, 210]
SHARES = [0.04, 0.35, 0.08, 0.62, 0.15, 0.95]
RUN = {
    "run": "run",
    "grid": {"west": -160, "south": 60, "east": -130, "north": 75, "resolution": 0.5},
    "catalog": "catalog.yaml",
    "predictors": ["maat"],
}


def boreholes(
    folder: Path, header: str, values: list[float], target: dict, **sites: object
) -> Result:
    frame = pd.DataFrame({"lon": -150.0, "lat": 62.0, header: values})
    frame["lon"] += 0.7 * frame.index
    frame.to_csv(folder / "table.csv", index=False)
    (folder / "catalog.yaml").write_text("sources: {}\n")
    content = {**RUN, "target": target, "sites": {"table": "table.csv", "value": header, **sites}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return CliRunner().invoke(main, ["boreholes", str(folder / "config.yaml")])


def read(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "run" / "sites.csv", keep_default_na=False)


@pytest.mark.parametrize(
    ("header", "values", "target", "sites", "factor", "offset"),
    [
        ("magt [degC]", COLD, {"name": "magt", "unit": "degC"}, {}, 1, 0),
        ("magt", COLD, {"name": "magt", "unit": "DegC"}, {"unit": "celsius"}, 1, 0),
        ("magt_degC", COLD, {"name": "magt", "unit": "K"}, {}, 1, 273.15),
        ("magt", [270, 268, 275], {"name": "magt", "unit": "K"}, {"unit": "K"}, 1, 0),
        ("alt_cm", THAW, {"name": "alt", "unit": "cm"}, {}, 1, 0),
        ("ALT [CM]", THAW, {"name": "alt", "unit": "CM"}, {}, 1, 0),
        ("alt_cm", THAW, {"name": "alt", "unit": "mm"}, {}, 10, 0),
        ("alt", THAW, {"name": "alt", "unit": "m"}, {"unit": "cm"}, 0.01, 0),
        ("pf [m]", [620, 35, 455.5], {"name": "pf", "unit": "m"}, {}, 1, 0),
        ("ice [kg/m3]", [620, 35, 455], {"name": "density", "unit": "kg/m3"}, {}, 1, 0),
        ("ice", [620, 35, 455], {"name": "mass", "unit": "kg m-2"}, {"unit": "kg/m2"}, 1, 0),
        ("vic", [4, 35, 95], {"unit": "fraction"}, {"unit": "%"}, 0.01, 0),
        ("vic", SHARES, {"unit": "Fraction"}, {"unit": "FRACTION"}, 1, 0),
        ("vic", SHARES, {"unit": "%"}, {"unit": "fraction"}, 100, 0),
        ("x", [3.5, 8, 160], {"name": "x", "unit": "-"}, {"unit": "-"}, 1, 0),
        ("v", [-4, 3, -15], {"name": "v", "unit": "mm/yr"}, {"unit": "mm/yr"}, 1, 0),
        ("dz", [-4, 3, 5], {"name": "dz", "unit": "m", "bounds": None}, {"unit": "m"}, 1, 0),
        ("w", [40, 350], {"name": "w", "unit": "%", "bounds": [0, None]}, {"unit": "%"}, 1, 0),
        ("i", [3, 60], {"name": "i", "unit": "1", "bounds": [0, 100]}, {"unit": "1"}, 1, 0),
    ],
)
def test_no_row_is_lost_to_bounds_of_another_unit(
    tmp_path, header, values, target, sites, factor, offset
):
    result = boreholes(tmp_path, header, values, target, **sites)
    assert result.exit_code == 0, result.output
    found = read(tmp_path)
    assert found["used"].all(), found["reason"].tolist()
    assert found["value"].astype(float).tolist() == pytest.approx(
        [factor * value + offset for value in values]
    )


@pytest.mark.parametrize(
    ("header", "values", "target", "words"),
    [
        ("dz [m]", [-0.4, 3, 5], {"name": "dz", "unit": "m"}, ["-0.4 m", "line 2", "null"]),
        ("w [%]", [40, 350, 9], {"name": "w", "unit": "%"}, ["350 %", "line 3", "[0, null]"]),
        ("i [1]", [0.4, 3, 9], {"name": "i", "unit": "1"}, ["3 1", "line 3-4", "[0, null]"]),
        ("alt_cm", [*THAW, -9999], {"name": "alt", "unit": "cm"}, ["-9999", "sites.missing"]),
    ],
)
def test_bounds_that_nobody_gave_are_asked_about(tmp_path, header, values, target, words):
    result = boreholes(tmp_path, header, values, target)
    assert result.exit_code == 2
    for word in words:
        assert word in result.output, result.output


@pytest.mark.parametrize(
    ("header", "values", "target", "words"),
    [
        ("alt_cm", THAW, {"name": "alt", "unit": "cm", "bounds": [0, 2]}, ["[0, 2]", "6 of 6"]),
        ("alt_cm", THAW, {"name": "alt", "unit": "m", "bounds": [30, 300]}, ["[30, 300]", "m"]),
        ("t [degC]", COLD, {"name": "t", "unit": "degC", "bounds": [0, 100]}, ["[0, 100]", "4 of"]),
        ("t [K]", [270, 268], {"name": "t", "unit": "K", "bounds": [0, 100]}, ["[0, 100]", "K"]),
        ("x [%]", [4, 35, 95], {"name": "x", "unit": "1", "bounds": [0, 100]}, ["[0, 1]", "%"]),
        ("vic [%]", [400, 350, 95], {}, ["[0, 100]", "2 of 3"]),
    ],
)
def test_bounds_that_the_table_contradicts(tmp_path, header, values, target, words):
    result = boreholes(tmp_path, header, values, target)
    assert result.exit_code == 2
    for word in ("table.csv", header, "target.bounds", *words):
        assert word in result.output, result.output


@pytest.mark.parametrize(
    ("header", "values", "target", "reason"),
    [
        ("vic [%]", [4, 35, 105], {}, "value outside 0-100 %"),
        ("vic [%]", [4, 35, -9999, -9999, -9999], {}, "value outside 0-100 %"),
        ("alt_cm", [40, 55, -3], {"name": "a", "unit": "cm", "bounds": [0, None]}, "below 0 cm"),
        ("t_degC", COLD, {"name": "t", "unit": "degC", "bounds": [None, 1]}, "above 1 degC"),
        ("t_degC", COLD, {"name": "t", "unit": "degC", "bounds": [-6, 5]}, "outside -6 to 5 degC"),
    ],
)
def test_a_few_rows_outside_leave_and_say_why(tmp_path, header, values, target, reason):
    result = boreholes(tmp_path, header, values, target)
    assert result.exit_code == 0, result.output
    found = read(tmp_path)
    lost = found[~found["used"]]
    assert 0 < len(lost) < len(found)
    assert lost["reason"].str.contains(reason).any()
    page = (tmp_path / "run" / "boreholes.html").read_text()
    assert reason in page
