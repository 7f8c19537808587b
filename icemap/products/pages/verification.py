"""One self-contained page on how good an ensemble is, where, against whom, and what it leans on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.config import Config
from icemap.ensemble.model import sample_errors
from icemap.names import model_in_words
from icemap.products.figures import verification as figures
from icemap.products.figures.influence import dependence_figure, importance_figure, places_map
from icemap.products.figures.learning_curve import learning_figure
from icemap.products.figures.projection import view_of
from icemap.products.pages.page import render
from icemap.products.published import CAVEAT, SOURCE, published_figures
from icemap.regions import REGIONS, region_of
from icemap.store import write_text
from icemap.verification.cross_validation import MODEL, mapped_model
from icemap.verification.cv_schemes import KIND_NAMES, MIN_SCORED, headline
from icemap.verification.groups import BLOCK, block_names
from icemap.verification.paired import MIN_BLOCKS
from icemap.verification.published import PUBLISHED, REPLICATES
from icemap.verification.scores import COVERAGES
from icemap.verification.summary import CALIBRATED, shown_model

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
# Next to icemap's own in the tables by group: the two that are hardest to beat.
YARDSTICKS = ("equal weights", "quantile_forest")
SCORES = {
    "crpss": "skill against climatology",
    "crps": "CRPS",
    "winkler_95": "Winkler score of the 95 % interval",
    "rmse": "RMSE",
    "coverage_95": "coverage of the 95 % interval",
}
MAX_SITES = 20
MAP_PIXELS = 700


def write_verification_page(
    url: str,
    record: Mapping[str, Any],
    influence: Mapping[str, Any],
    samples: pd.DataFrame,
    config: Config,
    units: Mapping[str, str],
) -> None:
    """Write the page; it needs no network and no other file.

    Parameters
    ----------
    url : str
        Where the page will be.
    record, influence : mapping
        Content of ``verification.json`` and ``influence.json``.
    samples : DataFrame
        ``lon`` and ``lat`` of all samples but pseudo-sites.
    config : Config
    units : mapping
        Unit of each predictor; "class" for classes.
    """
    first, mapped = headline(record["folds"]), record["skill"]["model"]
    page = render(
        "verification.html",
        title=config.title,
        target=config.target,
        samples=len(samples),
        headline=KIND_NAMES[first],
        model=mapped,
        as_printed=mapped == PUBLISHED,
        names={row["model"] for row in record["table"]},
        most_replicates=REPLICATES,
        calibrated=CALIBRATED,
        skill=record["skill"],
        has_errors=sample_errors(samples) is not None,
        notes=record["notes"],
        table=[row for row in record["table"] if row["folds"] == KIND_NAMES[first]],
        matrices=_matrices(record["table"]),
        replicates=record["replicates"],
        published=published_figures(config.target) if config.compare else {},
        published_source=SOURCE,
        published_caveat=CAVEAT,
        differences=record["differences"],
        groups=_groups(record["groups"]),
        support=record.get("sampling_support"),
        curve=record.get("learning_curve"),
        support_rows=_support_rows(record),
        few=MIN_SCORED,
        least_blocks=MIN_BLOCKS,
        pseudo_sites=record.get("pseudo_sites", 0),
        block=BLOCK,
        block_degrees=config.ensemble.block_degrees,
        influence=influence,
        most_sites=MAX_SITES,
        pictures=_pictures(record, influence, samples, config, units),
    )
    write_text(url, page)


def _pictures(
    record: Mapping[str, Any],
    influence: Mapping[str, Any],
    samples: pd.DataFrame,
    config: Config,
    units: Mapping[str, str],
) -> dict[str, bytes]:
    first = headline(record["folds"])
    target, fold = config.target, record["folds"][first]
    rows = [row for row in record["table"] if row["folds"] == KIND_NAMES[first]]
    observed, low, high = (np.asarray(fold[name]) for name in ("observed", "lower95", "upper95"))
    inside = (observed >= low) & (observed <= high)
    left_out = samples.iloc[fold["rows"]]
    lon, lat = left_out["lon"].to_numpy(float), left_out["lat"].to_numpy(float)
    sites = samples["lon"].to_numpy(float), samples["lat"].to_numpy(float)
    view = view_of(config.grid.grid, MAP_PIXELS)
    curves = influence["partial_dependence"]
    order = [row["predictor"] for row in influence["permutation"] if row["predictor"] in curves]
    differences = [row for row in record["differences"] if row["folds"] == KIND_NAMES[first]]
    by_region = _pit_by_region(fold, lon, lat)
    drawn = {"pit_region": figures.pit_figure(by_region)} if by_region else {}
    if distances := record.get("distances"):
        drawn["distances"] = figures.distance_figure(
            distances["map_to_samples"],
            {KIND_NAMES[kind]: curve for kind, curve in distances["test_to_training"].items()},
            {KIND_NAMES[kind]: w for kind, w in distances["w_km"].items()},
        )
    if curve := record.get("learning_curve"):
        drawn["learning"] = learning_figure(curve["points"], target.unit)
    return drawn | {
        "pit": figures.pit_figure(
            {KIND_NAMES[kind]: np.asarray(part["pit"]) for kind, part in record["folds"].items()}
        ),
        "reliability": figures.reliability_figure(*_reliability(rows)),
        "scatter": figures.scatter_figure(observed, np.asarray(fold["mean"]), inside, target.unit),
        "coverage": figures.coverage_map(
            view, lon, lat, inside, block_names(lon, lat, config.ensemble.block_degrees), MIN_SCORED
        ),
        "differences": figures.difference_figure(differences, target.unit),
        "importance": importance_figure(influence["permutation"], influence["shap"], target.unit),
        "dependence": dependence_figure(
            curves, order, units, f"{target.long_name} ({target.unit})"
        ),
        "places": places_map(view, sites, influence["next_boreholes"]),
    }


def _pit_by_region(
    fold: Mapping[str, Any], longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """PITs of the regions that have enough samples; none where there is one such region."""
    region, pit = region_of(longitude, latitude), np.asarray(fold["pit"])
    found = {name: pit[region == name] for name in REGIONS if (region == name).sum() >= MIN_SCORED}
    return found if len(found) > 1 else {}


def _reliability(
    rows: Sequence[Row],
) -> tuple[dict[str, dict[float, float]], dict[float, tuple[float, float]]]:
    by_model = {row["model"]: row for row in rows}
    shown = [
        name
        for name in (
            MODEL,
            "COP-BMA",
            "Gaussian BMA",
            "equal weights",
            "quantile_forest",
            PUBLISHED,
        )
        if name in by_model
    ]
    coverages = {
        model_in_words(name): {
            level: by_model[name][f"coverage_{100 * level:g}"] for level in COVERAGES
        }
        for name in shown
    }
    own = by_model[mapped_model(by_model)]
    return coverages, {
        level: (own[f"coverage_{100 * level:g}_low"], own[f"coverage_{100 * level:g}_high"])
        for level in COVERAGES
    }


def _matrices(rows: Sequence[Row]) -> list[Mapping[str, object]]:
    """One table per score: a row per model, a column per kind of folds, the best of each column
    marked.
    """
    kinds, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("folds", "model"))
    cells = {(row["folds"], row["model"]): row for row in rows}
    tables: list[Mapping[str, object]] = []
    for key, heading in SCORES.items():
        values = {name: [cells.get((kind, name), {}).get(key) for kind in kinds] for name in models}
        values = {
            name: row for name, row in values.items() if any(value is not None for value in row)
        }
        known = [
            [value for row in values.values() if (value := row[k]) is not None]
            for k in range(len(kinds))
        ]
        best = {"coverage_95": None, "crpss": max}.get(key, min)
        leading = [best(column) if best and column else None for column in known]
        counts = [next(int(row["rows"]) for row in rows if row["folds"] == kind) for kind in kinds]
        tables.append(
            {
                "key": key,
                "heading": heading,
                "kinds": list(zip(kinds, counts)),
                "rows": values,
                "best": leading,
            }
        )
    return tables


def _support_rows(record: Mapping[str, Any]) -> list[Row]:
    """Shares of the map and of the samples and the scores of every class of every predictor."""
    if "sampling_support" not in record:
        return []
    scores = {(row["predictor"], row["group"]): row for row in record["by_predictor"]}
    return [
        {**row, **scores[row["predictor"], row["group"]]}
        for row in record["sampling_support"]["classes"]
    ]


def _groups(rows: Sequence[Row]) -> dict[str, list[dict[str, object]]]:
    """For each grouping one row per group: the calibrated forecast, and the CRPS and Winkler score
    of the yardsticks.
    """
    models = {row["model"] for row in rows}
    own = shown_model(models)
    cells = {(row["by"], row["group"], row["model"]): row for row in rows}
    tables: dict[str, list[dict[str, object]]] = {}
    for (heading, group, model), row in cells.items():
        if model == own:
            others = {name: cells[heading, group, name] for name in YARDSTICKS if name in models}
            tables.setdefault(heading, []).append(
                {
                    **row,
                    "others": {
                        model_in_words(name): other["crps"] for name, other in others.items()
                    },
                }
            )
    return tables
