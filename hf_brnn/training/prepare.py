"""Turns a source of rows into a tokenizer and token ids. One process does it, the others wait."""

import hashlib
import json
import logging
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch.distributed as dist
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerFast

from ..data.arguments import DataArguments
from ..data.dataset import TokenizedDataset, tokenize, tokenize_words
from ..data.labels import label_key
from ..data.problem_type import REGRESSION, SINGLE_LABEL, TOKENS
from ..data.rows import (
    LabelledRows,
    count_weights,
    load_splits,
    targets_of,
    training_labels,
    training_texts,
    training_weights,
)
from ..data.splits import split_rows
from ..data.streaming import SourceScan, SplitThresholds, StreamedTexts, StreamSplits, scan_source
from ..data.summary import describe
from ..data.targets import TargetMoments, TargetScale, count_labels, to_array
from ..data.text import did_you_mean
from ..model.text_encoder import TextEncoder
from ..model.tokenization_brnn import extend_tokenizer, save_tokenizer, train_tokenizer
from .arguments import BrnnTrainingArguments
from .base_model import BaseModel
from .options import parse_class_weight

EVAL_SPLITS = ("validation", "test")
STREAM_THRESHOLDS = "stream.json"
LABELS = "labels.json"
SUMMARY = "summary.txt"
LONGEST_PREPARATION = timedelta(days=7)
# A label with fewer training rows is hard to learn.
FEW_ROWS = 20
MOST = 0.5

logger = logging.getLogger(__name__)


@dataclass
class PreparedData:
    """What a training reads.

    Attributes:
        tokenizer: The tokenizer.
        train: The training split.
        eval_splits: The `validation` and the `test` split, where there are any.
        label_names: Names of the labels, in the order of their ids.
        problem_type: The kind of problem.
        target_scale: The scale of the targets of a regression.
        summary: A summary of the source, for people.
    """

    tokenizer: PreTrainedTokenizerFast
    train: Union[TokenizedDataset, StreamedTexts]
    eval_splits: dict[str, TokenizedDataset]
    label_names: list[str]
    problem_type: str = SINGLE_LABEL
    target_scale: Optional[TargetScale] = None
    summary: str = ""


def prepare_data(
    data_args: DataArguments,
    training_args: BrnnTrainingArguments,
    folder: Path,
    rows: Optional[LabelledRows] = None,
    base: Optional[BaseModel] = None,
) -> PreparedData:
    """Reads, splits and tokenizes the data in the main process; the others wait and map its files into memory. With
    `streaming`, the training split is tokenized while training.

    Args:
        data_args: The source, the splits and the tokenizer.
        training_args: Tells which process this is.
        folder: Where tokenizer and tokenized splits are kept.
        rows: Rows in memory, such as `LabelledRows.from_lists` makes, to read instead of the source.
        base: The model that the training starts from, if any: its words, and its labels if they are those of the rows.

    Raises:
        ValueError: The processes don't see the same data, or `streaming` is given with `rows`.
        What `load_splits`, `split_rows` and `train_tokenizer` raise.
    """
    if data_args.streaming and rows is not None:
        raise ValueError("streaming reads files: leave it out for rows in memory.")
    with _others_waiting(training_args):
        if training_args.should_save:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            if data_args.streaming:
                _write_stream(data_args, training_args, folder, base)
            else:
                _write_data(data_args, training_args, folder, rows, base)
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
            StreamSplits(SplitThresholds.load(folder / STREAM_THRESHOLDS), data_args),
            TextEncoder(tokenizer.backend_tokenizer),
            tokenizer.pad_token_id,
            tokenizer.unk_token_id,
            training_args.process_index,
            training_args.train_batch_size,
            seed_of_order(training_args),
        )
    else:
        train = TokenizedDataset.load(folder / "train.arrow", tokenizer.pad_token_id)
    summary = (folder / SUMMARY).read_text(encoding="utf-8")
    labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    scale = labels["target_scale"]
    return PreparedData(
        tokenizer,
        train,
        eval_splits,
        labels["label_names"],
        labels["problem_type"],
        None if scale is None else TargetScale(**scale),
        summary,
    )


