"""Search-space specs: a space as data, written in YAML.

The built-in specs are in ``specs/``; :meth:`SpaceSpec.load` takes one of their names or the path of a YAML file of the same
form. ``specs/pfld.yaml`` and ``specs/pfld-wide.yaml`` show every key. A network consists of a stem (stride 4), one entry block,
the stages of searched layers, and the PFLD multi-scale head. The head sees the last stage's output, a tap of the stem, and the
output of every earlier stage. Stem, entry and head are also searched if their ``block`` is a list.
"""

import random
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import InputError, allowed
from .files import read_json, read_yaml
from .registry import BLOCKS, HEADS, STEM_STRIDE, STEMS, check_block, tap_stride
from .signature import Signature, out_size
from .validation import first_error

SPECS = Path(__file__).parent / "specs"

INPUT_SIZE = 112
"""Default side of the images in pixels."""

_FILES: dict["SpaceSpec", str] = {}
"""Spec -> file that it was read from, for the commands that messages suggest; equal specs share an entry."""

Channels = Annotated[int, Field(ge=2, multiple_of=2)]
Count = Annotated[int, Field(ge=1)]
Blocks = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


def _reference(block: str) -> BeforeValidator:
    """Expand a plain number to the reference's block with that many channels."""
    return BeforeValidator(lambda value: {"block": block, "channels": value} if isinstance(value, int) else value)


def built_in() -> list[str]:
    """Names of the specs in ``specs/``."""
    return sorted(path.stem for path in SPECS.glob("*.yaml"))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """A block outside the stages, or several candidates for it."""

    block: Blocks
    channels: Channels


class Entry(Part):
    """The block between the stem and the first stage."""

    stride: Count = 1


class Head(Part):
    """The multi-scale head; ``channels`` is the number of features before the point regressor."""

    channels: Annotated[int, Field(ge=4, multiple_of=4)]


class Stage(_Strict):
    """``layers`` searched layers of equal width; the first one has the stride."""

    layers: Count
    channels: Channels
    stride: Count = 1
    candidates: Annotated[tuple[str, ...], Field(min_length=1)]


