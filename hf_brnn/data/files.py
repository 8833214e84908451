"""Reads files of rows in batches, each format by its own reader."""

import json
import zipfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Optional

import pyarrow as pa

from .arrow_file import read_arrow
from .bad_rows import BadRow, OnBadRow
from .batches import BATCH_CHARACTERS, BATCH_FIELDS, BATCH_SIZE, MAX_COLUMNS, Batch, name_columns
from .csv_file import read_csv
from .file_format import AS_FOUND, SUFFIXES, TEXT_SUFFIXES, FileFormat
from .json_file import read_json
from .open_file import COMPRESSIONS, find_length_problem, open_lines, open_text, read_lines, split_suffix
from .parquet_file import read_parquet
from .text import did_you_mean, has_surrogates

# An xlsx file is read whole.
MAX_EXCEL_BYTES = 2**30
FASTTEXT_LABEL = "__label__"

# Numbers of rows, their fields by the name of their column, their characters, and of json the number of objects and the
# names of all their fields.
Rows = Iterator[tuple[int, dict[str, Any], int, int, AbstractSet[str]]]
FLAT = 0, frozenset[str]()


def read_batches(
    path: Path, on_bad_row: OnBadRow, batch_size: int = BATCH_SIZE, file_format: FileFormat = AS_FOUND
) -> Iterator[Batch]:
    """Reads a file in batches, in constant memory (a json array and an xlsx file are read whole).

    Fields of csv, tsv and xlsx files are strings. A csv file without a header is read as one of Sentiment140's original
    files if its first row fits. A text file gives one column `text` with one row per line, or for fastText's
    `__label__name text` columns `label` and `text`. Text files may be compressed (.gz, .bz2, .zst, or .zip with one
    file). A folder that `Dataset.save_to_disk` wrote is one file; any other folder, its files in the order of their
    names.

    Args:
        path: The file; its suffix tells its format.
        on_bad_row: Called for each row with a wrong number of fields, broken quotes, bytes that are not UTF-8
            or json that is not an object; the row is then skipped.
        batch_size: Maximum number of rows in a batch.
        file_format: How csv, tsv, json and text files are written, as far as it is known.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The suffix is unknown, the file is empty or not in the format of its suffix, or an xlsx file needs
            python-calamine, which is not installed.
    """
    if not path.exists():
        raise FileNotFoundError(explain_missing(path))
    suffix, compression = split_suffix(path)
    if path.is_dir() or (suffix in (".arrow", ".feather") and not compression):
        return read_arrow(path, batch_size)
    if suffix == ".parquet" and not compression:
        return read_parquet(str(path), on_bad_row, batch_size)
    if suffix == ".xlsx" and not compression:
        return _read_excel(path, batch_size)
    if suffix not in TEXT_SUFFIXES:
        if suffix in (".yaml", ".yml"):
            raise ValueError(f"{path} is not a file of rows. If it is a recipe, give it to train: --config {path}")
        raise ValueError(
            f"{path}: unknown suffix; the file must be one of {', '.join(SUFFIXES)}, text files may also "
            f"end in {', '.join(COMPRESSIONS)}."
        )
    return _read_text_format(path, suffix, on_bad_row, batch_size, file_format)


def check_is_local(name: str) -> None:
    """Raises:
    ValueError: The name of a file is empty or a URL.
    """
    if not name.strip():
        raise ValueError("The name of a file is empty. Name a file.")
    if "://" in name:
        raise ValueError(f"{name} is a URL, but files must be local. Download it, and name the copy.")


def explain_missing(path: Path) -> str:
    """Returns the message about a file that does not exist."""
    folder = path.parent
    if not folder.is_dir():
        return f"{path}: no such file, because the folder {folder} does not exist. Check the path."
    names = [each.name for each in folder.iterdir()]
    return f"{path}: no such file.{did_you_mean(path.name, names) or ' Check the path.'}"


def is_known(path: Path) -> bool:
    """Returns whether `read_batches` reads files of this name."""
    suffix, compression = split_suffix(path)
    return suffix in (TEXT_SUFFIXES if compression else SUFFIXES)


