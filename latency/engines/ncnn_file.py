"""ncnn's ``.param`` files, which hold a network's layers as text; a ``.bin`` file beside it holds the weights.

The first line is a magic number. The second counts the layers and the blobs, which are the tensors between layers. Each
following line is a layer: kind, name, numbers of input and output blobs, their names, and parameters as ``id=value``. ncnn
reads as many lines as there are layers and ignores the rest. The format has no field for metadata, so they follow there: one
line of JSON behind a ``#``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...search_space.errors import InputError

MAGIC = "7767517"

INPUT_SIDES = ("0", "1", "2")
"""Parameters of an input layer: width, height and channels."""


@dataclass(frozen=True)
class NcnnLayer:
    """One line of the file; keys and values of ``parameters`` stay text."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)

    def number(self, parameter: str, default: int = 0) -> int:
        """Value of an integer parameter; ncnn's files omit a parameter that has its ``default``."""
        return int(self.parameters.get(parameter, default))

    def line(self) -> str:
        """The layer as a line of the file."""
        counts = f"{len(self.inputs)} {len(self.outputs)}"
        parameters = [f"{key}={value}" for key, value in self.parameters.items()]
        return " ".join([f"{self.kind:24} {self.name:24} {counts}", *self.inputs, *self.outputs, *parameters])


def weights_beside(path: str | Path) -> Path:
    """Path of the weights that belong to a ``.param`` file."""
    return Path(path).with_suffix(".bin")


def read_param(path: str | Path) -> tuple[list[NcnnLayer], dict[str, str]]:
    """Read the layers and the metadata of a ``.param`` file.

    Raises
    ------
    InputError
        If it is not an ncnn file.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        if lines[0].split() != [MAGIC]:
            raise ValueError
        count = int(lines[1].split()[0])
        layers = [_layer(line.split()) for line in lines[2 : 2 + count]]
        notes = [line for line in lines[2 + count :] if line.startswith("#")]
        metadata = json.loads(notes[0][1:]) if notes else {}
        if len(layers) != count or not isinstance(metadata, dict):
            raise ValueError
    except (ValueError, IndexError):  # a text that is not UTF-8 or JSON is a ValueError
        raise InputError(f"not a network that ncnn can run: {path}") from None
    return layers, metadata


def param_text(layers: Sequence[NcnnLayer], metadata: Mapping[str, str]) -> str:
    """Return the text of a ``.param`` file."""
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = [MAGIC, f"{len(layers)} {blobs}", *(layer.line() for layer in layers)]
    if metadata:
        lines.append(f"# {json.dumps(dict(metadata))}")
    return "\n".join(lines) + "\n"


def _layer(words: list[str]) -> NcnnLayer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    blobs, parameters = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs:
        raise ValueError
    pairs = [parameter.partition("=") for parameter in parameters]
    return NcnnLayer(kind, name, tuple(blobs[:inputs]), tuple(blobs[inputs:]), {key: value for key, _, value in pairs})
