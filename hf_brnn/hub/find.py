"""Where a model is: a directory, a model that ships with the package, or one on the Hub. Loads neither torch nor
transformers."""

from pathlib import Path
from typing import Optional, Union

from ..about import SHIPPED_MODELS
from ..data.text import did_you_mean
from .layout import check_model_directory

# The files of a model on the Hub that a training starts from.
START_FILES = ("config.json", "tokenizer*.json", "*.safetensors", "*.safetensors.index.json")


def find_shipped(model: Union[str, Path]) -> Union[str, Path]:
    """Returns the directory of a model that ships with the package, where this is its name and there is no directory
    of that name here. Returns anything else as it is."""
    return model if Path(model).exists() else SHIPPED_MODELS.get(str(model), model)


def find_config(model: Union[str, Path], revision: Optional[str] = None, allow_encoder: bool = False) -> Path:
    """Checks a model before torch is loaded, and returns its config.json.

    Args:
        model: A model directory, or a model id on the Hub.
        revision: Branch, tag or commit of a model on the Hub.
        allow_encoder: Whether a directory may hold an encoder without a classifier.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: `check_model_directory` refuses the directory, or `revision` is given with one.
    """
    path = Path(model)
    if not str(model).strip():
        raise ValueError("The name of the model is empty. Name a model directory or a model id on the Hub.")
    if path.is_file():
        raise ValueError(f"{model} is a file, expected a model directory or a model id on the Hub. Name one of these.")
    if path.is_dir():
        check_no_revision(model, revision)
        check_model_directory(path, allow_encoder)
        return path / "config.json"
    names = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    names += SHIPPED_MODELS
    hint = did_you_mean(path.name, names).lstrip() or "Check the spelling."
    advice = f"{hint} hf-brnn train writes model directories to runs/."
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


def find_model(model: Union[str, Path], revision: Optional[str] = None) -> Path:
    """Returns the model directory that a training starts from, also that of an encoder without a classifier; a model on
    the Hub is downloaded.

    Args:
        model: A model directory, the name of a model that ships with the package, or a model id on the Hub.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: `check_model_directory` refuses the directory, or `revision` is given with one.
    """
    model = find_shipped(model)
    config = find_config(model, revision, allow_encoder=True)
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    # The commit that was found: a branch may move.
    path = Path(snapshot_download(str(model), revision=config.parent.name, allow_patterns=list(START_FILES)))
    check_model_directory(path, allow_encoder=True)
    return path


def _is_path(model: str) -> bool:
    """Returns whether this can only be meant as a path: ids on the Hub are `name` or `user/name`."""
    path = Path(model)
    is_below_directory = len(path.parts) > 1 and Path(path.parts[0]).is_dir()
    return model.startswith((".", "~")) or len(path.parts) > 2 or is_below_directory


def check_no_revision(model: Union[str, Path], revision: Optional[str]) -> None:
    """Raises:
    ValueError: A revision is given with a directory.
    """
    if revision is not None:
        raise ValueError(f"{model} is a directory, but a revision is for a model on the Hub. Leave out the revision.")
