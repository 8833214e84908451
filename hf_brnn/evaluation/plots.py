"""The plots of a training run and of an evaluation, each as PNG and SVG. matplotlib is loaded when one is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION
from .metrics import CALIBRATION_BINS, expected_calibration_error
from .report import EvalResult
from .risk_coverage import RiskCoverage

SUFFIXES = (".png", ".svg")
FIRST_COLOR, SECOND_COLOR, GREY = "#2f6fb5", "#d9822b", "#6b7280"
OTHER_COLORS = ("#3a9d6e", "#a855a0", "#b8a13a", "#4b5563")
# The pictures have a light ground of their own: they are read on light and dark pages.
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.prop_cycle": f"cycler('color', {[FIRST_COLOR, SECOND_COLOR, *OTHER_COLORS]})",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.titlesize": "large",
    "figure.titleweight": "bold",
    "font.size": 10,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "savefig.dpi": 120,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "hf_brnn",
}
# An axis of accuracies spans at least this much: a difference of 0.02 must not look like a cliff.
MIN_ACCURACY_SPAN = 0.2
# The line of a reliability plot leaves out bins with fewer rows.
MIN_BIN_ROWS = 20
# A confusion matrix of more labels shows colors alone; precision and recall are drawn of the largest labels alone.
MAX_LABELS_WITH_COUNTS = 20
MAX_CURVES = 6


def plot_result(result: EvalResult, folder: Path, name: str) -> None:
    """Plots how far scores can be trusted: `reliability`, or for a regression `predictions`.

    Args:
        result: The scores of the rows.
        folder: Where to write.
        name: The name of the model.
    """
    if result.problem_type == REGRESSION:
        plot_predictions(result.labels, result.scores, result.label_names, folder / "predictions", name)
        return
    labels, probabilities = result.labels, result.scores
    if result.problem_type == MULTI_LABEL:  # each label is a decision of its own
        labels, probabilities = labels.ravel().astype(int), probabilities.ravel()
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    plot_reliability(labels, probabilities, folder / "reliability", name)


def plot_predictions(targets: np.ndarray, predicted: np.ndarray, names: list[str], path: Path, model: str) -> None:
    """Plots the predictions of a regression against its targets.

    Args:
        targets: `(rows, num_labels)`.
        predicted: `(rows, num_labels)`.
        names: The names of the targets.
        path: The files to write, without suffix.
        model: The name of the model.
    """
    with _figure(path, 1, len(names), figsize=(5 * len(names), 4.8)) as (figure, axes):
        figure.suptitle(f"{_plain(model)}: predictions of {len(targets):,} rows")
        for axis, name, true, found in zip(axes[0], names, targets.T, predicted.T):
            ends = [min(true.min(), found.min()), max(true.max(), found.max())]
            axis.plot(ends, ends, linestyle="--", color=GREY, label="perfect prediction")
            # As a picture in the SVG too, which would have an element for each row.
            axis.scatter(true, found, s=8, alpha=min(1, 10 / len(true) ** 0.5), linewidths=0, rasterized=True)
            axis.set_xlabel(f"true {_plain(name)}")
            axis.set_ylabel(f"predicted {_plain(name)}")
            axis.legend(loc="upper left")


def plot_curves(
    history: list[dict[str, float]], path: Path, evaluated: str, model: str, saved_epoch: Optional[float] = None
) -> None:
    """Plots by epoch the loss and the accuracy of the training split and of the split `evaluated`; for a regression,
    the mean absolute error instead of the accuracy. Those of the training split are means over an epoch, while the
    weights change and dropout is on.

    Args:
        history: The metrics of each epoch.
        path: The files to write, without suffix.
        evaluated: The split that is evaluated at the end of each epoch.
        model: The name of the run.
        saved_epoch: The epoch whose weights are kept, if it is known.
    """
    from matplotlib.ticker import MaxNLocator

    is_regression = any("eval_mae" in entry for entry in history)
    titles = {
        "loss": "Loss (squared error, standardized)" if is_regression else "Loss (cross entropy)",
        "accuracy": "Accuracy",
        "mae": "Mean absolute error",
    }
    with _figure(path, 1, 2, figsize=(9.5, 4.2)) as (figure, axes):
        figure.suptitle(f"{_plain(model)}: training")
        for axis, name in zip(axes[0], ("loss", "mae" if is_regression else "accuracy")):
            for key, label in ((name, "train, mean over the epoch"), (f"eval_{name}", f"{evaluated}, after the epoch")):
                points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
                if points:
                    axis.plot(*zip(*points), marker="o", markersize=4, label=label)
            axis.set_title(titles[name])
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(history) == 1:  # around a single point, matplotlib chooses a range without whole epochs
                axis.set_xlim(history[0]["epoch"] - 1, history[0]["epoch"] + 1)
            if name == "accuracy":
                _widen(axis)
            elif axis.lines:
                axis.set_ylim(0, 1.1 * axis.dataLim.ymax)
            if axis.lines and saved_epoch is not None:
                axis.axvline(saved_epoch, linestyle=":", color=GREY, label=f"kept: epoch {saved_epoch:.3g}")
        # One legend of both plots, below them: it never lies on a line.
        lines = {line.get_label(): line for axis in axes[0] for line in axis.lines}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3)


def plot_confusion_matrix(labels: np.ndarray, predicted: np.ndarray, names: list[str], path: Path, model: str) -> None:
    """Plots the rows of each true class by predicted class, colored by their share of the true class.

    Args:
        labels: `(rows,)` class ids.
        predicted: `(rows,)` class ids that are predicted.
        names: The label names.
        path: The files to write, without suffix.
        model: The name of the model.
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_plain(name) for name in names]
    size = max(4.0, 0.9 * min(len(names), MAX_LABELS_WITH_COUNTS) + 2)
    with _figure(path, figsize=(size + 1, size)) as (figure, axes):
        axis = axes[0, 0]
        figure.suptitle(f"{_plain(model)}: {len(labels):,} rows")
        image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.grid(False)
        axis.set_xticks(range(len(names)), names)
        if len(names) > 2:
            axis.tick_params("x", rotation=45)
            for text in axis.get_xticklabels():
                text.set_horizontalalignment("right")
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")
        figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
        if len(names) <= MAX_LABELS_WITH_COUNTS:
            for row, column in np.ndindex(counts.shape):
                share = shares[row, column]
                text = f"{counts[row, column]:,}\n({100 * share:.0f} %)"
                axis.text(
                    column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black", size=9
                )


