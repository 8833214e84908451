"""Rows of texts in, the same rows with label and score out."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa

from .tables import BadRow, Batch, OnBadRow

NEW_FIELDS = (pa.field("label", pa.string()), pa.field("score", pa.float32()))


class Scorer(Protocol):
    class_names: list[str]

    def __call__(self, texts: list[str]) -> np.ndarray: ...


def best_labels(scorer: Scorer, texts: list[str]) -> tuple[pa.Array, pa.Array]:
    """Returns the most probable label of each text and its probability."""
    probabilities = scorer(texts)
    labels = pa.DictionaryArray.from_arrays(probabilities.argmax(axis=1).astype(np.int32), scorer.class_names)
    return labels.cast(pa.string()), pa.array(probabilities.max(axis=1))


def check_columns(source: str, names: list[str], text_column: str) -> None:
    """Raises:
    ValueError: There is no text column, or the rows already have a label or score.
    """
    if text_column not in names:
        raise ValueError(f"{source}: no column {text_column!r} among {', '.join(names)}.")
    taken = [field.name for field in NEW_FIELDS if field.name in names]
    if taken:
        raise ValueError(f"{source}: already has a column {', '.join(taken)}, which the output would repeat.")


def score_batches(
    scorer: Scorer, source: str, batches: Iterable[Batch], text_column: str, on_bad_row: OnBadRow
) -> Iterator[pa.Table]:
    """Yields the rows of each batch of the file `source` with columns label and score, in their order.

    A row whose field is no text goes to `on_bad_row` and is left out.

    Raises:
        ValueError: There is no text column, or the rows already have a label or score.
    """
    for batch in batches:
        table = batch.table
        check_columns(source, table.column_names, text_column)
        texts = table[text_column].to_pylist()
        for number, text in zip(batch.numbers, texts):
            if not isinstance(text, str):
                on_bad_row(BadRow(source, batch.unit, number, f"field {text_column!r} is {text!r}, not a text"))
        kept = [index for index, text in enumerate(texts) if isinstance(text, str)]
        if len(kept) < len(texts):
            table, texts = table.take(kept), [texts[index] for index in kept]
        for field, column in zip(NEW_FIELDS, best_labels(scorer, texts)):
            table = table.append_column(field, column)
        yield table
