"""The hub of deploy/jupyterhub, run for real: log in, get a server, execute every notebook through
it, see the dashboard; nothing without a login.
"""

import importlib.util
import re
import sys
import uuid
from pathlib import Path

import nbformat
import pytest
import requests
import websocket

_spec = importlib.util.spec_from_file_location(
    "hub_server", Path(__file__).with_name("hub_server.py")
)
hub_server = importlib.util.module_from_spec(_spec)
sys.modules["hub_server"] = hub_server  # dataclasses look their module up by name
_spec.loader.exec_module(hub_server)

NOTEBOOKS = sorted((hub_server.ROOT / "notebooks").glob("*.ipynb"))
CLUSTER, READS = "5_map_on_a_cluster.ipynb", "6_read_from_s3.ipynb"
RUN = "notebooks/virtual_arctic/run"
# The first holds the credentials of machines in a cloud.
STRANGE_HOSTS = (
    "169.254.169.254:80",
    "example.org:80",
    "localhost.example.org:80",
    "x-scheduler.icemap.example.org:80",
    "x-scheduler.other:8787",
)
START = """
from dask.distributed import LocalCluster

cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0")
print("dashboard at", cluster.dashboard_link)
"""
SCHEDULER = "icemap-0-scheduler.icemap:8787"


@pytest.fixture(scope="module")
def hub(tmp_path_factory, s3_process):
    """The hub; its users have the keys of a bucket, and ``ICEMAP_RUN`` says where in it the run
    is.
    """
    run = {"ICEMAP_RUN": f"s3://{s3_process.bucket}/{RUN}"}
    with hub_server.run_hub(
        tmp_path_factory.mktemp("hub"), {**s3_process.environment(s3_process.owner), **run}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def ada(hub):
    """A user with a server of her own."""
    user = hub_server.User(hub, "ada")
    assert user.log_in(hub.password).status_code == 302
    user.spawn()
    return user


@pytest.fixture(scope="module")
def token(ada) -> str:
    return ada.new_token()


@pytest.fixture(scope="module")
def strange_token(hub) -> str:
    """Of another user."""
    eve = hub_server.User(hub, "eve")
    eve.log_in(hub.password)
    return eve.new_token()


@pytest.fixture(scope="module")
def cluster(ada, token, strange_token) -> tuple[str, dict[str, requests.Response]]:
    """What a kernel said that started a cluster, and the answers to
    those who asked for the dashboard while it was up.
    """
    with ada.kernel(f"notebooks/{CLUSTER}", token) as kernel:
        said = kernel.execute(START) + "\n"
        port = re.search(r"dashboard at \S*?(\d+)/status", said)
        assert port, said
        asked = {"ada": token, "nobody": None, "eve": strange_token}
        return said, {who: ada.ask(f"proxy/{port[1]}/status", key) for who, key in asked.items()}


@pytest.fixture(scope="module")
def executed(ada, token, s3_process) -> dict[str, str]:
    """What each notebook said, executed in order through the server."""
    said: dict[str, str] = {}
    for path in NOTEBOOKS:
        if path.name == READS:
            _upload(ada.home / RUN, s3_process)
        said[path.name] = ""
        with ada.kernel(f"notebooks/{path.name}", token) as kernel:
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type == "code":
                    said[path.name] += kernel.execute(cell.source) + "\n"
    return said


def _upload(folder: Path, server) -> None:
    import s3fs

    files = s3fs.S3FileSystem(
        key=server.owner.access_key, secret=server.owner.secret_key, endpoint_url=server.endpoint
    )
    files.put(str(folder) + "/", f"{server.bucket}/{RUN}", recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.name for path in NOTEBOOKS])
def test_every_notebook_runs_through_the_server(executed, name):
    assert executed[name].strip()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS[1:3], ids=lambda path: path.name)
