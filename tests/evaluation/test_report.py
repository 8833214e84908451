import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from hf_brnn.evaluation.report import ClassReport, evaluate

NAMES = ["negative", "neutral", "positive"]


def test_the_class_report_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 3, (2, 400))
    report = ClassReport.from_predictions(labels, predicted, NAMES)
    expected = precision_recall_fscore_support(labels, predicted)
    for index, row in enumerate(report.per_class().values()):
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(
            [values[index] for values in expected]
        )
    np.testing.assert_allclose(report.confusion_matrix, confusion_matrix(labels, predicted, normalize="true"))


def test_a_class_without_rows_or_predictions_has_zeros():
    report = ClassReport.from_predictions(np.array([0, 0, 1]), np.array([0, 0, 0]), NAMES)
    rows = report.per_class()
    assert rows["negative"] == {"precision": pytest.approx(2 / 3), "recall": 1, "f1": pytest.approx(0.8), "support": 2}
    assert rows["neutral"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert rows["positive"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert report.confusion_matrix.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_the_tables_are_aligned():
    report = ClassReport.from_predictions(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), NAMES)
    assert report.to_text() == (
        "class     precision  recall      F1  rows\n"
        "negative     1.0000  0.5000  0.6667     2\n"
        "neutral      0.5000  1.0000  0.6667     1\n"
        "positive     1.0000  1.0000  1.0000     1\n"
        "\n"
        "Share of each true class (row) by predicted class (column):\n"
        "          negative  neutral  positive\n"
        "negative     0.500    0.500     0.000\n"
        "neutral      0.000    1.000     0.000\n"
        "positive     0.000    0.000     1.000"
    )


def test_an_evaluation_holds_the_loss_and_every_metric():
    logits, labels = np.array([[2.0, -1.0], [-1.0, 3.0], [0.5, 0.0]], dtype=np.float32), np.array([0, 1, 1])
    result = evaluate(logits, labels, ["a", "b"])
    np.testing.assert_allclose(result.scores.sum(axis=1), 1, rtol=1e-6)
    assert result.metrics["rows"] == 3
    assert result.metrics["loss"] == pytest.approx(-np.log(result.scores[range(3), labels]).mean(), rel=1e-5)
    assert result.metrics["accuracy"] == pytest.approx(2 / 3)
    assert result.class_report().counts.tolist() == [[1, 0], [1, 1]]
