"""Progress callbacks: long functions report progress without printing anything themselves."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Wraps the items of a long loop to show its progress; ``total`` is their number if they have no length."""

    def __call__(self, items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]: ...


def silent(items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """Return the items unchanged; show nothing."""
    return items


def ignore(text: str) -> None:
    """Discard a remark."""
