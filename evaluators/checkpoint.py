"""Checkpoints of finished networks: plain data and weights, so that loading them runs no foreign code."""

import contextlib
import hashlib
import io
import pickle
import zipfile
import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec
from ..search_space.inputs import allowed, atomic_path

BEST = "checkpoint_best.pth"
KINDS = ("supernet", "subnet", "baseline")
_KEYS = {"kind", "network", "num_points", "input_size", "weights", "metrics", "version"}


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a network and what is needed to build it again.

    Parameters
    ----------
    kind
        ``supernet``, ``subnet`` or ``baseline``.
    network
        The supernet's space spec or the subnet's architecture as plain data, or the baseline's name.
    num_points, input_size
        Of the network; input size in pixels.
    weights
        Its state dict.
    metrics
        Figures measured for it, such as ``{"val_nme": 5.1}`` in percent.
    stage
        Stage of the search in which a supernet's weights were saved.
    partial
        Whether only some of a supernet's subnets have been trained.
    """

    kind: str
    network: dict[str, Any] | str
    num_points: int
    input_size: int
    weights: dict[str, Tensor]
    metrics: dict[str, float] = field(default_factory=dict)
    stage: str | None = None
    partial: bool = False

    @classmethod
    def of(cls, model: nn.Module, network: Architecture | SpaceSpec | str, metrics: dict[str, float],
           stage: str | None = None, partial: bool = False) -> "Checkpoint":
        """Checkpoint of a subnet (given its architecture), a supernet (its space) or a baseline (its name)."""
        kind = {Architecture: "subnet", SpaceSpec: "supernet"}.get(type(network), "baseline")
        data = network if isinstance(network, str) else network.to_dict()
        weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        return cls(kind, data, model.num_points, model.input_size, weights, metrics, stage, partial)

    def save(self, path: str | Path) -> None:
        """Write by way of a temporary file."""
        with atomic_path(path) as temporary:
            torch.save({**vars(self), "version": version("fbnet-pfld")}, temporary)

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read a checkpoint.

        Raises
        ------
        InputError
            If the file is missing, unreadable, or no checkpoint of this package.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"checkpoint cannot be read: {path}: {error.strerror}") from None
        data = None
        if whole_archive(content):
            with contextlib.suppress(RuntimeError, pickle.UnpicklingError):
                data = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not _sound(data):
            raise InputError(f"not a checkpoint of this package: {path}; allowed: checkpoint_best.pth of search or finetune")
        optional = {name: data[name] for name in ("stage", "partial") if name in data}  # files of earlier versions have none
        return cls(**{name: data[name] for name in _KEYS - {"version"}}, **optional)

    def architecture(self, where: str | Path) -> Architecture:
        """The subnet's architecture; an :class:`InputError` if this is no subnet."""
        self._check_kind("subnet", where)
        return Architecture.from_dict(self.network, str(where))

    def check_architecture(self, architecture: Architecture, where: str | Path) -> None:
        """Raise :class:`InputError` unless this is a subnet of that architecture."""
        own = self.architecture(where)
        if not own.same_blocks(architecture) or own.input_size != architecture.input_size:
            raise InputError(f"{where}: checkpoint of another architecture; its blocks are {' '.join(own.choices.values())} of "
                             f"space {own.space.name} at input size {own.input_size}")

    def build(self, where: str | Path) -> nn.Module:
        """Build the network with these weights, in eval mode; ``where`` names the file in errors."""
        if self.kind == "subnet":
            model = self.architecture(where).build()
        elif self.kind == "baseline":
            if self.network not in BASELINES:
                raise InputError(f"{where}: unknown baseline {self.network!r}; {allowed(BASELINES)}")
            model = BASELINES[self.network](self.num_points, self.input_size)
        else:
            raise InputError(f"{where}: a supernet; allowed: checkpoint of a subnet or a baseline")
        load_weights(model, self.weights, where)
        return model.eval()

    def supernet(self, where: str | Path) -> PfldSpace:
        """The supernet with all candidates and these weights; what else a search keeps among them is left out.

        Raises
        ------
        InputError
            If this is no supernet, only one of its subnets is trained, or its weights are not those of its space.
        """
        self._check_supernet(where)
        space = PfldSpace(SpaceSpec.from_dict(self.network, str(where)), self.num_points, self.input_size)
        load_weights(space, {name: self.weights[name] for name in space.state_dict() if name in self.weights}, where)
        return space

    def _check_kind(self, kind: str, where: str | Path) -> None:
        if self.kind != kind:
            raise InputError(f"{where}: a {self.kind}; allowed: checkpoint of a {kind}")

    def _check_supernet(self, where: str | Path) -> None:
        self._check_kind("supernet", where)
        if self.partial:
            raise InputError(f"{where}: the supernet of a search that stopped in its first stage, {self.stage}, in which one "
                             "subnet alone learns; finish it with search --resume auto")

    def check_points(self, num_points: int, where: str | Path) -> None:
        """Raise :class:`InputError` unless the network has ``num_points`` landmarks."""
        if self.num_points != num_points:
            raise InputError(f"{where}: checkpoint of {self.num_points} points, but {num_points} are wanted")


