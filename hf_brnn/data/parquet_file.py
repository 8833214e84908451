"""Reads parquet files, row group by row group."""

from collections.abc import Iterator
from typing import Optional, Union

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from .bad_rows import BadRow, OnBadRow
from .batches import BATCH_SIZE, Batch, name_columns, take_rows
from .text import shorten


def read_parquet(
    path: str, on_bad_row: OnBadRow, batch_size: int = BATCH_SIZE, filesystem: Optional[FileSystem] = None
) -> Iterator[Batch]:
    """Reads a parquet file of any file system in batches. Memory holds the row groups of one batch.

    Raises:
        ValueError: The file is missing or broken.
    """
    try:
        with pq.ParquetFile(path, filesystem=filesystem, page_checksum_verification=True) as file:
            names, repeated = name_columns(file.schema_arrow.names)
            start = 1
            for record_batch in _read_record_batches(file, batch_size):
                table = pa.Table.from_batches([record_batch])
                if table.column_names != names:
                    table = table.rename_columns(names)
                bad = {} if _is_valid(table) else _find_undecoded_rows(table)
                for index, name in bad.items():
                    problem = f"field {shorten(name)} holds bytes that are not UTF-8"
                    on_bad_row(BadRow(path, "row", start + index, problem))
                kept = [index for index in range(len(table)) if index not in bad]
                numbers = [start + index for index in kept]
                start += len(table)
                yield Batch(take_rows(table, kept) if bad else table, "row", numbers, repeated)
            if start - 1 != file.metadata.num_rows:
                raise ValueError(f"{path}: {start - 1} rows instead of {file.metadata.num_rows}: the file is broken.")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a readable parquet file ({error}). Copy the file again, or give it the suffix of its content."
        ) from error


def _read_record_batches(file: pq.ParquetFile, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Reads row group by row group: `iter_batches` of a whole file keeps all of them in memory."""
    groups: list[int] = []
    rows = 0
    for group in range(file.num_row_groups):
        groups.append(group)
        rows += file.metadata.row_group(group).num_rows
        if rows >= batch_size or group == file.num_row_groups - 1:
            yield from file.iter_batches(batch_size, row_groups=groups)
            groups, rows = [], 0


def _is_valid(data: Union[pa.Table, pa.ChunkedArray]) -> bool:
    try:
        data.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _find_undecoded_rows(table: pa.Table) -> dict[int, str]:
    bad: dict[int, str] = {}
    for name, column in zip(table.column_names, table.columns):
        if not _is_valid(column):
            for index, value in enumerate(column):
                try:
                    value.as_py()
                except UnicodeDecodeError:
                    bad.setdefault(index, name)
    return bad
