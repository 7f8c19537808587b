"""A Gaussian process over the predictors, and over predictors and sphere together: what samples
like a place say of it, and those that are also near it.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.linalg import cholesky, solve_triangular
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from icemap.ensemble.target import TargetScale

Array = NDArray[np.float64]

#: Samples from which the lengths of the kernels and the nugget are found: more would say little
#: more of five numbers, and the time grows with the cube.
MAX_FITTED = 400
#: Samples whose kernels carry the process; the time at a place grows with the square.
MAX_POINTS = 400
# Starting values and bounds of what is found. Chords of 0.002 and 2 are 13 km and the diameter of
# the sphere.
VARIANCE = ConstantKernel(0.4, (1e-3, 10.0))
LENGTHS = (0.1, 1e3)
CHORDS = (0.002, 2.0)
# A process without a nugget would take every sample for the truth of its place.
NUGGET = WhiteKernel(0.3, (0.05, 10.0))
# Of a predictor, over the mean of all.
_LEAST_IMPORTANCE = 1e-3
# The variance of a kernel may lose this share to a dependent sample.
_JITTER = 1e-8
_SMALLEST_SPREAD = 1e-3
# Values of the target between which straight lines err by 1e-7 of its range.
_STEPS = 8193
_MEAN_NODES, _MEAN_WEIGHTS = hermegauss(15)


class MaternOn(Matern):
    """Matern kernel of some of the columns, ``first`` to before ``last``."""

    def __init__(
        self,
        length_scale: float = 1.0,
        length_scale_bounds: tuple[float, float] = (1e-5, 1e5),
        nu: float = 1.5,
        first: int = 0,
        last: int = 1,
    ) -> None:
        super().__init__(length_scale, length_scale_bounds, nu)
        self.first, self.last = first, last

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The kernel between the rows, and its gradient where asked for."""
        columns = slice(self.first, self.last)
        X = np.atleast_2d(X)[:, columns]
        other = None if Y is None else np.atleast_2d(Y)[:, columns]
        return super().__call__(X, other, eval_gradient)


class GaussianProcess(NamedTuple):
    """The process as the compiled loops read it: m samples carry it, padded with samples of 0.

    Attributes
    ----------
    columns : (design columns, m) float64
        The design times their ``scales`` and -2.
    column_squares : (m,) float64
        Square of each sample in those units.
    vectors : (3, m) float64, vector_squares : (m,) float64
        The same of unit vectors on the sphere.
    scales : (design columns + 3,) float64
        From the design and unit vectors to sqrt(3) times the distance over the length of a kernel:
        the one over predictors alone, and the one over the sphere.
    ratio : (1,) float64
        Length of the kernel over predictors alone, over that of the one of near samples.
    variances : (3,) float64
        Of the kernel over predictors alone, of that of near samples (0: nobody said where the
        samples are) and of the nugget.
    projection : (m, width) float32
        A kernel's vector times this: in the first columns what is known, whose squares are taken
        off the variance, in column ``m`` the mean.
    ends : (2,) float64
        Lowest and highest value of the target on the transformed scale.
    table : (k,) float64
        The target, in its units, at even steps between them.
    """

    columns: Array
    column_squares: Array
    vectors: Array
    vector_squares: Array
    scales: Array
    ratio: Array
    variances: Array
    projection: NDArray[np.float32]
    ends: Array
    table: Array

    def at(self, design: ArrayLike, vectors: ArrayLike | None = None) -> Kriged:
        """Normal distributions at n places.

        Parameters
        ----------
        design : array_like of shape (n, columns)
            The design of the predictors, see `icemap.ensemble.coding.PredictorCoding.design`.
        vectors : array_like of shape (n, 3), optional
            Unit vectors of the places. Where nobody says where a place is, it is taken for one that
            is far from every sample: the kernel over the sphere says nothing, and its variance
            stays.
        """
        from icemap.ensemble.process_kernels import krige

        inputs = np.ascontiguousarray(design, dtype=np.float32)
        where = np.empty((0, 3)) if vectors is None else np.ascontiguousarray(vectors, np.float64)
        mean, variance = np.empty(len(inputs)), np.empty(len(inputs))
        krige(inputs, where, self, mean, variance)
        spread = np.sqrt(np.maximum(variance + self.variances[2], _SMALLEST_SPREAD**2))
        return Kriged(mean, spread, self.ends, self.table)

    def require_sound(self, columns: int) -> None:
        """Refuse arrays that would lead the compiled loops, which check no index, beyond them.

        Raises
        ------
        ValueError
        """
        from icemap.ensemble.products import LANES32, LANES64

        sites, width = self.projection.shape if self.projection.ndim == 2 else (0, 0)
        shapes = [array.shape for array in self]
        wanted = [
            (columns, sites),
            (sites,),
            (3, sites),
            (sites,),
            (columns + 3,),
            (1,),
            (3,),
            (sites, width),
            (2,),
            (self.table.size,),
        ]
        kinds = [array.dtype for array in self]
        sound = shapes == wanted and kinds.pop(7) == np.float32
        sound = sound and all(kind == np.float64 for kind in kinds)
        sound = sound and sites > 0 and sites % LANES64 == 0 and self.table.size > 1
        sound = sound and bool(self.ends[0] < self.ends[1])
        if not (sound and width % LANES32 == 0 and width > sites):
            raise ValueError("a Gaussian process leads beyond its arrays")


