import numpy as np
from sklearn.metrics import precision_score, recall_score

from hf_brnn.evaluation.threshold_table import THRESHOLDS, threshold_rows, threshold_text


def test_rows_are_precision_and_recall_of_choosing_a_label_above_a_threshold():
    random = np.random.default_rng(0)
    has_label, scores = random.integers(0, 2, (200, 3)), random.random((200, 3))
    rows = threshold_rows(has_label, scores, ["a", "b", "c"])
    for index, name in enumerate("abc"):
        for row in rows[name]:
            is_chosen = scores[:, index] > row["threshold"]
            assert row["rows"] == is_chosen.sum()
            assert row["precision"] == precision_score(has_label[:, index], is_chosen)
            assert row["recall"] == recall_score(has_label[:, index], is_chosen)


def test_of_two_labels_the_table_shows_the_second_and_what_is_undefined():
    rows = threshold_rows(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1], [0.25, 0.75]]), ["no", "yes"])
    lines = [line.split() for line in threshold_text(rows).splitlines()]
    assert lines[0] == ["threshold", "yes", "precision", "yes", "recall"]
    assert len(lines) == 1 + len(THRESHOLDS)
    assert lines[1] == ["0.1", "1.000", "1.000"]
    assert lines[-1] == ["0.9", "-", "0.000"]
