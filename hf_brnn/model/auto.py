"""Registers configuration and models with transformers' Auto classes: `AutoModel.from_pretrained` then loads a model
directory with the classes of this package, without `trust_remote_code`."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from ..about import PRETRAINED_FOLDER
from .configuration_brnn import BrnnConfig
from .modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel

__all__ = ["PRETRAINED", "BrnnConfig", "BrnnForSequenceClassification", "BrnnForTokenClassification", "BrnnModel"]

PRETRAINED = str(PRETRAINED_FOLDER)

AutoConfig.register("brnn", BrnnConfig)
AutoModel.register(BrnnConfig, BrnnModel)
AutoModelForSequenceClassification.register(BrnnConfig, BrnnForSequenceClassification)
AutoModelForTokenClassification.register(BrnnConfig, BrnnForTokenClassification)
