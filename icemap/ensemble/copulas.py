"""Bivariate copulas between the target and one member: evaluation by closed form, fit and choice,
mostly with pyvinecopulib.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.checks import require_rows
from icemap.ensemble.copula_formulas import FAMILIES, Array
from icemap.ensemble.student_fit import fit_student

_MIN_PROBABILITY = np.finfo(np.float64).tiny
_MAX_PROBABILITY = 1.0 - np.finfo(np.float64).epsneg
_ROUNDING = 1e-9
_PYVINECOPULIB_NAMES = {"independence": "indep"}

# : (family, rotation) pairs that can carry positive dependence: what a skilful member can have with
# the target.
CANDIDATES: tuple[tuple[str, int], ...] = (
    ("gaussian", 0),
    ("student", 0),
    ("clayton", 0),
    ("clayton", 180),
    ("gumbel", 0),
    ("gumbel", 180),
    ("frank", 0),
    ("joe", 0),
    ("joe", 180),
)


@dataclass(frozen=True)
class Copula:
    """One bivariate copula C(u, v); u is the target's margin, v the member's.

    Parameters
    ----------
    family : str
        ``independence``, ``gaussian`` (rho), ``student`` (rho, nu), ``clayton``, ``gumbel``,
        ``frank`` or ``joe`` (theta).
    parameters : sequence of float
        In the order given in brackets above; a single number may stand for a sequence of one.
    rotation : int
        Degrees, counter-clockwise: 180 is the survival copula, with density c(1-u, 1-v); 90 has
        c(1-u, v) and 270 has c(u, 1-v), both with negative dependence. Only ``clayton``, ``gumbel``
        and ``joe`` rotate; the others are their own survival copulas.

    Raises
    ------
    ValueError
        For an unknown family or rotation, a wrong number of parameters, or a parameter outside its
        range.

    Notes
    -----
    Closed forms: Joe (2014, doi:10.1201/b17116); h-functions: Aas et al. (2009,
    doi:10.1016/j.insmatheco.2007.02.001).

    Examples
    --------
    >>> copula = Copula("clayton", [2.0])
    >>> copula.tau
    0.5
    >>> round(float(copula.h(0.3, 0.6)), 6)
    0.100051
    >>> round(float(copula.h_inverse(0.100051, 0.6)), 6)
    0.3
    """

    family: str
    parameters: Sequence[float] = ()
    rotation: int = 0
    _clip: tuple[float, float] = field(
        default=(_MIN_PROBABILITY, _MAX_PROBABILITY), init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(
                f"Copula family '{self.family}' is not known; choose one of {', '.join(FAMILIES)}."
            )
        parameters = tuple(
            float(p) for p in np.atleast_1d(np.asarray(self.parameters, dtype=float)).ravel()
        )
        object.__setattr__(self, "parameters", parameters)
        family = FAMILIES[self.family]
        if len(parameters) != len(family.names):
            raise ValueError(
                f"Copula family '{self.family}' takes {len(family.names)} parameters"
                f" ({', '.join(family.names) or 'none'}), not {len(parameters)}."
            )
        for name, value, (low, high) in zip(family.names, parameters, family.ranges):
            if not low <= value <= high:
                raise ValueError(
                    f"Copula parameter {name} of family '{self.family}' is {value:g}; it must lie"
                    f" between {low:g} and {high:g}."
                )
        if self.family == "frank" and parameters[0] == 0:
            raise ValueError(
                "Copula parameter theta of family 'frank' is 0; use family 'independence' instead."
            )
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"Copula rotation {self.rotation} is not one of 0, 90, 180, 270.")
        if self.rotation and not family.rotates:
            raise ValueError(
                f"Copula family '{self.family}' is symmetric: give rotation=0 (and a negative"
                " parameter for negative dependence)."
            )

    def _base(self, u: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
        """The arguments, turned back to the unrotated copula and kept off the edges."""
        require_rows(u=u, v=v)
        uu, vv = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
        for values in (uu, vv):
            # A rounding error beyond an end is on it.
            outside = (values < -_ROUNDING) | (values > 1 + _ROUNDING)
            if outside.any():
                raise ValueError(
                    f"{values[outside].flat[0]:g} is no probability: give numbers from 0 to 1, not"
                    " in % or in the unit of the target."
                )
        if self.rotation in (90, 180):
            uu = 1.0 - uu
        if self.rotation in (180, 270):
            vv = 1.0 - vv
        return np.clip(uu, *self._clip), np.clip(vv, *self._clip)

    def logpdf(self, u: ArrayLike, v: ArrayLike) -> Array:
        """Logarithm of the copula density, shape of the broadcast of u and v."""
        with np.errstate(all="ignore"):
            return FAMILIES[self.family].logpdf(*self._base(u, v), *self.parameters)

    def pdf(self, u: ArrayLike, v: ArrayLike) -> Array:
        """Copula density c(u, v), shape of the broadcast of u and v."""
        with np.errstate(over="ignore"):
            return np.exp(self.logpdf(u, v))

    def h(self, u: ArrayLike, v: ArrayLike) -> Array:
        """P(U <= u | V = v), exactly 0 at u = 0 and 1 at u = 1; shape of the broadcast of u and
        v.
        """
        with np.errstate(all="ignore"):
            value = np.clip(FAMILIES[self.family].h(*self._base(u, v), *self.parameters), 0.0, 1.0)
        if self.rotation in (90, 180):
            value = 1.0 - value
        u = np.asarray(u, dtype=np.float64)
        return np.where(u <= 0, 0.0, np.where(u >= 1, 1.0, value))

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Array:
        """The u with h(u | v) = p; shape of the broadcast of p and v."""
        base = self._base(p, v)
        p = np.asarray(p, dtype=np.float64)
        with np.errstate(all="ignore"):
            value = np.clip(FAMILIES[self.family].h_inverse(*base, *self.parameters), 0.0, 1.0)
        if self.rotation in (90, 180):
            value = 1.0 - value
        return np.where(p <= 0, 0.0, np.where(p >= 1, 1.0, value))

    @property
    def tau(self) -> float:
        """Kendall's rank correlation of the copula."""
        tau = FAMILIES[self.family].tau(*self.parameters)
        return -tau if self.rotation in (90, 270) else tau

    def to_dict(self) -> dict[str, object]:
        """A JSON-able description from which :meth:`from_dict` makes an equal copula."""
        return {
            "family": self.family,
            "parameters": list(self.parameters),
            "rotation": self.rotation,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Copula:
        """The copula that :meth:`to_dict` described."""
        return cls(described["family"], described["parameters"], described["rotation"])


def fit_parameters(
    family: str, rotation: int, u: Array, v: Array, weights: Array | None = None
) -> Copula:
    """Maximum-likelihood parameters of one family, rows weighted: by pyvinecopulib, but for the
    Student copula, which `icemap.ensemble.student_fit` fits.

    Parameters
    ----------
    family, rotation
        As in :class:`Copula`.
    u, v : (n,) arrays
        Pseudo-observations of the target and of the member, inside (0, 1).
    weights : (n,) array, optional
        Non-negative weights of the rows.
    """
    if family == "independence":
        return Copula(family)
    if family == "student":
        # By itself nearly all the time that pyvinecopulib takes for all families.
        return Copula(family, fit_student(u, v, weights))
    import pyvinecopulib as pv

    controls = pv.FitControlsBicop(
        num_threads=1,
        weights=np.empty(0) if weights is None else np.ascontiguousarray(weights, dtype=np.float64),
    )
    bicop = pv.Bicop(getattr(pv.BicopFamily, _PYVINECOPULIB_NAMES.get(family, family)), rotation)
    bicop.fit(np.asfortranarray(np.column_stack([u, v])), controls)
    values = np.asarray(bicop.parameters, dtype=np.float64).ravel()
    ranges = FAMILIES[family].ranges
    return Copula(
        family,
        [float(np.clip(value, low, high)) for value, (low, high) in zip(values, ranges)],
        rotation,
    )


def kendall_tau(x: Array, y: Array, weights: Array | None = None) -> float:
    """Kendall's rank correlation, rows weighted.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    weights : ndarray of shape (n,), optional
        Equal when left out.
    """
    from pyvinecopulib.utils import wdm

    weights = np.empty(0) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    return float(wdm(np.ascontiguousarray(x), np.ascontiguousarray(y), "kendall", weights))


def fit_copula(
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    name: str = "member",
) -> Copula:
    """Fit every candidate family to pseudo-observations and keep the best by AIC; independence
    takes part, and wins where Kendall's tau is not positive.

    Parameters
    ----------
    u, v : (n,) arrays
        Pseudo-observations of the target and of the member, inside (0, 1).
    weights : (n,) array, optional
        Row weights.
    name : str
        The member's name, for the warning.

    Returns
    -------
    Copula

    Warns
    -----
    UserWarning
        When no candidate can be fitted: independence is used for that member.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> v, p = rng.random(800), rng.random(800)
    >>> best = fit_copula(Copula("gumbel", [2.0]).h_inverse(p, v), v)
    >>> best.family, best.rotation
    ('gumbel', 0)
    """
    w = np.ones(len(u)) if weights is None else weights
    best, best_value, failures = Copula("independence"), 0.0, []
    tau = kendall_tau(u, v, weights)
    if tau <= 0:
        return best
    for family, rotation in CANDIDATES:
        try:
            copula = fit_parameters(family, rotation, u, v, weights)
            value = -2.0 * float(w @ copula.logpdf(u, v)) + 2.0 * len(copula.parameters)
        except (RuntimeError, ValueError) as error:
            failures.append(f"{family}: {error}")
            continue
        if not np.isfinite(value):
            failures.append(f"{family}: its likelihood is not finite")
        elif value < best_value:
            best, best_value = copula, value
    if len(failures) == len(CANDIDATES):
        warnings.warn(
            f"No copula could be fitted to {name} ({failures[0]}); it is treated as independent of"
            " the target.",
            UserWarning,
            stacklevel=2,
        )
    return best
