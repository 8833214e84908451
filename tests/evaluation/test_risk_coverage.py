import numpy as np
import pytest

from hf_brnn.evaluation.plots import plot_risk_coverage
from hf_brnn.evaluation.risk_coverage import RiskCoverage


def test_the_area_is_the_mean_risk_of_the_most_confident_rows():
    rng = np.random.default_rng(0)
    scores = rng.permutation(np.linspace(0.5, 1, 200))
    is_correct = rng.random(200) < scores
    curve = RiskCoverage.from_scores(scores, is_correct)
    sure_first = is_correct[np.argsort(-scores)]
    assert curve.area == pytest.approx(np.mean([1 - sure_first[:k].mean() for k in range(1, 201)]))
    assert curve.at(0.3) == {
        "coverage": 0.3,
        "accuracy": pytest.approx(sure_first[:60].mean()),
        "min_score": pytest.approx(np.sort(scores)[-60]),
    }
    assert curve.accuracy[-1] == pytest.approx(is_correct.mean())


def test_the_order_of_equal_scores_does_not_matter():
    scores, is_correct = np.array([0.9, 0.9, 0.9, 0.6]), np.array([True, False, True, False])
    curve = RiskCoverage.from_scores(scores, is_correct)
    assert curve.accuracy.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 2])
    assert curve.area == RiskCoverage.from_scores(scores, is_correct[[1, 0, 2, 3]]).area


def test_it_is_printed_and_drawn(tmp_path):
    curve = RiskCoverage.from_scores(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False]))
    lines = curve.to_text().splitlines()
    assert lines[0] == "most confident  min score  accuracy"
    assert lines[5] == "50 %               0.8000    1.0000"
    assert lines[-1] == f"Area under the risk-coverage curve: {(0 + 0 + 1 / 3 + 1 / 2) / 4:.4f}"
    plot_risk_coverage(curve, tmp_path / "curve", "model")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
