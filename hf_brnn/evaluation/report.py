"""The results of an evaluation: metrics of a split, a report per class, and the record of a training run."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import numpy as np

from .metrics import classification_metrics
from .thresholds import choose_labels

# A class with a lower recall is missed more often than found.
LOW_RECALL = 0.5


class EvalResult(NamedTuple):
    """What a model predicts for a split, and how well.

    Attributes:
        labels: `(rows,)` class ids.
        probabilities: `(rows, num_labels)`.
        metrics: `rows`, `loss` (cross-entropy) and the metrics of `classification_metrics`.
        thresholds: `(num_labels,)` the thresholds that choose labels; None without any.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    metrics: dict[str, float]
    thresholds: Optional[np.ndarray] = None

    @property
    def predicted(self) -> np.ndarray:
        """`(rows,)` class ids that are predicted."""
        return choose_labels(self.probabilities, self.thresholds)

    def class_report(self, label_names: list[str]) -> "ClassReport":
        """Returns precision, recall and F1 of each class, and the confusion matrix."""
        return ClassReport.from_predictions(self.labels, self.predicted, label_names)


def evaluate(logits: np.ndarray, labels: np.ndarray, thresholds: Optional[np.ndarray] = None) -> EvalResult:
    """Evaluates `(rows, num_labels)` logits against `(rows,)` class ids."""
    probabilities = softmax(logits)
    predicted = choose_labels(probabilities, thresholds)
    metrics = {"rows": len(labels), "loss": cross_entropy(logits, labels)}
    metrics |= classification_metrics(probabilities, labels, predicted)
    return EvalResult(labels, probabilities, metrics, thresholds)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns `(rows, num_labels)` float32 probabilities."""
    import torch

    return torch.from_numpy(logits).float().softmax(dim=-1).numpy()


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean cross-entropy of `(rows, num_labels)` logits and `(rows,)` class ids."""
    import torch

    return torch.nn.functional.cross_entropy(torch.from_numpy(logits).float(), torch.from_numpy(labels)).item()


@dataclass(frozen=True)
class ClassReport:
    """The quality of each class.

    A class that is never predicted has precision 0; one without rows has recall 0.

    Attributes:
        label_names: The names of the classes.
        counts: `(num_labels, num_labels)`: rows of the true class (first axis) by the predicted class (second axis).
    """

    label_names: list[str]
    counts: np.ndarray

    @classmethod
    def from_predictions(cls, labels: np.ndarray, predicted: np.ndarray, label_names: list[str]) -> "ClassReport":
        """Counts `(rows,)` predicted class ids by their true class ids."""
        size = len(label_names)
        counts = np.bincount(np.asarray(labels) * size + predicted, minlength=size * size)
        return cls(list(label_names), counts.reshape(size, size))

    @property
    def support(self) -> np.ndarray:
        """`(num_labels,)` number of rows of each class."""
        return self.counts.sum(axis=1)

    @property
    def confusion_matrix(self) -> np.ndarray:
        """`(num_labels, num_labels)`: for each true class, the share of its rows by predicted class. Each row that has
        support sums to 1."""
        return self.counts / np.maximum(self.support, 1)[:, None]

    def per_class(self) -> dict[str, dict[str, float]]:
        """Returns `precision`, `recall`, `f1` and `support` by class name."""
        correct = self.counts.diagonal()
        predicted = self.counts.sum(axis=0)
        precision = correct / np.maximum(predicted, 1)
        recall = correct / np.maximum(self.support, 1)
        f1 = 2 * correct / np.maximum(predicted + self.support, 1)
        columns = zip(self.label_names, precision.tolist(), recall.tolist(), f1.tolist(), self.support.tolist())
        return {name: {"precision": p, "recall": r, "f1": f, "support": n} for name, p, r, f, n in columns}

    def low_recalls(self) -> dict[str, float]:
        """Returns the recall of each class that has rows and a recall below one half, by name."""
        return {
            name: row["recall"]
            for name, row in self.per_class().items()
            if row["support"] and row["recall"] < LOW_RECALL
        }

    def to_text(self) -> str:
        """Returns both as aligned tables of plain text."""
        rows = [
            [name, *(f"{row[key]:.4f}" for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in self.per_class().items()
        ]
        shares = [
            [name, *(f"{share:.3f}" for share in row)]
            for name, row in zip(self.label_names, self.confusion_matrix.tolist())
        ]
        return "\n".join(
            [
                align_columns([["class", "precision", "recall", "F1", "rows"], *rows]),
                "",
                "Share of each true class (line) by predicted class (column):",
                align_columns([["", *self.label_names], *shares]),
            ]
        )


def align_columns(rows: list[list[str]]) -> str:
    """Returns lines of text: the first column is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


@dataclass
class TrainingReport:
    """The record of a finished training run, for the model card and metrics.json.

    Attributes:
        results: The results of the final model on the validation and the test split, by the name of the split.
        temperature: What the logits were divided by to calibrate them; 1 without calibration.
        history: Entries of `epoch_history`.
        evaluated: The split that the history's `eval_` metrics come from.
        config: The `config` of the run's `Arguments`.
        thresholds: For each label its threshold, and its F1 on the validation split without and with the thresholds;
            None without thresholds.
        best_epoch: The epoch whose weights were kept; None if that is the last one.
        seconds: Wall time of the training, since the last resumption if it was resumed.
        resumed_epoch: The epoch at which the run was last resumed; None if it was not.
        processor: The hardware, as `describe_processor` returns it.
        watts: The power that `assumed_watts` assumes for it.
        versions: Versions of the libraries by name.
    """

    results: dict[str, EvalResult]
    temperature: float
    history: list[dict[str, float]]
    evaluated: str
    config: dict[str, Any]
    best_epoch: Optional[float]
    seconds: float
    resumed_epoch: Optional[float]
    processor: str
    watts: int
    versions: dict[str, str]
    thresholds: Optional[dict[str, dict[str, float]]] = None

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Metrics by split."""
        return {split: result.metrics for split, result in self.results.items()}

    @property
    def reported(self) -> str:
        """The split that the card reports on."""
        return "test" if "test" in self.results else self.evaluated
