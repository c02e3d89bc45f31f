"""``LookupTable``: latency of every block in its place, in microseconds.

A table is a CSV file, one row per :class:`~fbnet_pfld.search_space.Signature`, and a JSON file of the same name beside it
that says what the figures are: which device, engine and precision, and whether they were measured or modelled.
"""

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..search_space.inputs import InputError, allowed, read_json, write_text
from ..search_space.registry import Signature
from ..search_space.spec import first_error
from .records import microseconds, read_records

SHIPPED = Path(__file__).parent / "tables"
TABLES: tuple[str, ...] = tuple(sorted(path.stem for path in SHIPPED.glob("*.csv")))
"""Names of the shipped tables."""

_KEY = ["op", "in_channels", "out_channels", "stride", "size"]
COLUMNS = [*_KEY, "latency_us"]

Text = Annotated[str, Field(min_length=1)]


class _HasSignatures(Protocol):
    def signatures(self) -> list[Signature]: ...


class _Space(Protocol):
    def signatures(self) -> dict[str, dict[str, Signature]]: ...

    def fixed_signatures(self) -> list[Signature]: ...


@dataclass(frozen=True)
class Cost:
    """Latency of a whole space, in microseconds: ``fixed_us`` + one of ``blocks_us[label]`` per searched layer."""

    fixed_us: float
    blocks_us: dict[str, dict[str, float]]


class TableInfo(BaseModel):
    """What the figures of a table are; the content of its JSON file.

    ``clock_ghz`` is None where it could not be read. ``method`` is ``measured`` for times taken on the device, ``modelled``
    for anything computed; ``uncertainty`` says in words how far the figures may be off, ``uncertainty_percent`` per block, as
    one standard deviation of its latency. ``date`` is that of the figures, ``version`` that of the package that made them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    device: Text
    clock_ghz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    engine: Text
    threads: Annotated[int, Field(ge=1, strict=True)]
    precision: Text
    unit: Literal["us"] = "us"
    method: Literal["measured", "modelled"]
    sources: list[Text]
    uncertainty: Text
    uncertainty_percent: dict[Text, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    version: Text


class LookupTable(TableInfo):
    """Latency table of one device, with the attributes of :class:`TableInfo`.

    Parameters
    ----------
    rows
        Signature -> latency in microseconds, finite, 0 or more.
    file
        The CSV file that it was loaded from, for messages; not part of what is saved.
    """

    rows: dict[Signature, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    file: str = Field("", exclude=True)

    @classmethod
    def load(cls, name_or_path: str | Path) -> "LookupTable":
        """Load a shipped table by name (see :data:`TABLES`), or a CSV file with its JSON file beside it.

        Raises
        ------
        InputError
            Naming the file and the line or key that is wrong, and what is allowed there.
        """
        path = Path(name_or_path)
        if path.suffix != ".csv":
            if str(name_or_path) not in TABLES:
                raise InputError(f"unknown latency table {str(name_or_path)!r}; {allowed(TABLES)}, or a .csv file")
            path = SHIPPED / f"{name_or_path}.csv"
        rows = _read_rows(path)
        sidecar = path.with_suffix(".json")
        try:
            info = TableInfo.model_validate(read_json(sidecar, "latency table's JSON file"))
        except ValidationError as error:
            raise InputError(f"{sidecar}: {first_error(error, TableInfo)}") from None
        return cls(**info.model_dump(), rows=rows, file=str(name_or_path))

    @staticmethod
    def check_path(path: Path) -> None:
        """Raise :class:`InputError` unless a table can have this name."""
        if path.suffix != ".csv":
            raise InputError(f"cannot write latency table {path}; allowed: a name that ends in .csv")

    def save(self, path: str | Path) -> None:
        """Write the CSV file ``path`` and its JSON file; they replace older ones only when complete.

        Raises
        ------
        InputError
            If the name does not end in ``.csv`` or the place cannot be written.
        """
        path = Path(path)
        self.check_path(path)
        frame = pd.DataFrame([(*astuple(key), value) for key, value in sorted(self.rows.items())], columns=COLUMNS)
        write_text(path, frame.to_csv(index=False, lineterminator="\n"))
        write_text(path.with_suffix(".json"), json.dumps(self.model_dump(exclude={"rows"}), indent=2) + "\n")

    def latency_us(self, architecture: _HasSignatures) -> float:
        """Latency of a subnet in microseconds: the sum over its blocks and fixed parts.

        Raises
        ------
        InputError
            If a block has no row.
        """
        return sum(self.row(signature) for signature in architecture.signatures())

    def cost(self, space: _Space) -> Cost:
        """Latency of every candidate of a space and of its fixed parts.

        Raises
        ------
        InputError
            If a block has no row.
        """
        blocks = {label: {name: self.row(signature) for name, signature in candidates.items()}
                  for label, candidates in space.signatures().items()}
        return Cost(sum(self.row(signature) for signature in space.fixed_signatures()), blocks)

    def row(self, signature: Signature) -> float:
        """Latency of a block in its place, in microseconds; :class:`InputError` if the table has no such row."""
        if signature not in self.rows:
            raise InputError(f"latency table {self.file or self.name} has no row for {signature}; make one for your "
                             "space with: fbnet-pfld latency fit or latency measure --space … --out …")
        return self.rows[signature]


def _read_rows(path: Path) -> dict[Signature, float]:
    rows: dict[Signature, float] = {}
    for where, record in read_records(path, "latency table", COLUMNS):
        key = Signature(_name(record["op"], where), *(_whole(record[column], column, where) for column in _KEY[1:]))
        if key in rows:
            raise InputError(f"{where}: a second row for {key}; allowed: one each")
        rows[key] = microseconds(record["latency_us"], where)
    return rows


def _name(value: Any, where: str) -> str:
    if not value:
        raise InputError(f"{where}: op is empty; allowed: the name of a block")
    return value


def _whole(value: str, column: str, where: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) >= 1):
        raise InputError(f"{where}: {column} is {value!r}; allowed: a whole number from 1")
    return int(value)
