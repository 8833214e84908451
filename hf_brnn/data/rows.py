"""Reads a source: files, a data set on the Hub, or lists in memory become texts with label ids."""

import glob
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from .arguments import HUB_DATASET, HUB_REVISION, SAMPLE, SAMPLE_FILE, DataArguments
from .augmentation import restore_emoticons
from .columns import find_class_names, find_columns, find_text_column
from .files import BATCH_SIZE, BadRow, BadRowsError, Batch, column_values, read_batches
from .labels import NEUTRAL, LabelCounts, LabelFormat, label_key, spell_label
from .text import list_names, shorten

# The id of a label that is not known.
UNKNOWN = -2
# What rows may hold besides texts and labels.
EXTRA = {"weights": "weight", "label_probabilities": "label probabilities"}

logger = logging.getLogger(__name__)

_spell_label = lru_cache(maxsize=10_000, typed=True)(spell_label)


@dataclass
class LabelledRows:
    """Texts with label ids, and what was skipped.

    Attributes:
        columns: Names of the source's columns.
        texts: The texts.
        labels: Their label ids.
        label_names: Names of the labels, in the order of their ids.
        neutral: Number of neutral rows, which were skipped.
        bad_rows: Rows that can't be used.
        weights: `(rows,)` float32 weights of the rows in the loss; None where all weigh the same.
        label_probabilities: `(rows, num_labels)` float32 probabilities of the labels to train on, of which `labels` has
            the most probable one; None for hard labels.
    """

    columns: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    label_names: list[str] = field(default_factory=list)
    neutral: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    weights: Optional[np.ndarray] = None
    label_probabilities: Optional[np.ndarray] = None

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def from_lists(
        cls,
        texts: Sequence[str],
        labels: Sequence[Any],
        label_names: Optional[list[str]] = None,
        weights: Optional[Sequence[float]] = None,
    ) -> "LabelledRows":
        """Makes rows of texts and labels in memory. Labels mean what they mean in a file.

        Args:
            texts: The texts.
            labels: For each text its label: a name, a whole number or a bool.
            label_names: Names of the labels in the order of their ids; by default all of `labels`, sorted.
            weights: For each text its weight in the loss.

        Raises:
            ValueError: The lists differ in length, a text is empty or no string, a label is missing or not one of
                `label_names`, or all labels are the same.
        """
        if len(texts) != len(labels):
            raise ValueError(f"There are {len(texts):,} texts and {len(labels):,} labels: give each text one label.")
        extra = None if weights is None else {"weights": weights}
        chunk = Chunk.from_values(("texts", "index"), range(len(texts)), texts, labels, LabelFormat(), extra)
        counts = LabelCounts()
        counts.add("labels", chunk.label_format, chunk.labels)
        names = label_names or ([] if chunk.rows.bad_rows else counts.infer_names())
        rows = chunk.encode(names)
        if rows.bad_rows:
            raise BadRowsError(rows.bad_rows, "Fix or remove these texts and labels.")
        return rows

    def extend(self, other: "LabelledRows") -> None:
        """Adds the rows of another, and what it skipped."""
        if other.texts:
            for name in EXTRA:
                found = [values for values in (getattr(self, name), getattr(other, name)) if values is not None]
                setattr(self, name, np.concatenate(found) if found else None)
        self.columns = other.columns or self.columns
        self.label_names = other.label_names or self.label_names
        self.texts += other.texts
        self.labels += other.labels
        self.neutral += other.neutral
        self.bad_rows += other.bad_rows

    def with_label_names(self, names: list[str]) -> "LabelledRows":
        """Returns the same rows with the label ids of `names`, which hold all of `label_names` in any order."""
        places = {label_key(name): index for index, name in enumerate(names)}
        ids = [places[label_key(name)] for name in self.label_names]
        probabilities = self.label_probabilities
        if probabilities is not None:
            probabilities = np.zeros((len(self), len(names)), np.float32)
            probabilities[:, ids] = self.label_probabilities
        labels = [ids[label] for label in self.labels]
        return replace(self, labels=labels, label_names=names, label_probabilities=probabilities)

    def select(self, indices: Iterable[int]) -> "LabelledRows":
        """Returns the rows at `indices`, in that order."""
        indices = list(indices)
        return LabelledRows(
            columns=self.columns,
            texts=[self.texts[index] for index in indices],
            labels=[self.labels[index] for index in indices],
            label_names=self.label_names,
            weights=None if self.weights is None else self.weights[indices],
            label_probabilities=None if self.label_probabilities is None else self.label_probabilities[indices],
        )


