"""Scores files of texts."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, TypeVar

import numpy as np
import pyarrow as pa

from ..data.bad_rows import BadRow, OnBadRow
from ..data.batches import Batch, column_values, take_rows
from ..data.columns import find_text_column
from ..data.dataset import TokenizedDataset
from ..data.file_format import AS_FOUND, FileFormat
from ..data.files import read_batches
from ..data.known_words import known_word_shares
from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from ..data.targets import join_words, write_label
from ..data.text import shorten
from ..data.writers import table_writer
from .base_classifier import split_words

if TYPE_CHECKING:
    from .base_classifier import Classifier

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

# With a smaller share of known words, labels say little.
FEW_KNOWN_WORDS = 0.5
# The longest text that is scored: its states are in memory at once.
MAX_TEXT_CHARACTERS = 2**20
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

    def fields(self, classifier: "Classifier") -> list[pa.Field]:
        """Returns the columns that rows are given."""
        is_regression = classifier.problem_type == REGRESSION
        names = ["score"] if not is_regression or len(classifier.label_names) == 1 else []
        if self.all_scores or not names:
            names += [f"score_{name}" for name in classifier.label_names]
        names += ["known_words"] if self.known_words else []
        labels = [] if is_regression else [pa.field("label", pa.string())]
        return [*labels, *(pa.field(name, pa.float32()) for name in names)]

    def check(self, classifier: "Classifier") -> None:
        """Raises:
        ValueError: An option doesn't suit the kind of problem, or a label has the name that is given to doubtful texts.
        """
        for name, problem_types in (("min_score", (SINGLE_LABEL,)), ("all_scores", (SINGLE_LABEL, MULTI_LABEL))):
            if getattr(self, name) and classifier.problem_type not in problem_types:
                raise ValueError(
                    f"{name} is for {' and '.join(problem_types)}, but the problem type of this model is "
                    f"{classifier.problem_type}. Leave out --{name}."
                )
        if self.min_score is not None and UNSURE in classifier.label_names:
            raise ValueError(
                f"The model has a label {UNSURE!r}, which is what min_score writes. Leave out min_score, or rename the "
                "label."
            )


class Scores(NamedTuple):
    """What a classifier says about texts.

    Attributes:
        labels: `(texts,)` the label of each text, or `unsure`. The labels of a multi-label text have `|` between them,
            the tags of words a space. Those of a regression are its numbers.
        scores: `(texts,)` float32 probability of the label that was chosen; of the most probable label where there may
            be several; the mean probability of the tags; or the first number of a regression.
        probabilities: `(texts, num_labels)` float32; for token classification `(words, num_labels)` of all texts.
        known_words: `(texts,)` share of the words that the tokenizer knows.
    """

    labels: list[str]
    scores: np.ndarray
    probabilities: np.ndarray
    known_words: np.ndarray


def score_texts(classifier: "Classifier", texts: list[str], options: ScoreOptions) -> Scores:
    """Scores texts in memory."""
    options.check(classifier)
    return score_tokenized(classifier, classifier.tokenize(texts), options)


def score_tokenized(classifier: "Classifier", tokenized: TokenizedDataset, options: ScoreOptions) -> Scores:
    """Scores texts that are tokenized."""
    probabilities = classifier.scores(tokenized)
    known_words = known_word_shares(tokenized, classifier.tokenizer)
    chosen: Any
    if classifier.problem_type == TOKENS:
        words = split_words(tokenized, probabilities)
        probabilities = np.concatenate(words) if words else probabilities
        chosen = [classifier.choose(rows) for rows in words]
        scores = np.array([rows.max(axis=1).mean() if len(rows) else 0 for rows in words], np.float32)
    elif classifier.problem_type == SINGLE_LABEL:
        chosen = classifier.choose(probabilities)
        scores = probabilities[np.arange(len(tokenized)), chosen]
    elif classifier.problem_type == MULTI_LABEL:
        chosen = [np.flatnonzero(row) for row in classifier.choose(probabilities)]
        scores = probabilities.max(axis=1)
    else:
        chosen, scores = probabilities, probabilities[:, 0]
    if classifier.problem_type == SINGLE_LABEL:
        labels = np.array(classifier.label_names, object)[chosen].tolist()
    else:
        labels = [write_label(each, classifier.label_names, classifier.problem_type) for each in chosen]
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
    file_format: FileFormat = AS_FOUND,
    escape_formulas: bool = False,
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

    Returns:
        The number of rows scored.

    Raises:
        ValueError: There is no row or no text column.
    """
    scored = 0
    with table_writer(target, escape_formulas) as writer:
        batches = read_batches(source, on_bad_row, file_format=file_format)
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

    A row whose field is not a text, or is too long a text, goes to `on_bad_row` and is skipped.

    Raises:
        ValueError: There is no text column.
    """
    options.check(classifier)
    fields = options.fields(classifier)
    new_fields: list[pa.Field] = []
    texts_seen, known = 0, 0.0
    for table, tokenized in read_ahead(tokenize_batches(classifier, source, batches, text_column, on_bad_row)):
        new_fields = new_fields or name_fields(source, table.column_names, fields)
        scores = score_tokenized(classifier, tokenized, options)
        texts_seen, known = texts_seen + len(tokenized), known + float(scores.known_words.sum())
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


def tokenize_batches(
    classifier: "Classifier",
    source: str,
    batches: Iterable[Batch],
    text_column: Optional[str],
    on_bad_row: OnBadRow,
) -> Iterator[tuple[pa.Table, TokenizedDataset]]:
    """Yields the rows of each batch that can be scored, and their tokenized texts."""
    for batch in batches:
        table = batch.table
        text_column = find_text_column(source, table.column_names, text_column, classifier.problem_type == TOKENS)
        texts = column_values(source, batch, text_column)
        if classifier.problem_type == TOKENS:  # words may be a list
            texts = [join_words(text) for text in texts]
        problems = [find_problem(text, text_column) for text in texts]
        for number, problem in zip(batch.numbers, problems):
            if problem:
                on_bad_row(BadRow(source, batch.unit, number, problem))
        kept = [index for index, problem in enumerate(problems) if not problem]
        if len(kept) < len(texts):
            table, texts = take_rows(table, kept), [texts[index] for index in kept]
        yield table, classifier.tokenize(texts)


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yields items. A thread makes the next one while the last one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def find_problem(text: Any, text_column: str, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """Returns why a text can't be scored."""
    if not isinstance(text, str):
        return f"field {text_column!r} is {shorten(text)}, not a text"
    if len(text) > max_characters:
        return f"the text has {len(text):,} characters; {max_characters:,} are the most"
    return ""


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
        logger.info("%s has columns of these names already; writing %s.", source, ", ".join(changed))
    return renamed