class Kriged(NamedTuple):
    """What a Gaussian process says of n places: normal distributions on a transformed scale.

    Attributes
    ----------
    mean, spread : (n,) float64
        On the scale.
    ends, table : (2,) and (k,) float64
        From the scale to the target's units, as a `GaussianProcess` has them.
    """

    mean: Array
    spread: Array
    ends: Array
    table: Array

    def quantiles(self, levels: ArrayLike) -> Array:
        """Quantiles at levels (k,), (n, k), in units of the target."""
        z = special.ndtri(np.asarray(levels, dtype=np.float64))
        return self._in_units(self.mean[:, None] + self.spread[:, None] * z)

    def target_mean(self) -> Array:
        """Means of the distributions (n,), in units of the target."""
        total = np.zeros(len(self.mean))
        for node, weight in zip(_MEAN_NODES, _MEAN_WEIGHTS / _MEAN_WEIGHTS.sum(), strict=True):
            total += weight * self._in_units(self.mean + self.spread * node)
        return total

    def _in_units(self, z: Array) -> Array:
        from icemap.ensemble.process_kernels import in_units

        values = np.empty(z.size)
        in_units(z.reshape(-1), self.ends, self.table, values)
        return values.reshape(z.shape)


class ProcessKernel(NamedTuple):
    """Two Matern 3/2 kernels: over predictors alone, and over predictors times over the sphere.

    Attributes
    ----------
    importance : (columns,) float64
        Of each column of the design: squares of differences count by it.
    variances : (float, float)
        Of the two kernels; the second is 0 where nobody says where the samples are.
    lengths : (float, float, float)
        Over predictors alone, over predictors of near samples (both in standard deviations) and
        over the sphere (chords in radii of the Earth).
    nugget : float
        Its variance.
    """

    importance: Array
    variances: tuple[float, float]
    lengths: tuple[float, float, float]
    nugget: float

    def __call__(self, left: Array, right: Array) -> Array:
        """Between inputs (n, columns + 3) and (m, columns + 3), without the nugget, (n, m)."""
        alone, like, near = self.lengths
        counted = np.sqrt(self.importance)
        unlike = cdist(left[:, :-3] * counted, right[:, :-3] * counted)
        total = self.variances[0] * _matern(unlike / alone)
        if self.variances[1] > 0:
            away = cdist(left[:, -3:], right[:, -3:])
            total += self.variances[1] * _matern(unlike / like) * _matern(away / near)
        return total


def _matern(distance: Array) -> Array:
    r = np.sqrt(3) * distance
    return np.asarray((1 + r) * np.exp(-r))


