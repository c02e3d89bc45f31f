"""Errors that the command line prints as one line. A user's mistake is an ``InputError``, see :mod:`.inputs`."""


class ResultError(RuntimeError):
    """A result that could not be made, or not rightly, from sound input; the command line prints it and exits with code 1.

    The message is one line, stands alone, and names the user's files.
    """
