"""Reads csv and tsv files, row by row and strictly: each line of a file is in a row or reported."""

import csv
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional, TextIO

from .bad_rows import BadRow, OnBadRow
from .file_format import FileFormat
from .open_file import MAX_LINE_CHARACTERS, detect_encoding, find_length_problem, open_text, read_lines
from .text import has_surrogates, list_names

# The columns of Sentiment140's original files, which have no header.
ORIGINAL_COLUMNS = ("target", "id", "date", "query", "user", "text")
ORIGINAL_DATE = re.compile(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}")
SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
OTHER_DELIMITERS = (";", "\t", "|")
csv.field_size_limit(sys.maxsize)

logger = logging.getLogger(__name__)


class _Lines(Iterator[str]):
    """The lines of a file, which keeps those of the current row."""

    def __init__(self, file: TextIO) -> None:
        self._lines = read_lines(file)
        self.number = 0
        self.start_row()

    def start_row(self) -> None:
        self.of_row: list[str] = []
        self.characters = 0

    def __next__(self) -> str:
        """Raises:
        csv.Error: The row is too long.
        """
        line = next(self._lines)
        self.number += 1
        self.of_row.append(line)
        self.characters += len(line)
        if self.characters > MAX_LINE_CHARACTERS:
            raise csv.Error(find_length_problem(self.characters))
        return line


class _Row(NamedTuple):
    number: int
    fields: list[str]
    problem: str
    lines: list[str]
    characters: int


def read_csv(
    path: Path, on_bad_row: OnBadRow, wanted: FileFormat, is_tsv: bool
) -> tuple[list[str], Iterator[tuple[int, list[str], int]]]:
    """Returns the names of the columns, and an iterator over the number of the first line, the fields and the number of
    characters of each row.

    By default a tab separates the fields of a tsv file; a comma those of a csv file, or what its first line says
    (`sep=;`, or a header with semicolons, tabs or bars and no comma). The quotes of a tsv file are read as such only if
    the whole file is consistent with that. A quoted field whose lines would each be a row is reported.

    Raises:
        ValueError: The file has no header line, or a broken one.
    """
    encoding = wanted.encoding
    is_original = not is_tsv and _is_original_csv(path, wanted)
    if is_original and encoding is None:
        encoding = detect_encoding(path, legacy="latin-1")
    skipped, delimiter = (0, wanted.delimiter or ",") if is_original else _find_delimiter(path, wanted, is_tsv)
    quoting = wanted.quoting
    if is_tsv and quoting is None:
        quoting = "minimal" if _quotes_are_consistent(path, encoding, delimiter, skipped) else "none"
    rows = _parse(path, encoding, delimiter, quoting, skipped)
    names = list(ORIGINAL_COLUMNS) if is_original else _read_header(path, next(rows, None))
    return names, _check_rows(path, rows, names, delimiter, on_bad_row, wanted.quoting is None)


def _check_rows(
    path: Path, rows: Iterator[_Row], names: list[str], delimiter: str, on_bad_row: OnBadRow, doubts_quotes: bool
) -> Iterator[tuple[int, list[str], int]]:
    for row in rows:
        problem, fields = row.problem, row.fields
        if (problem or len(fields) != len(names)) and len(row.lines) == 1 and '\\"' in row.lines[0]:
            escaped = _parse_escaped(row.lines[0], delimiter)
            if len(escaped) == len(names):
                problem, fields = "", escaped
        if not problem and len(fields) != len(names):
            problem = f"{len(fields)} fields instead of {len(names)} ({list_names(names)})"
        if not problem and any(map(has_surrogates, fields)):
            problem = "bytes that are not UTF-8"
        if doubts_quotes and len(row.lines) > 1 and _are_rows(row.lines, delimiter, len(names)):
            for index in range(len(row.lines)):
                problem = (
                    f"a quote that opens on line {row.number} would join several lines into one row, "
                    "although each is a valid row; close the quote, or say what quotes mean: --quoting minimal or "
                    "--quoting none"
                )
                on_bad_row(BadRow(str(path), "line", row.number + index, problem))
        elif problem:
            on_bad_row(BadRow(str(path), "line", row.number, problem))
        else:
            yield row.number, fields, row.characters


