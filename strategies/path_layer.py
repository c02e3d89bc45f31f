"""The searched layer of a supernet that runs one candidate per layer, or a mixture of all."""

from typing import Any

from .mixed_layer import GumbelMixedLayer


class PathLayer(GumbelMixedLayer):
    """Run one candidate, or a mixture of all as in :class:`GumbelMixedLayer` if ``block`` is None.

    Attributes
    ----------
    block
        Name of the candidate to run.
    calls
        List that records inputs and output of each call; None to record nothing.
    """

    block: str | None = None
    calls: list[tuple[tuple[Any, ...], Any]] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs) if self.block is None else self[self.block](*args, **kwargs)
        if self.calls is not None:
            self.calls.append((args, output))
        return output