def _sound(data: Any) -> bool:
    """Whether this is what :meth:`Checkpoint.save` writes, as far as types tell."""
    if not isinstance(data, dict) or not data.keys() >= _KEYS or data["kind"] not in KINDS:
        return False
    weights = data["weights"]
    return (isinstance(data.get("stage"), (str, type(None))) and isinstance(data.get("partial", False), bool)
            and isinstance(data["network"], str if data["kind"] == "baseline" else dict) and isinstance(data["metrics"], dict)
            and all(type(data[name]) is int and data[name] > 0 for name in ("num_points", "input_size"))
            and isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
            and all(isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_complex()
                    for tensor in weights.values()))


def whole_archive(content: bytes) -> bool:
    """Whether this is a zip archive with the right checksums: torch skips these, and reads all else as its old pickles."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):  # also of what the damage makes of a header
        return False


def check_size(size: int, wanted: int, where: str | Path) -> None:
    """Raise :class:`InputError` unless a network sees images of ``wanted`` x ``wanted`` pixels."""
    if size != wanted:
        raise InputError(f"{where}: network of input size {size}, but {wanted} is wanted; input_size: {size} in a config fits")


def load_weights(model: nn.Module, weights: dict[str, Tensor], where: str | Path) -> None:
    """Load a state dict that must fit exactly; an :class:`InputError` names the first weight that does not."""
    own = model.state_dict()
    for name in sorted(own.keys() ^ weights.keys()):
        raise InputError(f"{where}: weight {name!r} is {'missing' if name in own else 'not in the network'}; "
                         "allowed: the weights of this network")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise InputError(f"{where}: weight {name!r} has shape {tuple(tensor.shape)}; allowed: {tuple(own[name].shape)}")
    model.load_state_dict(weights)


def _check_fits(supernet: Checkpoint, space: SpaceSpec, num_points: int, input_size: int, where: str | Path) -> None:
    """Raise :class:`InputError` unless this is a trained supernet of that space, number of points and input size."""
    supernet._check_supernet(where)
    supernet.check_points(num_points, where)
    if SpaceSpec.from_dict(supernet.network, str(where)) != space:
        raise InputError(f"{where}: supernet of another search space; expected {space.name!r}")
    check_size(supernet.input_size, input_size, where)


def load_supernet(space: PfldSpace, supernet: Checkpoint, where: str | Path) -> None:
    """Give a search space the weights of its trained supernet.

    Raises
    ------
    InputError
        If the supernet is of another space, number of points or input size, or only one of its subnets is trained.
    """
    _check_fits(supernet, space.spec, space.num_points, space.input_size, where)
    load_weights(space, {name: supernet.weights[name] for name in space.state_dict() if name in supernet.weights}, where)


def weights_digest(checkpoint: Checkpoint) -> str:
    """Short name of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in checkpoint.weights.items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:12]


def inherit(subnet: PfldSpace, architecture: Architecture, supernet: Checkpoint, where: str | Path) -> None:
    """Give a subnet the weights that its blocks have in a trained supernet.

    Raises
    ------
    InputError
        If the supernet is of another space, number of points or input size.
    """
    _check_fits(supernet, architecture.space, architecture.num_points, architecture.input_size, where)
    prefixes = {f"layers.{i}.{architecture.choices[label]}.": f"layers.{i}."
                for i, label in enumerate(architecture.space.labels)}
    weights = {}
    for name, tensor in supernet.weights.items():
        if not name.startswith("layers."):
            weights[name] = tensor
        for long, short in prefixes.items():
            if name.startswith(long):
                weights[short + name[len(long):]] = tensor
    load_weights(subnet, weights, where)


def start_from(model: nn.Module, network: Architecture | str, trained: Checkpoint, where: str | Path) -> list[str]:
    """Load the weights of a trained network; if it has another number of points, all but those of the last layer.

    Parameters
    ----------
    model
        The network, with new weights; changed in place.
    network
        Its architecture, or the name of a baseline.
    where
        Names the checkpoint's file in errors.

    Returns
    -------
    list of str
        Names of the weights that stay new: none if the number of points is the same.

    Raises
    ------
    InputError
        If the checkpoint is of another network or input size.
    """
    if trained.kind == "supernet":
        raise InputError(f"{where}: the weights of a supernet; a subnet inherits them with --supernet")
    if isinstance(network, str):
        same, wanted = trained.network == network, network
    else:
        same = trained.kind == "subnet" and trained.architecture(where).same_blocks(network)
        wanted = f"a subnet of {network.space.name} with the blocks {' '.join(network.choices.values())}"
    if not same:
        found = trained.network if isinstance(trained.network, str) else " ".join(trained.network["choices"].values())
        raise InputError(f"{where}: the weights of another network, {found}; wanted: {wanted}")
    check_size(trained.input_size, model.input_size, where)
    own, fresh = model.state_dict(), []
    if trained.num_points != model.num_points:
        # the last layer is the one whose shapes depend on the number of points
        fresh = [name for name, tensor in own.items()
                 if name.startswith("points.") and name in trained.weights and trained.weights[name].shape != tensor.shape]
    load_weights(model, trained.weights | {name: own[name] for name in fresh}, where)
    return fresh
