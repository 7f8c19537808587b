"""The manifests keep to the policy, and each check of it sees a manifest that does not."""

import copy
from importlib.metadata import version
from importlib.resources import files

import pytest
import yaml

from tests.deploy.manifests import DEPLOY, OVERLAYS, kustomized, one, operator_chart, started
from tests.deploy.policy import (
    check_accounts,
    check_containers,
    check_dask,
    check_mounts,
    check_namespace,
    check_network,
    check_rights,
    check_selectors,
)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted_bounded_and_without_keys(overlay):
    pods = started(overlay).pods
    assert pods
    for name, pod in pods.items():
        assert [*check_containers(name, pod), *check_mounts(name, pod)] == [], name


def test_each_overlay_starts_schedulers_workers_a_job_runner_and_a_user():
    for overlay in OVERLAYS:
        labels = [pod["metadata"]["labels"] for pod in started(overlay).pods.values()]
        assert sorted(each.get("dask.org/component", "user") for each in labels) == [
            "job-runner",
            "scheduler",
            "scheduler",
            "user",
            "worker",
            "worker",
        ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_accounts_rights_network_and_selectors(overlay):
    documents, pods = kustomized(f"overlays/{overlay}"), started(overlay)
    hub = tuple(yaml.safe_load_all((DEPLOY / "helm/hub-rights.yaml").read_text()))
    assert [*check_accounts(pods.pods, documents)] == []
    assert [*check_rights((*documents, *hub))] == []
    assert [*check_selectors((*documents, *pods.documents), pods.pods)] == []
    assert [*check_network(documents)] == []
    assert [*check_namespace(documents)] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_dask_clusters(overlay):
    assert [
        *check_dask(
            "cluster", one(kustomized(f"overlays/{overlay}/cluster"), "DaskCluster")["spec"]
        )
    ] == []
    job = one(kustomized(f"overlays/{overlay}/job"), "DaskJob")["spec"]["cluster"]["spec"]
    # The operator drops everything of a job's cluster but its pods; a job's cluster ends with its
    # runner.
    assert [*check_dask("job", job)] == []


def test_the_routes_of_the_scheduler_are_those_of_dask_and_one_more():
    scheduler = one(kustomized("overlays/eks/cluster"), "DaskCluster")["spec"]["scheduler"]["spec"][
        "containers"
    ][0]
    routes = yaml.safe_load(
        next(v["value"] for v in scheduler["env"] if v["name"].endswith("HTTP__ROUTES"))
    )
    defaults = yaml.safe_load((files("distributed") / "distributed.yaml").read_text())
    assert routes == [
        *defaults["distributed"]["scheduler"]["http"]["routes"],
        "distributed.http.scheduler.api",
    ]


def test_the_user_may_do_what_icemap_asks_for_and_no_more():
    role = one(kustomized("overlays/eks"), "Role")
    rights = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == {
        ("daskclusters", "create"),
        ("daskclusters", "get"),
        ("daskclusters", "delete"),
        ("daskautoscalers", "create"),
    }


def test_the_operator_pod_is_restricted_bounded_and_of_the_locked_version():
    pod = one(operator_chart(), "Deployment")["spec"]["template"]
    assert [*check_containers("operator", pod)] == []
    assert pod["spec"]["containers"][0]["image"].endswith(f":{version('dask-kubernetes')}")
    assert "--namespace=icemap" in pod["spec"]["containers"][0]["args"]


def test_values_of_the_hub_agree_with_the_manifests():
    values = yaml.safe_load((DEPLOY / "helm/jupyterhub.yaml").read_text())
    user, single, spawner = (
        one(kustomized("overlays/eks/user"), "Pod"),
        values["singleuser"],
        values["hub"]["config"]["KubeSpawner"],
    )
    assert single["extraLabels"] == user["metadata"]["labels"]
    assert single["serviceAccountName"] == user["spec"]["serviceAccountName"]
    assert spawner["namespace"] == user["metadata"]["namespace"]
    assert spawner["pod_security_context"] == user["spec"]["securityContext"]
    assert spawner["container_security_context"] == user["spec"]["containers"][0]["securityContext"]
    mounts = {
        m["name"]: m["mountPath"]
        for m in [
            *single["storage"]["extraVolumeMounts"],
            {"name": "home", "mountPath": single["storage"]["homeMountPath"]},
        ]
    }
    assert mounts == {
        m["name"]: m["mountPath"] for m in user["spec"]["containers"][0]["volumeMounts"]
    }
    assert (
        single["extraEnv"].items()
        <= {v["name"]: v["value"] for v in user["spec"]["containers"][0]["env"]}.items()
    )
    for name in ("jupyterhub", "gateway"):
        assert ":latest" not in (text := (DEPLOY / f"helm/{name}.yaml").read_text())
        assert "apiToken:" not in text


POD = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {
        "serviceAccountName": "icemap-worker",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "c",
                "image": "registry:5000/icemap:0.1.0",
                "resources": {
                    "requests": {"cpu": "1", "memory": "1Gi"},
                    "limits": {"cpu": "1", "memory": "1Gi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "env": [{"name": "AWS_SHARED_CREDENTIALS_FILE", "value": "/etc/aws/credentials"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    },
}
OURS, CONTAINER = ("spec",), ("spec", "containers", 0)
SECURITY = (*CONTAINER, "securityContext")


def changed(document, path, value):
    """A copy with one place set, or removed by None."""
    document = copy.deepcopy(document)
    at = document
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def test_the_example_pod_is_good():
    assert [
        *check_containers("p", POD),
        *check_mounts("p", POD),
        *check_accounts({"p": POD}, [account("icemap-worker")]),
    ] == []


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("spec", "securityContext", "runAsNonRoot"), None, "may run as root"),
        (("spec", "securityContext", "runAsUser"), 0, "may run as root"),
        (("spec", "securityContext", "seccompProfile"), None, "no seccomp"),
        (("spec", "hostNetwork"), True, "hostNetwork"),
        (("spec", "volumes"), [{"name": "tmp", "hostPath": {"path": "/"}}], "of its node"),
        (("spec", "volumes"), [], "no volume of its pod"),
        ((*CONTAINER, "volumeMounts"), [], "no /tmp"),
        ((*SECURITY, "privileged"), True, "privileged"),
        ((*SECURITY, "allowPrivilegeEscalation"), None, "gain privileges"),
        ((*SECURITY, "readOnlyRootFilesystem"), False, "write to its image"),
        ((*SECURITY, "capabilities"), {"drop": ["NET_RAW"]}, "keeps capabilities"),
        (
            (*SECURITY, "capabilities"),
            {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
            "keeps capabilities",
        ),
        ((*CONTAINER, "resources", "limits"), {"cpu": "1"}, "no memory in its limits"),
        ((*CONTAINER, "resources", "requests"), None, "no cpu in its requests"),
        ((*CONTAINER, "image"), "icemap", "tag is not fixed"),
        ((*CONTAINER, "image"), "registry:5000/icemap", "tag is not fixed"),
        ((*CONTAINER, "image"), "icemap:latest", "tag is not fixed"),
        (
            (*CONTAINER, "env"),
            [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}],
            "looks like a key",
        ),
        (
            (*CONTAINER, "env"),
            [{"name": "URL", "value": "https://me:pass@host"}],
            "looks like a key",
        ),
        (
            (*CONTAINER, "env"),
            [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "comes from a secret",
        ),
        ((*CONTAINER, "envFrom"), [{"secretRef": {"name": "s"}}], "from a secret"),
        (("spec", "serviceAccountName"), None, "no account"),
        (("spec", "serviceAccountName"), "other", "no account"),
        (("spec", "automountServiceAccountToken"), None, "does not say"),
        (("spec", "automountServiceAccountToken"), True, "no use for it"),
    ],
)
def test_a_bad_pod_is_seen(path, value, finding):
    pod = changed(POD, path, value)
    found = [
        *check_containers("p", pod),
        *check_mounts("p", pod),
        *check_accounts({"p": pod}, [account("icemap-worker")]),
    ]
    assert any(finding in sentence for sentence in found), found


def account(name):
    return {"kind": "ServiceAccount", "metadata": {"name": name}}


def role(kind="Role", **rule):
    return {
        "kind": kind,
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}],
    }


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        (role(verbs=["*"]), "wildcard in its verbs"),
        (role(apiGroups=["*"]), "wildcard in its apiGroups"),
        (role(resources=["secrets"]), "reaches secrets"),
        (role(resources=["pods/exec"]), "reaches pods/exec"),
        (role(verbs=["impersonate"]), "may impersonate"),
        (role(kind="ClusterRole"), "in every namespace"),
        (
            {
                "kind": "RoleBinding",
                "metadata": {"name": "b"},
                "subjects": [{"kind": "Group", "name": "system:authenticated"}],
            },
            "binds the Group",
        ),
    ],
)
def test_too_many_rights_are_seen(document, finding):
    assert [*check_rights([role()])] == []
    assert any(finding in sentence for sentence in check_rights([document]))


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Service", "spec": {"selector": {"app": "b"}}},
        {"kind": "PodDisruptionBudget", "spec": {"selector": {"matchLabels": {"app": "b"}}}},
        {"kind": "NetworkPolicy", "spec": {"podSelector": {"matchLabels": {"app": "b"}}}},
        {
            "kind": "NetworkPolicy",
            "spec": {
                "podSelector": {},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}],
            },
        },
    ],
)
def test_a_selector_that_finds_nothing_is_seen(document):
    document["metadata"] = {"name": "d"}
    assert len([*check_selectors([document], {"p": POD})]) == 1
    assert [
        *check_selectors([document], {"p": changed(POD, ("metadata", "labels"), {"app": "b"})})
    ] == []


