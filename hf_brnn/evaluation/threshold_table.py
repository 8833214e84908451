"""Precision and recall of each label at a few thresholds."""

from typing import Any

import numpy as np

from .report import align_columns

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# More labels are in metrics.json alone.
MAX_SHOWN_LABELS = 6


def threshold_rows(has_label: np.ndarray, scores: np.ndarray, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Returns for each label what choosing it above each threshold gives: `threshold`, `precision` (NaN where no row is
    chosen), `recall` (NaN where no row has the label) and `rows`, the number of rows chosen.

    Args:
        has_label: `(rows, num_labels)`, 1 where a row has the label.
        scores: `(rows, num_labels)` probabilities.
        names: The label names.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, is_label, score in zip(names, np.asarray(has_label).T > 0.5, scores.T):
        found[name] = []
        for threshold in THRESHOLDS:
            is_chosen = score > threshold
            hits = int((is_chosen & is_label).sum())
            chosen, positives = int(is_chosen.sum()), int(is_label.sum())
            precision, recall = (hits / total if total else float("nan") for total in (chosen, positives))
            found[name].append({"threshold": threshold, "precision": precision, "recall": recall, "rows": chosen})
    return found


def threshold_text(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Returns the rows as an aligned table of plain text: precision and recall of each label. Of two labels, only the
    second is shown."""
    names = [*rows][-1:] if len(rows) == 2 else [*rows][:MAX_SHOWN_LABELS]
    lines = [["threshold", *(f"{name} {metric}" for name in names for metric in ("precision", "recall"))]]
    for index, threshold in enumerate(THRESHOLDS):
        cells = (rows[name][index][metric] for name in names for metric in ("precision", "recall"))
        lines.append([f"{threshold:.1f}", *("-" if np.isnan(cell) else f"{cell:.3f}" for cell in cells)])
    return align_columns(lines)
