"""Choose the whole subnets to time, so that the latency of every block can be solved from theirs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ...search_space.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.signature import Signature
from ...search_space.spec import SpaceSpec, Stage

IDENTITY = "skip"
"""The block that does nothing where shapes stay; subnets with it separate a layer's blocks from the fixed parts."""

FEWEST_UNSEEN = 2
"""Fewest unseen subnets for which an error is reported."""

REPEATS = 5
"""Default number of runs of known subnets, see :func:`make_design`."""

UNSEEN = 50
"""Default number of unseen subnets."""

_TRIES = 100
"""Random draws per requested unseen subnet."""


@dataclass(frozen=True)
class Design:
    """Subnets that a table is made from (``known``), and subnets that only test it (``unseen``)."""

    known: list[Architecture]
    unseen: list[Architecture]

    def models(self) -> dict[str, Architecture]:
        """Short name -> subnet, the known ones first."""
        return {f"m{i:04d}": subnet for i, subnet in enumerate([*self.known, *self.unseen])}


def is_identity(signature: Signature) -> bool:
    """Whether a block does nothing at its position, and so takes no time."""
    return signature.op == IDENTITY and signature.stride == 1 and signature.in_channels == signature.out_channels


def make_design(space: SpaceSpec, num_points: int, input_size: int, repeats: int, unseen: int, seed: int) -> Design:
    """Choose the subnets to measure for a table.

    A run has as many known subnets as the longest list of candidates. Each candidate of each layer occurs once in a run, beside
    random blocks elsewhere; a shorter list repeats random candidates. Equal subnets are kept once. Where a layer's shapes stay,
    the identity is one of its candidates, whether or not the space has it.

    Parameters
    ----------
    repeats
        Number of runs.
    unseen
        Number of random subnets of the space to test with; fewer if the space has no more.

    Raises
    ------
    InputError
        If the input size does not fit the space, or too few subnets remain to test with.
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
