import numpy as np
import pytest
import torch

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.data.problem_type import MULTI_LABEL, SINGLE_LABEL
from hf_brnn.evaluation.activation import activate
from hf_brnn.evaluation.calibration import fit_temperature, fold_temperature
from hf_brnn.evaluation.metrics import expected_calibration_error


def drawn_rows(rows, temperature):
    """Logits that are too sure by `temperature`, and labels drawn from the probabilities that are right."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, 3)).astype(np.float32)
    probabilities = activate(logits)
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_one_the_labels_were_drawn_with(temperature):
    logits, labels = drawn_rows(20_000, temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(activate(logits / found), labels) < 0.02


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_temperature_of_several_labels_is_the_one_they_were_drawn_with(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3)).astype(np.float32)
    labels = (rng.random(logits.shape) < activate(logits, MULTI_LABEL)).astype(np.float32)
    assert fit_temperature(logits * temperature, labels, MULTI_LABEL) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("problem_type", [SINGLE_LABEL, MULTI_LABEL])
def test_one_error_in_a_few_rows_does_not_make_a_model_sure_of_all_others(problem_type):
    """Plain cross-entropy would choose the lowest temperature: all margins are 1, but that of the error is near 0."""
    margins = np.append(np.ones(59), -0.001)
    labels = np.arange(60) % 2
    signed = np.where(labels, margins, -margins)
    logits = np.stack([-signed / 2, signed / 2], axis=1)
    if problem_type == MULTI_LABEL:
        logits, labels = signed[:, None], labels[:, None]
    scores = activate(logits / fit_temperature(logits, labels, problem_type), problem_type)
    assert 0.95 < scores.max() < 0.99


def test_scores_are_those_of_torch():
    logits = torch.tensor([[-120.0, 0.5, 130.0], [3.0, -2.0, 0.0]])
    np.testing.assert_allclose(activate(logits.numpy()), logits.softmax(dim=-1), atol=1e-7)
    np.testing.assert_allclose(activate(logits.numpy(), MULTI_LABEL), logits.sigmoid(), atol=1e-7)


@pytest.mark.parametrize(("rows", "expected"), [(18, 19 / 20), (198, 199 / 200)])
def test_rows_that_are_all_right_make_a_model_as_sure_as_their_number_allows(rows, expected):
    logits, labels = np.tile([[2.0, -1.0], [-1.0, 2.0]], (rows // 2, 1)), np.tile([0, 1], rows // 2)
    scores = activate(logits / fit_temperature(logits, labels))
    np.testing.assert_allclose(scores.max(axis=1), expected, atol=1e-4)


def test_a_folded_temperature_divides_the_logits_in_training_and_in_use():
    model = BrnnForSequenceClassification(BrnnConfig(vocab_size=20, embedding_size=4, hidden_size=3)).eval()
    ids = torch.randint(2, 20, (5, 7))
    with torch.no_grad():
        before = model(ids).logits
        fold_temperature(model.classifier, 2.5)
        torch.testing.assert_close(model(ids).logits, before / 2.5)
