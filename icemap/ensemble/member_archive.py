"""Fitted members as a skops archive whose bytes are the same whenever the members are."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from itertools import count
from pathlib import PurePosixPath
from typing import Any

_SCHEMA = "schema.json"


def member_archive(members: Mapping[str, Any]) -> bytes:
    """A skops archive of members by name.

    Skops numbers objects, and names their arrays, by where they lay in memory, and the archive
    knows the time of day: no two trainings with one seed would have the same digests. Here objects
    and arrays are numbered as they come, at the earliest time that an archive can have.

    Parameters
    ----------
    members : mapping of str to estimator

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> one, other = (LinearRegression().fit([[0.0], [1.0]], [2.0, 3.0]) for _ in range(2))
    >>> member_archive({"linear": one}) == member_archive({"linear": other})
    True
    """
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(dict(members)))) as stored:
        contents = {name: stored.read(name) for name in stored.namelist()}
    schema = contents.pop(_SCHEMA)
    # Equal arrays are one, whether they were one object or two.
    arrays: dict[bytes, str] = {}
    for name, content in contents.items():
        arrays.setdefault(content, f"{len(arrays)}{PurePosixPath(name).suffix}")
    number = count()

    def in_order(node: dict[str, Any]) -> dict[str, Any]:
        if "__id__" in node:
            node["__id__"] = next(number)
        if (content := contents.get(node.get("file", ""))) is not None:
            node["file"] = arrays[content]
        return node

    numbered = json.dumps(json.loads(schema, object_hook=in_order)).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in ((_SCHEMA, numbered), *((name, c) for c, name in arrays.items())):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, compresslevel=1)
    return written.getvalue()
