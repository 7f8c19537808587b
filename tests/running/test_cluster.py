"""Clusters by name: what cannot be started or joined is said in one sentence."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading

import dask
import pytest
import yaml

from icemap import IcemapError
from icemap.running.cluster import ONE_THREAD, open_cluster
from icemap.running.dask_executor import DaskExecutor
from icemap.running.operator import own_manifest, read_manifest

MANIFEST = {
    "apiVersion": "kubernetes.dask.org/v1",
    "kind": "DaskCluster",
    "metadata": {"name": "icemap"},
    "spec": {
        "scheduler": {
            "spec": {
                "containers": [
                    {"name": "scheduler", "image": "icemap:1", "args": ["dask", "scheduler"]},
                    {"name": "logs", "image": "logs:1"},
                ]
            },
            "service": {
                "selector": {"dask.org/cluster-name": "icemap", "dask.org/component": "scheduler"},
                "ports": [],
            },
        },
        "worker": {
            "replicas": 7,
            "spec": {
                "containers": [{"name": "worker", "image": "icemap:1", "args": ["dask", "worker"]}]
            },
        },
    },
}


def refusal(where: str) -> str:
    with pytest.raises(IcemapError) as caught, open_cluster(where, 2, lambda line: None):
        pass
    return str(caught.value)


def test_serial_works_in_this_process_with_one_thread():
    import os

    from threadpoolctl import threadpool_info

    with open_cluster("serial", 2, lambda line: None) as executor:
        records = list(executor.map(lambda item: {"pid": os.getpid(), "item": item}, [1, 2]))
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
    assert [record for _, record in records] == [
        {"pid": os.getpid(), "item": item} for item in (1, 2)
    ]


def test_local_workers_have_one_thread_and_keep_the_memory_that_they_free(monkeypatch):
    for name in (*ONE_THREAD, "MALLOC_TRIM_THRESHOLD_"):
        # Given back to this process afterwards.
        monkeypatch.setenv(name, "4")
        monkeypatch.delenv(name)
    with open_cluster("local", 1, lambda line: None) as executor:
        (found,) = executor.client.run(lambda: dict(os.environ)).values()
        callbacks = executor.client.run(lambda dask_worker: sorted(dask_worker.periodic_callbacks))
    assert {name: found.get(name) for name in ONE_THREAD} == ONE_THREAD
    assert "MALLOC_TRIM_THRESHOLD_" not in found
    # Nobody looks a hundred times a second at what they do.
    assert [one for names in callbacks.values() for one in names if "profile" in one] == []


def test_what_tasks_bring_is_not_kept_by_the_scheduler():
    def length(item: int, brought: bytes = bytes(1_000_000)) -> int:
        return item + len(brought)

    with open_cluster("local", 1, lambda line: None) as executor:
        assert len(list(executor.map(length, range(40)))) == 40
        (sent,) = executor.client.cluster.scheduler.stream_comms.values()
        assert len(sent.recent_message_log) <= 10


@pytest.mark.parametrize("where", ["", "lokal", "10.0.0.1:8786", "http://10.0.0.1:8786"])
def test_what_is_no_cluster(where):
    assert (
        refusal(where)
        == f"'{where}' is not a cluster: give serial, local, kubernetes, gateway, or the address of"
        " a scheduler such as tcp://host:8786."
    )


@pytest.mark.parametrize(
    "where",
    [
        "tcp://127.0.0.1:9",
        "tcp://127.0.0.1",
        "tcp://no-such-host.invalid:8786",
        "tcp://127.0.0.1:port",
        "tcp://[::1",
    ],
)
def test_where_no_scheduler_answers(where, monkeypatch):
    monkeypatch.setattr("icemap.running.cluster.JOIN_SECONDS", 1)
    assert (
        refusal(where)
        == f"No Dask scheduler answers at {where}: check the address and that it runs."
    )


def test_what_answers_but_is_no_scheduler(monkeypatch):
    monkeypatch.setattr("icemap.running.cluster.JOIN_SECONDS", 2)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert "refuses this connection: one that requires TLS is joined by tls://" in refusal(
        f"tcp://127.0.0.1:{server.server_address[1]}"
    )
    server.shutdown()
    server.server_close()


def test_tls_without_certificates_names_the_settings(tmp_path):
    assert refusal("tls://127.0.0.1:9").startswith(
        "tls://127.0.0.1:9 needs certificates: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE,"
        " DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT, DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY to"
        " their files"
    )
    names = {
        f"distributed.comm.tls.{name}": str(tmp_path / "absent.pem")
        for name in ("ca-file", "client.cert", "client.key")
    }
    with dask.config.set(names):
        assert refusal("tls://127.0.0.1:9").startswith(
            "A certificate for tls://127.0.0.1:9 cannot be used ([Errno 2] No such file or"
            " directory"
        )
        (tmp_path / "absent.pem").write_text("no certificate")
        assert refusal("tls://127.0.0.1:9").startswith(
            "A certificate for tls://127.0.0.1:9 cannot be used ("
        )


@pytest.mark.parametrize(("where", "module"), [("gateway", "dask_gateway"), ("kubernetes", "kr8s")])
def test_a_package_that_is_missing_is_named_with_its_extra(where, module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with dask.config.set({"kubernetes.custom-cluster-spec": MANIFEST}):
        assert refusal(where).endswith("pip install 'icemap[cluster]'.")


def test_a_gateway_without_address_or_server():
    pytest.importorskip("dask_gateway")
    assert refusal("gateway").startswith(
        "'--cluster gateway' needs the gateway's address: set DASK_GATEWAY__ADDRESS ("
    )
    with dask.config.set({"gateway.address": "http://127.0.0.1:9"}):
        assert refusal("gateway").startswith(
            "The Dask Gateway at http://127.0.0.1:9 starts no cluster: "
        )


@pytest.fixture
def no_kubernetes(monkeypatch, tmp_path):
    pytest.importorskip("kr8s")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_kubernetes_without_a_manifest(no_kubernetes, tmp_path, monkeypatch):
    assert (
        "set DASK_KUBERNETES__CUSTOM_CLUSTER_SPEC to its file, such as"
        " deploy/dask/cluster/cluster.yaml" in refusal("kubernetes")
    )
    for content, expected in {
        "a: [": "cannot be read: ",
        "kind: DaskJob": "holds no object of kind DaskCluster",
        "[]": "holds no object",
    }.items():
        (tmp_path / "cluster.yaml").write_text(content)
        with dask.config.set({"kubernetes.custom-cluster-spec": str(tmp_path / "cluster.yaml")}):
            assert expected in refusal("kubernetes")
    with dask.config.set({"kubernetes.custom-cluster-spec": str(tmp_path / "absent.yaml")}):
        assert "No such file or directory" in refusal("kubernetes")
    with dask.config.set({"kubernetes.custom-cluster-spec": {**MANIFEST, "spec": {}}}):
        assert refusal("kubernetes").startswith(
            "The DaskCluster that DASK_KUBERNETES__CUSTOM_CLUSTER_SPEC names lacks something"
            " ('scheduler')"
        )


def test_kubernetes_without_a_cluster(no_kubernetes):
    with dask.config.set({"kubernetes.custom-cluster-spec": MANIFEST}):
        assert (
            refusal("kubernetes")
            == "'--cluster kubernetes' needs a pod with a service account, or a kube context"
            " (KUBECONFIG): neither is here."
        )


def test_the_manifest_of_a_command(tmp_path):
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump_all([{"kind": "ConfigMap"}, MANIFEST]))
    with dask.config.set({"kubernetes.custom-cluster-spec": str(tmp_path / "cluster.yaml")}):
        assert read_manifest() == MANIFEST
    own = own_manifest(MANIFEST, "12ab", "icemap:2")
    assert (
        own["metadata"]["name"]
        == own["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"]
        == "icemap-12ab"
    )
    assert own["spec"]["worker"]["replicas"] == 1
    images = [
        container["image"]
        for part in ("scheduler", "worker")
        for container in own["spec"][part]["spec"]["containers"]
    ]
    assert images == ["icemap:2", "logs:1", "icemap:2"]
    assert MANIFEST["metadata"]["name"] == "icemap"
    assert (
        own_manifest(MANIFEST, "12ab", None)["spec"]["worker"]["spec"]["containers"][0]["image"]
        == "icemap:1"
    )


class KubernetesApi(http.server.BaseHTTPRequestHandler):
    """Stands in for an API server: notes what is asked for, and refuses what a test says. The real
    one is in the tests marked k8s.
    """

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, dict]]
    refuse: dict[str, int]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or "{}") if length else {}
        status = 200
        if self.path.strip("/") == "version":
            body = {"gitVersion": "v1.34.0", "major": "1", "minor": "34"}
        else:
            self.asked.append((self.command, self.path, body))
            status = self.refuse.get(self.command, 200)
            body = (
                body
                if status == 200
                else {"kind": "Status", "message": f"user may not {self.command}", "code": status}
            )
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PATCH = answer

    def log_message(self, *words) -> None:
        pass


@pytest.fixture
def kubernetes_api(tmp_path, monkeypatch):
    pytest.importorskip("kr8s")
    api = type("Api", (KubernetesApi,), {"asked": [], "refuse": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = {"cluster": "here", "user": "me", "namespace": "maps"}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": context}],
        "clusters": [
            {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
        ],
        "users": [{"name": "me", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("icemap.running.cluster.PATIENCE_SECONDS", 1)
    with dask.config.set({"kubernetes.custom-cluster-spec": MANIFEST}):
        yield api
    server.shutdown()
    server.server_close()


def test_a_daskcluster_is_made_and_deleted_with_few_rights(kubernetes_api, monkeypatch):
    monkeypatch.setenv("JUPYTER_IMAGE", "icemap:3")
    said = refusal("kubernetes")
    (post, url, made), (delete, gone, _) = kubernetes_api.asked
    name = made["metadata"]["name"]
    assert (
        said
        == f"No Dask scheduler answers at tcp://{name}-scheduler.maps:8786: check the address and"
        " that it runs."
    )
    assert (post, url) == ("POST", "/apis/kubernetes.dask.org/v1/namespaces/maps/daskclusters")
    assert (delete, gone) == ("DELETE", f"{url}/{name}")
    assert made["spec"]["worker"]["spec"]["containers"][0]["image"] == "icemap:3"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, "in the namespace maps: user may not POST."),
        (404, "so the Dask operator is not installed"),
        (500, "500 Internal Server Error"),
    ],
)
def test_what_kubernetes_refuses_is_told(kubernetes_api, status, expected):
    kubernetes_api.refuse["POST"] = status
    said = refusal("kubernetes")
    assert said.startswith("Kubernetes cannot create the DaskCluster icemap-")
    assert expected in said


def test_a_daskcluster_that_cannot_be_deleted_is_told_and_hides_nothing(kubernetes_api):
    kubernetes_api.refuse["DELETE"] = 403
    lines = []
    with (
        pytest.raises(IcemapError, match="No Dask scheduler answers"),
        open_cluster("kubernetes", 2, lines.append),
    ):
        pass
    assert lines[-1].startswith("Dask: could not delete the DaskCluster icemap-")
    assert "kubectl --namespace maps delete daskcluster icemap-" in lines[-1]
    kubernetes_api.refuse["DELETE"] = 404
    with (
        pytest.raises(IcemapError, match="No Dask scheduler answers"),
        open_cluster("kubernetes", 2, lines.append),
    ):
        pass
    assert "could not delete" not in lines[-1]


LINK = "distributed.dashboard.link"


@contextlib.contextmanager
def starting_scheduler(folder):
    """A scheduler without workers that is not up yet, as a process of its own that takes modules
    from its folder first.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [
        sys.executable,
        "-m",
        "dask",
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--dashboard-address",
        "127.0.0.1:0",
    ]
    process = subprocess.Popen(program, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """Its address; whoever joins it waits until it is up, as a job of the operator does."""
    with starting_scheduler(tmp_path) as address:
        monkeypatch.setattr("icemap.running.cluster.JOIN_SECONDS", 0.2)
        assert "No Dask scheduler answers" in refusal(address)
        monkeypatch.setattr("icemap.running.cluster.JOIN_SECONDS", 15)
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        yield address


def test_a_scheduler_with_another_icemap_of_the_same_version(scheduler, tmp_path):
    (tmp_path / "icemap" / "running").mkdir(parents=True)
    for name in ("__init__", "running/__init__", "running/dask_executor"):
        (tmp_path / "icemap" / f"{name}.py").touch()
    with (
        open_cluster(scheduler, 1, lambda line: None) as executor,
        pytest.raises(IcemapError) as caught,
    ):
        list(executor.map(dict, [{}]))
    assert str(caught.value).startswith(
        f"The Dask scheduler at {scheduler} has another icemap than this command"
    )


def test_a_joined_cluster_without_workers(scheduler, monkeypatch):
    """The dashboard's link goes through JupyterHub's proxy where there is one; nobody to work is
    said, and waited for no longer than the patience.
    """
    lines: list[str] = []
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    with open_cluster(scheduler, 1, lines.append):
        assert "dashboard at http://127.0.0.1:" in lines[-1]
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    with (
        dask.config.set({LINK: "https://dashboards/{port}"}),
        open_cluster(scheduler, 1, lines.append),
    ):
        assert "dashboard at https://dashboards/" in lines[-1]
    with open_cluster(scheduler, 1, lines.append) as executor:
        assert lines[-1].startswith(f"Dask: joined {scheduler}, dashboard at /user/ada/proxy/")
        assert lines[-1].endswith("/status")
        assert "127" not in lines[-1].split("dashboard at")[1]
        monkeypatch.setattr("icemap.running.dask_executor.LOOK_SECONDS", 0.2)
        impatient = DaskExecutor(executor.client, log=lines.append, patience=0.5)
        with pytest.raises(
            IcemapError,
            match=(
                r"No Dask worker has been there for 0\.0083 minutes: see why none starts .* the"
                r" same command continues"
            ),
        ):
            list(impatient.map(dict, [{}]))
        assert lines[-1] == "Dask: no worker is there; waiting for one, at most 0.0083 minutes"
    assert dask.config.get(LINK) == "{scheme}://{host}:{port}/status"


def test_the_dashboard_of_a_local_cluster_behind_a_hub(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "GDAL_NUM_THREADS",
    ):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    lines: list[str] = []
    with open_cluster("local", 1, lines.append) as executor:
        port = executor.client.scheduler_info()["services"]["dashboard"]
    assert lines == [f"Dask: 1 workers on this machine, dashboard at /user/ada/proxy/{port}/status"]
