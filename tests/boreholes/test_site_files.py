from pathlib import Path

import geopandas
import pandas as pd

from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.sample_files import read_samples
from icemap.boreholes.site_files import SITE_FILES, write_site_files
from icemap.boreholes.sites import read_layer_sites
from icemap.config_sections import TargetConfig

ROWS = """site,lon,lat,permafrost_table [m],top [m],base [m],vic [%],visible_ice [%],source
"A, first",20.5,68.5,0.5,0,6,20,,x
B,-150.5,70.5,0.6,0,4,,30,x
C,,,0.6,0,6,55,,x
"""


def test_every_site_is_in_every_file_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "layers.csv").write_text(ROWS)
    sites = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(tmp_path / "layers.csv")),)),
        TargetConfig(),
        1.0,
    ).sites
    write_site_files(str(tmp_path / "run"), sites)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(SITE_FILES)
    reasons = ["", "visible ice alone is not VIC: the VIC between is missing", "no coordinates"]
    text = pd.read_csv(tmp_path / "run/sites.csv", keep_default_na=False)
    assert text["site"].tolist() == ["A, first", "B", "C"]
    assert text["reason"].tolist() == reasons
    assert text.columns[:9].tolist() == [
        "site",
        "lon",
        "lat",
        "value",
        "standard_error",
        "grade",
        "coverage",
        "used",
        "reason",
    ]
    places = geopandas.read_file(tmp_path / "run/sites.gpkg")
    assert places.crs.to_epsg() == 4326
    assert places["reason"].fillna("").tolist() == reasons
    assert places.geometry.isna().tolist() == [False, False, True]
    assert (places.geometry[0].x, places.geometry[0].y) == (20.5, 68.5)
    assert read_samples(str(tmp_path / "run/sites.parquet"))["reason"].tolist() == reasons
    for name in ("value", "standard_error", "unsampled_error", "permafrost_table_error"):
        assert float(text.loc[0, name]) == float(f"{sites[name][0]:.6g}")
        assert places[name][0] == float(f"{sites[name][0]}")
