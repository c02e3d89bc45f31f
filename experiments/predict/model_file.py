"""The file of the network to run: the user's own, or a pretrained one that is exported once into the user's cache."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...evaluators.names import PRETRAINED as PREFIX
from ...search_space.errors import WriteError, only_one
from ...search_space.files import user_cache

if TYPE_CHECKING:
    from ...evaluators import Checkpoint

EXAMPLES = 4
"""Random images on which an exported file is compared with torch."""


@dataclass(frozen=True)
class ModelFile:
    """A network's file.

    Attributes
    ----------
    path
        File for :func:`open_landmarker`.
    name
        Name of the network: the path, or ``pretrained:NAME``.
    remark
        Remark for the user on a default network; empty if the user named one.
    """

    path: Path
    name: str
    remark: str = ""


def model_file(model: str | Path | None, max_us: float | None, own: Path) -> ModelFile:
    """Find the file of a network.

    Parameters
    ----------
    model
        A file, or ``pretrained:NAME``.
    max_us
        Latency limit in microseconds for the most accurate pretrained subnet.
    own
        Default file if neither is given; if it does not exist, the most accurate pretrained subnet is used.

    Raises
    ------
    InputError
        If both are given, no pretrained network has the name, or none is fast enough. Files are opened later.
    """
    only_one({"--model": model, "--max-us": max_us})
    if model is None and max_us is None and own.is_file():
        model = own
    if model is not None and not str(model).startswith(PREFIX):
        return ModelFile(Path(model), str(model))
    from ...evaluators.pretrained import pick

    name = pick(max_us) if model is None else str(model).removeprefix(PREFIX)
    named = model is not None or max_us is not None
    remark = (
        "" if named else f"{PREFIX}{name}, the most accurate, is used, because there is no --model, no --max-us and no {own}"
    )
    return ModelFile(pretrained_file(name), f"{PREFIX}{name}", remark)


def pretrained_file(name: str) -> Path:
    """Return the ONNX file of a pretrained subnet from the user's cache; export it there, or into a temporary folder.

    Raises
    ------
    InputError
        If no pretrained subnet has this name.
    """
    from ...evaluators.pretrained import pretrained
    from ...evaluators.training.checkpoint import weights_digest

    checkpoint = pretrained(name)
    file = f"{name}-{weights_digest(checkpoint)}.onnx"
    cached = user_cache("pretrained") / file
    if cached.is_file():
        return cached
    try:
        _export(checkpoint, cached)
    except WriteError:
        folder = tempfile.mkdtemp(prefix="fbnet-pfld-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        cached = Path(folder) / file
        _export(checkpoint, cached)
    return cached


def _export(checkpoint: "Checkpoint", path: Path) -> None:
    import torch

    from ..deploy.onnx_file import described, write_onnx

    model = checkpoint.build()
    size = checkpoint.input_size
    examples = torch.rand(EXAMPLES, 3, size, size, generator=torch.Generator().manual_seed(0))
    metadata = described(checkpoint.network, checkpoint.num_points, size)
    write_onnx(model, path, examples, metadata, name=path.stem)
