"""The one exception that means: the user can mend this."""


class IcemapError(Exception):
    """A mistake in the input, said in one sentence: what, which file, key, row or chunk, and what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """
