"""What predictors and sites mean for the map, asked on the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from icemap.errors import IcemapError
from icemap.pipeline.learning import one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from icemap.ensemble.model import IceEnsemble
    from icemap.mapping.places import CubePlaces
    from icemap.pipeline.steps import Context
    from icemap.verification.records import (
        Explanation,
        LeftOutForecasts,
        PermutedErrors,
        SiteInfluence,
    )


def find_influence(
    context: Context,
    ensemble: IceEnsemble,
    samples: pd.DataFrame,
    places: CubePlaces,
    forecasts: LeftOutForecasts,
    permuted: Sequence[PermutedErrors],
) -> dict[str, Any]:
    """What the predictors do, what each site means for the map, and where one more would help
    most.
    """
    import numpy as np

    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.compiled_file import ensure_compiled
    from icemap.running.run import Job
    from icemap.verification.cross_validation import mapped_model
    from icemap.verification.importance import permutation_importance_table

    url = context.config.folder.ensemble
    ensure_compiled(url, samples)
    # A sample whose fold failed has none.
    residual = np.full(len(samples), np.nan)
    residual[forecasts["rows"]] = (
        forecasts["y"] - forecasts["models"][mapped_model(forecasts["models"])]["mean"]
    )
    work = FindInfluence(
        ensemble, samples, url, ensemble_digest(url), context.config.folder.cube, places, residual
    )
    found = context.run_job(Job("influence", INFLUENCE, work, unit="parts"), "verify")
    by_predictor, by_site = cast("Explanation", found[0]), cast("SiteInfluence", found[1])
    return {
        "permutation": permutation_importance_table(permuted),
        "partial_dependence": by_predictor["partial_dependence"],
        "shap": by_predictor["shap"],
        "sites": by_site["sites"],
        "next_boreholes": by_site["next_boreholes"],
        "places": by_site["places"],
        "classes": by_site["classes"],
    }


@dataclass(frozen=True)
class Influence:
    """One part of what is asked about influence: ``predictors``, or ``sites``."""

    key: str


INFLUENCE = (Influence("predictors"), Influence("sites"))


@dataclass(frozen=True)
class FindInfluence:
    """On a worker, asks one replicate fitted to all samples what each predictor does, and the
    trained ensemble what each site means for the map.

    Attributes
    ----------
    ensemble : IceEnsemble
        Prepared, not fitted.
    residual : ndarray of shape (n,)
        Observed minus predicted for each sample where it was left out.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    ensemble_url: str
    ensemble_digest: str
    cube_url: str
    places: CubePlaces
    residual: NDArray[np.float64]

    def __call__(self, item: Influence) -> Explanation | SiteInfluence:
        from icemap.verification.importance import explain

        try:
            return (
                explain(self.ensemble, self.samples) if item.key == "predictors" else self._sites()
            )
        except ValueError as error:
            raise IcemapError(
                f"The influence of the {item.key} cannot be found: {one_line(error)}"
            ) from error

    def _sites(self) -> SiteInfluence:
        from icemap.mapping.broadcast import get_predictor
        from icemap.mapping.places import map_places, weighed_places
        from icemap.predictors.cube import open_cube
        from icemap.verification.sampling_support import map_classes
        from icemap.verification.site_influence import next_boreholes, site_table

        predictor = get_predictor(self.ensemble_url, self.ensemble_digest)
        names = predictor.compiled.coding.given
        X, weight = weighed_places(open_cube(self.cube_url), self.places, names)
        applicability, on_map = (
            predictor.applicability,
            map_places(X, weight, self.places, predictor),
        )
        sites = site_table(
            self.samples, applicability, on_map, self.ensemble.held_out_, self.residual
        )
        return {
            "sites": sites,
            "next_boreholes": next_boreholes(applicability, on_map),
            "places": len(on_map.mean),
            "classes": map_classes(X, weight, names, list(predictor.compiled.coding.levels)),
        }
