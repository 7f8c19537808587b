"""What training and verification share: the ensemble with its options, and how an estimator's
error is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from icemap.bounds import closed_around
from icemap.errors import IcemapError
from icemap.pipeline.steps import Context
from icemap.words import pseudo_sites_words

if TYPE_CHECKING:
    import pandas as pd

    from icemap.ensemble.model import IceEnsemble


def prepared_ensemble(context: Context) -> tuple[IceEnsemble, pd.DataFrame]:
    """The ensemble with its options, coding and splits, and the samples."""
    from icemap.boreholes.sample_files import read_samples
    from icemap.ensemble.model import IceEnsemble
    from icemap.verification.cv_schemes import sample_facts

    config, options = context.config, context.config.ensemble
    samples = read_samples(config.folder.samples)
    ensemble = IceEnsemble(
        classes=[name for name in config.predictors if context.sources[name].kind == "class"],
        members=options.members,
        replicates=options.replicates,
        folds=options.folds,
        held_out=options.held_out,
        block_degrees=options.block_degrees,
        bounds=closed_around(config.target.bounds, samples["value"]),
        prior_strength=options.prior_strength,
        climatology=options.climatology,
        candidates=options.candidates,
        monotone={
            name: {"rising": 1, "falling": -1}[direction]
            for name, direction in options.monotone.items()
        },
        position=options.position,
        seed=config.seed,
        recipe=options.recipe,
        fitted_on=options.fitted_on,
    )
    try:
        table = ensemble.prepare(samples)
    except ValueError as error:
        raise IcemapError(f"{config.folder.samples}: {error}") from error
    context.log(f"  {sample_facts(table.take(table.drilled), options.block_degrees)}")
    if count := int((~table.drilled).sum()):
        context.log(f"  {pseudo_sites_words(count)}")
    return ensemble, samples


def one_line(error: Exception) -> str:
    """What an estimator says of its input, which it says by ValueError."""
    return " ".join(str(error).split())
