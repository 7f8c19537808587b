"""Addresses as they may be shown and recorded: without what lets their reader in.

A url may hold a name and a password (``https://ada:word@host``), a signature or a token in its
query, or a value of the environment that its author wrote as ``{env(ICEMAP_TOKEN)}``. Every
sentence and line that icemap says goes through `shown`, every record through `recorded`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

ENV = re.compile(r"\{env\((\w+)\)\}")
# Shorter values are no secrets, and would be found in the middle of words.
SHORTEST = 8
# What follows the kind of storage, or GDAL's name of it, up to the next space.
_ADDRESS = re.compile(r"((?<=:)/{2,3}|(?<=http:)/|(?<=https:)/|/vsi\w{1,20}(?=[/?]))([^\s<>\"]*)")
# Where only a part of an address is quoted, as in "url: /dem.tif?sig=...".
_PARAMETER = re.compile(
    r"\b(X-\w{1,8}-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|GoogleAccessId|"
    r"OSSAccessKeyId|Signature|sig|(?:[a-z]{1,12}[_-]?)?token|api[_-]?key|access[_-]?key|"
    r"password|passwd|pwd|secret)(=|%3D)[^\s&'\"<>,;)]+",
    re.IGNORECASE,
)
# GDAL names a file without its folders: dem.tif?key=...
_QUERY = re.compile(r"(?<=\w)\?[\w.~%-]{1,100}=[^\s<>\"]*")
# What ends a sentence, or the brackets around an address.
_END = re.compile(r"[)\].,:;'}]*$")
# Parameters that name a file or a version and open nothing: a record keeps them.
_PLAIN = {"download", "file", "filename", "format", "name", "path", "raw", "version", "versionid"}
# Texts of people in a record, which may quote any address.
_WORDS = {"title", "author", "long_name", "citation", "licence"}

# What this process has read from the environment, by the name of the variable.
_values: dict[str, str] = {}
# Addresses with such values in them, and how they were written.
_written: dict[str, str] = {}


def remember_value(name: str, value: str) -> None:
    """Note that a variable of the environment stands in an address."""
    _values[name] = value


def remember(address: str, written: str) -> None:
    """Note how an address was written before its ``{env(NAME)}`` were replaced."""
    if not ENV.search(written):
        return
    _written[address] = written
    # The files that a pattern stands for begin like it.
    if "*" in address and ENV.search(start := written.partition("*")[0]):
        _written[address.partition("*")[0]] = start


def remembered() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What a worker must know to hide what this process hides."""
    return dict(_values), dict(_written)


def remember_all(known: tuple[Mapping[str, str], Mapping[str, str]]) -> None:
    """Take over what another process has noted."""
    _values.update(known[0])
    _written.update(known[1])


def shown(text: str) -> str:
    """A text with every address in it as it may be shown: no name, no password, no query.

    Values of ``{env(NAME)}`` are shown as their names, but for folders and whole addresses.

    Examples
    --------
    >>> shown("Cannot read https://ada:word@example.org/dem.tif?sig=1234: it is not there.")
    'Cannot read https://example.org/dem.tif: it is not there.'
    >>> shown("request for /dem.tif?X-Amz-Signature=12ab&x=1 failed, token=34cd")
    'request for /dem.tif failed, token=...'
    """
    for address, written in sorted(_written.items(), key=lambda pair: -len(pair[0])):
        if any(_is_opaque(_values.get(name, "")) for name in ENV.findall(written)):
            text = text.replace(address, written)
    for name, value in _values.items():
        if _is_opaque(value) and len(value) >= SHORTEST:
            for form in {value, quote(value), quote(value, safe=""), unquote(value)}:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", f"{{env({name})}}", text)
    text = _ADDRESS.sub(lambda found: found[1] + _cut(found[2], _nothing), text)
    text = _QUERY.sub(_end, text)
    return _PARAMETER.sub(r"\1\2...", text)


def recorded(value: Any) -> Any:
    """A JSON-able value with every address in it as it may be kept.

    ``{env(NAME)}`` stands as it was written, so that the record can be read where the variable is
    set. Names, passwords and parameters of a query that are spelled out are left out, but for
    parameters that name a file.
    """
    if isinstance(value, dict):
        return {key: part if key in _WORDS else recorded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [recorded(part) for part in value]
    if not isinstance(value, str):
        return value
    start = max((one for one in _written if value.startswith(one)), key=len, default="")
    value = _written.get(start, "") + value[len(start) :]
    if not re.match(r"[A-Za-z][\w+.:-]*://", value):
        return value
    return _ADDRESS.sub(lambda found: found[1] + _cut(found[2], _by_name), value)


def _is_opaque(value: str) -> bool:
    """Neither a folder nor an address, which is cut like any other."""
    return bool(value) and not value.startswith(("/", ".", "~")) and "://" not in value


def _cut(rest: str, keep: Callable[[str], bool]) -> str:
    """What follows ``://`` in an address, with those of its secrets that may be kept."""
    # Addresses inside of others, as in zip://a.csv::https://..., but not those in a query.
    *outer, last = rest[: _first(rest, "?")].split("://")
    last = _without_login(last + rest[_first(rest, "?") :], keep)
    path, mark, query = last.partition("?")
    if mark and keep is _nothing:
        last = path + _end(query)
    elif mark:
        kept = "&".join(part for part in query.split("&") if keep(part))
        last = path + (f"?{kept}" if kept else "")
    return "://".join([*(_without_login(part, keep) for part in outer), last])


def _without_login(rest: str, keep: Callable[[str], bool]) -> str:
    authority = rest[: min(_first(rest, sign) for sign in "/?#")]
    port = authority.rpartition(":")[2] if ":" in authority else ""
    # A password may have a slash or a question mark in it, which then looks like the end of a port.
    broken = bool(port) and not port.isdigit()
    login, at, _ = (rest if broken and "@" not in authority else authority).rpartition("@")
    if not at or keep(f"@{login.rpartition(':')[2]}"):
        return rest
    return rest[len(login) + 1 :]


def _first(text: str, sign: str) -> int:
    """Where a sign first stands in a text; its end where it does not."""
    found = text.find(sign)
    return len(text) if found < 0 else found


def _end(cut: str | re.Match[str]) -> str:
    found = _END.search(cut if isinstance(cut, str) else cut[0])
    return found[0] if found else ""


def _nothing(part: str) -> bool:
    return False


def _by_name(part: str) -> bool:
    """Whether a password (after @) or a parameter opens nothing, or only where a variable is
    set.
    """
    name, _, value = part.partition("=")
    password = part.removeprefix("@")
    if part.startswith("@"):
        return bool(password) and not ENV.sub("", password)
    return name.lower() in _PLAIN or not ENV.sub("", value or name)


def hide_in_logs() -> None:
    """Have what libraries log in this process say addresses as icemap does; done once."""
    make = logging.getLogRecordFactory()
    if getattr(make, "hides_addresses", False):
        return

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        try:
            said = made.getMessage()
        except (TypeError, ValueError):
            return made  # A library's own mistake, which logging reports in its own way.
        if (hidden := shown(said)) != said:
            made.msg, made.args = hidden, ()
        if made.exc_info and made.exc_info[1] is not None:
            made.exc_text = shown(logging.Formatter().formatException(made.exc_info))
        return made

    record.hides_addresses = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(record)
