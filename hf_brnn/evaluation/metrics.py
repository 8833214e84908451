"""The metrics of a text classifier. Importing this module loads neither scikit-learn nor evaluate."""

from typing import Optional

import numpy as np

CALIBRATION_BINS = 15
METRIC_NAMES = (
    "accuracy",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "roc_auc",
    "calibration_error",
)
# Names of earlier versions, for the metric that chooses the best epoch.
OLD_METRIC_NAMES = {"f1": "macro_f1", "precision": "macro_precision", "recall": "macro_recall"}


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, predicted: Optional[np.ndarray] = None
) -> dict[str, float]:
    """Computes the metrics of `METRIC_NAMES`.

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
