"""``Architecture``: a chosen subnet, stored as a small JSON file that is readable in a diff."""

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
    """Latency of a network and its source.

    Parameters
    ----------
    us
        Latency in microseconds.
    table
        Name of the latency table.
    method
        Method of the table: ``measured`` or ``modelled``.
    """

    us: float
    table: str
    method: str

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Latency":
        """Build a latency from plain data; ``where`` names the source in error messages.

        Raises
        ------
        InputError
            If a key is missing, unknown or wrong; the message names it.
        """
        if not isinstance(data, dict):
            raise InputError(f"{where} must be a JSON object or null")
        keys = ("us", "table", "method")
        for key in sorted(data.keys() - set(keys)):
            raise InputError(f"{where}: unknown key {key!r}; {allowed(keys)}")
        for key in keys:
            if key not in data:
                raise InputError(f"{where}: key {key!r} is missing")
        us = data["us"]
        if not isinstance(us, (int, float)) or isinstance(us, bool) or not 0 <= us < math.inf:
            raise InputError(f"{where}: us is {us!r}; expected a finite number of microseconds, 0 or more")
        for key in ("table", "method"):
            if not isinstance(data[key], str):
                raise InputError(f"{where}: {key} is {data[key]!r}; expected a string")
        return cls(us, data["table"], data["method"])


@dataclass(frozen=True)
class Architecture:
    """One subnet of a search space.

    Parameters
    ----------
    space
        Spec of the space.
    num_points, input_size
        Number of landmarks, and side of the input image in pixels.
    choices
        Label -> name of the chosen block, for every searched layer.
    latency
        Latency of the subnet, see :meth:`~fbnet_pfld.latency.LookupTable.annotate`; None if unknown.
    metrics
        Metrics of the subnet, such as ``{"val_nme": 5.1}`` (percent).

    Raises
    ------
    InputError
        If ``choices`` does not name one candidate for every searched layer, or ``input_size`` does not fit the space.
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
        """Build an architecture from block names in the order of ``space.labels``.

        Raises
        ------
        InputError
            If there is not one block for each label, or a block is not a candidate at its position.
        """
        if len(blocks) != len(space.labels):
            raise InputError(
                f"{len(blocks)} blocks given for {len(space.labels)} searched layers of search space {space.name!r}"
            )
        return cls(space, num_points, input_size, dict(zip(space.labels, blocks, strict=True)))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Architecture":
        """Build an architecture from plain data; ``where`` names the source in error messages.

        Raises
        ------
        InputError
            If a key is missing, unknown or wrong; the message names it and lists what is allowed.
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
                raise InputError(f"{where}: {key} is {data[key]!r}; expected a positive integer")
        if not isinstance(choices, dict):
            raise InputError(f"{where}: choices must be a JSON object that maps each of {', '.join(spec.labels)} to a block")
        # an empty object means the same as null
        latency = Latency.from_dict(data["latency"], f"{where}: latency") if data.get("latency") else None
        metrics = data.get("metrics") or {}
        if not isinstance(metrics, dict):
            raise InputError(f"{where}: metrics must be a JSON object or null")
        check_choices(spec, choices, where)
        return cls(spec, data["num_points"], data["input_size"], dict(choices), latency, dict(metrics))

    @classmethod
    def load(cls, path: str | Path) -> "Architecture":
        """Read an architecture file.

        Raises
        ------
        InputError
            If the file is missing, unreadable or invalid; the message names the file and the key.
        """
        found = cls.from_dict(read_json(path, "architecture file"), str(path))
        found.space.read_from(Path(path))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the file's content as plain data. A built-in space is stored by name, any other as its full spec."""
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
        """Write the JSON file atomically, through a temporary file."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @property
    def us(self) -> float:
        """Latency in microseconds; raises :class:`InputError` if it is unknown."""
        if self.latency is None:
            raise InputError(f"the latency of subnet {' '.join(self.choices.values())} of {self.space.name!r} is unknown")
        return self.latency.us

    def same_blocks(self, other: "Architecture") -> bool:
        """Whether both choose the same blocks of the same space; points, input size, latency and metrics are ignored."""
        return (self.space, self.choices) == (other.space, other.choices)

    def signatures(self) -> list[Signature]:
        """Return the signatures of the chosen blocks and of the fixed parts; their latencies add up to the subnet's."""
        layout = self.space.layout(self.num_points, self.input_size)
        return [layout.layers[label][block] for label, block in self.choices.items()] + layout.fixed()

    def build(self) -> "PfldSpace":
        """Build the subnet with new weights."""
        from .space import build_subnet  # imports NNI, which reading and writing files does not need

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
                f"{where}: {label}: block {choices[label]!r} is not a candidate in search space {spec.name!r}; {allowed(names)}"
            )


def _built_in(name: Any, where: str) -> SpaceSpec:
    try:
        return SpaceSpec.load(name if isinstance(name, str) else repr(name))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
