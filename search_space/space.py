"""``PfldSpace``: the search space as an NNI model space, one labelled ``LayerChoice`` per searched layer."""

from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.space import model_context
from torch import Tensor, nn

from .blocks import Skip
from .registry import build
from .signature import Signature
from .spec import SpaceSpec


class State(NamedTuple):
    """State of a batch within the network: the latest map, the pooled taps for the head, and the stem's output."""

    y: Tensor
    pooled: tuple[Tensor, ...] = ()
    features: Tensor | None = None


class PfldSpace(ModelSpace):
    """FBNet-PFLD search space: stem, entry, searched layers, multi-scale landmark head. A spec may make all of them searchable.

    Input: float32 (N, 3, input_size, input_size), BGR, 0..1. Output: float32 (N, 2 * num_points), x0 y0 x1 y1 ..., normalised
    to the crop. Use it like any NNI model space: ``space.simplify()``, ``space.freeze(sample)``,
    ``with model_context(sample): PfldSpace()``.

    Parameters
    ----------
    spec
        Name of a built-in spec, path of a YAML file, or a :class:`SpaceSpec`.
    num_points
        Number of landmarks.
    input_size
        Side of the input image, in pixels; the spec's by default.

    Raises
    ------
    InputError
        If the spec is unknown or wrong, or ``input_size`` does not fit its strides.
    """

    def __init__(self, spec: str | Path | SpaceSpec = "pfld", num_points: int = 106, input_size: int | None = None):
        super().__init__()
        self.spec = SpaceSpec.load(spec)
        self.num_points = num_points
        self.layout = self.spec.layout(num_points, input_size)
        self.input_size = self.layout.input_size
        self.feature_channels = self.spec.stem.channels

        self._build_fixed("stem")
        self._build_fixed("entry")
        self.layers = nn.ModuleList(
            LayerChoice({name: build(signature) for name, signature in blocks.items()}, label=label)
            for label, blocks in self.layout.layers.items()
        )
        self.pools = nn.ModuleList(build(signature) for signature in self.layout.pools)
        self._build_fixed("head")
        self.points = build(self.layout.points)

    def _build_fixed(self, place: str) -> None:
        if place not in self.layout.searched:
            setattr(self, place, build(next(iter(self.layout.places[place].values()))))

    def begin(self, x: Tensor) -> State:
        """Run the fixed parts before the first searched layer."""
        return self._through_fixed(list(self.layout.places), State(x))

    def advance(self, i: int, block: nn.Module, state: State) -> State:
        """Run ``block`` as searched layer ``i``, then the fixed parts after it."""
        places, label = list(self.layout.places), self.layout.searched[i]
        return self._through_fixed(places[places.index(label) + 1 :], self._run(label, block, state))

    def end(self, state: State) -> Tensor:
        """Return the landmarks (N, 2 * num_points) of the final state."""
        points: Tensor = self.points(state.y)
        return points

    def _through_fixed(self, places: list[str], state: State) -> State:
        for place in takewhile(lambda place: place not in self.layout.searched, places):
            state = self._run(place, getattr(self, place), state)
        return state

    def _run(self, place: str, block: nn.Module, state: State) -> State:
        if place == "stem":
            y, early = block(state.y)
            return State(y, (self.pools[0](early),), y)
        y = block(torch.cat((*state.pooled, state.y), dim=1) if place == "head" else state.y)
        tapped = (self.pools[len(state.pooled)](y),) if place in self.layout.tap_after else ()
        return State(y, (*state.pooled, *tapped), state.features)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (N, 2 * num_points) and the stem's output (N, feature_channels, S/4, S/4) for the pose net."""
        state = self.begin(x)
        for i, layer in enumerate(self.layers):
            state = self.advance(i, layer, state)
        assert state.features is not None  # the stem has run
        return self.end(state), state.features

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[0]

    def signatures(self) -> dict[str, dict[str, Signature]]:
        """Label -> candidate -> signature: the rows that a latency table must have."""
        return self.layout.layers

    def fixed_signatures(self) -> list[Signature]:
        """Signatures of the parts that every subnet shares."""
        return self.layout.fixed()


def build_subnet(spec: SpaceSpec, num_points: int, input_size: int, choices: dict[str, str]) -> PfldSpace:
    """Build one subnet of a space with new weights, without the dropout that only the search needs."""
    with model_context(choices):
        subnet = PfldSpace(spec, num_points, input_size)
    for module in subnet.modules():
        if isinstance(module, Skip) and isinstance(module.op, nn.Dropout):
            module.op.p = 0.0
    return subnet
