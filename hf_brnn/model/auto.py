"""Registers configuration and models with transformers' Auto classes: `AutoModel.from_pretrained` then loads a model
directory with the classes of this package, without `trust_remote_code`."""

from typing import Union

from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from ..about import PRETRAINED_FOLDER, SHIPPED_MODELS
from .configuration_brnn import BrnnConfig
from .modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel

__all__ = [
    "PRETRAINED",
    "TWEET_ENCODER",
    "TWEET_SENTIMENT",
    "BrnnConfig",
    "BrnnForSequenceClassification",
    "BrnnForTokenClassification",
    "BrnnModel",
]

PRETRAINED = str(PRETRAINED_FOLDER)
TWEET_SENTIMENT = str(SHIPPED_MODELS["brnn-tweet-sentiment"])
TWEET_ENCODER = str(SHIPPED_MODELS["brnn-tweet-encoder"])

AutoConfig.register("brnn", BrnnConfig)
AutoModel.register(BrnnConfig, BrnnModel)
AutoModelForSequenceClassification.register(BrnnConfig, BrnnForSequenceClassification)
AutoModelForTokenClassification.register(BrnnConfig, BrnnForTokenClassification)

BrnnClassifierModel = Union[BrnnForSequenceClassification, BrnnForTokenClassification]


def head_of(model: BrnnClassifierModel) -> nn.Linear:
    """Returns the last layer of a classifier of texts or of tokens."""
    return model.token_classifier if isinstance(model, BrnnForTokenClassification) else model.classifier
