"""Bidirectional recurrent text classifiers for Hugging Face.

Importing a public name registers the models with transformers' Auto classes. Until then neither torch nor transformers
is loaded, so that `hf_brnn.onnx` starts fast.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model.auto import PRETRAINED, BrnnConfig, BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel

__version__ = "0.1.0"
__all__ = ["PRETRAINED", "BrnnConfig", "BrnnForSequenceClassification", "BrnnForTokenClassification", "BrnnModel"]

# onnxruntime reports its use to its makers from the moment it is imported. Scoring texts sends nothing anywhere; who
# wants the reports sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The saved folder that comes with the package, trained on Sentiment140 with configs/compact.yaml. `PRETRAINED` is the
# same as a string, and registers the models.
PRETRAINED_FOLDER = Path(__file__).parent / "pretrained" / "brnn-sentiment140"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .model import auto

    return getattr(auto, name)
