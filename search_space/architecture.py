"""``Architecture``: a chosen subnet as a small JSON file that a person can read in a diff."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, allowed
from .files import read_json, write_text
from .signature import Signature
from .spec import SPECS, SpaceSpec

if TYPE_CHECKING:
    from .space import PfldSpace

SCHEMA = 1
_KEYS = {"schema", "space", "num_points", "input_size", "choices", "latency", "metrics", "version"}
_REQUIRED = {"schema", "space", "num_points", "input_size", "choices"}


@dataclass(frozen=True)
class Latency:
    """Latency of a network, and where the figure is from.

    Parameters
    ----------
    us
        Microseconds.
    table
        Name of the look-up table.
    method
        ``measured`` or ``modelled``, as the table is.
    """

    us: float
    table: str
    method: str

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Latency":
        """Build from plain data; ``where`` names its source in the error messages.

        Raises
        ------
        InputError
            Naming the key that is missing, unknown or wrong.
        """
        if not isinstance(data, dict):
            raise InputError(f"{where} is not an object; allowed: a JSON object or null")
        keys = ("us", "table", "method")
        for key in sorted(data.keys() - set(keys)):
            raise InputError(f"{where}: unknown key {key!r}; {allowed(keys)}")
        for key in keys:
            if key not in data:
                raise InputError(f"{where}: key {key!r} is missing")
        us = data["us"]
        if not isinstance(us, (int, float)) or isinstance(us, bool) or not 0 <= us < math.inf:
            raise InputError(f"{where}: us is {us!r}; expected microseconds, a finite number from 0")
        for key in ("table", "method"):
            if not isinstance(data[key], str):
                raise InputError(f"{where}: {key} is {data[key]!r}; expected a text")
        return cls(us, data["table"], data["method"])


@dataclass(frozen=True)
class Architecture:
    """One subnet of a search space.

    Parameters
    ----------
    space
        The spec of that space.
    num_points, input_size
        Number of landmarks, and side of the input image in pixels.
    choices
        Label -> name of the chosen block, for every searched layer.
    latency
        Its latency, see :meth:`~fbnet_pfld.latency.LookupTable.annotate`; None if it is not known.
    metrics
        Figures measured for it, such as ``{"val_nme": 5.1}`` in percent.

    Raises
    ------
    InputError
        If ``choices`` are not those of the space.
    """

    space: SpaceSpec
    num_points: int
    input_size: int
    choices: dict[str, str]
    latency: Latency | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choices(self.space, self.choices, "architecture")
        self.space.check_size(self.input_size)

    @classmethod
    def from_blocks(cls, space: SpaceSpec, num_points: int, input_size: int, blocks: Sequence[str]) -> "Architecture":
        """Make the subnet of these blocks, given in the order of the space's labels.

        Raises
        ------
        InputError
            If there is not one block for each label, or a block is no candidate there.
        """
        if len(blocks) != len(space.labels):
            raise InputError(f"{len(blocks)} blocks for the {len(space.labels)} searched layers of search space {space.name!r}")
        return cls(space, num_points, input_size, dict(zip(space.labels, blocks, strict=True)))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Architecture":
        """Build from plain data; ``where`` names its source in the error messages.

        Raises
        ------
        InputError
            Naming the key that is missing, unknown or wrong, and what is allowed.
        """
        if not isinstance(data, dict):
            raise InputError(f"{where}: not an architecture; expected a JSON object with {', '.join(sorted(_REQUIRED))}")
        for key in sorted(data.keys() - _KEYS):
            raise InputError(f"{where}: unknown key {key!r}; {allowed(_KEYS)}")
        for key in sorted(_REQUIRED - data.keys()):
            raise InputError(f"{where}: key {key!r} is missing")
        if data["schema"] != SCHEMA:
            raise InputError(f"{where}: schema is {data['schema']!r}; allowed: {SCHEMA}")
        space = data["space"]
        choices = data["choices"]
        spec = SpaceSpec.from_dict(space, f"{where}: space") if isinstance(space, dict) else _built_in(space, where)
        for key in ("num_points", "input_size"):
            if not isinstance(data[key], int) or isinstance(data[key], bool) or data[key] < 1:
                raise InputError(f"{where}: {key} is {data[key]!r}; allowed: a whole number from 1")
        if not isinstance(choices, dict):
            raise InputError(f"{where}: choices is not an object; allowed: label -> block for {', '.join(spec.labels)}")
        # an empty latency or an empty object of metrics stands for none, as null does
        latency = Latency.from_dict(data["latency"], f"{where}: latency") if data.get("latency") else None
        metrics = data.get("metrics") or {}
        if not isinstance(metrics, dict):
            raise InputError(f"{where}: metrics is not an object; allowed: a JSON object or null")
        check_choices(spec, choices, where)
        return cls(spec, data["num_points"], data["input_size"], dict(choices), latency, dict(metrics))

    @classmethod
    def load(cls, path: str | Path) -> "Architecture":
        """Read an architecture file; every fault is an :class:`InputError` that names file and key."""
        found = cls.from_dict(read_json(path, "architecture file"), str(path))
        found.space.read_from(Path(path))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the file's content. A built-in space is written by name, any other as its whole spec."""
        built_in = (SPECS / f"{self.space.name}.yaml").exists() and SpaceSpec.load(self.space.name) == self.space
        return {
            "schema": SCHEMA,
            "space": self.space.name if built_in else self.space.to_dict(),
            "num_points": self.num_points,
            "input_size": self.input_size,
            "choices": {label: self.choices[label] for label in self.space.labels},
            "latency": None if self.latency is None else asdict(self.latency),
            "metrics": self.metrics,
            "version": version("fbnet-pfld"),
        }

    def save(self, path: str | Path) -> None:
        """Write the JSON file by way of a temporary one."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @property
    def us(self) -> float:
        """Its latency in microseconds; :class:`InputError` if none is known."""
        if self.latency is None:
            raise InputError(f"no latency is known of the subnet {' '.join(self.choices.values())} of {self.space.name!r}")
        return self.latency.us

    def same_blocks(self, other: "Architecture") -> bool:
        """Whether both are the same choice of the same space, whatever their points, size and figures."""
        return (self.space, self.choices) == (other.space, other.choices)

    def signatures(self) -> list[Signature]:
        """Signatures of the chosen blocks and of the fixed parts: what its latency is the sum of."""
        layout = self.space.layout(self.num_points, self.input_size)
        return [layout.layers[label][block] for label, block in self.choices.items()] + layout.fixed()

    def build(self) -> "PfldSpace":
        """Build the subnet, with new weights."""
        from .space import build_subnet  # loads NNI, which reading and writing files does not need

        return build_subnet(self.space, self.num_points, self.input_size, self.choices)


def check_choices(spec: SpaceSpec, choices: dict[str, str], where: str) -> None:
    """Raise :class:`InputError` unless ``choices`` names one candidate of ``spec`` for every label."""
    candidates = spec.candidates()
    for label in choices.keys() - candidates.keys():
        raise InputError(f"{where}: layer {label!r} is not in search space {spec.name!r}; {allowed(candidates)}")
    for label, names in candidates.items():
        if label not in choices:
            raise InputError(f"{where}: no choice for layer {label!r} of search space {spec.name!r}; {allowed(names)}")
        if choices[label] not in names:
            raise InputError(
                f"{where}: {label}: block {choices[label]!r} is not a candidate there in search space "
                f"{spec.name!r}; {allowed(names)}"
            )


def _built_in(name: Any, where: str) -> SpaceSpec:
    try:
        return SpaceSpec.load(name if isinstance(name, str) else repr(name))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
