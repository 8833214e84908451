"""Class probabilities of texts from a saved folder, through torch."""

from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ..data.dataset import TokenizedDataset, tokenize
from ..hub.layout import check_saved_folder
from ..model import auto  # noqa: F401
from ..model.modeling_brnn import BrnnForSequenceClassification

BATCH_SIZE = 128


def load_model(model: Union[str, Path], revision: Optional[str] = None) -> BrnnForSequenceClassification:
    """The classifier of a saved folder or of a model on the Hub, all of it: by itself transformers gives weights that
    are missing at random, and goes on.

    Raises:
        ValueError: The weights are not those that config.json describes.
    """
    try:
        loaded, found = AutoModelForSequenceClassification.from_pretrained(
            model, revision=revision, use_safetensors=True, output_loading_info=True
        )
    except RuntimeError as error:
        raise ValueError(f"{model}: model.safetensors has weights of other shapes than config.json says.") from error
    for kind in ("missing", "unexpected"):
        if names := sorted(found[f"{kind}_keys"]):
            raise ValueError(
                f"{model}: config.json and model.safetensors belong to different models, as weights are {kind}: "
                f"{', '.join(names[:3])}."
            )
    return loaded.eval()


class TorchClassifier:
    """A saved classifier and its tokenizer.

    Args:
        model: A saved folder, or a model id on the Hub.
        batch_size: Number of texts that are scored at once; by default 128.
        revision: Branch, tag or commit of a model on the Hub.

    Raises:
        OSError: There is no such folder or model, or a part of the folder is missing.
        ValueError: It does not give one label of several, its weights don't fit its configuration, or the folder is
            not what `check_saved_folder` wants.
    """

    def __init__(
        self, model: Union[str, Path], batch_size: Optional[int] = None, revision: Optional[str] = None
    ) -> None:
        if Path(model).is_dir():
            check_saved_folder(Path(model))
        try:
            tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        except OSError as error:
            reason, *_ = str(error).splitlines()
            raise OSError(f"{model} is no folder here, and the Hub does not give such a model: {reason}") from error
        self.tokenizer: Tokenizer = tokenizer.backend_tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.pad_token_id: int = tokenizer.pad_token_id
        self.model = load_model(model, revision)
        config = self.model.config
        if config.num_labels < 2 or config.problem_type not in (None, "single_label_classification"):
            raise ValueError(f"{model}: scores are for one label of several, but this is {config.problem_type!r}.")
        if torch.cuda.is_available():
            self.model.cuda()
        self.label_names = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        return self.probabilities(tokenize(texts, self.tokenizer, self.pad_token_id))

    @torch.inference_mode()
    def probabilities(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(len(tokenized), num_labels)` float32 probabilities in the order of the texts."""
        probabilities = np.empty((len(tokenized), len(self.label_names)), dtype=np.float32)
        for rows in tokenized.batches_by_length(self.batch_size):
            batch = {name: torch.from_numpy(array) for name, array in tokenized.batch(rows).items()}
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in batch.items()}).logits
            probabilities[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return probabilities