@dataclass
class Chunk:
    """Rows whose labels have no ids yet.

    Attributes:
        place: The source, and the unit that `numbers` count: `("tweets.csv", "line")`.
        rows: The texts; `labels` is empty.
        numbers: For each text, its line or row in the source, counted from 1.
        labels: For each text the name of its label, as `spell_label` writes it.
        label_format: How the source writes its labels.
    """

    place: tuple[str, str]
    rows: LabelledRows
    numbers: list[int]
    labels: list[str]
    label_format: LabelFormat

    @classmethod
    def from_values(
        cls,
        place: tuple[str, str],
        numbers: Iterable[int],
        texts: Iterable[Any],
        labels: Iterable[Any],
        label_format: LabelFormat,
        extra: Optional[Mapping[str, Sequence[Any]]] = None,
    ) -> "Chunk":
        """Checks texts and labels; what can't be used becomes a bad row.

        Args:
            place: The source, and the unit that `numbers` count.
            numbers: For each row, its number.
            texts: For each row, its text.
            labels: For each row, its label.
            label_format: How the source writes its labels.
            extra: For each row its weight, as `weights`, and the probabilities of its labels, as `label_probabilities`.
        """
        rows = LabelledRows()
        kept: list[int] = []
        names: list[str] = []
        extra = extra or {}
        parsed: dict[str, list[np.ndarray]] = {name: [] for name in extra}
        for index, (number, text, value) in enumerate(zip(numbers, texts, labels)):
            problem = "no text" if not isinstance(text, str) or not text.strip() else ""
            found: dict[str, np.ndarray] = {}
            for name, values in extra.items():
                parsed_value = parse_numbers(values[index], must_sum=name == "label_probabilities")
                if parsed_value is None:
                    problem = problem or f"{EXTRA[name]} {shorten(values[index])} must be numbers of 0 or more"
                else:
                    found[name] = parsed_value
            try:
                label = _spell_label(value)
            except (TypeError, ValueError):  # a list or an object
                label, problem = "", problem or f"label {shorten(value)} is not a name or a number"
            if problem or label is None or (label == "-1" and label_format.class_names):
                rows.bad_rows.append(BadRow(*place, number, problem or "no label"))
                continue
            rows.texts.append(text)
            kept.append(number)
            names.append(label)
            for name in parsed:
                parsed[name].append(found[name])
        for name, kept_values in parsed.items():
            setattr(rows, name, np.array(kept_values, dtype=np.float32) if kept_values else None)
        return cls(place, rows, kept, names, label_format)

    def encode(self, names: list[str]) -> LabelledRows:
        """Returns the rows with the ids of their labels among `names`, without neutral rows. Other labels are bad."""
        known = self.label_format.label_ids(names)
        ids = {label: known.get(label_key(label), UNKNOWN) for label in set(self.labels)}
        rows = replace(self.rows, labels=[ids[label] for label in self.labels], label_names=names)
        if not {NEUTRAL, UNKNOWN}.intersection(ids.values()):
            return rows
        bad_rows = list(self.rows.bad_rows)
        for number, label in zip(self.numbers, self.labels):
            if ids[label] == UNKNOWN:
                problem = f"label {shorten(label)} is not one of {list_names(list(known))}"
                bad_rows.append(BadRow(*self.place, number, problem))
        neutral = rows.labels.count(NEUTRAL)
        rows = rows.select(index for index, label in enumerate(rows.labels) if label >= 0)
        rows.neutral = neutral
        rows.bad_rows = sorted(bad_rows, key=lambda bad_row: bad_row.number)
        return rows


