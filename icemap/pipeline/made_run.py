"""What ``icemap.run`` gives: the folder of the run, which Jupyter shows with what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from icemap.addresses import shown
from icemap.cards import card, target_text, weights_text
from icemap.config_sections import TargetConfig
from icemap.json_records import VerificationRecord, read_record
from icemap.provenance import Provenance
from icemap.run_folder import RunFolder
from icemap.store import exists


@dataclass(frozen=True, repr=False)
class MadeRun(RunFolder):
    """The folder of a run that was made: ``made.map`` is the address of its map.

    Examples
    --------
    >>> MadeRun("https://ada:word@example.org/ice/run")
    Run at https://example.org/ice/run
    """

    def __repr__(self) -> str:
        return f"Run at {shown(self.url)}"

    def _repr_html_(self) -> str:
        record = Provenance(self.url)
        finished = [name for name, step in record.steps.items() if step["finished"]]
        config = record.content.get("config", {})
        return card(
            str(config.get("title", "")) or "Run",
            {
                "address": self.url,
                "finished steps": ", ".join(finished),
                **_settings(config),
                "sites": _sites(record.facts("boreholes") if "boreholes" in finished else {}),
                **_trained(record.facts("train") if "train" in finished else {}),
                "skill": self._skill() if "verify" in finished else "",
            },
        )

    def _skill(self) -> str:
        if not exists(self.verification):
            return ""
        remedy = "run 'icemap verify' again"
        found = read_record(self.verification, VerificationRecord, remedy)
        return str(found["skill"].get("sentence", ""))


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    if not config:
        return {}
    target, grid = TargetConfig(**config["target"]), config["grid"]
    return {
        "target": target_text(target.long_name, target.unit, target.bounds),
        "grid": (
            f"{grid['west']:g} to {grid['east']:g} E, {grid['south']:g} to {grid['north']:g} N,"
            f" cells of {grid['resolution']:g}°"
        ),
        "predictors": ", ".join(config["predictors"]),
    }


def _sites(step: Mapping[str, Any]) -> str:
    if not {"sites", "used", "samples"} <= set(step):
        return ""
    return f"{step['used']:,} of {step['sites']:,} used, in {step['samples']:,} samples"


def _trained(step: Mapping[str, Any]) -> dict[str, str]:
    if "replicates" not in step:
        return {}
    return {
        "replicates": f"{step['replicates']:,}",
        "weights": weights_text(step.get("mean_weights", {})),
    }
