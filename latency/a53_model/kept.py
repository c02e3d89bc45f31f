"""A cache for functions that return tables: every caller gets its own copy."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache, wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
Result = TypeVar("Result")


def cached_copies(function: Callable[P, Result]) -> Callable[P, Result]:
    """Compute each result once, as ``functools.cache`` does, and return a copy of it at every call."""
    # the cast: functools' stub wants Hashable arguments, which a ParamSpec cannot promise
    results = cast(Callable[P, Result], cache(function))

    @wraps(function)
    def copied(*args: P.args, **kwargs: P.kwargs) -> Result:
        return deepcopy(results(*args, **kwargs))

    return copied