@contextmanager
def _others_waiting(training_args: BrnnTrainingArguments) -> Iterator[None]:
    """Makes all processes wait at the end of the block for the slowest one, up to `LONGEST_PREPARATION`.
    `ddp_timeout` is too short: it is the limit of a step."""
    if training_args.world_size == 1:
        yield
        return
    group = dist.new_group(timeout=LONGEST_PREPARATION, backend="gloo")
    yield
    dist.barrier(group)
    dist.destroy_process_group(group)


def seed_of_order(training_args: BrnnTrainingArguments) -> int:
    """Returns the seed of the order of training rows."""
    return training_args.seed if training_args.data_seed is None else training_args.data_seed


def _check_all_read_the_same(folder: Path) -> None:
    files = [file for file in (folder / SUMMARY, folder / "tokenizer" / "tokenizer.json") if file.exists()]
    digests = gather_object([hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()])
    if len(set(digests)) > 1:
        raise ValueError(
            f"The processes don't see the same data in {folder}: machines without a shared disk need "
            "--save_on_each_node True and the same files."
        )


def _write_data(
    data_args: DataArguments,
    training_args: BrnnTrainingArguments,
    folder: Path,
    rows: Optional[LabelledRows],
    base: Optional[BaseModel],
) -> None:
    source = load_splits(data_args) if rows is None else {"train": rows}
    if base is not None and data_args.label_names is None:
        names = base.continued_labels(source["train"].label_names, source["train"].problem_type)
        source = {name: split.with_label_names(names) for name, split in source.items()}
    data_args.check_label_names(source["train"].label_names)
    splits = split_rows(source["train"], data_args, source)
    problem_type = splits["train"].problem_type
    classes = sum((count_labels(split.labels, problem_type) for split in source.values()), Counter())
    scale = None
    if problem_type == REGRESSION:
        moments = TargetMoments()
        moments.add(targets_of(splits["train"]))
        scale = moments.scale(splits["train"].label_names)
    else:
        warn_of_rare_labels(count_labels(splits["train"].labels, problem_type), splits["train"].label_names)
    _write_labels(splits["train"].label_names, problem_type, scale, folder)
    splits["train"] = replace(splits["train"], texts=training_texts(splits["train"], data_args))
    tokenizer = _make_tokenizer(splits["train"].texts, data_args, base)
    save_tokenizer(tokenizer, folder / "tokenizer")
    rows = splits.pop("train")
    counts, sums = Counter[int](), Counter[int]()
    count_weights(rows, counts, sums)
    is_weighted = rows.weights is not None
    class_weights = scale_class_weights(training_args.class_weight, rows.label_names, counts, sums, is_weighted)
    labels, weights = training_labels(rows, scale), training_weights(rows, class_weights)
    train = _tokenize(rows, tokenizer, training_args, labels, weights)
    warn_of_new_words(train, tokenizer, base)
    train.cut(data_args.max_length).save(folder / "train.arrow")
    for name, split in splits.items():
        _write_split(split, name, tokenizer, data_args, training_args, folder)
    sizes = {name: len(split) for name, split in splits.items()} | {"train": len(train)}
    summary = describe(source["train"], sizes, classes, train.lengths, data_args, scale)
    _write_summary(summary, tokenizer, folder, base)


