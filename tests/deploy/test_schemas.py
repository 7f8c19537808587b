"""Every manifest is what the servers of Kubernetes 1.32 to 1.37 and the operator's own resource
definitions take.
"""

from functools import cache

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    CHART,
    DEPLOY,
    OVERLAYS,
    PARTS,
    kustomized,
    one,
    operator_chart,
    started,
)

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


@cache
def definition(kind: str) -> dict:
    """The schema that the operator's chart gives to the server for a kind of its own."""
    # libyaml's loader: the definitions have 18,000 lines.
    crd = yaml.load((CHART / "crds" / f"{kind.lower()}.yaml").read_text(), Loader=yaml.CSafeLoader)
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def unknown_fields(data, schema, path=""):
    """Fields that the server would drop without a word."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or not isinstance(data, dict | list):
        return []
    if isinstance(data, list):
        return [
            found
            for i, item in enumerate(data)
            for found in unknown_fields(item, schema.get("items", {}), f"{path}[{i}]")
        ]
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties")
    found = []
    for key, value in data.items():
        if key in properties:
            found += unknown_fields(value, properties[key], f"{path}.{key}")
        elif isinstance(extra, dict):
            found += unknown_fields(value, extra, f"{path}.{key}")
        elif properties and not extra:
            found.append(f"{path}.{key}")
    return found


def validated(document: dict, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_base_and_the_eks_overlay_are_valid(version):
    documents = kustomized("overlays/eks")
    assert {document["kind"] for document in documents} >= {
        "Namespace",
        "ServiceAccount",
        "Role",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ResourceQuota",
    }
    for document in (
        *documents,
        *yaml.safe_load_all((DEPLOY / "helm/hub-rights.yaml").read_text()),
    ):
        validated(document, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_operator_starts_is_valid(version):
    for document in started("eks").documents:
        validated(document, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_operator_chart_with_our_values_is_valid(version):
    assert one(operator_chart(), "Deployment")["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ]["limits"]
    for document in operator_chart():
        if document["kind"] != "CustomResourceDefinition":
            validated(document, version)


def test_the_ci_overlay_differs_from_what_is_valid_by_its_disruption_budget_alone():
    """A server of 1.20 takes that one only as policy/v1beta1, which newer ones have no more."""
    for document in kustomized("overlays/ci"):
        if document["kind"] == "PodDisruptionBudget":
            assert document["apiVersion"] == "policy/v1beta1"
            document = {**document, "apiVersion": "policy/v1"}
        validated(document, "1.37")
    for document in started("ci").documents:
        validated(document, "1.37")


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("part", PARTS)
def test_dask_resources_fit_the_definitions_of_the_operator(overlay, part):
    documents = [
        d
        for d in kustomized(f"overlays/{overlay}/{part}")
        if d["apiVersion"] == "kubernetes.dask.org/v1"
    ]
    assert [document["kind"] for document in documents] == {
        "cluster": ["DaskAutoscaler", "DaskCluster"],
        "job": ["DaskJob"],
        "user": [],
    }[part]
    for document in documents:
        jsonschema.validate(document, definition(document["kind"]))
        assert (
            unknown_fields(document["spec"], definition(document["kind"])["properties"]["spec"])
            == []
        )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_job_has_the_cluster_of_its_overlay_under_its_own_name(overlay):
    cluster, job = (
        one(kustomized(f"overlays/{overlay}/cluster"), "DaskCluster"),
        one(kustomized(f"overlays/{overlay}/job"), "DaskJob"),
    )
    spec = job["spec"]["cluster"]["spec"]
    assert (
        spec["scheduler"]["service"]["selector"]["dask.org/cluster-name"]
        == job["metadata"]["name"]
        != cluster["metadata"]["name"]
    )
    wait = job["spec"]["job"]["spec"]["initContainers"][0]
    assert wait["env"] == [
        {"name": "SCHEDULER", "value": f"http://{job['metadata']['name']}-scheduler:8787/health"}
    ]
    assert spec["scheduler"]["spec"] == cluster["spec"]["scheduler"]["spec"]
    assert spec["worker"]["spec"] == cluster["spec"]["worker"]["spec"]


def test_workers_and_schedulers_are_placed_on_the_nodes_meant_for_them():
    job = one(kustomized("overlays/eks/job"), "DaskJob")["spec"]
    assert (
        job["cluster"]["spec"]["worker"]["spec"]["nodeSelector"]["eks.amazonaws.com/capacityType"]
        == "SPOT"
    )
    for stays in (
        job["cluster"]["spec"]["scheduler"]["spec"],
        job["job"]["spec"],
        one(kustomized("overlays/eks/user"), "Pod")["spec"],
    ):
        assert stays["nodeSelector"]["eks.amazonaws.com/capacityType"] == "ON_DEMAND"


def test_accounts_of_users_and_workers_have_a_role_of_the_cloud_and_the_scheduler_has_none():
    accounts = {
        d["metadata"]["name"]: d["metadata"].get("annotations", {})
        for d in kustomized("overlays/eks")
        if d["kind"] == "ServiceAccount"
    }
    assert {
        name
        for name, annotations in accounts.items()
        if annotations.get("eks.amazonaws.com/role-arn")
    } == {"icemap-user", "icemap-worker"}
    assert "icemap-scheduler" in accounts


def broken(document: dict, *path, value) -> dict:
    changed = yaml.safe_load(yaml.safe_dump(document))
    *outer, last = path
    at = changed
    for step in outer:
        at = at[step]
    at[last] = value
    return changed


def test_a_misspelt_field_and_a_wrong_type_are_seen():
    policy = one(
        tuple(d for d in kustomized("overlays/eks") if d["metadata"]["name"] == "dask-worker"),
        "NetworkPolicy",
    )
    with pytest.raises(kubernetes_validate.ValidationError):
        validated(broken(policy, "spec", "podSelectors", value={}), "1.37")
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        validated({**policy, "apiVersion": "networking.k8s.io/v1beta1"}, "1.32")
    cluster = one(kustomized("overlays/eks/cluster"), "DaskCluster")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            broken(cluster, "spec", "worker", "replicas", value="two"), definition("DaskCluster")
        )
    changed = broken(cluster["spec"], "worker", "spec", "containers", 0, "resource", value={})
    assert unknown_fields(changed, definition("DaskCluster")["properties"]["spec"]) == [
        ".worker.spec.containers[0].resource"
    ]
