"""The results of an evaluation: metrics of a split, a report per class, and the record of a training run."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import numpy as np

from ..data.dataset import NO_LABEL
from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from .activation import activate
from .metrics import classification_metrics, multi_label_metrics, regression_metrics, tag_scores, token_metrics
from .thresholds import choose_labels

# A class with a lower recall is missed more often than found.
LOW_RECALL = 0.5


class EvalResult(NamedTuple):
    """What a model predicts for a split, and how well.

    Attributes:
        labels: `(rows,)` class ids; `(rows, num_labels)` labels of 0 and 1, or targets; or `(words,)` ids of tags.
        scores: `(rows, num_labels)` or `(words, num_labels)` probabilities, or the predicted numbers of a regression.
        metrics: `rows`, `loss` and the metrics of the kind of problem.
        label_names: Names of the labels.
        problem_type: The kind of problem.
        thresholds: `(num_labels,)` the thresholds that choose labels; None without any.
        lengths: For token classification, `(rows,)` number of words of each text.
    """

    labels: np.ndarray
    scores: np.ndarray
    metrics: dict[str, float]
    label_names: list[str]
    problem_type: str = SINGLE_LABEL
    thresholds: Optional[np.ndarray] = None
    lengths: Optional[np.ndarray] = None

    @property
    def predicted(self) -> np.ndarray:
        """What is predicted, in the form of `labels`."""
        return choose_labels(self.scores, self.thresholds, self.problem_type)

    def class_report(self) -> Optional["ClassReport"]:
        """Returns precision, recall and F1 of each class, for a single-label problem with the confusion matrix; None
        for a regression."""
        if self.problem_type == REGRESSION:
            return None
        if self.problem_type == SINGLE_LABEL:
            return ClassReport.from_predictions(self.labels, self.predicted, self.label_names)
        if self.problem_type == MULTI_LABEL:
            from sklearn.metrics import precision_recall_fscore_support

            found = precision_recall_fscore_support(self.labels > 0.5, self.predicted, zero_division=0.0)
            return ClassReport(self.label_names, *found)
        assert self.lengths is not None
        return ClassReport(*tag_scores(self.labels, self.predicted, self.lengths, self.label_names))


def evaluate(
    logits: np.ndarray,
    labels: np.ndarray,
    label_names: list[str],
    problem_type: str = SINGLE_LABEL,
    thresholds: Optional[np.ndarray] = None,
) -> EvalResult:
    """Evaluates logits against labels.

    Args:
        logits: `(rows, num_labels)`; for token classification `(rows, sequence_length, num_labels)`.
        labels: `(rows,)` class ids; `(rows, num_labels)` labels of 0 and 1, or targets; or `(rows, sequence_length)`
            ids of tags, -100 where there is none.
        label_names: Names of the labels.
        problem_type: The kind of problem.
        thresholds: `(num_labels,)` the thresholds that choose labels.
    """
    rows = len(labels)
    logits, labels, lengths = select_words(logits, labels, problem_type)
    result = evaluate_scores(activate(logits, problem_type), labels, label_names, problem_type, thresholds, lengths)
    loss = mean_loss(logits, labels, problem_type)
    return result._replace(metrics={"rows": rows, "loss": loss, **result.metrics})


def select_words(
    logits: np.ndarray, labels: np.ndarray, problem_type: str
) -> tuple[np.ndarray, np.ndarray, Optional[np.ndarray]]:
    """Returns for token classification the `(words, num_labels)` logits and `(words,)` labels of the tokens that have a
    label, and the `(rows,)` number of words of each text; for other problems what is given, and None."""
    if problem_type != TOKENS:
        return logits, labels, None
    is_word = labels != NO_LABEL
    return logits[is_word], labels[is_word], is_word.sum(axis=1)


def evaluate_scores(
    scores: np.ndarray,
    labels: np.ndarray,
    label_names: list[str],
    problem_type: str = SINGLE_LABEL,
    thresholds: Optional[np.ndarray] = None,
    lengths: Optional[np.ndarray] = None,
) -> EvalResult:
    """Evaluates scores against labels. The arguments are the attributes of `EvalResult`."""
    predicted = choose_labels(scores, thresholds, problem_type)
    if problem_type == REGRESSION:
        metrics = regression_metrics(scores, labels)
    elif problem_type == MULTI_LABEL:
        metrics = multi_label_metrics(scores, labels, predicted)
    elif lengths is not None:
        metrics = token_metrics(scores, labels, predicted, lengths, label_names)
    else:
        metrics = classification_metrics(scores, labels, predicted)
    return EvalResult(labels, scores, metrics, label_names, problem_type, thresholds, lengths)


def mean_loss(logits: np.ndarray, labels: np.ndarray, problem_type: str = SINGLE_LABEL) -> float:
    """Returns the mean cross-entropy of `(rows, num_labels)` logits, for a multi-label problem the binary one, for a
    regression the mean squared error. Labels have the form of those in `EvalResult`."""
    import torch

    functions = torch.nn.functional
    outputs, targets = torch.from_numpy(logits).float(), torch.from_numpy(labels)
    if problem_type == REGRESSION:
        return functions.mse_loss(outputs, targets).item()
    if problem_type == MULTI_LABEL:
        return functions.binary_cross_entropy_with_logits(outputs, targets).item()
    return functions.cross_entropy(outputs, targets).item()


@dataclass(frozen=True)
class ClassReport:
    """The quality of each class: of each label, tag or kind of entity.

    A class that is never predicted has precision 0; one without rows has recall 0.

    Attributes:
        names: The names of the classes.
        precision: `(num_classes,)`.
        recall: `(num_classes,)`.
        f1: `(num_classes,)`.
        support: `(num_classes,)` number of rows of each class; of words or entities for token classification.
        counts: `(num_classes, num_classes)`: rows of the true class (first axis) by the predicted class (second axis);
            None where a row may have several classes.
    """

    names: list[str]
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    counts: Optional[np.ndarray] = None

    @classmethod
    def from_predictions(cls, labels: np.ndarray, predicted: np.ndarray, label_names: list[str]) -> "ClassReport":
        """Makes it of the `(rows,)` class ids of a single-label problem, true and predicted."""
        size = len(label_names)
        counts = np.bincount(np.asarray(labels) * size + predicted, minlength=size * size).reshape(size, size)
        correct, found, support = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
        return cls(
            list(label_names),
            correct / np.maximum(found, 1),
            correct / np.maximum(support, 1),
            2 * correct / np.maximum(found + support, 1),
            support,
            counts,
        )

    @property
    def confusion_matrix(self) -> Optional[np.ndarray]:
        """`(num_classes, num_classes)`: for each true class, the share of its rows by predicted class. Each row that
        has support sums to 1."""
        return None if self.counts is None else self.counts / np.maximum(self.support, 1)[:, None]

    def per_class(self) -> dict[str, dict[str, float]]:
        """Returns `precision`, `recall`, `f1` and `support` by class name."""
        columns = (self.precision, self.recall, self.f1, self.support)
        rows = zip(self.names, *(column.tolist() for column in columns))
        return {name: {"precision": p, "recall": r, "f1": f, "support": n} for name, p, r, f, n in rows}

    def low_recalls(self) -> dict[str, float]:
        """Returns the recall of each class that has rows and a recall below one half, by name."""
        return {
            name: row["recall"]
            for name, row in self.per_class().items()
            if row["support"] and row["recall"] < LOW_RECALL
        }

    def to_text(self) -> str:
        """Returns them as aligned tables of plain text."""
        rows = [
            [name, *(f"{row[key]:.4f}" for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in self.per_class().items()
        ]
        tables = [align_columns([["class", "precision", "recall", "F1", "rows"], *rows])]
        if self.confusion_matrix is not None:
            shares = [
                [name, *(f"{share:.3f}" for share in row)]
                for name, row in zip(self.names, self.confusion_matrix.tolist())
            ]
            tables += ["", "Share of each true class (row) by predicted class (column):"]
            tables.append(align_columns([["", *self.names], *shares]))
        return "\n".join(tables)


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
    def saved_epoch(self) -> Optional[float]:
        """The epoch whose weights are saved; None if the history is empty."""
        if self.best_epoch is None and self.history:
            return self.history[-1]["epoch"]
        return self.best_epoch

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Metrics by split."""
        return {split: result.metrics for split, result in self.results.items()}

    @property
    def reported(self) -> str:
        """The split that the card reports on."""
        return "test" if "test" in self.results else self.evaluated