class SpaceSpec(_Strict):
    """A search space; see ``specs/pfld.yaml`` for an example.

    Attributes
    ----------
    name, input_size
        Name of the space, and the side in pixels of the images that it is made for (None: :data:`INPUT_SIZE`).
    stem, entry, stages, head
        Parts of the network, first to last.
    """

    name: Annotated[str, Field(min_length=1)]
    input_size: Count | None = None
    stem: Annotated[Part, _reference("pelee_stem")]
    entry: Entry
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    head: Annotated[Head, _reference("pfld_head")]

    @classmethod
    def load(cls, name_or_path: "str | Path | SpaceSpec") -> "SpaceSpec":
        """Load a spec from a built-in name, a YAML file (.yaml or .yml), or an architecture file (.json).

        Raises
        ------
        InputError
            If the spec does not exist, or has a wrong key or value.
        """
        if isinstance(name_or_path, SpaceSpec):
            return name_or_path
        path = Path(name_or_path)
        if path.suffix == ".json":
            return cls._of_architecture(path)
        if path.suffix not in (".yaml", ".yml"):
            if str(name_or_path) not in built_in():
                raise InputError(f"unknown search space {str(name_or_path)!r}; {allowed(built_in())}, or a .yaml file")
            path = SPECS / f"{name_or_path}.yaml"
        return cls.from_dict(read_yaml(path, "search-space spec"), str(path)).read_from(path)

    @classmethod
    def _of_architecture(cls, path: Path) -> "SpaceSpec":
        data = read_json(path, "architecture file")
        space = data.get("space") if isinstance(data, dict) else None
        if isinstance(space, str) and space in built_in():
            return cls.load(space)
        if not isinstance(space, dict):
            raise InputError(f"{path}: not an architecture file; it names no search space under the key 'space'")
        return cls.from_dict(space, f"{path}: space").read_from(path)

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "SpaceSpec":
        """Build a spec from plain data; ``where`` names the source in error messages."""
        if not isinstance(data, dict):
            raise InputError(f"{where}: not a search space; write key: value lines, as in search_space/specs/pfld.yaml")
        try:
            spec = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {first_error(error, cls)}") from None
        lists = {
            "stem.block": (spec.stem.block, STEMS),
            "entry.block": (spec.entry.block, BLOCKS),
            "head.block": (spec.head.block, HEADS),
            **{f"stages.{i}.candidates": (stage.candidates, BLOCKS) for i, stage in enumerate(spec.stages)},
        }
        for key, (names, family) in lists.items():
            for name in names:
                check_block(name, f"{where}: {key}", family)
            if len(set(names)) < len(names):
                raise InputError(f"{where}: {key}: a block is listed twice; list each block once")
        if len({tap_stride(name) for name in spec.stem.block}) > 1:
            raise InputError(f"{where}: stem.block: early maps have two sizes; list only stems with early maps of one size")
        if spec.input_size is not None:
            try:
                spec.check_size(spec.input_size)
            except InputError as error:
                raise InputError(f"{where}: input_size: {error}") from None
        return spec

    def read_from(self, path: Path) -> "SpaceSpec":
        """Record the file that this spec was read from, see :attr:`argument`."""
        _FILES[self] = str(path)
        return self

    @property
    def argument(self) -> str | None:
        """Value of ``--space`` for this spec in a suggested command: a built-in name or the spec's file; None if unknown."""
        built_in_file = SPECS / f"{self.name}.yaml"
        if built_in_file.is_file() and SpaceSpec.load(self.name) == self:
            return self.name
        return _FILES.get(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain data, as in the YAML file."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def labels(self) -> list[str]:
        """Labels of the searched layers, first to last: ``layer_0`` ..., and ``stem``, ``entry``, ``head`` if searched."""
        return list(self.candidates())

    @property
    def side(self) -> int:
        """Default side of the images in pixels for this space."""
        return self.input_size or INPUT_SIZE

    @property
    def total_stride(self) -> int:
        """Image side divided by the side of the last stage's map; the input size must be a multiple of it."""
        stride = STEM_STRIDE * self.entry.stride
        for stage in self.stages:
            stride *= stage.stride
        return stride

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Label -> names of its candidate blocks, for every searched layer."""
        layers = [stage.candidates for stage in self.stages for _ in range(stage.layers)]
        places = {
            "stem": self.stem.block,
            "entry": self.entry.block,
            **{f"layer_{i}": blocks for i, blocks in enumerate(layers)},
            "head": self.head.block,
        }
        return {name: blocks for name, blocks in places.items() if name.startswith("layer_") or len(blocks) > 1}

    def sample(self, rng: random.Random) -> dict[str, str]:
        """Draw a subnet, label -> block, uniformly over the candidates; labels are in order."""
        return {label: rng.choice(names) for label, names in self.candidates().items()}

    def check_size(self, input_size: int) -> None:
        """Raise :class:`InputError` unless images of ``input_size`` x ``input_size`` pixels fit the strides."""
        if input_size < 2 * self.total_stride or input_size % self.total_stride:
            raise InputError(
                f"input size {input_size} does not fit search space {self.name!r}; "
                f"allowed: multiples of {self.total_stride} from {2 * self.total_stride}"
            )

    def layout(self, num_points: int, input_size: int | None = None) -> "NetworkLayout":
        """Compute the signatures of all blocks for a number of landmarks and an input size (default: :attr:`side`).

        Raises
        ------
        InputError
            If ``num_points`` is less than 1, or the input size does not fit the space.
        """
        if num_points < 1:
            raise InputError(f"points is {num_points}; must be 1 or more")
        input_size = self.side if input_size is None else input_size
        self.check_size(input_size)

        def place(blocks: tuple[str, ...], *where: int) -> dict[str, Signature]:
            return {name: Signature(name, *where) for name in blocks}

        stem, entry = self.stem.channels, self.entry
        tapped = tap_stride(self.stem.block[0])
        places = {
            "stem": place(self.stem.block, 3, stem, STEM_STRIDE, input_size),
            "entry": place(entry.block, stem, entry.channels, entry.stride, input_size // STEM_STRIDE),
        }
        taps = [(stem, input_size // tapped)]
        channels, size = entry.channels, out_size(input_size // STEM_STRIDE, entry.stride)
        tap_after: list[str] = []
        for stage in self.stages:
            for i in range(stage.layers):
                stride = stage.stride if i == 0 else 1
                label = f"layer_{len(places) - 2}"
                places[label] = place(stage.candidates, channels, stage.channels, stride, size)
                channels, size = stage.channels, out_size(size, stride)
            if stage is not self.stages[-1]:
                taps.append((channels, size))
                tap_after.append(label)
        pools = tuple(Signature("tap_pool", c, c, s // size, s) for c, s in taps)
        places["head"] = place(self.head.block, channels + sum(c for c, _ in taps), self.head.channels, size, size)
        return NetworkLayout(
            space=self,
            num_points=num_points,
            input_size=input_size,
            places=places,
            searched=tuple(self.labels),
            tap_after=tuple(tap_after),
            pools=pools,
            points=Signature("points", self.head.channels, 2 * num_points, 1, 1),
        )


class NetworkLayout(_Strict):
    """Signatures of all parts of a network: everything that a latency table needs to know about a space.

    Attributes
    ----------
    space
        Spec of the space.
    num_points, input_size
        Number of landmarks, and side of the input image in pixels.
    places
        Position -> name of a block -> signature, in network order: ``stem``, ``entry``, ``layer_0`` ..., ``head``.
    searched
        Positions with several candidates; the others have one block.
    tap_after
        Positions whose outputs the head also sees.
    pools
        Tap pools, which reduce the taps to the head's size: first the stem's tap, then those of ``tap_after``.
    points
        The point regressor after the head.
    """

    space: SpaceSpec
    num_points: int
    input_size: int
    places: dict[str, dict[str, Signature]]
    searched: tuple[str, ...]
    tap_after: tuple[str, ...]
    pools: tuple[Signature, ...]
    points: Signature

    @property
    def layers(self) -> dict[str, dict[str, Signature]]:
        """Label -> name of a block -> signature, for every searched layer."""
        return {label: self.places[label] for label in self.searched}

    def fixed(self) -> list[Signature]:
        """Return the signatures of the parts that all subnets share."""
        alone = [next(iter(blocks.values())) for name, blocks in self.places.items() if name not in self.searched]
        return [*alone, *self.pools, self.points]
