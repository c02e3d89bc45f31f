"""Errors that the command line prints as one line, and checks of names and options; the standard library alone is imported."""

from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """A mistake in what the user gave us; its message is one line and stands alone."""


class WriteError(InputError):
    """A file that cannot be written where the user wants it."""


def allowed(names: Iterable[str]) -> str:
    """Format ``names`` for the end of an error message."""
    return "allowed: " + ", ".join(sorted(names))


def check_name(name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is one of the ``known`` ones, or raise :class:`InputError`."""
    if name not in known:
        raise InputError(f"{name!r} is unknown; {allowed(known)}")
    return name


def only_one(options: Mapping[str, object]) -> None:
    """Raise :class:`InputError` if more than one of these options is given, that is, not None."""
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are both given; give one of them")


class ResultError(RuntimeError):
    """A result that could not be made, or not rightly, from sound input; the command line prints it and exits with code 1.

    The message is one line, stands alone, and names the user's files.
    """
