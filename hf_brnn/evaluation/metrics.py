"""The metrics of a text classifier. Importing this module loads neither scikit-learn nor evaluate."""

import numpy as np

CALIBRATION_BINS = 15
METRIC_NAMES = ("accuracy", "f1", "precision", "recall", "macro_f1", "roc_auc", "calibration_error")


def classification_metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Computes the metrics of `METRIC_NAMES`.

    F1, precision and recall are those of label 1 where there are two labels, macro averages where there are more. The
    area under the ROC curve is NaN where `labels` lacks one of the classes.

    Args:
        probabilities: `(rows, num_labels)`.
        labels: `(rows,)` class ids.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

    probabilities = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(labels)
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(probabilities.shape[1])
    is_binary = len(classes) == 2
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, average="binary" if is_binary else "macro", zero_division=0.0
    )
    macro_f1 = precision_recall_fscore_support(labels, predicted, labels=classes, average="macro", zero_division=0.0)[2]
    if len(np.unique(labels)) < len(classes):
        roc_auc = float("nan")
    elif is_binary:
        roc_auc = roc_auc_score(labels, probabilities[:, 1])
    else:
        normalized = probabilities / probabilities.sum(axis=1, keepdims=True)
        roc_auc = roc_auc_score(labels, normalized, multi_class="ovr", labels=classes)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "f1": float(f1),
        "precision": float(precision),
        "recall": float(recall),
        "macro_f1": float(macro_f1),
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
