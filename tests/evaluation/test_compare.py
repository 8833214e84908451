from math import comb

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, f1_score

from hf_brnn.evaluation.compare import Comparison, mcnemar

NAMES = ["negative", "neutral", "positive"]


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    a, b = (np.where(rng.random(120) < share, labels, rng.integers(0, 3, 120)) for share in (0.3, 0.6))
    return labels, a, b


def test_the_p_value_is_that_of_the_binomial_distribution(predictions):
    labels, a, b = predictions
    comparison = Comparison.from_predictions(labels, a, b, NAMES, resamples=10)
    rights = list(zip((a == labels).tolist(), (b == labels).tolist()))
    fewer, more = sorted((rights.count((True, False)), rights.count((False, True))))
    assert sorted((comparison.a_alone, comparison.b_alone)) == [fewer, more]
    tail = sum(comb(fewer + more, k) for k in range(fewer + 1)) / 2 ** (fewer + more)
    assert comparison.p_value == pytest.approx(2 * tail)


def test_models_that_are_right_on_the_same_rows_do_not_differ():
    assert mcnemar(np.array([True, False]), np.array([True, False])) == (0, 0, 1.0)


def test_the_intervals_are_those_of_scipy_with_the_metrics_of_scikit_learn(predictions):
    labels, a, b = predictions
    comparison = Comparison.from_predictions(labels, a, b, NAMES, resamples=200, seed=3)
    metrics = {"accuracy": accuracy_score, "macro_f1": lambda true, guess: f1_score(true, guess, average="macro")}
    for name, metric in metrics.items():
        expected = bootstrap(
            predictions,
            lambda true, one, other, metric=metric: metric(true, other) - metric(true, one),
            paired=True,
            vectorized=False,
            n_resamples=200,
            method="percentile",
            random_state=np.random.default_rng(3),
        ).confidence_interval
        found = comparison.metrics[name]
        assert [found.a, found.b] == pytest.approx([metric(labels, a), metric(labels, b)])
        assert found.difference == pytest.approx(found.b - found.a)
        assert [found.low, found.high] == pytest.approx([expected.low, expected.high])


def test_the_tables_show_both_models():
    labels = np.array([0, 0, 1, 2])
    comparison = Comparison.from_predictions(labels, np.array([0, 1, 1, 2]), labels, NAMES, resamples=50)
    assert comparison.to_text().splitlines() == [
        "               A       B    B - A       95 % interval",
        "accuracy  0.7500  1.0000  +0.2500  +0.0000 to +0.7500",
        "macro F1  0.7778  1.0000  +0.2222  +0.0000 to +0.5000",
        "",
        "Right alone: A 0 rows, B 1 rows of 4. Exact McNemar test: p = 1",
        "",
        "class     rows  precision A  precision B  recall A  recall B    F1 A    F1 B",
        "negative     2       1.0000       1.0000    0.5000    1.0000  0.6667  1.0000",
        "neutral      1       0.5000       1.0000    1.0000    1.0000  0.6667  1.0000",
        "positive     1       1.0000       1.0000    1.0000    1.0000  1.0000  1.0000",
    ]
