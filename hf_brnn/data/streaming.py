"""Training rows that are read anew in each epoch, so that memory holds a part of them at a time."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Optional

import numpy as np
from tokenizers import Tokenizer

from .arguments import DataArguments
from .dataset import LengthBatchSampler, tokenize
from .rows import LabelledRows, read_rows, report_left_out, source_files, training_texts
from .splits import read_held_out_keys
from .text import text_key


@dataclass
class SplitThresholds:
    """What a pass over the source must have found before its rows can be dealt.

    Attributes:
        test_limit: Share of the checksums that belongs to the test part.
        validation_limit: The same for test and validation part together.
        train_rows: For each process, its number of training rows.
    """

    test_limit: float
    validation_limit: float
    train_rows: list[int] = field(default_factory=list)

    @classmethod
    def from_sizes(cls, args: DataArguments) -> "SplitThresholds":
        """Counts the rows if a size of `args` is a number of them; the part then has about so many.

        Raises:
            ValueError: Nothing is left to train on.
        """
        sizes = [args.test_size, args.validation_size]
        if max(sizes) > 1:
            rows = sum(map(len, read_rows(args)))
            # Where there is none, the pass that follows says what is wrong with the rows.
            sizes = [size / rows if size > 1 else size for size in sizes] if rows else [0, 0]
        if sum(sizes) >= 1:
            raise ValueError("No row is left to train on: lower validation_size and test_size.")
        return cls(sizes[0], sum(sizes))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "SplitThresholds":
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class StreamSplits:
    """Deals rows to train, validation and test by a checksum of their texts, so that a text is in one of them only.

    Args:
        plan: The limits of the parts.
        args: Seed of the checksums, and the files whose texts no part may hold.
    """

    def __init__(self, plan: SplitThresholds, args: DataArguments) -> None:
        self.plan = plan
        self.seed = args.split_seed
        self.held_out = read_held_out_keys(args)

    def part_of(self, text: str) -> Optional[str]:
        """`train`, `validation` or `test`, or None for a text that is held out."""
        key = text_key(text)
        if key in self.held_out:
            return None
        # Not the checksum that emoticons are restored by: a part would have all of them or none.
        digest = hashlib.blake2b(f"{self.seed} {key}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        if share < self.plan.test_limit:
            return "test"
        return "validation" if share < self.plan.validation_limit else "train"


def shard_rows(
    args: DataArguments, processes: int, order: Optional[Iterable[int]] = None
) -> Iterator[tuple[LabelledRows, np.ndarray]]:
    """Yields the rows of the source chunk by chunk, each with the processes that its rows go to. These take turns
    within a file, and one after the other begins a file, so that neither blank lines nor small files leave one of them
    without rows.

    Args:
        args: The source.
        processes: Their number.
        order: Order of the files; by default, that of `args`.
    """
    files = source_files(args)
    places = range(len(files)) if order is None else order
    for place, source in [(place, [files[place]]) for place in places] or [(0, [])]:
        start = place
        for chunk in read_rows(args, source):
            yield chunk, np.arange(start, start + len(chunk)) % processes
            start += len(chunk)


class FirstPass:
    """The pass over the source that the tokenizer is trained in, and what it finds on the way.

    Attributes:
        rows: The first rows of the source, and what was left out of all of them.
        held_out: The validation and the test part, which are held in memory.
        sizes: Number of rows by part.
        classes: Number of rows by class id.
        train_rows: For each process, its number of training rows.
    """

    def __init__(self, args: DataArguments, splits: StreamSplits, processes: int) -> None:
        self.args = args
        self.splits = splits
        self.rows = LabelledRows()
        self.held_out = {"validation": LabelledRows(), "test": LabelledRows()}
        self.sizes: Counter[str] = Counter()
        self.classes: Counter[int] = Counter()
        self.train_rows = np.zeros(processes, dtype=np.int64)

    def train_texts(self) -> Iterator[str]:
        """Yields the texts of the training part.

        Raises:
            What `load_rows` raises.
            ValueError: No row is left to train on.
        """
        for chunk, processes in shard_rows(self.args, len(self.train_rows)):
            by_part: dict[Optional[str], list[int]] = {"train": []}
            for index, text in enumerate(chunk.texts):
                by_part.setdefault(self.splits.part_of(text), []).append(index)
            train = by_part.pop("train")
            by_part.pop(None, None)
            for name, indices in by_part.items():
                self.held_out[name].extend(chunk.select(indices))  # type: ignore[index]
            self.train_rows += np.bincount(processes[train], minlength=len(self.train_rows))
            self.classes.update(chunk.labels)
            self.rows.extend(
                chunk if not self.rows else replace(chunk.select([]), bad_rows=chunk.bad_rows, neutral=chunk.neutral)
            )
            yield from training_texts(chunk.select(train), self.args)
        report_left_out(self.rows, self.args)
        self.sizes = Counter({name: len(part) for name, part in self.held_out.items()})
        self.sizes["train"] = int(self.train_rows.sum())
        if not self.train_rows.all():
            raise ValueError("No row is left to train on: lower validation_size and test_size.")


class StreamedTexts:
    """The training part of a stream, for the loader of a `Trainer`: batches are asked for by their place in an epoch,
    and the stream is read as far as that place.

    A process keeps the rows that `shard_rows` gives it. It holds `shuffle_buffer_size` of them at a time and batches
    them as `LengthBatchSampler` does; the files come in random order. Where a process has fewer rows than another,
    its last batches are filled with texts that no loss counts.

    Args:
        args: The source.
        splits: Say which rows are for training.
        tokenizer: Turns texts to ids.
        pad_token_id: Id that fills a batch's shorter rows.
        process_index: Which process this is.
        batch_size: Rows of a batch of one process.
        seed: Of the order.
    """

    def __init__(
        self,
        args: DataArguments,
        splits: StreamSplits,
        tokenizer: Tokenizer,
        pad_token_id: int,
        process_index: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.args = args
        self.splits = splits
        self.tokenizer = tokenizer
        self.pad_token_id = pad_token_id
        self.process_index = process_index
        self.processes = len(splits.plan.train_rows)
        self.batch_size = batch_size
        self.seed = seed
        self.steps = math.ceil(max(splits.plan.train_rows) / batch_size)
        self.buffer_size = max(args.shuffle_buffer_size // batch_size, 1) * batch_size
        self._blocks: Iterator[LabelledRows] = iter(())
        self._block = LabelledRows()
        self._place = (-1, -1)

    def __len__(self) -> int:
        """Number of rows that all processes read in an epoch; of several processes, with what fills their batches."""
        rows = self.splits.plan.train_rows
        return rows[0] if self.processes == 1 else self.steps * self.batch_size * self.processes

    def __getitems__(self, addresses: list[int]) -> dict[str, np.ndarray]:
        """The batch of this process in the step that the addresses of a `StreamSampler` belong to."""
        epoch, place = divmod(addresses[0], len(self))
        rows = self._rows_of_step(epoch, place // (self.batch_size * self.processes))
        return self._tokenized.batch(rows)

    def rows_of_batches(self, epoch: int, start: int, end: int) -> LabelledRows:
        """What this process reads in its batches from `start` to `end` of an epoch."""
        read = LabelledRows()
        for step in range(start, min(end, self.steps)):
            rows = self._rows_of_step(epoch, step)
            read.extend(self._block.select(rows[rows >= 0].tolist()))
        return read

    def _rows_of_step(self, epoch: int, step: int) -> np.ndarray:
        """Makes the block of the step the one at hand; returns its rows there, -1 for what fills the batch."""
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
        tokenized = tokenize(
            training_texts(self._block, self.args), self.tokenizer, self.pad_token_id, self._block.labels
        )
        self._tokenized = tokenized.cut(self.args.max_length)
        sampler = LengthBatchSampler(self._tokenized.lengths, self.batch_size, self.seed + number)
        sampler.set_epoch(epoch)
        order = list(sampler)
        self._order = np.array(order + [-1] * (self.buffer_size - len(order) if self.processes > 1 else 0))

    def _read_blocks(self, epoch: int) -> Iterator[LabelledRows]:
        waiting = LabelledRows()
        for chunk in self._read_chunks(epoch):
            waiting.extend(chunk)
            while len(waiting) >= self.buffer_size:
                yield waiting.select(range(self.buffer_size))
                waiting = waiting.select(range(self.buffer_size, len(waiting)))
        while True:  # the last steps of other processes may be in a block of their own
            yield waiting
            waiting = LabelledRows()

    def _read_chunks(self, epoch: int) -> Iterator[LabelledRows]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(source_files(self.args)))
        for chunk, processes in shard_rows(self.args, self.processes, order):
            own = np.flatnonzero(processes == self.process_index).tolist()
            yield chunk.select(index for index in own if self.splits.part_of(chunk.texts[index]) == "train")


class StreamSampler:
    """The addresses of a `StreamedTexts` in their order: the epoch, times its length, plus the place in it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.length, (self.epoch + 1) * self.length))
