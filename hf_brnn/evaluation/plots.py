"""The pictures of a training and of an evaluation."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

from .metrics import CALIBRATION_BINS, expected_calibration_error

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator


def plot_curves(history: list[dict[str, float]], path: Path, evaluated: str) -> None:
    """Draws loss and accuracy of the training rows and of the evaluated part by epoch."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name in zip(axes, ("loss", "accuracy")):
        for key, label in ((name, "train"), (f"eval_{name}", evaluated)):
            points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
            if points:
                axis.plot(*zip(*points), marker="o", markersize=4, label=label)
        axis.set_xlabel("epoch")
        axis.set_ylabel("cross entropy" if name == "loss" else "accuracy")
        axis.set_title(name.capitalize())
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_confusion_matrix(labels: np.ndarray, probabilities: np.ndarray, names: list[str], path: Path) -> None:
    names = [name.replace("$", r"\$") for name in names]  # matplotlib sets what stands between two as mathematics
    figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels, probabilities.argmax(axis=1), labels=range(len(names)), display_labels=names, cmap="Blues", ax=axis
    )
    axis.set_title(f"Confusion matrix, {len(labels):,} rows")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_reliability(labels: np.ndarray, probabilities: np.ndarray, path: Path) -> None:
    """Accuracy against confidence in bins of equal width (Guo et al., 2017, figure 1), and how many rows each holds."""
    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    bins = pd.cut(confidences, edges, labels=False, include_lowest=True)
    table = pd.DataFrame({"bin": bins, "confidence": confidences, "correct": correct}).groupby("bin").mean()
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(5, 6), sharex=True, height_ratios=(3, 1), layout="constrained")
    top.plot([0, 1], [0, 1], linestyle="--", color="grey", label="perfect calibration")
    top.plot(table["confidence"], table["correct"], marker="o", label="model")
    top.set_ylabel("accuracy")
    top.set_title(f"Reliability, calibration error {expected_calibration_error(probabilities, labels):.4f}")
    top.legend(loc="lower right")
    bottom.hist(confidences, bins=edges)
    bottom.set_ylabel("rows")
    bottom.set_xlabel("confidence")
    bottom.set_xlim(1 / probabilities.shape[1] - 0.02, 1.02)
    figure.savefig(path, dpi=120)
    plt.close(figure)
