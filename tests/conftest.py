import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("s3_server", Path(__file__).with_name("s3_server.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["s3_server"] = _module  # dataclasses look their module up by name
_spec.loader.exec_module(_module)


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory):
    """The S3 server of this test session; started when first asked for, stopped at the end."""
    try:
        with _module.run_s3_server(tmp_path_factory.mktemp("s3")) as server:
            yield server
    except _module.CannotStart as reason:
        pytest.skip(f"no S3 server: {reason}")


@pytest.fixture
def log_in(s3_process, monkeypatch) -> Iterator[Callable]:
    """Become ``owner``, ``reader`` or ``stranger`` of the S3 server for the rest of the test."""
    from s3fs import S3FileSystem

    def become(identity: str) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in s3_process.environment(getattr(s3_process, identity)).items():
            monkeypatch.setenv(name, value)
        # s3fs keeps file systems, with the credentials they were made with.
        S3FileSystem.clear_instance_cache()

    yield become
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3_server(s3_process, log_in):
    """A running S3 server; the environment holds the keys of its owner. ``s3_server.bucket`` is the name of a bucket."""
    log_in("owner")
    return s3_process


@pytest.fixture
def s3_url(s3_server, request) -> str:
    """A prefix in the bucket that no other test uses."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return f"s3://{s3_server.bucket}/{name}"
