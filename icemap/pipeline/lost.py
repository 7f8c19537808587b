"""Which products of a finished step are not there any more."""

from __future__ import annotations

from collections.abc import Iterator

from icemap.config import Config
from icemap.json_records import StepRecord
from icemap.pipeline.steps import Step
from icemap.store import exists, file_size


def lost_product(step: Step, config: Config, record: StepRecord) -> str:
    """Which product of a finished step is not there any more, or is shorter than it was, in a
    sentence; empty if none.

    Parameters
    ----------
    step : Step
    config : Config
    record : mapping
        Of the step in ``provenance.json``.
    """
    return next((text for _, text in lost_products(step, config, record)), "")


def lost_products(step: Step, config: Config, record: StepRecord) -> Iterator[tuple[str, str]]:
    """Address of each product of a finished step that is not there any more, or is shorter than it
    was, and the sentence that says so.

    Parameters
    ----------
    step : Step
    config : Config
    record : mapping
        Of the step in ``provenance.json``.
    """
    from icemap.running.ledger import Ledger

    for url in step.products(config):
        if not exists(url):
            yield url, f"{url} is not there."
            continue
        before = record.get("sizes", {}).get(config.folder.name_of(url))
        if before is not None and (size := file_size(url)) is not None and size < before:
            yield url, f"{url} has {size:,} bytes and had {before:,}."
    ledger = config.folder.ledger(step.name)
    parts, now = record.get("parts", 0), len(Ledger(ledger).keys()) if record.get("parts") else 0
    if now < parts:
        yield "", f"{ledger} has {now:,} records and had {parts:,}."
