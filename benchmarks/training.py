"""Measures what training costs: an epoch against baselines, and a step against the roofline of the device.

python benchmarks/training.py --data_files data/sentiment140-subset.csv --config tutorial
python benchmarks/training.py --data_files data/train-00000-of-00001.parquet --config sentiment140 \\
    --tables epoch --baselines --per_device_train_batch_size 2048

Further options are those of hf-brnn train. Keras takes part where tensorflow is installed.
"""

import copy
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from baselines import BASELINES, KerasTutorial
from steps import LENGTH, random_texts, synchronize, time_steps
from timing import in_turn, installed_version, print_goal, print_setup, print_table, ratio
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from hf_brnn.commands.parser import CommandParser
from hf_brnn.commands.train import parse_values
from hf_brnn.data.dataset import LengthBatchSampler
from hf_brnn.data.rows import load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.training.arguments import Arguments, build_arguments, has_bf16
from hf_brnn.training.build import build_model, build_trainer
from hf_brnn.training.device import prepare_cpu
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed.batchwise_dropout import use_batchwise_dropout
from hf_brnn.training.speed.deduplicated_lstm import is_worthwhile, read_distinct_words
from hf_brnn.training.speed.sparse_adamw import RowSparseAdamW, clip_grad_norm
from hf_brnn.training.trainer import collate

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
IS_CPU = DEVICE.type == "cpu"
BATCH_SIZE, EMBEDDING_SIZE, HIDDEN_SIZE = (512, 256, 256) if IS_CPU else (2048, 512, 384)
VOCAB_SIZE = 60_000
DEDUPLICATED_SIZES = [(512, 384), (512, 128), (128, 160), (128, 128), (256, 64), (64, 384), (64, 128), (32, 64)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--data_files", nargs="+", required=True, help="Labelled rows, as hf-brnn train reads them.")
    parser.add_argument("--config", default="tutorial", help="Recipe, by name or path (default: tutorial).")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES), help="Default: all of them.")
    parser.add_argument(
        "--baselines",
        nargs="*",
        choices=["Keras", *BASELINES],
        default=["Keras", "fastText", "TF-IDF words"],
        help="Baselines of the epoch (default: Keras, fastText, TF-IDF words).",
    )
    parser.add_argument("--rounds", type=int, default=5, help="Figures are medians of this many rounds (default: 5).")
    parser.add_argument("--steps", type=int, default=20, help="Steps per round (steps, roofline, profile).")
    args, rest = parser.parse_known_args(argv)
    try:
        args.arguments = training_arguments(args, rest)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print_setup()
    for name in args.tables:
        TABLES[name](args)


def training_arguments(args: Namespace, rest: list[str]) -> Arguments:
    """The arguments of a training of two epochs that neither evaluates nor saves."""
    fixed = ["--num_train_epochs=2", "--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=False"]
    given = ["--config", args.config, "--data_files", *args.data_files, *rest, "--disable_tqdm=True", *fixed]
    arguments = build_arguments(parse_values(given))
    arguments.training.early_stopping_patience = None
    return arguments


def one_epoch(args: Namespace) -> None:
    """The second epoch of our trainings, and an epoch of a Keras model that has trained before: the first epoch takes
    memory from the system and compiles kernels."""
    model_args, data_args, training_args, _ = args.arguments
    with tempfile.TemporaryDirectory() as folder:
        training_args.output_dir = f"{folder}/run"
        prepare_cpu(training_args)
        data = prepare_data(data_args, training_args, Path(folder) / "data")
        precision = "bf16" if training_args.bf16 else "fp32"
        ours = f"hf-brnn, Trainer ({precision})"
        contestants = {
            ours: lambda: epoch_through_trainer(build_trainer(model_args, training_args, data, shows_progress=False)),
            "hf-brnn, whole train() of one epoch": lambda: whole_training(model_args, training_args, data),
            "hf-brnn, bare loop over the same batches": lambda: epoch_of_bare_loop(
                build_model(model_args, training_args, data), data.train, training_args
            ),
        }
        if args.baselines:
            train = split_rows(load_rows(data_args), data_args)["train"]
        if "Keras" in args.baselines and installed_version("tensorflow"):
            keras_model, labels = KerasTutorial(train.texts), np.asarray(train.labels)
            inputs = keras_model.inputs(train.texts)
            contestants["Keras"] = lambda: keras_model.fit_epoch(inputs, labels)
        for name in set(args.baselines) & set(BASELINES):
            file, fit, _ = BASELINES[name]
            contestants[f"{name}, whole training"] = lambda fit=fit, path=Path(folder) / file: fit(
                train.texts, train.labels, path
            )
        times = in_turn(contestants, args.rounds)
    table = [
        {"what": name, "seconds": statistics.median(found), "times ours": ratio(found, times[ours])}
        for name, found in times.items()
    ]
    print_table(f"One epoch of {len(data.train):,} rows, {Path(args.config).stem}", table)
    print_goal("Trainer against the bare loop", ratio(times[ours], list(times.values())[2]), at_most=1.1)
    if "Keras" in times:
        print_goal("Keras against ours", ratio(times["Keras"], times[ours]), at_least=6 if training_args.bf16 else 8)