def load_rows(args: DataArguments) -> LabelledRows:
    """Reads the source that `args` names.

    Returns:
        The rows that can be used, in the order of the source; with `max_rows`, a random subset of that size.

    Raises:
        BadRowsError: Rows can't be used and `skip_bad_rows` is off.
        ConnectionError: The data set on the Hub can't be reached.
        FileNotFoundError: A data file is missing.
        ValueError: A file is not what its suffix says, a column is missing, or it is unclear what the labels mean.
    """
    return load_splits(replace(args, validation_files=None, test_files=None))["train"]


def load_splits(args: DataArguments) -> dict[str, LabelledRows]:
    """Reads the source as `train`, and the splits that have files of their own as `validation` and `test`. All of them
    count to find the names of the labels.

    Raises:
        What `load_rows` raises.
    """
    counts = LabelCounts()
    chunks = {name: list(read_chunks(args, files, counts)) for name, files in split_files(args).items()}
    bad_rows = [bad_row for split in chunks.values() for chunk in split for bad_row in chunk.rows.bad_rows]
    names = resolve_label_names(args, counts, bad_rows)
    splits = {}
    for name, waiting in chunks.items():
        rows = LabelledRows(label_names=names)
        waiting.reverse()
        while waiting:  # frees each chunk
            rows.extend(waiting.pop().encode(names))
        report_skipped(rows, args, name)
        splits[name] = rows
    rows = splits["train"]
    if args.max_rows is not None and args.max_rows < len(rows):
        drawn = rows.select(np.random.default_rng(args.split_seed).permutation(len(rows))[: args.max_rows])
        splits["train"] = replace(drawn, neutral=rows.neutral, bad_rows=rows.bad_rows)
    return splits


def resolve_label_names(args: DataArguments, counts: LabelCounts, bad_rows: list[BadRow]) -> list[str]:
    """Returns the names of the labels: those of `args`, else those of the data.

    Args:
        args: The options.
        counts: The labels of the whole source.
        bad_rows: Rows that can't be used.

    Raises:
        BadRowsError: It is unclear what the labels mean, which bad rows may be the reason for.
        ValueError: It is unclear what the labels mean.
    """
    try:
        if not counts and args.label_names is None:
            raise ValueError(f"{args.data_files or args.dataset_name}: no row with text and label.")
        names = args.label_names or counts.infer_names()
        counts.check_sentiment140(names)
        args.check_label_names(names)
    except ValueError as error:
        if bad_rows and not args.skip_bad_rows:
            raise BadRowsError(bad_rows) from error
        raise
    return names


def report_skipped(rows: LabelledRows, args: DataArguments, split: str = "train") -> None:
    """Logs which rows were skipped.

    Raises:
        BadRowsError: Rows can't be used and `skip_bad_rows` is off.
        ValueError: No row is left.
    """
    if rows.bad_rows and not args.skip_bad_rows:
        raise BadRowsError(rows.bad_rows)
    if rows.bad_rows:
        listed = "\n".join(f"  {bad_row}" for bad_row in rows.bad_rows)
        logger.warning("Skipped %d rows that can't be used:\n%s", len(rows.bad_rows), listed)
    if rows.neutral:
        logger.info("Skipped %d neutral rows.", rows.neutral)
    if not rows.texts:
        source = args.data_files or args.dataset_name if split == "train" else getattr(args, f"{split}_files")
        raise ValueError(f"{source}: no row with text and label.")


def split_files(args: DataArguments) -> dict[str, Optional[list[str]]]:
    """The files to read for `train`, `validation` and `test`; None for a set on the Hub. A split without files of its
    own is missing.

    Raises:
        FileNotFoundError: A pattern matches nothing.
    """
    files: dict[str, Optional[list[str]]] = {"train": source_files(args)}
    for split, patterns in (("validation", args.validation_files), ("test", args.test_files)):
        if patterns:
            files[split] = expand_patterns(patterns)
    return files


def source_files(args: DataArguments) -> Optional[list[str]]:
    """The files of the source, patterns such as `tweets/*.parquet` replaced by what they match; None for a set on the
    Hub.

    Raises:
        FileNotFoundError: A pattern matches nothing.
    """
    if args.data_files is None:
        return [str(SAMPLE_FILE)] if args.dataset_name == SAMPLE else None
    return expand_patterns(args.data_files)


