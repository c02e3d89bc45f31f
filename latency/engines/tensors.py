"""What a network's file takes and gives."""

from collections.abc import Sequence
from pathlib import Path

from ...search_space.errors import InputError

METADATA = "metadata.json"
"""Name of the file within a TorchScript file that says what the network is."""

Tensor = tuple[bool, Sequence[object]]
"""Whether it is of floats, and its shape; a size that is not fixed is no positive number there."""


def image_shape(path: str | Path, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[int, ...]:
    """Shape (1, channels, height, width) of the image that a file takes.

    Raises
    ------
    InputError
        If that is not one image or any number of them, or there is more than one output.
    """
    match inputs, outputs:
        case [(True, [batch, *image])], [(True, _)] if len(image) == 3 and (batch == 1 or not _fixed(batch)):
            sides = [side for side in image if isinstance(side, int) and side > 0]
            if len(sides) == len(image):
                return (1, *sides)
    shapes = [[list(shape) for _, shape in side] for side in (inputs, outputs)]
    raise InputError(
        f"{path}: inputs {shapes[0]}, outputs {shapes[1]}; allowed: one input (1, channels, height, width) and "
        "one output, both of floats"
    )


def _fixed(size: object) -> bool:
    return isinstance(size, int) and size > 0