def epoch_through_trainer(trainer: Any) -> float:
    trainer.add_callback(clock := EpochClock())
    trainer.train()
    return clock.seconds


class EpochClock(TrainerCallback):
    """Seconds of the last epoch."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronize()
        self.seconds = time.perf_counter() - self.start


def whole_training(model_args: Any, training_args: Any, data: Any) -> float:
    training_args = copy.copy(training_args)
    training_args.num_train_epochs = 1
    trainer = build_trainer(model_args, training_args, data, shows_progress=False)
    start = time.perf_counter()
    trainer.train()
    return time.perf_counter() - start


def epoch_of_bare_loop(model: Any, dataset: Any, training_args: Any) -> float:
    """Seconds of the second epoch of a plain PyTorch loop with the same model, optimizer and batches."""
    model.to(DEVICE).train()
    size = training_args.per_device_train_batch_size
    use_batchwise_dropout(model)
    if is_worthwhile(model, size, "bf16" if training_args.bf16 else "fp32"):
        read_distinct_words(model)
    model.get_input_embeddings().sparse = IS_CPU
    optimizer = RowSparseAdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    clip = clip_grad_norm if IS_CPU else torch.nn.utils.clip_grad_norm_
    sampler = LengthBatchSampler(dataset.lengths, size, seed=42)
    loader = DataLoader(dataset, size, sampler=sampler, collate_fn=collate, pin_memory=not IS_CPU)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        start = time.perf_counter()
        for batch in loader:
            with torch.autocast(DEVICE.type, dtype=torch.bfloat16, enabled=training_args.bf16):
                loss = model(**{name: values.to(DEVICE, non_blocking=True) for name, values in batch.items()}).loss
            loss.backward()
            if training_args.max_grad_norm:
                clip(model.parameters(), training_args.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        synchronize()
    return time.perf_counter() - start


def steps(args: Namespace) -> None:
    """A large vocabulary must not make a step slower."""
    contestants = {f"{size:,} words": partial(step, vocab_size=size, count=args.steps) for size in (4_000, VOCAB_SIZE)}
    contestants["60,000 words, dense gradients"] = partial(step, count=args.steps, dense=True)
    times = in_turn(contestants, args.rounds)
    base, large, _ = times.values()
    table = [
        {"what": name, "milliseconds": statistics.median(found) * 1e3, "times the first": ratio(found, base)}
        for name, found in times.items()
    ]
    sizes = f"{BATCH_SIZE} texts of about {LENGTH} tokens, LSTM {HIDDEN_SIZE} over {EMBEDDING_SIZE}"
    print_table(f"A training step: {sizes}", table)
    print_goal("A step with 60,000 words against 4,000", ratio(large, base), at_most=1.15)


def step(
    vocab_size: int = VOCAB_SIZE,
    batch_size: int = BATCH_SIZE,
    hidden_size: int = HIDDEN_SIZE,
    count: int = 20,
    **options: Any,
) -> float:
    """Mean seconds of a training step."""
    sizes = {"embedding_size": EMBEDDING_SIZE, "hidden_size": hidden_size, "per_device_train_batch_size": batch_size}
    argv = [f"--{name}={value}" for name, value in sizes.items()]
    if "precision" in options:
        argv.append(f"--precision={options.pop('precision')}")
    return time_steps(argv, vocab_size, count, **options)[0]


def roofline(args: Namespace) -> None:
    """The operations and bytes of a step, against a matrix product and a copy measured in the same run.

    A recurrent layer with E inputs and H states multiplies 4 H E weights for each distinct word and 4 H H weights for
    each token: once forward, twice backward, in two directions. Bytes: for each parameter that the step changes, its
    weight, gradient and two moments, read and written (float32); for each token, its embedding and the gradient
    (float32), the gates and states kept for the backward pass (2 bytes) and the gradients of the states (float32).
    """
    tokens = random_texts(VOCAB_SIZE, BATCH_SIZE).token_ids
    words = len(np.unique(tokens))
    weights = 2 * 4 * HIDDEN_SIZE * (EMBEDDING_SIZE + HIDDEN_SIZE)
    operations = 3 * 2 * 2 * 4 * HIDDEN_SIZE * (EMBEDDING_SIZE * words + HIDDEN_SIZE * len(tokens))
    changed = weights + (words if IS_CPU else VOCAB_SIZE) * EMBEDDING_SIZE
    activations = len(tokens) * (2 * 4 * EMBEDDING_SIZE * 2 + 2 * (2 * 6 * HIDDEN_SIZE + 4 * HIDDEN_SIZE) * 2)

    width, dtype = 2048 if IS_CPU else 8192, torch.bfloat16 if has_bf16(IS_CPU) else torch.float32
    matrix = torch.randn(width, width, device=DEVICE, dtype=dtype)
    source = torch.empty(2**28, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    calls = {
        "step": partial(step, count=args.steps),
        "product": lambda: (matrix @ matrix, synchronize()),
        "copy": lambda: (target.copy_(source), synchronize()),
    }
    times = {name: statistics.median(found) for name, found in in_turn(calls, args.rounds).items()}
    limits = {
        "operations": (operations, 2 * width**3 / times["product"]),
        "bytes": (8 * 4 * changed + activations, 2 * len(source) / times["copy"]),
    }
    table: list[dict[str, object]] = [
        {"what": name, "billions": amount / 1e9, "billions/s": rate / 1e9, "milliseconds": amount / rate * 1e3}
        for name, (amount, rate) in limits.items()
    ]
    longest = max(amount / rate for amount, rate in limits.values())
    measured = {"what": "the step", "milliseconds": times["step"] * 1e3, "times the roofline": times["step"] / longest}
    print_table("Roofline of that step, 60,000 words", [*table, measured])


def profile_step(args: Namespace) -> None:
    """The operators, on a GPU the kernels, that take most of the time."""
    with profile(activities=[ProfilerActivity.CPU, *([] if IS_CPU else [ProfilerActivity.CUDA])]) as profiler:
        step(count=args.steps)
    kind = DeviceType.CPU if IS_CPU else DeviceType.CUDA
    entries = [entry for entry in profiler.key_averages() if entry.device_type == kind and not entry.is_user_annotation]
    times = {entry.key: entry.self_cpu_time_total if IS_CPU else entry.self_device_time_total for entry in entries}
    largest = sorted(times, key=lambda name: -times[name])[:12]
    table = [{"what": name[:70], "share": times[name] / sum(times.values())} for name in largest]
    print_table("Where the time of that step goes", table)


def deduplicated(args: Namespace) -> None:
    """Float32 steps that multiply each distinct word once, against steps of torch's LSTM (CPU only)."""

    def step_with(flag: bool, **sizes: int) -> float:
        with patch("hf_brnn.training.trainer.is_worthwhile", return_value=flag):
            return step(vocab_size=4_000, precision="fp32", count=args.steps, **sizes)

    table = []
    for texts, units in DEDUPLICATED_SIZES if IS_CPU else []:
        calls = {flag: partial(step_with, flag, batch_size=texts, hidden_size=units) for flag in (True, False)}
        ours, theirs = in_turn(calls, args.rounds).values()
        milliseconds = {"ours": statistics.median(ours) * 1e3, "torch's LSTM": statistics.median(theirs) * 1e3}
        table.append({"texts": texts, "units": units} | milliseconds | {"times torch's": ratio(ours, theirs)})
    print_table("Milliseconds of a step with each distinct word multiplied once, float32", table)


TABLES = {
    "epoch": one_epoch,
    "steps": steps,
    "roofline": roofline,
    "profile": profile_step,
    "deduplicated": deduplicated,
}

if __name__ == "__main__":
    main()
