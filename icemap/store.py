"""Files in a folder or a bucket, behind one set of names.

A URL is a local path or anything fsspec understands (``s3://bucket/prefix``). Credentials and
endpoints come from the environment (``AWS_PROFILE``, ``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3``
...), never from a config file.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from icemap.address_problems import require_address
from icemap.addresses import recorded, shown
from icemap.errors import IcemapError
from icemap.storage_problems import TELLING, code_of, problem_of

# Name of the record of a run, in its folder.
RECORD = "provenance.json"
# How the names of files end that are not whole yet.
TEMPORARY = ".icemap-part"
# How often a request to a bucket is tried, with growing waits in between; the environment's
# AWS_MAX_ATTEMPTS goes before.
ATTEMPTS = 6


def is_remote(url: str) -> bool:
    """True for ``s3://``, ``https://`` and the like; False for a path on this machine."""
    return "://" in url and not url.startswith("file://")


def join(url: str, *parts: str) -> str:
    """Append path parts with ``/`` whatever the kind of store."""
    return "/".join([url.rstrip("/"), *parts])


def local_path(url: str) -> Path:
    """The path that a local URL names; ``~`` is the home folder.

    Examples
    --------
    >>> local_path("file:///data/my%20run").as_posix(), local_path("run").as_posix()
    ('/data/my run', 'run')
    """
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://").removeprefix("localhost")))
    return Path(os.path.expanduser(url))


def filesystem(url: str, **storage_options: Any) -> tuple[Any, str]:
    """The fsspec filesystem of a URL and the path inside it."""
    import fsspec

    require_address(url)
    return fsspec.core.url_to_fs(url, **filesystem_options(url, **storage_options))


def filesystem_options(url: str, **given: Any) -> dict[str, object]:
    """What fsspec is told about a URL: for a bucket how often to try, its region, and whether it is
    public; then what the caller gives.
    """
    if not url.startswith("s3://"):
        return given
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        endpoint = os.environ.get(name, "")
        if endpoint and not re.fullmatch(r"https?://[^\s/]+\S*", endpoint):
            raise IcemapError(
                f"The environment variable {name} is '{endpoint}', which is no address: set it to"
                " such as https://s3.example.org, or unset it."
            )
    retries: dict[str, object] = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = ATTEMPTS
    # The variable by which GDAL is told the same.
    public = os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "ON", "1")
    # GDAL and Amazon's other tools know the variable, botocore AWS_DEFAULT_REGION alone.
    region = os.environ.get("AWS_REGION")
    return {
        "config_kwargs": {"retries": retries},
        **({"client_kwargs": {"region_name": region}} if region else {}),
        **({"anon": True} if public else {}),
        **given,
    }


@contextmanager
def storage_errors(url: str, action: str) -> Iterator[None]:
    """Turn what storage raises into one sentence that names the URL, the action and what to do."""
    try:
        yield
    except IcemapError:
        raise
    except Exception as error:
        problem = problem_of(_explained(error, url))
        if problem is None:
            raise
        by_system = isinstance(error, FileNotFoundError) and error.errno
        if action == "write" and by_system and not is_remote(url):
            # Zarr gives no number. Folders are made where they may be: /proc is no place.
            problem = "nothing can be made there. Choose another place."
        raise IcemapError(f"Cannot {action} {url}: {problem}") from error


def _explained(error: Exception, url: str) -> Exception:
    """The error, or the one that says why: an answer to HEAD has no body, so the first byte is
    asked for.
    """
    if not url.startswith("s3://") or code_of(error) not in ("400", "403"):
        return error
    try:
        fs, path = filesystem(url)
        bucket, _, key = path.partition("/")
        fs.call_s3("get_object", Bucket=bucket, Key=key or "x", Range="bytes=0-0")
    except Exception as second:  # whatever it is, the first error is there to be told
        if code_of(second) in TELLING:
            return second
    return error


