"""Which whole subnets to time so that the latency of every block can be told from theirs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ...search_space.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.signature import Signature
from ...search_space.spec import SpaceSpec, Stage

IDENTITY = "skip"
"""The block that is nothing where shapes stay; subnets with it tell the blocks of a layer from the fixed parts."""

FEWEST_UNSEEN = 2
"""Unseen subnets without which there is no error to report."""

REPEATS = 5
"""Default number of runs of known subnets."""

UNSEEN = 50
"""Default number of unseen subnets."""

_TRIES = 100
"""Random draws per unseen subnet that is wanted."""


@dataclass(frozen=True)
class Design:
    """Subnets that a table is made from (``known``), and others that only test it (``unseen``)."""

    known: list[Architecture]
    unseen: list[Architecture]

    def models(self) -> dict[str, Architecture]:
        """Short name -> subnet, the known ones first."""
        return {f"m{i:04d}": subnet for i, subnet in enumerate([*self.known, *self.unseen])}


def is_identity(signature: Signature) -> bool:
    """Whether a block does nothing in its place, and so takes no time."""
    return signature.op == IDENTITY and signature.stride == 1 and signature.in_channels == signature.out_channels


def make_design(space: SpaceSpec, num_points: int, input_size: int, repeats: int, unseen: int, seed: int) -> Design:
    """Choose subnets.

    In every run of as many known subnets as the longest list of candidates each candidate of each layer stands once (where a
    list is shorter, random ones of it again), beside random blocks elsewhere; ``repeats`` such runs, equal subnets once. Where
    a layer's shapes stay, the identity is one of its candidates, whether or not the space has it.

    Parameters
    ----------
    unseen
        Number of random subnets of the space itself to test with; fewer if the space has no more.

    Raises
    ------
    InputError
        If the input size does not fit the space, or hardly any subnet is left to test with.
    """
    rng = random.Random(seed)
    wider = _with_identity(space)
    layout = wider.layout(num_points, input_size)
    choosable = {
        label: [name for name in names if name in space.candidates()[label] or is_identity(layout.layers[label][name])]
        for label, names in wider.candidates().items()
    }

    def subnet(spec: SpaceSpec, choices: dict[str, str]) -> Architecture:
        return Architecture(spec, num_points, input_size, choices)

    known = {}
    for choices in _balanced(choosable, repeats, rng):
        known[tuple(choices.values())] = subnet(wider, choices)
    test: dict[tuple[str, ...], Architecture] = {}
    for _ in range(_TRIES * unseen):
        choices = space.sample(rng)
        key = tuple(choices.values())
        if len(test) < unseen and key not in known:
            test[key] = subnet(space, choices)
    if len(test) < FEWEST_UNSEEN:
        raise InputError(
            f"search space {space.name!r} has {len(test)} subnets left to test a table on; at least "
            f"{FEWEST_UNSEEN} are needed: use a larger space or fewer repeats"
        )
    return Design(list(known.values()), list(test.values()))


def _balanced(choosable: dict[str, list[str]], repeats: int, rng: random.Random) -> Iterator[dict[str, str]]:
    length = max(map(len, choosable.values()))
    for _ in range(repeats):
        columns = [rng.sample([*names, *rng.choices(names, k=length - len(names))], length) for names in choosable.values()]
        for row in zip(*columns, strict=True):
            yield dict(zip(choosable, row, strict=True))


def _with_identity(space: SpaceSpec) -> SpaceSpec:
    stages = tuple(
        Stage(
            layers=stage.layers,
            channels=stage.channels,
            stride=stage.stride,
            candidates=tuple(dict.fromkeys([*stage.candidates, IDENTITY])),
        )
        for stage in space.stages
    )
    return space.model_copy(update={"stages": stages})
