"""From a source to labelled rows."""

import glob
import logging
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from .arguments import HUB_DATASET, HUB_REVISION, SAMPLE, SAMPLE_FILE, DataArguments
from .augmentation import restore_emoticons
from .columns import find_columns
from .files import BATCH_SIZE, BadRow, BadRowsError, column_values, read_batches
from .labels import NEUTRAL, check_scheme, label_ids, label_key
from .text import shorten

logger = logging.getLogger(__name__)


@dataclass
class LabelledRows:
    """Texts with label ids, where they come from, and what was left out on the way to them.

    Attributes:
        columns: Names of the source's columns.
        texts: The texts.
        labels: Their class ids.
        sources: What was read, with its unit: `("tweets.csv", "line")`.
        source_ids: For each text, which of `sources` it comes from.
        numbers: For each text, its line or row there, counted from 1.
        neutral: Number of neutral rows, which were left out.
        bad_rows: Rows that can't be used.
    """

    columns: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sources: list[tuple[str, str]] = field(default_factory=list)
    source_ids: array = field(default_factory=lambda: array("i"))
    numbers: array = field(default_factory=lambda: array("q"))
    neutral: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    def extend(self, other: "LabelledRows") -> None:
        """Adds the rows of another, and what it left out."""
        self.columns = other.columns or self.columns
        self.sources += [source for source in other.sources if source not in self.sources]
        ids = [self.sources.index(source) for source in other.sources]
        self.source_ids.extend(ids[source_id] for source_id in other.source_ids)
        self.texts += other.texts
        self.labels += other.labels
        self.numbers += other.numbers
        self.neutral += other.neutral
        self.bad_rows += other.bad_rows

    def select(self, indices: Iterable[int]) -> "LabelledRows":
        """The rows at `indices`, in that order."""
        indices = list(indices)
        return LabelledRows(
            columns=self.columns,
            texts=[self.texts[index] for index in indices],
            labels=[self.labels[index] for index in indices],
            sources=self.sources,
            source_ids=array("i", (self.source_ids[index] for index in indices)),
            numbers=array("q", (self.numbers[index] for index in indices)),
        )


def load_rows(args: DataArguments) -> LabelledRows:
    """Reads the source that `args` names.

    Returns:
        The rows that can be used, in the order of the source; with `max_rows`, so many of them drawn by `split_seed`.

    Raises:
        BadRowsError: Rows can't be used and `skip_bad_rows` is off.
        ConnectionError: The data set on the Hub can't be reached.
        FileNotFoundError: A data file is missing.
        ValueError: A file is not what its suffix says, has no such column, or mixes label schemes.
    """
    rows = LabelledRows()
    for chunk in read_rows(args):
        rows.extend(chunk)
    report_left_out(rows, args)
    if args.max_rows is not None and args.max_rows < len(rows):
        drawn = rows.select(np.random.default_rng(args.split_seed).permutation(len(rows))[: args.max_rows])
        return replace(drawn, neutral=rows.neutral, bad_rows=rows.bad_rows)
    return rows


def report_left_out(rows: LabelledRows, args: DataArguments) -> None:
    """Logs what was left out of the rows.

    Raises:
        BadRowsError: Rows can't be used and `skip_bad_rows` is off.
        ValueError: No row is left.
    """
    if rows.bad_rows and not args.skip_bad_rows:
        raise BadRowsError(rows.bad_rows)
    if rows.bad_rows:
        listed = "\n".join(f"  {bad_row}" for bad_row in rows.bad_rows)
        logger.warning("Left out %d rows that can't be used:\n%s", len(rows.bad_rows), listed)
    if rows.neutral:
        logger.info("Left out %d neutral rows.", rows.neutral)
    if not rows.texts:
        raise ValueError(f"{args.data_files or args.dataset_name}: no row with text and label.")


