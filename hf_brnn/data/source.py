"""From a source to labelled rows, and from rows to splits."""

import glob
import logging
import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
from datasets import load_dataset
from sklearn.model_selection import train_test_split

from .augmentation import restore_emoticons
from .files import BATCH_SIZE, BadRow, BadRowsError, column_values, list_names, read_batches, shorten

logger = logging.getLogger(__name__)

SAMPLE = "sample"
SAMPLE_FILE = Path(__file__).parent / "sample" / "tweets.csv"
HUB_DATASET = "stanfordnlp/sentiment140"
HUB_REVISION = "refs/convert/parquet"
LABEL_COLUMNS = ("label", "sentiment", "polarity", "target")
LABEL_NAMES = ("NEGATIVE", "POSITIVE")
NEUTRAL = -1
SENTIMENT_LABELS = {"0": 0, "1": 1, "2": NEUTRAL, "4": 1, "negative": 0, "positive": 1, "neutral": NEUTRAL}


@dataclass
class DataArguments:
    """Where the rows come from, how they are split and how they are tokenized."""

    dataset_name: str = field(
        default=SAMPLE,
        metadata={"help": f"'{SAMPLE}' (the embedded one) or a data set on the Hub, such as {HUB_DATASET}."},
    )
    dataset_revision: Optional[str] = field(
        default=None,
        metadata={"help": f"Branch, tag or commit on the Hub; by default {HUB_REVISION} for {HUB_DATASET}."},
    )
    dataset_split: str = field(default="train", metadata={"help": "Split of the data set on the Hub to read."})
    data_files: Optional[list[str]] = field(
        default=None,
        metadata={"help": "csv, tsv, json or parquet files, or patterns of them, to read instead of dataset_name."},
    )
    held_out_files: Optional[list[str]] = field(
        default=None, metadata={"help": "Files of test texts, read for one purpose: no split may hold one of them."}
    )
    text_column: str = field(default="text", metadata={"help": "Column of the texts."})
    label_column: Optional[str] = field(
        default=None, metadata={"help": f"Column of the labels; by default the first of {', '.join(LABEL_COLUMNS)}."}
    )
    label_names: list[str] = field(
        default_factory=lambda: list(LABEL_NAMES),
        metadata={"help": "Names of the labels in the order of their ids. Rows hold names, or ids if no name is one."},
    )
    streaming: bool = field(
        default=False,
        metadata={"help": "Read the training rows anew in each epoch instead of holding them in memory."},
    )
    shuffle_buffer_size: int = field(
        default=100_000, metadata={"help": "With streaming: rows that each process reads ahead and shuffles."}
    )
    max_rows: Optional[int] = field(default=None, metadata={"help": "Use so many rows, drawn by split_seed."})
    validation_size: float = field(default=0.1, metadata={"help": "Rows kept for validation: a share, or a number."})
    test_size: float = field(default=0.1, metadata={"help": "Rows kept for the test: a share, or a number."})
    split_seed: int = field(default=42, metadata={"help": "Seed of max_rows and of the splits."})
    emoticon_prob: float = field(
        default=0.0,
        metadata={"help": "Share of the training texts that get an emoticon like those Sentiment140 was labelled by."},
    )
    skip_bad_rows: bool = field(default=False, metadata={"help": "Count, list and leave out rows that can't be used."})
    vocab_size: int = field(default=4000, metadata={"help": "Words the tokenizer knows at most."})
    min_frequency: int = field(default=2, metadata={"help": "A word seen less often in training stays unknown."})
    max_length: int = field(default=128, metadata={"help": "Training texts are cut to so many tokens."})

    def __post_init__(self) -> None:
        for name in ("validation_size", "test_size"):
            value = getattr(self, name)
            if value < 0 or (value > 1 and value != int(value)) or value == 1:
                raise ValueError(f"{name} is {value}, but must be a share in [0, 1) or a whole number of rows.")
        for name in ("max_rows", "vocab_size", "min_frequency", "max_length", "shuffle_buffer_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1.")
        if not 0 <= self.emoticon_prob <= 1:
            raise ValueError(f"emoticon_prob is {self.emoticon_prob}, but must be a share in [0, 1].")
        if self.emoticon_prob and not _is_sentiment(self.label_names):
            names = ", ".join(LABEL_NAMES)
            raise ValueError(
                f"emoticon_prob is for the labels {names}, but label_names is {self.label_names}: "
                "give --emoticon_prob 0."
            )
        if self.streaming and self.max_rows is not None:
            raise ValueError("max_rows draws from all rows, which streaming does not hold: leave one of them out.")
        if len(self.label_names) < 2 or len(set(map(_label_key, self.label_names))) < len(self.label_names):
            raise ValueError(f"label_names is {self.label_names}, but must be two or more different names.")


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
        text_column, label_column = _find_columns(str(path), batch.table.column_names, args)
        numbered = zip(
            batch.numbers, *(column_values(str(path), batch.table, name) for name in (text_column, label_column))
        )
        chunk = _labelled(numbered, (str(path), batch.unit), labels_seen, args)
        chunk.columns = batch.table.column_names
        chunk.bad_rows += bad_rows
        bad_rows.clear()
        yield chunk
    yield LabelledRows(bad_rows=bad_rows)
    _check_scheme(str(path), labels_seen, args)


