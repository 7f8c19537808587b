"""The site table as files that people open: Parquet, CSV and GeoPackage."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from icemap.boreholes.pseudo import is_pseudo
from icemap.boreholes.sample_files import geopoints, read_samples, write_sites
from icemap.run_folder import RunFolder
from icemap.store import exists, join, write_bytes, write_text

SITE_FILES = ("sites.parquet", "sites.csv", "sites.gpkg")
# What comes first in a table that is read by people; the rest follows.
FIRST = (
    *("site", "lon", "lat", "value", "standard_error", "grade", "coverage", "used", "reason"),
    "pseudo",
    *("permafrost_table", "permafrost_table_error", "permafrost_table_source", "layers"),
    *("measurement_error", "unsampled_error", "table_error", "position_error"),
)


def write_site_files(run: str, sites: pd.DataFrame) -> None:
    """Write ``sites.parquet``, ``sites.csv`` and ``sites.gpkg``, every site with its value or the
    reason why it is not used.

    Parameters
    ----------
    run : str
        Folder or bucket prefix.
    sites : DataFrame
        The site table. Sites without possible coordinates have no geometry.
    """
    write_sites(RunFolder(run).sites, sites)
    order = [name for name in FIRST if name in sites] + [
        name for name in sites if name not in FIRST
    ]
    plain = sites[order].reset_index(drop=True)
    write_text(
        join(run, "sites.csv"), plain.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    )
    write_bytes(join(run, "sites.gpkg"), _geopackage(plain))


def read_training_sites(run: RunFolder) -> pd.DataFrame:
    """The boreholes that a run was trained on: the used ones of its site table, or of its samples
    where there is none; pseudo-sites are not among them.
    """
    if not exists(run.sites):
        samples = read_samples(run.samples)
        return samples[~is_pseudo(samples)]
    sites = read_samples(run.sites)
    return sites[sites["used"] & ~is_pseudo(sites)]


def _geopackage(sites: pd.DataFrame) -> bytes:
    import pyogrio

    # A column of nothing but missing text has no type of its own.
    texts = sites.select_dtypes(exclude=[np.number, bool]).columns
    table = geopoints(
        sites.assign(
            **{
                name: sites[name].astype(object).where(sites[name].notna(), "").astype(str)
                for name in texts
            }
        )
    )
    with tempfile.TemporaryDirectory(prefix="icemap-") as folder:
        path = Path(folder) / "sites.gpkg"
        pyogrio.write_dataframe(table, path, layer="sites", driver="GPKG", geometry_type="Point")
        return path.read_bytes()
