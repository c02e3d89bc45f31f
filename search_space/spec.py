"""A search space as data: what a person writes in YAML and reads in a diff.

The built-in specs stand in ``specs/``; :meth:`SpaceSpec.load` takes one of their names or the path of a YAML file of the
same form. ``specs/pfld.yaml`` and ``specs/pfld-wide.yaml`` show every key. The network is: stem (stride 4), one entry block,
the stages of searched layers, and the PFLD multi-scale head, which sees the last stage's output, a tap of the stem, and the end
of every earlier stage. Stem, entry and head are searched as well where ``block`` is a list.
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
"""Side of the images in pixels, where neither the user nor the spec says another."""

_FILES: dict["SpaceSpec", str] = {}
"""Spec -> the file that it was read from, for the commands that messages suggest; equal specs are one."""

Channels = Annotated[int, Field(ge=2, multiple_of=2)]
Count = Annotated[int, Field(ge=1)]
Blocks = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


def _reference(block: str) -> BeforeValidator:
    """A number alone stands for the reference's block of that width."""
    return BeforeValidator(lambda value: {"block": block, "channels": value} if isinstance(value, int) else value)


def built_in() -> list[str]:
    """Names of the specs in ``specs/``."""
    return sorted(path.stem for path in SPECS.glob("*.yaml"))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """A block outside the stages, or several of which a search chooses one."""

    block: Blocks
    channels: Channels


class Entry(Part):
    """The block between stem and first stage."""

    stride: Count = 1


class Head(Part):
    """The multi-scale head; ``channels`` are the features before the points."""

    channels: Annotated[int, Field(ge=4, multiple_of=4)]


class Stage(_Strict):
    """``layers`` searched layers of equal width; the first carries the stride."""

    layers: Count
    channels: Channels
    stride: Count = 1
    candidates: Annotated[tuple[str, ...], Field(min_length=1)]


class SpaceSpec(_Strict):
    """A whole space; see ``specs/pfld.yaml`` for an example.

    ``input_size`` is the side of the images in pixels for which the space is made, :data:`INPUT_SIZE` if it is not there.
    """

    name: Annotated[str, Field(min_length=1)]
    input_size: Count | None = None
    stem: Annotated[Part, _reference("pelee_stem")]
    entry: Entry
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    head: Annotated[Head, _reference("pfld_head")]

    @classmethod
    def load(cls, name_or_path: "str | Path | SpaceSpec") -> "SpaceSpec":
        """Load a built-in spec by name, a YAML file by path (anything that ends in .yaml or .yml), or an architecture's space.

        An architecture file ends in .json.

        Raises
        ------
        InputError
            If there is no such spec, or a key or a value in it is wrong.
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
        """Build a spec from plain data; ``where`` names its source in error messages."""
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
                raise InputError(f"{where}: {key}: a block stands there twice; list each once")
        if len({tap_stride(name) for name in spec.stem.block}) > 1:
            raise InputError(f"{where}: stem.block: stems with early maps of two sizes; list stems with early maps of one size")
        if spec.input_size is not None:
            try:
                spec.check_size(spec.input_size)
            except InputError as error:
                raise InputError(f"{where}: input_size: {error}") from None
        return spec

    def read_from(self, path: Path) -> "SpaceSpec":
        """Remember the file that this spec was read from, see :attr:`argument`."""
        _FILES[self] = str(path)
        return self

    @property
    def argument(self) -> str | None:
        """What ``--space`` takes for this spec: a built-in name, or the file that it was read from; None if neither is known.

        For messages that suggest a command.
        """
        built_in_file = SPECS / f"{self.name}.yaml"
        if built_in_file.is_file() and SpaceSpec.load(self.name) == self:
            return self.name
        return _FILES.get(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML file."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def labels(self) -> list[str]:
        """Labels of what is searched, first to last: ``layer_0``, ``layer_1``, ..., also ``stem``, ``entry``, ``head``."""
        return list(self.candidates())

    @property
    def side(self) -> int:
        """Side of the images in pixels, unless the user says another."""
        return self.input_size or INPUT_SIZE

    @property
    def total_stride(self) -> int:
        """Input side over the side of the last stage's map; the input size must be a multiple of it."""
        stride = STEM_STRIDE * self.entry.stride
        for stage in self.stages:
            stride *= stage.stride
        return stride

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Label -> names of its candidate blocks, of everything that is searched."""
        layers = [stage.candidates for stage in self.stages for _ in range(stage.layers)]
        places = {
            "stem": self.stem.block,
            "entry": self.entry.block,
            **{f"layer_{i}": blocks for i, blocks in enumerate(layers)},
            "head": self.head.block,
        }
        return {name: blocks for name, blocks in places.items() if name.startswith("layer_") or len(blocks) > 1}

    def sample(self, rng: random.Random) -> dict[str, str]:
        """Draw a subnet, uniformly over the candidates: label -> block, the labels in order."""
        return {label: rng.choice(names) for label, names in self.candidates().items()}

    def check_size(self, input_size: int) -> None:
        """Raise :class:`InputError` unless images of ``input_size`` x ``input_size`` pixels fit the strides."""
        if input_size < 2 * self.total_stride or input_size % self.total_stride:
            raise InputError(
                f"input size {input_size} does not fit search space {self.name!r}; "
                f"allowed: multiples of {self.total_stride} from {2 * self.total_stride}"
            )

    def layout(self, num_points: int, input_size: int | None = None) -> "NetworkLayout":
        """Place every block of the space on the maps of a network with this input, by default :attr:`side`, and output.

        Raises
        ------
        InputError
            If there are no landmarks, or the input size does not fit the space.
        """
        if num_points < 1:
            raise InputError(f"points is {num_points}; allowed: 1 or more")
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
    """Signatures of all parts of a network: all that a latency table needs to know of a space.

    Attributes
    ----------
    space
        The spec that it is of.
    num_points, input_size
        Number of landmarks, and side of the input image in pixels.
    places
        Name of a place -> name of a block -> signature, in the network's order: ``stem``, ``entry``, ``layer_0`` ..., ``head``.
    searched
        Names of the places with a choice; the others have one block.
    tap_after
        Names of the places whose outputs the head sees as well.
    pools
        What brings the taps to the head's size; the first reads a map of the stem, the others those of ``tap_after``.
    points
        What comes after the head.
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
        """Label -> name of a block -> signature, of everything that is searched."""
        return {label: self.places[label] for label in self.searched}

    def fixed(self) -> list[Signature]:
        """Every part that all subnets share."""
        alone = [next(iter(blocks.values())) for name, blocks in self.places.items() if name not in self.searched]
        return [*alone, *self.pools, self.points]
