"""``icemap publish``: GeoTIFFs, STAC and catalogue."""

from __future__ import annotations

from icemap.config import Config
from icemap.pipeline.steps import Context, Facts, Step, nothing
from icemap.store import join, write_bytes
from icemap.words import map_words, preview_words, target_words


def _make(context: Context) -> Facts:
    """GeoTIFFs, STAC and catalogue."""
    from icemap.products.cog import write_cogs
    from icemap.products.figures.thumbnail import thumbnail_figure
    from icemap.products.intake_catalog import write_catalog
    from icemap.products.overviews import write_overviews
    from icemap.products.stac import THUMBNAIL, write_stac
    from icemap.products.viewer import MISSING, write_viewer

    config = context.config
    context.settle()
    levels = write_overviews(config.folder.map, context.run_job, context.ledger)
    urls = write_cogs(
        config.folder.map,
        config.folder.products,
        config.target,
        cells=context.provenance.facts("map")["cells"],
    )
    write_bytes(config.folder.product(THUMBNAIL), thumbnail_figure(config.folder.map))
    write_stac(config.run, config.title, author=config.author)
    write_catalog(config.run, config.title)
    viewer = write_viewer(config.run, config.title)
    context.log(
        f"  viewer in {join(config.folder.products, 'viewer')}/, for any web server"
        if viewer
        else f"  {MISSING}"
    )
    return {"files": urls, "overviews": levels, "viewer": viewer}


def _products(config: Config) -> list[str]:
    from icemap.mapping.map_schema import OVERVIEWS, product_files, product_stem
    from icemap.products.overviews import coarser_grids
    from icemap.products.stac import THUMBNAIL
    from icemap.products.viewer import viewer_files

    levels = [join(config.folder.map, OVERVIEWS)] if coarser_grids(config.grid.grid) else []
    files = [
        join(config.folder.products, name) for name in product_files(config.target.name).values()
    ]
    files.append(config.folder.product(THUMBNAIL))
    stem = product_stem(config.target.name)
    catalogues = [
        join(config.run, name)
        for name in ("stac/collection.json", f"stac/{stem}/{stem}.json", "catalog.yaml")
    ]
    return [*levels, *files, *catalogues, *viewer_files(config.run)]


STEP = Step(
    "publish",
    after=("map", "storage"),
    depends=nothing,
    make=_make,
    products=_products,
    words=lambda context: [
        map_words(context.config),
        target_words(context.config),
        *preview_words(context.config),
    ],
)
