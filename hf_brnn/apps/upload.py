"""Reads an upload of the demo, in a process of its own: whatever the file holds, the demo goes on.

Writes a json value a line to stdout. The last one is the answer, or a string that says what is wrong.

`python -m hf_brnn.apps.upload columns SOURCE PROBLEM_TYPE` answers with the names of the columns and the one that
probably holds the texts.

`python -m hf_brnn.apps.upload score SOURCE MODEL TARGET TEXT_COLUMN` scores the file, and answers with the first scored
rows. Before that it writes the number of rows, and after each batch the number of rows scored so far.
"""

import errno
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from ..data.bad_rows import BadRow
from ..data.batches import Batch, column_values
from ..data.columns import find_text_column
from ..data.files import read_batches
from ..data.problem_type import TOKENS
from ..data.targets import join_words
from ..inference.load import load
from ..inference.score_files import find_problem, score_file
from ..inference.score_texts import ScoreOptions

if TYPE_CHECKING:
    from ..inference.base_classifier import Classifier

MAX_CHARACTERS = 1_000
MAX_ROWS = 100_000
MAX_COLUMNS = 100
MAX_SCORED_MEGABYTES = 500
# Of the memory of this process, without the model.
MAX_MEGABYTES = 2_000
MAX_SECONDS = 600
PREVIEW_ROWS = 10


def main(task: str, source: str, *arguments: str) -> None:
    """Lists the columns of the file, or scores it."""
    try:
        (list_columns if task == "columns" else score_upload)(Path(source), *arguments)
    except MemoryError:
        report(f"{source} needs more than {MAX_MEGABYTES:,} MB of memory, the limit of this page. Split the file.")
    except (OSError, ValueError) as error:
        is_too_large = isinstance(error, OSError) and error.errno == errno.EFBIG
        limit = f"{source} makes a scored file of more than {MAX_SCORED_MEGABYTES:,} MB, the limit. Split the file."
        report(limit if is_too_large else str(error))


def limit_resources() -> None:
    """Limits the memory, the seconds and the files of this process, where the operating system can."""
    if sys.platform != "linux":
        return
    import resource

    # Of /proc/self/statm, the sixth number is the size of the data, in pages.
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
    for kind, limit in (
        (resource.RLIMIT_DATA, held + MAX_MEGABYTES * 2**20),
        (resource.RLIMIT_FSIZE, MAX_SCORED_MEGABYTES * 2**20),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    signal.alarm(MAX_SECONDS)


def list_columns(source: Path, problem_type: str) -> None:
    """Reports the columns of the first rows, and the one that `hf-brnn predict` takes, or else the one with the longest
    texts.

    Raises:
        ValueError: The file can't be read or passes a limit.
    """
    limit_resources()
    batch = next(read_batches(source, refuse), None)
    if batch is None:
        raise ValueError(f"{source}: there are no rows to score.")
    names = batch.table.column_names
    check_columns(source, names)
    try:
        text_column = find_text_column(str(source), names, is_tokens=problem_type == TOKENS)
    except ValueError:
        text_column = max(names, key=lambda name: count_characters(batch, name))
    report([names, text_column])


def check_columns(source: Path, names: list[str]) -> None:
    """Raises:
    ValueError: There are too many columns, or the name of one is too long.
    """
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"{source} has {len(names):,} columns; the limit is {MAX_COLUMNS:,}. Remove some.")
    for place, name in enumerate(names, 1):
        if len(name) > MAX_CHARACTERS:
            raise ValueError(
                f"{source}: the name of column {place} has {len(name):,} characters; the limit is {MAX_CHARACTERS:,}. "
                "Rename it."
            )


def count_characters(batch: Batch, name: str) -> int:
    """Returns the number of characters of a column of texts or of lists of words; 0 for any other."""
    column = batch.table[name]
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return 0
    return pc.sum(pc.utf8_length(column)).as_py() or 0


def score_upload(source: Path, model: str, target: str, text_column: str) -> None:
    """Scores the file and reports on it.

    Raises:
        ValueError: The file can't be read or passes a limit.
    """
    classifier = load(model)
    limit_resources()
    report(count_rows(source, text_column, classifier))
    scored = 0

    def on_scored(count: int) -> None:
        nonlocal scored
        scored += count
        report(scored)

    score_file(classifier, source, Path(target), text_column, refuse, on_scored, escape_formulas=True)
    first = next(read_batches(Path(target), refuse, PREVIEW_ROWS)).table
    names = ScoreOptions().columns(classifier)
    # The upload may have columns of these names: the new ones are the last.
    columns = [first[name].to_pylist() for name in (*first.column_names[-len(names) :], text_column)]
    preview = [
        [value if name == "label" else f"{float(value):.3f}" for name, value in zip(names, values)]
        for *values, _ in zip(*columns)
    ]
    report([[*row, join_words(text)] for row, text in zip(preview, columns[-1])])


def report(value: Any) -> None:
    print(json.dumps(value), flush=True)


def count_rows(source: Path, text_column: str, classifier: "Classifier") -> int:
    """Returns the number of rows of a file.

    Raises:
        ValueError: There are too many rows or columns, one can't be read or is too long, or a column is missing.
    """
    rows = 0
    for batch in read_batches(source, refuse):
        names = batch.table.column_names
        check_columns(source, names)
        text_column = find_text_column(str(source), names, text_column, classifier.problem_type == TOKENS)
        rows += len(batch.table)
        if rows > MAX_ROWS:
            raise ValueError(f"{source} has more than {MAX_ROWS:,} rows, the limit of this page. Split the file.")
        for number, text in zip(batch.numbers, column_values(str(source), batch, text_column)):
            if problem := find_problem(join_words(text), text_column, MAX_CHARACTERS):
                refuse(BadRow(str(source), batch.unit, number, problem))
    return rows


def refuse(bad_row: BadRow) -> NoReturn:
    raise ValueError(f"{bad_row}. Fix or remove this row.")


if __name__ == "__main__":
    main(*sys.argv[1:])
