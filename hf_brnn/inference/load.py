"""Loading a classifier of texts, by ONNX Runtime or by torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..hub.layout import QUANTIZED_GRAPH, check_model_directory

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
    if Path(model).is_dir():
        _check_no_revision(model, revision)
    if has_quantized_graph(model):
        try:
            from .onnx_classifier import OnnxClassifier
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{model} holds an int8 graph, which needs {error.name}, and {error.name} is not installed. Run pip "
                f"install {error.name}, or remove the directory onnx there to use torch."
            ) from error

        return OnnxClassifier(model, batch_size=batch_size)
    from .classifier import TorchClassifier

    return TorchClassifier(model, batch_size, revision)


def has_quantized_graph(model: Union[str, Path]) -> bool:
    """Returns whether this is a model directory with an int8 graph."""
    return (Path(model) / QUANTIZED_GRAPH).is_file()


def find_config(model: Union[str, Path], revision: Optional[str] = None) -> Path:
    """Checks a model before torch is loaded, and returns its config.json.

    Args:
        model: A model directory, or a model id on the Hub.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: `check_model_directory` refuses the directory, or `revision` is given with one.
    """
    path = Path(model)
    if path.is_file():
        raise ValueError(f"{model} is a file, expected a model directory or a model id on the Hub. Name one of these.")
    if path.is_dir():
        _check_no_revision(model, revision)
        check_model_directory(path)
        return path / "config.json"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    advice = "Check the spelling. hf-brnn train writes model directories to runs/."
    try:
        return Path(hf_hub_download(str(model), "config.json", revision=revision))
    except HFValidationError as error:
        raise FileNotFoundError(f"{model}: there is no such directory. {advice}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason, *_ = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise FileNotFoundError(
            f"{model}: there is no such directory, and no such model on the Hub that can be read ({reason}) {advice}"
        ) from error


def _check_no_revision(model: Union[str, Path], revision: Optional[str]) -> None:
    if revision is not None:
        raise ValueError(f"{model} is a directory, but a revision is for a model on the Hub. Leave out the revision.")
