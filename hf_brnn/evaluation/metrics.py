"""The metrics of each kind of problem. Importing this module loads neither scikit-learn nor evaluate."""

import re
import warnings
from collections.abc import Sequence
from typing import Optional

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS

CALIBRATION_BINS = 15
METRIC_NAMES = {
    SINGLE_LABEL: ("accuracy", "macro_f1", "macro_precision", "macro_recall", "roc_auc", "calibration_error"),
    MULTI_LABEL: (
        "accuracy",
        "micro_f1",
        "macro_f1",
        "sample_f1",
        "macro_precision",
        "macro_recall",
        "calibration_error",
    ),
    REGRESSION: ("mae", "rmse", "spearman"),
    TOKENS: ("accuracy", "micro_f1", "macro_f1", "macro_precision", "macro_recall", "calibration_error"),
}
# The metrics of which less is better.
ERRORS = ("loss", "calibration_error", "mae", "rmse")
# The metric that chooses the best epoch.
DEFAULT_METRICS = {SINGLE_LABEL: "accuracy", MULTI_LABEL: "micro_f1", REGRESSION: "mae", TOKENS: "macro_f1"}
# Names of earlier versions, for the metric that chooses the best epoch.
OLD_METRIC_NAMES = {"f1": "macro_f1", "precision": "macro_precision", "recall": "macro_recall"}

_ENTITY_TAG = re.compile(r"[BIESLU]-.+")


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, predicted: Optional[np.ndarray] = None
) -> dict[str, float]:
    """Computes the metrics of a single-label problem.

    The macro averages are means over the labels, each counting the same; `ClassReport` has the figures of each label.
    The area under the ROC curve is NaN where `labels` lacks one of the classes.

    Args:
        probabilities: `(rows, num_labels)`.
        labels: `(rows,)` class ids.
        predicted: `(rows,)` class ids that are predicted; by default, those of the most probable classes.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

    probabilities = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(labels)
    if predicted is None:
        predicted = probabilities.argmax(axis=1)
    classes = np.arange(probabilities.shape[1])
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, average="macro", zero_division=0.0
    )
    if len(np.unique(labels)) < len(classes):
        roc_auc = float("nan")
    elif len(classes) == 2:
        roc_auc = roc_auc_score(labels, probabilities[:, 1])
    else:
        normalized = probabilities / probabilities.sum(axis=1, keepdims=True)
        roc_auc = roc_auc_score(labels, normalized, multi_class="ovr", labels=classes)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(f1),
        "macro_precision": float(precision),
        "macro_recall": float(recall),
        "roc_auc": float(roc_auc),
        "calibration_error": expected_calibration_error(probabilities, labels),
    }


def multi_label_metrics(probabilities: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Computes the metrics of a multi-label problem.

    Accuracy is the share of the texts whose labels are all right. F1 is computed over all decisions (micro), as the
    mean over the labels (macro) and as the mean over the texts (sample). F1 is 1 for a text
    that has no labels and is given none.

    Args:
        probabilities: `(rows, num_labels)`.
        labels: `(rows, num_labels)` 0 or 1.
        predicted: `(rows, num_labels)` 0 or 1.
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    labels, predicted = np.asarray(labels).astype(int), np.asarray(predicted).astype(int)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0.0)
    positive = np.asarray(probabilities, np.float64).ravel()
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "micro_f1": float(f1_score(labels, predicted, average="micro", zero_division=0.0)),
        "macro_f1": float(f1),
        "sample_f1": float(f1_score(labels, predicted, average="samples", zero_division=1.0)),
        "macro_precision": float(precision),
        "macro_recall": float(recall),
        "calibration_error": expected_calibration_error(np.stack([1 - positive, positive], axis=1), labels.ravel()),
    }


def regression_metrics(predicted: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Computes the mean absolute error, the root mean squared error and Spearman's rank correlation, the mean over the
    targets of each. The correlation is NaN where all predictions or all targets are the same.

    Args:
        predicted: `(rows, num_labels)`.
        targets: `(rows, num_labels)`.
    """
    from scipy.stats import ConstantInputWarning, spearmanr
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        spearman = [spearmanr(*columns).statistic for columns in zip(predicted.T, targets.T)]
    return {
        "mae": float(mean_absolute_error(targets, predicted)),
        "rmse": float(root_mean_squared_error(targets, predicted)),
        "spearman": float(np.mean(spearman)),
    }


def token_metrics(
    probabilities: np.ndarray, labels: np.ndarray, predicted: np.ndarray, lengths: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Computes the metrics of a token classification.

    Accuracy is the share of the words with the right tag. If the tags mark entities (`B-PER`, `I-PER`, `O`), the others
    are those of seqeval over whole entities: micro F1 over all of them, the macro averages over their kinds. Else they
    are means over the tags, and there is no micro F1, which would be the accuracy.

    Args:
        probabilities: `(words, num_labels)`.
        labels: `(words,)` ids of the tags.
        predicted: `(words,)` ids of the tags that are predicted.
        lengths: `(rows,)` number of words of each text.
        names: The tags.
    """
    from sklearn.metrics import accuracy_score

    metrics = {"accuracy": float(accuracy_score(labels, predicted))}
    if marks_entities(names):
        from seqeval.metrics import f1_score

        metrics["micro_f1"] = float(f1_score(*tag_sequences(labels, predicted, lengths, names), zero_division=0))
    _, precision, recall, f1, _ = tag_scores(labels, predicted, lengths, names)
    return metrics | {
        "macro_f1": float(f1.mean()),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "calibration_error": expected_calibration_error(np.asarray(probabilities, np.float64), labels),
    }


def marks_entities(names: Sequence[str]) -> bool:
    """Returns whether tags mark the words of entities: `O`, and others such as `B-PER` and `I-PER`."""
    return "O" in names and all(name == "O" or _ENTITY_TAG.fullmatch(name) for name in names)


def tag_scores(
    labels: np.ndarray, predicted: np.ndarray, lengths: np.ndarray, names: Sequence[str]
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the kinds of entities, or the tags where they mark none, and of each precision, recall, F1 and number."""
    if not marks_entities(names):
        from sklearn.metrics import precision_recall_fscore_support

        scores = precision_recall_fscore_support(labels, predicted, labels=np.arange(len(names)), zero_division=0.0)
        return [*names], *scores
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as entity_scores

    true, found = tag_sequences(labels, predicted, lengths, names)
    kinds = sorted({kind for kind, _, _ in [*get_entities(true), *get_entities(found)]})
    return kinds, *entity_scores(true, found, average=None, zero_division=0)


def tag_sequences(
    labels: np.ndarray, predicted: np.ndarray, lengths: np.ndarray, names: Sequence[str]
) -> tuple[list[list[str]], list[list[str]]]:
    """Returns the tags of each text, true and predicted."""
    ends = np.cumsum(lengths)[:-1]
    true, found = (np.split(np.array(names, object)[ids], ends) for ids in (labels, predicted))
    return [tags.tolist() for tags in true], [tags.tolist() for tags in found]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Computes the expected calibration error (Guo et al., 2017, equation 3).

    Args:
        probabilities: `(rows, num_labels)`.
        labels: `(rows,)` class ids.
        bins: Number of bins of equal width over the confidence, the highest probability of a row.

    Returns:
        The mean over all rows of |accuracy - confidence| of the row's bin, between 0 and 1.
    """
    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_ids = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_ids, weights=correct - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
