"""Reads parquet files, some rows of a row group at a time."""

from collections.abc import Iterator
from typing import Optional, Union

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from .bad_rows import BadRow, OnBadRow
from .batches import BATCH_CHARACTERS, BATCH_SIZE, Batch, name_columns, split_batch, take_rows
from .text import shorten

# A column of a row group is read in parts of this many bytes.
READ_BYTES = 2**20
# Rows that tell how long the values of a row group are.
FIRST_ROWS = 1000


def read_parquet(
    path: str, on_bad_row: OnBadRow, batch_size: int = BATCH_SIZE, filesystem: Optional[FileSystem] = None
) -> Iterator[Batch]:
    """Reads a parquet file of any file system in batches. Memory holds the rows of one batch.

    Raises:
        ValueError: The file is missing or broken, or has too many columns.
    """
    options = {
        "filesystem": filesystem,
        "buffer_size": READ_BYTES,
        "pre_buffer": False,
        "page_checksum_verification": True,
    }
    try:
        with (
            pq.ParquetFile(path, **options) as file,
            pq.ParquetFile(
                path, read_dictionary=_find_string_columns(file.metadata), metadata=file.metadata, **options
            ) as encoded_file,
        ):
            names, repeated = name_columns(path, file.schema_arrow.names)
            start = 1
            for record_batch in _read_record_batches(file, encoded_file, batch_size):
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
        if isinstance(error, MemoryError):
            raise
        raise ValueError(
            f"{path}: not a readable parquet file ({error}). Copy the file again, or give it the suffix of its content."
        ) from error


def _find_string_columns(metadata: pq.FileMetaData) -> list[str]:
    columns = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _read_record_batches(
    file: pq.ParquetFile, encoded_file: pq.ParquetFile, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """Reads row group by row group: `iter_batches` of a whole file keeps all of them in memory. `encoded_file` is the
    same file, whose strings stay in dictionaries."""
    groups: list[int] = []
    rows = bytes_of_row = 0
    for group in range(file.num_row_groups):
        groups.append(group)
        rows += file.metadata.row_group(group).num_rows
        bytes_of_row = max(bytes_of_row, _estimate_row(encoded_file, group))
        if rows >= batch_size or rows * bytes_of_row > BATCH_CHARACTERS or group == file.num_row_groups - 1:
            rows_at_once = max(1, min(batch_size, BATCH_CHARACTERS // bytes_of_row))
            for record_batch in file.iter_batches(rows_at_once, row_groups=groups):
                yield from split_batch(record_batch)
            groups, rows, bytes_of_row = [], 0, 0


def _estimate_row(encoded_file: pq.ParquetFile, group: int) -> int:
    """Returns the bytes of a row that has the longest value in each dictionary of a row group. A dictionary holds a
    value once, however many rows have it: the size of the row group doesn't tell their size."""
    metadata = encoded_file.metadata.row_group(group)
    average = metadata.total_byte_size // max(metadata.num_rows, 1)
    first_rows = next(encoded_file.iter_batches(FIRST_ROWS, row_groups=[group]), None)
    return max(1, average, 0 if first_rows is None else int(sum(map(_find_longest, first_rows.columns))))


def _find_longest(array: pa.Array) -> float:
    """Returns the bytes of the longest value of a dictionary, times the mean number of values where there are lists."""
    if pa.types.is_struct(array.type):
        return sum(map(_find_longest, array.flatten()))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        values = array.flatten()
        return _find_longest(values) * len(values) / max(len(array), 1)
    if pa.types.is_dictionary(array.type) and len(array.dictionary):
        return int(pc.max(pc.binary_length(array.dictionary)).as_py() or 0)
    return 0


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
