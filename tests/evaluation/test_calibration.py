import numpy as np
import pytest
import torch

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.evaluation.calibration import fit_temperature, fold_temperature
from hf_brnn.evaluation.metrics import expected_calibration_error
from hf_brnn.evaluation.report import softmax


def drawn_rows(rows, temperature):
    """Logits that are too sure by `temperature`, and labels drawn from the probabilities that are right."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, 3)).astype(np.float32)
    probabilities = softmax(logits)
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_one_the_labels_were_drawn_with(temperature):
    logits, labels = drawn_rows(20_000, temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(softmax(logits / found), labels) < 0.02


def test_rows_that_are_all_right_give_no_temperature():
    assert fit_temperature(np.array([[2.0, -1.0], [-1.0, 3.0]]), np.array([0, 1])) == 1


def test_a_folded_temperature_divides_the_logits_in_training_and_in_use():
    model = BrnnForSequenceClassification(BrnnConfig(vocab_size=20, embedding_size=4, hidden_size=3)).eval()
    ids = torch.randint(2, 20, (5, 7))
    with torch.no_grad():
        before = model(ids).logits
        fold_temperature(model, 2.5)
        torch.testing.assert_close(model(ids).logits, before / 2.5)
