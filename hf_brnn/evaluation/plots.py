"""The plots of a training run and of an evaluation. matplotlib is loaded when one is drawn."""

from pathlib import Path
from typing import Any

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION
from .metrics import CALIBRATION_BINS, expected_calibration_error
from .report import EvalResult
from .risk_coverage import RiskCoverage


def plot_result(result: EvalResult, folder: Path) -> None:
    """Plots how far scores can be trusted: `reliability.png`, or for a regression `predictions.png`."""
    if result.problem_type == REGRESSION:
        plot_predictions(result.labels, result.scores, result.label_names, folder / "predictions.png")
        return
    labels, probabilities = result.labels, result.scores
    if result.problem_type == MULTI_LABEL:  # each label is a decision of its own
        labels, probabilities = labels.ravel().astype(int), probabilities.ravel()
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    plot_reliability(labels, probabilities, folder / "reliability.png")


def plot_predictions(targets: np.ndarray, predicted: np.ndarray, names: list[str], path: Path) -> None:
    """Plots the predictions of a regression against its targets.

    Args:
        targets: `(rows, num_labels)`.
        predicted: `(rows, num_labels)`.
        names: The names of the targets.
        path: The png file to write.
    """
    plt = _pyplot()
    figure, axes = plt.subplots(1, len(names), figsize=(5 * len(names), 5), layout="constrained", squeeze=False)
    for axis, name, true, found in zip(axes[0], names, targets.T, predicted.T):
        ends = [min(true.min(), found.min()), max(true.max(), found.max())]
        axis.plot(ends, ends, linestyle="--", color="grey", label="perfect prediction")
        axis.scatter(true, found, s=8, alpha=min(1, 30 / len(true) ** 0.5 / 3), linewidths=0)
        axis.set_xlabel(f"true {_plain(name)}")
        axis.set_ylabel(f"predicted {_plain(name)}")
        axis.grid(alpha=0.3)
        axis.legend(loc="upper left")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_curves(history: list[dict[str, float]], path: Path, evaluated: str) -> None:
    """Plots by epoch the loss and the accuracy of the training split and of the split `evaluated`; for a regression,
    the mean absolute error instead of the accuracy."""
    from matplotlib.ticker import MaxNLocator

    plt = _pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    is_regression = any("eval_mae" in entry for entry in history)
    titles = {"loss": "loss", "accuracy": "accuracy", "mae": "mean absolute error"}
    for axis, name in zip(axes, ("loss", "mae" if is_regression else "accuracy")):
        for key, label in ((name, "train"), (f"eval_{name}", evaluated)):
            points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
            if points:
                axis.plot(*zip(*points), marker="o", markersize=4, label=label)
        axis.set_xlabel("epoch")
        squared_error = "squared error, standardized" if is_regression else "cross entropy"
        axis.set_ylabel(squared_error if name == "loss" else titles[name])
        axis.set_title(titles[name].capitalize())
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_confusion_matrix(labels: np.ndarray, predicted: np.ndarray, names: list[str], path: Path) -> None:
    """Plots the share of the rows of each true class by predicted class.

    Args:
        labels: `(rows,)` class ids.
        predicted: `(rows,)` class ids that are predicted.
        names: The label names.
        path: The png file to write.
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    plt = _pyplot()
    names = [_plain(name) for name in names]
    figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels,
        predicted,
        labels=range(len(names)),
        display_labels=names,
        normalize="true",
        values_format=".2f",
        cmap="Blues",
        ax=axis,
    )
    axis.set_title(f"Confusion matrix, {len(labels):,} rows")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_reliability(labels: np.ndarray, probabilities: np.ndarray, path: Path) -> None:
    """Plots accuracy against confidence in bins of equal width (Guo et al., 2017, figure 1), and the rows of each bin.

    Args:
        labels: `(rows,)` class ids.
        probabilities: `(rows, num_labels)`.
        path: The png file to write.
    """
    plt = _pyplot()
    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    bin_ids = np.clip(np.ceil(confidences * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bin_ids)
    has_rows = counts > 0
    mean_confidence, accuracy = (
        np.bincount(bin_ids, weights=values)[has_rows] / counts[has_rows] for values in (confidences, correct)
    )
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(5, 6), sharex=True, height_ratios=(3, 1), layout="constrained")
    top.plot([0, 1], [0, 1], linestyle="--", color="grey", label="perfect calibration")
    top.plot(mean_confidence, accuracy, marker="o", label="model")
    top.set_ylabel("accuracy")
    top.set_title(f"Reliability, calibration error {expected_calibration_error(probabilities, labels):.4f}")
    top.legend(loc="lower right")
    bottom.hist(confidences, bins=edges)
    bottom.set_ylabel("rows")
    bottom.set_xlabel("confidence")
    bottom.set_xlim(1 / probabilities.shape[1] - 0.02, 1.02)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_risk_coverage(curve: RiskCoverage, path: Path) -> None:
    """Plots the accuracy of the most confident share of the rows against that share.

    Args:
        curve: The curve.
        path: The png file to write.
    """
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    axis.plot(curve.coverage, curve.accuracy)
    axis.set_xlabel("coverage: most confident share of the rows")
    axis.set_ylabel("accuracy")
    axis.set_title(f"Risk and coverage, area under the risk {curve.area:.4f}")
    axis.set_xlim(0, 1)
    axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _plain(name: str) -> str:
    """Returns a name as it is: matplotlib reads what is between two dollar signs as a formula."""
    return name.replace("$", r"\$")


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
