import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from hf_brnn.evaluation.hf_metric import TextClassificationMetrics
from hf_brnn.evaluation.metrics import METRIC_NAMES, classification_metrics, expected_calibration_error


def make_predictions(num_labels, rows=500):
    rng = np.random.default_rng(num_labels)
    probabilities = rng.dirichlet(np.ones(num_labels), rows).astype(np.float32)
    labels = np.where(rng.random(rows) < 0.5, probabilities.argmax(axis=1), rng.integers(0, num_labels, rows))
    return probabilities, labels


@pytest.mark.parametrize("num_labels", [2, 4])
def test_metrics_are_those_of_scikit_learn(num_labels):
    probabilities, labels = make_predictions(num_labels)
    predicted = probabilities.argmax(axis=1)
    metrics = classification_metrics(probabilities, labels)
    assert TextClassificationMetrics().compute(predictions=probabilities, references=labels) == metrics
    assert tuple(metrics) == METRIC_NAMES
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert metrics[f"macro_{name}"] == pytest.approx(score(labels, predicted, average="macro"))
    scores = probabilities[:, 1] if num_labels == 2 else probabilities / probabilities.sum(axis=1, keepdims=True)
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"), abs=1e-6)


def test_no_figure_has_two_names():
    for num_labels in (2, 3):
        metrics = classification_metrics(*make_predictions(num_labels))
        assert len(set(metrics.values())) == len(metrics)


def test_calibration_error_is_the_weighted_gap_of_the_bins():
    # Two rows in the bin (0.6, 0.667], one of them right; then one row in each of three bins, the second of them wrong.
    probabilities = np.array([[0.65, 0.35], [0.36, 0.64], [0.32, 0.68], [0.25, 0.75], [0.1, 0.9]])
    expected = (abs(0.35 - 0.64) + 0.32 + 0.75 + 0.1) / 5
    assert expected_calibration_error(probabilities, np.array([0, 0, 1, 0, 1])) == pytest.approx(expected)


def test_calibrated_scores_have_a_small_error_and_sure_ones_a_large_one():
    rng = np.random.default_rng(0)
    positive = rng.uniform(0, 1, 200_000)
    labels = (rng.random(200_000) < positive).astype(int)
    assert expected_calibration_error(np.stack([1 - positive, positive], axis=1), labels) < 0.005
    sure = np.eye(2)[(positive > 0.5).astype(int)]
    assert expected_calibration_error(sure, labels) == pytest.approx(0.25, abs=0.01)


def test_one_class_alone_has_no_area_under_the_curve():
    metrics = classification_metrics(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 1]))
    assert math.isnan(metrics["roc_auc"])
    assert metrics["accuracy"] == 0.5
