"""``Signature``: a block and its shapes, as a value. This module imports only the standard library."""

from dataclasses import dataclass


def out_size(size: int, stride: int) -> int:
    """Side of the output map of any block: ``ceil(size / stride)``."""
    return -(-size // stride)


@dataclass(frozen=True, order=True)
class Signature:
    """A block and its shapes, as a value. It is the key of a row in a latency table.

    Parameters
    ----------
    op
        A name in :data:`~fbnet_pfld.search_space.BLOCKS` or :data:`~fbnet_pfld.search_space.PARTS`.
    in_channels, out_channels, stride
        Channels and stride of the whole block.
    size
        Side of the square input map, in pixels.
    """

    op: str
    in_channels: int
    out_channels: int
    stride: int
    size: int

    @property
    def out_size(self) -> int:
        """Side of the output map, in pixels."""
        return out_size(self.size, self.stride)

    def __str__(self) -> str:
        return f"{self.op} {self.in_channels}->{self.out_channels} stride {self.stride} at {self.size}x{self.size}"
