"""Files that say the same thing twice agree, and the repository is at home on any machine."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import intake
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import icemap
from icemap.catalog import load_sources, read_catalog
from icemap.config import load_config

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "realcase"

pytestmark = pytest.mark.quick


@cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@cache
def locked(python: str = "3.11") -> dict[str, Version]:
    """Versions in the lock for one Python on Linux."""
    system = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    versions: dict[str, Version] = {}
    for match in re.finditer(
        r"^(?P<requirement>[A-Za-z][^\\\n]*?) *\\?$",
        (ROOT / "requirements.lock").read_text(),
        re.MULTILINE,
    ):
        requirement = Requirement(match["requirement"])
        if requirement.marker is None or requirement.marker.evaluate(
            {**system, "platform_machine": "x86_64", "platform_python_implementation": "CPython"}
        ):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is locked twice for Python {python}"
            versions[name] = Version(next(iter(requirement.specifier)).version)
    return versions


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_holds_every_direct_dependency(python):
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in locked(python), name
        assert requirement.specifier.contains(locked(python)[name], prereleases=True), (
            f"{name} {locked(python)[name]}"
        )


def test_the_lock_has_hashes_and_names_no_place():
    text = (ROOT / "requirements.lock").read_text()
    pins = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]
    assert len(pins) > 100
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert [
        pin.split()[0] for pin in pins if not re.match(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==", pin)
    ] == []
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links| @ ", text) == []


def test_the_environment_has_the_versions_of_the_lock():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_conda = dict(
        entry.split("=") for entry in listed if isinstance(entry, str) and "=" in entry
    )
    pip = [entry for group in listed if isinstance(group, dict) for entry in group["pip"]]
    # icemap itself, from the checkout.
    assert pip.pop() == "-e ."
    from_pip = dict(entry.split("==") for entry in pip)
    assert from_conda.pop("python") == "3.11"
    assert not set(from_conda) & set(from_pip)
    pinned = {
        canonicalize_name(name): Version(version)
        for name, version in {**from_conda, **from_pip}.items()
    }
    extras = project()["optional-dependencies"]
    chosen = ("polygons", "intake", "verify", "dask-ml")
    # The tests compare the additive member with pygam.
    wanted = [
        *project()["dependencies"],
        "pygam",
        *(text for name in chosen for text in extras[name]),
    ]
    direct = {canonicalize_name(Requirement(text).name) for text in wanted}
    assert set(pinned) == direct
    # Channels of conda have no post-releases.
    assert pinned == {name: Version(locked()[name].base_version) for name in direct}


def test_the_version_is_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(project()['version'])}\b", changelog, re.MULTILINE)
    assert icemap.__version__ == project()["version"]


def test_the_licence_is_there():
    assert project()["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_catalogue_says_the_same_to_intake_and_to_icemap(monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", str(REAL))
    names = list(read_catalog(str(ROOT / "catalog.yaml"))["entries"])
    sources = load_sources(str(ROOT / "catalog.yaml"), names)
    catalog = intake.open_catalog(str(ROOT / "catalog.yaml"))
    assert sorted(catalog) == sorted(names)
    for name, source in sources.items():
        reader = catalog[name]
        assert (
            reader.kwargs["args"][0].url == source.url
            if "args" in reader.kwargs
            else reader.kwargs["data"].url == source.url
        )
        assert source.licence, name
        assert source.citation, name
        if not REAL.is_dir():
            continue
        field = reader.read()
        assert not set(source.select) & set(field.dims), name
        if source.kind != "class":
            assert field.attrs["units"] == source.unit, name


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / "examples").glob("*.yaml") if "\nrun: " in path.read_text()),
    ids=lambda path: path.name,
)
def test_examples_load_and_their_predictors_are_in_the_catalogue(path, monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", "somewhere")
    config = load_config(str(path))
    masks = [mask.source for mask in config.masks]
    assert set(load_sources(config.catalog, [*config.predictors, *masks])) == {
        *config.predictors,
        *masks,
    }


def own_files() -> list[Path]:
    """Files of the project, as git knows them."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_file_names_the_machine_it_was_written_on():
    homes = re.compile(rb"/" + rb"root/|/" + rb"work/|/home/[a-z]+/|/Users/[a-z]+/")
    found = {
        path: match.group() for path in own_files() if (match := homes.search(path.read_bytes()))
    }
    assert found == {}


def test_the_language_is_plain():
    words = ["a" + "new", "be" + "side", "for want " + "of", "who looks from " + "afar"]
    old = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    kinds = (".py", ".md", ".html", ".js", ".yaml", ".ipynb")
    found = {
        path: match.group()
        for path in own_files()
        if path.suffix in kinds and (match := old.search(path.read_text()))
    }
    assert found == {}