def test_what_is_stored_in_a_notebook_is_what_it_says(executed, path):
    """Counts of cells and sites, which no machine changes."""
    said = executed[path.name]
    stored = "".join(
        o.get("text", "")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
        for o in cell.outputs
    )
    counts = re.findall(r"[\d,]+ of [\d,]+ (?:cells|sites)", stored)
    assert counts
    assert re.findall(r"[\d,]+ of [\d,]+ (?:cells|sites)", said) == counts


@pytest.mark.slow
def test_the_results_are_read_from_the_bucket(executed, s3_process):
    assert f"reading s3://{s3_process.bucket}/{RUN}" in executed[READS]
    assert "T5m_VIC" in executed[READS]


def test_the_dashboard_is_seen_through_the_server_by_its_owner_alone(cluster):
    answers = cluster[1]
    assert answers["ada"].status_code == 200
    assert "Dask" in answers["ada"].text
    assert answers["nobody"].status_code == 302
    assert answers["nobody"].headers["Location"].startswith("/hub/api/oauth2/authorize?")
    assert answers["eve"].status_code == 403


@pytest.mark.parametrize(
    "path", ["api/contents", "api/kernels", "api/terminals", "files/notebooks/1_cube.ipynb"]
)
def test_a_server_answers_nobody_without_a_token(ada, token, strange_token, path):
    assert ada.ask(path, token).status_code == 200
    for wrong in (None, strange_token, "0" * 32):
        answer = ada.ask(path, wrong)
        assert answer.status_code in (302, 403)
        assert "/hub/api/oauth2/authorize?" in answer.headers.get(
            "Location", "/hub/api/oauth2/authorize?"
        )
        assert "notebook" not in answer.text


def test_a_kernel_talks_to_nobody_without_a_token(ada, token, strange_token):
    with ada.kernel("notebooks/none.ipynb", token) as kernel:
        assert kernel.execute("import os; print('HUB_PASSWORD' in os.environ)").strip() == "False"
        key = ada.ask("api/kernels", token).json()[0]["id"]
        for wrong in (None, strange_token):
            with pytest.raises(websocket.WebSocketBadStatusException) as refused:
                ada.channel(key, wrong)
            assert refused.value.status_code == 403


def test_the_server_is_a_way_to_schedulers_alone(ada, token):
    """Asked at the server itself: the proxy in front of it hands on no path with a colon."""
    with ada.kernel("notebooks/none.ipynb", token) as kernel:
        server = kernel.execute("import os; print(os.environ['JUPYTERHUB_SERVICE_URL'])").strip()
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"token {token}"
        answers = {
            host: (
                session.get(f"{server}proxy/{host}/status", timeout=hub_server.PATIENCE).status_code
            )
            for host in (*STRANGE_HOSTS, SCHEDULER)
        }
    assert {host: answers[host] for host in STRANGE_HOSTS} == dict.fromkeys(STRANGE_HOSTS, 403)
    # There is none here; but it was looked for.
    assert answers[SCHEDULER] >= 500


def test_a_wrong_password_opens_nothing(hub):
    eve = hub_server.User(hub, "ada")
    assert eve.log_in("guessed " + uuid.uuid4().hex).status_code == 403
    assert eve.ask_hub("GET", "").status_code == 403


def test_the_hub_does_not_start_with_a_short_password(tmp_path):
    with (
        pytest.raises(RuntimeError, match="16 letters or more"),
        hub_server.run_hub(tmp_path, {}, password="short"),
    ):
        pass


def test_no_secret_is_in_what_the_hub_and_a_kernel_say(hub, cluster, s3_process, token):
    """Last: after all of the above."""
    for secret in (hub.password, token, s3_process.owner.secret_key, s3_process.owner.access_key):
        assert secret not in hub.log + cluster[0]


@pytest.mark.slow
def test_no_secret_is_in_what_the_notebooks_say(executed, s3_process, hub, token):
    said = "".join(executed.values())
    for secret in (hub.password, token, s3_process.owner.secret_key, s3_process.owner.access_key):
        assert secret not in said
