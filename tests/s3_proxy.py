"""A loopback proxy in front of the S3 server that misbehaves as networks and busy servers do.

The Host header is passed on as the client sent it: version 4 signatures cover it.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "transfer-encoding", "expect", "keep-alive"}
REFUSALS = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "expired": (403, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
}


@dataclass
class Fault:
    """What goes wrong, and for which requests.

    Attributes
    ----------
    kind : str
        A refusal (``500``, ``503``, ``expired``, ``denied``); ``reset`` before the server hears of
        the request, ``lost`` after it has done what was asked; ``cut`` half-way through the body of
        an upload, ``truncated`` half-way through that of an answer; ``slow``, an answer that comes
        late.
    methods, path : str
        Only requests with one of these methods, and this in their path.
    after : int
        So many of these requests pass first.
    times : int or None
        Then so many fail; None: all.
    every : int
        Of those, each n-th.
    """

    kind: str
    methods: str = "GET HEAD PUT POST DELETE"
    path: str = ""
    after: int = 0
    times: int | None = None
    every: int = 1
    seconds: float = 1.0
    met: int = field(default=0, init=False)
    served: int = field(default=0, init=False)

    def strikes(self, method: str, path: str) -> bool:
        if (
            method not in self.methods.split()
            or self.path not in path
            or (self.kind == "cut" and method != "PUT")
        ):
            return False
        self.met += 1
        if (
            self.met <= self.after
            or (self.met - self.after) % self.every
            or (self.times is not None and self.served >= self.times)
        ):
            return False
        self.served += 1
        return True


class Proxy:
    """A running proxy: ``endpoint``, the ``faults`` it applies, and the requests it has ``seen`` as
    (method, path, status).
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, int]] = []
        self.lock = threading.Lock()
        self.endpoint = ""

    def fail(self, kind: str, **options) -> Fault:
        fault = Fault(kind, **options)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        self.faults.clear()
        self.seen.clear()

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            return next((fault for fault in self.faults if fault.strikes(method, path)), None)


@contextlib.contextmanager
def run_proxy(upstream: str) -> Iterator[Proxy]:
    """Start a proxy on a free port of loopback, and stop it at the end."""
    proxy = Proxy(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    # Without it an answer waits for the acknowledgement of its own head.
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass

    def forward(self) -> None:
        fault = self.proxy.fault_for(self.command, self.path)
        kind = fault.kind if fault else ""
        length = int(self.headers.get("Content-Length", 0))
        if kind == "cut":
            self._cut(length)
            return
        body = self.rfile.read(length)
        if kind in REFUSALS:
            self._refuse(*REFUSALS[kind])
        elif kind == "reset":
            self._reset()
        else:
            if fault and kind == "slow":
                time.sleep(fault.seconds)
            self._answer(kind, *self._asked(body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        return connection

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = self._connection()
        with contextlib.closing(connection):
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _answer(self, kind: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if kind == "lost":
            self._reset()
            return
        self.proxy.seen.append((self.command, self.path, status))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP and not (
                name.lower() == "content-length" and self.command != "HEAD"
            ):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = kind == "truncated" and len(body) > 1
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if half else body)
        if half:
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        # S3 calls a HEAD request with an expired token a bad one; no answer to HEAD has a body.
        status = 400 if self.command == "HEAD" and code == "ExpiredToken" else status
        said = f"<Error><Code>{code}</Code><Message>{code} by the proxy</Message></Error>".encode()
        if self.path == "/":  # not a bucket, but the service that hands out keys
            said = (
                b"<ErrorResponse>"
                + said.replace(b"ExpiredToken<", b"ExpiredTokenException<")
                + b"</ErrorResponse>"
            )
        self.proxy.seen.append((self.command, self.path, status))
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _cut(self, length: int) -> None:
        connection = self._connection()
        with contextlib.closing(connection):
            connection.endheaders()
            connection.send(self.rfile.read(length // 2))
        self._reset()

    def _reset(self) -> None:
        self.proxy.seen.append((self.command, self.path, 0))
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