def expand_patterns(names: Iterable[str]) -> list[str]:
    """Replaces patterns of files by the files that they match.

    Raises:
        FileNotFoundError: A pattern matches nothing.
    """
    files = []
    for name in names:
        is_pattern = glob.has_magic(name) and not Path(name).exists()
        matches = sorted(glob.glob(name, recursive=True)) if is_pattern else [name]  # noqa: PTH207  absolute ones too
        if not matches:
            raise FileNotFoundError(f"{name}: no file matches this pattern.")
        files += matches
    return files


def check_source(args: DataArguments) -> None:
    """Looks at the first rows of each file, to find what would stop the reading before anything else is loaded. A set
    on the Hub is not checked.

    Raises:
        What `load_rows` raises.
    """
    counts = LabelCounts()
    chunks: list[Chunk] = []
    is_whole = True
    for files in split_files(args).values():
        if files is None:
            return
        for file in files:
            found = list(islice(_read_file(Path(file), args), 2))
            is_whole &= len(found) < 2
            chunks += found[:1]
    for chunk in chunks:
        counts.add(chunk.place[0], chunk.label_format, chunk.labels)
    for file in expand_patterns(args.held_out_files or []):
        for batch in islice(read_batches(Path(file), lambda bad_row: None), 1):
            find_text_column(file, batch.table.column_names, args.text_column)
    if not is_whole and args.label_names is None:
        return
    names = resolve_label_names(args, counts, [bad_row for chunk in chunks for bad_row in chunk.rows.bad_rows])
    bad_rows = [bad_row for chunk in chunks for bad_row in chunk.encode(names).bad_rows]
    if bad_rows and not args.skip_bad_rows:
        raise BadRowsError(bad_rows)


def read_rows(args: DataArguments, label_names: list[str], files: Optional[list[str]] = None) -> Iterator[LabelledRows]:
    """Yields the rows of `files`, by default all of the source, in chunks. Memory is constant but for data sets on the
    Hub without `streaming`.

    Raises:
        What `load_rows` raises, but for `BadRowsError`: chunks hold the bad rows.
    """
    for chunk in read_chunks(args, source_files(args) if files is None else files):
        yield chunk.encode(label_names)


def read_chunks(
    args: DataArguments, files: Optional[list[str]], counts: Optional[LabelCounts] = None
) -> Iterator[Chunk]:
    """Yields the rows of `files`, or of the set on the Hub, with labels that have no ids yet; adds the labels to
    `counts`."""
    for file in files or []:
        yield from _count(_read_file(Path(file), args), args, counts)
    if files is None:
        yield from _count(_read_hub_dataset(args), args, counts)


def _count(chunks: Iterator[Chunk], args: DataArguments, counts: Optional[LabelCounts]) -> Iterator[Chunk]:
    for chunk in chunks:
        if counts is not None:
            counts.add(chunk.place[0], chunk.label_format, chunk.labels)
            if args.label_names is None:
                counts.check_number()
        yield chunk


def _read_file(path: Path, args: DataArguments) -> Iterator[Chunk]:
    bad_rows: list[BadRow] = []
    is_sample = path.exists() and path.samefile(SAMPLE_FILE)
    chunk: Optional[Chunk] = None
    for batch in read_batches(path, bad_rows.append):
        chunk = _to_chunk(str(path), batch, args, is_sentiment140=is_sample)
        chunk.rows.bad_rows = sorted([*chunk.rows.bad_rows, *bad_rows], key=lambda bad_row: bad_row.number)
        bad_rows.clear()
        yield chunk
    if bad_rows:  # after the last row that can be read
        label_format = chunk.label_format if chunk else LabelFormat(is_sample)
        yield Chunk((str(path), bad_rows[0].unit), LabelledRows(bad_rows=bad_rows), [], [], label_format)


