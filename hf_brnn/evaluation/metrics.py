"""The metrics of a text classifier, as an `evaluate.Metric` that needs no network."""

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

CALIBRATION_BINS = 15
METRIC_NAMES = ("accuracy", "f1", "precision", "recall", "macro_f1", "roc_auc", "calibration_error")


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """How far confidence stands from accuracy (Guo et al., 2017, equation 3).

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


class TextClassificationMetrics(evaluate.Metric):
    """Accuracy; F1, precision and recall (of label 1 with two labels, macro means with more); macro F1; area under the
    ROC curve; expected calibration error.

    `compute(predictions=..., references=...)` takes a row of class probabilities and a class id for each text. The area
    under the ROC curve is undefined, and NaN, where the references hold fewer classes than there are.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            inputs_description="predictions: (rows, num_labels) probabilities; references: (rows,) class ids.",
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("float32")),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict[str, float]:
        probabilities = np.asarray(predictions, dtype=np.float64)
        labels = np.asarray(references)
        predicted = probabilities.argmax(axis=1)
        classes = np.arange(probabilities.shape[1])
        is_binary = len(classes) == 2
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, labels=classes, average="binary" if is_binary else "macro", zero_division=0.0
        )
        macro_f1 = precision_recall_fscore_support(
            labels, predicted, labels=classes, average="macro", zero_division=0.0
        )[2]
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
