"""Errors that the command line prints as one line, and checks of names and options. Imports only the standard library."""

from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """A mistake in the user's input; the message is one self-contained line."""


class WriteError(InputError):
    """An output file that cannot be written."""


def allowed(names: Iterable[str]) -> str:
    """Format ``names`` for the end of an error message."""
    return "allowed: " + ", ".join(sorted(names))


def check_name(name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is in ``known``, or raise :class:`InputError`."""
    if name not in known:
        raise InputError(f"{name!r} is unknown; {allowed(known)}")
    return name


def only_one(options: Mapping[str, object]) -> None:
    """Raise :class:`InputError` if more than one of these options is given (not None)."""
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are both given; give only one of them")


class ResultError(RuntimeError):
    """A missing or wrong result from valid input; the command line prints the message and exits with code 1.

    The message is one self-contained line that names the user's files.
    """
