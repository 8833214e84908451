"""Class probabilities of texts from a saved folder, through torch."""

from pathlib import Path
from typing import Union

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from . import auto  # noqa: F401
from .batching import tokenize


class TorchClassifier:
    """A saved classifier and its tokenizer.

    Args:
        model: A saved folder, or a model id on the Hub.
        batch_size: Number of texts that are scored at once.

    Raises:
        OSError: There is no such folder or model.
        ValueError: It does not give one label of several.
    """

    def __init__(self, model: Union[str, Path], batch_size: int = 256) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.model = AutoModelForSequenceClassification.from_pretrained(model).eval()
        config = self.model.config
        if config.num_labels < 2 or config.problem_type not in (None, "single_label_classification"):
            raise ValueError(f"{model}: scores are for one label of several, but this is {config.problem_type!r}.")
        if torch.cuda.is_available():
            self.model.cuda()
        self.class_names = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        self.batch_size = batch_size

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        tokenized = tokenize(texts, self.tokenizer.backend_tokenizer, self.tokenizer.pad_token_id)
        probabilities = np.empty((len(texts), self.model.config.num_labels), dtype=np.float32)
        for rows in tokenized.batches_by_length(self.batch_size):
            batch = {name: torch.from_numpy(array) for name, array in tokenized.batch(rows).items()}
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in batch.items()}).logits
            probabilities[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return probabilities
