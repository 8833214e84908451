"""Loading a classifier of texts, by ONNX Runtime or by torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..hub.layout import QUANTIZED_GRAPH, WEIGHTS, check_model_directory

if TYPE_CHECKING:
    from .classifier import Classifier

# What ONNX Runtime reads of a model directory.
GRAPH_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS, QUANTIZED_GRAPH)


def load(model: Union[str, Path], batch_size: Optional[int] = None, revision: Optional[str] = None) -> "Classifier":
    """Loads a classifier: `classifier(texts)` returns probabilities, `classifier.predict(texts)` label names.

    A model with an int8 graph runs through ONNX Runtime, without torch; any other model, through torch.

    Args:
        model: A model directory, or a model id on the Hub.
        batch_size: Number of texts per batch; by default 32 with ONNX Runtime, 128 with torch.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: The model is not for one label out of several, its files don't belong together, onnxruntime is not
            installed, or `revision` is given with a directory.
    """
    directory = Path(model)
    if directory.is_dir():
        _check_no_revision(model, revision)
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
    advice = "Check the spelling. hf-brnn train writes model directories to runs/."
    if _is_path(str(model)):
        raise FileNotFoundError(f"{model}: there is no such directory. {advice}")
    from httpx2 import TransportError
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    is_reached = True
    try:
        try:
            # One request. Without a network, `hf_hub_download` would repeat it for half a minute.
            get_hf_file_metadata(hf_hub_url(str(model), "config.json", revision=revision))
        except (OfflineModeIsEnabled, TransportError):
            is_reached = False
        return Path(hf_hub_download(str(model), "config.json", revision=revision, local_files_only=not is_reached))
    except HFValidationError as error:
        raise FileNotFoundError(f"{model}: there is no such directory. {advice}") from error
    except OSError as error:
        reason, *_ = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise FileNotFoundError(
            f"{model}: there is no such directory, and no such model on the Hub that can be read ({reason}) {advice}"
        ) from error


def _is_path(model: str) -> bool:
    """Returns whether this can only be meant as a path: ids on the Hub are `name` or `user/name`."""
    path = Path(model)
    is_below_directory = len(path.parts) > 1 and Path(path.parts[0]).is_dir()
    return model.startswith((".", "~")) or len(path.parts) > 2 or is_below_directory


def _check_no_revision(model: Union[str, Path], revision: Optional[str]) -> None:
    if revision is not None:
        raise ValueError(f"{model} is a directory, but a revision is for a model on the Hub. Leave out the revision.")
