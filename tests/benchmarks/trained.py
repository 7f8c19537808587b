"""An ensemble of the real make for the benchmarks of the map, trained in minutes: kept in a folder,
it is read there the next time.
"""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from icemap.ensemble.members import member_inputs
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.replicates import Replicate, bma_of, out_of_fold, train_members
from icemap.ensemble.target import TargetScale
from icemap.mapping.compiled_file import COMPILED, write_compiled
from icemap.run_folder import APPLICABILITY, CALIBRATION
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.virtual_arctic import world

LEVELS = (0.025, 0.975)
NO_CALIBRATION = Calibration(LEVELS)
NAMES = (*world.PREDICTORS, "northness")


def with_northness(table: dict[str, np.ndarray], lon: np.ndarray) -> dict[str, np.ndarray]:
    """A 24th predictor, derived from one of the 23 of the virtual Arctic."""
    return {**table, "northness": (np.sin(np.deg2rad(7 * lon)) * table["slope"]).astype(np.float32)}


def draw_sites(sites: int, seed: int = 0) -> pd.DataFrame:
    """Sites on frozen land with predictors and a noisy target."""
    rng = np.random.default_rng(seed)
    lon, lat = (
        rng.uniform(-180, 180, 20 * sites),
        np.rad2deg(
            np.arcsin(rng.uniform(np.sin(np.deg2rad(50)), np.sin(np.deg2rad(78)), 20 * sites))
        ),
    )
    masks = world.predictors_at_points(lon, lat, ["land_fraction", "permafrost_fraction"])
    frozen = np.flatnonzero((masks["land_fraction"] > 0.5) & (masks["permafrost_fraction"] > 0.1))[
        :sites
    ]
    lon, lat = lon[frozen], lat[frozen]
    table = pd.DataFrame(with_northness(world.predictors_at_points(lon, lat), lon))
    value = np.clip(world.truth_at_points(lon, lat) + rng.normal(0, 8, len(lon)), 0, 100)
    return table.assign(value=value, lon=lon, lat=lat)


def train(samples: pd.DataFrame, replicates: int) -> IceEnsemble:
    """Members of every replicate on its own 90 % of the sites.

    The COP-BMA of each is fitted to three-fold out-of-fold predictions of the first replicate plus
    a little noise, which gives a mixture of the same make.
    """
    classes = [name for name, info in world.PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(
        classes=classes, replicates=replicates, folds=3, candidates=0, prior_strength=50.0
    )
    table = ensemble.prepare(samples)
    options, coding = ensemble.options, ensemble.coding_
    first = table.take(~ensemble.held_out_[0])
    F = out_of_fold(
        first,
        options,
        coding,
        TargetScale.fit(first.y, options.bounds),
        replicate_seed(ensemble.seed, 0),
    )
    rng = np.random.default_rng(2)
    ensemble.samples_, ensemble.replicates_ = samples, []
    for index in range(replicates):
        own = table.take(~ensemble.held_out_[index])
        scale = TargetScale.fit(own.y, options.bounds)
        members = train_members(
            own,
            member_inputs(options.members, coding, own.X),
            options,
            coding,
            scale,
            replicate_seed(ensemble.seed, index),
        )
        noisy = np.clip(F + rng.normal(0, 0.1, F.shape), *scale.limits)
        ensemble.replicates_.append(
            Replicate(members, bma_of(options).fit(noisy, first.y), coding, scale)
        )
    ensemble.parts_ = ensemble.fit_parts(table)
    return ensemble


def compiled(folder: Path, sites: int, replicates: int) -> float | None:
    """Have a folder hold the ensemble and its packed arrays; the CPU seconds of packing it, unless
    both are there.
    """
    if (folder / COMPILED).exists():
        return None
    ensemble, samples = kept(folder, sites, replicates)
    begin = time.process_time()
    write_compiled(ensemble, str(folder), samples[list(ensemble.coding_.names)].to_numpy(float))
    return time.process_time() - begin


def kept(folder: Path | None, sites: int, replicates: int) -> tuple[IceEnsemble, pd.DataFrame]:
    """The ensemble in a folder and its samples, trained and saved there if there is none; without a
    folder, trained.
    """
    if folder is not None and (folder / "manifest.json").exists():
        ensemble, samples = (
            IceEnsemble.load(str(folder)),
            pd.read_parquet(folder / "samples.parquet"),
        )
        if (ensemble.replicates, len(samples)) != (replicates, sites):
            raise SystemExit(
                f"{folder} holds {ensemble.replicates} replicates of {len(samples)} sites: name"
                " another folder."
            )
        return ensemble, samples
    samples = draw_sites(sites)
    ensemble = train(samples, replicates)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        samples.to_parquet(folder / "samples.parquet")
        (folder / CALIBRATION).write_text(json.dumps(NO_CALIBRATION.to_dict()))
        (folder / APPLICABILITY).write_text(
            json.dumps(applicability_of(ensemble, samples).to_dict())
        )
        ensemble.save(str(folder))
    return ensemble, samples


def applicability_of(ensemble: IceEnsemble, samples: pd.DataFrame) -> Applicability:
    return Applicability.fit(ensemble.coding_.design(ensemble.table(samples).X))
