"""What a release is made of: files that other programs read are as they want them, and agree."""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import icemap

pytestmark = pytest.mark.quick
ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
    ],
)
def test_files_of_the_platform_are_valid(schema, pattern):
    program = pytest.importorskip("check_jsonschema", reason="check-jsonschema is in the extra dev")
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    if schema not in CliRunner().invoke(program.main, ["--help"]).output:
        pytest.skip(f"this check-jsonschema has no schema {schema}")
    done = CliRunner().invoke(program.main, ["--builtin-schema", schema, *files])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_workflows_and_templates_are_yaml_without_secrets_of_ours(path):
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    # The platform's own token alone.
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"GITHUB_TOKEN"}


def test_workflows_run_commands_that_are_there():
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    # The documentation has its own target.
    targets.add("docs")
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"make (\w[\w-]*)", text)) <= targets, path.name
        for name in re.findall(r"\btests/[\w/.]+", text):
            assert (ROOT / name).exists(), name


def test_the_version_is_the_same_everywhere():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert cff["version"] == recipe["context"]["version"] == icemap.__version__
    assert json.loads((ROOT / ".zenodo.json").read_text())["license"] == cff["license"]


def test_both_papers_are_cited():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    cited = {
        (tuple(author["family-names"] for author in one["authors"]), one["year"])
        for one in cff["references"]
    }
    assert cited == {(("Wang", "Ran", "Li"), 2026), (("Madadgar", "Moradkhani"), 2014)}


def test_the_recipe_has_the_dependencies_of_the_package():
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {}
    for text in project["dependencies"]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        wanted[CONDA_NAMES.get(name, name)] = str(requirement.specifier)
    found = dict(entry.split(maxsplit=1) for entry in recipe["requirements"]["run"])
    assert found.pop("python")
    assert found == wanted


def test_a_release_puts_the_hash_of_the_sdist_into_the_recipe(tmp_path):
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    steps = release["jobs"]["build"]["steps"]
    (command,) = (step["run"] for step in steps if "recipe.yaml" in step.get("run", ""))
    shutil.copytree(ROOT / "conda", tmp_path / "conda")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "icemap-0.1.0.tar.gz").write_bytes(b"an sdist")
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True)
    before, after = (
        (folder / "conda" / "recipe.yaml").read_text(encoding="utf-8")
        for folder in (ROOT, tmp_path)
    )
    written = hashlib.sha256(b"an sdist").hexdigest()
    assert yaml.safe_load(after)["source"]["sha256"] == written
    assert after == before.replace("0" * 64, written) != before
    uploaded = [step["with"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert "conda/recipe.yaml" in [one["path"] for one in uploaded]


@cache
def imported(*, top_level: bool) -> set[str]:
    """Modules of others that the package imports, when its files are imported or later."""
    found = set()
    for path in (ROOT / "icemap").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body if top_level else ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"icemap"}


# Modules of packages that come with one that is asked for, and those of the extra cluster.
COME_WITH = {
    "botocore": "s3fs",
    "distributed": "dask",
    "joblib": "scikit-learn",
    "kr8s": "dask-kubernetes",
    "llvmlite": "numba",
    "markupsafe": "jinja2",
    "pystac": "pystac-core",
    "typing_extensions": "pydantic",
}


def test_what_the_package_imports_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        text
        for name, texts in project["optional-dependencies"].items()
        if name != "dev"
        for text in texts
    ]
    asked, optional = (
        {canonicalize_name(Requirement(text).name) for text in texts}
        for texts in (project["dependencies"], extras)
    )
    owners = packages_distributions()

    def packages(modules: set[str]) -> set[str]:
        return {
            COME_WITH.get(module) or canonicalize_name(owners.get(module, [module])[0])
            for module in modules
        }

    # Only intake imports the reader that it is the base of.
    assert packages(imported(top_level=True)) - asked == {"intake"}
    assert packages(imported(top_level=False)) - asked <= optional
    # rioxarray and s3fs are found by those that use them.
    assert asked - packages(imported(top_level=False)) <= {"rioxarray", "s3fs"}


def test_the_page_of_the_package_knows_its_pythons():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = [one for one in project["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert [one.rpartition(" ")[2] for one in known] == ["3.11", "3.12", "3.13"]
    assert project["urls"]