def _parse(path: Path, encoding: Optional[str], delimiter: str, quoting: Optional[str], skipped: int) -> Iterator[_Row]:
    """Yields the rows of a file without its first lines, of which `skipped` say how to read it. A row that can't be
    parsed has a problem."""
    with open_text(path, encoding) as file:
        lines = _Lines(file)
        for _ in range(skipped):
            next(lines)
        is_quoted = quoting != "none"
        reader = csv.reader(
            lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
        )
        while True:
            lines.start_row()
            number = lines.number + 1
            fields: list[str] = []
            problem = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = find_length_problem(lines.characters) or f"broken quotes ({error})"
                problem += f", up to line {lines.number}" if lines.number > number else ""
            if fields or problem:
                yield _Row(number, fields, problem, lines.of_row, lines.characters)


def _parse_escaped(line: str, delimiter: str) -> list[str]:
    r"""Returns the fields of a line that writes a quote as `\"`; none if that is broken too."""
    try:
        return next(csv.reader([line], delimiter=delimiter, escapechar="\\", doublequote=False, strict=True), [])
    except csv.Error:
        return []


def _are_rows(lines: list[str], delimiter: str, fields: int) -> bool:
    """Returns whether each of some lines has the fields of a row, if quotes mean nothing. In a file of one column, each
    line has, which says nothing."""
    if fields == 1:
        return False
    rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    try:
        return all(len(row) == fields for row in rows)
    except csv.Error:
        return False


def _quotes_are_consistent(path: Path, encoding: Optional[str], delimiter: str, skipped: int) -> bool:
    """Returns whether all rows of a file have the fields of its first one, if quotes are read as such."""
    fields = 0
    for row in _parse(path, encoding, delimiter, "minimal", skipped):
        fields = fields or len(row.fields)
        if row.problem or len(row.fields) != fields:
            return False
        if len(row.lines) > 1 and _are_rows(row.lines, delimiter, fields):
            return False
    return True


def _find_delimiter(path: Path, wanted: FileFormat, is_tsv: bool) -> tuple[int, str]:
    """Returns the number of lines before the header, and the delimiter."""
    with open_text(path, wanted.encoding) as file:
        lines = read_lines(file)
        first, skipped = next(lines, ""), 0
        while first and not first.strip():
            first, skipped = next(lines, ""), skipped + 1
        says = SEPARATOR_LINE.fullmatch(first.strip())
        if says:
            skipped += 1
    if wanted.delimiter or says or is_tsv:
        return skipped, wanted.delimiter or (says[1] if says else "\t")
    found = [delimiter for delimiter in OTHER_DELIMITERS if delimiter in first.strip()]
    if "," not in first and found:
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[found[0]]
        logger.info("%s: the header has no comma; %s separate its columns.", path, name)
        return skipped, found[0]
    return skipped, ","


def _is_original_csv(path: Path, wanted: FileFormat) -> bool:
    """Returns whether this is one of Sentiment140's original files: no header, six fields, and a date in the third."""
    with open_text(path, wanted.encoding or "latin-1") as file:
        try:
            fields = next(csv.reader([file.readline(MAX_LINE_CHARACTERS)]), [])
        except csv.Error:
            return False
    is_long = len(fields) == len(ORIGINAL_COLUMNS)
    return is_long and fields[0] in ("0", "2", "4") and ORIGINAL_DATE.fullmatch(fields[2]) is not None


def _read_header(path: Path, row: Optional[_Row]) -> list[str]:
    if row is None:
        raise ValueError(f"{path}: the file has no header line. Write one, such as text,label.")
    if row.problem:
        raise ValueError(f"{path}, line {row.number}: the header has {row.problem}.")
    if row.fields[0].lstrip().startswith(("{", "[{")):
        raise ValueError(
            f"{path}, line {row.number}: json, but a header was expected. Give the file the suffix .jsonl or .json."
        )
    if any(map(has_surrogates, row.fields)):
        raise ValueError(
            f"{path}, line {row.number}: the header holds bytes that are not UTF-8. Name the encoding with --encoding."
        )
    return row.fields
