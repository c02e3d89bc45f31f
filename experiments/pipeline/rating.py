"""Rating of a subnet with the weights of a trained supernet, as in every trial of a multi-trial search."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch

from ...evaluators import Checkpoint, FaceData, as_it_is, evaluate, split_indices
from ...search_space import Architecture
from ..deploy.onnx_file import write_onnx
from .config import Config
from .finetuning import finetune_network

ONNX = "model.onnx"
"""Name of the file in a trial's folder that the Visualization tab of NNI's web UI shows."""


def rate(
    architecture: Architecture,
    supernet: Path,
    config: Config,
    faces: FaceData,
    folder: Path,
    epochs: int = 0,
    seed: int = 0,
    callbacks: Sequence[pl.Callback] = (),
) -> float:
    """Return the NME in percent of a subnet with a supernet's weights on held-out faces; write its ONNX file to ``folder``.

    Parameters
    ----------
    epochs
        Epochs of finetuning before the rating. With 0, BatchNorm statistics are recomputed, and the network is rated on the
        faces that the supernet's training held out (if the search had this ``seed``).

    Raises
    ------
    InputError
        If the data or the supernet is invalid.
    """
    if epochs:
        settings = config.override({"finetune__epochs": epochs}, "epochs")
        best = finetune_network(settings, faces, folder, architecture, supernet, seed, callbacks=callbacks)
        model, nme = best.build(), best.metrics["val_nme"]
    else:
        train, held_out = split_indices(len(faces.train), config.search.val_fraction, seed)
        model = as_it_is(architecture, Checkpoint.load(supernet), faces.train.subset(train))
        nme = evaluate(model, faces.train.subset(held_out), config.eye_corners)["nme"]
    size = architecture.input_size
    write_onnx(model, folder / ONNX, torch.zeros(1, 3, size, size))
    return nme
