"""The map has the same digits on every processor, with any number of BLAS threads, and wherever a
pixel is in a batch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numba.core.registry import cpu_target
from numpy._core._multiarray_umath import __cpu_dispatch__

from icemap import IceEnsemble
from icemap.mapping.compiled_file import ensure_compiled
from icemap.store import write_json
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration

PIXELS = 1500

# In a process of its own, because libraries choose their code for a processor when they are loaded.
MAP = """
import sys
import numpy as np
from icemap.mapping.chunk import map_pixels
from icemap.mapping.broadcast import ensemble_digest, get_predictor
from icemap.mapping.sums import chunk_sums
from icemap.sphere import unit_vectors
folder, out = sys.argv[1:]
loaded = get_predictor(folder, ensemble_digest(folder))
X = np.load(folder + "/pixels.npy")
made = {}
for name, rows in {"forward": np.arange(len(X)), "backward": np.arange(len(X))[::-1], "alone": np.array([7])}.items():
    where = unit_vectors(60 + 0.01 * rows, 70 - 0.003 * rows)
    result = map_pixels(loaded.compiled, loaded.applicability, loaded.calibration, X[rows], where)
    made |= {f"{name}.{field}": getattr(result, field) for field in result.__dataclass_fields__}
one = np.ones((1, len(X)))
means = made["forward.replicate_means"][:, None, :]
sums = chunk_sums(np.linspace(1, 2, len(X))[None], one, means, one, one, {"half": X[None, :, 0] < -12})
made["sums"] = np.array([part.integral for part in sums.values()])
np.savez(out, **made)
"""  # noqa: E501

# What Numba, OpenBLAS, NumPy and the C library would choose there.
WITHOUT_FMA = {
    "NUMBA_CPU_NAME": "x86-64-v2",
    "NUMBA_CPU_FEATURES": "+sse4.2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    "OPENBLAS_NUM_THREADS": "2",
}
WITH_AVX2 = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": " ".join(
        name for name in __cpu_dispatch__ if "V4" in name or "512" in name
    ),
}
WITH_AVX512 = {
    "NUMBA_CPU_NAME": "x86-64-v4",
    "NUMBA_CPU_FEATURES": "+avx512f,+avx512vl,+avx512dq,+avx512bw,+fma",
    "OPENBLAS_CORETYPE": "SkylakeX",
}
HERE = cpu_target.target_context.codegen().magic_tuple()[2]
PROCESSORS: dict[str, dict[str, str]] = {"this": {}, "SSE": WITHOUT_FMA}
if "+avx2" in HERE:
    PROCESSORS["AVX2"] = WITH_AVX2
if "+avx512vl" in HERE:
    PROCESSORS["AVX-512"] = WITH_AVX512


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An ensemble with a kernel for each member, its calibration and pixels to map."""
    rng = np.random.default_rng(0)
    n = 120
    table = pd.DataFrame(
        {
            "maat": rng.uniform(-20, -5, n),
            "slope": rng.gamma(1, 5, n),
            "rock": rng.choice([2, 7], n),
        }
    )
    table["lon"], table["lat"] = rng.uniform(100, 140, n), rng.uniform(60, 80, n)
    table["value"] = (
        20 - 2 * table.maat - table.slope + 10 * (table.rock == 7) + 4 * rng.normal(size=n)
    ).clip(0, 100)
    ensemble = IceEnsemble(
        classes=["rock"],
        replicates=2,
        folds=3,
        candidates=0,
        prior_strength=50.0,
        climatology=0,
        position=False,
        seed=1,
    ).fit(table)
    url = str(tmp_path_factory.mktemp("processors") / "ensemble")
    ensemble.save(url)
    ensure_compiled(url, table)
    calibration = Calibration((0.03, 0.96))
    write_json(f"{url}/calibration.json", calibration.to_dict())
    design = ensemble.coding_.design(ensemble.table(table).X)
    write_json(f"{url}/applicability.json", Applicability.fit(design).to_dict())
    X = [rng.uniform(-25, 0, PIXELS), rng.gamma(1, 8, PIXELS), rng.choice([2, 7, 11], PIXELS)]
    np.save(f"{url}/pixels.npy", np.column_stack(X))
    return url


@pytest.fixture(scope="module")
def made_by(folder, tmp_path_factory):
    """The map as made by a processor, once."""
    where = tmp_path_factory.mktemp("maps")

    @cache
    def made_by(name: str) -> dict[str, np.ndarray]:
        out = where / f"{name}.npz"
        done = subprocess.run(
            [sys.executable, "-c", MAP, folder, str(out)],
            env={**os.environ, **PROCESSORS[name]},
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return dict(np.load(out))

    return made_by


# Each compiles every kernel for itself; SSE is farthest from a processor that has AVX.
EACH = [
    name if name in ("this", "SSE") else pytest.param(name, marks=pytest.mark.slow)
    for name in PROCESSORS
]


@pytest.mark.parametrize("processor", EACH[1:])
def test_the_map_has_the_same_digits_as_here(made_by, processor):
    here = made_by("this")
    for name, values in made_by(processor).items():
        # The levels of the interval come from libraries' logarithms, which may differ in the last
        # of sixteen digits.
        tolerance = 1e-10 if "lower" in name or "upper" in name else 0
        np.testing.assert_allclose(values, here[name], rtol=0, atol=tolerance, err_msg=name)
        stored = values.astype(np.float32) == here[name].astype(np.float32)
        assert stored.all(), f"{name}: {(~stored).sum()} of {stored.size} stored values differ"


@pytest.mark.parametrize("processor", EACH)
def test_a_pixel_has_the_same_digits_anywhere_in_a_batch(made_by, processor):
    made = made_by(processor)
    for name in made:
        if name.startswith("forward."):
            field = name.removeprefix("forward.")
            assert np.array_equal(made[name], made[f"backward.{field}"][..., ::-1]), field
            assert np.array_equal(made[name][..., [7]], made[f"alone.{field}"]), field
