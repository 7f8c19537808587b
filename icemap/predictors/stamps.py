"""What changes when a source's files do: sizes, times and tags, without reading them."""

from __future__ import annotations

from collections.abc import Sequence

from icemap.companions import FURTHER, SIDECARS, companions
from icemap.errors import IcemapError
from icemap.provenance import digest
from icemap.remote_stamps import remote_stamp, stamp_of
from icemap.source import Source
from icemap.store import filesystem, is_remote, local_path, storage_errors


def file_stamps(source: Source) -> tuple[str, ...]:
    """What changes when the files of a source do, in their order, without reading them; a missing
    one is named with the source.
    """
    try:
        listed = _listed(source.parts) if source.parts and is_remote(source.parts[0]) else {}
        return tuple(listed.get(url) or file_stamp(url) for url in source.files)
    except IcemapError as error:
        raise IcemapError(f"The source '{source.name}' is not there: {error}") from error


def file_stamp(url: str) -> str:
    """Size and time of a file, of every file of a Zarr store, and of the files that are read with
    it.
    """
    return "; ".join(_stamp(one) for one in (url, *companions(url)))


def _stamp(url: str) -> str:
    if is_remote(url):
        return remote_stamp(url)
    with storage_errors(url, "look at"):
        here = local_path(url)
        about = here.stat()
        if not here.is_dir():
            return f"{about.st_size} {about.st_mtime_ns}"
        files = [
            (str(path.relative_to(here)), path.stat())
            for path in sorted(here.rglob("*"))
            if path.is_file()
        ]
        return digest([(name, entry.st_size, entry.st_mtime_ns) for name, entry in files])


def _listed(urls: Sequence[str]) -> dict[str, str]:
    """Stamps of many files in buckets, with the files next to them, by one listing for each
    folder; a web server lists none.
    """
    found: dict[str, str] = {}
    for folder in sorted({url.rsplit("/", 1)[0] for url in urls if not url.startswith("http")}):
        with storage_errors(folder, "list"):
            fs, path = filesystem(folder)
            fs.invalidate_cache()
            entries = {info["name"].rsplit("/", 1)[-1]: info for info in fs.ls(path, detail=True)}
        for name, info in entries.items():
            if info.get("type") == "file" and not name.lower().endswith(".vrt"):
                stem = name.rsplit(".", 1)[0].lower() + "."
                siblings = [
                    other
                    for other in entries
                    if other.lower().startswith(stem)
                    and other.lower().endswith((*SIDECARS, *FURTHER))
                ]
                found[f"{folder}/{name}"] = "; ".join(
                    [
                        stamp_of(info),
                        *(stamp_of(entries[other]) for other in sorted(siblings) if other != name),
                    ]
                )
    return found
