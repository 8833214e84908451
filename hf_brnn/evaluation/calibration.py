"""Temperature scaling: one number, fitted on the validation split, that makes confidence agree with accuracy."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from ..model.modeling_brnn import BrnnForSequenceClassification

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature t that minimizes the cross-entropy of logits / t (Guo et al., 2017, section 4.2).

    Args:
        logits: `(rows, num_labels)` of the validation split.
        labels: `(rows,)` class ids.

    Returns:
        A number between 0.05 and 20; above 1 for an overconfident model. 1 where every row is classified correctly:
        without errors there is nothing to calibrate on.
    """
    if (logits.argmax(axis=1) == labels).all():
        return 1.0
    scores, targets = torch.from_numpy(logits).double(), torch.from_numpy(labels)

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(scores / np.exp(log_temperature), targets).item()

    return float(np.exp(minimize_scalar(loss, bounds=np.log([LOWEST, HIGHEST]), method="bounded").x))


@torch.no_grad()
def fold_temperature(model: BrnnForSequenceClassification, temperature: float) -> None:
    """Divides the classifier's weights by the temperature, so that every runtime returns calibrated probabilities.
    Predicted labels stay the same."""
    model.classifier.weight.div_(temperature)
    model.classifier.bias.div_(temperature)