def source_files(args: DataArguments) -> list[str]:
    """The files to read, patterns such as `tweets/*.parquet` replaced by what they match; none for a set on the Hub.

    Raises:
        FileNotFoundError: A pattern matches nothing.
    """
    if args.data_files is None:
        return [str(SAMPLE_FILE)] if args.dataset_name == SAMPLE else []
    files = []
    for name in args.data_files:
        is_pattern = glob.has_magic(name) and not Path(name).exists()
        matches = sorted(glob.glob(name, recursive=True)) if is_pattern else [name]  # noqa: PTH207  absolute ones too
        if not matches:
            raise FileNotFoundError(f"{name}: no file has such a name.")
        files += matches
    return files


def read_rows(args: DataArguments, files: Optional[list[str]] = None) -> Iterator[LabelledRows]:
    """Yields the rows of `files`, by default all of the source, some thousand at a time, in constant memory but for
    data sets on the Hub without `streaming`.

    Raises:
        What `load_rows` raises, but for `BadRowsError`: chunks hold the bad rows.
    """
    files = source_files(args) if files is None else files
    for file in files:
        yield from _read_file(Path(file), args)
    if not files:
        yield from _read_hub_dataset(args)


def _read_file(path: Path, args: DataArguments) -> Iterator[LabelledRows]:
    labels_seen: Counter[str] = Counter()
    bad_rows: list[BadRow] = []
    for batch in read_batches(path, bad_rows.append):
        text_column, label_column = find_columns(str(path), batch.table.column_names, args)
        numbered = zip(
            batch.numbers, *(column_values(str(path), batch.table, name) for name in (text_column, label_column))
        )
        chunk = _labelled(numbered, (str(path), batch.unit), labels_seen, args)
        chunk.columns = batch.table.column_names
        chunk.bad_rows += bad_rows
        bad_rows.clear()
        yield chunk
    yield LabelledRows(bad_rows=bad_rows)
    check_scheme(str(path), labels_seen, args.label_names)


def _read_hub_dataset(args: DataArguments) -> Iterator[LabelledRows]:
    revision = args.dataset_revision or (HUB_REVISION if args.dataset_name == HUB_DATASET else None)
    from datasets import load_dataset

    try:
        dataset = load_dataset(args.dataset_name, revision=revision, split=args.dataset_split, streaming=args.streaming)
    except ConnectionError as error:
        raise ConnectionError(
            f"The data set {args.dataset_name} can't be reached on the Hub ({type(error).__name__}: {error}). Two ways "
            "on: give local files with --data_files FILE, or train on the embedded sample with "
            "--config configs/quickstart.yaml."
        ) from error
    labels_seen: Counter[str] = Counter()
    start = 1
    for batch in dataset.iter(BATCH_SIZE):
        text_column, label_column = find_columns(args.dataset_name, list(batch), args)
        numbered = zip(range(start, sys.maxsize), batch[text_column], batch[label_column])
        chunk = _labelled(numbered, (args.dataset_name, "row"), labels_seen, args)
        chunk.columns = list(batch)
        yield chunk
        start += len(batch[text_column])
    check_scheme(args.dataset_name, labels_seen, args.label_names)


def _labelled(
    numbered: Iterable[tuple[int, Any, Any]], place: tuple[str, str], labels_seen: Counter[str], args: DataArguments
) -> LabelledRows:
    known = label_ids(args.label_names)
    rows = LabelledRows(sources=[place])
    for number, text, label in numbered:
        key = label_key(label)
        label_id = known.get(key)
        if not isinstance(text, str) or not text.strip():
            rows.bad_rows.append(BadRow(*place, number, f"no text in field {args.text_column!r}"))
        elif label is None or label != label:  # a number that is none differs from itself
            rows.bad_rows.append(BadRow(*place, number, "there is no label"))
        elif label_id is None:
            rows.bad_rows.append(BadRow(*place, number, f"label {shorten(label)} is not one of {', '.join(known)}"))
        else:
            labels_seen[key] += 1
            if label_id == NEUTRAL:
                rows.neutral += 1
            else:
                rows.texts.append(text)
                rows.labels.append(label_id)
                rows.source_ids.append(0)
                rows.numbers.append(number)
    return rows


def training_texts(rows: LabelledRows, args: DataArguments) -> list[str]:
    """The texts of the training part as they are learned from."""
    return restore_emoticons(rows.texts, rows.labels, args.emoticon_prob) if args.emoticon_prob else rows.texts
