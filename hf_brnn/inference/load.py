"""Loading a classifier of texts, by ONNX Runtime or by torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..hub.find import START_FILES, check_no_revision, find_config, find_shipped
from ..hub.layout import QUANTIZED_GRAPH

if TYPE_CHECKING:
    from .base_classifier import Classifier

# What ONNX Runtime reads of a model directory.
GRAPH_FILES = (*START_FILES, QUANTIZED_GRAPH)


def load(model: Union[str, Path], batch_size: Optional[int] = None, revision: Optional[str] = None) -> "Classifier":
    """Loads a classifier: `classifier(texts)` returns probabilities, `classifier.predict(texts)` label names.

    A model with an int8 graph runs through ONNX Runtime, without torch; any other model, through torch.

    Args:
        model: A model directory, the name of a model that ships with the package, or a model id on the Hub.
        batch_size: Number of texts per batch; by default 32 with ONNX Runtime, 128 with torch.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: The files of the model don't belong together, onnxruntime or torch, whichever the model needs, is
            not installed, or `revision` is given with a directory.
    """
    model = find_shipped(model)
    directory = Path(model)
    if directory.is_dir():
        check_no_revision(model, revision)
    else:
        find_config(model, revision)
        from huggingface_hub import snapshot_download

        directory = Path(snapshot_download(str(model), revision=revision, allow_patterns=list(GRAPH_FILES)))
    if has_quantized_graph(directory):
        try:
            from .onnx_classifier import OnnxClassifier
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{model} holds an int8 graph, which needs {error.name}, and {error.name} is not installed. Run pip "
                f"install {error.name}, or remove the directory onnx there to use torch."
            ) from error

        return OnnxClassifier(directory, batch_size=batch_size)
    try:
        from .classifier import TorchClassifier
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{model} holds no int8 graph. Without a graph it needs {error.name}, and {error.name} is not installed. "
            f"Run pip install {error.name}, or write the graph where torch is installed: hf-brnn export {model}"
        ) from error

    return TorchClassifier(model, batch_size, revision)


def has_quantized_graph(model: Union[str, Path]) -> bool:
    """Returns whether this is a model directory with an int8 graph."""
    return (Path(model) / QUANTIZED_GRAPH).is_file()
