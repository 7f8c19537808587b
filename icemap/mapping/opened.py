"""A saved ensemble that also maps an xarray.Dataset."""

from __future__ import annotations

from typing import Any

from icemap.ensemble.model import IceEnsemble
from icemap.mapping.lazy import is_dataset, predict_dataset
from icemap.mapping.models import ensemble_url, open_saved


class OpenedEnsemble(IceEnsemble):
    """An ensemble read from a folder or bucket."""

    url_: str

    def predict(self, X: Any) -> Any:
        """Mean over the replicates, shape (n,), for a DataFrame or an array with the predictors;
        for an xarray.Dataset, a lazy Dataset with the variables of a map.
        """
        if is_dataset(X):
            return predict_dataset(X, open_saved(self.url_))
        return super().predict(X)


def open_ensemble(url: str) -> OpenedEnsemble:
    """Load a saved ensemble from a folder or bucket, its own or that of its run."""
    found = ensemble_url(url)
    ensemble = OpenedEnsemble.load(found)
    assert isinstance(ensemble, OpenedEnsemble)
    ensemble.url_ = found
    return ensemble
