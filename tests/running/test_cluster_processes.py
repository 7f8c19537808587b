"""Scheduler, workers, command and bucket as separate processes, with TLS required: and a map that
ends with the same bits whatever is killed.

As root each worker lives in a network namespace of its own, and cutting its link means to take its
interface down. Elsewhere all share the loopback, and a worker is cut off by stopping its process,
which then neither answers nor closes its connections.
"""

import contextlib
import datetime
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import yaml
from s3fs import S3FileSystem
from threadpoolctl import threadpool_limits

from icemap import IcemapError
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.provenance import versions
from icemap.running.cluster import open_cluster
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import SMALL, in_little

SETTINGS = {
    "grid": {"west": -180, "south": 60, "east": 180, "north": 76, "resolution": 1, "chunk": 16},
    "predictors": ["maat", "elevation"],
    "sites": {"table": "sites.csv", "value": "ice", "unit": "%"},
    "ensemble": SMALL["ensemble"],
    "verification": {"folds": 3, "places": 100, "competitors": []},
    "map": {"replicate_fields": False},
}
CHUNKS = 23
# Records in the ledger when something ends: enough for the map to be under way, few enough for most
# of it to be left.
UNDER_WAY = 5
WORKERS = 2
# The executor keeps two tasks per thread in flight: no more can be lost at once.
IN_FLIGHT = 2 * WORKERS
# A cut link is noticed by TCP, which Dask wants to give at least 11 s. A stopped process only by
# its missing heartbeats, and those are late on a loaded machine while a worker imports and
# compiles: with 5 s all workers were thrown out.
TCP_TIMEOUT, WORKER_TTL = "11s", "60s"
# Notes the start of every task, from inside the worker, so that what is computed again can be
# counted whoever dies.
COUNTER = """
import os
from distributed.diagnostics.plugin import WorkerPlugin

class Begun(WorkerPlugin):
    def setup(self, worker):
        self.file = os.open(os.environ["ICEMAP_TEST_BEGUN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def transition(self, key, start, finish, **kwargs):
        if finish == "executing":
            os.write(self.file, f"{key.split('-')[1]}\\n".encode())

async def dask_setup(worker):
    await worker.plugin_add(Begun())
"""


def can_have_namespaces() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"icemap-{os.getpid()}-try"
    made = (
        subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode
        == 0
    )
    made = (
        made
        and subprocess.run(
            ["ip", "netns", "exec", name, "true"], capture_output=True, check=False
        ).returncode
        == 0
    )
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made


class Loopback:
    """No namespaces: a worker is cut off by stopping it."""

    host = "127.0.0.1"

    def enter(self, number: int) -> list[str]:
        return []

    def cut(self, number: int, process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGSTOP)

    def mend(self, number: int, process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        pass


class Namespaces:
    """A bridge, and one network namespace per worker that hangs on it."""

    def __init__(self) -> None:
        self.id = f"{os.getpid() % 100000:05d}"
        self.net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.host = f"{self.net}.1"
        self.bridge = f"im{self.id}"
        self.ip("link", "add", self.bridge, "type", "bridge")
        self.ip("address", "add", f"{self.host}/24", "dev", self.bridge)
        self.ip("link", "set", self.bridge, "up")
        for number in range(WORKERS):
            space, outer = f"icemap-{self.id}-{number}", self.outer(number)
            self.ip("netns", "add", space)
            self.ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space)
            self.ip("link", "set", outer, "master", self.bridge, "up")
            self.ip("-n", space, "address", "add", f"{self.net}.{10 + number}/24", "dev", "eth0")
            self.ip("-n", space, "link", "set", "eth0", "up")
            self.ip("-n", space, "link", "set", "lo", "up")

    @staticmethod
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def outer(self, number: int) -> str:
        return f"im{self.id}w{number}"

    def enter(self, number: int) -> list[str]:
        return ["ip", "netns", "exec", f"icemap-{self.id}-{number}"]

    def cut(self, number: int, process: subprocess.Popen) -> None:
        self.ip("link", "set", self.outer(number), "down")

    def mend(self, number: int, process: subprocess.Popen) -> None:
        self.ip("link", "set", self.outer(number), "up")

    def close(self) -> None:
        for number in range(WORKERS):
            self.ip("netns", "delete", f"icemap-{self.id}-{number}")
        self.ip("link", "delete", self.bridge)


