import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# What a machine is busy with decides how long an example takes. The same commit has the same
# examples everywhere; others are looked for with --hypothesis-profile=explore.
settings.register_profile("icemap", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("icemap")

# Files that share the finished run in the bucket, which each process makes for itself.
S3_RUN = {"tests/test_chain_s3.py", "tests/test_s3_faults.py"}
IN_THE_BUCKET = "the run in the bucket"
# Files that take minutes with few tests: begun last, one of them would keep a process alone.
LONG = (
    IN_THE_BUCKET,
    "tests/pipeline/test_chain.py",
    "tests/test_chain_resume.py",
    "tests/running/test_cluster_processes.py",
    "tests/test_cli_bad_input.py",
    "tests/pipeline/test_target_units.py",
    "tests/mapping/test_processors.py",
    "tests/test_two_commands.py",
    "tests/docs/test_library_pages.py",
    "tests/running/test_seen.py",
    "tests/pipeline/test_bedrock.py",
    "tests/pipeline/test_position.py",
    "tests/test_mutation.py",
    "tests/test_chain_dateline.py",
    "tests/test_chain_published.py",
    "tests/benchmarks/test_bench_fold.py",
    "tests/deploy/test_sockets.py",
)

# Programs, not modules with doctests: they find each other by their own folder.
collect_ignore_glob = ["benchmarks/bench_*.py", "statistical/bedrock.py", "small_command.py"]


def _helper(name: str) -> Any:
    """A file of this folder that tests may import by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadfile``, which has a file tested by one process: those of `S3_RUN`, too, and
    long files first.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return IN_THE_BUCKET if file in S3_RUN else file

        def _assign_work_unit(self, node: Any) -> None:
            if long := [scope for scope in LONG if scope in self.workqueue]:
                self.workqueue.move_to_end(long[0], last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


_module = _helper("s3_server")
for _name in ("s3_proxy", "s3_chain"):
    _helper(_name)


@pytest.fixture(scope="module")
def little() -> Iterator[None]:
    """`small_chain.in_little` for a file of tests that are not about forests."""
    from tests.small_chain import in_little

    with in_little():
        yield


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory):
    """The S3 server of this test session; started when first asked for, stopped at the end."""
    try:
        with _module.run_s3_server(tmp_path_factory.mktemp("s3")) as server:
            yield server
    except _module.CannotStart as reason:
        pytest.skip(f"no S3 server: {reason}")


@pytest.fixture(scope="session")
def s3_run(s3_process, tmp_path_factory):
    """A finished run in the bucket, its inputs next to it; what a test changes of it, the test puts
    right.
    """
    return sys.modules["s3_chain"].make_run(s3_process, tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def log_in(s3_process, monkeypatch) -> Iterator[Callable]:
    """Become ``owner``, ``reader`` or ``stranger`` of the S3 server for the rest of the test."""
    from fsspec.implementations.cached import WholeFileCacheFileSystem
    from rasterio._env import del_gdal_config
    from s3fs import S3FileSystem

    def forget() -> None:
        # On leaving a rasterio.Env what the environment said on entering becomes GDAL's own
        # setting, which then goes before the environment.
        for name in (
            "AWS_S3_ENDPOINT",
            "AWS_HTTPS",
            "AWS_VIRTUAL_HOSTING",
            "GDAL_CURL_CA_BUNDLE",
            "GDAL_DISABLE_READDIR_ON_OPEN",
        ):
            del_gdal_config(name)
        # s3fs keeps file systems, with the credentials and the endpoint they were made with; the
        # cache of downloads keeps those that it reads from.
        S3FileSystem.clear_instance_cache()
        WholeFileCacheFileSystem.clear_instance_cache()

    def become(identity: str) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in s3_process.environment(getattr(s3_process, identity)).items():
            monkeypatch.setenv(name, value)
        forget()

    yield become
    forget()


@pytest.fixture
def s3_server(s3_process, log_in):
    """A running S3 server; the environment holds the keys of its owner. ``s3_server.bucket`` is the
    name of a bucket.
    """
    log_in("owner")
    return s3_process


@pytest.fixture
def s3_url(s3_server, request) -> str:
    """A prefix in the bucket that no other test uses."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return f"s3://{s3_server.bucket}/{name}"
