"""How long functions tell how far they are, without printing anything themselves."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Wraps the items of a long loop, to show how far it is; ``total`` is their number where they have no length."""

    def __call__(self, items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]: ...


def silent(items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """The items as they are: nothing is shown."""
    return items


def ignore(text: str) -> None:
    """Say nothing, where a function would have a remark."""
