"""The one exception that means: the user can mend this."""

from icemap.addresses import shown


class IcemapError(Exception):
    """A mistake in the input, said in one sentence: what, which file, key, row or chunk, and what
    to do.

    The command line prints the sentence without a traceback and exits with code 2. Addresses in it,
    those that libraries quote among them, are without names, passwords and queries.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(shown(sentence))


def hide_causes(error: IcemapError) -> None:
    """Drop the errors of libraries behind a sentence where one of them tells a secret of an
    address.
    """
    cause: BaseException | None = error.__cause__ or error.__context__
    while cause is not None:
        if shown(str(cause)) != str(cause):
            error.__cause__ = None
            return
        cause = cause.__cause__ or cause.__context__


def first_line(error: Exception) -> str:
    """The first line of an error's text, to be put into a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
