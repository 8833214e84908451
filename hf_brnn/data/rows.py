"""Reads a source: files, a data set on the Hub, or lists in memory become texts with label ids."""

import glob
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Optional

import numpy as np

from .arguments import HUB_DATASET, HUB_REVISION, SAMPLE_FILE, SAMPLE_FILES, DataArguments
from .arrow_file import is_saved_dataset
from .augmentation import restore_emoticons
from .bad_rows import BadRow, BadRowsError
from .batches import BATCH_SIZE, Batch, column_values
from .columns import find_class_names, find_columns, find_text_column
from .file_format import STDIO, SUFFIXES
from .files import check_is_local, is_known, read_batches
from .labels import NEUTRAL, LabelCounts, LabelFormat, label_key
from .problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from .targets import (
    LABEL_SEPARATOR,
    Label,
    TargetScale,
    read_indicators,
    read_label,
    read_probabilities,
    read_text,
    read_weight,
    to_array,
)
from .text import did_you_mean, list_names, shorten

# The id of a label that is not known.
UNKNOWN = -2
# What rows may hold besides texts and labels.
EXTRA = ("weights", "label_probabilities")

logger = logging.getLogger(__name__)


@dataclass
class LabelledRows:
    """Texts with label ids, and what was skipped.

    Attributes:
        columns: Names of the source's columns.
        texts: The texts. Those of a token classification have one space between two words.
        labels: For each text its label id, the ids of its labels, the ids of the tags of its words, or its numbers.
        label_names: Names of the labels, in the order of their ids.
        problem_type: The kind of problem.
        neutral: Number of neutral rows, which were skipped.
        bad_rows: Rows that can't be used.
        weights: `(rows,)` float32 weights of the rows in the loss; None where all weigh the same.
        label_probabilities: `(rows, num_labels)` float32 probabilities of the labels to train on, of which `labels` has
            the most probable one; None for hard labels.
    """

    columns: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    label_names: list[str] = field(default_factory=list)
    problem_type: str = SINGLE_LABEL
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
        chunk = Chunk.from_values(
            ("texts", "index"), range(len(texts)), texts, labels, LabelFormat(), DataArguments(), weights
        )
        counts = LabelCounts()
        chunk.add_to(counts)
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
            self.problem_type = other.problem_type
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
        labels = [map_label(label, ids.__getitem__, self.problem_type) for label in self.labels]
        return replace(self, labels=labels, label_names=names, label_probabilities=probabilities)

    def select(self, indices: Iterable[int]) -> "LabelledRows":
        """Returns the rows at `indices`, in that order."""
        indices = list(indices)
        return LabelledRows(
            columns=self.columns,
            texts=[self.texts[index] for index in indices],
            labels=[self.labels[index] for index in indices],
            label_names=self.label_names,
            problem_type=self.problem_type,
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
        labels: For each text its label, as `read_label` reads it.
        label_format: How the source writes its labels.
        label_column: The column of the labels.
    """

    place: tuple[str, str]
    rows: LabelledRows
    numbers: list[int]
    labels: list[Label]
    label_format: LabelFormat
    label_column: str = ""

    @classmethod
    def from_values(
        cls,
        place: tuple[str, str],
        numbers: Iterable[int],
        texts: Iterable[Any],
        labels: Iterable[Any],
        label_format: LabelFormat,
        args: DataArguments,
        weights: Optional[Sequence[Any]] = None,
    ) -> "Chunk":
        """Checks texts and labels; what can't be used becomes a bad row.

        Args:
            place: The source, and the unit that `numbers` count.
            numbers: For each row, its number.
            texts: For each row, its text.
            labels: For each row its label, or the fields of `label_columns` or `label_probability_columns`.
            label_format: How the source writes its labels.
            args: Tells what the labels are.
            weights: For each row, its weight.
        """
        rows = LabelledRows(problem_type=args.problem_type or SINGLE_LABEL)
        kept: list[int] = []
        found: list[Label] = []
        extra: dict[str, list[np.ndarray]] = {}
        for number, text, value, weight in zip(numbers, texts, labels, repeat(1) if weights is None else weights):
            numbers_of_row = {}
            try:
                text = read_text(text, rows.problem_type)
                if args.label_probability_columns:
                    probabilities = numbers_of_row["label_probabilities"] = read_probabilities(value)
                    label: Label = (args.label_names or [])[int(probabilities.argmax())]
                else:
                    label = _read_label(text, value, label_format, args)
                if weights is not None:
                    numbers_of_row["weights"] = read_weight(weight)
            except ValueError as error:
                rows.bad_rows.append(BadRow(*place, number, str(error)))
                continue
            for name, found_numbers in numbers_of_row.items():
                extra.setdefault(name, []).append(found_numbers)
            rows.texts.append(text)
            kept.append(number)
            found.append(label)
        for name, values in extra.items():
            setattr(rows, name, np.array(values, dtype=np.float32))
        return cls(place, rows, kept, found, label_format)

    def add_to(self, counts: LabelCounts) -> None:
        """Counts the labels of the rows."""
        counts.column = self.label_column or counts.column
        counts.add(self.place[0], self.label_format, self.label_values())

    def label_values(self) -> Iterable[str]:
        """Returns the labels to count: of each row one or several, of a regression none."""
        if self.rows.problem_type == SINGLE_LABEL:
            return self.labels  # type: ignore[return-value]
        return () if self.rows.problem_type == REGRESSION else chain.from_iterable(self.labels)  # type: ignore[arg-type]

    def encode(self, names: list[str]) -> LabelledRows:
        """Returns the rows with the ids of their labels among `names`, without neutral rows. Other labels are bad."""
        known = self.label_format.label_ids(names)
        ids = {label: known.get(label_key(label), UNKNOWN) for label in set(self.label_values())}
        labels = [map_label(label, ids.__getitem__, self.rows.problem_type) for label in self.labels]
        rows = replace(self.rows, labels=labels, label_names=names)
        if self.rows.problem_type == REGRESSION or not {NEUTRAL, UNKNOWN}.intersection(ids.values()):
            return rows
        skipped = (UNKNOWN,) if self.rows.problem_type == SINGLE_LABEL else (UNKNOWN, NEUTRAL)
        bad_rows = list(self.rows.bad_rows)
        for number, label in zip(self.numbers, self.labels):
            row_labels: Any = (label,) if self.rows.problem_type == SINGLE_LABEL else label
            for unknown in [name for name in row_labels if ids[name] in skipped][:1]:
                hint = did_you_mean(unknown, names)
                problem = f"label {shorten(unknown)} is not one of {list_names(names)}{hint and '.' + hint}"
                bad_rows.append(BadRow(*self.place, number, problem))
        neutral = rows.labels.count(NEUTRAL)
        rows = rows.select(
            index
            for index, label in enumerate(rows.labels)
            if (label if self.rows.problem_type == SINGLE_LABEL else min(label, default=0)) >= 0
        )
        rows.neutral = neutral
        rows.bad_rows = sorted(bad_rows, key=lambda bad_row: bad_row.number)
        return rows


def map_label(label: Any, mapping: Callable[[Any], Any], problem_type: str) -> Any:
    """Maps the label of a row, or each of its labels or tags; the numbers of a regression stay."""
    if problem_type == SINGLE_LABEL:
        return mapping(label)
    return label if problem_type == REGRESSION else tuple(map(mapping, label))


def _read_label(text: str, value: Any, label_format: LabelFormat, args: DataArguments) -> Label:
    """Reads the label of a row.

    Raises:
        ValueError: It can't be used. The message says why.
    """
    if args.label_columns and args.problem_type == MULTI_LABEL:
        value = read_indicators(value, args.label_columns)
    label = read_label(value, args.problem_type or SINGLE_LABEL, args.label_separator or LABEL_SEPARATOR, text)
    if label == "-1" and label_format.class_names:
        raise ValueError("no label")
    return label


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
        rows = LabelledRows(label_names=names, problem_type=args.problem_type or SINGLE_LABEL)
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
    if args.problem_type == REGRESSION:
        return args.label_names or [counts.column]
    try:
        if not counts and args.label_names is None:
            raise no_row_error(args)
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
        raise no_row_error(args, split)


def no_row_error(args: DataArguments, split: str = "train") -> ValueError:
    """Returns the error of a split without rows."""
    files = args.data_files if split == "train" else getattr(args, f"{split}_files")
    besides = " besides the skipped ones" if args.skip_bad_rows else ""
    return ValueError(
        f"{list_names(files or [args.dataset_name])}: no row with text and label{besides}. Name another source of rows."
    )


def split_files(args: DataArguments) -> dict[str, Optional[list[str]]]:
    """The files to read for `train`, `validation` and `test`; None for a set on the Hub. A split without files of its
    own is missing.

    Raises:
        FileNotFoundError: A pattern matches nothing.
        ValueError: A file of `train` is also one of another split, or held out.
    """
    files: dict[str, Optional[list[str]]] = {"train": source_files(args)}
    for split, patterns in (("validation", args.validation_files), ("test", args.test_files)):
        if patterns:
            files[split] = expand_patterns(patterns)
    train = {Path(file).resolve() for file in files["train"] or []}
    for name in ("validation_files", "test_files", "held_out_files"):
        for file in expand_patterns(getattr(args, name) or []):
            if Path(file).resolve() in train:
                raise ValueError(f"{file} is in both data_files and {name}. Name other files for one of them.")
    return files


def source_files(args: DataArguments) -> Optional[list[str]]:
    """The files of the source, patterns such as `tweets/*.parquet` replaced by what they match; None for a set on the
    Hub.

    Raises:
        FileNotFoundError: A pattern matches nothing.
    """
    if args.data_files is None:
        return [str(SAMPLE_FILES[args.dataset_name])] if args.dataset_name in SAMPLE_FILES else None
    return expand_patterns(args.data_files)


def expand_patterns(names: Iterable[str]) -> list[str]:
    """Replaces patterns of files by the files that they match, and folders by their files.

    Raises:
        FileNotFoundError: A pattern matches nothing, or a folder has no file of rows.
        ValueError: A name is empty, `-`, a URL or a model directory, or a file is named twice.
    """
    files: list[str] = []
    for name in names:
        if name == STDIO:
            raise ValueError("-: stdin can't be read here, because files are read more than once. Save it to a file.")
        check_is_local(name)
        if (Path(name) / "config.json").is_file():
            raise ValueError(f"{name} is a model directory, but files of rows were expected. Name these.")
        if Path(name).is_dir() and not is_saved_dataset(Path(name)):
            found = sorted(str(path) for path in Path(name).iterdir() if path.is_file() and is_known(path))
            if not found:
                raise FileNotFoundError(f"{name}: a folder without a file of rows ({', '.join(SUFFIXES)}).")
            files += found
            continue
        is_pattern = glob.has_magic(name) and not Path(name).exists()
        matches = sorted(glob.glob(name, recursive=True)) if is_pattern else [name]  # noqa: PTH207  absolute ones too
        if not matches:
            raise FileNotFoundError(f"{name}: no file matches this pattern. Check the path.")
        files += matches
    places: dict[Path, str] = {}
    for file in files:
        place = Path(file).resolve()
        if other := places.get(place):
            raise ValueError(
                f"{file} is named twice{'' if file == other else f', also as {other}'}, so that its rows would count "
                "twice. Name it once."
            )
        places[place] = file
    return files


def check_source(args: DataArguments) -> None:
    """Looks at the first rows of each file, to find what would stop the reading before anything else is loaded. A set
    on the Hub is not checked.

    Raises:
        What `load_rows` raises.
    """
    counts = LabelCounts()
    chunks: dict[str, list[Chunk]] = {}
    are_whole: dict[str, bool] = {}
    for split, files in split_files(args).items():
        if files is None:
            return
        firsts = [list(islice(_read_file(Path(file), args), 2)) for file in files]
        are_whole[split] = all(len(first) < 2 for first in firsts)
        chunks[split] = [chunk for first in firsts for chunk in first[:1]]
    for chunk in chain.from_iterable(chunks.values()):
        chunk.add_to(counts)
    for file in expand_patterns(args.held_out_files or []):
        for batch in islice(read_batches(Path(file), lambda bad_row: None, file_format=args.file_format), 1):
            find_text_column(file, batch.table.column_names, args.text_column, args.problem_type == TOKENS)
    if not all(are_whole.values()) and args.label_names is None:
        return
    every = list(chain.from_iterable(chunks.values()))
    names = resolve_label_names(args, counts, [bad_row for chunk in every for bad_row in chunk.rows.bad_rows])
    encoded = {split: [chunk.encode(names) for chunk in found] for split, found in chunks.items()}
    bad_rows = [bad_row for rows in chain.from_iterable(encoded.values()) for bad_row in rows.bad_rows]
    if bad_rows and not args.skip_bad_rows:
        raise BadRowsError(bad_rows)
    for split, found in encoded.items():
        if are_whole[split] and not any(map(len, found)):
            raise no_row_error(args, split)


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
            chunk.add_to(counts)
            if args.label_names is None:
                counts.check_number()
        yield chunk


def _read_file(path: Path, args: DataArguments) -> Iterator[Chunk]:
    bad_rows: list[BadRow] = []
    is_sample = path.exists() and path.samefile(SAMPLE_FILE)
    chunk: Optional[Chunk] = None
    for batch in read_batches(path, bad_rows.append, file_format=args.file_format):
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
            "local files with --data_files FILE, or train on the embedded sample: hf-brnn train --config quickstart."
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
    named = [check_column(source, columns, name) for name in args.label_columns or args.label_probability_columns or []]
    text_column, label_column = find_columns(
        source, columns, args.text_column, named[0] if named else args.label_column, args.problem_type == TOKENS
    )
    feature = features.get(label_column)
    class_names = getattr(getattr(feature, "feature", feature), "names", None)
    class_names = class_names or find_class_names(batch.table.schema, label_column)
    label_format = LabelFormat.from_columns(columns, label_column, class_names)
    if is_sentiment140 or args.problem_type != SINGLE_LABEL:
        label_format = replace(label_format, is_sentiment140=is_sentiment140)
    texts = column_values(source, batch, text_column)
    label_values: Iterable[Any] = column_values(source, batch, label_column)
    if named:
        label_values = zip(*(column_values(source, batch, name) for name in named))
    weights: Optional[list[Any]] = None
    if args.weight_column is not None:
        weights = column_values(source, batch, check_column(source, columns, args.weight_column))
    place = source, batch.unit
    chunk = Chunk.from_values(place, batch.numbers, texts, label_values, label_format, args, weights)
    chunk.rows.columns = columns
    chunk.label_column = label_column
    return chunk


def check_column(source: str, columns: Sequence[str], name: str) -> str:
    """Raises:
    ValueError: There is no column of this name.
    """
    if name not in columns:
        raise ValueError(f"{source}: no column {name!r} among {list_names(columns)}. Name another column.")
    return name


def training_labels(rows: LabelledRows, scale: Optional[TargetScale] = None) -> np.ndarray:
    """Returns what a model learns from the rows: the probabilities of the labels where there are any, else what
    `to_array` returns, for a regression on the scale of the training."""
    if rows.label_probabilities is not None:
        return rows.label_probabilities
    labels = to_array(rows.labels, rows.problem_type, len(rows.label_names))
    return labels if scale is None else scale.standardize(labels)


def training_weights(rows: LabelledRows, class_weights: Optional[Sequence[float]]) -> Optional[np.ndarray]:
    """Returns `(rows,)` float32 weights in the loss.

    Args:
        rows: The rows, with or without weights of their own.
        class_weights: What the weights of each label's rows are multiplied by, which is the same for all labels where
            rows don't have one label each; None where all rows weigh the same.
    """
    if class_weights is None:
        return None
    ids = rows.labels if rows.problem_type == SINGLE_LABEL else np.zeros(len(rows), np.int64)
    weights = np.asarray(class_weights)[ids]
    return (weights if rows.weights is None else weights * rows.weights).astype(np.float32)


def targets_of(rows: LabelledRows) -> np.ndarray:
    """Returns `(rows, num_labels)` float64 targets of a regression."""
    return np.array(rows.labels, np.float64).reshape(len(rows), len(rows.label_names))


def count_weights(rows: LabelledRows, counts: Counter[int], weights: Counter[int]) -> None:
    """Adds the number of rows of each label id to `counts`, and the sum of their weights to `weights`. Where rows don't
    have one label each, all count for the first."""
    ids = rows.labels if rows.problem_type == SINGLE_LABEL else [0] * len(rows)
    counts.update(ids)
    for label, weight in zip(ids, [1.0] * len(rows) if rows.weights is None else rows.weights.tolist()):
        weights[label] += weight


def training_texts(rows: LabelledRows, args: DataArguments) -> list[str]:
    """Returns the texts of training rows, with emoticons where `emoticon_prob` asks for them."""
    return restore_emoticons(rows.texts, rows.labels, args.emoticon_prob) if args.emoticon_prob else rows.texts
