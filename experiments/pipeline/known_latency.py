"""The latency of architectures that must have one."""

from ...search_space.architecture import Architecture, Latency
from ...search_space.errors import InputError


def latency_of(architecture: Architecture) -> Latency:
    """The latency that is noted in an architecture.

    Raises
    ------
    InputError
        If there is none; ``LookupTable.annotate`` notes it.
    """
    if architecture.latency is None:
        raise InputError(
            f"architecture without a latency: {' '.join(architecture.choices.values())} of space "
            f"{architecture.space.name}; expected one that a latency table has annotated"
        )
    return architecture.latency
