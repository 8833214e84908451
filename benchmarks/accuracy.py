"""Measures accuracy and speed of hf-brnn and of baselines on the same test rows.

python benchmarks/accuracy.py --config subset --data_files data/sentiment140-subset.csv --seeds 5
python benchmarks/accuracy.py --config compact --data_files data/train-00000-of-00001.parquet \\
    --held_out_files data/test-00000-of-00001.parquet --model hf_brnn/pretrained/brnn-sentiment140 \\
    --baselines_dir runs/baselines --plot docs/images/accuracy_speed

The recipe decides which rows are for training and which for the test. Without --model, the recipe is trained. Texts a
second are those of CPU time on one core, from strings to probabilities, the median of rounds in turn.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import psutil
import torch
from baselines import BASELINES, Predict
from plot import plot_accuracy_against_speed
from recipes import train_recipe
from timing import Table, format_table, in_turn, print_goal, print_setup, print_table, ratio

from hf_brnn.commands.parser import CommandParser
from hf_brnn.commands.train import parse_values
from hf_brnn.data.rows import LabelledRows, load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.evaluation.metrics import classification_metrics
from hf_brnn.hub.card import add_baselines
from hf_brnn.hub.layout import QUANTIZED_GRAPH
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.training.arguments import build_arguments

ACCURACY_GOALS = {"sentiment140": 0.860, "compact": 0.855, "subset": 0.785}
INT8, TORCH = "hf-brnn int8", "hf-brnn torch"


class Contestant(NamedTuple):
    """Attributes:
    predictors: Functions from texts to probabilities, `(texts, labels)`: one for each seed.
    megabytes: Size on disk.
    """

    predictors: list[Predict]
    megabytes: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--config", required=True, help="Recipe, by name or path: its splits, and what to train.")
    parser.add_argument("--data_files", nargs="+", required=True, help="Labelled rows, as hf-brnn train reads them.")
    parser.add_argument("--held_out_files", nargs="+", help="More test rows. No split holds one of these texts.")
    parser.add_argument("--model", type=Path, help="Model directory to measure instead of training the recipe.")
    parser.add_argument("--seeds", type=int, default=1, help="Train the recipe with this many seeds (default: 1).")
    parser.add_argument(
        "--baselines", nargs="*", choices=list(BASELINES), default=list(BASELINES), help="Default: all of them."
    )
    parser.add_argument("--baseline_rows", type=int, help="Train the baselines on a random subset of this size.")
    parser.add_argument("--baselines_dir", type=Path, help="Save trained baselines here, and use those found here.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds of the speed measurement (default: 5).")
    parser.add_argument("--speed_rows", type=int, default=5000, help="Test rows per round (default: 5000).")
    parser.add_argument("--plot", metavar="PREFIX", help="Draw PREFIX.png and PREFIX.svg; save figures as PREFIX.json.")
    parser.add_argument("--update_card", action="store_true", help="Write the tables into the card of --model.")
    args = parser.parse_args(argv)
    if args.update_card and not args.model:
        parser.error("--update_card needs --model")

    data_args = build_arguments(parse_values(recipe_arguments(args))).data
    splits = split_rows(load_rows(data_args), data_args)
    tests = {"test": splits["test"]}
    if args.held_out_files:
        tests["held-out"] = load_rows(
            replace(
                data_args,
                data_files=args.held_out_files,
                held_out_files=None,
                max_rows=None,
                label_names=splits["test"].label_names,
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        contestants = our_contestants(args, Path(folder))
        contestants |= baselines(args, splits["train"], args.baselines_dir or Path(folder))
        use_one_core()
        speeds = measure_speed(args, contestants, splits["test"].texts)
        tables = {
            f"{len(rows):,} {name} rows": [describe(*item, rows) | speeds[item[0]] for item in contestants.items()]
            for name, rows in tests.items()
        }
    trained_on = min(args.baseline_rows or len(splits["train"]), len(splits["train"]))
    print_setup()
    for title, rows in tables.items():
        print_table(f"{title}; baselines trained on {trained_on:,} rows", rows)
    print_goals(args, tables)
    if args.plot:
        title, rows = next(iter(tables.items()))
        figures = {"test": title, "baselines_trained_on": trained_on, "rows": rows}
        Path(args.plot).parent.mkdir(parents=True, exist_ok=True)
        Path(f"{args.plot}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        plot_accuracy_against_speed(args.plot)
    if args.update_card:
        text = "".join(f"\n{title}:\n\n{format_table(rows)}\n" for title, rows in tables.items())
        add_baselines(args.model, text)


def recipe_arguments(args: Namespace) -> list[str]:
    held_out = ["--held_out_files", *args.held_out_files] if args.held_out_files else []
    return ["--config", args.config, "--data_files", *args.data_files, *held_out]


def our_contestants(args: Namespace, folder: Path) -> dict[str, Contestant]:
    """The model directory through torch and, where it has a graph, through ONNX Runtime; or the recipe, trained."""
    seeds = range(args.seeds)
    models = [args.model] if args.model else [train_recipe(recipe_arguments(args), folder / str(s), s) for s in seeds]
    megabytes = [size_mb(models[0] / name) for name in (QUANTIZED_GRAPH, "model.safetensors", "tokenizer.json")]
    found = {}
    if megabytes[0]:
        found[INT8] = Contestant([OnnxClassifier(model, num_threads=1) for model in models], megabytes[0])
    return found | {TORCH: Contestant([TorchClassifier(model) for model in models], megabytes[1])}


def size_mb(path: Path) -> float:
    return path.stat().st_size / 1e6 if path.exists() else 0.0


def baselines(args: Namespace, train: LabelledRows, folder: Path) -> dict[str, Contestant]:
    folder.mkdir(parents=True, exist_ok=True)
    if args.baseline_rows and args.baseline_rows < len(train):
        train = train.select(np.random.default_rng(0).permutation(len(train))[: args.baseline_rows])
    found = {}
    for name in args.baselines:
        path = folder / BASELINES[name].file
        if not path.exists():
            print(f"Training {name} on {len(train):,} rows.", file=sys.stderr)
            BASELINES[name].train(train.texts, train.labels, path)
        found[name] = Contestant([BASELINES[name].load(path)], size_mb(path))
    return found


def use_one_core() -> None:
    torch.set_num_threads(1)
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity(process.cpu_affinity()[:1])


def measure_speed(args: Namespace, contestants: dict[str, Contestant], texts: list[str]) -> dict[str, dict]:
    texts = texts[: args.speed_rows]
    calls = {name: lambda c=contestant: c.predictors[0](texts) for name, contestant in contestants.items()}
    times = in_turn(calls, args.rounds, clock=time.process_time)
    first = next(iter(times.values()))
    return {
        name: {"texts/s": len(texts) / statistics.median(found), "times our speed": 1 / ratio(found, first)}
        for name, found in times.items()
    }


def describe(name: str, contestant: Contestant, test: LabelledRows) -> dict[str, object]:
    labels = np.asarray(test.labels)
    measured = [classification_metrics(predict(test.texts), labels) for predict in contestant.predictors]
    row: dict[str, object] = {"what": name}
    for metric in ("accuracy", "macro_f1", "calibration_error"):
        row[metric.replace("_", " ")] = statistics.mean(found[metric] for found in measured)
    if len(measured) > 1:
        row["what"] = f"{name}, mean of {len(measured)} seeds"
        row["deviation of accuracy"] = statistics.stdev(found["accuracy"] for found in measured)
    return row | {"MB": contestant.megabytes}


def print_goals(args: Namespace, tables: dict[str, Table]) -> None:
    ours, *others = next(iter(tables.values()))
    if Path(args.config).stem in ACCURACY_GOALS:
        print_goal(
            f"Accuracy of {Path(args.config).stem}", ours["accuracy"], at_least=ACCURACY_GOALS[Path(args.config).stem]
        )
    print_goal("Calibration error", ours["calibration error"], at_most=0.01)
    for other in others:
        if other["what"] == TORCH:
            print_goal("Accuracy lost by int8", other["accuracy"] - ours["accuracy"], at_most=0.002)


if __name__ == "__main__":
    main()
