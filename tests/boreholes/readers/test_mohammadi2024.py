"""The Permafrost Thaw Settlement Dataset: the reader on small tables of the published form, and on
the published ones.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.readers import READERS
from icemap.boreholes.sites import read_layer_sites
from icemap.config_sections import TargetConfig

EXAMPLE = Path(__file__).parents[3] / "examples/data/thaw_settlement"
PLACES = (
    '"borehole","prim_source","long","lat","site"\n"INU_F1","CEN",-78.107,58.466,"Inukjuak, Québec'
    ' – north"\n"KUU_F3","CEN",-77.6,55.28,"Kuujjuarapik"\n'
)
SAMPLES = """"test_id","borehole","top","bottom","gravimetric_wc_init","frozen_bulk_density_rep","volumetric_wc_calc","excess_water_strain","data_quality_flag"
"a","INU_F1",1.15,1.26,28.86,1809.4,40.5240446996741,-Inf,"0"
"b","INU_F1",1.32,1.44,46.03,1611.2,50.7865068821475,18.32,"2"
"c","KUU_F3",1.37,1.5,30.1,NA,NA,Inf,"1"
"""  # noqa: E501


def folder(tmp_path: Path, places: str = PLACES, samples: str = SAMPLES) -> str:
    (tmp_path / "borehole_location_and_datasource.csv").write_bytes(places.encode("cp1252"))
    (tmp_path / "sample_details_with_derived_parameters.csv").write_bytes(samples.encode("cp1252"))
    return str(tmp_path)


def test_two_tables_are_joined(tmp_path: Path) -> None:
    layers = READERS["mohammadi2024"](folder(tmp_path)).layers
    assert layers[["site", "lon", "lat", "top", "base", "support", "frozen"]].iloc[0].tolist() == [
        "INU_F1",
        -78.107,
        58.466,
        1.15,
        1.26,
        "samples",
        "yes",
    ]
    assert layers["gravimetric_water"].tolist() == pytest.approx([0.2886, 0.4603, 0.301])
    assert layers["frozen_bulk_density"].tolist() == pytest.approx(
        [1.8094, 1.6112, np.nan], nan_ok=True
    )


def test_a_published_water_content_that_does_not_follow_is_flagged(tmp_path: Path) -> None:
    flags = READERS["mohammadi2024"](
        folder(tmp_path, samples=SAMPLES.replace("40.5240446996741", "42"))
    ).flags
    assert flags[["line", "rule"]].to_numpy().tolist() == [[2, "volumetric water"]]


def test_a_borehole_without_a_place_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path, samples=SAMPLES.replace("KUU_F3", "KUU_F4"))
    assert READERS["mohammadi2024"](path).flags["rule"].tolist() == ["site not known"]
    sites = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(reader="mohammadi2024", path=path),)),
        TargetConfig(),
        18.5,
    ).sites
    assert sites.set_index("site").loc["KUU_F4", "reason"] == "no coordinates"


@pytest.mark.parametrize(
    ("places", "samples", "words"),
    [
        (
            PLACES,
            SAMPLES.replace("1.32", "deep"),
            r"sample_details.*1 bad row: top is not a number: 'deep' \(line 3\)",
        ),
        (
            PLACES.replace("KUU_F3", "INU_F1"),
            SAMPLES,
            r"borehole_location.*borehole is there twice: 'INU_F1' \(line 3\)",
        ),
        (
            PLACES.replace("-77.6", "west"),
            SAMPLES,
            r"borehole_location.*long is not a coordinate: 'west' \(line 3\)",
        ),
        (PLACES, SAMPLES.replace("bottom", "base"), r"has no column 'bottom'"),
    ],
)
def test_bad_cells_are_named_by_line(tmp_path: Path, places: str, samples: str, words: str) -> None:
    with pytest.raises(IcemapError, match=words):
        READERS["mohammadi2024"](folder(tmp_path, places, samples))


def test_both_tables_are_needed(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "borehole_location_and_datasource.csv").unlink()
    with pytest.raises(IcemapError, match=r"holds no borehole_location_and_datasource\.csv"):
        READERS["mohammadi2024"](str(tmp_path))


def test_every_published_hole_ends_with_a_value_or_a_reason() -> None:
    """446 samples of 91 boreholes, as they ship with the example."""
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(reader="mohammadi2024", path=str(EXAMPLE)),)),
        TargetConfig(),
        18.5,
    )
    assert (len(table.layers), len(table.sites)) == (446, 91)
    used = table.sites[table.sites["used"]]
    assert len(used) == 88
    assert (table.sites["used"] == (table.sites["reason"] == "")).all()
    assert used["standard_error"].between(5, 20).all()
    # Deep bounds of the permafrost table are the only reason; holes at rounded coordinates are no
    # duplicates.
    unused = table.sites[~table.sites["used"]]
    assert (unused["permafrost_table"] > 5).all()
    assert unused["reason"].str.startswith("frozen ground was only met below 5 m").all()
    samples, bound = table.gains
    assert samples.good == (31, 2)
    assert bound.used == (88, 0)


def test_the_published_water_contents_are_the_ice_contents_to_rounding() -> None:
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(reader="mohammadi2024", path=str(EXAMPLE)),)),
        TargetConfig(),
        18.5,
    )
    published = (
        pd.read_csv(EXAMPLE / "sample_details_with_derived_parameters.csv", encoding="cp1252")[
            "volumetric_wc_calc"
        ]
        / 0.917
    )
    both = table.layers["vic"].notna() & published.notna()
    assert both.sum() == 440
    np.testing.assert_allclose(
        table.layers["vic"][both], published[both].clip(upper=100), rtol=1e-12
    )
    # The one left out would be 104 %, and says so; the five without a density have another way.
    assert published[published.notna() & ~both].round().tolist() == [104.0]
    assert (table.layers.loc[published.isna(), "vic_from"] == "saturated gravimetric water").all()
    assert table.layers["gravimetric_water"].max() == pytest.approx(23.22)
