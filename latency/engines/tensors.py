"""Inputs and outputs of a network file."""

from collections.abc import Sequence
from pathlib import Path

from ...search_space.errors import InputError

METADATA = "metadata.json"
"""Name of the metadata file within a TorchScript file."""

Tensor = tuple[bool, Sequence[object]]
"""Whether the tensor holds floats, and its shape; a size that is not fixed is not a positive integer."""


def image_shape(path: str | Path, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[int, ...]:
    """Shape (1, channels, height, width) of the input image of a network file.

    Raises
    ------
    InputError
        If the input is not one image or a batch of any size, or there is more than one output.
    """
    match inputs, outputs:
        case [(True, [batch, *image])], [(True, _)] if len(image) == 3 and (batch == 1 or not _fixed(batch)):
            sides = [side for side in image if isinstance(side, int) and side > 0]
            if len(sides) == len(image):
                return (1, *sides)
    shapes = [[list(shape) for _, shape in side] for side in (inputs, outputs)]
    raise InputError(
        f"{path}: inputs {shapes[0]}, outputs {shapes[1]}; expected one input (1, channels, height, width) and "
        "one output, both of floats"
    )


def _fixed(size: object) -> bool:
    return isinstance(size, int) and size > 0
