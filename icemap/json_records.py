"""What icemap's own JSON files hold, and their reading: a file with other content is named, not
half understood.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NotRequired, TypeVar

from pydantic import TypeAdapter, ValidationError

# That of typing has what pydantic needs from Python 3.12 on.
from typing_extensions import TypedDict

from icemap.errors import IcemapError
from icemap.store import read_json

Record = TypeVar("Record")
# What a JSON or YAML file holds, before a model or a TypedDict says what it is.
Json = dict[str, Any]
# A row of a table: words and numbers by the name of their column.
Row = dict[str, str | float | None]


class NextRecord(TypedDict):
    """What will replace the product of a step when it is complete."""

    key: str
    # What the key is made of: settings, and digests of inputs.
    depends: NotRequired[Any]
    started: str


class SettingsRecord(TypedDict):
    """What a run can be made again from."""

    config: Json
    sources: dict[str, Json]


class StepRecord(TypedDict):
    """One step in ``provenance.json``; a step also notes what is worth knowing about it, which
    `step_facts` gives.
    """

    key: str
    depends: NotRequired[Any]
    started: str
    finished: str | None
    # Digest of what the product says in words.
    words: NotRequired[str]
    # Bytes of the files, and digests of the products, by their names in the run.
    sizes: NotRequired[dict[str, int]]
    digests: NotRequired[dict[str, str]]
    # Records in the ledger.
    parts: NotRequired[int]
    processors: NotRequired[list[str]]
    # What it took from the start.
    seconds: NotRequired[float]
    # While the product that this record describes is still there.
    next: NotRequired[NextRecord]
    # While the next one, which is complete, is put in its place.
    replacing: NotRequired[bool]
    # Where the record of the run holds other settings than those that the product was made from.
    made_from: NotRequired[SettingsRecord]


class RunRecord(TypedDict):
    """``provenance.json``."""

    steps: dict[str, StepRecord]
    config: NotRequired[Json]
    sources: NotRequired[dict[str, Json]]
    versions: NotRequired[dict[str, str]]
    # Digest of the rest.
    check: NotRequired[str]


def step_facts(record: RunRecord, step: str) -> Json:
    """All that the record of a run says of a step, by name; {} of one that was never begun."""
    return dict(record["steps"].get(step, {}))


class LockRecord(TypedDict):
    """``lock.json`` of a run: the command that works on it."""

    token: str
    command: str
    host: str
    # Machine and process numbers of the command, in which `pid` has a meaning.
    machine: str
    pid: int
    born: float
    since: str
    heartbeat: float


class ProgressNote(TypedDict):
    """``.progress.json`` next to a ledger: how far a job is, in its own unit."""

    running: bool
    unit: str
    total: int
    done: int
    # Done by earlier starts.
    before: int
    # Seconds since 1970.
    started: float
    # Seconds of the longest part so far.
    longest: float
    # Sentences by the key of a part.
    failed: dict[str, str]
    token: str
    updated: float


class CubeChunkRecord(TypedDict):
    """A chunk of the cube in the ledger."""

    pixels: int
    inside: int
    valid: int
    missing: dict[str, int]
    lowest: dict[str, float]
    highest: dict[str, float]
    # No cell is mapped, and no predictor was read.
    unread: NotRequired[bool]


class CountedCells(TypedDict):
    """Cells inside the masks of a run, and those of them that can be mapped."""

    inside: int
    valid: int


class CubeFacts(TypedDict):
    """What the cube's step notes in the record of the run, by predictor."""

    cells: CountedCells
    # Cells inside the masks that lack the predictor.
    missing: dict[str, int]
    # Lowest and highest value inside the masks.
    ranges: dict[str, list[float]]


class PredictorFacts(TypedDict):
    """What an ensemble was trained on, of one predictor of the cube."""

    unit: str
    # Of its source.
    digest: str
    # Meaning of its class codes.
    classes: dict[str, str]


class RegionSumsRecord(TypedDict):
    """Area integrals of one region in one chunk of the map; see `icemap.mapping.sums`."""

    area_km2: float
    area_aoa_km2: float
    integral: list[float]
    integral_aoa: list[float]
    integral_sd: float
    integral_var: float
    integral_lower: NotRequired[float]
    integral_upper: NotRequired[float]


class MapChunkRecord(TypedDict):
    """A chunk of the map in the ledger."""

    # Totals need the sums alone.
    pixels: NotRequired[int]
    valid: NotRequired[int]
    # Cells inside the area of applicability, and those beyond the training values.
    aoa: NotRequired[int]
    extrapolated: NotRequired[int]
    # In the record itself where there are none, or where an earlier version wrote them; else the
    # SHA-256 of the file next to it.
    sums: NotRequired[dict[str, RegionSumsRecord]]
    table: NotRequired[str]


class ReplicateRecord(TypedDict):
    """A trained replicate in the ledger."""

    # SHA-256 by the name of a file.
    files: dict[str, str]
    # Its scores on the samples that it held out.
    held_out: dict[str, float]
    weights: dict[str, float]
    cpu_seconds: dict[str, float]


