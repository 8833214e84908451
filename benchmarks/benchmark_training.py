"""What training costs: an epoch beside peers, a step and the least that the device could need for it, the data path."""

import argparse
import copy
import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_peers as peers
import numpy as np
import torch
from benchmark_timing import DEVICE, Table, in_turn, ratio, seconds, synchronize
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainerControl

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import LengthBatchSampler, tokenize
from hf_brnn.data.rows import load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.model.tokenization_brnn import train_tokenizer
from hf_brnn.training.arguments import Arguments, has_bf16, parse_arguments
from hf_brnn.training.device import FreedMemory, prepare_cpu
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed import deduplicated_lstm as distinct_words
from hf_brnn.training.speed.cuda_graphs import EAGER_BATCHES, GraphedClassifier
from hf_brnn.training.speed.deduplicated_lstm import is_worthwhile, read_distinct_words
from hf_brnn.training.speed.sparse_adamw import RowSparseAdamW, clip_grad_norm
from hf_brnn.training.trainer import build_model, build_trainer, collate

TUTORIAL = Path(__file__).parent.parent / "configs" / "tutorial.yaml"
IS_CPU = DEVICE.type == "cpu"
ACTIVITIES = [ProfilerActivity.CPU] if IS_CPU else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
STEP = {"batch_size": 512, "length": 15, "embedding_size": 256, "hidden_size": 256}
if not IS_CPU:
    STEP |= {"batch_size": 2048, "embedding_size": 512, "hidden_size": 384}
DISTILBERT_ROWS = 256
DISTINCT_WORDS_SIZES = [(512, 384), (512, 128), (128, 160), (128, 128), (256, 64), (64, 384), (64, 128), (32, 64)]


def training_tables(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Table]]:
    step = "{batch_size} texts of {length} tokens, LSTM {hidden_size} over {embedding_size}, max-mean pooling"
    step = step.format(**STEP)
    tables = {
        f"One epoch of the training part, {(args.config or TUTORIAL).name}": lambda: one_epoch(args, folder),
        f"A training step: {step}": lambda: training_steps(args.rounds * 4),
        "Where the time of that step goes, 60,000 words": lambda: profile_of_step(args.rounds * 4),
        "That step against the least that this device could need": lambda: floor_of_step(args.rounds * 4),
        "The data path": lambda: data_path(args),
    }
    if IS_CPU:
        title = "A training step with each distinct word multiplied once"
        tables[title] = lambda: distinct_words_steps(args.rounds * 4)
    return tables


def epoch_arguments(args: argparse.Namespace, of_training: list[str]) -> Arguments:
    """Those of a training of two epochs that only trains."""
    fixed = ["--num_train_epochs=2", "--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=False"]
    given = ["--data_files", *args.data_files, *of_training, "--disable_tqdm=True", *fixed]
    arguments = parse_arguments(given, args.config or TUTORIAL)
    arguments.training.early_stopping_patience = None
    return arguments


