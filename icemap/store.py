"""Files and Zarr stores in a folder or a bucket, behind one set of names.

A URL is a local path or anything fsspec understands (``s3://bucket/prefix``). Credentials and endpoints come from the environment
(``AWS_PROFILE``, ``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3`` ...), never from a config file.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from icemap.errors import IcemapError


def is_remote(url: str) -> bool:
    """True for ``s3://``, ``https://`` and the like; False for a path on this machine."""
    return "://" in url and not url.startswith("file://")


def join(url: str, *parts: str) -> str:
    """Append path parts with ``/`` whatever the kind of store."""
    return "/".join([url.rstrip("/"), *parts])


def local_path(url: str) -> Path:
    """The path that a local URL names."""
    return Path(url.removeprefix("file://"))


def filesystem(url: str, **storage_options: Any) -> tuple[Any, str]:
    """The fsspec filesystem of a URL and the path inside it."""
    import fsspec

    return fsspec.core.url_to_fs(url, **storage_options)


@contextmanager
def storage_errors(url: str, action: str) -> Iterator[None]:
    """Turn what storage raises into one sentence that names the URL, the action and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise IcemapError(f"Cannot {action} {url}: there is no such file, folder or bucket. Check the name.") from error
    except PermissionError as error:
        raise IcemapError(
            f"Cannot {action} {url}: permission denied. Ask its owner for the right, or choose another place; check a bucket's credentials in the environment."
        ) from error
    except (NotADirectoryError, FileExistsError) as error:
        raise IcemapError(f"Cannot {action} {url}: {error.filename or 'a part of this path'} is not a folder. Choose another place.") from error
    except OSError as error:
        raise IcemapError(f"Cannot {action} {url}: {first_line(error)}.") from error
    except Exception as error:
        # botocore raises these outside OSError; importing it only to name them would slow down every local run.
        if type(error).__module__.startswith(("botocore", "aiobotocore", "aiohttp")):
            raise IcemapError(f"Cannot {action} {url}: {first_line(error)}. Check the endpoint and the credentials in the environment.") from error
        raise


def first_line(error: Exception) -> str:
    """The first line of an error's text, to be put into a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def exists(url: str, **storage_options: Any) -> bool:
    """True if a file or folder (for a bucket: any key below the prefix) is there."""
    with storage_errors(url, "look for"):
        if not is_remote(url):
            return local_path(url).exists()
        fs, path = filesystem(url, **storage_options)
        fs.invalidate_cache()
        return bool(fs.exists(path))


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
            return local_path(url).read_bytes()
        fs, path = filesystem(url, **storage_options)
        return bytes(fs.cat_file(path))


def read_text(url: str, **storage_options: Any) -> str:
    """The whole content of a UTF-8 file."""
    try:
        return read_bytes(url, **storage_options).decode("utf-8")
    except UnicodeDecodeError as error:
        raise IcemapError(f"{url} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error


def read_json(url: str, **storage_options: Any) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(read_text(url, **storage_options))
    except json.JSONDecodeError as error:
        raise IcemapError(f"{url} is not valid JSON (line {error.lineno}): delete it, or restore it from where it came.") from error


def write_bytes(url: str, content: bytes) -> None:
    """Write a file whole or not at all; a reader never sees half of it."""
    with storage_errors(url, "write"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.pipe_file(path, content)
            return
        target = local_path(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
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
            if here.is_dir():
                shutil.rmtree(here)
            elif here.exists():
                here.unlink()
            return
        fs, path = filesystem(url)
        fs.invalidate_cache()
        if fs.exists(path):
            fs.rm(path, recursive=True)
            # A bulk delete answers per key, and s3fs does not look: a key without the right would report success.
            fs.invalidate_cache()
            if any(fs.isfile(name) for name in fs.find(path)):
                raise PermissionError(url)


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


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """A path on this machine with the file's content, for libraries that cannot read from a bucket."""
    if not is_remote(url):
        with storage_errors(url, "read"):
            if not local_path(url).exists():
                raise FileNotFoundError(url)
        yield local_path(url)
        return
    with tempfile.TemporaryDirectory(prefix="icemap-") as folder:
        target = Path(folder) / url.rstrip("/").rsplit("/", 1)[-1]
        with storage_errors(url, "read"):
            fs, path = filesystem(url)
            fs.get_file(path, str(target))
        yield target


def zarr_store(url: str, *, read_only: bool = False, **storage_options: Any) -> Any:
    """The Zarr store at a URL, for ``zarr.open_group`` and ``xarray.open_zarr``."""
    import zarr

    if not is_remote(url):
        return zarr.storage.LocalStore(local_path(url), read_only=read_only)
    return zarr.storage.FsspecStore.from_url(url, storage_options=storage_options or None, read_only=read_only)
