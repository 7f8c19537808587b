"""``icemap view``: the pages and GeoTIFFs of a run on this machine's own address, by HTTP.

A page that is opened from a disk may not read the files next to it, and many small servers do not
know range requests, by which a map is read in parts. Tornado does; Dask brings it.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import webbrowser
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import datetime
from urllib.parse import quote

from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RedirectHandler, StaticFileHandler

from icemap.errors import IcemapError
from icemap.remote_stamps import stamp_of
from icemap.run_folder import RunFolder
from icemap.store import exists, filesystem, is_remote, join, local_path

Log = Callable[[str], None]
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8756
# A request for a name of another machine comes from a page that somebody else wrote.
HOSTS = (LOOPBACK, "localhost", "[::1]")
PART = 2**20


class _RunFile(StaticFileHandler):
    """A file of a run in a folder."""

    def prepare(self) -> None:
        if self.request.host_name not in HOSTS:
            raise HTTPError(403, f"{self.request.host_name} is not this machine")

    def set_default_headers(self) -> None:
        # Tornado names itself; a run may be made again while it is looked at.
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        real, inside = os.path.realpath(absolute_path), os.path.realpath(root)
        if not f"{real}{os.sep}".startswith(f"{inside.rstrip(os.sep)}{os.sep}"):
            raise HTTPError(403, "%s is outside of the run", self.path)
        return super().validate_absolute_path(root, absolute_path)

    def compute_etag(self) -> str | None:
        # Tornado would read the whole of a map for it.
        return f'"{self.get_modified_time()}-{self.get_content_size()}"'

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: {self._reason}\n")


class _RemoteFile(_RunFile):
    """A file of a run in a bucket or on a web server."""

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        plain = posixpath.normpath(f"/{path}").lstrip("/")
        return join(root, plain)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        fs, path = filesystem(absolute_path)
        try:
            self._info = fs.info(path)
        except FileNotFoundError as error:
            raise HTTPError(404) from error
        # What a bucket may answer is said by the other commands.
        except OSError as error:
            raise HTTPError(502, str(error)) from error
        if self._info.get("type") == "directory":
            raise HTTPError(404)
        return absolute_path

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None]:
        fs, path = filesystem(abspath)
        at, stop = start or 0, end if end is not None else int(fs.info(path)["size"])
        while at < stop:
            part = fs.cat_file(path, start=at, end=min(at + PART, stop))
            if not part:
                return
            yield part
            at += len(part)

    def get_content_size(self) -> int:
        return int(self._info["size"])

    def get_modified_time(self) -> datetime | None:
        found = self._info.get("LastModified") or self._info.get("mtime")
        return found if isinstance(found, datetime) else None

    def compute_etag(self) -> str | None:
        return f'"{abs(hash(stamp_of(self._info)))}"'


def start_page(run_url: str) -> str:
    """The page of a run to begin with, as seen from the run.

    Raises
    ------
    IcemapError
        If there is no page in it.
    """
    folder = RunFolder(run_url)
    pages = (
        join(folder.viewer, "index.html"),
        folder.report,
        folder.verification_page,
        folder.boreholes_page,
        folder.predictors_page,
    )
    for page in pages:
        if exists(page):
            return folder.name_of(page)
    if not exists(folder.record):
        raise IcemapError(
            f"There is no run at {run_url}: give the folder that the config names as 'run'."
        )
    raise IcemapError(
        f"The run at {run_url} has no page to look at yet: make them with 'icemap run' and its"
        " config."
    )


def application(run_url: str) -> Application:
    """Serves the files of a run, and leads to its first page."""
    remote = is_remote(run_url)
    root = run_url.rstrip("/") if remote else os.path.abspath(local_path(run_url))
    start = "/" + quote(start_page(run_url))
    return Application(
        [
            (r"/", RedirectHandler, {"url": start, "permanent": False}),
            (r"/(.+)", _RemoteFile if remote else _RunFile, {"path": root}),
        ],
        # Each request would be a line on the terminal.
        log_function=lambda handler: None,
    )


def view(run_url: str, port: int | None, *, browser: bool, log: Log) -> None:
    """Serve a run on this machine until somebody stops it.

    Parameters
    ----------
    run_url : str
        Folder or bucket prefix.
    port : int or None
        The port; None for the usual one, or any other where that is taken.
    browser : bool
        True to open the page in the browser of this machine.
    log : callable
        Gets the address.

    Raises
    ------
    IcemapError
        If there is nothing to look at, or the port is taken.
    """
    asyncio.run(_serve(application(run_url), port, browser=browser, log=log))


async def _serve(served: Application, port: int | None, *, browser: bool, log: Log) -> None:
    server = HTTPServer(served)
    _listen(server, port)
    address = f"http://{LOOPBACK}:{_port(server)}/"
    log(f"{address}   (Ctrl-C ends)")
    if browser:
        # Without a browser the address is enough.
        with suppress(webbrowser.Error):
            await asyncio.to_thread(webbrowser.open, address)
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()


def _listen(server: HTTPServer, port: int | None) -> None:
    try:
        server.listen(DEFAULT_PORT if port is None else port, address=LOOPBACK)
    except OSError as error:
        if port is not None:
            raise IcemapError(
                f"The port {port} cannot be used ({error.strerror or error}): give another one"
                " with --port."
            ) from error
        server.listen(0, address=LOOPBACK)


def _port(server: HTTPServer) -> int:
    return int(next(iter(server._sockets.values())).getsockname()[1])
