"""Class probabilities of texts from a saved folder, in batches of like length."""

from pathlib import Path
from typing import Union

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from .batching import collate, tokenize


class Scorer:
    """A saved classifier and its tokenizer.

    Args:
        model: A saved folder, or a model id on the Hub.
        batch_size: Number of texts that are scored at once.

    Raises:
        OSError: There is no such folder or model.
    """

    def __init__(self, model: Union[str, Path], batch_size: int = 256) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.model = AutoModelForSequenceClassification.from_pretrained(model).eval()
        if torch.cuda.is_available():
            self.model.cuda()
        self.batch_size = batch_size

    @property
    def class_names(self) -> list[str]:
        """Names of the labels, in the order of their ids."""
        return [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        tokenized = tokenize(texts, self.tokenizer)
        order = np.argsort(tokenized.lengths, kind="stable")
        probabilities = np.empty((len(texts), self.model.config.num_labels), dtype=np.float32)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = collate(tokenized.__getitems__(rows.tolist()))
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in batch.items()}).logits
            probabilities[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return probabilities
