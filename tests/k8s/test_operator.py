"""The operator works, the DaskCluster of deploy/ comes up and computes, hands its results over,
scales to nothing, and goes when it is forgotten.
"""

import copy
import textwrap
import time

import pytest

from tests.deploy.manifests import one
from tests.k8s.conftest import rendered
from tests.k8s.kube import NAMESPACE, ready, wait_for


@pytest.fixture(scope="module")
def standing(kube, user):
    """A DaskCluster with two workers, and no autoscaler yet."""
    cluster = one(tuple(rendered("/cluster")), "DaskCluster")
    start = time.monotonic()
    kube.apply(cluster)
    name = cluster["metadata"]["name"]

    def all_ready() -> bool:
        pods = kube.dask_pods("scheduler", of=name) + kube.dask_pods("worker", of=name)
        return len(pods) == 3 and all(map(ready, pods))

    wait_for("scheduler and two workers", all_ready)
    print(f"DaskCluster ready {time.monotonic() - start:.0f} s")
    yield name
    kube.run("--namespace", NAMESPACE, "delete", "daskcluster", name, may_fail=True)


def python(kube, user, code, **options):
    """A program in the user's pod."""
    return kube.inside(user, "python", "-c", textwrap.dedent(code), **options)


def test_the_operator_is_healthy(kube, operator):
    (pod,) = kube.get(
        "pods", "-l", "app.kubernetes.io/name=dask-kubernetes-operator", namespace=operator
    )
    assert ready(pod)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    # It is Available before it listens: the chart has no readiness probe.
    page = f"/api/v1/namespaces/{operator}/pods/{pod['metadata']['name']}:8080/proxy/healthz"
    wait_for(
        "the operator's health page",
        lambda: "now" in kube.run("get", "--raw", page, may_fail=True).stdout,
        120,
    )


def test_a_dask_cluster_computes_on_its_worker_pods(kube, user, standing):
    done = python(
        kube,
        user,
        f"""
        import socket, time
        from distributed import Client
        with Client("tcp://{standing}-scheduler:8786", timeout=60) as client:
            client.wait_for_workers(2, timeout=300)
            client.get_versions(check=True)
            def task(i):
                time.sleep(0.2)
                return i * i, socket.gethostname()
            got = client.gather(client.map(task, range(20), pure=False))
        assert [value for value, _ in got] == [i * i for i in range(20)]
        print(*sorted({{host for _, host in got}}))
        """,
    )
    assert done.stdout.split() == sorted(
        pod["metadata"]["name"] for pod in kube.dask_pods("worker", of=standing)
    )


def test_pods_are_restricted_when_they_run(kube, user, standing):
    """Not only in the manifest: the process is not root, cannot write to its image, and workers
    have no token of Kubernetes.
    """
    worker = kube.dask_pods("worker", of=standing)[0]["metadata"]["name"]
    looks = (
        "id -u; touch /opt/icemap/x 2>&1; touch /tmp/x && echo tmp; ls"
        " /var/run/secrets/kubernetes.io 2>&1; grep -E 'CapEff|NoNewPrivs' /proc/1/status"
    )
    said = kube.inside(worker, "sh", "-c", looks).stdout
    assert said.split("\n")[0] == "1000"
    assert "Read-only file system" in said
    assert "\ntmp\n" in said
    assert "No such file" in said
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said


@pytest.mark.parametrize(
    ("how", "lost"),
    [([], False), (["--grace-period=0", "--force"], True)],
    ids=["stopped", "killed"],
)
def test_a_worker_that_is_stopped_hands_its_results_over(kube, user, standing, how, lost):
    """By the preStop hook: none of the results is computed again. One that is killed loses what it
    held.
    """
    program = f"""
        import random, sys, time
        from distributed import Client
        with Client("tcp://{standing}-scheduler:8786", timeout=60) as client:
            client.wait_for_workers(2, timeout=300)
            def task(i):
                return i, random.random()
            futures = client.map(task, range(60), pure=False)
            first = client.gather(futures)
            held = {{w["name"]: len(client.has_what()[a]) for a, w in client.scheduler_info()["workers"].items()}}
            victim, count = max(held.items(), key=lambda item: item[1])
            print(victim, count, flush=True)
            before = set(client.scheduler_info()["workers"])
            deadline = time.monotonic() + 300
            while time.monotonic() < deadline and before <= set(client.scheduler_info()["workers"]):
                time.sleep(0.2)
            time.sleep(2)
            again = client.gather(futures)
            print("computed again:", sum(a != b for a, b in zip(first, again)), flush=True)
        """  # noqa: E501
    process = kube.start_inside(user, "python", "-c", textwrap.dedent(program))
    try:
        assert process.stdout is not None
        victim, count = process.stdout.readline().split()
        assert int(count) > 0
        (pod,) = [
            p
            for p in kube.dask_pods("worker", of=standing)
            if p["metadata"]["name"].startswith(victim)
        ]
        kube.run(
            "--namespace", NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--wait=false", *how
        )
        rest, errors = process.communicate(timeout=600)
        print(f"the worker held {count} of 60 results;", rest.strip())
        assert rest.strip() == f"computed again: {count if lost else 0}", errors
    finally:
        process.kill()


def test_an_idle_cluster_is_scaled_to_nothing(kube, user, standing):
    autoscaler = one(tuple(rendered("/cluster")), "DaskAutoscaler")
    start = time.monotonic()
    kube.apply(autoscaler)
    wait_for("no workers", lambda: not kube.dask_pods("worker", of=standing), 300)
    print(f"idle cluster without workers after {time.monotonic() - start:.0f} s")
    client = f"Client('tcp://{standing}-scheduler:8786', timeout=60)"
    done = python(
        kube,
        user,
        f"from distributed import Client; print({client}.submit(sum, [1, 2]).result(timeout=300))",
    )
    assert done.stdout.split() == ["3"]


def test_a_forgotten_cluster_is_deleted(kube, user):
    cluster = copy.deepcopy(one(tuple(rendered("/cluster")), "DaskCluster"))
    name = cluster["metadata"]["name"] = "forgotten"
    cluster["spec"]["idleTimeout"] = 20
    cluster["spec"]["worker"]["replicas"] = 1
    cluster["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"] = name
    kube.apply(cluster)
    wait_for("its scheduler", lambda: any(map(ready, kube.dask_pods("scheduler", of=name))))
    start = time.monotonic()
    wait_for(
        "the end of the forgotten cluster",
        lambda: not kube.get("daskcluster", name) and not kube.dask_pods("scheduler", of=name),
        300,
    )
    print(f"forgotten cluster (idleTimeout 20 s) deleted after {time.monotonic() - start:.0f} s")