def _write_stream(
    data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path, base: Optional[BaseModel]
) -> None:
    thresholds = SplitThresholds.from_args(data_args)
    if base is not None and data_args.label_names is None:
        thresholds = replace(
            thresholds,
            label_names=base.continued_labels(thresholds.label_names, data_args.problem_type or SINGLE_LABEL),
        )
    scan = SourceScan(np.zeros(training_args.world_size, dtype=np.int64))
    train_texts = scan_source(data_args, StreamSplits(thresholds, data_args), scan)
    tokenizer = _make_tokenizer(train_texts, data_args, base)
    save_tokenizer(tokenizer, folder / "tokenizer")
    scale, problem_type = None, data_args.problem_type or SINGLE_LABEL
    if problem_type == REGRESSION:
        scale = scan.targets.scale(thresholds.label_names)
    else:
        warn_of_rare_labels(scan.labels, thresholds.label_names)
    _write_labels(thresholds.label_names, problem_type, scale, folder)
    class_weights = scale_class_weights(
        training_args.class_weight,
        thresholds.label_names,
        scan.train_labels,
        scan.train_weights,
        data_args.weight_column is not None,
    )
    replace(thresholds, train_rows=scan.train_rows.tolist(), class_weights=class_weights, target_scale=scale).save(
        folder / STREAM_THRESHOLDS
    )
    for name, split in scan.eval_splits.items():
        if split:
            _write_split(split, name, tokenizer, data_args, training_args, folder)
    examples = _tokenize(scan.rows, tokenizer, training_args)
    warn_of_new_words(examples, tokenizer, base)
    summary = describe(scan.rows, scan.sizes, scan.labels, examples.lengths, data_args, scale)
    _write_summary(summary, tokenizer, folder, base)


def _make_tokenizer(
    texts: Iterable[str], data_args: DataArguments, base: Optional[BaseModel]
) -> PreTrainedTokenizerFast:
    if base is None:
        return train_tokenizer(texts, data_args.vocab_size or sys.maxsize, data_args.min_frequency)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base.path)
    if data_args.extend_vocabulary:
        return extend_tokenizer(tokenizer, texts, data_args.vocab_size, data_args.min_frequency)
    for _ in texts:  # a stream finds its splits on the way
        pass
    return extend_tokenizer(tokenizer, [], None, 1)


def warn_of_rare_labels(labels: Counter[int], names: list[str]) -> None:
    """Logs a warning for labels that have too few training rows to be learned.

    Args:
        labels: Number of rows of each label id.
        names: Names of the labels.

    Raises:
        ValueError: All rows have the same label.
    """
    if len(labels) < 2:
        name = names[next(iter(labels))]
        raise ValueError(f"All training rows have the label {name!r}: add rows with other labels.")
    if rare := {name: labels[index] for index, name in enumerate(names) if labels[index] < FEW_ROWS}:
        found = ", ".join(f"{name} ({count} rows)" for name, count in rare.items())
        logger.warning("Fewer than %d training rows for labels: %s. Add rows or merge labels.", FEW_ROWS, found)


def _write_split(
    rows: LabelledRows,
    name: str,
    tokenizer: PreTrainedTokenizerFast,
    data_args: DataArguments,
    training_args: BrnnTrainingArguments,
    folder: Path,
) -> None:
    """Writes the tokenized rows of the validation or the test split."""
    tokenized = _tokenize(rows, tokenizer, training_args)
    tokenized.save(folder / f"{name}.arrow")
    warn_of_unknown_words(tokenized, tokenizer, name, data_args)


def warn_of_unknown_words(
    tokenized: TokenizedDataset, tokenizer: PreTrainedTokenizerFast, split: str, data_args: DataArguments
) -> None:
    """Logs a warning if most tokens of a split are unknown words: nothing can be learned about them."""
    share = (tokenized.token_ids == tokenizer.unk_token_id).mean() if len(tokenized.token_ids) else 0
    if share > MOST:
        advice = ["Add rows"]
        if data_args.min_frequency > 1:
            advice.append("lower --min_frequency")
        if data_args.vocab_size is not None:
            advice.append("raise --vocab_size")
        if not data_args.extend_vocabulary:
            advice.append("add --extend_vocabulary to training that starts from a model")
        logger.warning(
            "%.0f %% of the words of the %s split are not in the vocabulary. %s.",
            100 * share,
            split,
            ", or ".join(advice),
        )


def warn_of_new_words(train: TokenizedDataset, tokenizer: PreTrainedTokenizerFast, base: Optional[BaseModel]) -> None:
    """Logs a warning if most words of the training rows are unknown to the model that the training starts from."""
    if base is None or not len(train.token_ids):
        return
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    is_new = np.array([word not in base.vocabulary or word == tokenizer.unk_token for word in words])
    share = is_new[train.token_ids].mean()
    if share > MOST:
        logger.warning(
            "%.0f %% of the words of the training rows are new to %s, which the training starts from. If they are in "
            "another language, compare with --config quickstart --test_size 0, which starts from random weights.",
            100 * share,
            base.public_name,
        )