def one_epoch(args: argparse.Namespace, folder: Path) -> Table:
    """The second epoch of our trainings and one of a peer that has trained before: the first takes memory from the
    system and compiles kernels."""
    model_args, data_args, training_args, _ = args.arguments
    training_args.output_dir = str(folder / "run")
    prepare_cpu(training_args)
    data = prepare_data(data_args, training_args, folder / "data")
    precision = "bf16" if training_args.bf16 else "fp32"

    def trainer() -> float:
        trained = build_trainer(model_args, data_args, training_args, data)
        trained.add_callback(clock := EpochClock())
        trained.train()
        return clock.seconds

    def whole_training() -> float:
        one_epoch_args = copy.copy(training_args)
        one_epoch_args.num_train_epochs = 1
        return seconds(build_trainer(model_args, data_args, one_epoch_args, data).train)

    def bare_loop() -> float:
        model = build_model(model_args, data_args, training_args, data).to(DEVICE).train()
        size = training_args.per_device_train_batch_size
        if is_worthwhile(model, size, precision):
            read_distinct_words(model)
        model.get_input_embeddings().sparse = IS_CPU
        optimizer = RowSparseAdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
        clip = clip_grad_norm if IS_CPU else torch.nn.utils.clip_grad_norm_
        sampler = LengthBatchSampler(data.train.lengths, size, seed=42)
        pinned = DEVICE.type != "cpu"
        loader = DataLoader(data.train, size, sampler=sampler, collate_fn=collate, pin_memory=pinned)

        def epoch() -> None:
            for batch in loader:
                with torch.autocast(DEVICE.type, dtype=torch.bfloat16, enabled=training_args.bf16):
                    loss = model(**{name: values.to(DEVICE, non_blocking=True) for name, values in batch.items()}).loss
                loss.backward()
                if training_args.max_grad_norm:
                    clip(model.parameters(), training_args.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
            synchronize()

        epoch()
        sampler.set_epoch(1)
        return seconds(epoch)

    contestants = {
        f"hf-brnn, Trainer ({precision})": trainer,
        f"hf-brnn, a first epoch with what train() does before and after ({precision})": whole_training,
        f"hf-brnn, bare PyTorch loop over the same batches ({precision})": bare_loop,
    }
    rows = dict.fromkeys(contestants, len(data.train))
    if args.peers is None:
        train = split_rows(load_rows(data_args), data_args)["train"]
        labels = np.asarray(train.labels)
        keras_model = peers.KerasTutorial(train.texts)
        keras_inputs = keras_model.inputs(train.texts)
        distilbert_step = peers.distilbert_step(len(data.tokenizer))
        first = [data.train.batch(indices) for indices in np.arange(DISTILBERT_ROWS).reshape(-1, 128)]
        contestants |= {
            "Keras tutorial code": lambda: keras_model.fit_epoch(keras_inputs, labels),
            "DistilBERT, some of the rows (fp32)": lambda: [distilbert_step(collate(batch)) for batch in first],
            "fastText (its 5 epochs)": lambda: peers.train_fasttext(train.texts, train.labels, folder / "fasttext.txt"),
            "TF-IDF + logistic regression (to the end)": lambda: peers.train_logistic_regression(
                train.texts, train.labels
            ),
        }
        rows |= {name: len(train) for name in contestants if name not in rows}
        rows["DistilBERT, some of the rows (fp32)"] = DISTILBERT_ROWS
    times = in_turn(contestants, args.rounds)
    ours, *_ = times
    return [
        {
            "what": name,
            "rows": rows[name],
            "seconds": statistics.median(found),
            "fastest": min(found),
            "slowest": max(found),
            "times ours, a row": ratio(found, times[ours]) * rows[ours] / rows[name],
        }
        for name, found in times.items()
    ]


class EpochClock(TrainerCallback):
    """Seconds from the beginning of the last epoch to its end."""

    def on_epoch_begin(self, args, state, control, **kwargs) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        synchronize()
        self.seconds = time.perf_counter() - self.start


def training_steps(rounds: int) -> Table:
    steps = {f"{size:,} words": make_step(size) for size in (4_000, 60_000)}
    steps["60,000 words, dense embedding update"] = make_step(60_000, is_sparse=False)
    return against_the_first("what", in_turn(steps, rounds))


def against_the_first(name: str, times: dict[Any, list[float]]) -> Table:
    base, *_ = times.values()
    return [
        {name: value, "milliseconds": statistics.median(found) * 1e3, "times the first": ratio(found, base)}
        for value, found in times.items()
    ]


def zipf_batches(vocab_size: int, *shape: int) -> torch.Tensor:
    """Word ids with Zipf's frequencies, so that a batch touches as many rows of the table as one of tweets would."""
    frequencies = 1 / np.arange(1, vocab_size - 1)
    words = np.arange(2, vocab_size)
    return torch.from_numpy(np.random.default_rng(0).choice(words, shape, p=frequencies / frequencies.sum()))


def make_step(
    vocab_size: int = 60_000, is_sparse: bool = IS_CPU, reads_distinct_words: bool | None = None, **config: int
) -> Callable[[], None]:
    torch.manual_seed(0)
    sizes = STEP | config
    batch_shape = sizes.pop("batch_size"), sizes.pop("length")
    config = BrnnConfig(vocab_size=vocab_size, pooling="max_mean", **sizes)
    model = BrnnForSequenceClassification(config).to(DEVICE).train()
    is_bf16 = has_bf16(IS_CPU) and reads_distinct_words is None
    if reads_distinct_words is None:
        reads_distinct_words = is_worthwhile(model, batch_shape[0], "bf16" if is_bf16 else "fp32")
    if reads_distinct_words:
        read_distinct_words(model)
    model.get_input_embeddings().sparse = is_sparse
    optimizer = RowSparseAdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    batches = itertools.cycle(zipf_batches(vocab_size, 16, *batch_shape).to(DEVICE))
    mask = torch.ones(batch_shape, dtype=torch.long, device=DEVICE)
    labels = torch.arange(batch_shape[0], device=DEVICE) % 2

    def autocast() -> torch.autocast:
        return torch.autocast(DEVICE.type, torch.bfloat16, is_bf16, cache_enabled=IS_CPU)

    classifier = model if IS_CPU else GraphedClassifier(model, autocast, batch_shape[0])

    def step() -> None:
        with autocast():
            logits = classifier(next(batches), mask).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        if is_sparse:
            clip_grad_norm(model.parameters(), 1.0)
        else:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        synchronize()

    for _ in range(EAGER_BATCHES + 1):
        step()
    if IS_CPU and FreedMemory.is_available():
        FreedMemory().on_step_end(None, None, TrainerControl())
    return step


def distinct_words_steps(rounds: int) -> Table:
    """Steps in float32, over 4,000 words, beside those with torch's LSTM; also of sizes for which that stays."""
    rows: Table = []
    min_size, distinct_words.MIN_SIZE = distinct_words.MIN_SIZE, 0
    for texts, units in DISTINCT_WORDS_SIZES:
        sizes = {"batch_size": texts, "hidden_size": units}
        steps = {reads: make_step(4_000, reads_distinct_words=reads, **sizes) for reads in (True, False)}
        ours, theirs = in_turn(steps, rounds).values()
        row = {"texts": texts, "units": units}
        row |= {"milliseconds": statistics.median(ours) * 1e3, "torch's LSTM": statistics.median(theirs) * 1e3}
        rows.append(row | {"times torch's": ratio(ours, theirs)})
    distinct_words.MIN_SIZE = min_size
    return rows


def profile_of_step(steps: int) -> Table:
    """The operators, on a GPU the kernels, that take most of the time."""
    step = make_step()
    with profile(activities=ACTIVITIES) as profiler:
        for _ in range(steps):
            step()
    kind = DeviceType.CPU if IS_CPU else DeviceType.CUDA
    found = {
        entry.key: (entry.self_cpu_time_total if IS_CPU else entry.self_device_time_total, entry.count)
        for entry in profiler.key_averages()
        if entry.device_type == kind and not entry.is_user_annotation
    }
    total = sum(microseconds for microseconds, _ in found.values())
    whole = {"all": (total, sum(count for _, count in found.values()))}
    return [
        {
            "what": name[:70],
            "times a step": count / steps,
            "milliseconds a step": microseconds / steps / 1e3,
            "share": microseconds / total,
        }
        for name, (microseconds, count) in sorted((found | whole).items(), key=lambda item: -item[1][0])[:13]
    ]


def floor_of_step(rounds: int) -> Table:
    """What the step computes and moves at least, against what the device computes and copies in a second when it does
    nothing else.

    A recurrent layer of E inputs and H states multiplies, once forward and twice backward and in both directions, 4 H E
    weights a distinct word and 4 H H weights a token. Moved are, for every parameter that the step changes, weight,
    gradient and two moments in and out (float32); for every token, its embedding and the gradient of that (float32),
    the gates and states that the forward pass keeps for the backward one (2 bytes each) and the gradients of the states
    (float32).
    """
    size, length, inputs, states = STEP.values()
    tokens = size * length
    weights = 2 * 4 * states * (inputs + states)
    words = len(zipf_batches(60_000, 1, size, length).unique())
    operations = 3 * 2 * 2 * 4 * states * (inputs * words + states * tokens)
    activations = tokens * (2 * 4 * inputs * 2 + 2 * (2 * 6 * states + 4 * states) * 2)
    moved = 8 * 4 * (weights + (words if IS_CPU else 60_000) * inputs) + activations

    dtype = torch.bfloat16 if has_bf16(DEVICE.type == "cpu") else torch.float32
    width = 2048 if DEVICE.type == "cpu" else 8192
    matrix = torch.randn(width, width, device=DEVICE, dtype=dtype)
    source = torch.empty(2**28, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    step = make_step()
    calls = {
        "step": step,
        "product": lambda: (matrix @ matrix, synchronize()),
        "copy": lambda: (target.copy_(source), synchronize()),
    }
    times = {name: statistics.median(found) for name, found in in_turn(calls, rounds).items()}
    rows: Table = []
    for name, amount, rate in (
        ("operations", operations, 2 * width**3 / times["product"]),
        ("bytes moved", moved, 2 * len(source) / times["copy"]),
    ):
        milliseconds = amount / rate * 1e3
        rows.append(
            {"what": name, "billions": amount / 1e9, "billions a second": rate / 1e9, "milliseconds": milliseconds}
        )
    milliseconds = times["step"] * 1e3
    floor = max(row["milliseconds"] for row in rows)
    return [*rows, {"what": "the step", "milliseconds": milliseconds, "times the higher": milliseconds / floor}]


def data_path(args: argparse.Namespace) -> Table:
    texts = load_rows(DataArguments(data_files=args.data_files, skip_bad_rows=True)).texts
    tokenizer = train_tokenizer(texts, 60_000)
    texts = (texts * (args.rows // len(texts) + 1))[: args.rows]
    start = time.perf_counter()
    tokenized = tokenize(texts, tokenizer.backend_tokenizer, 0, labels=[0] * len(texts))
    tokenizing = time.perf_counter() - start
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sampler = LengthBatchSampler(tokenized.lengths, 512, seed=0)
    loader = DataLoader(tokenized, batch_size=512, sampler=sampler, collate_fn=collate)
    batching = statistics.median(seconds(lambda: [None for _ in loader]) for _ in range(3))
    torch.set_num_threads(threads)
    return [
        {"what": f"tokenizing, {os.cpu_count()} cores", "texts": len(texts), "seconds": tokenizing},
        {"what": "making the batches of an epoch, one core", "texts": len(texts), "seconds": batching},
    ]


def steps_by(name: str, values, rounds: int) -> Table:
    steps = {value: make_step(**({"vocab_size": 4_000} | {name: value})) for value in values}
    return against_the_first(name, in_turn(steps, rounds))


def steps_by_threads(rounds: int) -> Table:
    step, most = make_step(), torch.get_num_threads()

    def on(threads: int) -> Callable[[], None]:
        return lambda: (torch.set_num_threads(threads), step())[1]

    times = in_turn({threads: on(threads) for threads in range(1, most + 1)}, rounds)
    torch.set_num_threads(most)
    return against_the_first("threads", times)
