"""``icemap report``: the report page and the picture."""

from __future__ import annotations

from typing import Any

from icemap.pipeline.steps import Context, Step, nothing
from icemap.words import shown_settings, source_words


def _make(context: Context) -> dict[str, Any]:
    """The report page and the picture."""
    from icemap.products.pages.run_report import write_run_report

    write_run_report(context.config, context.provenance.content)
    return {}


STEP = Step(
    "report",
    after=("storage", "publish", "verify"),
    depends=nothing,
    make=_make,
    products=lambda config: [config.folder.report, config.folder.picture],
    words=lambda context: [shown_settings(context.config), source_words(context.sources)],
)
