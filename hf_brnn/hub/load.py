"""Loading a sequence classifier in torch, with every weight accounted for."""

from pathlib import Path
from typing import Optional, Union

from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from ..model import auto  # noqa: F401  registers the Auto classes
from ..model.modeling_brnn import BrnnForSequenceClassification


def load_model(model: Union[str, Path], revision: Optional[str] = None) -> BrnnForSequenceClassification:
    """Loads the classifier of a model directory or of a model on the Hub, in evaluation mode.

    transformers alone initializes missing weights at random and goes on.

    Raises:
        ValueError: The weights are not those that config.json describes.
    """
    shows_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # one bar for a dozen weights
    try:
        loaded, found = AutoModelForSequenceClassification.from_pretrained(
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
