"""Initialise networks with trained weights, from a supernet or from a trained network."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from ...search_space import Architecture, InputError, PfldSpace, SpaceSpec
from ..data.dataset import LandmarkDataset
from .checkpoint import Checkpoint, check_size, load_weights
from .known_points import as_layout
from .recalibrate import RECALIBRATION_FACES, recalibrate
from .typed_network import as_network


def load_supernet(space: PfldSpace, supernet: Checkpoint) -> None:
    """Load the weights of a trained supernet into its search space.

    Raises
    ------
    InputError
        If the supernet has another space, number of points or input size, or only one of its subnets is trained.
    """
    supernet.check_points(space.num_points)
    start_space(space, supernet)


def start_space(space: PfldSpace, supernet: Checkpoint) -> list[str]:
    """Load the weights of a trained supernet into a space, whose number of points may differ.

    If the supernet's points include those of the space, its last layer is reduced to them, see
    :func:`~.known_points.as_layout`. Otherwise the last layer keeps its new weights.

    Returns
    -------
    list of str
        Names of the weights that stay new; empty if the supernet includes all points.

    Raises
    ------
    InputError
        If the supernet has another space or input size, or only one of its subnets is trained.
    """
    _check_fits(supernet, space.spec, space.input_size)
    supernet = as_layout(supernet, space.num_points)
    own = space.state_dict()
    fresh = _last_layer(own, supernet, space.num_points)
    replace(supernet, weights=supernet.weights | {name: own[name] for name in fresh}).load_space(space)
    return fresh


def inherit(subnet: nn.Module, architecture: Architecture, supernet: Checkpoint) -> list[str]:
    """Load a subnet's weights from a trained supernet, whose number of points may differ.

    Returns
    -------
    list of str
        As for :func:`start_space`.

    Raises
    ------
    InputError
        If the supernet has another space or input size, or only one of its subnets is trained.
    """
    _check_fits(supernet, architecture.space, architecture.input_size)
    supernet = as_layout(supernet, architecture.num_points)
    # the supernet's layers hold all candidates by name, the subnet's layers only the chosen one
    prefixes = {
        f"layers.{i}.{architecture.choices[label]}.": f"layers.{i}." for i, label in enumerate(architecture.space.labels)
    }
    weights = {}
    for name, tensor in supernet.weights.items():
        if not name.startswith("layers."):
            weights[name] = tensor
        for long, short in prefixes.items():
            if name.startswith(long):
                weights[short + name[len(long) :]] = tensor
    own = subnet.state_dict()
    fresh = _last_layer(own, supernet, architecture.num_points)
    load_weights(subnet, weights | {name: own[name] for name in fresh}, supernet.where)
    return fresh


def as_it_is(architecture: Architecture, supernet: Checkpoint, faces: LandmarkDataset) -> nn.Module:
    """Return a subnet with a supernet's weights, without finetuning, in eval mode.

    Its BatchNorm statistics are computed from the training ``faces``, or from the first 1,024 of them
    (:data:`RECALIBRATION_FACES`).

    Raises
    ------
    InputError
        If the supernet has another space, number of points or input size, or only one of its subnets is trained.
    """
    supernet.check_points(architecture.num_points)  # a new last layer would be untrained
    model = architecture.build()
    inherit(model, architecture, supernet)
    recalibrate(model, faces.subset(range(min(RECALIBRATION_FACES, len(faces)))))
    return model.eval()


def start_from(model: nn.Module, network: Architecture | str, trained: Checkpoint) -> list[str]:
    """Load the weights of a trained network, whose number of points may differ.

    If the trained network's points include those of the new one, its last layer is reduced to them, see
    :func:`~.known_points.as_layout`. Otherwise the last layer keeps its new weights.

    Parameters
    ----------
    model
        Network with new weights; modified in place.
    network
        Architecture of the subnet, or name of the baseline.
    trained
        Checkpoint of the trained network.

    Returns
    -------
    list of str
        Names of the weights that stay new; empty if the trained network includes all points.

    Raises
    ------
    InputError
        If the checkpoint belongs to another network or input size.
    """
    if trained.kind == "supernet":
        raise InputError(f"{trained.where}: a supernet; use --supernet to inherit its weights")
    if isinstance(network, str):
        same, wanted = trained.network == network, network
    else:
        same = trained.kind == "subnet" and trained.architecture().same_blocks(network)
        wanted = f"a subnet of {network.space.name} with the blocks {' '.join(network.choices.values())}"
    if not same:
        found = trained.network if isinstance(trained.network, str) else " ".join(trained.network["choices"].values())
        raise InputError(f"{trained.where}: weights of another network, {found}; expected {wanted}")
    check_size(trained, as_network(model).input_size)
    trained = as_layout(trained, as_network(model).num_points)
    own = model.state_dict()
    fresh = _last_layer(own, trained, as_network(model).num_points)
    load_weights(model, trained.weights | {name: own[name] for name in fresh}, trained.where)
    return fresh


def _last_layer(own: Mapping[str, Tensor], trained: Checkpoint, num_points: int) -> list[str]:
    """Return the weights whose shapes depend on the number of points, if the checkpoint has another number."""
    if trained.num_points == num_points:
        return []
    return [
        name
        for name, tensor in own.items()
        if name.startswith("points.") and name in trained.weights and trained.weights[name].shape != tensor.shape
    ]


def _check_fits(supernet: Checkpoint, space: SpaceSpec, input_size: int) -> None:
    """Raise :class:`InputError` unless this is a trained supernet with that space and input size."""
    supernet.check_supernet()
    if SpaceSpec.from_dict(supernet.network, supernet.where) != space:
        raise InputError(f"{supernet.where}: supernet of another search space; expected {space.name!r}")
    check_size(supernet, input_size)
