"""A namespace like that of a user, in a real Kubernetes: operator, rules, bucket, a user's pod;
removed at the end.

Settings (environment): ICEMAP_K8S_CONTEXT, the kube context (needed); ICEMAP_K8S_ADDRESS, this
machine as pods see it; ICEMAP_K8S_IMAGE and ICEMAP_K8S_OPERATOR, images that its nodes have or can
pull. See deploy/README.md.
"""

import copy
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.deploy.manifests import CHART, DEPLOY, kustomized, one
from tests.k8s.kube import NAMESPACE, Kube, given_context, ready, wait_for
from tests.s3_server import REGION, S3Server, run_s3_server
from tests.test_chain_resume import write_project

ADDRESS = os.environ.get("ICEMAP_K8S_ADDRESS", "10.88.0.1")
IMAGE = os.environ.get("ICEMAP_K8S_IMAGE", "localhost/icemap:test")
OPERATOR = os.environ.get("ICEMAP_K8S_OPERATOR", "ghcr.io/dask/dask-kubernetes-operator:2026.3.0")
S3_PORT = 8333
OPERATOR_NAMESPACE = "dask-operator"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.k8s)
            item.add_marker(pytest.mark.timeout(3600))


def rendered(part: str) -> list[dict[str, Any]]:
    """Documents of the overlay ci, with the image and the address of this machine."""
    text = yaml.safe_dump_all(kustomized(f"overlays/ci{part}"))
    return list(
        yaml.safe_load_all(
            text.replace("localhost/icemap:test", IMAGE).replace("10.88.0.1", ADDRESS)
        )
    )


@pytest.fixture(scope="session")
def kube() -> Kube:
    context = given_context()
    if not context:
        pytest.skip("no Kubernetes: set ICEMAP_K8S_CONTEXT to the kube context to be used")
    kube = Kube(context)
    print("server", re.findall(r"Server Version: (\S+)", kube.run("version").stdout))
    return kube


@pytest.fixture(scope="session")
def operator(kube) -> Iterator[str]:
    """The operator of the wheel's chart with our values."""
    name, tag = OPERATOR.rsplit(":", 1)
    values = [
        "--values",
        str(DEPLOY / "helm/operator.yaml"),
        "--set",
        f"image.name={name},image.tag={tag}",
    ]
    kube.helm(
        "upgrade",
        "--install",
        "dask-operator",
        str(CHART),
        "--namespace",
        OPERATOR_NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout",
        "5m",
        *values,
    )
    yield OPERATOR_NAMESPACE
    kube.helm("uninstall", "dask-operator", "--namespace", OPERATOR_NAMESPACE)


@pytest.fixture(scope="session")
def s3(kube, tmp_path_factory) -> Iterator[S3Server]:
    with run_s3_server(tmp_path_factory.mktemp("s3"), address=ADDRESS, port=S3_PORT) as server:
        yield server


@dataclass(frozen=True)
class Bucket:
    """The bucket, from outside of Kubernetes."""

    client: Any
    name: str

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix: str) -> dict[str, tuple[str, str]]:
        """Every key below a prefix (which is left out), with its tag and time."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return {
            o["Key"].removeprefix(prefix): (o["ETag"], str(o["LastModified"]))
            for page in pages
            for o in page.get("Contents", ())
        }


@pytest.fixture(scope="session")
def bucket(s3, tmp_path_factory) -> Bucket:
    """The bucket with the inputs of a small run below ``job/``."""
    owner = s3.owner
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=REGION,
        aws_access_key_id=owner.access_key,
        aws_secret_access_key=owner.secret_key,
    )
    bucket = Bucket(client, s3.bucket)
    folder = write_project(tmp_path_factory.mktemp("inputs")).parent
    for path in folder.iterdir():
        bucket.put(f"job/{path.name}", path.read_bytes())
    return bucket


@pytest.fixture(scope="session")
def namespace(kube, operator, s3) -> Iterator[str]:
    """The namespace with its rules, the keys of the stand-in (a secret, made here and nowhere else)
    and the DaskCluster for users.
    """
    kube.apply(*rendered(""))
    profile = (
        f"[default]\naws_access_key_id = {s3.owner.access_key}\naws_secret_access_key ="
        f" {s3.owner.secret_key}\nregion = {REGION}\n"
    )
    cluster = one(tuple(rendered("/cluster")), "DaskCluster")
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "icemap-s3", "namespace": NAMESPACE},
            "stringData": {"credentials": profile},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "icemap-dask-cluster", "namespace": NAMESPACE},
            "data": {"dask-cluster.yaml": yaml.safe_dump(cluster)},
        },
    )
    # Until the server has counted the operator's kinds, it refuses them.
    wait_for(
        "the quota",
        lambda: (
            "count/daskclusters.kubernetes.dask.org"
            in kube.get("resourcequota", NAMESPACE)[0].get("status", {}).get("used", {})
        ),
    )
    yield NAMESPACE
    kube.run(
        "--namespace",
        NAMESPACE,
        "delete",
        "daskjobs,daskclusters,daskautoscalers",
        "--all",
        "--wait=true",
        may_fail=True,
    )
    kube.run("delete", "namespace", NAMESPACE, "--wait=true")


@pytest.fixture(scope="session")
def user(kube, namespace) -> str:
    """The name of a user's pod, which is up."""
    (pod,) = rendered("/user")
    kube.apply(pod)
    name = pod["metadata"]["name"]
    wait_for("the user's pod", lambda: any(ready(pod) for pod in kube.get("pod", name)))
    return name


@pytest.fixture(scope="session")
def finished(kube, namespace, bucket) -> dict[str, Any]:
    """A DaskJob that has run the whole chain; its status, its log and how long it took."""
    (job,) = rendered("/job")
    job = copy.deepcopy(job)
    environment = job["spec"]["job"]["spec"]["containers"][0]["env"]
    next(v for v in environment if v["name"] == "ICEMAP_CONFIG")["value"] = (
        f"s3://{bucket.name}/job/config.yaml"
    )
    name, start = job["metadata"]["name"], time.monotonic()
    kube.apply(job)

    def status() -> str:
        return next(
            (found.get("status", {}).get("jobStatus", "") for found in kube.get("daskjob", name)),
            "",
        )

    wait_for("the end of the DaskJob", lambda: status() in ("Successful", "Failed"), 3000, 2)
    log = kube.run("--namespace", namespace, "logs", f"{name}-runner", "-c", "job").stdout
    return {"name": name, "status": status(), "log": log, "seconds": time.monotonic() - start}
