"""Members that are regressors of scikit-learn, named by their import path. Asking whether all
members are icemap's own imports nothing.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from icemap.bounds import Bounds, closed_around
from icemap.errors import IcemapError
from icemap.recipe import MEMBER_NAMES


def require_member(name: str, width: int = 3, bounds: Bounds = None) -> None:
    """Refuse a name that is neither a member nor a regressor's import path, or one that cannot be
    fitted, before any work is done.

    Parameters
    ----------
    name : str
        Of the member.
    width : int
        Columns of the design.
    bounds : (float or None, float or None), optional
        Of the target, both of which are tried as values.

    Raises
    ------
    IcemapError
        Naming the member and what it says.
    """
    if name in MEMBER_NAMES:
        return
    from sklearn.utils.validation import has_fit_parameter

    model = imported_member(name)
    rng = np.random.default_rng(0)
    # As few rows as an ensemble may have, or more than columns.
    rows = max(60, 3 * width)
    inputs = rng.normal(size=(rows, width))
    target = np.linspace(*(closed_around(bounds, [0.0, 1.0]) or (-1.0, 1.0)), rows)
    options = {"sample_weight": np.ones(rows)} if has_fit_parameter(model, "sample_weight") else {}
    problem = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            predicted = np.asarray(
                model.fit(inputs, target, **options).predict(inputs), dtype=float
            )
        except Exception as error:  # whatever a regressor may say of its input
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        else:
            if predicted.reshape(-1).shape != target.shape or not np.isfinite(predicted).all():
                problem = "its predictions are not one finite number a row"
    if problem:
        raise IcemapError(
            f"The member '{name}' cannot be fitted to {width} predictors and a target from"
            f" {target[0]:g} to {target[-1]:g} ({problem[:200]}): choose another one."
        )


def imported_member(name: str) -> Any:
    """An unfitted regressor of scikit-learn.

    Parameters
    ----------
    name : str
        Its import path.

    Raises
    ------
    IcemapError
        If there is no such regressor.
    """
    problem = (
        f"The member '{name}' is unknown: use {', '.join(MEMBER_NAMES)} or the import path of a"
        " scikit-learn regressor, such as sklearn.linear_model.Ridge."
    )
    module, _, attribute = name.rpartition(".")
    # A config may be somebody else's: only scikit-learn is imported, and only regressors are
    # called.
    if module.partition(".")[0] != "sklearn":
        raise IcemapError(problem)
    from sklearn.base import RegressorMixin

    try:
        kind = getattr(importlib.import_module(module), attribute)
        model = kind() if isinstance(kind, type) and issubclass(kind, RegressorMixin) else None
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise IcemapError(problem) from error
    if model is None:
        raise IcemapError(problem)
    return model
