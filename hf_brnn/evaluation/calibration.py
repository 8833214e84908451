"""Temperature scaling: one number, fitted on validation rows, that makes confidence agree with accuracy."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from ..model.modeling_brnn import BrnnForSequenceClassification

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature t that makes the cross entropy of logits / t least (Guo et al., 2017, section 4.2).

    Args:
        logits: `(rows, num_labels)` of rows that the model was not trained on.
        labels: `(rows,)` class ids.

    Returns:
        A number between 0.05 and 20; above 1 where the model was too sure. Where no row is labelled wrongly it is 1:
        such rows don't tell how sure is too sure.
    """
    if (logits.argmax(axis=1) == labels).all():
        return 1.0
    scores, targets = torch.from_numpy(logits).double(), torch.from_numpy(labels)

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(scores / np.exp(log_temperature), targets).item()

    return float(np.exp(minimize_scalar(loss, bounds=np.log([LOWEST, HIGHEST]), method="bounded").x))


@torch.no_grad()
def fold_temperature(model: BrnnForSequenceClassification, temperature: float) -> None:
    """Divides the classifier's weights by the temperature, so that every runtime gives calibrated probabilities; no
    label changes."""
    model.classifier.weight.div_(temperature)
    model.classifier.bias.div_(temperature)
