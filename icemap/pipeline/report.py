"""``icemap report``: the report page and the picture."""

from __future__ import annotations

from typing import Any

from icemap.config import Config
from icemap.pipeline.steps import Context, Facts, Step
from icemap.words import shown_settings, source_words


def _depends(context: Context) -> Any:
    """The maps that the report compares the run with; None without any, as if there were no such
    key.
    """
    if not context.config.compare:
        return None
    from icemap.products.comparison_inputs import comparison_inputs

    return [comparison_inputs(one) for one in context.config.compare]


def _make(context: Context) -> Facts:
    """The report page and the picture."""
    from icemap.products.comparison import make_comparison
    from icemap.products.comparison_inputs import require_different_names
    from icemap.products.pages.run_report import write_run_report

    config = context.config
    require_different_names(config.compare)
    found = []
    for settings in config.compare:
        found.append(make_comparison(config.run, settings))
        context.log(f"  compared with {found[-1].other.name}: see {found[-1].files['page']}")
    write_run_report(config, context.provenance.content, found)
    return {}


def _products(config: Config) -> list[str]:
    if not config.compare:
        return [config.folder.report, config.folder.picture]
    from icemap.products.comparison_inputs import comparison_name, comparison_urls

    compared = [comparison_urls(config.run, comparison_name(one)) for one in config.compare]
    pages = [urls[what] for urls in compared for what in ("page", "numbers")]
    return [config.folder.report, config.folder.picture, *pages]


STEP = Step(
    "report",
    after=("storage", "publish", "verify"),
    depends=_depends,
    make=_make,
    products=_products,
    words=lambda context: [shown_settings(context.config), source_words(context.sources)],
)
