"""Results as CSV files that grow row by row, so that a stopped experiment goes on where it was."""

from pathlib import Path
from typing import Any

import pandas as pd

from ...search_space.inputs import write_text


class Records:
    """Rows of a CSV file.

    Parameters
    ----------
    path
        The file, made with the first row.
    keys
        Columns by which a result is known.
    """

    def __init__(self, path: Path, *keys: str):
        self.path, self.keys = path, keys

    def has(self, **key: Any) -> bool:
        """Whether there is a row with these keys."""
        return any(all(row[name] == key[name] for name in self.keys) for row in self._rows())

    def add(self, **row: Any) -> None:
        """Append a row."""
        self.extend([row])

    def extend(self, rows: list[dict[str, Any]]) -> None:
        """Append rows, and write the file anew by way of a temporary one."""
        write_text(self.path, pd.DataFrame([*self._rows(), *rows]).to_csv(index=False))

    def _rows(self) -> list[dict[str, Any]]:
        return pd.read_csv(self.path).to_dict("records") if self.path.exists() else []
