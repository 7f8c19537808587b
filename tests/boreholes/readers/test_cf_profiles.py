"""The reader on files written here as the published writers of NTGS and PermafrostNet write them;
no file of the archive was at hand.
"""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.readers import READERS
from icemap.boreholes.sites import read_layer_sites
from icemap.config_sections import TargetConfig

TOP, BASE = [0.0, 0.9, 2.5], [0.9, 2.5, 4.0]


def profile(path: Path, name: str = "NGO-DD-1010", **changes: object) -> str:
    """One borehole in one file: scalar place, characters for the name, classes of visible ice as
    text.
    """
    classes = changes.get("visible_ice", ["No visible ice", "Medium to high", "Pure ice"])
    with netCDF4.Dataset(path, "w") as root:
        root.createDimension("depth_below_ground_surface", None)
        root.createDimension("nchar64", 64)
        for key, value, unit in (
            ("latitude", 68.5, "degrees_north"),
            ("longitude", changes.get("longitude", -133.7), "degrees_east"),
        ):
            variable = root.createVariable(key, "f8", ())
            variable.units = unit
            variable[...] = value
        label = root.createVariable("platform_name", "S1", ("nchar64",))
        label._Encoding = "UTF-8"
        label[:] = netCDF4.stringtochar(np.array([name], dtype="S64"))[0]
        for key, values in (
            ("top_of_interval", changes.get("top", TOP)),
            ("bottom_of_interval", changes.get("base", BASE)),
        ):
            if key == changes.get("without"):
                continue
            variable = root.createVariable(key, "f8", ("depth_below_ground_surface",))
            variable.units = str(changes.get("unit", "m"))
            variable.positive = str(changes.get("positive", "down"))
            variable[:] = values
        frozen = root.createVariable("frozen", "i4", ("depth_below_ground_surface",))
        frozen[:] = changes.get("frozen", [0, 1, 1])
        if isinstance(classes[0], str):
            ice = root.createVariable("visible_ice", str, ("depth_below_ground_surface",))
            for i, one in enumerate(classes):
                ice[i] = one
        else:
            ice = root.createVariable("visible_ice", "f8", ("depth_below_ground_surface",))
            ice.units = str(changes.get("ice_unit", "%"))
            ice[:] = classes
    return str(path)


def test_intervals_with_their_place_and_classes(tmp_path: Path) -> None:
    layers = READERS["cf_profiles"](profile(tmp_path / "a.nc")).layers
    assert layers["site"].tolist() == ["NGO-DD-1010"] * 3
    assert layers[["lon", "lat", "top", "base"]].iloc[1].tolist() == [-133.7, 68.5, 0.9, 2.5]
    assert layers["frozen"].tolist() == ["no", "yes", "yes"]
    np.testing.assert_allclose(layers["visible_ice"], [0.0, 0.45, np.nan])
    assert layers["ice_type"].tolist() == ["", "", "massive"]
    assert set(layers["support"]) == {"logs"}


def test_the_frozen_ground_bounds_the_permafrost_table(tmp_path: Path) -> None:
    profile(tmp_path / "a.nc")
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(reader="cf_profiles", path=str(tmp_path)),)),
        TargetConfig(),
        1.0,
    )
    row = table.sites.iloc[0]
    assert row[["permafrost_table", "permafrost_table_source", "value"]].tolist() == [
        0.9,
        "frozen_ground",
        100.0,
    ]
    assert table.layers["vic_reason"].tolist() == [
        "unfrozen when sampled",
        "visible ice alone is not VIC: the VIC between is missing",
        "",
    ]