def plot_reliability(labels: np.ndarray, probabilities: np.ndarray, path: Path, model: str) -> None:
    """Plots accuracy against confidence in bins of equal width (Guo et al., 2017, figure 1), with 95 % confidence
    intervals (Wilson, 1927), and the rows of each bin.

    Args:
        labels: `(rows,)` class ids.
        probabilities: `(rows, num_labels)`.
        path: The files to write, without suffix.
        model: The name of the model.
    """
    from scipy.stats import binomtest

    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    bin_ids = np.clip(np.ceil(confidences * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bin_ids)
    has_rows = counts > 0
    found, hits = counts[has_rows], np.bincount(bin_ids, weights=correct)[has_rows]
    mean_confidence, accuracy = np.bincount(bin_ids, weights=confidences)[has_rows] / found, hits / found
    ends = np.array([binomtest(int(k), int(n)).proportion_ci(method="wilson") for k, n in zip(hits, found)])
    is_in_line = found >= MIN_BIN_ROWS
    with _figure(path, 2, 1, figsize=(5.5, 6), sharex=True, height_ratios=(3, 1)) as (figure, axes):
        top, bottom = axes[:, 0]
        figure.suptitle(f"{_plain(model)}: reliability, {len(labels):,} rows")
        top.plot([0, 1], [0, 1], linestyle="--", color=GREY, label="perfect calibration")
        top.plot(mean_confidence[is_in_line], accuracy[is_in_line], color=FIRST_COLOR)
        top.errorbar(
            mean_confidence, accuracy, np.abs(ends.T - accuracy), fmt="none", ecolor=FIRST_COLOR, alpha=0.6, capsize=2
        )
        sizes = 20 + 180 * found / found.max()
        top.scatter(mean_confidence, accuracy, sizes, color=FIRST_COLOR, label="model; area by rows, 95 % interval")
        top.set_ylim(max(min(ends.min(), 1 / probabilities.shape[1]) - 0.05, 0), 1.03)
        top.set_ylabel("accuracy")
        top.set_title(f"Calibration error {expected_calibration_error(probabilities, labels):.4f}")
        top.legend(loc="lower right")
        bottom.hist(confidences, bins=edges, color=FIRST_COLOR, rwidth=0.9)
        bottom.set_ylabel("rows")
        bottom.set_xlabel("confidence: the probability of the predicted label")
        bottom.set_xlim(1 / probabilities.shape[1] - 0.02, 1.02)


def plot_precision_recall(labels: np.ndarray, scores: np.ndarray, names: list[str], path: Path, model: str) -> None:
    """Plots precision against recall at every threshold, for each label against the others; of many labels, for those
    with the most rows.

    Args:
        labels: `(rows, num_labels)`, 1 where a row has the label.
        scores: `(rows, num_labels)` probabilities.
        names: The label names.
        path: The files to write, without suffix.
        model: The name of the model.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    shown = [index for index in np.argsort(-labels.sum(axis=0), kind="stable") if labels[:, index].any()][:MAX_CURVES]
    with _figure(path, figsize=(5.5, 4.5)) as (figure, axes):
        axis = axes[0, 0]
        figure.suptitle(f"{_plain(model)}: precision and recall")
        for index in sorted(shown):
            precision, recall, _ = precision_recall_curve(labels[:, index], scores[:, index])
            average = average_precision_score(labels[:, index], scores[:, index])
            axis.plot(recall, precision, drawstyle="steps-post", label=f"{_plain(names[index])}, mean {average:.3f}")
        axis.set_xlabel("recall")
        axis.set_ylabel("precision")
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)
        if shown:
            axis.legend(loc="lower left")


def plot_risk_coverage(curve: RiskCoverage, path: Path, model: str) -> None:
    """Plots the accuracy of the most confident share of the rows against that share.

    Args:
        curve: The curve.
        path: The files to write, without suffix.
        model: The name of the model.
    """
    with _figure(path, figsize=(5.5, 4)) as (figure, axes):
        axis = axes[0, 0]
        figure.suptitle(f"{_plain(model)}: accuracy by coverage")
        axis.plot(curve.coverage, curve.accuracy)
        axis.set_xlabel("coverage: most confident share of the rows")
        axis.set_ylabel("accuracy")
        axis.set_title(f"Area under the risk-coverage curve {curve.area:.4f}")
        axis.set_xlim(0, 1)
        _widen(axis)


def _widen(axis: Any) -> None:
    """Makes an axis of accuracies span `MIN_ACCURACY_SPAN` or more, within 0 and 1."""
    low, high = axis.get_ylim()
    middle = (low + high) / 2
    half = max((high - low) / 2, MIN_ACCURACY_SPAN / 2)
    top = min(middle + half, 1.01)
    axis.set_ylim(max(top - 2 * half, 0), top)


def _plain(name: str) -> str:
    """Returns a name as it is: matplotlib reads what is between two dollar signs as a formula."""
    return name.replace("$", r"\$")


@contextmanager
def _figure(path: Path, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Gives a figure in the style of this module and its axes, `(rows, columns)`, and saves it with each suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(*args, squeeze=False, **kwargs)
        try:
            yield figure, axes
            for suffix in SUFFIXES:
                # Without its date, a file has the same bytes each time.
                figure.savefig(
                    path.with_name(path.name + suffix), metadata={"Date": None} if suffix == ".svg" else None
                )
        finally:
            plt.close(figure)