def _read_hub_dataset(args: DataArguments) -> Iterator[LabelledRows]:
    revision = args.dataset_revision or (HUB_REVISION if args.dataset_name == HUB_DATASET else None)
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
        text_column, label_column = _find_columns(args.dataset_name, list(batch), args)
        numbered = zip(range(start, sys.maxsize), batch[text_column], batch[label_column])
        chunk = _labelled(numbered, (args.dataset_name, "row"), labels_seen, args)
        chunk.columns = list(batch)
        yield chunk
        start += len(batch[text_column])
    _check_scheme(args.dataset_name, labels_seen, args)


def _find_columns(source: str, names: list[str], args: DataArguments) -> tuple[str, str]:
    labels = LABEL_COLUMNS if args.label_column is None else (args.label_column,)
    return (
        _find_column(source, names, (args.text_column,), "--text_column"),
        _find_column(source, names, labels, "--label_column"),
    )


def _find_column(source: str, names: list[str], wanted: tuple[str, ...], option: str) -> str:
    for name in wanted:
        if name in names:
            return name
    hint = " If they are several columns, separate them by commas." if len(names) == 1 else ""
    raise ValueError(
        f"{source}: no column {' or '.join(map(repr, wanted))} among {list_names(names)}. Name it: {option}.{hint}"
    )


def _labelled(
    numbered: Iterable[tuple[int, Any, Any]], place: tuple[str, str], labels_seen: Counter[str], args: DataArguments
) -> LabelledRows:
    known = _label_ids(args.label_names)
    rows = LabelledRows(sources=[place])
    for number, text, label in numbered:
        key = _label_key(label)
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


def _label_ids(names: list[str]) -> dict[str, int]:
    if _is_sentiment(names):
        return SENTIMENT_LABELS
    named = {_label_key(name): index for index, name in enumerate(names)}
    if any(key.isdigit() for key in named):
        return named
    return {str(index): index for index in range(len(names))} | named


def _label_key(label: Any) -> str:
    return str(label).strip().casefold()


def _is_sentiment(names: list[str]) -> bool:
    return [_label_key(name) for name in names] == [_label_key(name) for name in LABEL_NAMES]


def _check_scheme(source: str, labels_seen: Counter[str], args: DataArguments) -> None:
    for other in ("2", "4"):
        if _is_sentiment(args.label_names) and labels_seen["1"] and labels_seen[other]:
            raise ValueError(
                f"{source}: labels 1 ({labels_seen['1']} rows) and {other} ({labels_seen[other]} rows) both occur. "
                "Labels are 0 and 1, or 0 and 4 with 2 for neutral; for others, give their names with --label_names."
            )


def text_key(text: str) -> str:
    """What makes two texts the same text: their words, whatever case and white space."""
    return " ".join(text.split()).casefold()


