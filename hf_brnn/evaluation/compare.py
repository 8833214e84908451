"""Whether two models differ on the same rows: McNemar's exact test, and bootstrap intervals of the differences."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .report import ClassReport, align_columns

CONFIDENCE_LEVEL = 0.95
RESAMPLES = 9_999
# Resamples that are held in memory at a time hold about this many rows.
BATCH_ROWS = 5_000_000
METRIC_TITLES = {"accuracy": "accuracy", "macro_f1": "macro F1"}


class Difference(NamedTuple):
    """A metric of both models, and the interval of the difference, B minus A."""

    a: float
    b: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        rows: Number of rows.
        a_alone: Rows that A alone classifies correctly.
        b_alone: Rows that B alone classifies correctly.
        p_value: Probability, if both models were equally good, of counts at least as uneven (McNemar, 1947, in its
            exact form).
        metrics: Accuracy and macro F1.
        reports: Precision, recall and F1 of each class, of A and of B.
    """

    rows: int
    a_alone: int
    b_alone: int
    p_value: float
    metrics: dict[str, Difference]
    reports: tuple[ClassReport, ClassReport]

    @classmethod
    def from_predictions(
        cls,
        labels: np.ndarray,
        predicted_a: np.ndarray,
        predicted_b: np.ndarray,
        label_names: list[str],
        resamples: int = RESAMPLES,
        seed: int = 42,
    ) -> "Comparison":
        """Compares `(rows,)` predicted class ids of A and of B with the true ones.

        Args:
            labels: `(rows,)` true class ids.
            predicted_a: `(rows,)` class ids that A predicts.
            predicted_b: `(rows,)` class ids that B predicts.
            label_names: Names of the classes.
            resamples: Number of bootstrap resamples.
            seed: Seed of the resamples.
        """
        a_alone, b_alone, p_value = mcnemar(predicted_a == labels, predicted_b == labels)
        return cls(
            rows=len(labels),
            a_alone=a_alone,
            b_alone=b_alone,
            p_value=p_value,
            metrics=bootstrap_differences(labels, predicted_a, predicted_b, len(label_names), resamples, seed),
            reports=(
                ClassReport.from_predictions(labels, predicted_a, label_names),
                ClassReport.from_predictions(labels, predicted_b, label_names),
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures for a JSON file."""
        return {
            "rows": self.rows,
            "a_alone": self.a_alone,
            "b_alone": self.b_alone,
            "p_value": self.p_value,
            "confidence_level": CONFIDENCE_LEVEL,
            "metrics": {name: difference._asdict() for name, difference in self.metrics.items()},
            "per_class": {name: report.per_class() for name, report in zip("ab", self.reports)},
        }

    def to_text(self) -> str:
        """Returns all figures as aligned tables of plain text."""
        metrics = [
            [
                METRIC_TITLES[name],
                f"{found.a:.4f}",
                f"{found.b:.4f}",
                f"{found.difference:+.4f}",
                f"{found.low:+.4f} to {found.high:+.4f}",
            ]
            for name, found in self.metrics.items()
        ]
        titles = [f"{title} {model}" for title in ("precision", "recall", "F1") for model in "AB"]
        a, b = (report.per_class() for report in self.reports)
        classes = [
            [
                name,
                f"{a[name]['support']:,}",
                *(f"{row[name][key]:.4f}" for key in ("precision", "recall", "f1") for row in (a, b)),
            ]
            for name in a
        ]
        return "\n".join(
            [
                align_columns([["", "A", "B", "B - A", f"{100 * CONFIDENCE_LEVEL:.0f} % interval"], *metrics]),
                "",
                f"Right alone: A {self.a_alone:,} rows, B {self.b_alone:,} rows of {self.rows:,}. "
                f"Exact McNemar test: p = {self.p_value:.4g}",
                "",
                align_columns([["class", "rows", *titles], *classes]),
            ]
        )


def mcnemar(is_correct_a: np.ndarray, is_correct_b: np.ndarray) -> tuple[int, int, float]:
    """Runs McNemar's exact test (two-sided).

    Returns:
        The rows that A alone and that B alone classifies correctly, and the p-value: 1 if there are no such rows.
    """
    from scipy.stats import binomtest

    a_alone, b_alone = int((is_correct_a & ~is_correct_b).sum()), int((is_correct_b & ~is_correct_a).sum())
    discordant = a_alone + b_alone
    return a_alone, b_alone, float(binomtest(a_alone, discordant).pvalue) if discordant else 1.0


def bootstrap_differences(
    labels: np.ndarray, predicted_a: np.ndarray, predicted_b: np.ndarray, num_labels: int, resamples: int, seed: int
) -> dict[str, Difference]:
    """Returns accuracy and macro F1 of both models, with percentile bootstrap intervals of the differences.

    A resample draws rows, each with its label and both predictions: the bootstrap is paired.
    """
    from scipy.stats import bootstrap

    cells, cell_of_row = np.unique(np.stack([labels, predicted_a, predicted_b]), axis=1, return_inverse=True)
    one_hot = np.eye(num_labels)[cells]
    true = one_hot[0]
    correct = one_hot[1:] * true

    def metrics_of(rows: np.ndarray, axis: int = -1) -> np.ndarray:
        """Accuracy and macro F1 of A and B, `(2, 2, *batch)`, of resamples `(*batch, rows)` of cell numbers."""
        flat = rows.reshape(-1, rows.shape[-1])
        places = flat + len(true) * np.arange(len(flat))[:, None]
        counts = np.bincount(places.ravel(), minlength=len(true) * len(flat)).reshape(len(flat), -1).astype(float)
        found = []
        for predicted, hits in zip(one_hot[1:], correct):
            both = counts @ (predicted + true)
            f1 = 2 * (counts @ hits) / np.maximum(both, 1)
            found.append([counts @ hits.sum(axis=1) / rows.shape[-1], f1.mean(axis=1)])
        return np.asarray(found).swapaxes(0, 1).reshape(2, 2, *rows.shape[:-1])

    def differences_of(rows: np.ndarray, axis: int = -1) -> np.ndarray:
        a, b = metrics_of(rows).swapaxes(0, 1)
        return b - a

    rows = cell_of_row.reshape(-1)
    interval = bootstrap(
        (rows,),
        differences_of,
        n_resamples=resamples,
        batch=max(1, BATCH_ROWS // len(rows)),
        vectorized=True,
        confidence_level=CONFIDENCE_LEVEL,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    values = metrics_of(rows)
    return {
        name: Difference(*map(float, (a, b, b - a, low, high)))
        for name, (a, b), low, high in zip(METRIC_TITLES, values, interval.low, interval.high)
    }