def exists(url: str, **storage_options: Any) -> bool:
    """True if a file or folder (for a bucket: any key below the prefix) is there."""
    with storage_errors(url, "look for"):
        if not is_remote(url):
            return local_path(url).exists()
        fs, path = filesystem(url, **storage_options)
        fs.invalidate_cache()
        # A web server that fails has not said that the file is absent.
        return bool(fs.exists(path, strict=True) if url.startswith("http") else fs.exists(path))


def list_names(url: str) -> list[str]:
    """Names directly below a folder or prefix, sorted; empty when it is not there."""
    with storage_errors(url, "list"):
        if not is_remote(url):
            here = local_path(url)
            return sorted(os.listdir(here)) if here.is_dir() else []
        fs, path = filesystem(url)
        fs.invalidate_cache()
        try:
            return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in fs.ls(path, detail=False))
        except FileNotFoundError:
            return []


def read_bytes(url: str, **storage_options: Any) -> bytes:
    """The whole content of a file."""
    with storage_errors(url, "read"):
        if not is_remote(url):
            require_regular(local_path(url))
            return local_path(url).read_bytes()
        fs, path = filesystem(url, **storage_options)
        return bytes(fs.cat_file(path))


def require_regular(path: Path) -> None:
    """Refuse pipes, sockets and devices, whose reading may never end.

    Raises
    ------
    IcemapError
        Naming the path.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise IcemapError(
            f"{path} is no file but a pipe, a socket or a device: copy its content into a file."
        )


def file_size(url: str) -> int | None:
    """Bytes of a file; None for a folder."""
    with storage_errors(url, "look at"):
        if not is_remote(url):
            here = local_path(url)
            return here.stat().st_size if here.is_file() else None
        fs, path = filesystem(url)
        fs.invalidate_cache()
        found = fs.info(path)
        return int(found["size"]) if found["type"] == "file" else None


def read_start(url: str, size: int = 1) -> bytes:
    """The first bytes of a file, or nothing of a folder, whose names are read: what it takes to
    know that it can be read.
    """
    with storage_errors(url, "read"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.invalidate_cache()
            is_file = fs.info(path)["type"] == "file"
            return bytes(fs.cat_file(path, start=0, end=size)) if is_file else b""
        here = local_path(url)
        if here.is_dir():
            os.listdir(here)
            return b""
        require_regular(here)
        with here.open("rb") as file:
            return file.read(size)


def read_text(url: str, **storage_options: Any) -> str:
    """The whole content of a UTF-8 file."""
    try:
        return read_bytes(url, **storage_options).decode("utf-8")
    except UnicodeDecodeError as error:
        raise IcemapError(
            f"{url} is not UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from error


def read_json(url: str, **storage_options: Any) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(read_text(url, **storage_options))
    except json.JSONDecodeError as error:
        raise IcemapError(
            f"{url} is not valid JSON (line {error.lineno}): delete it, or restore it from where it"
            " came."
        ) from error
    except (ValueError, RecursionError) as error:
        # Of numbers with thousands of digits, and thousands of brackets.
        raise IcemapError(
            f"{url} is no JSON that can be read: delete it, or restore it from where it came."
        ) from error


def write_bytes(url: str, content: bytes) -> None:
    """Write a file whole or not at all; a reader never sees half of it."""
    with storage_errors(url, "write"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.pipe_file(path, content)
            return
        target = local_path(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(target)
        try:
            with temporary.open("xb") as file:
                file.write(content)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def temporary_path(target: Path) -> Path:
    """A name next to a file for its content until that is whole; opened with "x" it follows the
    umask.

    Python's own temporary files are for their owner alone, wherever they are moved to.
    """
    return target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}{TEMPORARY}")


def create_text(url: str, content: str) -> bool:
    """Write a UTF-8 file where there is none; False, and nothing written, where there is one.

    Of several that try at the same time one succeeds, in a bucket whose server honours
    conditional requests (``If-None-Match``); any other server overwrites and says True.
    """
    with storage_errors(url, "write"):
        try:
            if is_remote(url):
                fs, path = filesystem(url)
                fs.pipe_file(path, content.encode("utf-8"), mode="create")
                return True
            target = local_path(url)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                try:
                    file.write(content)
                    file.flush()
                except OSError:
                    target.unlink()
                    raise
            return True
        except OSError as error:
            # A second answer means that another request for the same file is under way.
            taken = isinstance(error, FileExistsError) and (is_remote(url) or target.is_file())
            if taken or code_of(error) in (
                "PreconditionFailed",
                "412",
                "ConditionalRequestConflict",
            ):
                return False
            raise


def write_text(url: str, content: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    write_bytes(url, content.encode("utf-8"))


def write_json(url: str, content: Any) -> None:
    """Write JSON, indented, keys in the order given; NaN is refused."""
    write_text(url, json.dumps(content, indent=2, allow_nan=False) + "\n")


def remove(url: str) -> None:
    """Delete a file or a whole folder if it is there."""
    with storage_errors(url, "delete"):
        if not is_remote(url):
            here = local_path(url)
            require_no_link(url)
            if here.is_dir():
                shutil.rmtree(here)
            elif here.exists():
                here.unlink()
            return
        fs, path = filesystem(url)
        fs.invalidate_cache()
        if fs.exists(path):
            fs.rm(path, recursive=True)
            # A bulk delete answers per key, and s3fs does not look: a key without the right would
            # report success.
            fs.invalidate_cache()
            if any(fs.isfile(name) for name in fs.find(path)):
                raise PermissionError(url)


def require_no_link(url: str) -> None:
    """Refuse a link in the place of a folder that is to be replaced.

    Raises
    ------
    IcemapError
        Naming the link and where it leads.
    """
    here = local_path(url)
    if not is_remote(url) and here.is_symlink() and not here.is_file():
        raise IcemapError(
            f"{url} is a link to {os.readlink(here)}, and the folder in its place is to be"
            " replaced: remove the link, or put the whole run there and make a link of its folder."
        )


def replace_folder(source: str, target: str) -> None:
    """Put a complete folder in the place of another; in a bucket the source stays.

    What was there is deleted. Where this is cut short, the same call does the rest.
    """
    remove(target)
    with storage_errors(target, "write"):
        if not is_remote(target):
            local_path(target).parent.mkdir(parents=True, exist_ok=True)
            os.rename(local_path(source), local_path(target))
            return
        fs, origin = filesystem(source)
        _, destination = filesystem(target)
        fs.invalidate_cache()
        names = fs.find(origin)
        fs.copy(names, [destination + name.removeprefix(origin) for name in names])
        fs.invalidate_cache()
        if len(fs.find(destination)) != len(names):
            raise OSError(f"not all of the {len(names)} objects of {source} were copied")


def remove_file(url: str) -> None:
    """Delete one file, which takes no right to list."""
    with storage_errors(url, "delete"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.rm_file(path)
            return
        local_path(url).unlink()


def upload(local: Path, url: str) -> None:
    """Put a finished local file in its place: by rename in a folder, by one upload in a bucket."""
    with storage_errors(url, "write"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.put_file(str(local), path)
            return
        target = local_path(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(local), target)


def file_name(url: str) -> str:
    """What a file is called, without the secrets of its address.

    Examples
    --------
    >>> file_name("https://example.org/a.csv?sig=1"), file_name("https://example.org/get?file=b.csv&sig=1")
    ('a.csv', 'get?file=b.csv')
    """
    name = shown(url).rstrip("/").rsplit("/", 1)[-1]
    # Repositories also serve a file as get?file=a.csv.
    return name if "." in name else recorded(url).rstrip("/").rsplit("/", 1)[-1]


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """A path on this machine with the file's content, for libraries that cannot read from a
    bucket.
    """
    if not is_remote(url):
        with storage_errors(url, "read"):
            if not local_path(url).exists():
                raise FileNotFoundError(url)
            require_regular(local_path(url))
            if local_path(url).is_dir():
                raise IsADirectoryError(url)
        yield local_path(url)
        return
    with tempfile.TemporaryDirectory(prefix="icemap-") as folder:
        target = Path(folder) / file_name(url)
        with storage_errors(url, "read"):
            fs, path = filesystem(url)
            fs.get_file(path, str(target))
        yield target
