"""``icemap storage``: totals with their intervals."""

from __future__ import annotations

from dataclasses import replace

from icemap.errors import IcemapError
from icemap.json_records import VerificationRecord, read_record
from icemap.pipeline.steps import Context, Facts, Step, nothing


def _make(context: Context) -> Facts:
    """Totals with their intervals."""
    from icemap.boreholes.sample_files import read_samples
    from icemap.predictors.cube import open_cube
    from icemap.totals.ice_storage import region_totals, write_ice_storage
    from icemap.totals.opened_map import THICKNESS_M, OpenedMap, ResidualFacts
    from icemap.totals.residuals import Residuals, map_residual_sd, mean_in_words

    config = context.config
    remedy = "delete it, and make it again with 'icemap verify'"
    record = read_record(config.folder.verification, VerificationRecord, remedy)
    thickness = config.boreholes.thickness if config.boreholes is not None else THICKNESS_M

    def written(facts: ResidualFacts) -> Facts:
        table = region_totals(replace(OpenedMap.of(config.folder.map), residual=facts))
        write_ice_storage(config.folder.storage, table, facts, preview=config.preview)
        return {"regions": len(table)}

    if config.ensemble.recipe == "published":
        # Its bounds of a total are summed bounds of cells, without a residual.
        return written(ResidualFacts(thickness))
    if not {"rows", "observed", "mean"} <= record["folds"].get("knndm", {}).keys():
        raise IcemapError(
            f"{config.folder.verification} holds no predictions of kNNDM folds: {remedy}."
        )
    samples = read_samples(config.folder.samples)
    variogram = Residuals.of(samples, record["folds"]["knndm"]).variogram()
    if variogram is None:
        context.log(
            "  too few sites for a variogram: the totals carry the ensemble's uncertainty alone"
        )
        return written(ResidualFacts(thickness))
    context.log(
        f"  intervals are moved by {mean_in_words(variogram, config.target.unit)}, observed minus"
        " predicted"
    )
    residual_sd = map_residual_sd(open_cube(config.folder.cube), variogram)
    return written(ResidualFacts(thickness, variogram, residual_sd))


STEP = Step(
    "storage",
    after=("map",),
    depends=nothing,
    make=_make,
    products=lambda config: [config.folder.storage],
    words=lambda context: context.config.preview or None,
)
