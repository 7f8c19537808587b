"""One small record per finished chunk: resume, progress, totals and provenance in one mechanism."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from icemap.errors import IcemapError
from icemap.json_records import Json, ProgressNote, check_record
from icemap.running.number_tables import Numbers, Table, from_bytes, to_bytes
from icemap.store import (
    exists,
    filesystem,
    is_remote,
    join,
    list_names,
    local_path,
    read_bytes,
    read_json,
    remove,
    remove_file,
    storage_errors,
    write_bytes,
    write_json,
    write_text,
)

# Hidden, so that it is not taken for the record of a chunk.
PROGRESS = ".progress.json"
# Of a record: its numbers, where they are few or were written by an earlier version; or the SHA-256
# of the file that holds them.
NUMBERS = "sums"
TABLE = "table"
# Records that are read at a time.
BATCH = 256


class Ledger:
    """Records of finished chunks below a URL, one object each, so that any number of writers need
    no lock.

    A record is written after its chunk, and whole or not at all: a chunk without a record is not
    done. What is long in it, numbers for each replicate, is in a file of its own next to it, which
    the worker writes and only those read who need the numbers.
    """

    def __init__(self, url: str, kind: type[Any] | None = None) -> None:
        self.url = url
        # The TypedDict that a record must fit when it is read.
        self.kind = kind

    def write(self, key: str, record: Mapping[str, object]) -> None:
        """Mark a chunk as done; its record carries a checksum, for no number in it can be made
        again without the chunk.
        """
        text = json.dumps(record, allow_nan=False)
        write_text(
            join(self.url, f"{key}.json"),
            json.dumps({"check": _checksum(text), **record}, allow_nan=False),
        )

    def write_numbers(self, key: str, table: Table) -> str:
        """Write the numbers of a chunk, before its record, which is to hold the digest that is
        returned.
        """
        content = to_bytes(table)
        write_bytes(self._table_url(key), content)
        return hashlib.sha256(content).hexdigest()

    def numbers(self, key: str, record: Mapping[str, Any]) -> dict[str, dict[str, Numbers]]:
        """The numbers that belong to a record; {} if there are none.

        Raises
        ------
        IcemapError
            If their file is lost, or is not the one that was written.
        """
        if TABLE not in record:
            return dict(record.get(NUMBERS, {}))
        url = self._table_url(key)
        remedy = f"delete {self.url}/{key}.json and run again, its chunk will be made again"
        if not exists(url):
            raise IcemapError(f"The numbers {url} of a ledger record are not there: {remedy}.")
        content = read_bytes(url)
        if hashlib.sha256(content).hexdigest() != record[TABLE]:
            raise IcemapError(
                f"The numbers {url} of a ledger record are not as they were written (SHA-256"
                f" differs): {remedy}."
            )
        try:
            return from_bytes(content)
        except ValueError as error:
            raise IcemapError(f"{url} is no table of numbers: {remedy}.") from error

    def _table_url(self, key: str) -> str:
        return join(self.url, f"{key}.npz")

    def remove(self, key: str) -> None:
        """Forget one record: its chunk is not done."""
        for url in (join(self.url, f"{key}.json"), self._table_url(key)):
            if exists(url):
                remove_file(url)

    def examined(self, *, numbers: bool = True) -> tuple[dict[str, Json], dict[str, str]]:
        """Records that are as they were written, and what is wrong with the others, both by key;
        their ``numbers`` are looked at as well, unless that has been done.
        """
        sound, damaged = {}, {}
        for key, text in self._texts():
            try:
                record = self._parse(key, text)
                if numbers:
                    self.numbers(key, record)
                sound[key] = record
            except IcemapError as error:
                damaged[key] = str(error)
        return sound, damaged

    def keys(self) -> set[str]:
        """Keys of the finished chunks."""
        return {
            name.removesuffix(".json")
            for name in list_names(self.url)
            if name.endswith(".json") and not name.startswith(".")
        }

    def records(self) -> dict[str, Json]:
        """All records by key, in the order of the keys.

        Raises
        ------
        IcemapError
            If one of them is not as it was written.
        """
        return dict(self.each())

    def each(self) -> Iterator[tuple[str, Json]]:
        """Keys and records in the order of the keys, a few in memory at a time; raises as `records`
        does.
        """
        return ((key, self._parse(key, text)) for key, text in self._texts())

    def _texts(self) -> Iterator[tuple[str, bytes]]:
        keys = sorted(self.keys())
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            with storage_errors(self.url, "read"):
                if is_remote(self.url):
                    fs, path = filesystem(self.url)
                    contents = fs.cat([f"{path}/{key}.json" for key in some])
                    texts = [contents[f"{path}/{key}.json"] for key in some]
                else:
                    texts = [(local_path(self.url) / f"{key}.json").read_bytes() for key in some]
            yield from zip(some, texts, strict=True)

    def write_progress(self, progress: ProgressNote) -> None:
        """Note how far the job is, for those who watch it from elsewhere."""
        write_json(join(self.url, PROGRESS), progress)

    def progress(self) -> ProgressNote | None:
        """What was noted last; None before the job began."""
        url = join(self.url, PROGRESS)
        if not exists(url):
            return None
        note = read_json(url)
        if not isinstance(note, dict):
            raise IcemapError(f"{url} is not what icemap wrote there: delete it.")
        return cast(ProgressNote, note)

    def clear(self) -> None:
        """Forget every record."""
        remove(self.url)

    def _parse(self, key: str, text: bytes) -> Json:
        remedy = "delete it and run again, its chunk will be made again"
        problem = f"The ledger record {self.url}/{key}.json is not valid JSON: {remedy}."
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise IcemapError(problem) from error
        if not isinstance(record, dict):
            raise IcemapError(problem)
        checksum = record.pop("check", None)
        if self.kind is not None:
            check_record(f"The ledger record {self.url}/{key}.json", record, self.kind, remedy)
        if checksum != _checksum(json.dumps(record)):
            raise IcemapError(
                f"The ledger record {self.url}/{key}.json is not as it was written (its checksum"
                f" differs): {remedy}."
            )
        return record


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
