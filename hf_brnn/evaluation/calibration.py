"""What is folded into the last layer of a model after training: the temperature that makes confidence agree with
accuracy, fitted on the validation split, or the scale of the targets of a regression."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from ..data.problem_type import MULTI_LABEL, SINGLE_LABEL
from ..data.targets import TargetScale

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray, problem_type: str = SINGLE_LABEL) -> float:
    """Returns the temperature t that minimizes the cross-entropy of logits / t (Guo et al., 2017, section 4.2). The
    targets are smoothed by one row for each label, so that a few rows don't make a model sure of everything (Platt,
    1999, section 2.2).

    Args:
        logits: `(rows, num_labels)` of the validation split.
        labels: `(rows,)` class ids, or for a multi-label problem `(rows, num_labels)` 0 or 1.
        problem_type: The kind of problem, not a regression.

    Returns:
        A number between 0.05 and 20; above 1 for an overconfident model.
    """
    scores, targets = torch.from_numpy(logits).double(), torch.from_numpy(labels)
    outcomes = 2 if problem_type == MULTI_LABEL else logits.shape[1]
    smoothing = outcomes / (len(logits) + outcomes)

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        if problem_type == MULTI_LABEL:
            smooth = targets.double() * (1 - smoothing) + smoothing / 2
            return nn.functional.binary_cross_entropy_with_logits(scaled, smooth).item()
        return nn.functional.cross_entropy(scaled, targets, label_smoothing=smoothing).item()

    return float(np.exp(minimize_scalar(loss, bounds=np.log([LOWEST, HIGHEST]), method="bounded").x))


@torch.no_grad()
def fold_temperature(head: nn.Linear, temperature: float) -> None:
    """Divides the weights of a model's classifier by the temperature, so that every runtime returns calibrated
    probabilities. Predicted labels stay the same."""
    head.weight.div_(temperature)
    head.bias.div_(temperature)


@torch.no_grad()
def fold_scale(head: nn.Linear, scale: TargetScale) -> None:
    """Makes the last layer of a regression, which predicts standardized targets, predict the targets themselves."""
    mean, std = torch.tensor(scale.mean), torch.tensor(scale.std)
    head.weight.mul_(std[:, None].to(head.weight))
    head.bias.mul_(std.to(head.bias)).add_(mean.to(head.bias))


@torch.no_grad()
def unfold_scale(head: nn.Linear, scale: TargetScale, target: int) -> None:
    """Undoes `fold_scale` for one target, with the scale of other rows."""
    head.weight[target].div_(scale.std[target])
    head.bias[target].sub_(scale.mean[target]).div_(scale.std[target])
