"""Registers the models with transformers' Auto classes, and makes `save_pretrained` write their code."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from .. import PRETRAINED_FOLDER
from .configuration_brnn import BrnnConfig
from .modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel

__all__ = ["PRETRAINED", "BrnnConfig", "BrnnForSequenceClassification", "BrnnForTokenClassification", "BrnnModel"]

PRETRAINED = str(PRETRAINED_FOLDER)

AutoConfig.register("brnn", BrnnConfig)
BrnnConfig.register_for_auto_class()
for auto_class, model_class in (
    (AutoModel, BrnnModel),
    (AutoModelForSequenceClassification, BrnnForSequenceClassification),
    (AutoModelForTokenClassification, BrnnForTokenClassification),
):
    auto_class.register(BrnnConfig, model_class)
    model_class.register_for_auto_class(auto_class.__name__)
