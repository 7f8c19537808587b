"""`icemap map --cluster kubernetes` from a user's pod, on S3: whatever happens to its workers, the
map has the bits of that of the DaskJob.
"""

import json
import re
import textwrap
import time

import pytest

from tests.k8s.conftest import rendered
from tests.k8s.kube import NAMESPACE, ready, wait_for

PROJECT = "job/"
MAP = ("run/ledger/map/", "run/map.zarr/")


@pytest.fixture(scope="module")
def reference(bucket, finished):
    """Chunks and records of the map that the DaskJob made."""
    assert finished["status"] == "Successful", finished["log"][-3000:]
    chunks_of_the_job, records_of_the_job = chunks(bucket), records(bucket)
    assert len(chunks_of_the_job) > 50
    return chunks_of_the_job, records_of_the_job


@pytest.fixture(autouse=True)
def _without_a_map(bucket, reference):
    """The DaskJob's run as it was before its map."""
    for below in MAP:
        for key in bucket.keys(PROJECT + below):
            bucket.client.delete_object(Bucket=bucket.name, Key=PROJECT + below + key)
    # SeaweedFS keeps the folder of a deleted key, so that the map would still be there by its name.
    provenance = json.loads(bucket.read(f"{PROJECT}run/provenance.json"))
    provenance["steps"].pop("map", None)
    bucket.put(f"{PROJECT}run/provenance.json", json.dumps(provenance).encode())


def command(bucket, workers=2):
    return [
        "icemap",
        "map",
        f"s3://{bucket.name}/{PROJECT}config.yaml",
        "--cluster",
        "kubernetes",
        "--workers",
        str(workers),
    ]


def chunks(bucket):
    return {key: tag for key, (tag, _) in bucket.keys(f"{PROJECT}run/map.zarr/").items()}


def records(bucket):
    return {
        key: tag
        for key, tag in bucket.keys(f"{PROJECT}run/ledger/map/").items()
        if key.endswith(".json") and not key.startswith(".")
    }


def clusters(kube):
    """DaskClusters that a command made for itself."""
    return [
        c["metadata"]["name"]
        for c in kube.get("daskclusters")
        if re.fullmatch(r"icemap-[0-9a-f]{6}", c["metadata"]["name"])
    ]


def same_map(bucket, reference):
    expected, found = reference[0], chunks(bucket)
    assert found.keys() == expected.keys()
    # An S3 server's tag of an object written at once is the digest of its content.
    assert [key for key in expected if key != "zarr.json" and found[key] != expected[key]] == []


def test_a_map_from_a_users_pod(kube, user, bucket, reference):
    start = time.monotonic()
    done = kube.inside(user, *command(bucket), may_fail=True)
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"map of {len(records(bucket))} chunks {time.monotonic() - start:.0f} s")
    same_map(bucket, reference)
    wait_for(
        "the end of its cluster", lambda: not clusters(kube) and not kube.dask_pods("worker"), 180
    )


def test_a_worker_killed_mid_map(kube, user, bucket, reference):
    process = kube.start_inside(user, *command(bucket))
    try:
        wait_for(
            "five chunks",
            lambda: process.poll() is not None or len(records(bucket)) >= 5,
            every=0.1,
        )
        assert process.poll() is None, process.communicate()[1][-3000:]
        victim = kube.dask_pods("worker", of=clusters(kube)[0])[0]["metadata"]["name"]
        kube.run("--namespace", NAMESPACE, "delete", "pod", victim, "--grace-period=0", "--force")
        kept = records(bucket)
        _, errors = process.communicate(timeout=1800)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-3000:]
    after = records(bucket)
    print(f"worker killed at chunk {len(kept)} of {len(after)}")
    assert len(kept) < len(after) == len(reference[1])
    assert {key: after[key] for key in kept} == kept
    same_map(bucket, reference)


def test_a_users_pod_that_is_killed_and_the_same_command_again(kube, user, bucket, reference):
    """The command dies without a word; its DaskCluster stays until it is idle for long enough, and
    the command continues on another.
    """
    process = kube.start_inside(user, *command(bucket))
    try:
        wait_for(
            "five chunks",
            lambda: process.poll() is not None or len(records(bucket)) >= 5,
            every=0.1,
        )
        assert process.poll() is None, process.communicate()[1][-3000:]
        kube.inside(
            user,
            "python",
            "-c",
            "import psutil; [p.kill() for p in psutil.process_iter() if 'kubernetes' in"
            " p.cmdline()]",
        )
        process.communicate(timeout=300)
    finally:
        process.kill()
    left, kept = clusters(kube), records(bucket)
    assert len(left) == 1
    assert len(kept) < len(reference[1])
    kube.run(
        "--namespace",
        NAMESPACE,
        "patch",
        "daskcluster",
        left[0],
        "--type=merge",
        "--patch",
        json.dumps({"spec": {"idleTimeout": 15}}),
    )
    done = kube.inside(user, *command(bucket), may_fail=True)
    assert done.returncode == 0, done.stderr[-3000:]
    after = records(bucket)
    print(f"command killed at chunk {len(kept)} of {len(after)}")
    assert {key: after[key] for key in kept} == kept
    same_map(bucket, reference)
    wait_for("the end of both clusters", lambda: not clusters(kube), 300)


