"""Measures recipes and baselines on tasks that people labeled, on validation rows.

python benchmarks/tasks.py --tasks data/tweeteval/emotion data/tweeteval/irony data/semeval --class_weight balanced

A task is a folder with train.csv and either val.csv or validation.csv, with columns text and label. Rows without a text
are left out. All contestants learn from the same rows and are measured by the task's own metric. Other options are
those of hf-brnn train: with --max_rows, each seed draws other rows.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from baselines import BASELINES, Baseline, load_regression, train_words_and_characters
from recipes import train_recipe
from timing import print_setup, print_table

from hf_brnn.commands.parser import CommandParser
from hf_brnn.commands.train import parse_values
from hf_brnn.data.rows import LabelledRows, load_splits
from hf_brnn.data.splits import split_rows
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.training.arguments import build_arguments

TASK_BASELINES = {
    "fastText": BASELINES["fastText"],
    "TF-IDF": BASELINES["TF-IDF words + characters"],
    "TF-IDF, balanced": Baseline(
        "balanced.joblib", partial(train_words_and_characters, class_weight="balanced"), load_regression
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", type=Path, required=True, help="Folders with train.csv and val.csv.")
    parser.add_argument("--configs", nargs="*", default=["finetune"], help="Recipes to train (default: finetune).")
    parser.add_argument("--seeds", type=int, default=1, help="Train with this many seeds (default: 1).")
    parser.add_argument(
        "--baselines", nargs="*", choices=list(TASK_BASELINES), default=list(TASK_BASELINES), help="Default: all."
    )
    args, options = parser.parse_known_args(argv)
    try:
        parse_values(options)
        tasks = {task.name: task_arguments(task) for task in args.tasks}
    except (OSError, ValueError) as error:
        parser.error(str(error))
    rows = [measure_task(*task, args.configs, options, args.seeds, args.baselines) for task in tasks.items()]
    print_setup()
    print_table("Validation rows", rows)


def measure_task(
    name: str, arguments: list[str], configs: list[str], options: list[str], seeds: int, baselines: list[str]
) -> dict[str, object]:
    """Returns a row of the table: the metric of each contestant, with the seconds of each training of a recipe."""
    figures, seconds = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for seed in range(seeds):
        seeded = [*arguments, *options, "--split_seed", str(seed)]
        data_args = build_arguments(parse_values(seeded)).data
        source = load_splits(data_args)
        splits = split_rows(source["train"], data_args, source)
        train, validation = splits["train"], splits["validation"]
        metric_name, metric = metric_of(name, validation.label_names)
        labels = np.asarray(validation.labels)
        with tempfile.TemporaryDirectory() as folder:
            for config in configs:
                start = time.perf_counter()
                model = train_recipe(["--config", config, *seeded], Path(folder) / config, seed)
                figures[config].append(metric(labels, predicted_ids(TorchClassifier(model), validation)))
                seconds[config].append(time.perf_counter() - start)
            if seed and data_args.max_rows is None:  # the baselines have learned from these rows
                continue
            for what in baselines:
                baseline = TASK_BASELINES[what]
                path = Path(folder) / baseline.file
                baseline.train(train.texts, train.labels, path)
                figures[what].append(metric(labels, baseline.load(path)(validation.texts).argmax(axis=1)))
    row: dict[str, object] = {"task": name, "rows": len(train), "metric": metric_name}
    for what in (*configs, *baselines):
        row[what] = statistics.mean(figures[what])
        if what in configs:
            row |= {f"{what}, deviation": statistics.stdev(figures[what])} if seeds > 1 else {}
            row[f"{what}, seconds"] = statistics.mean(seconds[what])
    return row


def task_arguments(task: Path) -> list[str]:
    """Raises:
    FileNotFoundError: The folder lacks a file.
    """
    train = task / "train.csv"
    found = [path for name in ("val.csv", "validation.csv") if (path := task / name).is_file()]
    if not train.is_file() or not found:
        raise FileNotFoundError(f"{task} needs train.csv, and val.csv or validation.csv. Name a folder that has them.")
    files = ["--data_files", str(train), "--validation_files", str(found[0])]
    return [*files, "--test_size", "0", "--skip_bad_rows", "True"]


def predicted_ids(classifier: TorchClassifier, rows: LabelledRows) -> np.ndarray:
    """The predicted labels as ids of the rows' labels."""
    ids = np.array([rows.label_names.index(name) for name in classifier.label_names])
    return ids[classifier(rows.texts).argmax(axis=1)]


def metric_of(task: str, names: list[str]) -> tuple[str, Callable[[np.ndarray, np.ndarray], float]]:
    """The official metric of a task of TweetEval (Barbieri et al., 2020) or of SemEval-2017 Task 4-A (Rosenthal et al.,
    2017); macro F1 for others."""
    from sklearn.metrics import f1_score, recall_score

    if task == "irony":
        return "F1 of irony", lambda labels, found: f1_score(labels, found, pos_label=names.index("irony"))
    if task.startswith("stance"):
        counted = [names.index("against"), names.index("favor")]
        return "F1 of two", lambda labels, found: f1_score(labels, found, labels=counted, average="macro")
    if task == "semeval":
        return "macro recall", partial(recall_score, average="macro")
    return "macro F1", partial(f1_score, average="macro")


if __name__ == "__main__":
    main()
