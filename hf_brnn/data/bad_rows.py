"""Rows that can't be used, and the error that lists them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BadRow:
    """A row that can't be used: its file, its number there (counted from 1) and the reason."""

    file: str
    unit: str
    number: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}: {self.problem}"


class BadRowsError(ValueError):
    """Rows that can't be used.

    Args:
        bad_rows: The rows.
        remedy: What to do about them.
    """

    def __init__(self, bad_rows: list[BadRow], remedy: str = "Fix these rows, or skip them: --skip_bad_rows") -> None:
        self.bad_rows = bad_rows
        shown = "\n".join(f"  {bad_row}" for bad_row in bad_rows[:10])
        more = f"\n  and {len(bad_rows) - 10} more" if len(bad_rows) > 10 else ""
        rows = "1 row" if len(bad_rows) == 1 else f"{len(bad_rows):,} rows"
        super().__init__(f"{rows} can't be used:\n{shown}{more}\n{remedy}")


OnBadRow = Callable[[BadRow], None]
