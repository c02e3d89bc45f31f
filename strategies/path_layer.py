"""The searched layer of a supernet that runs one candidate per layer, or all of them mixed."""

from typing import Any

from .mixed_layer import GumbelMixedLayer


class PathLayer(GumbelMixedLayer):
    """One candidate at a time; all of them, mixed as in :class:`GumbelMixedLayer`, while ``block`` is None.

    Attributes
    ----------
    block
        Name of the candidate that runs.
    calls
        A list to note each call in, as inputs and output; None to note nothing.
    """

    block: str | None = None
    calls: list[tuple[tuple[Any, ...], Any]] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs) if self.block is None else self[self.block](*args, **kwargs)
        if self.calls is not None:
            self.calls.append((args, output))
        return output
