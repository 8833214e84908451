"""Reads json files: an object a line, an array of objects, or what `DataFrame.to_json` of pandas writes."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

from .bad_rows import BadRow, OnBadRow
from .batches import BATCH_FIELDS
from .open_file import MAX_LINE_CHARACTERS, find_length_problem, open_lines, open_text, read_lines
from .text import has_surrogates, shorten

# Objects and arrays in each other; json itself gives up at some thousand, and everything that copies them before.
MAX_DEPTH = 100
# The longest array or table, which is read whole.
MAX_CHARACTERS = 2**30


def read_json(
    path: Path, on_bad_row: OnBadRow, encoding: Optional[str], may_be_table: bool
) -> tuple[str, Iterator[tuple[int, dict[str, Any], int, int, set[str]]]]:
    """Returns the unit, `"line"` or `"row"`, and an iterator over the number, the fields, the characters, the number
    of objects and the names of all their fields of each row.

    A file of lines is read line by line; an array or a table is read whole, and its rows have no characters.

    Args:
        path: The file.
        on_bad_row: Called for each row that can't be used.
        encoding: Its encoding, if it is known.
        may_be_table: Whether a single object may be a table that pandas wrote, instead of one row.

    Raises:
        ValueError: The file is neither lines nor an array of objects, nor a table as pandas writes it.
    """
    with open_text(path, encoding, newline=None) as file:
        start = file.read(1024).lstrip("\ufeff \t\n\r")
    if _is_csv(start):
        raise ValueError(f"{path}: the first lines are not json. If this is a csv file, give it the suffix .csv.")
    is_lines = not start.startswith("[") and not (may_be_table and _is_table(path, encoding))
    if is_lines:
        return "line", _check_rows(path, "line", _parse_lines(path, encoding, on_bad_row), on_bad_row)
    rows = ((number, row, 0) for number, row in enumerate(_parse_whole(path, encoding), 1))
    return "row", _check_rows(path, "row", rows, on_bad_row)


def _is_csv(start: str) -> bool:
    """Returns whether the first two lines of a file are rather those of a csv file: not json, but of several fields."""
    lines = start.splitlines()[:2]
    return len(lines) == 2 and all("," in line and line[0] not in '{["' for line in lines if line)


def _check_rows(
    path: Path, unit: str, numbered: Iterable[tuple[int, Any, int]], on_bad_row: OnBadRow
) -> Iterator[tuple[int, dict[str, Any], int, int, set[str]]]:
    for number, row, characters in numbered:
        if not isinstance(row, dict):
            on_bad_row(BadRow(str(path), unit, number, f"{shorten(row)} is not a json object"))
        elif not row:
            on_bad_row(BadRow(str(path), unit, number, "a json object without fields"))
        else:
            problem, objects, names = _check_objects(row)
            if problem:
                on_bad_row(BadRow(str(path), unit, number, problem))
            else:
                yield number, row, characters, objects, names


def _is_table(path: Path, encoding: Optional[str]) -> bool:
    """Returns whether a file holds a single object, over several lines, or of columns."""
    with open_lines(path, encoding) as file:
        lines = (line for line in read_lines(file) if not line.isspace())
        first, second = next(lines, ""), next(lines, "")
    if len(first) > MAX_LINE_CHARACTERS:
        return True
    try:
        value = json.loads(first.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return first.strip() in ("{", '{"')  # else the line is a bad one
    return not second and isinstance(value, dict) and _to_rows(value) is not None


def _parse_lines(path: Path, encoding: Optional[str], on_bad_row: OnBadRow) -> Iterator[tuple[int, Any, int]]:
    with open_lines(path, encoding) as file:
        for number, line in enumerate(read_lines(file), 1):
            if problem := find_length_problem(len(line)):
                on_bad_row(BadRow(str(path), "line", number, problem))
                continue
            if line.isspace():
                continue
            try:
                yield number, json.loads(line.removeprefix("\ufeff") if number == 1 else line), len(line)
            except (ValueError, RecursionError) as error:
                on_bad_row(BadRow(str(path), "line", number, f"not json ({error})"))


def _parse_whole(path: Path, encoding: Optional[str]) -> list[Any]:
    with open_text(path, encoding) as file:
        content = file.read(MAX_CHARACTERS + 1)
        if len(content) > MAX_CHARACTERS:
            raise ValueError(
                f"{path}: a json array or table of more than {MAX_CHARACTERS:,} characters, the limit. Write an object "
                "a line."
            )
        try:
            value = json.loads(content.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a json array ({error}). Fix the file, or write an object a line.") from error
    rows = value if isinstance(value, list) else _to_rows(value)
    if rows is None:
        raise ValueError(f"{path}: a json object that is no table. Write an object a line, or an array of objects.")
    return rows


def _to_rows(table: dict[str, Any]) -> Optional[list[Any]]:
    """Returns the rows of a table that `DataFrame.to_json` wrote with orient columns, index, split or table, or of an
    object of lists; None if it is no table."""
    if isinstance(table.get("columns"), list) and isinstance(table.get("data"), list):
        return [dict(zip(table["columns"], row)) for row in table["data"]]
    if isinstance(table.get("schema"), dict) and isinstance(table.get("data"), list):
        return list(table["data"])
    columns = list(table.values())
    if columns and all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1:
        return [dict(zip(table, row)) for row in zip(*columns)]
    if not columns or not all(isinstance(column, dict) for column in columns):
        return None
    if any(column.keys() != columns[0].keys() for column in columns):
        return None
    if all(key.isdigit() for key in table) and not all(key.isdigit() for key in columns[0]):
        return columns
    return [{name: column[key] for name, column in table.items()} for key in columns[0]]


def _check_objects(row: dict[str, Any]) -> tuple[str, int, set[str]]:
    """Returns what makes an object unfit: too many levels or fields, or lone surrogates. Also returns the number of
    objects in it, and the names of their fields."""
    level: list[Any] = [row]
    objects, names = 0, set[str]()
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                objects += 1
                names.update(value)
                following += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                following += value
            elif isinstance(value, str) and has_surrogates(value):
                return "lone surrogate: invalid Unicode", objects, names
        if not following:
            # In a table, each object has all fields.
            if objects * len(names) > BATCH_FIELDS:
                problem = f"{objects:,} objects times {len(names):,} different fields, more than {BATCH_FIELDS:,}"
                return problem, objects, names
            return "", objects, names
        level = following
    return f"more than {MAX_DEPTH} levels of objects and arrays", objects, names
