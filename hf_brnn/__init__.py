"""Small recurrent text classifiers for Hugging Face.

Public names are imported on first use: `import hf_brnn` loads neither torch nor transformers, so that scoring with ONNX
Runtime starts fast. Importing a model class registers it with transformers' Auto classes.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .about import PRETRAINED_FOLDER, __version__

if TYPE_CHECKING:
    from .estimator import BrnnClassifier, BrnnRegressor
    from .hub.push import push
    from .inference.explain import explain
    from .inference.load import load
    from .model.auto import (
        PRETRAINED,
        TWEET_ENCODER,
        TWEET_SENTIMENT,
        BrnnConfig,
        BrnnForSequenceClassification,
        BrnnForTokenClassification,
        BrnnModel,
    )
    from .model.tokenization_brnn import train_tokenizer
    from .onnx.export import export_onnx
    from .training.arguments import BrnnTrainingArguments
    from .training.trainer import BrnnTrainer

__all__ = [
    "PRETRAINED",
    "PRETRAINED_FOLDER",
    "TWEET_ENCODER",
    "TWEET_SENTIMENT",
    "BrnnClassifier",
    "BrnnConfig",
    "BrnnForSequenceClassification",
    "BrnnForTokenClassification",
    "BrnnModel",
    "BrnnRegressor",
    "BrnnTrainer",
    "BrnnTrainingArguments",
    "__version__",
    "explain",
    "export_onnx",
    "load",
    "push",
    "train_tokenizer",
]

# Disables the telemetry of ONNX Runtime, which starts with its import. Set the variable to 0 to enable it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_MODULES = {
    "BrnnClassifier": "estimator",
    "BrnnRegressor": "estimator",
    "BrnnTrainer": "training.trainer",
    "BrnnTrainingArguments": "training.arguments",
    "explain": "inference.explain",
    "export_onnx": "onnx.export",
    "load": "inference.load",
    "push": "hub.push",
    "train_tokenizer": "model.tokenization_brnn",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'model.auto')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
