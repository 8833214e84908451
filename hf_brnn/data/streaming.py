"""Training rows that are read again in each epoch, so that memory holds only a part of them."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Optional

import numpy as np

from .arguments import DataArguments
from .bad_rows import BadRow
from .dataset import LengthBatchSampler, tokenize, tokenize_words
from .labels import LabelCounts
from .problem_type import REGRESSION, SINGLE_LABEL, TOKENS
from .rows import (
    LabelledRows,
    count_weights,
    read_chunks,
    read_rows,
    report_skipped,
    resolve_label_names,
    source_files,
    split_files,
    targets_of,
    training_labels,
    training_texts,
    training_weights,
)
from .splits import read_held_out_keys
from .targets import TargetMoments, TargetScale, count_labels
from .text import text_key

EVAL_SPLITS = ("validation", "test")
EXCLUDED = "excluded"


@dataclass
class SplitThresholds:
    """What must be known of a stream before its rows can be assigned to splits and processes.

    Attributes:
        label_names: Names of the labels.
        test_limit: A text is for testing if its hash, a number in [0, 1), is below this limit.
        validation_limit: Else it is for validation if its hash is below this limit.
        train_rows: For each process, its number of training rows.
        class_weights: For each label, what the weights of its rows are multiplied by; None where all weigh the same.
        target_scale: The scale of the targets of a regression.
    """

    label_names: list[str]
    test_limit: float
    validation_limit: float
    train_rows: list[int] = field(default_factory=list)
    class_weights: Optional[list[float]] = None
    target_scale: Optional[TargetScale] = None

    @classmethod
    def from_args(cls, args: DataArguments) -> "SplitThresholds":
        """Finds the names of the labels and turns the sizes of the splits into thresholds. A split whose size is a
        number of rows gets about that many. Reads the source if names or sizes depend on it.

        Raises:
            ValueError: It is unclear what the labels mean, or no row is left to train on.
        """
        files = split_files(args)
        sizes = [0.0 if name in files else getattr(args, f"{name}_size") for name in ("test", "validation")]
        names = args.label_names
        if names is None or max(sizes) > 1:
            names, rows = _count_labels(args, files)
            # With no row at all, the scan that follows says what is wrong with the rows.
            sizes = [size / rows if size > 1 else size for size in sizes] if rows else [0, 0]
        if sum(sizes) >= 1:
            raise ValueError("No row is left to train on: lower --validation_size and --test_size.")
        return cls(names, sizes[0], sum(sizes))

    def save(self, path: Path) -> None:
        """Writes a json file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "SplitThresholds":
        """Reads what `save` writes."""
        values = json.loads(path.read_text(encoding="utf-8"))
        scale = values.pop("target_scale")
        return cls(**values, target_scale=None if scale is None else TargetScale(**scale))


def _count_labels(args: DataArguments, files: dict[str, Optional[list[str]]]) -> tuple[list[str], int]:
    """Returns the names of the labels and the number of rows to split."""
    counts, train_counts = LabelCounts(), LabelCounts()
    bad_rows: list[BadRow] = []
    rows = 0
    for split in files:
        for chunk in read_chunks(args, files[split], counts):
            bad_rows += chunk.rows.bad_rows
            if split == "train":
                chunk.add_to(train_counts)
                rows += len(chunk.labels)
    names = resolve_label_names(args, counts, bad_rows)
    return names, train_counts.count_rows(names) if args.problem_type == SINGLE_LABEL else rows


