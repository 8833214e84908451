import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from hf_brnn.evaluation.thresholds import choose_labels, read_thresholds, tune_thresholds

PROBABILITIES = np.array([[0.7, 0.3], [0.55, 0.45], [0.2, 0.8]])


def test_without_thresholds_the_most_probable_label_is_chosen():
    assert choose_labels(PROBABILITIES).tolist() == [0, 0, 1]


def test_with_two_labels_the_second_is_chosen_above_its_threshold():
    for threshold in (0.1, 0.4, 0.5, 0.79, 0.81):
        chosen = choose_labels(PROBABILITIES, np.array([1 - threshold, threshold]))
        assert chosen.tolist() == (PROBABILITIES[:, 1] > threshold).astype(int).tolist()


def test_with_more_labels_the_probability_is_divided_by_the_threshold():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.25, 0.15]])
    assert choose_labels(probabilities, np.array([0.5, 0.2, 0.25])).tolist() == [1, 1]
    assert choose_labels(probabilities, np.array([0.5, 0.5, 0.1])).tolist() == [2, 2]


@pytest.mark.parametrize("values", [[0.5], [0.5, 1.5], [0.5, "x"], 0.5, [0, 1]])
def test_thresholds_that_do_not_fit_are_refused(values):
    assert read_thresholds({}, 2) is None
    with pytest.raises(ValueError, match=r"thresholds in config.json is .* for each of the 2 labels"):
        read_thresholds({"thresholds": values}, 2)


def rare_label(rows=3000):
    """Probabilities that are calibrated for a second label of one row in ten."""
    rng = np.random.default_rng(0)
    positive = rng.beta(0.4, 3.6, rows)
    return np.stack([1 - positive, positive], axis=1), (rng.random(rows) < positive).astype(int)


def test_the_mean_f1_of_two_labels_is_the_highest_that_any_threshold_reaches():
    probabilities, labels = rare_label()
    tuned = f1_score(
        labels, choose_labels(probabilities, tune_thresholds(probabilities, labels, "f1")), average="macro"
    )
    others = [f1_score(labels, probabilities[:, 1] > t, average="macro") for t in np.linspace(0.01, 0.99, 99)]
    assert tuned >= max(others)
    assert tuned > f1_score(labels, probabilities.argmax(axis=1), average="macro") + 0.03


@pytest.mark.parametrize("wanted", [0.5, 0.8])
def test_a_wanted_precision_is_reached_with_the_most_rows(wanted):
    probabilities, labels = rare_label()
    thresholds = tune_thresholds(probabilities, labels, f"precision={wanted}")
    chosen = choose_labels(probabilities, thresholds)
    assert precision_score(labels, chosen) >= wanted
    right = labels[np.argsort(-probabilities[:, 1])].cumsum()  # of the rows with the k highest scores, for each k
    is_precise = right / np.arange(1, len(labels) + 1) >= wanted
    assert recall_score(labels, chosen) == right[is_precise].max() / labels.sum()


def test_each_of_several_labels_is_tuned_against_the_others():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([0.3, 1, 2], 2000)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    thresholds = tune_thresholds(probabilities, labels, "f1")
    several = tune_thresholds(probabilities, np.eye(3)[labels], "f1")
    np.testing.assert_array_equal(thresholds, several)
    for label, threshold in enumerate(thresholds):
        best = f1_score(labels == label, probabilities[:, label] >= threshold)
        others = [f1_score(labels == label, probabilities[:, label] >= t) for t in np.linspace(0.01, 0.99, 99)]
        assert best >= max(others)
    chosen, plain = (f1_score(labels, choose_labels(probabilities, t), average="macro") for t in (thresholds, None))
    assert chosen > plain


def test_what_cannot_be_tuned_keeps_one_half():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert tune_thresholds(probabilities, np.array([0, 0, 0]), "f1").tolist() == [0.5, 0.5]
    assert tune_thresholds(probabilities, np.array([1, 0, 0]), "precision=0.9").tolist() == [0.5, 0.5]


@pytest.mark.parametrize("target", ["f2", "precision", "precision=", "precision=1.5", "f1=0.5", ""])
def test_other_targets_are_refused(target):
    with pytest.raises(ValueError, match=r"must be f1 or a target precision, such as precision=0\.9"):
        tune_thresholds(PROBABILITIES, np.array([0, 1, 1]), target)


def test_several_labels_are_chosen_above_their_thresholds():
    probabilities = np.array([[0.6, 0.4, 0.1], [0.5, 0.2, 0.9]])
    assert choose_labels(probabilities, None, "multi_label_classification").tolist() == [[1, 0, 0], [0, 0, 1]]
    chosen = choose_labels(probabilities, np.array([0.7, 0.3, 0.05]), "multi_label_classification")
    assert chosen.tolist() == [[0, 1, 1], [0, 0, 1]]