def _write_labels(names: list[str], problem_type: str, scale: Optional[TargetScale], folder: Path) -> None:
    labels = {
        "label_names": names,
        "problem_type": problem_type,
        "target_scale": None if scale is None else asdict(scale),
    }
    (folder / LABELS).write_text(json.dumps(labels), encoding="utf-8")


def _tokenize(
    rows: LabelledRows,
    tokenizer: PreTrainedTokenizerFast,
    training_args: BrnnTrainingArguments,
    labels: Optional[np.ndarray] = None,
    weights: Optional[np.ndarray] = None,
) -> TokenizedDataset:
    """Tokenizes rows, by default with the labels to measure on."""
    shows_progress = training_args.process_index == 0 and not training_args.disable_tqdm
    encode = TextEncoder(tokenizer.backend_tokenizer)
    if labels is None:
        labels = to_array(rows.labels, rows.problem_type, len(rows.label_names))
    if rows.problem_type == TOKENS:
        return tokenize_words(rows.texts, encode, tokenizer.pad_token_id, tokenizer.unk_token_id, labels, weights)
    return tokenize(rows.texts, encode, tokenizer.pad_token_id, labels, shows_progress, weights)


def scale_class_weights(
    class_weight: Optional[list[str]],
    names: list[str],
    counts: Mapping[int, int],
    sums: Mapping[int, float],
    is_weighted: bool,
) -> Optional[list[float]]:
    """Returns for each label what the weights of its rows are multiplied by, so that the mean weight of the training
    rows is 1; None where all weigh the same.

    Args:
        class_weight: The option: `balanced`, or NAME=NUMBER for some labels; the others have weight 1.
        names: Names of the labels, in the order of their ids.
        counts: Number of training rows of each label id.
        sums: Sum of the weights of the training rows of each label id.
        is_weighted: Whether rows have weights of their own.

    Raises:
        ValueError: A name is not that of a label, or all rows have weight 0.
    """
    if not class_weight and not is_weighted:
        return None
    weights = np.ones(len(names))
    if class_weight == ["balanced"]:
        from sklearn.utils.class_weight import compute_class_weight

        ids = sorted(counts)
        every_row = np.repeat(ids, [counts[index] for index in ids])
        weights[ids] = compute_class_weight("balanced", classes=np.array(ids), y=every_row)
    else:
        keys = [label_key(name) for name in names]
        for name, weight in parse_class_weight(class_weight or []).items():
            if label_key(name) not in keys:
                raise ValueError(
                    f"class_weight names {name!r}, but the labels are {', '.join(names)}."
                    f"{did_you_mean(name, names) or ' Name one of these.'}"
                )
            weights[keys.index(label_key(name))] = weight
    total = sum(weights[index] * found for index, found in sums.items())
    if not total:
        raise ValueError("The weights of all training rows are zero. Give some a higher weight.")
    return (weights * sum(counts.values()) / total).tolist()


def _write_summary(summary: str, tokenizer: PreTrainedTokenizerFast, folder: Path, base: Optional[BaseModel]) -> None:
    lines = [summary, f"vocabulary {len(tokenizer):,} words"]
    if base is None:
        lines.append("start    random weights")
    else:
        words, base_words = tokenizer.get_vocab().keys(), base.vocabulary.keys()
        lines[-1] += f", {len(words - base_words):,} of them new"
        if dropped := len(base_words - words):
            lines[-1] += f"; {dropped:,} words of {base.public_name} dropped"
        labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
        kept = base.kept_labels(labels["label_names"], labels["problem_type"])
        lines.append(f"start    {base.public_name}; labels kept: {', '.join(kept) or 'none'}")
    (folder / SUMMARY).write_text("\n".join(lines) + "\n", encoding="utf-8")