class Forward(socketserver.ThreadingTCPServer):
    """Hands connections on to a server that listens on the loopback of the machine only."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as server:
                    back = threading.Thread(target=copy, args=(server, self.request), daemon=True)
                    back.start()
                    copy(self.request, server)
                    back.join()

        super().__init__((host, 0), Handler)


def write_certificates(folder: Path, *names: str) -> None:
    """A certificate authority, and certificates with their keys that it signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    today = datetime.datetime.now(datetime.UTC)
    folder.mkdir()

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    authority = ec.generate_private_key(ec.SECP256R1())
    for name in ("ca", *names):
        key = authority if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder(
            named("ca"), named(name), key.public_key(), x509.random_serial_number()
        )
        builder = builder.not_valid_before(today - datetime.timedelta(days=1)).not_valid_after(
            today + datetime.timedelta(days=1)
        )
        certificate = builder.add_extension(
            x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True
        ).sign(authority, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )


def tls_environment(folder: Path, *roles: str) -> dict[str, str]:
    variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": folder / "ca.pem"}
    for role in roles:
        variables |= {
            f"DASK_DISTRIBUTED__COMM__TLS__{role.upper()}__{part.upper()}": folder / f"{role}.{end}"
            for part, end in (("cert", "pem"), ("key", "key"))
        }
    return {name: str(path) for name, path in variables.items()}


def tls_config(folder: Path) -> dict[str, str]:
    return {"distributed.comm.tls.ca-file": str(folder / "ca.pem")} | {
        f"distributed.comm.tls.client.{part}": str(folder / f"client.{end}")
        for part, end in (("cert", "pem"), ("key", "key"))
    }


@dataclass
class Cluster:
    """A scheduler that requires TLS and workers, each a process that can be ended alone."""

    folder: Path
    links: Loopback | Namespaces
    environment: dict[str, str]
    port: int
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"tls://{self.links.host}:{self.port}"

    @property
    def begun(self) -> Path:
        return self.folder / "begun.txt"

    def start_scheduler(self) -> None:
        self.start(
            "scheduler",
            [],
            [
                "scheduler",
                "--protocol",
                "tls",
                "--host",
                self.links.host,
                "--port",
                str(self.port),
                "--dashboard-address",
                ":0",
            ],
        )

    def start_worker(self, name: str, number: int, **environment: str) -> None:
        options = [
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--death-timeout",
            "60",
            "--preload",
            str(self.folder / "counter.py"),
            "--local-directory",
            str(self.folder),
        ]
        self.start(
            name,
            self.links.enter(number),
            ["worker", self.address, "--name", name, *options],
            **environment,
        )

    def start(self, name: str, before: list[str], words: list[str], **environment: str) -> None:
        program = [*before, sys.executable, "-m", "dask", *words]
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                program,
                stdout=log,
                stderr=log,
                env={**self.environment, **environment},
                cwd=self.folder,
            )

    def end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def whole(self) -> None:
        """Start what is missing, and wait until all workers are there and no others."""
        if "scheduler" not in self.processes:
            for name in list(self.processes):
                self.end(name)
            self.start_scheduler()
        for number in range(WORKERS):
            if f"worker-{number}" not in self.processes:
                self.start_worker(f"worker-{number}", number)
        from distributed import Client

        expected = {f"worker-{number}" for number in range(WORKERS)}
        deadline = time.monotonic() + 600
        with (
            dask.config.set(tls_config(self.folder / "certificates")),
            Client(self.address, timeout=300, set_as_default=False) as client,
        ):
            while {
                worker["name"] for worker in client.scheduler_info()["workers"].values()
            } != expected:
                assert time.monotonic() < deadline, self.logs()
                time.sleep(0.5)

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log")
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, s3_process):
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "counter.py").write_text(COUNTER)
    write_certificates(folder / "certificates", "scheduler", "worker", "client")
    links = Namespaces() if can_have_namespaces() else Loopback()
    with (
        Forward(links.host, int(s3_process.endpoint.rsplit(":", 1)[1])) as forward,
        socket.socket() as free,
    ):
        threading.Thread(target=forward.serve_forever, daemon=True).start()
        free.bind((links.host, 0))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **s3_process.environment(s3_process.owner),
            **tls_environment(folder / "certificates", "scheduler", "worker"),
            "AWS_ENDPOINT_URL_S3": f"http://{links.host}:{forward.server_address[1]}",
            "NO_PROXY": links.host,
            "no_proxy": links.host,
            "OMP_NUM_THREADS": "1",
            "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": TCP_TIMEOUT,
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": WORKER_TTL,
            "ICEMAP_TEST_BEGUN": str(folder / "begun.txt"),
        }
        cluster = Cluster(folder, links, environment, free.getsockname()[1])
        free.close()
        try:
            yield cluster
        finally:
            for name in list(cluster.processes):
                cluster.end(name)
            links.close()
            forward.shutdown()


