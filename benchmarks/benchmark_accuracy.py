"""How accurate hf-brnn and its peers are on the same rows, and what each part of a recipe is worth."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import benchmark_peers as peers
import pandas as pd
from benchmark_timing import Table

from hf_brnn.data.rows import LabelledRows, load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.evaluation.checklist import checklist_table
from hf_brnn.evaluation.metrics import classification_metrics
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.training.arguments import parse_arguments

TRAIN = Path(__file__).parent / "train.py"
METRICS = ("accuracy", "macro_f1", "calibration_error")
# What is switched off, one at a time, to see what it is worth.
PARTS = {
    "embedding dropout": ("embedding_dropout", 0),
    "word dropout": ("word_dropout", 0),
    "recurrent dropout": ("recurrent_dropout", 0),
    "classifier dropout": ("classifier_dropout", 0),
    "adversarial training": ("adversarial_epsilon", 0),
    "character n-grams": ("ngram_embeddings", False),
    "label smoothing": ("label_smoothing_factor", 0),
    "max-mean pooling (final states instead)": ("pooling", "last"),
    "LSTM (GRU instead)": ("cell_type", "gru"),
    "linear decay of the learning rate": ("lr_scheduler_type", "constant_with_warmup"),
}


class Result(NamedTuple):
    """Attributes:
    predict: Gives the probabilities of texts, `(texts, 2)`.
    seconds: Wall time of the training, from texts to model.
    megabytes: Size of the model on disk.
    """

    predict: peers.Predict
    seconds: float
    megabytes: float


def accuracy_tables(args: argparse.Namespace, folder: Path) -> dict[str, Table]:
    """Trains all peers and our recipe (unless `--model` gives one that is trained) on the rows of a configuration, and
    measures them on its test part, and on the files that were held out. The peers learn from the validation rows too,
    which we use to calibrate."""
    data_args = parse_arguments(recipe_arguments(args), args.config).data
    splits = split_rows(load_rows(data_args), data_args)
    tests = {"test rows": splits["test"]}
    if args.held_out_files:
        tests["held out rows"] = load_rows(replace(data_args, data_files=args.held_out_files))
    train = LabelledRows()
    for name in ("train", "validation"):
        if name in splits:
            train.texts += splits[name].texts
            train.labels += splits[name].labels
    folders = [args.model] if args.model else []
    folders = folders or [train_ours(args, folder / f"{seed}", "--seed", seed) for seed in range(args.seeds)]
    ours = [our_result(saved) for saved in folders]
    found = {f"hf-brnn, {args.config.name}": ours}
    behaviour = {"hf-brnn": checklist_table(TorchClassifier(folders[0]))[0]}
    for name, train_peer in PEERS.items():
        if args.peers is None or name in args.peers:
            found[name] = [train_peer(train, folder)]
            if name == "TF-IDF of words + logistic regression":
                behaviour[name] = checklist_table(found[name][0].predict)[0]
    return {
        f"{len(train):,} training rows, {len(rows):,} {part}": [describe(*item, rows) for item in found.items()]
        for part, rows in tests.items()
    } | {"Behaviour: share of checks passed": behaviour_rows(behaviour)}


def describe(name: str, results: list[Result], test: LabelledRows) -> dict[str, object]:
    measured = [classification_metrics(result.predict(test.texts), test.labels) for result in results]
    row: dict[str, object] = {"what": name if len(results) == 1 else f"{name}, mean of {len(results)} seeds"}
    for metric in METRICS:
        row[metric] = statistics.mean(entry[metric] for entry in measured)
        if len(results) > 1:
            row[f"{metric}, deviation"] = statistics.stdev(entry[metric] for entry in measured)
    row["train seconds"] = statistics.mean(result.seconds for result in results)
    row["MB on disk"] = results[0].megabytes
    return row


def recipe_arguments(args: argparse.Namespace) -> list[str]:
    held_out = ["--held_out_files", *args.held_out_files] if args.held_out_files else []
    return ["--config", str(args.config), "--data_files", *args.data_files, *held_out]


def train_ours(args: argparse.Namespace, folder: Path, *more: object) -> Path:
    """Trains the recipe in a process of its own.

    Raises:
        RuntimeError: The training failed; the message ends as its output did.
    """
    command = [sys.executable, TRAIN, *recipe_arguments(args), "--output_dir", folder, *more]
    process = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{process.stderr[-2000:]}")
    return folder


def our_result(folder: Path) -> Result:
    seconds = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["seconds"]
    size = sum((folder / name).stat().st_size for name in ("model.safetensors", "tokenizer.json"))
    return Result(TorchClassifier(folder), seconds, size / 1e6)


def behaviour_rows(tables: dict[str, pd.DataFrame]) -> Table:
    first = next(iter(tables.values()))
    rows: Table = []
    for capability, checks in first["checks"].items():
        rates = {name: float(table.loc[capability, "pass rate"]) for name, table in tables.items()}
        rows.append({"capability": capability, "checks": int(checks)} | rates)
    return rows


def timed_peer(train_peer: Callable[[LabelledRows, Path], tuple[peers.Predict, Path]]):
    """A peer that trains, saves itself to a path and gives probabilities, as a measured `Result`."""

    def run(train: LabelledRows, folder: Path) -> Result:
        start = time.perf_counter()
        predict, path = train_peer(train, folder)
        return Result(predict, time.perf_counter() - start, path.stat().st_size / 1e6)

    return run


PEERS = {
    "Keras tutorial code, its 20 epochs": timed_peer(peers.keras_tutorial),
    "fastText": timed_peer(peers.fasttext_classifier),
    "TF-IDF of words + logistic regression": timed_peer(peers.word_regression),
    "TF-IDF of characters + logistic regression": timed_peer(peers.character_regression),
    "VADER": timed_peer(peers.vader),
}


def ablation_table(args: argparse.Namespace, folder: Path) -> dict[str, Table]:
    """The recipe without each of its parts, on a validation part that is as large as `validation_rows`; the test part
    stays unseen."""
    recipe = parse_arguments(recipe_arguments(args), args.config)
    training_parts = ("adversarial_epsilon", "ngram_embeddings", "label_smoothing_factor")
    values = recipe.config | {name: getattr(recipe.training, name) for name in training_parts}
    values |= {"lr_scheduler_type": str(recipe.training.lr_scheduler_type.value)}
    variants = {"the recipe": ()} | {
        f"without {part}": (f"--{name}", value) for part, (name, value) in PARTS.items() if values[name] != value
    }
    rows: Table = []
    for number, (name, change) in enumerate(variants.items()):
        found = []
        for seed in range(args.seeds):
            validation = ("--validation_size", args.validation_rows, "--load_best_model_at_end", False)
            saved = train_ours(args, folder / f"{number}-seed-{seed}", "--seed", seed, *validation, *change)
            found.append(json.loads((saved / "metrics.json").read_text(encoding="utf-8"))["validation"])
        row: dict[str, object] = {"what": name}
        row |= {metric: statistics.mean(entry[metric] for entry in found) for metric in ("accuracy", "loss")}
        if len(found) > 1:
            row["standard deviation of accuracy"] = statistics.stdev(entry["accuracy"] for entry in found)
        rows.append(row)
    for row in rows:
        row["against the recipe"] = f"{row['accuracy'] - rows[0]['accuracy']:+.4f}"
    return {f"Accuracy on {args.validation_rows:,} validation rows, mean of {args.seeds} seeds": rows}
