"""A search space as data: what a person writes in YAML and reads in a diff.

The built-in specs stand in ``specs/``; :meth:`SpaceSpec.load` takes one of their names or the path of a YAML file of the
same form. ``specs/pfld.yaml`` shows every key. The network is: stem (stride 4), one fixed entry block, the stages of searched
layers, and the PFLD multi-scale head, which sees the last stage's output and taps of the stem's first convolution and of the
end of every earlier stage.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .blocks import out_size
from .inputs import InputError, allowed, read_yaml
from .registry import Signature, check_block

SPECS = Path(__file__).parent / "specs"
STEM_STRIDE = 4

Channels = Annotated[int, Field(ge=2, multiple_of=2)]
Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Strict):
    """The fixed block between stem and first stage."""

    block: str
    channels: Channels
    stride: Count = 1


class Stage(_Strict):
    """``layers`` searched layers of equal width; the first carries the stride."""

    layers: Count
    channels: Channels
    stride: Count = 1
    candidates: Annotated[tuple[str, ...], Field(min_length=1)]


class SpaceSpec(_Strict):
    """A whole space; see ``specs/pfld.yaml`` for an example with every key."""

    name: Annotated[str, Field(min_length=1)]
    stem: Channels
    entry: Entry
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    head: Annotated[int, Field(ge=4, multiple_of=4)]

    @classmethod
    def load(cls, name_or_path: "str | Path | SpaceSpec") -> "SpaceSpec":
        """Load a built-in spec by name, or a YAML file by path (anything that ends in .yaml or .yml).

        Raises
        ------
        InputError
            If there is no such spec, or a key or a value in it is wrong.
        """
        if isinstance(name_or_path, SpaceSpec):
            return name_or_path
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            built_in = {p.stem: p for p in SPECS.glob("*.yaml")}
            if str(name_or_path) not in built_in:
                raise InputError(f"unknown search space {str(name_or_path)!r}; {allowed(built_in)}, or a .yaml file")
            path = built_in[str(name_or_path)]
        return cls.from_dict(read_yaml(path, "search-space spec"), str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "SpaceSpec":
        """Build a spec from plain data; ``where`` names its source in error messages."""
        try:
            spec = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {first_error(error, cls)}") from None
        check_block(spec.entry.block, f"{where}: entry.block")
        for i, stage in enumerate(spec.stages):
            for name in stage.candidates:
                check_block(name, f"{where}: stages.{i}.candidates")
            if len(set(stage.candidates)) < len(stage.candidates):
                raise InputError(f"{where}: stages.{i}.candidates: a block stands there twice; allowed: each once")
        return spec

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML file."""
        return self.model_dump(mode="json")

    @property
    def labels(self) -> list[str]:
        """Labels of the searched layers, first to last: ``layer_0``, ``layer_1``, ..."""
        return [f"layer_{i}" for i in range(sum(stage.layers for stage in self.stages))]

    @property
    def total_stride(self) -> int:
        """Input side over the side of the last stage's map; the input size must be a multiple of it."""
        stride = STEM_STRIDE * self.entry.stride
        for stage in self.stages:
            stride *= stage.stride
        return stride

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Label -> names of its candidate blocks."""
        per_layer = [stage.candidates for stage in self.stages for _ in range(stage.layers)]
        return dict(zip(self.labels, per_layer, strict=True))

    def check_size(self, input_size: int) -> None:
        """Raise :class:`InputError` unless images of ``input_size`` x ``input_size`` pixels fit the strides."""
        if input_size < 2 * self.total_stride or input_size % self.total_stride:
            raise InputError(f"input size {input_size} does not fit search space {self.name!r}; "
                             f"allowed: multiples of {self.total_stride} from {2 * self.total_stride}")

    def layout(self, num_points: int, input_size: int) -> "NetworkLayout":
        """Place every block of the space on the maps of a network with this input and output.

        Raises
        ------
        InputError
            If there are no landmarks, or the input size does not fit the space.
        """
        if num_points < 1:
            raise InputError(f"points is {num_points}; allowed: 1 or more")
        self.check_size(input_size)
        size = input_size // STEM_STRIDE
        entry = Signature(self.entry.block, self.stem, self.entry.channels, self.entry.stride, size)
        taps = [(self.stem, input_size // 2)]
        channels, size = entry.out_channels, entry.out_size
        layers: list[dict[str, Signature]] = []
        tap_after: list[int] = []
        for stage in self.stages:
            for i in range(stage.layers):
                stride = stage.stride if i == 0 else 1
                layers.append({name: Signature(name, channels, stage.channels, stride, size) for name in stage.candidates})
                channels, size = stage.channels, out_size(size, stride)
            if stage is not self.stages[-1]:
                taps.append((channels, size))
                tap_after.append(len(layers) - 1)
        pools = tuple(Signature("tap_pool", c, c, s // size, s) for c, s in taps)
        merged = channels + sum(c for c, _ in taps)
        return NetworkLayout(
            stem=Signature("pelee_stem", 3, self.stem, STEM_STRIDE, input_size),
            entry=entry,
            layers=dict(zip(self.labels, layers, strict=True)),
            tap_after=tuple(tap_after),
            pools=pools,
            head=Signature("pfld_head", merged, self.head, size, size),
            points=Signature("points", self.head, 2 * num_points, 1, 1),
        )


class NetworkLayout(_Strict):
    """Signatures of all parts of a network: ``layers`` are searched, the rest is fixed.

    ``pools[0]`` reads the stem's first convolution, ``pools[1:]`` the outputs of the layers ``tap_after``.
    """

    stem: Signature
    entry: Signature
    layers: dict[str, dict[str, Signature]]
    tap_after: tuple[int, ...]
    pools: tuple[Signature, ...]
    head: Signature
    points: Signature

    def fixed(self) -> list[Signature]:
        """Every part that all subnets share."""
        return [self.stem, self.entry, *self.pools, self.head, self.points]


def first_error(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for the first thing that is wrong in a user's data: key, problem, and what is allowed."""
    detail = error.errors()[0]
    key = ".".join(str(part) for part in detail["loc"]) or "top level"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {allowed(_keys_at(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"key {key!r} is missing"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the nested model at ``path`` of ``model``."""
    for part in path:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            nested = [annotation, *getattr(annotation, "__args__", ())]
            model = next((a for a in nested if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return list(model.model_fields)