def _read_text_format(
    path: Path, suffix: str, on_bad_row: OnBadRow, batch_size: int, file_format: FileFormat
) -> Iterator[Batch]:
    repeated: tuple[str, ...] = ()
    unit = "line"
    try:
        if suffix in (".csv", ".tsv"):
            names, fields = read_csv(path, on_bad_row, file_format, is_tsv=suffix == ".tsv")
            names, repeated = name_columns(str(path), names)
            batch_size = max(1, min(batch_size, BATCH_FIELDS // len(names)))
            rows: Rows = ((number, dict(zip(names, values)), size, *FLAT) for number, values, size in fields)
        elif suffix == ".txt":
            rows = _read_lines(path, on_bad_row, file_format.encoding)
        else:
            unit, rows = read_json(path, on_bad_row, file_format.encoding, may_be_table=suffix == ".json")
        yield from _batch_rows(path, rows, unit, batch_size, repeated)
    except UnicodeError as error:
        raise ValueError(f"{path}: can't be decoded ({error}). Name its encoding with --encoding.") from error
    except (EOFError, OSError, pa.ArrowException, zipfile.BadZipFile) as error:
        if isinstance(error, MemoryError):
            raise
        raise ValueError(
            f"{path}: can't be read ({error}). Copy the file again, or give it the suffix of its content."
        ) from error


def _batch_rows(path: Path, rows: Rows, unit: str, batch_size: int, repeated: tuple[str, ...]) -> Iterator[Batch]:
    """Makes batches of rows. Each has the columns of all rows before: a row without one of them has None there."""
    names: dict[str, None] = {}
    for batch in _take_batches(rows, batch_size):
        for number, row in batch:
            names |= dict.fromkeys(row)
            if len(names) > MAX_COLUMNS:
                raise ValueError(
                    f"{path}, {unit} {number}: the rows up to this one have more than {MAX_COLUMNS:,} different fields."
                    " Write the fields that are needed."
                )
        columns: dict[str, pa.Array] = {}
        mixed: dict[str, list[Any]] = {}
        for name in names:
            values = [row.get(name) for _, row in batch]
            try:
                columns[name] = pa.array(values)
            except (pa.ArrowException, OverflowError):  # such as a number beyond 64 bits
                columns[name] = pa.array([_to_text(value) for value in values])
                mixed[name] = values
        yield Batch(pa.table(columns), unit, [number for number, _ in batch], repeated, mixed)


def _take_batches(rows: Rows, batch_size: int) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Takes as many rows at a time as `BATCH_CHARACTERS` and `BATCH_FIELDS` allow, one at least."""
    batch: list[tuple[int, dict[str, Any]]] = []
    characters = objects = 0
    names: set[str] = set()
    for number, row, size, row_objects, row_names in rows:
        characters += size
        objects += row_objects
        is_full = len(batch) == batch_size or characters > BATCH_CHARACTERS
        if row_names:
            is_full |= objects * len(names | row_names) > BATCH_FIELDS
        if is_full and batch:
            yield batch
            batch, characters, objects, names = [], size, row_objects, set()
        batch.append((number, row))
        if row_names:
            names |= row_names
    if batch:
        yield batch


def _to_text(value: Any) -> Optional[str]:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read_lines(path: Path, on_bad_row: OnBadRow, encoding: Optional[str]) -> Rows:
    with open_text(path, encoding) as file:
        is_fasttext = file.read(100).lstrip("\ufeff").startswith(FASTTEXT_LABEL)
    with open_lines(path, encoding) as file:
        for number, line in enumerate(read_lines(file), 1):
            if problem := find_length_problem(len(line)):
                on_bad_row(BadRow(str(path), "line", number, problem))
                continue
            if has_surrogates(line):
                on_bad_row(BadRow(str(path), "line", number, "bytes that are not UTF-8"))
                continue
            text = line.removesuffix("\n").removesuffix("\r")
            yield number, _split_labels(text) if is_fasttext else {"text": text}, len(text), *FLAT


def _split_labels(line: str) -> dict[str, Any]:
    """Returns the label of a line of fastText, or the list of its labels, and its text."""
    words = line.split(" ")
    labels = [word.removeprefix(FASTTEXT_LABEL) for word in words if word.startswith(FASTTEXT_LABEL)]
    text = " ".join(word for word in words if not word.startswith(FASTTEXT_LABEL))
    return {"label": labels if len(labels) > 1 else next(iter(labels), None), "text": text}


def _read_excel(path: Path, batch_size: int) -> Iterator[Batch]:
    import pandas as pd

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(file.file_size for file in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a readable xlsx file ({error}). Save it again, or as csv.") from error
    if size > MAX_EXCEL_BYTES:
        raise ValueError(
            f"{path}: {size:,} bytes when unpacked, but at most {MAX_EXCEL_BYTES:,} are read. Save as csv."
        )
    try:
        frame = pd.read_excel(path, dtype=str, engine="calamine", keep_default_na=False)
    except ImportError as error:
        raise ValueError(f"{path}: xlsx files need python-calamine. Run pip install python-calamine") from error
    except Exception as error:  # calamine's errors have no common base class
        raise ValueError(f"{path}: not a readable xlsx file ({error}). Save it again, or as csv.") from error
    names, repeated = name_columns(str(path), [str(name) for name in frame.columns])
    rows = ((number, dict(zip(names, row)), 0, *FLAT) for number, row in enumerate(frame.itertuples(index=False), 2))
    return _batch_rows(path, rows, "line", batch_size, repeated)
