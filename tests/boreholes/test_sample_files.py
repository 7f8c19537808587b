from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from icemap import IcemapError
from icemap.boreholes.sample_files import read_samples, write_samples, write_sites

SAMPLES = pd.DataFrame(
    {"sample": ["s1", "s2"], "lon": [10.5, -50.0], "lat": [60.5, 70.0], "value": [12.5, np.nan]}
)


def test_geoparquet_is_what_was_written_and_opens_elsewhere(tmp_path: Path) -> None:
    url = str(tmp_path / "run" / "samples.parquet")
    write_samples(url, SAMPLES)
    pd.testing.assert_frame_equal(read_samples(url), SAMPLES)
    frame = geopandas.read_parquet(url)
    assert frame.crs.to_epsg() == 4326
    assert frame.geometry.x.tolist() == [10.5, -50.0]
    assert frame.geometry.y.tolist() == [60.5, 70.0]
    metadata = pyarrow.parquet.read_schema(url).metadata[b"geo"].decode()
    assert '"primary_column": "geometry"' in metadata
    assert '"encoding": "WKB"' in metadata


def test_sites_without_possible_coordinates_have_no_geometry(tmp_path: Path) -> None:
    lon, lat = [180.0, -180.0, 180.5, -181.0, 0.0, np.nan], [90.0, -90.0, 0.0, 0.0, -143.0, 60.0]
    sites = pd.DataFrame({"lon": lon, "lat": lat, "reason": ["", "", "a", "b", "c", "d"]})
    write_sites(str(tmp_path / "sites.parquet"), sites)
    back = geopandas.read_parquet(tmp_path / "sites.parquet")
    assert back.geometry.isna().tolist() == [False, False, True, True, True, True]
    pd.testing.assert_frame_equal(read_samples(str(tmp_path / "sites.parquet")), sites)


def test_samples_in_a_bucket(s3_url: str) -> None:
    write_samples(f"{s3_url}/samples.parquet", SAMPLES)
    pd.testing.assert_frame_equal(read_samples(f"{s3_url}/samples.parquet"), SAMPLES)


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "samples.parquet").write_bytes(b"half")
    with pytest.raises(IcemapError, match="not a readable Parquet"):
        read_samples(str(tmp_path / "samples.parquet"))
