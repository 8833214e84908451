"""Reads csv, tsv, json, parquet and text files in batches of rows."""

import codecs
import csv
import json
import sys
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from .text import has_surrogates, list_names, shorten

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")
ORIGINAL_COLUMNS = ("target", "id", "date", "query", "user", "text")
BATCH_SIZE = 10_000

csv.field_size_limit(sys.maxsize)


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


@dataclass(frozen=True)
class Batch:
    """Rows of a file and their numbers, counted from 1 (`unit` is "line" or "row")."""

    table: pa.Table
    unit: str
    numbers: list[int]


OnBadRow = Callable[[BadRow], None]


def read_batches(path: Path, on_bad_row: OnBadRow, batch_size: int = BATCH_SIZE) -> Iterator[Batch]:
    """Reads a file in batches, in constant memory (a json array is read whole).

    Fields of csv and tsv files are strings. A csv file without a header is read as one of Sentiment140's original files
    (latin-1, columns `target, id, date, query, user, text`) if its first row fits. A text file gives one column `text`
    with one row per line.

    Args:
        path: The file; its suffix tells its format.
        on_bad_row: Called for each row with a wrong number of fields, broken quotes, bytes that are not UTF-8
            or json that is not an object; the row is then skipped.
        batch_size: Maximum number of rows in a batch.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The suffix is unknown, or the file is empty, UTF-16 or not in the format of its suffix.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return read_parquet(str(path), on_bad_row, batch_size)
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise ValueError(f"{path}: the file is UTF-16; write it as UTF-8.")
    if suffix in (".csv", ".tsv"):
        rows = _read_csv(path, on_bad_row, delimiter="\t" if suffix == ".tsv" else ",")
    elif suffix in (".json", ".jsonl"):
        rows = _read_json(path, on_bad_row)
    elif suffix == ".txt":
        rows = _read_text(path, on_bad_row)
    else:
        raise ValueError(f"{path}: unknown suffix; the file must be one of {', '.join(SUFFIXES)}.")
    return _batch_rows(path, rows, batch_size)


def _batch_rows(path: Path, rows: Iterator[tuple[str, int, dict[str, Any]]], batch_size: int) -> Iterator[Batch]:
    while batch := list(islice(rows, batch_size)):
        units, numbers, values = zip(*batch)
        yield Batch(_to_table(path, units[0], numbers, values), units[0], list(numbers))


def _to_table(path: Path, unit: str, numbers: Sequence[int], rows: Sequence[dict[str, Any]]) -> pa.Table:
    names: dict[str, None] = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, OverflowError) as error:
            index = bisect(range(len(values)), False, key=lambda index: not _fits_column(values[: index + 1]))
            place = f"{path}, {unit} {numbers[index]}, field {shorten(name)}"
            raise ValueError(
                f"{place}: {shorten(values[index])} doesn't fit into the column ({error}). Give all rows values "
                "of one type."
            ) from error
    return pa.table(columns)


def _fits_column(values: list[Any]) -> bool:
    try:
        pa.array(values)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _read_csv(path: Path, on_bad_row: OnBadRow, delimiter: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    is_original = delimiter == "," and _is_original_csv(path)
    encoding = "latin-1" if is_original else "utf-8-sig"
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        names: list[str] = list(ORIGINAL_COLUMNS) if is_original else _read_header(path, reader)
        while True:
            number = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                span = f", up to line {reader.line_num}" if reader.line_num > number else ""
                on_bad_row(BadRow(str(path), "line", number, f"broken quotes ({error}){span}"))
                continue
            if not fields:
                continue
            if len(fields) != len(names):
                problem = f"{len(fields)} fields instead of {len(names)} ({list_names(names)})"
                on_bad_row(BadRow(str(path), "line", number, problem))
            elif any(map(has_surrogates, fields)):
                on_bad_row(BadRow(str(path), "line", number, "bytes that are not UTF-8"))
            else:
                yield "line", number, dict(zip(names, fields))


def _is_original_csv(path: Path) -> bool:
    with path.open(encoding="latin-1", newline="") as file:
        try:
            fields = next(csv.reader(file), [])
        except csv.Error:
            return False
    return len(fields) == len(ORIGINAL_COLUMNS) and fields[0] in ("0", "2", "4")


def _read_header(path: Path, reader: Any) -> list[str]:
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ValueError(f"{path}, line 1: the header has broken quotes ({error}).") from error
    if not names:
        raise ValueError(f"{path}: the file has no header line.")
    if any(map(has_surrogates, names)):
        raise ValueError(f"{path}, line 1: the header holds bytes that are not UTF-8; write the file as UTF-8.")
    check_names(f"{path}, line 1: the header", names)
    return names


def check_names(where: str, names: list[str]) -> None:
    """Raises:
    ValueError: Two columns have the same name.
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{where} names {shorten(repeated)[1:-1]} more than once. Rename one of the columns.")


