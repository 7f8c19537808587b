"""Where a key may come from, that it never gets anywhere else, and buckets behind TLS."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from s3_chain import Bucket, write_inputs
from s3_proxy import run_proxy
from s3_server import CannotStart, run_s3_server
from s3fs import S3FileSystem

from icemap import IcemapError, doctor, store
from icemap.cli import main
from icemap.predictors.gdal_access import gdal_environment


@pytest.fixture
def bare(monkeypatch) -> Iterator[None]:
    """No variable of AWS, no profile, no service that hands out keys."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


def write_profile(folder: Path, name: str, access_key: str, secret_key: str) -> str:
    file = folder / "credentials"
    file.write_text(
        f"[{name}]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"
    )
    return str(file)


def test_a_profile_is_enough_and_a_wrong_one_is_named(bare, s3_process, monkeypatch, tmp_path):
    owner = s3_process.owner
    monkeypatch.setenv(
        "AWS_SHARED_CREDENTIALS_FILE",
        write_profile(tmp_path, "field", owner.access_key, owner.secret_key),
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_process.endpoint)
    monkeypatch.setenv("AWS_PROFILE", "field")
    url = f"s3://{s3_process.bucket}/profile/note.txt"
    store.write_text(url, "by profile")
    assert store.read_text(url) == "by profile"
    assert doctor._credentials() == (doctor.OK, "profile 'field'")
    monkeypatch.setenv("AWS_PROFILE", "feild")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(IcemapError, match=r"^Cannot read s3://.*\(feild\)") as caught:
        store.read_text(url)
    assert owner.access_key not in str(caught.value)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Mock servers of S3 and STS in one: SeaweedFS does not know the keys that STS hands out."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_web_identity_is_exchanged_for_a_key_of_an_hour(bare, moto, monkeypatch, tmp_path):
    """As a pod's service account on EKS does it; both services are mocks."""
    import boto3

    boto3.client(
        "s3", endpoint_url=moto, aws_access_key_id="any", aws_secret_access_key="any"
    ).create_bucket(Bucket="web-identity")
    (tmp_path / "token").write_text("a-token-of-the-cluster")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/icemap")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto)
    with run_proxy(moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.endpoint)
        store.write_text("s3://web-identity/note.txt", "by web identity")
        assert store.read_text("s3://web-identity/note.txt") == "by web identity"
        assert [(method, status) for method, _, status in proxy.seen] == [("POST", 200)]
        assert doctor._credentials() == (doctor.OK, "web identity")
        proxy.fail("expired")
        S3FileSystem.clear_instance_cache()
        with pytest.raises(
            IcemapError,
            match=(
                r"the credentials have expired\. Log in again, then the same command continues\.$"
            ),
        ) as caught:
            store.read_text("s3://web-identity/note.txt")
    assert "a-token-of-the-cluster" not in str(caught.value)


SECRETS = {
    "AWS_ACCESS_KEY_ID": "PLANTEDKEYZZZZ000001",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+zzzz",
    "AWS_SESSION_TOKEN": "planted-session-token-zzzz",
}


def test_planted_keys_are_in_no_sentence_whatever_fails(s3_process, log_in, monkeypatch, caplog):
    """Keys that the server does not know, through refusals and broken connections; the keys of a
    whole run are sought in test_chain_s3.
    """
    log_in("owner")
    url = f"s3://{s3_process.bucket}/planted"
    store.write_text(f"{url}/config.yaml", "run: run")
    texts = []
    with run_proxy(s3_process.endpoint) as proxy:
        for name, value in {
            **SECRETS,
            "AWS_ENDPOINT_URL_S3": proxy.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        for kind in ("", "500", "503", "expired", "reset", "truncated"):
            proxy.heal()
            if kind:
                proxy.fail(kind)
            for words in (
                ("map", f"{url}/config.yaml"),
                ("status", f"{url}/run"),
                ("query", f"{url}/run", "--lon", "0", "--lat", "70"),
            ):
                S3FileSystem.clear_instance_cache()
                result = CliRunner().invoke(main, words)
                assert result.exit_code == 2
                assert result.stderr.startswith("icemap: Cannot ")
                texts.append(result.output)
    texts.append(caplog.text)
    assert [secret for secret in SECRETS.values() for text in texts if secret in text] == []


def test_tasks_and_their_records_carry_no_key(s3_process, log_in, tmp_path):
    """What is sent to a worker and what comes back, pickled as Dask does it."""
    import cloudpickle

    from icemap.config import load_config
    from icemap.pipeline.chain import STEPS
    from icemap.pipeline.making import run_steps
    from icemap.pipeline.steps import Context
    from icemap.running.run import SerialExecutor

    write_inputs(tmp_path)
    bucket = Bucket(s3_process, "tasks")
    bucket.upload(tmp_path)
    log_in("owner")
    sent: list[bytes] = []

    class Watched(SerialExecutor):
        def map(self, function, items):
            sent.extend(cloudpickle.dumps((function, item)) for item in items)
            for item in items:
                record = function(item)
                sent.append(cloudpickle.dumps(record))
                yield item, record

    context = Context(load_config(f"{bucket.url}/config.yaml"), "local", 1, lambda line: None)
    context.__dict__["executor"] = Watched()
    run_steps(STEPS, context, ["cube"])
    owner = s3_process.owner
    assert len(sent) == 2 * 10
    assert [
        content
        for content in sent
        if owner.access_key.encode() in content or owner.secret_key.encode() in content
    ] == []


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority of our own, and a certificate for 127.0.0.1 with its key."""
    authority, authority_key, key, request, certificate = (
        folder / name for name in ("ca.pem", "ca.key", "s3.key", "s3.csr", "s3.pem")
    )
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        2,
        "-subj",
        "/CN=icemap tests",
        "-keyout",
        authority_key,
        "-out",
        authority,
    )
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
        "-keyout",
        key,
        "-out",
        request,
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        authority,
        "-CAkey",
        authority_key,
        "-CAcreateserial",
        "-days",
        2,
        "-extfile",
        folder / "names",
        "-out",
        certificate,
    )
    return authority, certificate, key


@pytest.mark.slow
def test_a_bucket_behind_tls_and_a_certificate_that_nobody_knows(bare, tmp_path, monkeypatch):
    authority, certificate, key = make_certificates(tmp_path)
    (tmp_path / "data").mkdir()
    try:
        with run_s3_server(tmp_path / "data", tls=(authority, certificate, key)) as server:
            assert server.endpoint.startswith("https://")
            for name, value in server.environment(server.owner).items():
                monkeypatch.setenv(name, value)
            url = f"s3://{server.bucket}/note.txt"
            monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
            S3FileSystem.clear_instance_cache()
            with pytest.raises(
                IcemapError, match=r"^Cannot write s3://.*note\.txt: .*AWS_CA_BUNDLE"
            ):
                store.write_text(url, "x")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
            S3FileSystem.clear_instance_cache()
            store.write_text(url, "over TLS")
            assert store.read_text(url) == "over TLS"
            profile = {"driver": "GTiff", "height": 2, "width": 3, "count": 1, "dtype": "uint8"}
            with rasterio.open(tmp_path / "a.tif", "w", **profile) as raster:
                raster.write(np.full((2, 3), 7, "u1"), 1)
            store.upload(tmp_path / "a.tif", f"s3://{server.bucket}/a.tif")
            with (
                rasterio.Env(**gdal_environment()),
                rasterio.open(f"/vsis3/{server.bucket}/a.tif") as raster,
            ):
                assert (raster.read(1) == 7).all()
    except CannotStart as reason:
        pytest.skip(f"no S3 server with TLS: {reason}")