class StreamSplits:
    """Assigns rows to splits by a hash of their texts, so that duplicates never cross splits.

    Args:
        thresholds: The limits of the splits.
        args: The source, the seed of the hash, and the files whose texts no split may hold.
    """

    def __init__(self, thresholds: SplitThresholds, args: DataArguments) -> None:
        self.thresholds = thresholds
        self.seed = args.split_seed
        self.published: dict[str, LabelledRows] = {}
        self.excluded = read_held_out_keys(args)
        for name, files in split_files(args).items():
            if name != "train":
                rows = self.published[name] = LabelledRows(label_names=thresholds.label_names)
                for chunk in read_rows(args, thresholds.label_names, files):
                    rows.extend(chunk)
                self.excluded |= set(map(text_key, rows.texts))

    def split_of(self, text: str) -> str:
        """Returns `train`, `validation` or `test`, or `EXCLUDED` for a text that no split may hold."""
        key = text_key(text)
        if key in self.excluded:
            return EXCLUDED
        # Another hash than that of emoticons: else all texts of a split would have one, or none.
        digest = hashlib.blake2b(f"{self.seed} {key}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        if place < self.thresholds.test_limit:
            return "test"
        return "validation" if place < self.thresholds.validation_limit else "train"


def shard_rows(
    args: DataArguments, label_names: list[str], processes: int, order: Optional[Iterable[int]] = None
) -> Iterator[tuple[LabelledRows, np.ndarray]]:
    """Yields the rows of the source in chunks, each with the index of the process that reads each row.

    Processes take turns row by row within a file, and file by file in starting one: all get equal shares, whatever
    rows are blank and however small the files are.

    Args:
        args: The source.
        label_names: Names of the labels.
        processes: Number of processes.
        order: Order of the files; by default, that of `args`.
    """
    files = source_files(args)
    shards: list[tuple[int, Optional[list[str]]]] = [(0, None)]  # the set on the Hub
    if files is not None:
        shards = [(index, [files[index]]) for index in (range(len(files)) if order is None else order)]
    for start, shard in shards:
        for chunk in read_rows(args, label_names, shard):
            yield chunk, np.arange(start, start + len(chunk)) % processes
            start += len(chunk)


@dataclass
class SourceScan:
    """What `scan_source` finds.

    Attributes:
        train_rows: For each process, its number of training rows.
        rows: The first rows of the source, and what was skipped of all of them.
        eval_splits: The validation and the test split.
        labels: Number of rows of each label id.
        train_labels: Number of training rows of each label id.
        train_weights: Sum of the weights of the training rows of each label id.
        targets: Mean and variance of the targets of a regression, over the training rows.
    """

    train_rows: np.ndarray
    rows: LabelledRows = field(default_factory=LabelledRows)
    eval_splits: dict[str, LabelledRows] = field(default_factory=dict)
    labels: Counter[int] = field(default_factory=Counter)
    train_labels: Counter[int] = field(default_factory=Counter)
    train_weights: Counter[int] = field(default_factory=Counter)
    targets: TargetMoments = field(default_factory=TargetMoments)

    @property
    def sizes(self) -> Counter[str]:
        """Number of rows of each split."""
        return Counter({name: len(rows) for name, rows in self.eval_splits.items()} | {"train": self.train_rows.sum()})


def scan_source(args: DataArguments, splits: StreamSplits, scan: SourceScan) -> Iterator[str]:
    """Yields the texts of the training split and fills `scan` on the way, in one pass over the source.

    Raises:
        What `load_rows` raises.
        ValueError: No row is left to train on.
    """
    processes = len(scan.train_rows)
    scan.eval_splits = {name: splits.published.get(name, LabelledRows()) for name in EVAL_SPLITS}
    for name, rows in splits.published.items():
        report_skipped(rows, args, name)
    excluded = 0
    for chunk, owners in shard_rows(args, splits.thresholds.label_names, processes):
        by_split: dict[str, list[int]] = {"train": [], "validation": [], "test": [], EXCLUDED: []}
        for index, text in enumerate(chunk.texts):
            by_split[splits.split_of(text)].append(index)
        train = by_split["train"]
        excluded += len(by_split[EXCLUDED])
        for name in EVAL_SPLITS:
            scan.eval_splits[name].extend(chunk.select(by_split[name]))
        scan.train_rows += np.bincount(owners[train], minlength=processes)
        scan.labels.update(count_labels(chunk.labels, chunk.problem_type))
        scan.rows.extend(
            chunk if not scan.rows else replace(chunk.select([]), bad_rows=chunk.bad_rows, neutral=chunk.neutral)
        )
        training = chunk.select(train)
        count_weights(training, scan.train_labels, scan.train_weights)
        if args.problem_type == REGRESSION:
            scan.targets.add(targets_of(training))
        yield from training_texts(training, args)
    report_skipped(scan.rows, args)
    if excluded and not scan.train_rows.any():
        raise ValueError(
            "No row is left to train on: the texts of all rows for training are also in held_out_files, or in the "
            "validation or test split. Name other files, or add rows."
        )
    if not scan.train_rows.all():
        raise ValueError(
            f"No row is left to train on for {int((scan.train_rows == 0).sum())} of {processes} processes: lower "
            "--validation_size and --test_size, or add rows."
        )


class StreamedTexts:
    """The training split of a stream, as a data set for the loader of a `Trainer`.

    Batches are addressed by epoch and step, and the stream is read as far as that step; a resumed training continues
    with the same batches. A process keeps the rows that `shard_rows` gives it. It holds `shuffle_buffer_size` of them
    at a time and batches them as `LengthBatchSampler` does; the files come in random order. If a process has fewer rows
    than another, its last batches are filled up with rows that the loss ignores.

    Args:
        args: The source.
        splits: Assigns rows to splits.
        encode: Returns the ids of texts, as `tokenize` takes it.
        pad_token_id: Id of the padding token.
        unk_token_id: Id of the token for unknown words.
        process_index: Index of this process.
        batch_size: Number of rows per batch and process.
        seed: Seed of the order.
    """

    def __init__(
        self,
        args: DataArguments,
        splits: StreamSplits,
        encode: Callable[[list[str]], tuple[np.ndarray, np.ndarray]],
        pad_token_id: int,
        unk_token_id: int,
        process_index: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.args = args
        self.splits = splits
        self.encode = encode
        self.pad_token_id = pad_token_id
        self.unk_token_id = unk_token_id
        self.process_index = process_index
        self.processes = len(splits.thresholds.train_rows)
        self.batch_size = batch_size
        self.seed = seed
        self.steps = math.ceil(max(splits.thresholds.train_rows) / batch_size)
        self.buffer_size = max(args.shuffle_buffer_size // batch_size, 1) * batch_size
        self._blocks: Iterator[LabelledRows] = iter(())
        self._block = LabelledRows()
        self._place = (-1, -1)

    def __len__(self) -> int:
        """Number of rows that all processes read in an epoch; with several processes, fillers of batches included."""
        rows = self.splits.thresholds.train_rows
        return rows[0] if self.processes == 1 else self.steps * self.batch_size * self.processes

    def __getitems__(self, addresses: list[int]) -> dict[str, np.ndarray]:
        """Returns the batch of this process in the step that the addresses of a `StreamSampler` belong to."""
        epoch, place = divmod(addresses[0], len(self))
        rows = self._rows_of_step(epoch, place // (self.batch_size * self.processes))
        return self._tokenized.batch(rows)

    def _rows_of_step(self, epoch: int, step: int) -> np.ndarray:
        """Reads the block that holds a step; returns the step's rows in the block, -1 for a filler."""
        number, step_in_block = divmod(step, self.buffer_size // self.batch_size)
        if self._place != (epoch, number):
            self._read_block(epoch, number)
        return self._order[step_in_block * self.batch_size :][: self.batch_size]

    def _read_block(self, epoch: int, number: int) -> None:
        if epoch != self._place[0] or number < self._place[1]:
            self._blocks, self._place = self._read_blocks(epoch), (epoch, -1)
        for _ in range(number - self._place[1]):
            self._block = next(self._blocks)
        self._place = (epoch, number)
        thresholds = self.splits.thresholds
        texts = training_texts(self._block, self.args)
        labels = training_labels(self._block, thresholds.target_scale)
        weights = training_weights(self._block, thresholds.class_weights)
        if self.args.problem_type == TOKENS:
            tokenized = tokenize_words(texts, self.encode, self.pad_token_id, self.unk_token_id, labels, weights)
        else:
            tokenized = tokenize(texts, self.encode, self.pad_token_id, labels, weights=weights)
        self._tokenized = tokenized.cut(self.args.max_length)
        sampler = LengthBatchSampler(self._tokenized.lengths, self.batch_size, self.seed + number)
        sampler.set_epoch(epoch)
        order = list(sampler)
        self._order = np.array(order + [-1] * (self.buffer_size - len(order) if self.processes > 1 else 0))

    def _read_blocks(self, epoch: int) -> Iterator[LabelledRows]:
        nothing = LabelledRows(
            label_names=self.splits.thresholds.label_names, problem_type=self.args.problem_type or SINGLE_LABEL
        )
        waiting = nothing.select([])
        for chunk in self._read_chunks(epoch):
            waiting.extend(chunk)
            while len(waiting) >= self.buffer_size:
                yield waiting.select(range(self.buffer_size))
                waiting = waiting.select(range(self.buffer_size, len(waiting)))
        while True:  # other processes may have one block more
            yield waiting
            waiting = nothing.select([])

    def _read_chunks(self, epoch: int) -> Iterator[LabelledRows]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(source_files(self.args) or []))
        for chunk, owners in shard_rows(self.args, self.splits.thresholds.label_names, self.processes, order):
            own = np.flatnonzero(owners == self.process_index).tolist()
            yield chunk.select(index for index in own if self.splits.split_of(chunk.texts[index]) == "train")


class StreamSampler:
    """Addresses of the rows of a `StreamedTexts`: the epoch times its length, plus the row's place in the epoch."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.length, (self.epoch + 1) * self.length))
