"""Checkpoints of trained networks: plain data and weights, so that loading them runs no foreign code."""

import hashlib
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from ...search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec
from ...search_space.errors import allowed
from ...search_space.files import atomic_path
from ..names import checkpoint_file
from .plain_data import read_plain
from .typed_network import as_network

KINDS = ("supernet", "subnet", "baseline")
_KEYS = {"kind", "network", "num_points", "input_size", "weights", "metrics", "version"}


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a network and the data needed to rebuild it.

    Parameters
    ----------
    kind
        ``supernet``, ``subnet`` or ``baseline``.
    network
        The supernet's space spec or the subnet's architecture as plain data, or the baseline's name.
    num_points, input_size
        Number of landmarks, and side of the input image in pixels.
    weights
        State dict of the network.
    metrics
        Metrics of the network, such as ``{"val_nme": 5.1}`` (percent).
    stage
        Stage of the search in which a supernet's weights were saved.
    partial
        Whether only some of a supernet's subnets have been trained.
    path
        File that the checkpoint was read from; None if it was made in memory. Not stored in the file.
    """

    kind: str
    network: dict[str, Any] | str
    num_points: int
    input_size: int
    weights: dict[str, Tensor]
    metrics: dict[str, float] = field(default_factory=dict)
    stage: str | None = None
    partial: bool = False
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        model: nn.Module,
        network: Architecture | SpaceSpec | str,
        metrics: dict[str, float],
        stage: str | None = None,
        partial: bool = False,
    ) -> "Checkpoint":
        """Make the checkpoint of a subnet (given its architecture), a supernet (its space) or a baseline (its name)."""
        kind = {Architecture: "subnet", SpaceSpec: "supernet"}.get(type(network), "baseline")
        data = network if isinstance(network, str) else network.to_dict()
        weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        size = as_network(model)
        return cls(kind, data, size.num_points, size.input_size, weights, metrics, stage, partial)

    def half(self) -> "Checkpoint":
        """Return a copy with kernels and matrices in half precision, which halves the file; :meth:`load` restores float32.

        Vectors, such as biases and BatchNorm statistics, stay unchanged: they are small, and variances may be too large or too
        small for half precision.
        """
        weights = {
            name: tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor
            for name, tensor in self.weights.items()
        }
        return replace(self, weights=weights, path=None)

    def save(self, path: str | Path) -> None:
        """Write the checkpoint atomically, through a temporary file."""
        content = {name: value for name, value in vars(self).items() if name != "path"}
        with atomic_path(path) as temporary:
            torch.save({**content, "version": version("fbnet-pfld")}, temporary)

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read the checkpoint at a path, or a pretrained network, ``pretrained:NAME``.

        Raises
        ------
        InputError
            If the file is missing, unreadable, or not a checkpoint of this package.
        """
        file = checkpoint_file(path)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(f"checkpoint cannot be read: {path}: {error.strerror}") from None
        data = read_plain(content)
        if not _sound(data):
            raise InputError(f"not a checkpoint of this package: {path}; give the checkpoint_best.pth of search or finetune")
        optional = {name: data[name] for name in ("stage", "partial") if name in data}  # missing in files of earlier versions
        # networks compute in float32, whatever the file's precision
        data["weights"] = {
            name: tensor.float() if tensor.dtype is torch.float16 else tensor for name, tensor in data["weights"].items()
        }
        return cls(**{name: data[name] for name in _KEYS - {"version"}}, **optional, path=file)

    @property
    def where(self) -> str:
        """Name for messages: the path, or the kind if the checkpoint was made in memory."""
        return f"{self.kind} in memory" if self.path is None else str(self.path)

    def architecture(self) -> Architecture:
        """Return the subnet's architecture; raise :class:`InputError` if this is not a subnet."""
        self._check_kind("subnet")
        return Architecture.from_dict(self.network, self.where)

    def build(self) -> nn.Module:
        """Build the network with these weights, in eval mode.

        Raises
        ------
        InputError
            If this is a supernet, or the weights do not match the network.
        """
        model: nn.Module
        if self.kind == "subnet":
            model = self.architecture().build()
        elif self.kind == "baseline":
            if self.network not in BASELINES:
                raise InputError(f"{self.where}: unknown baseline {self.network!r}; {allowed(BASELINES)}")
            model = BASELINES[self.network](self.num_points, self.input_size)
        else:
            raise InputError(f"{self.where}: a supernet; give the checkpoint of a subnet or a baseline")
        load_weights(model, self.weights, self.where)
        return model.eval()

    def supernet(self) -> PfldSpace:
        """Build the supernet with all candidates and these weights.

        Raises
        ------
        InputError
            If this is not a supernet, only one of its subnets is trained, or the weights do not match its space.
        """
        self.check_supernet()
        space = PfldSpace(SpaceSpec.from_dict(self.network, self.where), self.num_points, self.input_size)
        self.load_space(space)
        return space

    def load_space(self, space: PfldSpace) -> None:
        """Load a supernet's weights into its space; other entries that a search stores are ignored."""
        load_weights(space, {name: self.weights[name] for name in space.state_dict() if name in self.weights}, self.where)

    def check_architecture(self, architecture: Architecture) -> None:
        """Raise :class:`InputError` unless this is a subnet with that architecture."""
        own = self.architecture()
        if not own.same_blocks(architecture) or own.input_size != architecture.input_size:
            raise InputError(
                f"{self.where}: checkpoint of another architecture; its blocks are "
                f"{' '.join(own.choices.values())} of space {own.space.name} at input size {own.input_size}"
            )

    def check_supernet(self) -> None:
        """Raise :class:`InputError` unless this is a supernet whose subnets are all trained."""
        self._check_kind("supernet")
        if self.partial:
            raise InputError(
                f"{self.where}: the search of this supernet stopped in its first stage, {self.stage}, which trains "
                "only one subnet; finish it with search --resume auto"
            )

    def check_points(self, num_points: int) -> None:
        """Raise :class:`InputError` unless the network has ``num_points`` landmarks."""
        if self.num_points != num_points:
            raise InputError(f"{self.where}: the checkpoint has {self.num_points} points, but {num_points} are needed")

    def _check_kind(self, kind: str) -> None:
        if self.kind != kind:
            raise InputError(f"{self.where}: a {self.kind}; give the checkpoint of a {kind}")


