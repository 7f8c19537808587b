"""Malformed tables: every outcome is a value or a named error."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.boreholes.readers.calm import read_calm
from icemap.boreholes.readers.castagner2022 import read_castagner2022
from icemap.boreholes.readers.jorgenson2025 import read_jorgenson2025
from icemap.boreholes.site_values import read_site_values
from icemap.boreholes.sites import SiteTable, read_layer_sites
from icemap.config_sections import TargetConfig

many = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

HEADERS = [
    *(
        "site",
        "longitude [deg]",
        "latitude [deg]",
        "lon",
        "position_grade",
        "permafrost_table [m]",
        "permafrost_table [cm]",
        "permafrost_table_source",
    ),
    *(
        "top [m]",
        "base [m]",
        "depth [cm]",
        "method",
        "gravimetric_water [%]",
        "dry_density [g/cm3]",
        "frozen_bulk_density [kg/m3]",
        "volumetric_water [1]",
    ),
    *(
        "excess_ice [%]",
        "visible_ice [%]",
        "matrix_vic [%]",
        "porosity [%]",
        "vic [%]",
        "vic",
        "unfrozen_water [%]",
        "wedge_ice [%]",
        "ice_type",
        "year",
        "?",
    ),
]
CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "NA",
            "0",
            "1",
            "-1",
            "0.5",
            "1.2",
            "3",
            "40",
            "80",
            "99",
            "999",
            "9999",
            "1e308",
            "-1e308",
            "inf",
            "nan",
            "> 3.2",
            "<0.1",
            "0.5-1.2",
            "5-3",
            "2,5",
        ]
    ),
    st.sampled_from(
        [
            "A",
            "B",
            "D",
            "massive",
            "bedrock",
            "mapped",
            "reported",
            "thaw_depth",
            "65°30'N",
            "-148.5",
            "65.5",
            "a",
            "b",
            '"',
            "x\ny",
            "é",
            ";",
            "=1+1",
        ]
    ),
    st.floats(-10, 110).map(lambda x: f"{x:.3g}"),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)


def as_csv(header: list[str], rows: list[list[str]], quote: bool) -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quote else text

    return "\n".join(",".join(map(cell, row)) for row in [header, *rows]).encode("utf-8", "replace")


def outcome(attempt: Callable[[], Any]) -> tuple[Any, str]:
    """What an attempt gives, or the sentence of its error; any other exception is a failure of the
    test.
    """
    try:
        return attempt(), ""
    except IcemapError as error:
        return None, str(error)


def require_sound(table: SiteTable) -> None:
    sites, layers, flags = table.sites, table.layers, table.flags
    assert (sites["used"] == (sites["reason"] == "")).all()
    used = sites[sites["used"]]
    assert used["value"].between(0, 100).all()
    assert np.isfinite(
        used[["lon", "lat", "value", "standard_error", "coverage", "permafrost_table"]].to_numpy(
            float
        )
    ).all()
    assert used["grade"].isin(["A", "B", "C", "D"]).all()
    assert layers["vic"].dropna().between(0, 100).all()
    assert (flags["reason"].astype(str) != "").all()
    assert layers["borehole"].max() == len(sites) - 1


header = st.lists(st.sampled_from(HEADERS), max_size=12, unique=True).map(
    lambda some: list(
        dict.fromkeys(
            ["site", "longitude [deg]", "latitude [deg]", "top [m]", "base [m]", "vic [%]", *some]
        )
    )
)


@many
@given(
    header.flatmap(
        lambda names: st.tuples(
            st.just(names),
            st.lists(
                st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=1, max_size=6
            ),
        )
    ),
    st.booleans(),
)
def test_layers_with_any_cells(table: tuple[list[str], list[list[str]]], quote: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.csv"
        path.write_bytes(as_csv(*table, quote))
        result, error = outcome(
            lambda: read_layer_sites(
                BoreholesConfig(layers=(LayerSource(path=str(path)),)), TargetConfig(), 1.0
            )
        )
    if result is None:
        assert str(path) in error
    else:
        require_sound(result)


NUMBER = st.one_of(
    st.floats(-1, 8).map(lambda x: f"{x:.2f}"),
    st.sampled_from(["", "NA", "999", "> 3", "0.5-1", "1e30"]),
)
PERCENT = st.one_of(
    st.floats(-20, 150).map(lambda x: f"{x:.1f}"),
    st.sampled_from(["", "", "", "nd", "<5", "-9999"]),
)


@many
@given(
    st.lists(
        st.tuples(
            *(
                st.sampled_from("abc"),
                st.sampled_from(["10", "10.0003", "200", "", "69"]),
                st.sampled_from(["60", "60.001", "-143", ""]),
                st.sampled_from(["A", "C", "D", ""]),
            ),
            *(
                NUMBER,
                st.sampled_from(["reported", "mapped", "thaw_depth", ""]),
                NUMBER,
                NUMBER,
                PERCENT,
                NUMBER,
                PERCENT,
                PERCENT,
                PERCENT,
                PERCENT,
            ),
            st.sampled_from(["", "massive", "bedrock", "lens"]),
        ).map(list),
        min_size=1,
        max_size=12,
    )
)
def test_layers_with_readable_but_wild_numbers(rows: list[list[str]]) -> None:
    names = [
        "site",
        "lon",
        "lat",
        "position_grade",
        "permafrost_table [m]",
        "permafrost_table_source",
        "top [m]",
        "base [m]",
    ]
    names += [
        "gravimetric_water [%]",
        "dry_density [g/cm3]",
        "vic [%]",
        "excess_ice [%]",
        "porosity [%]",
        "wedge_ice [%]",
        "ice_type",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.csv"
        path.write_bytes(as_csv(names, rows, False))
        result, error = outcome(
            lambda: read_layer_sites(
                BoreholesConfig(layers=(LayerSource(path=str(path)),)), TargetConfig(), 20.0
            )
        )
    if result is None:
        known = (
            "is above the ground surface",
            "give each hole a name of its own",
            "like fractions",
            "like classes",
            "far outside the rest",
            "half of its values are",
            "is a part of the volume",
            "exchange the columns",
            "every layer of",
            "is a part of all ice",
            "are negative: write how far below the surface",
            "by dry mass, ice and solids fill",
            "is 0 at all of",
            "filled downwards",
            "says that the layer is ice alone",
            "as where one of them is in another unit",
        )
        assert any(part in error for part in known), error
    else:
        require_sound(result)


@many
@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_named_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        with pytest.raises(IcemapError) as caught:
            read_layer_sites(
                BoreholesConfig(layers=(LayerSource(path=str(path)),)), TargetConfig(), 1.0
            )
        assert str(path) in str(caught.value)


@many
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), st.booleans())
def test_sites_with_any_cells(rows: list[tuple[str, str, str]], quote: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sites.csv"
        path.write_bytes(as_csv(["lon", "lat", "vic [%]"], [list(row) for row in rows], quote))
        sites, error = outcome(
            lambda: read_site_values(SitesConfig(table=str(path), value="vic"), TargetConfig())
        )
    if sites is None:
        assert str(path) in error
        return
    used = sites[sites["used"]]
    assert used["value"].between(0, 100).all()
    assert used["lon"].between(-180, 180).all()
    assert used["lat"].between(-90, 90).all()
    assert (sites["used"] == (sites["reason"] == "")).all()


def any_table(names: list[str]) -> st.SearchStrategy[bytes]:
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    return st.lists(row, min_size=1, max_size=5).map(lambda rows: as_csv(names, rows, True))


SITE = [
    "SiteIDYear",
    "Date",
    "Year",
    "LatWGS84",
    "LonWGS84",
    "SoilThawDep_cm",
    "SoilPFrost",
    "WaterStore_m",
    "CarbWat_SumDepth",
]
PHYSICAL = [
    "SiteIDYear",
    "DepthTop_cm",
    "DepthBot_cm",
    "SampleType",
    "FrozenStatus",
    "DensDry_gcm3",
    "Moist_wtpct",
    "MoistCrsFrag_volpct",
    "Ice_volpct",
]
PHYSICAL += ["ExcessIcePct", "DataQualPhys"]
LOG = ["Borehole.ID", "Top.depth", "Bottom.depth", "Material", "Frozen", "Visible.ice"]


@many
@given(any_table(SITE), any_table(PHYSICAL), any_table(LOG), any_table(["lon", "lat", "alt [cm]"]))
def test_the_other_readers_with_any_cells(
    site: bytes, physical: bytes, log: bytes, calm: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (
            ("tbl_Site_2024", site),
            ("tbl_Soil_Physical_2024", physical),
            ("CryostratigraphyBHdata", log),
            ("calm", calm),
        ):
            (Path(folder) / f"{name}.csv").write_bytes(content)
        for read, where in (
            (read_jorgenson2025, folder),
            (read_castagner2022, folder),
            (read_calm, f"{folder}/calm.csv"),
        ):
            result, error = outcome(lambda read=read, where=where: read(where))
            assert result is not None or folder in error