@dataclass
class Project:
    """A trained run in the bucket whose map can be made again and again, and the map that one
    process made of it.
    """

    folder: Path
    config: Path
    url: str
    files: S3FileSystem
    environment: dict[str, str]

    def forget_map(self) -> None:
        for name in ("map.zarr", "ledger/map"):
            if self.files.exists(f"{self.url}/{name}"):
                self.files.rm(f"{self.url}/{name}", recursive=True)
        self.files.put(str(self.folder / "run" / "provenance.json"), f"{self.url}/provenance.json")

    def map(self, address: str) -> subprocess.Popen:
        program = [sys.executable, "-m", "icemap", "map", str(self.config), "--cluster", address]
        return subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def records(self) -> dict[str, str]:
        """The ledger's records with what changes when one is written again."""
        self.files.invalidate_cache()
        found = {
            name.rsplit("/", 1)[1]: entry
            for name, entry in self.files.find(f"{self.url}/ledger/map", detail=True).items()
        }
        return {
            name: str(entry["LastModified"])
            for name, entry in found.items()
            if name.endswith(".json") and not name.startswith(".")
        }

    def wait_for(self, records: int, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + 800
        while len(self.records()) < records:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def differs(self) -> list[str]:
        """Objects of the map whose bytes are not those of the undisturbed one."""
        undisturbed = self.folder / "undisturbed.zarr"
        expected = {
            str(path.relative_to(undisturbed)): path.read_bytes()
            for path in undisturbed.rglob("*")
            if path.is_file()
        }
        root = f"{self.url}/map.zarr".removeprefix("s3://")
        found = {
            name.removeprefix(root + "/"): content
            for name, content in self.files.cat(self.files.find(root)).items()
        }
        return sorted(
            name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory, s3_process, cluster) -> Project:
    folder = tmp_path_factory.mktemp("project")
    config = Path(write_demo(str(folder), "small"))
    settings = {**yaml.safe_load(config.read_text()), **SETTINGS}
    del settings["boreholes"]
    config.write_text(yaml.safe_dump(settings))
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(90, 150, 120), rng.uniform(60, 74, 120)
    pd.DataFrame(
        {"lon": lon, "lat": lat, "ice": (lat - 50 + 5 * rng.normal(size=120)).clip(0, 100)}
    ).to_csv(folder / "sites.csv", index=False)
    context = Context(load_config(str(config)), "serial", 1, lambda line: None)
    with threadpool_limits(1), in_little():
        run_steps(STEPS, context, ["cube", "boreholes", "train", "verify"])
        trained = (folder / "run" / "provenance.json").read_bytes()
        run_steps(STEPS, context, ["map"])
    (folder / "run" / "provenance.json").write_bytes(trained)
    (folder / "run" / "map.zarr").rename(folder / "undisturbed.zarr")
    shutil.rmtree(folder / "run" / "ledger" / "map")
    owner, url = s3_process.owner, f"s3://{s3_process.bucket}/processes"
    files = S3FileSystem(
        key=owner.access_key,
        secret=owner.secret_key,
        endpoint_url=s3_process.endpoint,
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    files.put(f"{folder / 'run'}/", url, recursive=True)
    config.write_text(yaml.safe_dump({**settings, "run": url}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {
        **clean,
        **s3_process.environment(owner),
        **tls_environment(cluster.folder / "certificates", "client"),
        "OMP_NUM_THREADS": "1",
    }
    return Project(folder, config, url, files, environment)


@pytest.fixture
def fresh(cluster, project) -> None:
    """All processes are there, no chunk is mapped, and nothing is counted."""
    project.forget_map()
    cluster.whole()
    cluster.begun.touch()
    os.truncate(cluster.begun, 0)


@pytest.fixture
def tell(capsys, cluster):
    def tell(what: str) -> int:
        begun = Counter(cluster.begun.read_text().split())
        again = sum(begun.values()) - CHUNKS
        assert len(begun) == CHUNKS
        with capsys.disabled():
            print(
                f"\n{what}: {again} of {CHUNKS} chunks begun again"
                f" ({type(cluster.links).__name__.lower()})"
            )
        return again

    return tell


def test_a_killed_worker_costs_its_chunks_and_no_bits(cluster, project, fresh, tell):
    process = project.map(cluster.address)
    project.wait_for(UNDER_WAY, process)
    cluster.end("worker-1")
    said, errors = process.communicate(timeout=3000)
    assert process.returncode == 0, errors
    assert "Dask: joined tls://" in said
    assert project.differs() == []
    assert 0 <= tell("kill -9 of a worker") <= IN_FLIGHT


def test_a_cut_link_costs_its_chunks_and_no_bits(cluster, project, fresh, tell):
    process = project.map(cluster.address)
    project.wait_for(UNDER_WAY, process)
    cluster.links.cut(1, cluster.processes["worker-1"])
    _, errors = process.communicate(timeout=3000)
    assert process.returncode == 0, errors
    assert project.differs() == []
    assert 0 <= tell("cut link of a worker") <= IN_FLIGHT
    # The worker that nobody waits for any more writes what it had in hand.
    cluster.links.mend(1, cluster.processes["worker-1"])
    time.sleep(1)
    assert project.differs() == []
    cluster.end("worker-1")


def test_after_the_death_of_the_scheduler_the_same_command_continues(cluster, project, fresh, tell):
    process = project.map(cluster.address)
    project.wait_for(UNDER_WAY, process)
    cluster.end("scheduler")
    _, errors = process.communicate(timeout=3000)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    assert errors.strip().endswith(
        f"icemap: The Dask scheduler at {cluster.address} was lost: what is finished is kept, and"
        " the same command continues once it, or another, runs."
    )
    kept = project.records()
    assert UNDER_WAY <= len(kept) < CHUNKS
    cluster.whole()
    finish(project, cluster, kept)
    assert 0 <= tell("death of the scheduler") <= IN_FLIGHT


def test_after_the_death_of_the_client_the_same_command_continues(cluster, project, fresh, tell):
    process = project.map(cluster.address)
    project.wait_for(UNDER_WAY, process)
    process.kill()
    process.communicate()
    kept = project.records()
    assert UNDER_WAY <= len(kept) < CHUNKS
    finish(project, cluster, kept)
    assert 0 <= tell("kill -9 of the client") <= IN_FLIGHT


def finish(project: Project, cluster: Cluster, kept: dict[str, str]) -> None:
    process = project.map(cluster.address)
    said, errors = process.communicate(timeout=3000)
    assert process.returncode == 0, errors
    assert "map: continuing" in said
    after = project.records()
    assert len(after) == CHUNKS
    assert {key: after[key] for key in kept} == kept
    assert project.differs() == []


@contextlib.contextmanager
def refused(address: str, **config: str):
    with (
        dask.config.set(config),
        pytest.raises(IcemapError) as caught,
        open_cluster(address, 1, lambda line: None),
    ):
        pass
    yield str(caught.value)


def test_who_has_no_certificate_of_this_authority_is_refused(cluster, fresh, monkeypatch):
    monkeypatch.setattr("icemap.running.cluster.JOIN_SECONDS", 3)
    plain = cluster.address.replace("tls://", "tcp://")
    with refused(plain) as said:
        assert (
            said
            == f"What runs at {plain} refuses this connection: one that requires TLS is joined by"
            " tls://; otherwise check that it is a Dask scheduler."
        )
    write_certificates(cluster.folder / "strangers", "client")
    with refused(cluster.address, **tls_config(cluster.folder / "strangers")) as said:
        assert said.startswith(
            f"What runs at {cluster.address} refuses this TLS connection: check that"
        )


def test_a_worker_of_other_versions_is_refused_whenever_it_joins(cluster, fresh, tmp_path):
    metadata = tmp_path / "numba-0.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numba\nVersion: 0.1\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    expected = f"numba is {versions()['numba']} here and 0.1 on the worker tls://"
    with dask.config.set(tls_config(cluster.folder / "certificates")):
        with open_cluster(cluster.address, 1, lambda line: None) as executor:
            cluster.start_worker("odd", 0, PYTHONPATH=path)
            with pytest.raises(IcemapError) as late:
                # A function of this file would travel by its name, which nobody else can import.
                list(executor.map(lambda item: time.sleep(0.05) or {}, range(100_000)))
        assert str(late.value).startswith(expected)
        with (
            pytest.raises(IcemapError) as early,
            open_cluster(cluster.address, 1, lambda line: None),
        ):
            pass
        assert str(early.value).startswith(expected)
    cluster.end("odd")
