"""Loading a model in torch, with every weight accounted for."""

from pathlib import Path
from typing import Any, Optional, Union

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.utils import logging

from ..data.problem_type import TOKENS, read_problem_type
from ..model.auto import BrnnClassifierModel, BrnnModel


def load_model(model: Union[str, Path], revision: Optional[str] = None) -> BrnnClassifierModel:
    """Loads the classifier of a model directory or of a model on the Hub, in evaluation mode.

    Raises:
        ValueError: The weights are not those that config.json describes.
    """
    config = AutoConfig.from_pretrained(model, revision=revision)
    is_of_tokens = read_problem_type({"architectures": config.architectures}) == TOKENS
    return _load(
        AutoModelForTokenClassification if is_of_tokens else AutoModelForSequenceClassification, model, revision
    )


def load_encoder(model: Union[str, Path]) -> BrnnModel:
    """Loads the encoder of a model directory without a classifier, in evaluation mode.

    Raises:
        ValueError: The weights are not those that config.json describes.
    """
    return _load(AutoModel, model)


def _load(auto_class: Any, model: Union[str, Path], revision: Optional[str] = None) -> Any:
    """Refuses missing weights: transformers alone initializes them at random and goes on."""
    shows_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # one bar for a dozen weights
    try:
        loaded, found = auto_class.from_pretrained(
            model, revision=revision, use_safetensors=True, output_loading_info=True
        )
    except RuntimeError as error:
        raise ValueError(
            f"{model}: the weights have other shapes than config.json says. They belong to "
            "different models: restore one of them."
        ) from error
    finally:
        if shows_bars:
            logging.enable_progress_bar()
    for kind in ("missing", "unexpected"):
        if names := sorted(found[f"{kind}_keys"]):
            raise ValueError(
                f"{model}: it has {kind} weights: {', '.join(names[:3])}. The weights and config.json belong to "
                "different models: restore one of them."
            )
    return loaded.eval()