def _read_json(path: Path, on_bad_row: OnBadRow) -> Iterator[tuple[str, int, dict[str, Any]]]:
    with path.open("rb") as file:
        start = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip()
        file.seek(0)
        unit = "row" if start.startswith(b"[") else "line"
        numbered = _parse_json_array(path, file) if unit == "row" else _parse_json_lines(path, file, on_bad_row)
        for number, row in numbered:
            if not isinstance(row, dict):
                on_bad_row(BadRow(str(path), unit, number, f"{shorten(row)} is not a json object"))
            elif not row:
                on_bad_row(BadRow(str(path), unit, number, "a json object without fields"))
            elif _holds_surrogates(row):
                on_bad_row(BadRow(str(path), unit, number, "lone surrogate: invalid Unicode"))
            else:
                yield unit, number, row


def _holds_surrogates(row: dict[str, Any]) -> bool:
    waiting: list[Any] = [row]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and has_surrogates(value):
            return True
    return False


def _parse_json_array(path: Path, file: BinaryIO) -> Iterator[tuple[int, Any]]:
    try:
        rows = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a json array ({error}).") from error
    yield from enumerate(rows, 1)


def _parse_json_lines(path: Path, file: BinaryIO, on_bad_row: OnBadRow) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            on_bad_row(BadRow(str(path), "line", number, f"not json ({error})"))


def _read_text(path: Path, on_bad_row: OnBadRow) -> Iterator[tuple[str, int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if has_surrogates(line):
                on_bad_row(BadRow(str(path), "line", number, "bytes that are not UTF-8"))
            else:
                yield "line", number, {"text": line.removesuffix("\n").removesuffix("\r")}


def read_parquet(
    path: str, on_bad_row: OnBadRow, batch_size: int = BATCH_SIZE, filesystem: Optional[FileSystem] = None
) -> Iterator[Batch]:
    """Reads a parquet file of any file system in batches. Memory holds the row groups of one batch.

    Raises:
        ValueError: The file is missing or broken, or two of its columns have the same name.
    """
    try:
        with pq.ParquetFile(path, filesystem=filesystem, page_checksum_verification=True) as file:
            check_names(f"{path}: the schema", file.schema_arrow.names)
            start = 1
            for record_batch in _read_record_batches(file, batch_size):
                table = pa.Table.from_batches([record_batch])
                bad = {} if _is_valid(table) else _find_undecoded_rows(table)
                for index, name in bad.items():
                    problem = f"field {shorten(name)} holds bytes that are not UTF-8"
                    on_bad_row(BadRow(path, "row", start + index, problem))
                kept = [index for index in range(len(table)) if index not in bad]
                numbers = [start + index for index in kept]
                start += len(table)
                yield Batch(take_rows(table, kept) if bad else table, "row", numbers)
            if start - 1 != file.metadata.num_rows:
                raise ValueError(f"{path}: {start - 1} rows instead of {file.metadata.num_rows}: the file is broken.")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable parquet file ({error}).") from error


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


def take_rows(table: pa.Table, kept: list[int]) -> pa.Table:
    """Returns the rows at the indices `kept`, of which there may be none."""
    return table.take(pa.array(kept, pa.int64()))


def column_values(source: str, table: pa.Table, name: str) -> list[Any]:
    """Returns the values of a column as Python objects.

    Raises:
        ValueError: Python can't represent a value, such as a date after the year 9999.
    """
    try:
        values: list[Any] = table[name].to_pylist()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{source}: column {shorten(name)} can't be read ({error}).") from error
    return values


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
