"""From a source of rows to the tokenizer and the token ids that a training reads, made by one process for all."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Union

import pyarrow as pa
import pyarrow.parquet as pq
import torch.distributed as dist
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerFast

from ..data.arguments import DataArguments
from ..data.dataset import TokenizedDataset, tokenize
from ..data.rows import LabelledRows, load_rows, training_texts
from ..data.splits import split_rows
from ..data.streaming import FirstPass, SplitThresholds, StreamedTexts, StreamSplits
from ..data.summary import describe
from ..model.tokenization_brnn import save_tokenizer, train_tokenizer
from .arguments import BrnnTrainingArguments

TRAIN_ROWS = "train_rows.parquet"
EVAL_SPLITS = ("validation", "test")
STREAM_PLAN = "stream.json"
SUMMARY = "summary.txt"
LONGEST_PREPARATION = timedelta(days=7)


@dataclass
class PreparedData:
    """What a training reads.

    Attributes:
        tokenizer: The tokenizer.
        train: The training split.
        eval_splits: The `validation` and the `test` split, where there are any.
        label_names: Names of the labels, in the order of their ids.
        summary: A summary of the source, for people.
    """

    tokenizer: PreTrainedTokenizerFast
    train: Union[TokenizedDataset, StreamedTexts]
    eval_splits: dict[str, TokenizedDataset]
    label_names: list[str]
    summary: str = ""


def prepare_data(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> PreparedData:
    """Reads, splits and tokenizes the data in the main process; the others wait and map its files into memory. With
    `streaming`, the training part is not tokenized now.

    Args:
        data_args: The source, the splits and the tokenizer.
        training_args: Tells which process this is.
        folder: Where tokenizer and tokenized splits are kept.

    Raises:
        ValueError: The processes don't see the same data.
        What `load_rows`, `split_rows` and `train_tokenizer` raise.
    """
    with _others_waiting(training_args):
        if training_args.should_save:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            if data_args.streaming:
                _write_stream(data_args, training_args, folder)
            else:
                _write_data(data_args, training_args, folder)
    _check_all_read_the_same(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    eval_splits = {
        name: TokenizedDataset.load(folder / f"{name}.arrow", tokenizer.pad_token_id)
        for name in EVAL_SPLITS
        if (folder / f"{name}.arrow").exists()
    }
    train: Union[TokenizedDataset, StreamedTexts]
    if data_args.streaming:
        train = StreamedTexts(
            data_args,
            StreamSplits(SplitThresholds.load(folder / STREAM_PLAN), data_args),
            tokenizer.backend_tokenizer,
            tokenizer.pad_token_id,
            training_args.process_index,
            training_args.train_batch_size,
            seed_of_order(training_args),
        )
    else:
        train = TokenizedDataset.load(folder / "train.arrow", tokenizer.pad_token_id)
    summary = (folder / SUMMARY).read_text(encoding="utf-8")
    return PreparedData(tokenizer, train, eval_splits, data_args.label_names, summary)


@contextmanager
def _others_waiting(training_args: BrnnTrainingArguments) -> Iterator[None]:
    """Holds the processes at the end of the block until the last of them is there, however long it works:
    `ddp_timeout` is meant for steps."""
    if training_args.world_size == 1:
        yield
        return
    group = dist.new_group(timeout=LONGEST_PREPARATION, backend="gloo")
    yield
    dist.barrier(group)
    dist.destroy_process_group(group)


def seed_of_order(training_args: BrnnTrainingArguments) -> int:
    return training_args.seed if training_args.data_seed is None else training_args.data_seed


def _check_all_read_the_same(folder: Path) -> None:
    parts = [part for part in (folder / SUMMARY, folder / "tokenizer" / "tokenizer.json") if part.exists()]
    digests = gather_object([hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()])
    if len(set(digests)) > 1:
        raise ValueError(
            f"The processes don't see the same data in {folder}: machines without a shared disk need "
            "--save_on_each_node True and the same files."
        )


def _write_data(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> None:
    rows = load_rows(data_args)
    splits = split_rows(rows, data_args)
    splits["train"] = replace(splits["train"], texts=training_texts(splits["train"], data_args))
    tokenizer = train_tokenizer(splits["train"].texts, data_args.vocab_size, data_args.min_frequency)
    save_tokenizer(tokenizer, folder / "tokenizer")
    pq.write_table(places_of(splits["train"]), folder / TRAIN_ROWS)
    train = _tokenize(splits.pop("train"), tokenizer, training_args)
    train.cut(data_args.max_length).save(folder / "train.arrow")
    for name, part in splits.items():
        _tokenize(part, tokenizer, training_args).save(folder / f"{name}.arrow")
    sizes = {name: len(part) for name, part in splits.items()} | {"train": len(train)}
    _write_summary(describe(rows, sizes, Counter(rows.labels), train.lengths, data_args), tokenizer, folder)


def _write_stream(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> None:
    plan = SplitThresholds.from_sizes(data_args)
    first_pass = FirstPass(data_args, StreamSplits(plan, data_args), training_args.world_size)
    tokenizer = train_tokenizer(first_pass.train_texts(), data_args.vocab_size, data_args.min_frequency)
    save_tokenizer(tokenizer, folder / "tokenizer")
    replace(plan, train_rows=first_pass.train_rows.tolist()).save(folder / STREAM_PLAN)
    for name, part in first_pass.held_out.items():
        if part:
            _tokenize(part, tokenizer, training_args).save(folder / f"{name}.arrow")
    rows = first_pass.rows
    lengths = _tokenize(rows, tokenizer, training_args).lengths
    _write_summary(describe(rows, first_pass.sizes, first_pass.classes, lengths, data_args), tokenizer, folder)


def _tokenize(
    rows: LabelledRows, tokenizer: PreTrainedTokenizerFast, training_args: BrnnTrainingArguments
) -> TokenizedDataset:
    is_main = training_args.process_index == 0
    return tokenize(rows.texts, tokenizer.backend_tokenizer, tokenizer.pad_token_id, rows.labels, show_progress=is_main)


def _write_summary(summary: str, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    (folder / SUMMARY).write_text(f"{summary}\nvocabulary {len(tokenizer):,} words\n", encoding="utf-8")


def places_of(rows: LabelledRows) -> pa.Table:
    """Columns `source`, with the unit that it is counted in, and `number`."""
    names = pa.array([f"{Path(source).name}, {unit}" for source, unit in rows.sources])
    sources = pa.DictionaryArray.from_arrays(pa.array(rows.source_ids, pa.int32()), names)
    return pa.table({"source": sources, "number": pa.array(rows.numbers, pa.int64())})
