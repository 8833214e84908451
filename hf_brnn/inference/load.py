"""Loading a classifier of texts, by ONNX Runtime or by torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..hub.layout import QUANTIZED_GRAPH

if TYPE_CHECKING:
    from .classifier import Classifier


def load(model: Union[str, Path], batch_size: Optional[int] = None, revision: Optional[str] = None) -> "Classifier":
    """Loads a classifier: `classifier(texts)` returns probabilities, `classifier.predict(texts)` label names.

    A model directory with an int8 graph runs through ONNX Runtime, without torch; any other directory, and a model on
    the Hub, through torch.

    Args:
        model: A model directory, or a model id on the Hub.
        batch_size: Number of texts per batch; by default 32 with ONNX Runtime, 128 with torch.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: The model is not for one label out of several, its files don't belong together, onnxruntime is not
            installed, or `revision` is given with a directory.
    """
    if revision is not None and Path(model).is_dir():
        raise ValueError(
            f"{model} is a directory here, but a revision is of a model on the Hub. Leave out the revision."
        )
    if has_quantized_graph(model):
        try:
            from .onnx_classifier import OnnxClassifier
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{model} holds an int8 graph, which needs {error.name}, and {error.name} is not installed. Run pip "
                "install 'hf-brnn[onnx]', or remove the directory onnx there to use torch."
            ) from error

        return OnnxClassifier(model, batch_size=batch_size)
    from .classifier import TorchClassifier

    return TorchClassifier(model, batch_size, revision)


def has_quantized_graph(model: Union[str, Path]) -> bool:
    """Returns whether this is a model directory with an int8 graph."""
    return (Path(model) / QUANTIZED_GRAPH).is_file()
