"""Measures a saved folder on labelled rows.

python scripts/evaluate_model.py --model runs/quickstart --data_files test.csv

Writes metrics.json, confusion_matrix.png, reliability.png and predictions.csv to runs/<model name>.evaluation.
"""

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.metrics import ConfusionMatrixDisplay
from transformers import HfArgumentParser

from hf_brnn.data import DataArguments, load_rows
from hf_brnn.hub import write_json
from hf_brnn.metrics import CALIBRATION_BINS, TextClassificationMetrics
from hf_brnn.scoring import TorchClassifier
from hf_brnn.tables import table_writer

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@dataclass
class EvaluationArguments:
    """What to measure, and where the results go."""

    model: str = field(metadata={"help": "A saved folder or a model id on the Hub."})
    output_dir: Optional[Path] = field(default=None, metadata={"help": "By default runs/<model name>.evaluation."})
    batch_size: int = 256


def main(argv: list[str]) -> None:
    parser = HfArgumentParser((EvaluationArguments, DataArguments))
    args, data_args = parser.parse_args_into_dataclasses(argv, look_for_args_file=False)
    if data_args.data_files is None and not any(argument.startswith("--dataset") for argument in argv):
        parser.error("name the rows to measure on: --data_files FILE, or --dataset_name")
    scorer = TorchClassifier(args.model, args.batch_size)
    data_args.class_names = scorer.class_names
    rows = load_rows(data_args)
    probabilities = scorer(rows.texts)
    labels = np.asarray(rows.labels)

    folder = args.output_dir or Path("runs") / f"{Path(args.model).name}.evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    source = ", ".join(Path(file).name for file in data_args.data_files or [data_args.dataset_name])
    metrics = {
        "model": Path(args.model).name,
        "source": source,
        "rows": len(labels),
        "neutral_left_out": rows.neutral,
        "bad_left_out": len(rows.bad_rows),
    }
    metrics |= TextClassificationMetrics().compute(predictions=probabilities, references=labels)
    write_json(metrics, folder / "metrics.json")
    plot_confusion_matrix(labels, probabilities, scorer.class_names, folder / "confusion_matrix.png")
    plot_reliability(labels, probabilities, metrics["calibration_error"], folder / "reliability.png")
    write_predictions(rows.texts, labels, probabilities, scorer.class_names, folder / "predictions.csv")
    print(pd.Series(metrics, dtype=object).to_string())
    print(f"Pictures and predictions are in {folder}.")


def plot_confusion_matrix(labels: np.ndarray, probabilities: np.ndarray, names: list[str], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels, probabilities.argmax(axis=1), labels=range(len(names)), display_labels=names, cmap="Blues", ax=axis
    )
    axis.set_title(f"Confusion matrix, {len(labels):,} rows")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_reliability(labels: np.ndarray, probabilities: np.ndarray, calibration_error: float, path: Path) -> None:
    """Accuracy against confidence in bins of equal width (Guo et al., 2017, figure 1), and how many rows each holds."""
    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = pd.cut(confidences, edges, labels=False, include_lowest=True)
    table = pd.DataFrame({"bin": bins, "confidence": confidences, "correct": correct}).groupby("bin").mean()
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(5, 6), sharex=True, height_ratios=(3, 1), layout="constrained")
    top.plot([0, 1], [0, 1], linestyle="--", color="grey", label="perfect calibration")
    top.plot(table["confidence"], table["correct"], marker="o", label="model")
    top.set_ylabel("accuracy")
    top.set_title(f"Reliability, calibration error {calibration_error:.4f}")
    top.legend()
    bottom.hist(confidences, bins=edges)
    bottom.set_ylabel("rows")
    bottom.set_xlabel("confidence")
    bottom.set_xlim(1 / probabilities.shape[1] - 0.02, 1.02)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def write_predictions(
    texts: list[str], labels: np.ndarray, probabilities: np.ndarray, names: list[str], path: Path
) -> None:
    predicted = probabilities.argmax(axis=1)
    frame = pd.DataFrame(
        {
            "text": texts,
            "label": [names[label] for label in labels],
            "predicted": [names[label] for label in predicted],
            "score": probabilities.max(axis=1),
        }
    )
    with table_writer(path) as writer:
        writer.write(pa.Table.from_pandas(frame, preserve_index=False))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
