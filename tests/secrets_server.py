"""A web server, a process of its own, of files whose addresses hold secrets; it opens them to
anybody.

    python secrets_server.py FOLDER

Prints its port. ``/any/token/NAME`` is the file NAME of the folder, whatever stands before it;
``/any/fail/STATUS/NAME`` answers with that status, ``/any/fail/cut/NAME`` with half of the file.
A server in the process of the tests would never answer: GDAL holds Python's lock while it asks
for files next to a raster.
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        failure = re.search(r"/fail/(\w+)/", path)
        if failure and failure[1].isdigit():
            self.answer(int(failure[1]), self.path.encode())
            return
        file = Path(sys.argv[1]) / path.rsplit("/", 1)[-1]
        if not file.is_file():
            self.answer(404, self.path.encode())
            return
        content = file.read_bytes()
        if failure:
            content = content[: len(content) // 2]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.answer(200, content)
        elif (start := int(wanted[1])) < len(content):
            end = min(int(wanted[2] or len(content)), len(content) - 1)
            place = f"bytes {start}-{end}/{len(content)}"
            self.answer(206, content[start : end + 1], {"Content-Range": place})
        else:
            self.answer(416, b"")

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        told = {"Accept-Ranges": "bytes", "Content-Length": str(len(body)), **(headers or {})}
        if status == 302:
            told["Location"] = "/fail/404/elsewhere.tif?X-Amz-Signature=PlantedSignature3"
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


if __name__ == "__main__":
    # A client that goes away in the middle is none of this server's business.
    ThreadingHTTPServer.handle_error = lambda *about: None  # type: ignore[method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