def _read_hub_dataset(args: DataArguments) -> Iterator[Chunk]:
    from datasets import load_dataset

    revision = args.dataset_revision or (HUB_REVISION if args.dataset_name == HUB_DATASET else None)
    try:
        dataset = load_dataset(args.dataset_name, revision=revision, split=args.dataset_split, streaming=args.streaming)
    except ConnectionError as error:
        raise ConnectionError(
            f"The data set {args.dataset_name} can't be reached on the Hub ({type(error).__name__}: {error}). Give "
            "local files with --data_files FILE, or train on the embedded sample with --config quickstart."
        ) from error
    features = dataset.features or {}
    start = 1
    for table in dataset.with_format("arrow").iter(BATCH_SIZE):
        batch = Batch(table, "row", list(range(start, start + len(table))))
        yield _to_chunk(args.dataset_name, batch, args, args.dataset_name == HUB_DATASET, features)
        start += len(table)


def _to_chunk(
    source: str, batch: Batch, args: DataArguments, is_sentiment140: bool, features: Mapping[str, Any] = {}
) -> Chunk:
    columns = batch.table.column_names
    label_column = args.label_column
    for name in args.label_probability_columns or []:
        label_column = check_column(source, columns, name)
    text_column, label_column = find_columns(source, columns, args.text_column, label_column)
    class_names = getattr(features.get(label_column), "names", None)
    class_names = class_names or find_class_names(batch.table.schema, label_column)
    label_format = LabelFormat.from_columns(columns, label_column, class_names)
    if is_sentiment140:
        label_format = replace(label_format, is_sentiment140=True)
    texts, labels = (column_values(source, batch.table, name) for name in (text_column, label_column))
    extra: dict[str, Sequence[Any]] = {}
    if args.weight_column is not None:
        extra["weights"] = column_values(source, batch.table, check_column(source, columns, args.weight_column))
    if args.label_probability_columns:
        names = args.label_names or []
        probabilities = [column_values(source, batch.table, name) for name in args.label_probability_columns]
        raw = list(zip(*probabilities))
        found = [parse_numbers(row, must_sum=True) for row in raw]
        labels = [names[0] if row is None else names[int(row.argmax())] for row in found]
        extra["label_probabilities"] = raw
    chunk = Chunk.from_values((source, batch.unit), batch.numbers, texts, labels, label_format, extra)
    chunk.rows.columns = columns
    return chunk


def check_column(source: str, columns: Sequence[str], name: str) -> str:
    """Raises:
    ValueError: There is no column of this name.
    """
    if name not in columns:
        raise ValueError(f"{source}: no column {name!r} among {list_names(columns)}. Name another column.")
    return name


def parse_numbers(value: Any, must_sum: bool = False) -> Optional[np.ndarray]:
    """Returns a number or numbers as an array; None if one is missing, negative or not finite.

    Args:
        value: A number or several, or texts of these.
        must_sum: Whether to divide the numbers by their sum; None if that is 0.
    """
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if not (np.isfinite(numbers).all() and (numbers >= 0).all()) or (must_sum and not numbers.any()):
        return None
    return numbers / numbers.sum() if must_sum else numbers


def training_labels(rows: LabelledRows) -> Union[list[int], np.ndarray]:
    """Returns what a model learns from the rows: the probabilities of the labels where there are any, else the ids."""
    return rows.labels if rows.label_probabilities is None else rows.label_probabilities


def training_weights(rows: LabelledRows, class_weights: Optional[Sequence[float]]) -> Optional[np.ndarray]:
    """Returns `(rows,)` float32 weights in the loss.

    Args:
        rows: The rows, with or without weights of their own.
        class_weights: What the weights of each label's rows are multiplied by; None where all weigh the same.
    """
    if class_weights is None:
        return None
    weights = np.asarray(class_weights)[rows.labels]
    return (weights if rows.weights is None else weights * rows.weights).astype(np.float32)


def count_weights(rows: LabelledRows, counts: Counter[int], weights: Counter[int]) -> None:
    """Adds the number of rows of each label id to `counts`, and the sum of their weights to `weights`."""
    counts.update(rows.labels)
    for label, weight in zip(rows.labels, [1.0] * len(rows) if rows.weights is None else rows.weights.tolist()):
        weights[label] += weight


def training_texts(rows: LabelledRows, args: DataArguments) -> list[str]:
    """Returns the texts of training rows, with emoticons where `emoticon_prob` asks for them."""
    return restore_emoticons(rows.texts, rows.labels, args.emoticon_prob) if args.emoticon_prob else rows.texts
