"""``LookupTable``: latency of every block at its position in a network, in microseconds.

A table is two files of the same name. The CSV file has one row per :class:`~fbnet_pfld.search_space.Signature`, in the format
of :mod:`.records`. The JSON file describes the latencies: their device, engine and precision, and whether they were measured or
modelled. ``load`` refuses a table that is faster or slower than any device, which usually means another unit (see
:mod:`.plausible`). ``"insist": true`` in the JSON file turns this check off.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..search_space.architecture import Architecture, Latency
from ..search_space.errors import InputError, allowed
from ..search_space.files import check_writable, read_json, write_text
from ..search_space.signature import Signature
from ..search_space.spec import NetworkLayout
from ..search_space.validation import first_error
from .records import LATENCY, conversion, microseconds, read_records

SHIPPED = Path(__file__).parent / "tables"
TABLES: tuple[str, ...] = tuple(sorted(path.stem for path in SHIPPED.glob("*.csv")))
"""Names of the shipped tables."""

_KEY = ["op", "in_channels", "out_channels", "stride", "size"]
COLUMNS = [*_KEY, LATENCY]

INSIST = 'add "insist": true to {}'
"""Advice on accepting a table with implausible latencies; the placeholder is its JSON file."""

Text = Annotated[str, Field(min_length=1)]


def network_name(name: str, num_points: int, input_size: int) -> str:
    """Return the key of ``TableInfo.networks_us`` for a network that is not a subnet."""
    return f"{name}, {num_points} points, {input_size} x {input_size}"


class _Placed(Protocol):
    """A search space with a layout, such as a :class:`~fbnet_pfld.search_space.PfldSpace`."""

    @property
    def layout(self) -> NetworkLayout: ...


@dataclass(frozen=True)
class Cost:
    """Latencies of a search space in microseconds.

    A subnet takes ``fixed_us`` plus one of ``blocks_us[label]`` for each searched layer.
    """

    fixed_us: float
    blocks_us: dict[str, dict[str, float]]


def _microseconds(unit: Any) -> Any:
    """Return ``"us"``; raise a ``ValueError`` with the conversion for any other unit."""
    if unit != "us":
        remedy = conversion(unit, f"every {LATENCY}") if isinstance(unit, str) else ""
        raise ValueError(f'{unit!r}; {remedy} and write "us"' if remedy else f'{unit!r}; expected "us", microseconds')
    return unit


class TableInfo(BaseModel):
    """Description of a latency table; the content of its JSON file.

    ``clock_ghz`` is None if it is unknown. ``method`` is ``measured`` for latencies timed on the device, ``emulated`` for
    latencies modelled from counts of an emulated core, and ``modelled`` for all other computed ones. ``uncertainty`` describes
    the expected error in words; ``uncertainty_percent`` gives it per block, as one standard deviation of the block's latency.
    ``networks_us`` has latencies of whole networks that are not subnets, by :func:`network_name`. ``date`` is the date of the
    latencies, ``version`` the version of the package that made them. ``insist`` accepts latencies that no known device has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    device: Text
    clock_ghz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    engine: Text
    threads: Annotated[int, Field(ge=1, strict=True)]
    precision: Text
    unit: Annotated[Literal["us"], BeforeValidator(_microseconds)] = "us"
    method: Literal["measured", "emulated", "modelled"]
    sources: list[Text]
    uncertainty: Text
    uncertainty_percent: dict[Text, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    networks_us: dict[Text, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    version: Text
    insist: bool = False


class LookupTable(TableInfo):
    """Latency table of one device, with the attributes of :class:`TableInfo`.

    Parameters
    ----------
    rows
        Signature -> latency in microseconds, finite and at least 0.
    file
        Name or path that the table was loaded from, for messages; it is not saved.
    """

    rows: dict[Signature, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    file: str = Field(default="", exclude=True)

    @classmethod
    def load(cls, name_or_path: str | Path) -> "LookupTable":
        """Load a shipped table by name (see :data:`TABLES`), or a CSV file with its JSON file beside it.

        Raises
        ------
        InputError
            If a file is missing or invalid (the message names the line or key), or no device can have these latencies.
        """
        path = Path(name_or_path)
        shipped = str(name_or_path) in TABLES
        if shipped:
            path = SHIPPED / f"{name_or_path}.csv"
        elif path.suffix != ".csv":
            raise InputError(f"unknown latency table {str(name_or_path)!r}; {allowed(TABLES)}, or a .csv file")
        rows = _read_rows(path)
        sidecar = path.with_suffix(".json")
        try:
            info = TableInfo.model_validate(read_json(sidecar, "latency table's JSON file"))
        except ValidationError as error:
            raise InputError(f"{sidecar}: {first_error(error, TableInfo)}") from None
        if not (shipped or info.insist):
            from .plausible import check_rows  # builds blocks, with torch

            check_rows(rows, str(path), INSIST.format(sidecar))
        return cls(**info.model_dump(), rows=rows, file=str(name_or_path))

    @staticmethod
    def check_path(path: Path) -> None:
        """Raise :class:`InputError` unless a table can be saved under this path."""
        if path.suffix != ".csv":
            raise InputError(f"cannot write latency table {path}: its name must end in .csv")
        for file in (path, path.with_suffix(".json")):
            check_writable(file)

    def save(self, path: str | Path) -> None:
        """Write the CSV file ``path`` and its JSON file; each replaces an older file only when it is complete.

        Raises
        ------
        InputError
            If the name does not end in ``.csv``, or a file cannot be written.
        """
        path = Path(path)
        self.check_path(path)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*astuple(key), float(value)) for key, value in sorted(self.rows.items()))
        write_text(path, text.getvalue())
        write_text(path.with_suffix(".json"), json.dumps(self.model_dump(exclude={"rows"}), indent=2) + "\n")

    def latency_us(self, architecture: Architecture) -> float:
        """Latency of a subnet in microseconds: the sum over its blocks and fixed parts.

        Raises
        ------
        InputError
            If a block has no row. The message has the command that makes a table for the subnet's space.
        """
        signatures = architecture.signatures()
        self._check_rows(signatures, architecture.space.layout(architecture.num_points, architecture.input_size))
        return sum(map(self.row, signatures))

    def annotate(self, architecture: Architecture) -> Architecture:
        """Return the architecture with its latency by this table, rounded to 0.1 us.

        Raises
        ------
        InputError
            As :meth:`latency_us`.
        """
        return replace(architecture, latency=Latency(round(self.latency_us(architecture), 1), self.name, self.method))

    def cost(self, space: NetworkLayout | _Placed) -> Cost:
        """Latency of every candidate of a space and of its fixed parts.

        Parameters
        ----------
        space
            A layout, such as ``spec.layout(num_points, input_size)``, or an object with one, such as a
            :class:`~fbnet_pfld.search_space.PfldSpace`.

        Raises
        ------
        InputError
            If a block has no row. The message has the command that makes a table for the space.
        """
        layout = space if isinstance(space, NetworkLayout) else space.layout
        fixed = layout.fixed()
        self._check_rows([*fixed, *(key for row in layout.layers.values() for key in row.values())], layout)
        blocks = {label: {name: self.row(key) for name, key in row.items()} for label, row in layout.layers.items()}
        return Cost(sum(map(self.row, fixed)), blocks)

    def row(self, signature: Signature) -> float:
        """Latency of a block or fixed part in microseconds; :class:`InputError` if the table has no row for it."""
        if signature not in self.rows:
            raise InputError(f"latency table {self.file or self.name} has no row for {signature}")
        return self.rows[signature]

    def _check_rows(self, signatures: Iterable[Signature], layout: NetworkLayout) -> None:
        """Raise :class:`InputError` unless the table has all rows of a network."""
        missing = sorted(set(signatures) - self.rows.keys())
        if missing:
            from .hints import new_table  # looks for an engine and a processor

            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            hint = new_table(layout, self.threads, self.engine, self.device, self.method, self.precision)
            raise InputError(f"latency table {self.file or self.name} has no row for {missing[0]}{more}; {hint}")


def _read_rows(path: Path) -> dict[Signature, float]:
    rows: dict[Signature, float] = {}
    for where, record in read_records(path, "latency table", COLUMNS):
        key = Signature(_name(record["op"], where), *(_whole(record[column], column, where) for column in _KEY[1:]))
        if key in rows:
            raise InputError(f"{where}: a second row for {key}; keep one of them")
        rows[key] = microseconds(record["latency_us"], where)
    return rows


def _name(value: str, where: str) -> str:
    if not value:
        raise InputError(f"{where}: op is empty; give the name of a block")
    return value


def _whole(value: str, column: str, where: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) >= 1):
        raise InputError(f"{where}: {column} is {value!r}; give an integer of at least 1")
    return int(value)
