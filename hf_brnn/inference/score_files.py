"""Scores files of texts."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import numpy as np
import pyarrow as pa

from ..data.columns import find_text_column
from ..data.files import BadRow, Batch, OnBadRow, column_values, read_batches, take_rows
from ..data.text import shorten
from ..data.writers import table_writer

if TYPE_CHECKING:
    from .classifier import Classifier

NEW_FIELDS = (pa.field("label", pa.string()), pa.field("score", pa.float32()))


def best_labels(classifier: "Classifier", texts: list[str]) -> tuple[pa.Array, pa.Array]:
    """Returns the most probable label of each text, and its probability."""
    probabilities = classifier(texts)
    labels = pa.DictionaryArray.from_arrays(probabilities.argmax(axis=1).astype(np.int32), classifier.label_names)
    return labels.cast(pa.string()), pa.array(probabilities.max(axis=1))


def score_file(
    classifier: "Classifier",
    source: Path,
    target: Path,
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    on_scored: Callable[[int], object],
) -> int:
    """Writes the rows of `source` with columns label and score to `target`, batch by batch and in order.

    Args:
        classifier: The classifier.
        source: A file that `read_batches` reads.
        target: A file that `table_writer` writes.
        text_column: The column of the texts; None takes the column whose name says so.
        on_bad_row: Called for each row that can't be read or has no text; the row is then skipped.
        on_scored: Called with the number of rows of each batch that is written.

    Returns:
        The number of rows scored.

    Raises:
        ValueError: There is no row or no text column, or the rows already have a label or score.
    """
    scored = 0
    with table_writer(target) as writer:
        for table in score_batches(classifier, str(source), read_batches(source, on_bad_row), text_column, on_bad_row):
            writer.write(table)
            scored += len(table)
            on_scored(len(table))
        if not scored:
            raise ValueError(f"{source}: there is no row to score.")
    return scored


def score_batches(
    classifier: "Classifier", source: str, batches: Iterable[Batch], text_column: Optional[str], on_bad_row: OnBadRow
) -> Iterator[pa.Table]:
    """Yields the rows of each batch of the file `source` with columns label and score, in order.

    A row whose field is not a text goes to `on_bad_row` and is skipped.

    Raises:
        ValueError: There is no text column, or the rows already have a label or score.
    """
    for batch in batches:
        table = batch.table
        text_column = check_columns(source, table.column_names, text_column)
        texts = column_values(source, table, text_column)
        for number, text in zip(batch.numbers, texts):
            if not isinstance(text, str):
                on_bad_row(BadRow(source, batch.unit, number, f"field {text_column!r} is {shorten(text)}, not a text"))
        kept = [index for index, text in enumerate(texts) if isinstance(text, str)]
        if len(kept) < len(texts):
            table, texts = take_rows(table, kept), [texts[index] for index in kept]
        for field, column in zip(NEW_FIELDS, best_labels(classifier, texts)):
            table = table.append_column(field, column)
        yield table


def check_columns(source: str, names: list[str], text_column: Optional[str]) -> str:
    """Returns the column of the texts.

    Raises:
        ValueError: There is no such column, or the rows already have a label or score.
    """
    text_column = find_text_column(source, names, text_column)
    taken = [field.name for field in NEW_FIELDS if field.name in names]
    if taken:
        raise ValueError(
            f"{source}: already has a column {', '.join(taken)}, which the output would repeat. Rename or remove it."
        )
    return text_column