class ProcessSamples(NamedTuple):
    """What a process is fitted to.

    Attributes
    ----------
    inputs : (n, columns + 3) float64
        The design, and unit vectors, which are 0 where nobody says where the samples are.
    z, noise : (n,) float64
        Target on the transformed scale, and the variance of its error there.
    scale : TargetScale
    placed : bool
        Whether the unit vectors say where the samples are.
    """

    inputs: Array
    z: Array
    noise: Array
    scale: TargetScale
    placed: bool

    @classmethod
    def of(
        cls,
        design: Array,
        vectors: Array | None,
        y: Array,
        error: Array | None,
        bounds: tuple[float, float] | None,
    ) -> ProcessSamples:
        """Of samples in the target's units.

        Parameters
        ----------
        design : ndarray of shape (n, columns)
            The design of the predictors.
        vectors : ndarray of shape (n, 3) or None
            Unit vectors; None where nobody says where the samples are.
        y : ndarray of shape (n,)
        error : ndarray of shape (n,) or None
            Standard errors; the distributions are then of the truth at a place.
        bounds : (float, float) or None
            Of the target.
        """
        scale = TargetScale.fit(y, bounds)
        noise = np.zeros(len(y)) if error is None else (error * _slope(scale, y)) ** 2
        where = np.zeros((len(y), 3)) if vectors is None else vectors
        inputs = np.hstack([design, where])
        return cls(inputs, scale.transform(y), noise, scale, vectors is not None)


def find_kernel(samples: ProcessSamples, importance: Array, seed: int) -> ProcessKernel:
    """The kernels of greatest likelihood, and a nugget.

    They are found from 400 samples, drawn with the seed, where there are more.

    Parameters
    ----------
    samples : ProcessSamples
    importance : ndarray of shape (columns,)
        Of each column of the design, see `icemap.ensemble.predictor_weights.predictor_weights`.
    seed : int
    """
    found = some_of(len(samples.z), MAX_FITTED, np.random.default_rng(seed))
    inputs, z, noise = (part[found].copy() for part in samples[:3])
    counted = np.maximum(importance / importance.mean(), _LEAST_IMPORTANCE)
    inputs[:, :-3] *= np.sqrt(counted)
    columns = inputs.shape[1] - 3
    over_predictors = MaternOn(float(np.sqrt(columns)), LENGTHS, first=0, last=columns)
    kernel = VARIANCE * over_predictors
    if samples.placed:
        # From lengths of 200 km the greatest likelihood is found where from longer ones another
        # peak may be.
        over_sphere = MaternOn(0.03, CHORDS, first=columns, last=columns + 3)
        kernel += VARIANCE * over_predictors * over_sphere
    kernel = fitted(kernel + NUGGET, inputs, z, noise, seed)
    signal, nugget = kernel.k1, float(kernel.k2.noise_level)
    if not samples.placed:
        variance, length = float(signal.k1.constant_value), float(signal.k2.length_scale)
        return ProcessKernel(counted, (variance, 0.0), (length, length, 1.0), nugget)
    alone, near = signal.k1, signal.k2
    variances = float(alone.k1.constant_value), float(near.k1.k1.constant_value)
    over = alone.k2, near.k1.k2, near.k2
    far, like, close = (float(part.length_scale) for part in over)
    return ProcessKernel(counted, variances, (far, like, close), nugget)


def fitted(kernel: Kernel, inputs: Array, z: Array, noise: Array, seed: int) -> Kernel:
    """A kernel with the parameters of greatest likelihood.

    Parameters
    ----------
    kernel : Kernel
    inputs : ndarray of shape (n, columns + 3)
        Predictors, and unit vectors.
    z : ndarray of shape (n,)
        Target on the transformed scale.
    noise : ndarray of shape (n,)
        Known variances of the samples' errors.
    seed : int
    """
    with warnings.catch_warnings():
        # A scale at its limit says that this kernel is not needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel, alpha=noise + 1e-10, random_state=seed)
        return process.fit(inputs, z).kernel_