def test_shares_with_a_unit_depths_upward_and_longitudes_of_a_full_turn(tmp_path: Path) -> None:
    url = profile(
        tmp_path / "a.nc",
        top=[0, -90, -250],
        base=[-90, -250, -400],
        unit="cm",
        positive="up",
        longitude=226.3,
        visible_ice=[0.0, 20.0, 35.0],
    )
    layers = READERS["cf_profiles"](url).layers
    assert layers[["top", "base"]].to_numpy().tolist() == [[0, 0.9], [0.9, 2.5], [2.5, 4.0]]
    assert layers["visible_ice"].tolist() == pytest.approx([0, 0.2, 0.35])
    assert layers["lon"].tolist() == pytest.approx([-133.7] * 3)


def test_many_boreholes_in_one_file_and_as_rows(tmp_path: Path) -> None:
    import xarray as xr

    stations = xr.Dataset(
        {
            "top_of_interval": (("station", "z"), [[0.0, 1.0], [0.0, np.nan]], {"units": "m"}),
            "bottom_of_interval": (("station", "z"), [[1.0, 2.0], [3.0, np.nan]], {"units": "m"}),
            "latitude": ("station", [68.0, 69.0]),
            "longitude": ("station", [-133.0, -134.0]),
            "platform_name": ("station", ["A", "B"]),
            "frozen": (("station", "z"), [[1, 1], [1, 0]]),
        }
    )
    stations.to_netcdf(tmp_path / "stations.nc")
    rows = (
        stations.stack(row=("station", "z"))
        .reset_index("row", drop=True)
        .dropna("row", subset=["top_of_interval"])
    )
    rows = rows.assign(
        latitude=("row", [68.0, 68.0, 69.0]),
        longitude=("row", [-133.0, -133.0, -134.0]),
        platform_name=("row", ["A", "A", "B"]),
    )
    rows.to_netcdf(tmp_path / "rows.nc")
    for name in ("stations.nc", "rows.nc"):
        layers = READERS["cf_profiles"](str(tmp_path / name)).layers
        assert layers["site"].tolist() == ["A", "A", "B"]
        assert layers["lat"].tolist() == [68.0, 68.0, 69.0]
        assert layers["base"].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"without": "bottom_of_interval"}, r"a\.nc has no variable bottom_of_interval"),
        ({"unit": "K"}, r"a\.nc gives top_of_interval in 'K'"),
        (
            {"visible_ice": ["some", "Low", "High"]},
            r"visible_ice is not a class: 'some' \(line 1\)",
        ),
        ({"visible_ice": [1.0, 2.0, 3.0], "ice_unit": "kg"}, r"gives visible_ice in 'kg'"),
        ({"frozen": [0, 7, 1]}, r"frozen is neither 1 nor 0: '7' \(line 2\)"),
        ({"top": [np.nan] * 3, "base": [np.nan] * 3}, r"holds no interval with depths"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(IcemapError, match=words):
        READERS["cf_profiles"](profile(tmp_path / "a.nc", **changes))


def test_no_netcdf_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.nc").write_text("no")
    with pytest.raises(IcemapError, match=r"b\.nc is not readable NetCDF"):
        READERS["cf_profiles"](str(tmp_path))
    (tmp_path / "b.nc").unlink()
    with pytest.raises(IcemapError, match="holds no NetCDF file"):
        READERS["cf_profiles"](str(tmp_path))
    with pytest.raises(IcemapError, match="neither a NetCDF file"):
        READERS["cf_profiles"](str(tmp_path / "none.txt"))


@pytest.mark.parametrize(("unit", "stored"), [("%", [45.0, 60.0, 100.0]), ("1", [0.45, 0.6, 1.0])])
def test_volumetric_moisture_is_read_in_its_unit(
    tmp_path: Path, unit: str, stored: list[float]
) -> None:
    url = profile(tmp_path / "a.nc")
    with netCDF4.Dataset(url, "a") as root:
        moisture = root.createVariable("volumetric_moisture", "f8", ("depth_below_ground_surface",))
        moisture.units = unit
        moisture[:] = stored
    layers = READERS["cf_profiles"](url).layers
    assert layers["volumetric_water"].tolist() == pytest.approx([0.45, 0.6, 1.0])
