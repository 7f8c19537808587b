"""icemap: calibrated maps of ground ice from borehole logs and rasters.

The public names are loaded when first used, so that ``import icemap`` stays light.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PUBLIC = {
    "Grid": "icemap.grid",
    "IcemapError": "icemap.errors",
    "Copula": "icemap.ensemble.copulas",
    "CopulaBMA": "icemap.ensemble.bma",
    "GaussianBMA": "icemap.ensemble.bma",
    "em_weights": "icemap.ensemble.bma",
    "IceEnsemble": "icemap.ensemble.model",
    "IceRegressor": "icemap.mapping.regressor",
    "dissimilarity_index": "icemap.verification.applicability",
    "applicability_threshold": "icemap.verification.applicability",
    "open_map": "icemap.mapping.map_schema",
    "open_cube": "icemap.predictors.cube",
    "open_ensemble": "icemap.mapping.opened_ensemble",
    "build_cube": "icemap.predictors.session",
    "read_boreholes": "icemap.boreholes.session",
    "sample": "icemap.boreholes.session",
    "query": "icemap.products.query",
    # A package that can be called.
    "totals": "icemap.totals",
    "ice_storage": "icemap.totals.ice_storage",
    "compare": "icemap.products.comparison",
    "site_vic": "icemap.boreholes.site_vic",
    "run": "icemap.pipeline.chain",
}

_DATASETS = {"open_map", "open_cube", "build_cube", "sample", "query", "totals"}

__all__ = sorted(_PUBLIC)

try:
    __version__ = version("icemap")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'icemap' has no attribute '{name}'")
    module = importlib.import_module(_PUBLIC[name])
    if name in _DATASETS:
        # What they give, or take, has ``ds.icemap`` from here on.
        importlib.import_module("icemap.products.accessor")
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


if "xarray" in sys.modules:
    importlib.import_module("icemap.products.accessor")