def condition(samples: ProcessSamples, kernel: ProcessKernel) -> GaussianProcess:
    """The process given the samples: exact where all of them carry it.

    Parameters
    ----------
    samples : ProcessSamples
    kernel : ProcessKernel

    Notes
    -----
    Where there are more than 400 samples, 400 of them carry the process (fully independent training
    conditional, Snelson & Ghahramani 2006, Advances in Neural Information Processing Systems 18);
    they are those that a pivoted Cholesky decomposition takes first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(150, 1))
    >>> y = 40 + 10 * x[:, 0] + rng.normal(size=150)
    >>> samples = ProcessSamples.of(x, None, y, None, (0.0, 100.0))
    >>> found = condition(samples, find_kernel(samples, np.ones(1), 0)).at([[0.0]])
    >>> bool(abs(found.target_mean()[0] - 40) < 1)
    True
    """
    from icemap.ensemble.products import LANES32, LANES64

    inputs, z, scale = samples.inputs, samples.z, samples.scale
    alone, like, near = kernel.lengths
    variances = np.array(kernel.variances)
    scales = np.sqrt(3) * np.append(np.sqrt(kernel.importance) / alone, np.full(3, 1 / near))
    carrying = _carrying(kernel, inputs)
    K = kernel(inputs[carrying], inputs[carrying])
    K[np.diag_indices_from(K)] += _JITTER * variances.sum()
    lower = cholesky(K, lower=True)
    V = solve_triangular(lower, kernel(inputs[carrying], inputs), lower=True)
    unexplained = np.maximum(variances.sum() - (V**2).sum(axis=0), 0.0)
    weighted = V / (unexplained + kernel.nugget + samples.noise)
    B = weighted @ V.T
    values, directions = np.linalg.eigh((B + B.T) / 2)
    values = np.maximum(values, 0.0)
    # (1 + B)^-1 takes the noise of the samples off what they say.
    known = (directions * np.sqrt(values / (1 + values))).T
    upper = np.linalg.qr(solve_triangular(lower, known.T, lower=True, trans="T").T)[1]
    mean = solve_triangular(
        lower, directions @ ((directions.T @ (weighted @ z)) / (1 + values)), lower=True, trans="T"
    )
    m = len(carrying)
    sites = -(-m // LANES64) * LANES64
    projection = np.zeros((sites, -(-(sites + 1) // LANES32) * LANES32), np.float32)
    projection[:m, :m], projection[:m, sites] = upper.T, mean
    columns, vectors = (np.zeros((width, sites)) for width in (inputs.shape[1] - 3, 3))
    columns[:, :m] = (scales[:-3] * inputs[carrying, :-3]).T
    vectors[:, :m] = (scales[-3:] * inputs[carrying, -3:]).T
    return GaussianProcess(
        -2 * columns,
        (columns**2).sum(axis=0),
        -2 * vectors,
        (vectors**2).sum(axis=0),
        scales,
        np.array([alone / like]),
        np.append(variances, kernel.nugget),
        projection,
        np.array(scale.limits),
        scale.inverse(np.linspace(*scale.limits, _STEPS)),
    )


def _carrying(kernel: ProcessKernel, inputs: Array) -> NDArray[np.int64]:
    """The samples that carry the process: each next one is that whose value the ones before leave
    the least certain.
    """
    if len(inputs) <= MAX_POINTS:
        return np.arange(len(inputs))
    left = np.full(len(inputs), sum(kernel.variances))
    rows, taken = np.zeros((MAX_POINTS, len(inputs))), []
    for k in range(MAX_POINTS):
        best = int(np.argmax(left))
        taken.append(best)
        row = kernel(inputs[[best]], inputs)[0] - rows[:k, best] @ rows[:k]
        rows[k] = row / np.sqrt(max(left[best], 1e-12))
        left = np.maximum(left - rows[k] ** 2, 0.0)
        left[taken] = -1.0
    return np.sort(np.array(taken))


def _slope(scale: TargetScale, y: Array) -> Array:
    """How much the transformed target moves with the target."""
    power = np.where(y >= 0, scale.power - 1.0, 1.0 - scale.power)
    return np.asarray((np.abs(y) + 1.0) ** power / scale.spread)


def some_of(count: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a table of so many, at most so many of them, drawn without replacement, rising."""
    return np.arange(count) if count <= most else np.sort(rng.permutation(count)[:most])