def check_size(checkpoint: Checkpoint, wanted: int) -> None:
    """Raise :class:`InputError` unless a network takes images of ``wanted`` x ``wanted`` pixels."""
    size = checkpoint.input_size
    if size != wanted:
        raise InputError(
            f"{checkpoint.where}: the network has input size {size}, not {wanted}; set input_size: {size} in the config"
        )


def weights_digest(checkpoint: Checkpoint) -> str:
    """Return a short digest of a network's weights, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in checkpoint.weights.items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:12]


def load_weights(model: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    """Load a state dict that must match exactly; :class:`InputError` names the first weight that does not."""
    own = model.state_dict()
    for name in sorted(own.keys() ^ weights.keys()):
        raise InputError(f"{where}: weight {name!r} is {'missing' if name in own else 'not in the network'}")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{where}: weight {name!r} has shape {tuple(tensor.shape)}, but the network's has {tuple(own[name].shape)}"
            )
    model.load_state_dict(weights)


def _sound(data: Any) -> TypeGuard[dict[str, Any]]:
    """Whether the data have the structure and types that :meth:`Checkpoint.save` writes."""
    if not isinstance(data, dict) or not data.keys() >= _KEYS or data["kind"] not in KINDS:
        return False
    weights = data["weights"]
    return (
        isinstance(data.get("stage"), (str, type(None)))
        and isinstance(data.get("partial", False), bool)
        and isinstance(data["network"], str if data["kind"] == "baseline" else dict)
        and isinstance(data["metrics"], dict)
        and all(type(data[name]) is int and data[name] > 0 for name in ("num_points", "input_size"))
        and isinstance(weights, dict)
        and all(isinstance(name, str) for name in weights)
        and all(
            isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_complex()
            for tensor in weights.values()
        )
    )