def test_a_users_pod_that_is_deleted_takes_its_cluster_with_it(kube, user, bucket, reference):
    """Kubernetes ends a pod with SIGTERM: the command deletes its DaskCluster within the grace
    period, unlocks the run, and the same command elsewhere continues.
    """
    (pod,) = rendered("/user")
    pod["metadata"]["name"] = name = "ended"
    pod["spec"]["containers"][0]["args"] = command(bucket)
    pod["spec"]["restartPolicy"] = "Never"
    kube.apply(pod)
    wait_for("five chunks", lambda: len(records(bucket)) >= 5, every=0.1)
    assert len(clusters(kube)) == 1
    kube.run("--namespace", NAMESPACE, "delete", "pod", name, "--wait=false")
    start = time.monotonic()
    wait_for("the end of its cluster", lambda: not clusters(kube), 60)
    kept = records(bucket)
    print(f"pod deleted at chunk {len(kept)}, its cluster gone in {time.monotonic() - start:.0f} s")
    assert len(kept) < len(reference[1])
    wait_for("the end of the pod", lambda: not kube.get("pod", name), 60)
    done = kube.inside(user, *command(bucket), may_fail=True)
    assert done.returncode == 0, done.stderr[-3000:]
    after = records(bucket)
    assert {key: after[key] for key in kept} == kept
    same_map(bucket, reference)


def with_workers(kube, user, memory, **environment):
    """A manifest in the user's pod whose workers have so much memory, and variables of their
    own.
    """
    program = f"""
        import yaml
        manifest = yaml.safe_load(open("/etc/icemap/dask-cluster.yaml"))
        container = manifest["spec"]["worker"]["spec"]["containers"][0]
        container["resources"] = {{kind: {{**amounts, "memory": {memory!r}}} for kind, amounts in container["resources"].items()}}
        container["env"] += [{{"name": name, "value": value}} for name, value in {environment!r}.items()]
        yaml.safe_dump(manifest, open("/tmp/other.yaml", "w"))
        """  # noqa: E501
    kube.inside(user, "python", "-c", textwrap.dedent(program))
    return ["env", "DASK_KUBERNETES__CUSTOM_CLUSTER_SPEC=/tmp/other.yaml"]


# 440 MB that are not icemap's, in a worker that may not pause: enough memory by its limit, too
# little in truth. (Dask loads a preload twice.)
HOG = {
    "DASK_DISTRIBUTED__WORKER__PRELOAD": (
        """['import sys; sys.hog = getattr(sys, "hog", None) or b"x" * 440_000_000']"""
    ),
    **{
        f"DASK_DISTRIBUTED__WORKER__MEMORY__{step}": "False"
        for step in ("TARGET", "SPILL", "PAUSE")
    },
}
NAMED = r"icemap: .*[Tt]he part \S+ ended 3 workers, most likely for lack of memory"
REFUSED = r"icemap: The worker \S+ has 0\.29 GB of memory; .* give the workers more memory"


def test_a_part_that_needs_too_much_memory_is_named(kube, user, bucket, reference):
    """The kernel ends its workers, Kubernetes starts them again, the command says which part it
    was.
    """
    process = kube.start_inside(
        user, *with_workers(kube, user, "720Mi", **HOG), *command(bucket, workers=1)
    )
    reasons = set()
    try:
        end = time.monotonic() + 1500
        while process.poll() is None and time.monotonic() < end:
            for pod in kube.dask_pods("worker"):
                for status in pod["status"].get("containerStatuses", ()):
                    for state in (status["state"], status["lastState"]):
                        reasons |= (
                            {state["terminated"]["reason"]} if "terminated" in state else set()
                        )
            time.sleep(0.5)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    print(f"workers ended by {sorted(reasons)}; the command said: {errors[-600:]}")
    assert process.returncode == 2
    assert "OOMKilled" in reasons
    assert re.search(NAMED, errors)
    assert "Traceback" not in errors
    wait_for("the end of its cluster", lambda: not clusters(kube), 180)


def test_workers_with_too_little_memory_are_refused(kube, user, bucket, reference):
    """Before the first chunk where a worker was there by then, or when it ended."""
    done = kube.inside(
        user, *with_workers(kube, user, "280Mi"), *command(bucket, workers=1), may_fail=True
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert re.search(f"{REFUSED}|{NAMED}", done.stderr), done.stderr[-3000:]
    assert not records(bucket)
    wait_for("the end of its cluster", lambda: not clusters(kube), 180)


def test_a_worker_pod_uses_less_than_its_limit(kube, user, bucket, reference):
    """The figure for the runbook: the most memory that a worker's control group ever held, of the
    kernel's own account.
    """
    process = kube.start_inside(user, *command(bucket, workers=1))
    peak = (
        "cat /sys/fs/cgroup/memory.peak 2>/dev/null || cat"
        " /sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    )
    most, limit = 0, 0
    try:
        while process.poll() is None:
            for pod in kube.dask_pods("worker"):
                if ready(pod):
                    done = kube.inside(pod["metadata"]["name"], "sh", "-c", peak, may_fail=True)
                    most = max(most, int(done.stdout.strip() or 0))
                    limit = 2**31
            time.sleep(1)
    finally:
        process.kill()
    print(f"most memory of a worker {most / 2**20:.0f} MiB")
    assert process.returncode == 0
    assert 0 < most < limit
