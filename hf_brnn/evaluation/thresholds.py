"""From probabilities to labels: the one place that says how thresholds decide.

A model with one label a text chooses the label whose probability, divided by its threshold, is the largest. Without
thresholds, that is the most probable label. With two labels, the thresholds are 1 - t and t, and the second label is
chosen where its probability is above t. A multi-label model chooses each label whose probability is above its
threshold, by default 0.5.

`tune_thresholds` finds thresholds on the validation split, after calibration. With two labels, the target `f1` is the
mean F1 of both, and `precision=P` finds the most rows of the second label at a precision of P or more. With more
labels, each is tuned against all others.
"""

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL

DEFAULT_THRESHOLD = 0.5


def choose_labels(
    probabilities: np.ndarray, thresholds: Optional[np.ndarray] = None, problem_type: str = SINGLE_LABEL
) -> np.ndarray:
    """Returns `(rows,)` ids of the labels that `(rows, num_labels)` probabilities choose; for a multi-label problem
    `(rows, num_labels)` bool; for a regression, the numbers as they are."""
    if problem_type == REGRESSION:
        return probabilities
    if problem_type == MULTI_LABEL:
        return probabilities > (DEFAULT_THRESHOLD if thresholds is None else thresholds)
    scaled = probabilities if thresholds is None else probabilities / thresholds
    return scaled.argmax(axis=1)


def read_thresholds(config: Mapping[str, Any], num_labels: int) -> Optional[np.ndarray]:
    """Returns `(num_labels,)` the thresholds in a config.json; None if it has none.

    Raises:
        ValueError: They are not a number between 0 and 1 for each label.
    """
    values = config.get("thresholds")
    if values is None:
        return None
    is_list = isinstance(values, list) and len(values) == num_labels
    if not is_list or not all(isinstance(value, (int, float)) and 0 < value < 1 for value in values):
        raise ValueError(
            f"thresholds in config.json is {values!r}, expected a number between 0 and 1 for each of the "
            f"{num_labels} labels. Restore config.json."
        )
    return np.array(values, dtype=np.float64)


def parse_target(text: str) -> tuple[str, float]:
    """Reads the target of `tune_thresholds`: `f1`, or `precision=0.9`.

    Returns:
        `"f1"` or `"precision"`, and the wanted precision, which is 0 for F1.

    Raises:
        ValueError: It is neither.
    """
    name, _, value = text.partition("=")
    try:
        wanted = float(value) if name == "precision" else 0.0
    except ValueError:
        wanted = -1.0
    if (name == "precision" and 0 < wanted <= 1) or text == "f1":
        return name, wanted
    raise ValueError(f"tune_thresholds is {text!r}, but must be f1 or a target precision, such as precision=0.9.")


def tune_thresholds(probabilities: np.ndarray, labels: np.ndarray, target: str) -> np.ndarray:
    """Returns `(num_labels,)` thresholds that reach the target on these rows.

    A label that has no rows, or never the wanted precision, has the threshold 0.5.

    Args:
        probabilities: `(rows, num_labels)`.
        labels: `(rows,)` class ids, or for several labels a text `(rows, num_labels)` of 0 and 1.
        target: As `parse_target` takes it.
    """
    name, precision = parse_target(target)
    num_labels = probabilities.shape[1]
    if labels.ndim == 2 or num_labels > 2:
        is_label = labels > 0.5 if labels.ndim == 2 else labels[:, None] == np.arange(num_labels)
        found = [_tune(probabilities[:, label], is_label[:, label], precision, False) for label in range(num_labels)]
        return np.array(found)
    threshold = _tune(probabilities[:, 1], labels == 1, precision, name == "f1")
    return np.array([1 - threshold, threshold])


def _tune(scores: np.ndarray, is_label: np.ndarray, precision: float, counts_both: bool) -> float:
    """Returns the threshold of one label: with `precision`, that of the highest recall with at least that precision,
    else that of the highest F1; with `counts_both`, of the highest sum of its F1 and that of the other label."""
    from sklearn.metrics import precision_recall_curve

    if not is_label.any() or is_label.all():
        return DEFAULT_THRESHOLD
    precisions, recalls, found = precision_recall_curve(is_label, scores)
    precisions, recalls = precisions[:-1], recalls[:-1]  # the last point has no threshold
    positives, rows = is_label.sum(), len(is_label)
    hits = recalls * positives
    predicted = rows - np.searchsorted(np.sort(scores), found)
    value = 2 * hits / (predicted + positives)
    if precision:
        if not (precisions >= precision).any():
            return DEFAULT_THRESHOLD
        value = np.where(precisions >= precision, recalls, -1)
    elif counts_both:
        other_hits = rows - predicted - positives + hits
        value = value + 2 * other_hits / np.maximum(2 * rows - predicted - positives, 1)
    best = int(value.argmax())
    below = found[best - 1] if best else 0.0
    # Between two scores, so that rounding in another runtime changes no label.
    return float(np.clip((found[best] + below) / 2, 1e-6, 1 - 1e-6))
