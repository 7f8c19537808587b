"""The shape of the package, read from its source: who may import whom, and what stays out."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import icemap

PACKAGE = Path(icemap.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
GROUND = [
    *("addresses", "errors", "names", "settings_text", "json_records", "grid", "sphere", "land"),
    *("address_problems", "storage_problems", "store", "remote_stamps"),
    *("file_kinds", "shards", "zarr_groups", "gridded"),
    *(
        "cards",
        "regions",
        "companions",
        "units",
        "bounds",
        "recipe",
        "paths",
        "own_folder",
        *("section", "borehole_sections", "config_sections", "config"),
    ),
    *("source", "catalog", "schemas", "words", "provenance", "run_folder"),
]
# From bottom to top: a module imports from its own level or from below.
LEVELS = [
    GROUND,
    ["running"],
    ["virtual_arctic"],
    ["predictors", "boreholes"],
    *(
        [name]
        for name in (
            "ensemble",
            "verification",
            "mapping",
            "comparison",
            "totals",
            "products",
            "pipeline",
        )
    ),
    ["doctor", "starting", "viewing"],
    ["command_group"],
    ["cli", "__main__"],
]
HEAVY = {
    "rasterio",
    "matplotlib",
    "lightgbm",
    "sklearn",
    "numba",
    "pyvinecopulib",
    "geopandas",
    "kubernetes",
    "distributed",
}
UNPICKLING = {"pickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal"}
UNPICKLING_CALLS = {"joblib.load", "joblib.dump", "pandas.read_pickle", "pd.read_pickle"}


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, file: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a file imports, also inside functions."""
    name = module_name(file)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                if node.level
                else str(node.module)
            )
            for alias in node.names:
                # A public name taken from the package stands for the module that holds it.
                yield (
                    node.lineno,
                    (
                        icemap._PUBLIC.get(alias.name, f"icemap.{alias.name}")
                        if base == "icemap"
                        else f"{base}.{alias.name}"
                    ),
                )


def level(module: str) -> int:
    part = module.split(".")[1]
    return next(
        (
            i
            for i, patterns in enumerate(LEVELS)
            if any(fnmatch(part, pattern) for pattern in patterns)
        ),
        len(LEVELS),
    )


def inside(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def offences(code: str, file: Path) -> list[str]:
    tree = ast.parse(code)
    own = module_name(file)
    path = file.relative_to(PACKAGE).as_posix()
    found = []
    for line, name in imported(tree, file):
        if (
            name.startswith("icemap.")
            and own != "icemap"
            and not name.startswith("icemap._")
            and level(name) > level(own)
        ):
            found.append(f"{path}:{line} imports {name} from above")
        if (
            inside(name, "distributed") or inside(name, "dask.distributed")
        ) and not path.startswith("running/"):
            found.append(f"{path}:{line} imports {name} outside running/")
        if (inside(name, "matplotlib") or inside(name, "mpl_toolkits")) and not path.startswith(
            "products/figures/"
        ):
            found.append(f"{path}:{line} imports {name} outside products/figures/")
        if inside(name, "jinja2") and not path.startswith("products/pages/"):
            found.append(f"{path}:{line} imports {name} outside products/pages/")
        if UNPICKLING.intersection(name.split(".")) or name in UNPICKLING_CALLS:
            found.append(f"{path}:{line} imports {name}, which unpickles")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in UNPICKLING_CALLS or called.endswith((".to_pickle", ".read_pickle")):
                found.append(f"{path}:{node.lineno} calls {called}")
            if any(
                k.arg == "allow_pickle"
                and not (isinstance(k.value, ast.Constant) and k.value.value is False)
                for k in node.keywords
            ):
                found.append(f"{path}:{node.lineno} lets {called} unpickle")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_file_keeps_to_the_shape(file):
    assert offences(file.read_text(encoding="utf-8"), file) == []


def test_every_file_has_a_place_in_the_order():
    assert [
        name for name in map(module_name, FILES) if name != "icemap" and level(name) == len(LEVELS)
    ] == []


def imports_of(files: dict[str, str]) -> dict[str, set[str]]:
    """Modules that each module imports, also inside functions; by name of the module."""
    found: dict[str, set[str]] = {}
    for path, code in files.items():
        own = module_name(PACKAGE / path)
        names = [name for _, name in imported(ast.parse(code), PACKAGE / path)]
        modules = {module_name(PACKAGE / other) for other in files} - {"icemap", own}
        # Of a package and its module that is imported, the module.
        matches = [[module for module in modules if inside(name, module)] for name in names]
        found[own] = {max(some, key=len) for some in matches if some}
    return found


def circle(files: dict[str, str]) -> str:
    """Modules that import each other in a circle; empty if none do."""
    try:
        TopologicalSorter(imports_of(files)).prepare()
    except CycleError as error:
        return " -> ".join(error.args[1])
    return ""


def test_no_modules_import_each_other_in_a_circle():
    code = {
        file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8") for file in FILES
    }
    assert circle(code) == ""


def test_a_circle_inside_a_folder_is_seen():
    one, other = "ensemble/bma.py", "ensemble/pooled.py"
    assert circle({one: "from icemap.ensemble.pooled import x", other: "import numpy"}) == ""
    found = circle(
        {one: "def f():\n    from . import pooled", other: "from icemap.ensemble import bma"}
    )
    assert "icemap.ensemble.bma" in found


@pytest.mark.parametrize(
    ("file", "code", "offence"),
    [
        ("grid.py", "from icemap.ensemble.bma import CopulaBMA", "from above"),
        ("grid.py", "def f():\n    from icemap import CopulaBMA", "from above"),
        ("ensemble/bma.py", "from ..mapping import map", "from above"),
        ("ensemble/bma.py", "from .. import cli", "from above"),
        ("products/stac.py", "from dask.distributed import Client", "outside running/"),
        ("products/stac.py", "from dask import distributed", "outside running/"),
        ("verification/scores.py", "import matplotlib.pyplot as plt", "outside products/figures/"),
        ("products/stac.py", "from matplotlib import pyplot", "outside products/figures/"),
        ("products/stac.py", "from jinja2 import Template", "outside products/pages/"),
        ("boreholes/sites.py", "from icemap.ensemble import bma", "from above"),
        ("ensemble/model.py", "import pickle", "unpickles"),
        ("running/run.py", "from distributed.protocol import pickle", "unpickles"),
        ("ensemble/model.py", "from joblib import load", "unpickles"),
        ("ensemble/model.py", "joblib.load(path)", "calls joblib.load"),
        ("ensemble/model.py", "np.load(path, allow_pickle=True)", "unpickle"),
    ],
)
def test_an_offence_is_seen(file, code, offence):
    assert any(offence in found for found in offences(code, PACKAGE / file))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("running/run.py", "from dask.distributed import Client"),
        ("products/figures/maps.py", "import matplotlib"),
        ("products/pages/page.py", "import jinja2"),
        (
            "ensemble/model.py",
            "from icemap import Grid, __version__\nnp.load(path, allow_pickle=False)",
        ),
        ("cli.py", "from icemap.running import run"),
    ],
)
def test_what_is_allowed_is_not_an_offence(file, code):
    assert offences(code, PACKAGE / file) == []


@pytest.mark.parametrize("module", ["icemap", "icemap.config", "icemap.gridded", "icemap.cli"])
def test_import_is_light(module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no {module}")
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", icemap.__all__)
def test_every_public_name_loads(name):
    public = getattr(icemap, name)
    assert public.__name__.removeprefix("icemap.") == name
    assert callable(public)
