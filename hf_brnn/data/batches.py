"""Batches of rows as Arrow tables."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .text import shorten

BATCH_SIZE = 10_000
# A batch of longer or wider rows has fewer of them.
BATCH_CHARACTERS = 2**24
BATCH_FIELDS = 2**20
MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class Batch:
    """Rows of a file.

    Attributes:
        table: The rows.
        unit: What `numbers` count: `"line"` or `"row"`.
        numbers: The number of each row in the file, counted from 1.
        repeated: Names that several columns of the file have. In the table, all but the first have a number behind it.
        mixed: The values of columns that don't fit one type; the table has them as texts.
    """

    table: pa.Table
    unit: str
    numbers: list[int]
    repeated: tuple[str, ...] = ()
    mixed: Mapping[str, list[Any]] = field(default_factory=dict)


def split_batch(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yields the rows in batches of at most `BATCH_CHARACTERS` bytes, or one row."""
    if len(batch) > 1 and sum(map(_count_bytes, batch.columns)) > BATCH_CHARACTERS:
        half = len(batch) // 2
        yield from split_batch(batch.slice(0, half))
        yield from split_batch(batch.slice(half))
    else:
        yield batch


def _count_bytes(array: pa.Array) -> int:
    """Returns the size of the values of an array. One that a dictionary holds counts as often as it occurs."""
    kind = array.type
    if pa.types.is_dictionary(kind) and (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)):
        return int(pc.sum(pc.take(pc.binary_length(array.dictionary), array.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(map(_count_bytes, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _count_bytes(array.flatten())
    return int(array.nbytes)


def take_rows(table: pa.Table, kept: list[int]) -> pa.Table:
    """Returns the rows at the indices `kept`, of which there may be none."""
    return table.take(pa.array(kept, pa.int64()))


def column_values(source: str, batch: Batch, name: str) -> list[Any]:
    """Returns the values of a column as Python objects.

    Raises:
        ValueError: Several columns of the file have this name, or Python can't represent a value, such as a date after
            the year 9999.
    """
    if name in batch.repeated:
        raise ValueError(f"{source}: several columns have the name {name!r}. Rename all but one of them.")
    if name in batch.mixed:
        return batch.mixed[name]
    try:
        values: list[Any] = batch.table[name].to_pylist()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{source}: column {shorten(name)} can't be read ({error}).") from error
    return values


def name_columns(source: str, names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Makes the names of columns different: a column without a name is `column_<place>`, and the second column of a
    name has `_2` behind it.

    Returns:
        The names, and those that several columns had.

    Raises:
        ValueError: The file `source` has too many columns.
    """
    if len(names) > MAX_COLUMNS:
        raise ValueError(
            f"{source}: {len(names):,} columns, but at most {MAX_COLUMNS:,} are read. Write fewer columns."
        )
    unique: dict[str, None] = {}
    given = set(names)
    for place, name in enumerate(names, 1):
        base = new = name or f"column_{place}"
        number = 1
        while new in unique or (new != name and new in given):
            number += 1
            new = f"{base}_{number}"
        unique[new] = None
    return [*unique], tuple(name for name, count in Counter(names).items() if name and count > 1)
