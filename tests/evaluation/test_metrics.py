import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from hf_brnn.evaluation.hf_metric import TextClassificationMetrics
from hf_brnn.evaluation.metrics import (
    METRIC_NAMES,
    classification_metrics,
    expected_calibration_error,
    multi_label_metrics,
    regression_metrics,
    token_metrics,
)


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
    assert tuple(metrics) == METRIC_NAMES["single_label_classification"]
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


def test_multi_label_metrics_are_those_written_out():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (300, 4)).astype(np.float32)
    labels[:20] = 0
    probabilities = np.clip(0.6 * labels + rng.uniform(0, 0.5, labels.shape), 0, 1)
    predicted = probabilities > 0.5
    predicted[:10] = False
    metrics = multi_label_metrics(probabilities, labels, predicted)

    def f1(true, found):
        return 2 * (true * found).sum() / (true.sum() + found.sum()) if true.sum() + found.sum() else 1

    assert tuple(metrics) == METRIC_NAMES["multi_label_classification"]
    assert metrics["accuracy"] == pytest.approx(np.mean([(a == b).all() for a, b in zip(labels, predicted)]))
    assert metrics["micro_f1"] == pytest.approx(f1(labels, predicted))
    assert metrics["macro_f1"] == pytest.approx(np.mean([f1(a, b) for a, b in zip(labels.T, predicted.T)]))
    assert metrics["sample_f1"] == pytest.approx(np.mean([f1(a, b) for a, b in zip(labels, predicted)]))


def test_regression_metrics_are_those_written_out():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(200, 2)).round(1)
    predicted = targets + rng.normal(size=(200, 2))
    metrics = regression_metrics(predicted, targets)
    assert tuple(metrics) == METRIC_NAMES["regression"]
    assert metrics["mae"] == pytest.approx(np.abs(predicted - targets).mean())
    assert metrics["rmse"] == pytest.approx(np.sqrt(((predicted - targets) ** 2).mean(axis=0)).mean())
    ranks = [pd.DataFrame(values).rank() for values in (predicted, targets)]
    assert metrics["spearman"] == pytest.approx(np.mean([ranks[0][i].corr(ranks[1][i]) for i in range(2)]))
    assert np.isnan(regression_metrics(np.ones((9, 1)), rng.normal(size=(9, 1)))["spearman"])


TAGS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]


def entities(tags, lengths):
    """Kind, text, first and last word of each entity: `I-X` goes on with an `X` right before it, else it begins one."""
    found, start = set(), 0
    for text, length in enumerate(lengths):
        current = None
        for word, tag in enumerate([*tags[start : start + length], "O"]):
            goes_on = current and tag == f"I-{current[0]}"
            if current and not goes_on:
                found.add((current[0], text, current[1], word))
                current = None
            if tag != "O" and not goes_on:
                current = tag[2:], word
        start += length
    return found


def test_entities_are_counted_as_wholes():
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9, 120)
    labels = rng.choice(5, lengths.sum(), p=[0.1, 0.1, 0.15, 0.15, 0.5])
    predicted = np.where(rng.random(len(labels)) < 0.7, labels, rng.choice(5, len(labels)))
    metrics = token_metrics(np.eye(5)[predicted], labels, predicted, lengths, TAGS)
    true, found = (entities([TAGS[tag] for tag in ids], lengths) for ids in (labels, predicted))

    def f1(kind):
        a, b = ({entity for entity in each if entity[0] in kind} for each in (true, found))
        return 2 * len(a & b) / (len(a) + len(b))

    assert metrics["accuracy"] == pytest.approx((labels == predicted).mean())
    assert metrics["micro_f1"] == pytest.approx(f1(["LOC", "PER"]))
    assert metrics["macro_f1"] == pytest.approx((f1(["LOC"]) + f1(["PER"])) / 2)
    assert set(metrics) == set(METRIC_NAMES["token_classification"])


def test_tags_that_mark_no_entities_are_counted_by_word():
    labels, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    metrics = token_metrics(np.eye(3)[predicted], labels, predicted, np.array([3, 1]), ["NOUN", "VERB", "X"])
    assert metrics["accuracy"] == 0.75
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert "micro_f1" not in metrics
