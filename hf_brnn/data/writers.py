"""Writes tables to csv, tsv, json and parquet files, and to stdout."""

import csv
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, Optional, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from .file_format import STDIO, WRITABLE_SUFFIXES
from .text import list_names

# What a formula of a spreadsheet begins with.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class _FileWriter(Protocol):
    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class TableWriter:
    """Writes tables with the same columns, in any order, to a file. The first table creates it."""

    def __init__(self, path: Path, open_file: Callable[[], _FileWriter]) -> None:
        self._path = path
        self._open_file = open_file
        self._writer: Optional[_FileWriter] = None
        self._names: Optional[list[str]] = None

    def write(self, table: pa.Table) -> None:
        """Adds rows to the file.

        Raises:
            ValueError: The table has other columns than the first one, or a value that the file can't hold.
        """
        is_first = self._writer is None
        if self._names is None:
            self._names = table.column_names
        if self._writer is None:
            self._writer = self._open_file()
        if set(table.column_names) != set(self._names):
            raise ValueError(
                f"{self._path}: rows with columns {list_names(table.column_names)} can't follow rows with columns "
                f"{list_names(self._names)}. Give every row the same fields."
            )
        try:
            self._writer.write(table.select(self._names))
        except (pa.ArrowException, ValueError, OverflowError) as error:
            if is_first or not isinstance(error, pa.ArrowException):
                raise ValueError(
                    f"{self._path}: a value can't be written ({error}). Choose another suffix, or remove the column."
                ) from error
            raise ValueError(
                f"{self._path}: rows of other types can't follow the earlier ones ({error}). Give each column values "
                "of one type."
            ) from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _can_follow(found: pa.DataType, first: pa.DataType) -> bool:
    """Returns whether a cast to the type of the column keeps values as they are. A cast alone would also turn "007"
    into 7 and 5 into True, and drop fields of objects. Numbers that don't fit fail in the cast."""
    numbers = (pa.types.is_integer, pa.types.is_floating)
    if found == first or pa.types.is_null(found):
        return True
    if pa.types.is_list(found) and pa.types.is_list(first):
        return _can_follow(found.value_type, first.value_type)
    if pa.types.is_struct(found) and pa.types.is_struct(first):
        names = {field.name for field in first}
        return all(field.name in names and _can_follow(field.type, first.field(field.name).type) for field in found)
    return all(any(is_kind(kind) for is_kind in numbers) for kind in (found, first))


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Optional[pq.ParquetWriter] = None

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        for found, first in zip(table.schema, self._writer.schema):
            if not _can_follow(found.type, first.type):
                raise pa.ArrowTypeError(f"column {found.name!r} holds {found.type} after {first.type}")
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _CsvWriter:
    def __init__(self, file: IO[str], delimiter: str, escape_formulas: bool) -> None:
        self._file = file
        self._escape = _escape_formula if escape_formulas else None
        # Before Python 3.13, a carriage return in a field is quoted only if the line terminator contains one.
        lines = SimpleNamespace(write=lambda line: self._file.write(line.removesuffix("\r\n") + "\n"))
        self._writer = csv.writer(lines, delimiter=delimiter, lineterminator="\r\n")
        self._has_header = False

    def write(self, table: pa.Table) -> None:
        if not self._has_header:
            self._write_rows([table.column_names])
            self._has_header = True
        self._write_rows(zip(*(column.to_pylist() for column in table.columns)))

    def _write_rows(self, rows: Iterable[Iterable[Any]]) -> None:
        self._writer.writerows(rows if self._escape is None else (map(self._escape, row) for row in rows))

    def close(self) -> None:
        self._file.close()


def _escape_formula(value: Any) -> Any:
    """Returns a field with a quote before it where a spreadsheet would run it. A number is no formula."""
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


class _JsonLinesWriter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._file.write(json.dumps(without_nan(row), ensure_ascii=False, default=str, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


def without_nan(value: Any) -> Any:
    """Returns a value with None for NaN and infinity, for which JSON has no form."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def table_writer(path: Path, escape_formulas: bool = False) -> Iterator[TableWriter]:
    """Writes tables to a csv, tsv, json or jsonl (one object per line) or parquet file, or as csv to stdout: `-`.

    Writes a unique temporary file, then renames it. After an exception, or without a table, there is no file, and an
    older one stays. A symbolic link stays, and what it points to is replaced.

    Args:
        path: The file.
        escape_formulas: Whether to write a `'` before fields of csv and tsv files that a spreadsheet would run.

    Raises:
        IsADirectoryError: The path is a directory.
        ValueError: The suffix is unknown.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: a folder has this name; choose another for the file.")
    if str(path) == STDIO:
        stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False)  # noqa: SIM115
        writer = TableWriter(path, lambda: _CsvWriter(stdout, ",", escape_formulas))
        try:
            yield writer
        finally:
            writer.close()
        return
    suffix = path.suffix.lower()
    target = path.resolve()
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")

    def open_file() -> _FileWriter:
        if suffix == ".parquet":
            return _ParquetWriter(part)
        file = part.open("w", encoding="utf-8", newline="")
        if suffix in (".json", ".jsonl"):
            return _JsonLinesWriter(file)
        return _CsvWriter(file, "\t" if suffix == ".tsv" else ",", escape_formulas)

    if suffix not in WRITABLE_SUFFIXES:
        raise ValueError(f"{path}: unknown suffix; the file must be one of {', '.join(WRITABLE_SUFFIXES)}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    writer = TableWriter(path, open_file)
    try:
        try:
            yield writer
        finally:
            writer.close()
        if part.exists():
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
