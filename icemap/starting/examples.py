"""``icemap init --example``: a runnable example out of the package."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

import icemap
from icemap.errors import IcemapError
from icemap.schemas import MODELS, schema_file, schema_text
from icemap.starting.init import write_new
from icemap.starting.written import CATALOG, CONFIG, schema_line
from icemap.virtual_arctic.demo import write_demo

# What an example is made of, as named in the folder of examples; the config is the first file.
FILES: dict[str, tuple[str, ...]] = {
    "ground_ice": (
        "ground_ice.yaml",
        "ground_ice_catalog.yaml",
        "data/thaw_settlement/LICENSE",
        "data/thaw_settlement/README.md",
        "data/thaw_settlement/borehole_location_and_datasource.csv",
        "data/thaw_settlement/sample_details_with_derived_parameters.csv",
    ),
    "alaska": ("alaska.yaml", "ground_ice_catalog.yaml"),
}
VIRTUAL = (
    "# The virtual Arctic: a synthetic hemisphere whose ice is known at every point. Nothing in it"
    " is\n#   data about the Earth; it shows the whole chain within minutes.\n"
)


@dataclass(frozen=True)
class Copied:
    """The files of an example, and the sentence that says how to go on."""

    files: tuple[Path, ...]
    next_step: str


def copy_example(name: str, folder: Path) -> Copied:
    """Copy an example into a folder; files that are there with other content are left alone.

    Parameters
    ----------
    name : str
        ``virtual``, ``ground_ice`` or ``alaska``.
    folder : Path
        Made if it is not there.

    Raises
    ------
    IcemapError
        If a file with one of its names is there and differs; nothing is written then.
    """
    texts = _virtual() if name == "virtual" else _shipped(name)
    texts |= {schema_file(kind): schema_text(kind) for kind in MODELS}
    placed = {folder / path: text for path, text in texts.items()}
    for path, text in placed.items():
        if path.exists() and (path.is_dir() or path.read_bytes() != text.encode()):
            raise IcemapError(
                f"{path} is there and is not what this example holds: name another folder, as in"
                f" 'icemap init {name} --example {name}'."
            )
    write_new(placed)
    config = folder / CONFIG
    quoted = shlex.quote(str(config))
    step = (
        f"Next: icemap run {quoted}"
        if name == "virtual"
        else f"Next: read {config}, which says what data to fetch first, then icemap run {quoted}"
    )
    return Copied(tuple(placed), step)


def _virtual() -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="icemap-") as place:
        write_demo(place, "small")
        texts = {
            path.name: path.read_text(encoding="utf-8") for path in sorted(Path(place).iterdir())
        }
    texts[CONFIG] = f"{schema_line('config')}\n{VIRTUAL}{texts[CONFIG]}"
    texts[CATALOG] = f"{schema_line('catalog')}\n{texts[CATALOG]}"
    return texts


def _shipped(name: str) -> dict[str, str]:
    folder = _examples()
    config, catalog, *data = FILES[name]
    texts = {path: (folder / path).read_text(encoding="utf-8") for path in data}
    catalogued = (folder / catalog).read_text(encoding="utf-8")
    text = (folder / config).read_text(encoding="utf-8").replace(f"examples/{config}", CONFIG)
    text = text.replace(f"run: ../runs/{name}\n", "run: run\n")
    text = text.replace(catalog, CATALOG)
    # Examples share catalogues, which name one of their configs.
    catalogued = re.sub(r"examples/\w+\.yaml", CONFIG, catalogued)
    return {
        CONFIG: f"{schema_line('config')}\n{text}",
        CATALOG: f"{schema_line('catalog')}\n{catalogued}",
        **texts,
    }


def _examples() -> Path:
    """The folder of examples: in the package, or next to it in a checkout."""
    package = Path(icemap.__file__).parent
    places = (package / "examples", package.parent / "examples")
    for place in places:
        if (place / FILES["ground_ice"][0]).is_file():
            return place
    raise IcemapError(
        f"This installation of icemap has no examples ({places[0]}): install it again, or take"
        " them from its repository."
    )
