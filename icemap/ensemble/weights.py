"""Mixture weights by expectation-maximization, with a Dirichlet prior, and how well the data
determine them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.checks import check_weights, require_rows

Array = NDArray[np.float64]


def _check_likelihood(likelihood: ArrayLike, log: bool) -> Array:
    require_rows(likelihood=likelihood)
    values = np.asarray(likelihood, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"The likelihood has shape {values.shape}; give a table of rows x members."
        )
    bad = np.isnan(values) | (values == np.inf) | (not log and values < 0)
    if bad.any():
        row, member = np.argwhere(bad)[0]
        raise ValueError(
            f"The likelihood of member {member} in row {row} is {values[row, member]}; it must be a"
            f" {'number' if log else 'finite number >= 0'}."
        )
    if not log:
        values = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    return np.maximum(values, -1e300)


def responsibilities(log_likelihood: Array, weights: Array) -> tuple[Array, Array]:
    """Share of each member in each row, (n, members), and the log-likelihood of each row, (n,); in
    log space throughout.
    """
    with np.errstate(divide="ignore"):
        joint = log_likelihood + np.log(weights)
    top = joint.max(axis=1, keepdims=True)
    shares = np.exp(joint - top)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, (top + np.log(total))[:, 0]


def em_weights(
    likelihood: ArrayLike,
    start: ArrayLike | None = None,
    tol: float = 1e-10,
    *,
    log: bool = False,
    sample_weight: ArrayLike | None = None,
    prior_strength: float = 0.0,
    prior_weights: ArrayLike | None = None,
    max_iterations: int = 10_000,
) -> tuple[Array, Array]:
    """Weights of a mixture with fixed components, by expectation-maximization (Raftery et al. 2005,
    doi:10.1175/MWR2906.1).

    Parameters
    ----------
    likelihood : (n, members) array
        Density of each row under each member; the logarithms of it with ``log=True``. Work is in
        log space, and a density of zero counts as the smallest positive number, so a row far from
        every member cannot stop the fit.
    start : (members,) array, optional
        Where to begin; equal weights when not given. The likelihood is concave in the weights, so
        it decides only how long it takes.
    tol : float
        Stop when no weight moves by more than this.
    sample_weight : (n,) array, optional
        Weights of the rows, >= 0.
    prior_strength : float
        Rows' worth of belief in ``prior_weights``: a Dirichlet prior with parameters 1 +
        prior_strength x prior_weights, whose mode is found. 0 is plain maximum likelihood, ``inf``
        gives the prior weights.
    prior_weights : (members,) array, optional
        Numbers >= 0 that add up to one; equal weights when not given.
    max_iterations : int
        Upper limit.

    Returns
    -------
    weights : (members,) array
        They add up to one.
    log_likelihoods : (iterations,) array
        The objective after each iteration (log-likelihood, plus the prior's logarithm where there
        is one): it never falls.

    Raises
    ------
    ValueError
        For negative or missing likelihoods, or weights that do not fit.

    Examples
    --------
    Three rows that only the first member can explain and one that only the second can:

    >>> weights, log_likelihoods = em_weights([[1, 0], [2, 0], [1, 0], [0, 3]])
    >>> weights.round(6).tolist()
    [0.75, 0.25]
    >>> em_weights([[1, 0], [2, 0], [1, 0], [0, 3]], prior_strength=float("inf"))[0].tolist()
    [0.5, 0.5]
    """
    logs = _check_likelihood(likelihood, log)
    n, members = logs.shape
    require_rows(sample_weight=sample_weight)
    rows = check_weights(sample_weight, n)
    if not prior_strength >= 0:
        raise ValueError(
            f"prior_strength is {prior_strength}; it must be a number >= 0 (0: plain EM, inf: the"
            " prior weights)."
        )
    believed = (
        np.full(members, 1.0 / members)
        if prior_weights is None
        else np.asarray(prior_weights, dtype=np.float64)
    )
    if (
        believed.shape != (members,)
        or not np.all(believed >= 0)
        or not np.isclose(believed.sum(), 1.0)
    ):
        raise ValueError(
            f"prior_weights are {believed.tolist()}; give {members} numbers >= 0, one per member,"
            " that add up to one."
        )
    if np.isinf(prior_strength):
        return believed, np.array([float(rows @ responsibilities(logs, believed)[1])])
    weights = (
        np.full(members, 1.0 / members) if start is None else np.asarray(start, dtype=np.float64)
    )
    if weights.shape != (members,) or not np.all(weights >= 0) or not weights.sum() > 0:
        raise ValueError(f"start must hold {members} weights >= 0, one per member.")
    weights = np.maximum(weights / weights.sum(), 1e-10)  # EM cannot leave a weight of zero
    weights = weights / weights.sum()
    top = logs.max(axis=1)
    scaled = np.exp(logs - top[:, None])
    constant, total_rows, pseudo = float(rows @ top), rows.sum(), prior_strength * believed
    path = []
    for _ in range(max_iterations):
        density = scaled @ weights
        updated = (weights * ((rows / density) @ scaled) + pseudo) / (total_rows + prior_strength)
        moved = np.abs(updated - weights).max()
        weights = updated / updated.sum()
        path.append(_objective(scaled, constant, rows, weights, pseudo))
        if moved <= tol:
            break
    return weights, np.array(path)


def _objective(scaled: Array, constant: float, rows: Array, weights: Array, pseudo: Array) -> float:
    least = np.finfo(np.float64).tiny
    return (
        constant
        + float(rows @ np.log(np.maximum(scaled @ weights, least)))
        + float(pseudo @ np.log(np.maximum(weights, least)))
    )
