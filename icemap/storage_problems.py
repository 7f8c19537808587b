"""What goes wrong in disks, buckets and web servers, in words that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from icemap.errors import first_line

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
SKEWED = ("RequestTimeTooSkewed", "RequestInTheFuture")
LOGGED_OUT = (
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "CredentialRetrievalError",
)
FAILING = ("SlowDown", "ServiceUnavailable", "InternalError", "500", "502", "503", "504")
BUSY = (
    "429",
    "TooManyRequests",
    "TooManyRequestsException",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
)
SLOW = ("RequestTimeout", "RequestTimeoutException", "408")
ELSEWHERE = (
    "301",
    "307",
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
OVER_QUOTA = (
    "QuotaExceeded",
    "ServiceQuotaExceededException",
    "InsufficientStorage",
    "507",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
)
ARCHIVED = ("InvalidObjectState", "ObjectNotInActiveTierError")
ABSENT = ("", "404", "410", "NoSuchKey", "NoSuchBucket", "NotFound")
BROKEN_OFF = (
    "ConnectionError",
    "HTTPClientError",
    "ResponseParserError",
    "ClientPayloadError",
    "ClientConnectionError",
    "IncompleteRead",
)
FULL = (errno.ENOSPC, errno.EDQUOT)
# What an answer with a body says and one without does not.
TELLING = (*EXPIRED, *SKEWED, *ARCHIVED, *ELSEWHERE, *OVER_QUOTA)


_LOG_IN = "the credentials have expired. Log in again, then the same command continues."
_IN_ANOTHER_REGION = (
    "the bucket is in another region or at another endpoint. Set AWS_REGION, or"
    " AWS_ENDPOINT_URL_S3, to that of the bucket."
)
# What a server means by its codes; {code} is the one it gave.
_OF_CODES = (
    (EXPIRED, _LOG_IN),
    (
        SKEWED,
        "this machine's clock is wrong, and the server refuses what is signed by it. Set the"
        " clock, then the same command continues.",
    ),
    (
        ARCHIVED,
        "it is archived and cannot be read at once. Ask its owner to restore it, or copy it to"
        " a class of storage that can be read.",
    ),
    (ELSEWHERE, _IN_ANOTHER_REGION),
    (
        OVER_QUOTA,
        "the storage is full or over its quota. Free some space or ask for more, then the same"
        " command continues.",
    ),
    (
        BUSY,
        "the server has too many requests ({code}). What is finished is kept: start the same"
        " command again later, with fewer workers.",
    ),
    (
        SLOW,
        "the server waited too long for the connection ({code}). Check the network, then the"
        " same command continues.",
    ),
)
# What a server may mean by codes that say little: the kind of error goes before them.
_OF_VAGUE_CODES = (
    # The answer to a HEAD request has no body that could say more.
    (
        ("400",),
        "the server calls it a bad request, which it says of expired credentials too. Log in"
        " again, then the same command continues.",
    ),
    (
        FAILING,
        "the server fails or is too busy, after several attempts ({code}). What is finished is"
        " kept: start the same command again later.",
    ),
)
_OF_NUMBERS = (
    (FULL, "the disk is full. Free some space, then the same command continues."),
    (
        (errno.EFBIG,),
        "files may not become this large there. Raise the limit (ulimit -f), or choose another"
        " place.",
    ),
    ((errno.EROFS,), "the file system is read-only. Choose another place."),
    ((errno.EREMCHG,), _IN_ANOTHER_REGION),
)


def problem_of(error: Exception) -> str | None:
    """What went wrong in the storage and what to do; None if the error is not the storage's."""
    code = code_of(error)
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and code not in ABSENT:
        # fsspec calls every failure of a web server the absence of the file.
        return problem_of(cause) or problem_of(FileNotFoundError())
    if _is_refused(error):
        return (
            "the connection is refused: no server listens there. Check host and port, and that the"
            " server runs, then the same command continues."
        )
    return (
        _of_code(code, _OF_CODES)
        or _of_kind(error, code)
        or _of_number(error)
        or _of_code(code, _OF_VAGUE_CODES)
        or _of_connection(error)
    )


def _of_code(code: str, known: Iterable[tuple[tuple[str, ...], str]]) -> str | None:
    return next((said.format(code=code) for codes, said in known if code in codes), None)


def _of_number(error: Exception) -> str | None:
    """What an operating system means by the number of its error."""
    number = error.errno if isinstance(error, OSError) else None
    return next((said for numbers, said in _OF_NUMBERS if number in numbers), None)


def _of_kind(error: Exception, code: str) -> str | None:
    """What the class of an error means."""
    # Importing botocore or aiohttp only to name their errors would slow down every local run.
    kind = type(error).__name__
    if kind in LOGGED_OUT:
        return _LOG_IN
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "it holds a zero byte and is no path. Correct it."
    if kind == "InvalidRegionError":
        return f"{first_line(error)}. Correct AWS_REGION, or the region of the profile."
    if isinstance(error, ValueError) and "nvalid endpoint" in str(error):
        return f"{first_line(error)}. Correct the endpoint in the environment or the profile."
    if isinstance(error, ImportError):
        return f"{first_line(error)}. Install the package, or use a path, s3:// or https://."
    if isinstance(error, IsADirectoryError):
        return "it is a folder (directory). Name the file in it."
    if isinstance(error, FileNotFoundError):
        return "there is no such file, folder or bucket. Check the name."
    if isinstance(error, PermissionError):
        return (
            "permission denied. Ask its owner for the right, or choose another place; check a"
            " bucket's credentials in the environment."
        )
    if code in ("401", "403"):
        return (
            f"the server refuses it ({code}). Check name, password or token; a link that was made"
            " for some time may have expired: ask for a new one."
        )
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{error.filename or 'a part of this path'} is not a folder. Choose another place."
    return None


def _of_connection(error: Exception) -> str | None:
    """What a connection breaks off by; None if the error is of no library that connects."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            "the server's certificate is not trusted. If it should be, name the file of its"
            " authority in AWS_CA_BUNDLE, or for https:// in SSL_CERT_FILE."
        )
    if isinstance(error, TimeoutError) or any(
        kind.__name__ in BROKEN_OFF for kind in type(error).__mro__
    ):
        return (
            f"the connection fails or breaks off ({first_line(error)}). Check the network and the"
            " endpoint, then the same command continues."
        )
    if isinstance(error, OSError):
        return f"{first_line(error)}."
    if type(error).__module__.partition(".")[0] in ("botocore", "aiobotocore", "aiohttp"):
        return f"{first_line(error)}. Check the endpoint and the credentials in the environment."
    return None


def _is_refused(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False


def code_of(error: BaseException | None) -> str:
    """The code by which the server refused; s3fs keeps it as the cause of an error of its own."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        if isinstance(getattr(error, "status", None), int):
            return str(error.status)  # type: ignore[attr-defined]
        error = error.__cause__
    return ""