def policies(*more):
    deny = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    return [
        deny,
        *(
            {
                "kind": "NetworkPolicy",
                "metadata": {"name": "n"},
                "spec": {"podSelector": {}, **spec},
            }
            for spec in more
        ),
    ]


@pytest.mark.parametrize(
    ("documents", "finding"),
    [
        (policies()[1:], "no policy forbids"),
        (policies({"ingress": [{"ports": [{"port": 1}]}]}), "lets everyone in"),
        (policies({"egress": [{"to": [{"podSelector": {}}]}]}), "opens every port"),
        (
            policies(
                {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}]}
            ),
            "metadata",
        ),
    ],
)
def test_an_open_network_is_seen(documents, finding):
    assert [*check_network(policies())] == []
    assert any(finding in sentence for sentence in check_network(documents))


def test_an_open_namespace_is_seen():
    assert len([*check_namespace([{"kind": "Namespace", "metadata": {"name": "n"}}])]) == 2


WORKER, SCHEDULER = ("worker", "spec", "containers", 0), ("scheduler", "spec", "containers", 0)


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("idleTimeout",), 0, "when it is forgotten"),
        ((*SCHEDULER, "args"), ["dask-scheduler"], "does not start by 'dask scheduler'"),
        ((*SCHEDULER, "env"), [], "cannot be asked to retire"),
        ((*SCHEDULER, "env"), [], "stall the run"),
        ((*SCHEDULER, "name"), "main", "another name"),
        ((*WORKER, "args"), ["dask", "worker", "--nthreads", "2"], "more than one thread"),
        ((*WORKER, "args"), ["dask", "worker", "--nthreads", "2"], "do not know their memory"),
        ((*WORKER, "lifecycle"), None, "without handing over"),
    ],
)
def test_a_bad_dask_cluster_is_seen(path, value, finding):
    spec = one(kustomized("overlays/eks/cluster"), "DaskCluster")["spec"]
    assert any(finding in sentence for sentence in check_dask("c", changed(spec, path, value)))
