"""Results as CSV files that grow a row at a time, so that a stopped experiment goes on where it was."""

from pathlib import Path
from typing import Any

import pandas as pd

from ...search_space.inputs import write_text


class Records:
    """Rows of a CSV file; ``keys`` are the columns that name a row.

    Parameters
    ----------
    path
        The file, made with the first row.
    keys
        Columns by which a row is known.
    """

    def __init__(self, path: Path, *keys: str):
        self.path, self.keys = path, list(keys)

    def frame(self) -> pd.DataFrame:
        """All rows; none, with the key columns, if there is no file yet."""
        return pd.read_csv(self.path) if self.path.exists() else pd.DataFrame(columns=self.keys)

    def has(self, **key: Any) -> bool:
        """Whether there is a row with these keys."""
        frame = self.frame()
        return bool(len(frame)) and bool((frame[self.keys] == pd.Series(key)[self.keys]).all(axis=1).any())

    def add(self, **row: Any) -> None:
        """Append a row, and write the file anew by way of a temporary one."""
        rows = [*self.frame().to_dict("records"), row]
        write_text(self.path, pd.DataFrame(rows).to_csv(index=False))
