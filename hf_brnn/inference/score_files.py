"""Scores files of texts."""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import pyarrow as pa

from ..data.bad_rows import BadRow, OnBadRow
from ..data.batches import Batch, column_values, take_rows
from ..data.columns import find_text_column
from ..data.file_format import AS_FOUND, FileFormat
from ..data.files import read_batches
from ..data.problem_type import TOKENS
from ..data.targets import join_words
from ..data.text import shorten
from ..data.writers import table_writer
from .score_texts import ScoreOptions, Scores, score_texts

if TYPE_CHECKING:
    from .base_classifier import Classifier

logger = logging.getLogger(__name__)

# With a smaller share of known words, labels say little.
FEW_KNOWN_WORDS = 0.5
# The longest text that is scored: its states are in memory at once.
MAX_TEXT_CHARACTERS = 2**20
# Fewer batches are scored sooner than processes start.
BATCHES_FOR_PROCESSES = 4


def score_file(
    classifier: "Classifier",
    source: Path,
    target: Path,
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    on_scored: Callable[[int], object],
    options: ScoreOptions = ScoreOptions(),  # noqa: B008  frozen
    file_format: FileFormat = AS_FOUND,
    escape_formulas: bool = False,
    workers: int = 1,
) -> int:
    """Writes the rows of `source` with columns label and score to `target`, batch by batch and in order.

    Args:
        classifier: The classifier.
        source: A file that `read_batches` reads.
        target: A file that `table_writer` writes, or `-` for stdout.
        text_column: The column of the texts; None takes the column whose name says so.
        on_bad_row: Called for each row that can't be read, has no text or too long a one; the row is then skipped.
        on_scored: Called with the number of rows of each batch that is written.
        options: What else to write about each text.
        file_format: How the file is written, if it is a text file.
        escape_formulas: Whether to write a `'` before fields of csv and tsv files that a spreadsheet would run.
        workers: Number of processes that score a file of several batches, for an `OnnxClassifier`. They are new
            processes, which import the main module: a script that asks for several needs `if __name__ == "__main__":`.

    Returns:
        The number of rows scored.

    Raises:
        ValueError: There is no row or no text column.
        OSError: A worker process was killed.
    """
    scored = 0
    with table_writer(target, escape_formulas) as writer:
        batches = read_batches(source, on_bad_row, file_format=file_format)
        for table in score_batches(classifier, str(source), batches, text_column, on_bad_row, options, workers):
            writer.write(table)
            scored += len(table)
            on_scored(len(table))
        if not scored:
            raise ValueError(f"{source}: there are no rows to score.")
    return scored


def score_batches(
    classifier: "Classifier",
    source: str,
    batches: Iterable[Batch],
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    options: ScoreOptions,
    workers: int = 1,
) -> Iterator[pa.Table]:
    """Yields the rows of each batch of the file `source` with the columns of `options`, in order.

    A row whose field is not a text, or is too long a text, goes to `on_bad_row` and is skipped.

    Raises:
        ValueError: There is no text column.
    """
    options.check(classifier)
    fields = score_fields(classifier, options)
    new_fields: list[pa.Field] = []
    texts_seen, known = 0, 0.0
    texts_of_batches = read_texts(source, batches, text_column, on_bad_row, classifier.problem_type)
    for table, scores in score_texts_of_batches(classifier, texts_of_batches, options, workers):
        new_fields = new_fields or name_fields(source, table.column_names, fields)
        texts_seen, known = texts_seen + len(table), known + float(scores.known_words.sum())
        found = {"label": scores.labels, "score": scores.scores, "known_words": scores.known_words}
        if classifier.problem_type != TOKENS:
            found |= {f"score_{name}": row for name, row in zip(classifier.label_names, scores.probabilities.T)}
        for field, new_field in zip(fields, new_fields):
            table = table.append_column(new_field, pa.array(found[field.name], field.type))
        yield table
    if texts_seen and known / texts_seen < FEW_KNOWN_WORDS:
        logger.warning(
            "%s: the model knows %.0f %% of the words of a text on average. Don't rely on the labels.",
            source,
            100 * known / texts_seen,
        )


def score_texts_of_batches(
    classifier: "Classifier", batches: Iterator[tuple[pa.Table, list[str]]], options: ScoreOptions, workers: int
) -> Iterator[tuple[pa.Table, Scores]]:
    """Yields the rows of each batch and the scores of their texts, in order."""
    first_batches = list(islice(batches, BATCHES_FOR_PROCESSES)) if workers > 1 else []
    batches = chain(first_batches, batches)
    if len(first_batches) == BATCHES_FOR_PROCESSES:
        from .onnx_classifier import OnnxClassifier  # onnxruntime may be missing where torch runs the model
        from .score_processes import score_in_processes

        assert isinstance(classifier, OnnxClassifier)
        yield from score_in_processes(classifier, batches, options, workers)
        return
    for table, texts in batches:
        yield table, score_texts(classifier, texts, options)


def read_texts(
    source: str,
    batches: Iterable[Batch],
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    problem_type: str,
) -> Iterator[tuple[pa.Table, list[str]]]:
    """Yields the rows of each batch that can be scored, and their texts."""
    for batch in batches:
        table = batch.table
        text_column = find_text_column(source, table.column_names, text_column, problem_type == TOKENS)
        texts = column_values(source, batch, text_column)
        if problem_type == TOKENS:  # words may be a list
            texts = [join_words(text) for text in texts]
        problems = [find_problem(text, text_column) for text in texts]
        for number, problem in zip(batch.numbers, problems):
            if problem:
                on_bad_row(BadRow(source, batch.unit, number, problem))
        kept = [index for index, problem in enumerate(problems) if not problem]
        if len(kept) < len(texts):
            table, texts = take_rows(table, kept), [texts[index] for index in kept]
        yield table, texts


def find_problem(text: Any, text_column: str, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """Returns why a text can't be scored."""
    if not isinstance(text, str):
        return f"field {text_column!r} is {shorten(text)}, not a text"
    if len(text) > max_characters:
        return f"the text has {len(text):,} characters; the limit is {max_characters:,}"
    return ""


def score_fields(classifier: "Classifier", options: ScoreOptions) -> list[pa.Field]:
    """Returns the columns that rows are given."""
    return [pa.field(name, pa.string() if name == "label" else pa.float32()) for name in options.columns(classifier)]


def name_fields(source: str, names: list[str], fields: list[pa.Field]) -> list[pa.Field]:
    """Returns the columns that rows are given, with names that the rows don't have: `predicted_label` where they have a
    column `label`."""
    renamed = []
    for field in fields:
        name = field.name
        while name in names:
            name = f"predicted_{name}"
        renamed.append(field.with_name(name))
    if changed := [f"{field.name} as {new.name}" for field, new in zip(fields, renamed) if field.name != new.name]:
        logger.info("%s already has columns with these names; writing %s.", source, ", ".join(changed))
    return renamed
