"""Registers the models with transformers' Auto classes, and makes `save_pretrained` write their code."""

from pathlib import Path

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from .configuration_brnn import BrnnConfig
from .modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel

__all__ = ["PRETRAINED", "BrnnConfig", "BrnnForSequenceClassification", "BrnnForTokenClassification", "BrnnModel"]

# The saved folder that comes with the package, trained on Sentiment140 with configs/compact.yaml.
PRETRAINED = str(Path(__file__).parent / "pretrained" / "brnn-sentiment140")

AutoConfig.register("brnn", BrnnConfig)
BrnnConfig.register_for_auto_class()
for auto_class, model_class in (
    (AutoModel, BrnnModel),
    (AutoModelForSequenceClassification, BrnnForSequenceClassification),
    (AutoModelForTokenClassification, BrnnForTokenClassification),
):
    auto_class.register(BrnnConfig, model_class)
    model_class.register_for_auto_class(auto_class.__name__)
