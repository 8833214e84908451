"""The kinds of problems that a model solves. Loads neither torch nor transformers."""

from collections.abc import Mapping
from typing import Any

# The names of transformers, and one for token classifiers, which transformers tells apart by their class.
SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
TOKENS = "token_classification"
PROBLEM_TYPES = (SINGLE_LABEL, MULTI_LABEL, REGRESSION, TOKENS)
TOKEN_CLASSIFIER = "BrnnForTokenClassification"
# transformers leaves its default label names out of config.json.
DEFAULT_LABELS = {"0": "LABEL_0", "1": "LABEL_1"}


def read_label_names(config: Mapping[str, Any]) -> list[str]:
    """Returns the label names in a config.json, in the order of their ids."""
    names = config.get("id2label", DEFAULT_LABELS)
    return [names[str(index)] for index in range(len(names))]


def read_problem_type(config: Mapping[str, Any]) -> str:
    """Returns the kind of problem of the model that a config.json describes."""
    if TOKEN_CLASSIFIER in (config.get("architectures") or ()):
        return TOKENS
    is_regression = len(config.get("id2label", DEFAULT_LABELS)) == 1
    return config.get("problem_type") or (REGRESSION if is_regression else SINGLE_LABEL)
