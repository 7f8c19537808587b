"""What the accounts of users and workers cannot do, asked of the server and tried from their
pods.
"""

import json

import pytest

from tests.k8s.kube import NAMESPACE

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:icemap-"
TRY = """
import json, ssl, sys, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
answers = []
for method, path in json.loads(sys.argv[1]):
    headers = {"Authorization": "Bearer " + open(f"{folder}/token").read(), "Content-Type": "application/json"}
    request = urllib.request.Request("https://kubernetes.default.svc" + path, b"{}" if method == "POST" else None, headers, method=method)
    try:
        answers.append(urllib.request.urlopen(request, context=context, timeout=30).status)
    except urllib.error.HTTPError as error:
        answers.append(error.code)
print(json.dumps(answers))
"""  # noqa: E501
DASK = f"/apis/kubernetes.dask.org/v1/namespaces/{NAMESPACE}"


@pytest.mark.parametrize(
    ("verb", "resource", "where", "allowed"),
    [
        ("create", "daskclusters.kubernetes.dask.org", NAMESPACE, True),
        ("delete", "daskclusters.kubernetes.dask.org", NAMESPACE, True),
        ("create", "daskautoscalers.kubernetes.dask.org", NAMESPACE, True),
        ("list", "daskclusters.kubernetes.dask.org", NAMESPACE, False),
        ("create", "daskclusters.kubernetes.dask.org", "default", False),
        ("get", "secrets", NAMESPACE, False),
        ("list", "secrets", "kube-system", False),
        ("create", "pods", NAMESPACE, False),
        ("create", "pods/exec", NAMESPACE, False),
        ("list", "pods", "kube-system", False),
        ("create", "rolebindings.rbac.authorization.k8s.io", NAMESPACE, False),
        ("create", "serviceaccounts/token", NAMESPACE, False),
        ("list", "nodes", "default", False),
    ],
)
def test_rights_of_the_user(kube, namespace, verb, resource, where, allowed):
    done = kube.run(
        "--namespace",
        where,
        "auth",
        "can-i",
        verb,
        resource,
        "--as",
        f"{ACCOUNT}user",
        may_fail=True,
    )
    assert done.stdout.strip() == ("yes" if allowed else "no")


@pytest.mark.parametrize("account", ["worker", "scheduler"])
def test_workers_and_schedulers_have_no_rights(kube, namespace, account):
    for verb, resource in (
        ("get", "secrets"),
        ("list", "pods"),
        ("create", "daskclusters.kubernetes.dask.org"),
    ):
        done = kube.run(
            "--namespace",
            namespace,
            "auth",
            "can-i",
            verb,
            resource,
            "--as",
            f"{ACCOUNT}{account}",
            may_fail=True,
        )
        assert done.stdout.strip() == "no"


def test_the_token_in_a_users_pod_opens_nothing_else(kube, user):
    tries = [
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/icemap-s3"),
        ("GET", "/api/v1/namespaces/kube-system/secrets"),
        ("GET", "/api/v1/namespaces/dask-operator/pods"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/pods"),
        ("POST", "/apis/kubernetes.dask.org/v1/namespaces/default/daskclusters"),
    ]
    answers = json.loads(kube.inside(user, "python", "-c", TRY, json.dumps(tries)).stdout)
    assert answers == [403] * len(tries)
    # The token is good: the server knows it, and has no such cluster.
    assert json.loads(
        kube.inside(
            user, "python", "-c", TRY, json.dumps([("GET", f"{DASK}/daskclusters/none")])
        ).stdout
    ) == [404]
