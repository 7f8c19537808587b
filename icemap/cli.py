"""The command line: every command prints what it wrote, or says in one sentence what is wrong and
exits with code 2.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import click

from icemap.addresses import shown
from icemap.command_group import SentenceGroup
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.run_folder import RunFolder


def _log(line: str) -> None:
    click.echo(shown(line))


def _on_a_cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--workers",
        default=2,
        show_default=True,
        type=click.IntRange(1),
        help="Processes of a local cluster; the most workers of one on Kubernetes or of a gateway.",
    )(command)
    return click.option(
        "--cluster",
        default="local",
        show_default=True,
        metavar="serial|local|kubernetes|gateway|tcp://...|tls://...",
        help="Where to compute.",
    )(command)


@click.group(cls=SentenceGroup)
@click.version_option(package_name="icemap")
def main() -> None:
    """Calibrated maps of ground ice from borehole logs and rasters."""


@main.command()
@click.argument("folder", default=".")
@click.option(
    "--example",
    type=click.Choice(["virtual", "ground_ice", "alaska"]),
    help="Copy a runnable example instead: config, catalogue and the data that ship with icemap.",
)
def init(folder: str, example: str | None) -> None:
    """Config and catalogue for FOLDER, from the rasters and the table of boreholes in it.

    Every raster is opened, and what it says of itself read; what it does not say is a question in
    the files. No file is overwritten.

    \b
        icemap init mydata
        icemap init mydata --example virtual
    """
    from pathlib import Path

    from icemap.starting.examples import copy_example
    from icemap.starting.init import init_folder

    place = Path(folder)
    if example is not None:
        copied = copy_example(example, place)
        for path in copied.files:
            _log(str(path))
        _log(copied.next_step)
        return
    written = init_folder(place, _log)
    for path in written.files:
        _log(str(path))
    left = f", {written.left_out} left out" if written.left_out else ""
    _log(f"{written.predictors} predictors{left}, {written.sites:,} places with sites.")
    if written.questions == 1:
        _log("One question is in the files, marked QUESTION.")
    elif written.questions:
        _log(f"{written.questions} questions are in the files, marked QUESTION.")
    _log(f"Next: icemap doctor {shlex.quote(str(place / 'config.yaml'))}")


@main.command()
@click.option(
    "--out", default="demo", show_default=True, help="Folder or bucket prefix to write to."
)
@click.option(
    "--size",
    default="small",
    show_default=True,
    type=click.Choice(["small", "full"]),
    help="0.5 degrees and 8 replicates, or 10' and 200.",
)
@_on_a_cluster
def demo(out: str, size: str, cluster: str, workers: int) -> None:
    """The whole chain on the virtual Arctic, whose ice is known.

    \b
        icemap demo --out demo
    """
    from icemap.virtual_arctic.demo import write_demo

    _run(write_demo(out, size), None, cluster, workers)


@main.command()
@click.argument("config")
@click.option(
    "--quick",
    is_flag=True,
    help="A preview in minutes: few replicates, three folds, no competitors.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made and why, and how long it took before; make nothing.",
)
@_on_a_cluster
def run(config: str, quick: bool, dry_run: bool, cluster: str, workers: int) -> None:
    """All steps of CONFIG, each skipped where its product is already there.

    \b
        icemap run config.yaml --quick
        icemap run config.yaml --dry-run
    """
    if dry_run:
        from icemap.pipeline.plan import plan_lines, plan_run

        for line in plan_lines(plan_run(config, quick=quick)):
            _log(line)
        return
    _run(config, None, cluster, workers, quick=quick)


def _step_command(name: str, text: str) -> None:
    @_on_a_cluster
    def command(config: str, cluster: str, workers: int) -> None:
        _run(config, [name], cluster, workers)

    text += f"\n\n\b\n    icemap {name} config.yaml"
    main.command(name, help=text)(click.argument("config")(command))


for _step in STEPS:
    # Of totals more can be asked than the step makes.
    if _step.name != "storage":
        _step_command(_step.name, _step.help)


@main.command()
@click.argument("config")
@click.option(
    "--polygons",
    metavar="FILE",
    help=(
        "GeoPackage, GeoJSON or the like: the totals of its zones instead of those of the map's own"
        " regions."
    ),
)
@click.option(
    "--name",
    metavar="ATTRIBUTE",
    help="Column of the polygons' names; polygons of one name are one zone.",
)
@click.option("--layer", metavar="NAME", help="Layer of the polygons, in a file that has several.")
@click.option(
    "--zones", metavar="RASTER", help="A raster of classes in any CRS: the totals by its classes."
)
@click.option(
    "--classes",
    metavar="TABLE",
    help="Table with the code and name of the zones' classes; the raster's own names without it.",
)
@click.option(
    "--mask",
    default="fraction",
    show_default=True,
    help="What counts of a cell: fraction, majority or whole.",
)
@_on_a_cluster
def storage(config: str, mask: str, cluster: str, workers: int, **given: str | None) -> None:
    """Totals with their intervals, of the map's regions, of polygons or of the classes of a raster.

    \b
        icemap storage CONFIG.yaml --polygons rivers.gpkg --name basin
        icemap storage CONFIG.yaml --zones landcover.tif --classes landcover.csv
    """
    from icemap.config import load_config
    from icemap.running.lock import run_lock
    from icemap.store import file_name
    from icemap.totals.ice_storage import ice_storage, storage_lines, write_ice_storage
    from icemap.totals.opened_map import run_residual

    settings = load_config(config)
    file = given["polygons"] or given["zones"]
    if given["polygons"] and given["zones"]:
        raise IcemapError("Totals are either of polygons or of zones: give --polygons or --zones.")
    if file is None:
        if given["classes"] is not None:
            raise IcemapError("--classes names the classes of a raster: give that with --zones.")
        _run(config, ["storage"], cluster, workers)
    with run_lock(settings.run, "icemap storage", _log):
        table = ice_storage(
            settings.folder.map,
            given["polygons"],
            mask,
            attribute=given["name"],
            layer=given["layer"],
            zones=given["zones"],
            classes=given["classes"],
        )
    for line in storage_lines(table):
        _log(line)
    if file is not None:
        url = settings.folder.storage_of(file_name(file).rsplit(".", 1)[0])
        write_ice_storage(url, table, run_residual(settings.folder.map))
        _log(f"totals   {url}")


@main.command()
@click.argument("config")
@_on_a_cluster
def doctor(config: str, cluster: str, workers: int) -> None:
    """Versions, credentials, rights and reachability, from here and from a worker.

    \b
        icemap doctor config.yaml
    """
    from icemap.doctor import PROBLEM, examine

    findings = examine(config, cluster, workers, _log)
    for finding in findings:
        _log(finding.line)
    problems = sum(finding.state == PROBLEM for finding in findings)
    if problems:
        raise IcemapError(
            f"{problems} problem{'s' if problems > 1 else ''} found: see the lines that begin with"
            f" {PROBLEM}."
        )


@main.command()
@click.argument("run_url", metavar="RUN")
def status(run_url: str) -> None:
    """What is done of RUN, a run folder or bucket prefix, and how long is left.

    \b
        icemap status runs/ice
    """
    from icemap.pipeline.status import status_lines

    for line in status_lines(run_url):
        _log(line)


@main.command()
@click.argument("run_url", metavar="RUN")
def check(run_url: str) -> None:
    """Is every stored object of RUN there and whole? What is damaged is made again by the next
    'icemap run'.

    \b
        icemap check runs/ice
    """
    from icemap.pipeline.check import check_run
    from icemap.running.lock import run_lock

    with run_lock(run_url, "icemap check", _log):
        damages = check_run(run_url, _log)
    if damages:
        raise IcemapError(
            f"{len(damages)} of the parts of {run_url} are damaged: 'icemap run' with its config"
            " makes them again."
        )
    _log(f"{run_url} is whole.")


@main.command()
@click.argument("run_url", metavar="RUN")
@click.option("--lon", required=True, type=float, help="Degrees east.")
@click.option("--lat", required=True, type=float, help="Degrees north.")
def query(run_url: str, lon: float, lat: float) -> None:
    """The map of RUN at one place.

    \b
        icemap query runs/ice --lon 125.7 --lat 62.1
    """
    from icemap.products.query import query as at_place

    for name, value in at_place(RunFolder(run_url).map, lon, lat).items():
        # A cell's centre to the metre, whatever the size of cells.
        digits = 8 if name in ("lon", "lat") else 4
        text = f"{value:.{digits}g}" if isinstance(value, float) else value
        _log(f"{name:20s} {text}")


@main.command()
@click.argument("run_url", metavar="RUN")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port on this machine; without it 8756, or a free one where that is taken.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
def view(run_url: str, port: int | None, no_browser: bool) -> None:
    """The map, report and pages of RUN in the browser, served on this machine alone.

    RUN is a run folder or bucket prefix. Ctrl-C ends it.

    \b
        icemap view runs/ice
        icemap view s3://ice/alaska --no-browser --port 8000
    """
    from icemap.viewing import view as serve

    serve(run_url, port, browser=not no_browser, log=_log)


@main.command()
@click.argument("kind", type=click.Choice(["config", "catalog"]), default="config")
def schema(kind: str) -> None:
    """The JSON schema of a config or a catalogue, for editors that complete and check them.

    \b
        icemap schema config > icemap-config.schema.json
    """
    from icemap.schemas import schema_text

    click.echo(schema_text(kind), nl=False)


@main.command()
@click.argument("run_url", metavar="RUN")
@click.argument("other")
@click.option(
    "--classes",
    metavar="TABLE",
    help=(
        "What the classes of OTHER hold: a table of code, name, low, middle, high (%), depth (m),"
        " extent, ice."
    ),
)
@click.option(
    "--depth",
    metavar="M",
    type=float,
    help=(
        "Metres below the permafrost table that are compared; needed where OTHER does not say its"
        " depth."
    ),
)
@click.option(
    "--mask",
    default="fraction",
    show_default=True,
    help="What counts of a cell: fraction, majority or whole.",
)
@click.option(
    "--ice", metavar="excess|total", help="Which ice OTHER counts, where its table does not say."
)
@click.option("--catalog", metavar="FILE", help="OTHER is the name of an entry of this catalogue.")
@click.option(
    "--attribute", metavar="COLUMN", help="Of polygons: the column with the codes of the table."
)
@click.option(
    "--name", metavar="NAME", help="What the files are named after; OTHER's own name without it."
)
def compare(run_url: str, other: str, **options: Any) -> None:
    """RUN compared with OTHER: an earlier run, another map, or a map of classes.

    OTHER is a run folder, a raster of any CRS, or polygons; classes need a table of what they hold.
    Both are compared on the same cells, permafrost mask and depth. For example:

    \b
        icemap compare runs/ice nhipa.byte --classes examples/ipa_classes.csv --name ipa
        icemap compare runs/ice runs/ice_2025
    """
    from icemap.products.comparison import compare as compare_maps
    from icemap.products.pages.comparison import summary_lines

    found = compare_maps(run_url, other, **options)
    for line in summary_lines(found):
        _log(line)
    for what, url in found.files.items():
        _log(f"{what:10s} {url}")


def _run(
    config_url: str,
    names: list[str] | None,
    cluster: str,
    workers: int,
    *,
    quick: bool = False,
) -> None:
    from icemap.config import PREVIEW, load_config
    from icemap.pipeline.chain import run
    from icemap.store import join
    from icemap.totals.ice_storage import total_line

    run(config_url, names, cluster, workers, _log, quick=quick)
    if names is not None:
        return
    config = load_config(config_url)
    _log(f"map      {config.folder.map}")
    _log(f"GeoTIFF  {config.folder.products}/")
    _log(f"picture  {join(config.folder.products, 'map.png')}")
    _log(f"report   {join(config.run, 'report.html')}")
    _log(f"scores   {join(config.run, 'verification.html')}")
    _log(f"totals   {config.folder.storage}")
    _log(total_line(config.folder.storage))
    if quick or config.quick:
        _log(f"This is {PREVIEW}.")
