"""A DaskJob runs the whole chain from and to the bucket, and leaves no cluster behind."""

from tests.k8s.kube import wait_for


def test_a_dask_job_runs_to_its_end(finished, bucket):
    print(f"DaskJob {finished['seconds']:.0f} s")
    assert finished["status"] == "Successful", finished["log"][-3000:]
    keys = bucket.keys("job/run/")
    assert {
        "products/T5m_VIC.tif",
        "verification.json",
        "ice_storage.json",
        "provenance.json",
        "report.html",
        "stac/collection.json",
    } <= keys.keys()


def test_its_cluster_is_gone(kube, finished):
    wait_for(
        "the end of the job's cluster",
        lambda: (
            not kube.get("daskcluster", finished["name"])
            and not kube.dask_pods("worker", of=finished["name"])
        ),
        180,
    )
