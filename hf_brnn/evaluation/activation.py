"""From logits to scores: probabilities, or the predicted numbers of a regression."""

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL


def activate(logits: np.ndarray, problem_type: str = SINGLE_LABEL) -> np.ndarray:
    """Returns the float32 scores of `(..., num_labels)` logits: their softmax, for a multi-label problem the sigmoid of
    each, for a regression the logits themselves."""
    logits = np.asarray(logits, np.float32)
    if problem_type == REGRESSION:
        return logits
    if problem_type == MULTI_LABEL:
        # Each exponent is at most 0, so that none overflows.
        small = np.exp(-np.abs(logits))
        return np.where(logits >= 0, 1, small) / (1 + small)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
