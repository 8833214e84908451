"""How accurate a model is where it is confident."""

from typing import NamedTuple

import numpy as np

from .report import align_columns

SHOWN_COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class RiskCoverage(NamedTuple):
    """The risk-coverage curve (El-Yaniv and Wiener, 2010). Risk is 1 - accuracy.

    Attributes:
        coverage: `(rows,)` shares of the rows, the most confident ones first.
        accuracy: `(rows,)` accuracy of each share.
        min_score: `(rows,)` lowest score of each share.
    """

    coverage: np.ndarray
    accuracy: np.ndarray
    min_score: np.ndarray

    @classmethod
    def from_scores(cls, scores: np.ndarray, is_correct: np.ndarray) -> "RiskCoverage":
        """Makes the curve of `(rows,)` scores of the predicted labels. Rows of equal score share their accuracy, so
        that their order doesn't matter."""
        values, group = np.unique(-scores, return_inverse=True)
        group_accuracy = np.bincount(group, weights=is_correct) / np.bincount(group)
        order = np.argsort(group, kind="stable")
        rows = np.arange(1, len(scores) + 1)
        return cls(rows / len(rows), np.cumsum(group_accuracy[group[order]]) / rows, -values[group[order]])

    @property
    def area(self) -> float:
        """The area under the risk-coverage curve (AURC; Geifman and El-Yaniv, 2017): the mean risk over all shares. 0
        is perfect."""
        return float(1 - self.accuracy.mean())

    def at(self, coverage: float) -> dict[str, float]:
        """Returns `coverage`, `accuracy` and `min_score` of a share of the rows."""
        index = max(int(np.ceil(coverage * len(self.coverage) - 1e-9)), 1) - 1
        found = zip(self._fields, (values[index] for values in self))
        return {name: float(value) for name, value in found} | {"coverage": coverage}

    def to_dict(self) -> dict[str, object]:
        """Returns the area and the shown shares for a JSON file."""
        return {"area": self.area, "curve": [self.at(coverage) for coverage in SHOWN_COVERAGES]}

    def to_text(self) -> str:
        """Returns the shown shares as an aligned table of plain text, and the area."""
        points = [self.at(coverage) for coverage in SHOWN_COVERAGES]
        rows = [[f"{100 * p['coverage']:.0f} %", f"{p['min_score']:.4f}", f"{p['accuracy']:.4f}"] for p in points]
        table = align_columns([["most confident", "min score", "accuracy"], *rows])
        return f"{table}\nArea under the risk-coverage curve: {self.area:.4f}"
