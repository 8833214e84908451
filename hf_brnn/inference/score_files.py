"""Scores files of texts."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Optional

import numpy as np
import pyarrow as pa

from ..data.columns import find_text_column
from ..data.dataset import tokenize
from ..data.files import BadRow, Batch, OnBadRow, column_values, read_batches, take_rows
from ..data.known_words import known_word_shares
from ..data.text import shorten
from ..data.writers import table_writer

if TYPE_CHECKING:
    from .classifier import Classifier

# The label of a text whose score is below `min_score`.
UNSURE = "unsure"


@dataclass(frozen=True)
class ScoreOptions:
    """What is written about each text, besides label and score.

    Attributes:
        all_scores: Whether to write the score of each label, as a column `score_<label>`.
        min_score: The lowest score of a label; below it, and where no word is known, the label is `unsure`.
        known_words: Whether to write the share of the words that the model knows, as a column `known_words`.
    """

    all_scores: bool = False
    min_score: Optional[float] = None
    known_words: bool = False

    def fields(self, label_names: list[str]) -> list[pa.Field]:
        """Returns the columns that rows are given."""
        names = ["score", *(f"score_{name}" for name in label_names if self.all_scores)]
        names += ["known_words"] if self.known_words else []
        return [pa.field("label", pa.string()), *(pa.field(name, pa.float32()) for name in names)]

    def check_label_names(self, label_names: list[str]) -> None:
        """Raises:
        ValueError: A label has the name that is given to doubtful texts.
        """
        if self.min_score is not None and UNSURE in label_names:
            raise ValueError(
                f"The model has a label {UNSURE!r}, which is what min_score writes. Leave out min_score, or rename the "
                "label."
            )


class Scores(NamedTuple):
    """What a classifier says about texts.

    Attributes:
        labels: `(texts,)` the label of each text, or `unsure`.
        scores: `(texts,)` float32 probability of the label that was chosen.
        probabilities: `(texts, num_labels)` float32.
        known_words: `(texts,)` share of the words that the tokenizer knows.
    """

    labels: list[str]
    scores: np.ndarray
    probabilities: np.ndarray
    known_words: np.ndarray


def score_texts(classifier: "Classifier", texts: list[str], options: ScoreOptions) -> Scores:
    """Scores texts in memory."""
    options.check_label_names(classifier.label_names)
    tokenized = tokenize(texts, classifier.encode, classifier.pad_token_id)
    probabilities = classifier.probabilities(tokenized)
    known_words = known_word_shares(tokenized, classifier.tokenizer)
    chosen = classifier.choose(probabilities)
    scores = probabilities[np.arange(len(texts)), chosen]
    labels = [classifier.label_names[index] for index in chosen]
    if options.min_score is not None:
        is_sure = (scores >= options.min_score) & (known_words > 0)
        labels = [label if sure else UNSURE for label, sure in zip(labels, is_sure)]
    return Scores(labels, scores, probabilities, known_words)


def score_file(
    classifier: "Classifier",
    source: Path,
    target: Path,
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    on_scored: Callable[[int], object],
    options: ScoreOptions = ScoreOptions(),
) -> int:
    """Writes the rows of `source` with columns label and score to `target`, batch by batch and in order.

    Args:
        classifier: The classifier.
        source: A file that `read_batches` reads.
        target: A file that `table_writer` writes.
        text_column: The column of the texts; None takes the column whose name says so.
        on_bad_row: Called for each row that can't be read or has no text; the row is then skipped.
        on_scored: Called with the number of rows of each batch that is written.
        options: What else to write about each text.

    Returns:
        The number of rows scored.

    Raises:
        ValueError: There is no row or no text column, or the rows already have a column that scoring adds.
    """
    scored = 0
    with table_writer(target) as writer:
        batches = read_batches(source, on_bad_row)
        for table in score_batches(classifier, str(source), batches, text_column, on_bad_row, options):
            writer.write(table)
            scored += len(table)
            on_scored(len(table))
        if not scored:
            raise ValueError(f"{source}: there is no row to score.")
    return scored


def score_batches(
    classifier: "Classifier",
    source: str,
    batches: Iterable[Batch],
    text_column: Optional[str],
    on_bad_row: OnBadRow,
    options: ScoreOptions,
) -> Iterator[pa.Table]:
    """Yields the rows of each batch of the file `source` with the columns of `options`, in order.

    A row whose field is not a text goes to `on_bad_row` and is skipped.

    Raises:
        ValueError: There is no text column, or the rows already have a column that scoring adds.
    """
    fields = options.fields(classifier.label_names)
    for batch in batches:
        table = batch.table
        text_column = check_columns(source, table.column_names, text_column, fields)
        texts = column_values(source, table, text_column)
        for number, text in zip(batch.numbers, texts):
            if not isinstance(text, str):
                on_bad_row(BadRow(source, batch.unit, number, f"field {text_column!r} is {shorten(text)}, not a text"))
        kept = [index for index, text in enumerate(texts) if isinstance(text, str)]
        if len(kept) < len(texts):
            table, texts = take_rows(table, kept), [texts[index] for index in kept]
        scores = score_texts(classifier, texts, options)
        columns = [scores.labels, scores.scores, *(scores.probabilities.T if options.all_scores else ())]
        columns += [scores.known_words] if options.known_words else []
        for field, column in zip(fields, columns):
            table = table.append_column(field, pa.array(column, field.type))
        yield table


def check_columns(source: str, names: list[str], text_column: Optional[str], fields: list[pa.Field]) -> str:
    """Returns the column of the texts.

    Raises:
        ValueError: There is no such column, or the rows already have one of `fields`.
    """
    text_column = find_text_column(source, names, text_column)
    taken = [field.name for field in fields if field.name in names]
    if taken:
        raise ValueError(
            f"{source}: already has a column {', '.join(taken)}, which the output would repeat. Rename or remove it."
        )
    return text_column