# By the name of their ledger.
CHUNK_RECORDS: dict[str, type[Any]] = {"cube": CubeChunkRecord, "map": MapChunkRecord}


class CalibrationRecord(TypedDict):
    """``calibration.json`` of an ensemble."""

    levels95: tuple[float, float]
    nugget: NotRequired[float]
    # With both, where a confidence was asked for.
    confidence: NotRequired[float]
    stretch: NotRequired[float]


class ApplicabilityRecord(TypedDict):
    """``applicability.json`` of an ensemble."""

    center: list[float]
    factor: list[float]
    points: list[list[float]]
    train_index: list[float]
    mean_distance: float
    threshold: float


class HeadlineSkill(TypedDict, total=False):
    """CRPS skill against climatology of what is mapped, under the headline folds."""

    sentence: str
    crpss: float
    # None where there are too few blocks.
    low: float | None
    high: float | None
    blocks: int
    block_degrees: float
    folds: str
    model: str


class FoldColumns(TypedDict, total=False):
    """Samples that one kind of folds leaves out, and what is mapped for them."""

    rows: list[int]
    observed: list[float]
    lower95: list[float]
    upper95: list[float]
    mean: list[float]
    pit: list[float]
    crps: list[float]


class ClimatologyShare(TypedDict, total=False):
    """Share of climatology in the pool that is mapped, and in that of each headline fold."""

    share: float
    in_folds: list[float]


class SamplingSupport(TypedDict):
    """How the samples are spread over the map's classes; see
    `icemap.verification.sampling_support`.
    """

    sentence: str
    # The classes that lack most samples, and all.
    worst: list[Row]
    classes: list[Row]


class LearningPoint(TypedDict):
    """Scores of left-out samples by models of so many sites, in units of the target."""

    # Of the training sides of the folds, and the mean number of sites in it.
    share: float
    sites: float
    crps: float
    # 95 % limits from resampled blocks; None where there are too few.
    crps_low: float | None
    crps_high: float | None
    rmse: float


class LearningCurve(TypedDict):
    """Scores by number of sites under the headline folds; see
    `icemap.verification.learning_curve`.
    """

    sentence: str
    # Smallest share first, the last is the whole.
    points: list[LearningPoint]
    # CRPS of the whole minus that of the share before it: below 0 where more sites help.
    change: float
    change_low: float | None
    change_high: float | None
    blocks: int


class VerificationRecord(TypedDict):
    """``verification.json``."""

    table: list[Row]
    folds: dict[str, FoldColumns]
    skill: HeadlineSkill
    climatology: ClimatologyShare
    # Of runs verified by an earlier version there is none.
    sampling_support: NotRequired[SamplingSupport]
    # Nor of previews, and of the recipe as printed.
    learning_curve: NotRequired[LearningCurve]
    # Samples that were trained on and are in no score, where there are any.
    pseudo_sites: NotRequired[int]


class VariogramRecord(TypedDict):
    """Of the residual, in units of the target squared; see `icemap.totals.residual_field`."""

    sill: float
    range_km: float
    nugget: NotRequired[float]
    mean_sd: NotRequired[float]
    mean_doubt: NotRequired[float]
    far_sill: NotRequired[float]
    far_range_km: NotRequired[float]
    mean: NotRequired[float]


class StorageRecord(TypedDict):
    """``ice_storage.json``."""

    quantity: str
    regions: list[Row]
    residual_variogram: NotRequired[VariogramRecord | None]
    residual_sd: NotRequired[dict[str, float]]
    thickness_m: NotRequired[float]


class InfluenceRecord(TypedDict):
    """``influence.json``."""

    permutation: list[Row]
    shap: dict[str, dict[str, float]]


def check_record(url: str, content: Any, kind: type[Record], remedy: str) -> Record:
    """The content of a file, as it is, if it is of a kind.

    Parameters
    ----------
    url : str
        Of the file.
    content : object
        As JSON gave it.
    kind : type
        A TypedDict; keys beyond it are let through.
    remedy : str
        What to do about a file that is not.

    Raises
    ------
    IcemapError
        Naming the file and the first key that is wrong.
    """
    # mypy takes no class for hashable.
    adapter = _adapter(kind)  # type: ignore[arg-type]
    try:
        adapter.validate_python(content)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        at = f" (at '{key}')" if key else ""
        raise IcemapError(f"{url} is not what icemap wrote there{at}: {remedy}.") from error
    return content


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_record(url: str, kind: type[Record], remedy: str, **storage_options: Any) -> Record:
    """Read a JSON file of a kind; see `check_record`.

    Parameters
    ----------
    url : str
    kind : type
        A TypedDict.
    remedy : str
        What to do about a file that is not of this kind.
    **storage_options
        What fsspec needs beyond the environment to read it.
    """
    return check_record(url, read_json(url, **storage_options), kind, remedy)
