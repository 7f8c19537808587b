"""The report of a run, put together from what the run's folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml

from icemap.boreholes.sample_files import read_samples
from icemap.boreholes.site_files import read_training_sites
from icemap.comparison.result import Comparison
from icemap.config import Config
from icemap.ensemble.model import sample_errors
from icemap.json_records import (
    InfluenceRecord,
    RunRecord,
    StorageRecord,
    VerificationRecord,
    read_record,
    step_facts,
)
from icemap.names import model_in_words
from icemap.products.figures.boreholes import boreholes_map
from icemap.products.figures.comparison import comparison_maps
from icemap.products.figures.influence import importance_figure
from icemap.products.figures.maps import map_figure, width_parts_figure
from icemap.products.figures.variogram import variogram_figure
from icemap.products.figures.verification import verification_figure
from icemap.products.pages.comparison import summary_lines
from icemap.products.pages.report import (
    ComparedMap,
    Report,
    interval_words,
    storage_rows,
    write_report,
)
from icemap.products.published import CAVEAT, SOURCE, published_figures
from icemap.store import exists, join, write_bytes
from icemap.totals.opened_map import THICKNESS_M, read_storage
from icemap.totals.residual_field import Variogram
from icemap.totals.residuals import Residuals, mean_in_words
from icemap.totals.variogram_fit import empirical_variogram
from icemap.verification.cross_validation import mapped_model
from icemap.verification.cv_schemes import KIND_NAMES, headline
from icemap.verification.summary import CALIBRATED
from icemap.words import pseudo_sites_words, shown_settings

REMEDY = "delete it, and make it again with 'icemap verify'"
FAMILIES = {"climate": "modern climate", "remote_sensing": "remote sensing"}
NOTE = (
    "Each row scores predictions for sites that were left out of training. kNNDM folds imitate how"
    " far the map's cells are from the sites and are the headline; random folds measure"
    " interpolation between neighbouring sites, and are printed to show the difference. Every model"
    " under every kind of folds, and where they are good: see the page on verification."
)
PRINTED_NOTE = (
    "Each row scores predictions for sites that were left out of training, at random, as the"
    " published recipe is verified: that measures interpolation between neighbouring sites. Every"
    " model: see the page on verification."
)
PAGES = {
    "the predictors": "predictors.html",
    "the boreholes": "boreholes.html",
    "the verification": "verification.html",
}


def write_run_report(
    config: Config, provenance: RunRecord, comparisons: Sequence[Comparison] = ()
) -> None:
    """Write ``report.html`` and ``products/map.png`` of a run whose map, verification and totals
    are there.

    Parameters
    ----------
    config : Config
    provenance : dict
        Content of ``provenance.json``.
    comparisons : sequence of Comparison, optional
        With earlier maps, each of which gets a picture.
    """
    sites = read_training_sites(config.folder)
    # A file that cannot be read is told before anything is drawn, which takes longest.
    verification = read_record(config.folder.verification, VerificationRecord, REMEDY)
    storage = read_storage(config.folder.storage)
    importance = _importance_picture(config)
    picture = map_figure(config.folder.map, config.title, sites)
    write_bytes(config.folder.picture, picture)
    # JSON has no NaN: what is undefined comes back as None.
    table = pd.DataFrame(storage["regions"]).replace({None: np.nan})
    report = Report(
        title=config.title,
        target=config.target,
        map_png=picture,
        members=[model_in_words(name) for name in config.ensemble.members],
        replicates=config.ensemble.replicates,
        facts=_facts(config, verification, storage, table, len(sites)),
        storage=storage_rows(table),
        depth_m=storage.get("thickness_m", THICKNESS_M) if "ice_km3" in table else None,
        residual_mean=_residual_mean(config, storage),
        pages=PAGES,
        preview=config.preview,
        skill=verification["skill"]["sentence"],
        caveats=_caveats(config, verification, table),
        interval_of=_interval_of(config),
        as_printed=config.ensemble.recipe == "published",
        verification=verification_rows(_shown(verification["table"]), config.target.unit),
        verification_note=(PRINTED_NOTE if config.ensemble.recipe == "published" else NOTE)
        + (
            f" The published figures below are for reference only: {CAVEAT}."
            if _published(config)
            else ""
        ),
        plate_png=map_figure(config.folder.map, config.title, projection="plate-carree"),
        width_png=(
            b"" if config.ensemble.recipe == "published" else width_parts_figure(config.folder.map)
        ),
        variogram_svg=_variogram_picture(config, verification, storage),
        verification_png=_verification_picture(verification, config.target.unit),
        importance_svg=importance,
        boreholes_svg=_boreholes_picture(config),
        predictors=predictor_rows(
            config.predictors, provenance.get("sources", {}), step_facts(provenance, "cube")
        ),
        weights=_weights(step_facts(provenance, "train")),
        published=_published(config),
        comparisons=[_compared(config, one) for one in comparisons],
        provenance=_provenance(config, provenance),
    )
    write_report(config.folder.report, report)


def _compared(config: Config, found: Comparison) -> ComparedMap:
    names = (found.run.name, found.other.name)
    picture = comparison_maps(found.files["cells"], names, config.target)
    page = found.files["page"].removeprefix(join(config.run, ""))
    return ComparedMap(found.other.name, page, summary_lines(found), picture)


def _facts(
    config: Config,
    verification: Mapping[str, Any],
    storage: StorageRecord,
    table: pd.DataFrame,
    sites: int,
) -> dict[str, object]:
    facts: dict[str, object] = {"training sites": sites, "predictors": len(config.predictors)}
    if count := verification.get("pseudo_sites"):
        facts["pseudo-sites of bedrock"] = count
    best = _headline(verification["table"])
    shown = {
        "skill against climatology, %": _in_percent(best.get("crpss")),
        "R²": best.get("r2"),
        f"RMSE, {config.target.unit}": best.get("rmse"),
    }
    folds = best["folds"]
    facts |= {
        f"{label} ({folds} folds)": value for label, value in shown.items() if value is not None
    }
    if share := verification["climatology"]["share"]:
        facts["share of climatology in the map, %"] = 100 * share
    whole = table[table["region"] == "all"].iloc[0].to_dict()
    if "ice_km3" in table:
        between = interval_words(whole, "ice_km3")
        depth = f"the uppermost {storage.get('thickness_m', THICKNESS_M):g} m of permafrost"
        return {f"km³ of ice in {depth} (95 % interval {between})": whole["ice_km3"]} | facts
    between = interval_words(whole, "mean")
    unit = config.target.unit
    return {f"mean over the map, {unit} (95 % interval {between})": whole["mean"]} | facts


def _caveats(config: Config, verification: Mapping[str, Any], table: pd.DataFrame) -> list[str]:
    """What limits the map, in the order of its weight."""
    whole = table[table["region"] == "all"].iloc[0].to_dict()
    outside = 1 - whole["area_aoa_km2"] / whole["area_km2"]
    sentences = [
        f"{outside:.0%} of the area that counts is outside the area of applicability (hatched):"
        " no training site resembles it, and neither value nor interval is supported by data."
        if outside >= 0.005
        else "Nearly all of the area that counts is inside the area of applicability: the"
        " predictors of every cell resemble those of some training site."
    ]
    if support := verification.get("sampling_support", {}).get("sentence"):
        sentences.append(support)
    if count := verification.get("pseudo_sites"):
        sentences.append(f"{pseudo_sites_words(count)}.")
    if config.ensemble.recipe == "published":
        sentences.append(
            "The interval is that of the replicates' means, as in the published recipe, and much"
            " narrower than where a measurement should fall."
        )
    else:
        sentences.append(
            f"The interval of the map is {_interval_of(config)}; intervals of totals are narrower,"
            " because errors of cells partly cancel."
        )
        if not (table["share_residual"] > 0).any():
            sentences.append(
                "The interval of the total is the ensemble's part alone: the spatially correlated"
                " residual is not included."
            )
    return sentences


def _interval_of(config: Config) -> str:
    """What the interval of the map is for: samples with errors tell of the mean of a cell, others
    of one more such sample.
    """
    if config.ensemble.recipe == "published":
        return "of the replicates' means"
    level = config.verification.confidence
    sure = "" if level is None else f" with {100 * level:g} % confidence"
    if config.verification.nugget:
        return f"of one new borehole in a cell{sure}"
    known = sample_errors(read_samples(config.folder.samples)) is not None
    return f"of the mean of a single cell{sure}" if known else f"of a single cell{sure}"


def _headline(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    leading, mapped = _leading(rows)
    return next(row for row in rows if row["folds"] == leading and row["model"] == mapped)


def _leading(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Names of the folds that stand first and of what is mapped."""
    kinds = {name: kind for kind, name in KIND_NAMES.items()}
    first = headline({kinds[row["folds"]] for row in rows})
    return KIND_NAMES[first], mapped_model({row["model"] for row in rows})


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All models under the headline folds, and the ensemble under the others."""
    leading, mapped = _leading(rows)
    return [row for row in rows if row["folds"] == leading or row["model"] in (mapped, CALIBRATED)]


def verification_rows(rows: Sequence[Mapping[str, Any]], unit: str) -> list[dict[str, object]]:
    """The columns of the verification table that a reader needs; a score that a model does not have
    is None.
    """
    columns = {
        "r2": "R²",
        "rmse": f"RMSE [{unit}]",
        "bias": f"bias [{unit}]",
        "crps": f"CRPS [{unit}]",
        "coverage_50": "coverage of 50 %",
        "coverage_95": "coverage of 95 %",
        "width_95": f"width of 95 % [{unit}]",
        "winkler_95": f"Winkler score of 95 % [{unit}]",
    }
    return [
        {
            "folds": row["folds"],
            "model": model_in_words(row["model"]),
            "skill against climatology [%]": _in_percent(row.get("crpss")),
            "95 % interval of skill": _span(row.get("crpss_low"), row.get("crpss_high")),
            **{name: row.get(key) for key, name in columns.items()},
        }
        for row in rows
    ]


def _in_percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "–"
    return f"{100 * low:.1f} to {100 * high:.1f}".replace("-", "−")


def _verification_picture(verification: Mapping[str, Any], unit: str) -> bytes:
    fold, row = (
        verification["folds"][headline(verification["folds"])],
        _headline(verification["table"]),
    )
    coverage = {level: row[f"coverage_{100 * level:g}"] for level in (0.5, 0.8, 0.9, 0.95)}
    return verification_figure(
        np.asarray(fold["pit"]),
        coverage,
        np.asarray(fold["observed"]),
        np.asarray(fold["mean"]),
        unit,
    )


def _residual_mean(config: Config, storage: StorageRecord) -> str:
    fitted = storage.get("residual_variogram")
    return mean_in_words(Variogram(**fitted), config.target.unit) if fitted else ""


def _variogram_picture(
    config: Config, verification: VerificationRecord, storage: StorageRecord
) -> bytes:
    """Of the residual in the totals; nothing where they have none."""
    fitted = storage.get("residual_variogram")
    if not fitted:
        return b""
    residuals = Residuals.of(read_samples(config.folder.samples), verification["folds"]["knndm"])
    points = empirical_variogram(residuals.longitude, residuals.latitude, residuals.value)
    variogram = Variogram(**fitted)
    return variogram_figure(points, variogram, residuals.error_variance, config.target.unit)


def _importance_picture(config: Config) -> bytes:
    url = config.folder.influence
    if not exists(url):
        return b""
    influence = read_record(url, InfluenceRecord, REMEDY)
    return importance_figure(influence["permutation"], influence["shap"], config.target.unit)


def _boreholes_picture(config: Config) -> bytes:
    url = config.folder.sites
    return boreholes_map(read_samples(url)) if exists(url) else b""


def predictor_rows(
    names: Sequence[str], sources: Mapping[str, Mapping[str, Any]], cube: Mapping[str, Any]
) -> list[dict[str, object]]:
    """What each predictor is, its range over the map and the part of the cells inside the masks
    that lack it.

    Parameters
    ----------
    names : sequence of str
        Of the predictors.
    sources : mapping of str to mapping
        Their entries in the record of the run.
    cube : mapping
        What the cube's step noted there.
    """
    inside = cube.get("cells", {}).get("inside", 0)
    rows = []
    for name in names:
        source = sources.get(name, {})
        # The lowest and highest code of a class say nothing.
        low, high = (
            (None, None)
            if source.get("kind") == "class"
            else cube.get("ranges", {}).get(name, (None, None))
        )
        missing = cube.get("missing", {}).get(name)
        rows.append(
            {
                "predictor": name,
                "what": source.get("long_name", ""),
                "family": FAMILIES.get(source.get("family", ""), source.get("family", "")),
                "unit": source.get("unit", ""),
                "lowest": low,
                "highest": high,
                "missing": "–" if missing is None or not inside else f"{missing / inside:.2%}",
            }
        )
    return rows


def _provenance(config: Config, provenance: RunRecord) -> dict[str, object]:
    entries: dict[str, object] = ({"made by": config.author} if config.author else {}) | {
        "seed": config.seed
    }
    entries |= {
        f"step {name}": f"finished {step['finished']}, inputs sha256:{step['key']}"
        for name, step in provenance["steps"].items()
        if step["finished"]
    }
    licences = {
        name: " · ".join(filter(None, (s.get("citation"), s.get("licence"))))
        for name, s in provenance.get("sources", {}).items()
    }
    entries["sources"] = (
        "\n".join(f"{name}: {words}" for name, words in licences.items() if words)
        or "no licence or citation is given in the catalogue"
    )
    entries["versions"] = ", ".join(
        f"{name} {number}" for name, number in provenance.get("versions", {}).items()
    )
    entries["config"] = yaml.safe_dump(
        shown_settings(config), sort_keys=False, allow_unicode=True
    ).strip()
    return entries


def _weights(training: Mapping[str, Any]) -> list[dict[str, object]]:
    return [
        {"member": model_in_words(name), "weight": weight}
        for name, weight in training.get("mean_weights", {}).items()
    ]


def _published(config: Config) -> list[dict[str, object]]:
    """Figures of the published map, in reports that compare with other maps."""
    return [
        {"figure": name, f"published ({SOURCE})": value}
        for name, value in published_figures(config.target).items()
        if config.compare
    ]
