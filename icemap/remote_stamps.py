"""What changes when a file in a bucket or on a web server does, without reading it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from icemap.store import filesystem, storage_errors


def remote_stamp(url: str) -> str:
    """What changes when a remote file does, or any object below a prefix, without reading it."""
    with storage_errors(url, "look at"):
        fs, path = filesystem(url)
        fs.invalidate_cache()
        info = fs.info(path)
        if info.get("type") == "directory":
            objects = sorted(fs.find(path, detail=True).items())
            if not objects:
                raise FileNotFoundError(url)
            listed = [f"{name.removeprefix(path)} {stamp_of(entry)}" for name, entry in objects]
            return hashlib.sha256("\n".join(listed).encode()).hexdigest()
        return (
            f"{stamp_of(info)} {_headers(fs, url)}".strip()
            if url.startswith("http")
            else stamp_of(info)
        )


def stamp_of(info: Mapping[str, Any]) -> str:
    """What a listing says of the content of a file."""
    return " ".join(
        str(info[key])
        for key in ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime")
        if info.get(key) is not None
    )


def _headers(fs: Any, url: str) -> str:
    """What a web server says of a file; fsspec leaves its time out."""
    from fsspec.asyn import sync

    async def ask() -> str:
        session = await fs.set_session()
        async with session.head(fs.encode_url(url), allow_redirects=True, **fs.kwargs) as answer:
            return (
                " ".join(answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
                if answer.status < 400
                else ""
            )

    return str(sync(fs.loop, ask)).strip()