def split_rows(rows: LabelledRows, args: DataArguments) -> dict[str, LabelledRows]:
    """Splits rows into train, validation and test by `split_seed`; a text stands in one of them only.

    With `test_size=0.33, split_seed=42` the test part is that of scikit-learn's
    `train_test_split(rows, test_size=0.33, random_state=42)`. A text of a later part (or of `held_out_files`) is purged
    from the earlier ones, and the number of purged rows is logged.

    Returns:
        The parts that hold a row, by name.

    Raises:
        ValueError: No row is left to train on.
    """
    parts = {"train": np.arange(len(rows)), "validation": np.arange(0), "test": np.arange(0)}
    for name in ("test", "validation"):
        size = getattr(args, f"{name}_size")
        size = int(size) if size > 1 else size
        if (math.ceil(size * len(parts["train"])) if size < 1 else size) >= len(parts["train"]):
            raise ValueError(f"{name}_size is {size}, but only {len(parts['train'])} rows are left to draw from.")
        if size:
            parts["train"], parts[name] = train_test_split(parts["train"], test_size=size, random_state=args.split_seed)
    keys = [text_key(text) for text in rows.texts]
    kept_apart = read_held_out_keys(args)
    splits: dict[str, LabelledRows] = {}
    for name in ("test", "validation", "train"):
        kept = [index for index in parts[name].tolist() if keys[index] not in kept_apart]
        if len(kept) < len(parts[name]):
            logger.info("Purged %d rows of %s whose text is held out elsewhere.", len(parts[name]) - len(kept), name)
        kept_apart |= {keys[index] for index in kept}
        if kept:
            splits[name] = rows.select(kept)
    if "train" not in splits:
        raise ValueError(f"No row of {len(rows)} is left to train on: lower validation_size and test_size.")
    return splits


def training_texts(rows: LabelledRows, args: DataArguments) -> list[str]:
    """The texts of the training part as they are learned from."""
    return restore_emoticons(rows.texts, rows.labels, args.emoticon_prob) if args.emoticon_prob else rows.texts


def read_held_out_keys(args: DataArguments) -> set[str]:
    """The `text_key` of all texts of `held_out_files`.

    Raises:
        BadRowsError: Rows can't be read and `skip_bad_rows` is off.
    """
    keys: set[str] = set()
    bad_rows: list[BadRow] = []
    for file in args.held_out_files or []:
        for batch in read_batches(Path(file), bad_rows.append):
            text_column = _find_column(file, batch.table.column_names, (args.text_column,), "--text_column")
            keys |= {text_key(text) for text in column_values(file, batch.table, text_column) if isinstance(text, str)}
    if bad_rows and not args.skip_bad_rows:
        raise BadRowsError(bad_rows)
    return keys


def describe(
    rows: LabelledRows, sizes: Mapping[str, int], classes: Counter[int], lengths: np.ndarray, args: DataArguments
) -> str:
    """A summary for people.

    Args:
        rows: The first rows of the source, or all, and what was left out of all.
        sizes: Number of rows by part.
        classes: Number of rows by class id.
        lengths: Numbers of tokens of the training part; with `streaming`, of `rows`.
        args: Names of the classes, the length that texts are cut to.
    """
    cut = int((lengths > args.max_length).sum())
    parts = ", ".join(f"{name} {sizes[name]:,}" for name in ("train", "validation", "test") if sizes.get(name))
    first = pd.DataFrame({"text": rows.texts[:5], "label": [args.label_names[label] for label in rows.labels[:5]]})
    percentiles = ", ".join(f"{p}%: {np.percentile(lengths, p):.0f}" for p in (50, 95, 99))
    return "\n".join(
        (
            f"columns  {', '.join(rows.columns)}",
            f"rows     {classes.total():,} ({parts}); left out: {rows.neutral:,} neutral, {len(rows.bad_rows):,} bad",
            "classes  " + ", ".join(f"{name} {classes[index]:,}" for index, name in enumerate(args.label_names)),
            f"tokens   {'of the first rows: ' if args.streaming else ''}mean {lengths.mean():.1f}, {percentiles}, "
            f"longest {lengths.max()}; {cut:,} texts cut to {args.max_length}",
            first.to_string(max_colwidth=80),
        )
    )
