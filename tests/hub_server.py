"""The hub of deploy/jupyterhub as a process of its own, and a user who works through it as
JupyterLab does: over HTTP and websockets, through the proxy.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
import websocket

ROOT = Path(__file__).parents[1]
# The machine may be busy.
PATIENCE = 600


@dataclass(frozen=True)
class Hub:
    """A running hub: its address, its folder, its password."""

    url: str
    folder: Path
    password: str

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")


@contextlib.contextmanager
def run_hub(
    folder: Path, environment: dict[str, str], password: str | None = None
) -> Iterator[Hub]:
    """Start the hub on free ports of this machine, with variables for its users' servers; stop it
    with everything it started.
    """
    public, inner, routes = _free_ports(3)
    hub = Hub(f"http://127.0.0.1:{public}", folder, password or secrets.token_urlsafe(16))
    (folder / "config.py").write_text(
        "\n".join(
            [
                f"load_subconfig({str(ROOT / 'deploy' / 'jupyterhub' / 'jupyterhub_config.py')!r})",
                f"c.JupyterHub.bind_url = {hub.url!r}",
                f"c.JupyterHub.hub_port = {inner}",
                f"c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{routes}'",
                f"c.Spawner.environment.update({environment!r})",
                f"c.Spawner.args = {['--allow-root'] if os.geteuid() == 0 else []!r}",
                f"c.Spawner.start_timeout = c.Spawner.http_timeout = {PATIENCE}",
            ]
        )
    )
    command = [str(Path(sys.executable).with_name("jupyterhub")), "--config", "config.py"]
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "HUB_PASSWORD": hub.password},
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "JupyterHub is now running" not in hub.log:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the hub did not start: {hub.log[-3000:]}")
            time.sleep(0.1)
        yield hub
    finally:
        started = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in psutil.wait_procs(started, timeout=10)[1]:
            left.kill()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class User:
    """Somebody with a browser."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name, self.server = hub, name, f"{hub.url}/user/{name}"
        self.browser = requests.Session()
        self.browser.trust_env = False

    @property
    def home(self) -> Path:
        return self.hub.folder / "hub" / "users" / self.name

    def log_in(self, password: str) -> requests.Response:
        """Fill in the hub's form."""
        self.browser.get(f"{self.hub.url}/hub/login", timeout=PATIENCE)
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf}
        answer = self.browser.post(
            f"{self.hub.url}/hub/login", data=form, timeout=PATIENCE, allow_redirects=False
        )
        # The page behind the login sets the token against forged requests that goes with it.
        self.browser.get(f"{self.hub.url}/hub/home", timeout=PATIENCE, allow_redirects=False)
        return answer

    @property
    def _xsrf(self) -> str | None:
        return self.browser.cookies.get("_xsrf", path="/hub/")

    def ask_hub(self, method: str, path: str) -> requests.Response:
        """A request to the hub with the cookies of the login."""
        options = {"headers": {"X-XSRFToken": self._xsrf or ""}, "timeout": PATIENCE}
        return self.browser.request(
            method,
            f"{self.hub.url}/hub/api/users/{self.name}{path}",
            **options,
            **({"json": {}} if method == "POST" else {}),
        )

    def spawn(self) -> None:
        """Start the server and wait until it is there."""
        asked = self.ask_hub("POST", "/server")
        if asked.status_code not in (201, 202):
            raise RuntimeError(asked.text)
        deadline = time.monotonic() + PATIENCE
        while not self.ask_hub("GET", "").json()["servers"].get("", {}).get("ready"):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the server of {self.name} did not start: {self.hub.log[-3000:]}"
                )
            time.sleep(0.2)

    def new_token(self) -> str:
        return str(self.ask_hub("POST", "/tokens").json()["token"])

    def ask(
        self, path: str, token: str | None, method: str = "GET", **options
    ) -> requests.Response:
        """A request to the user's server with a token, or with nothing at all."""
        headers = {"Authorization": f"token {token}"} if token else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                f"{self.server}/{path}",
                headers=headers,
                timeout=PATIENCE,
                allow_redirects=False,
                **options,
            )

    @contextlib.contextmanager
    def kernel(self, notebook: str, token: str) -> Iterator[Kernel]:
        """The kernel of a notebook, ended at the end."""
        session = {
            "path": notebook,
            "name": notebook,
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        answer = self.ask("api/sessions", token, "POST", json=session)
        if answer.status_code != 201:
            raise RuntimeError(answer.text)
        key = answer.json()["kernel"]["id"]
        channel = self.channel(key, token)
        try:
            yield Kernel(channel)
        finally:
            channel.close()
            self.ask(f"api/kernels/{key}", token, "DELETE")

    def channel(self, key: str, token: str | None) -> websocket.WebSocket:
        """The websocket of a kernel."""
        url = self.server.replace("http://", "ws://") + f"/api/kernels/{key}/channels"
        header = [f"Authorization: token {token}"] if token else []
        return websocket.create_connection(
            url, header=header, timeout=PATIENCE, http_no_proxy=["127.0.0.1"]
        )


class Kernel:
    """A kernel at the other end of a websocket."""

    def __init__(self, channel: websocket.WebSocket) -> None:
        self.channel, self.session = channel, uuid.uuid4().hex

    def execute(self, code: str) -> str:
        """Run one cell to its end.

        Returns
        -------
        str
            All that it printed, and what it showed as text.

        Raises
        ------
        RuntimeError
            With the traceback, if the cell fails.
        """
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": self.session,
            "username": "",
            "version": "5.3",
            "date": "",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        self.channel.send(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                    "buffers": [],
                }
            )
        )
        said, waiting = "", {"execute_reply", "idle"}
        while waiting:
            answer = json.loads(self.channel.recv())
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if answer["msg_type"] == "error":
                raise RuntimeError("\n".join(answer["content"]["traceback"]))
            waiting -= {answer["msg_type"], answer["content"].get("execution_state")}
            said += answer["content"].get("text", "") or answer["content"].get("data", {}).get(
                "text/plain", ""
            )
        return said
