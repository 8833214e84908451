"""Classifying texts through torch, and what all classifiers have in common."""

from pathlib import Path
from typing import Optional, Protocol, Union

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ..data.dataset import TokenizedDataset, tokenize
from ..evaluation.thresholds import choose_labels, read_thresholds
from ..hub.layout import check_model_directory
from ..hub.load import load_model
from ..model.modeling_brnn import BrnnForSequenceClassification
from ..model.text_encoder import TextEncoder

BATCH_SIZE = 128


class Classifier(Protocol):
    """What `OnnxClassifier` and `TorchClassifier` have in common.

    Attributes:
        label_names: The label names, in the order of the probabilities.
        tokenizer: The tokenizer, without padding and truncation.
        encode: Encodes texts with it.
        pad_token_id: The id of the padding token.
        thresholds: `(num_labels,)` the thresholds of the labels, as `choose_labels` takes them; None without any.
    """

    label_names: list[str]
    tokenizer: Tokenizer
    encode: TextEncoder
    pad_token_id: int
    thresholds: Optional[np.ndarray]

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        ...

    def predict(self, texts: list[str]) -> list[str]:
        """Returns the name of the label of each text."""
        ...

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns `(rows,)` ids of the labels that `(rows, num_labels)` probabilities choose."""
        ...

    def probabilities(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(len(tokenized), num_labels)` float32 probabilities in the order of the texts."""
        ...


class TorchClassifier:
    """Classifies texts with torch, on a GPU where there is one.

    Args:
        model: A model directory, or a model id on the Hub.
        batch_size: Number of texts per batch; 128 by default.
        revision: Branch, tag or commit of a model on the Hub.

    Attributes:
        label_names: The label names, in the order of the probabilities.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: The model is not for one label out of several, its weights don't match config.json, or
            `check_model_directory` refuses the directory.
    """

    def __init__(
        self, model: Union[str, Path], batch_size: Optional[int] = None, revision: Optional[str] = None
    ) -> None:
        if Path(model).is_dir():
            check_model_directory(Path(model))
        try:
            tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        except OSError as error:
            reason, *_ = str(error).splitlines()
            raise OSError(
                f"{model} is neither a directory here nor a model that the Hub returns ({reason}) Check the spelling, "
                "or log in with hf auth login if the model is private."
            ) from error
        self._set(load_model(model, revision), tokenizer, batch_size)
        config = self.model.config
        if config.num_labels < 2 or config.problem_type not in (None, "single_label_classification"):
            raise ValueError(
                f"{model}: its problem_type is {config.problem_type!r} with {config.num_labels} labels, expected "
                "single_label_classification with two or more. Train a model with label names."
            )
        if torch.cuda.is_available():
            self.model.cuda()

    @classmethod
    def from_model(
        cls, model: BrnnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, batch_size: Optional[int] = None
    ) -> "TorchClassifier":
        """Makes a classifier of a model in memory and its tokenizer."""
        classifier = cls.__new__(cls)
        classifier._set(model, tokenizer, batch_size)
        return classifier

    def _set(
        self, model: BrnnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, batch_size: Optional[int]
    ) -> None:
        self.model = model.eval()
        self.tokenizer: Tokenizer = tokenizer.backend_tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.encode = TextEncoder(self.tokenizer)
        self.pad_token_id: int = tokenizer.pad_token_id
        self.label_names = [model.config.id2label[index] for index in range(model.config.num_labels)]
        self.thresholds = read_thresholds(vars(model.config), model.config.num_labels)
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        return self.probabilities(tokenize(texts, self.encode, self.pad_token_id))

    def predict(self, texts: list[str]) -> list[str]:
        """Returns the name of the label of each text: the most probable one, or the one that the thresholds of the
        model choose."""
        return [self.label_names[index] for index in self.choose(self(texts))]

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns `(rows,)` ids of the labels that `(rows, num_labels)` probabilities choose."""
        return choose_labels(probabilities, self.thresholds)

    @torch.inference_mode()
    def probabilities(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(len(tokenized), num_labels)` float32 probabilities in the order of the texts."""
        probabilities = np.empty((len(tokenized), len(self.label_names)), dtype=np.float32)
        for rows in tokenized.batches_by_length(self.batch_size):
            batch = {name: torch.from_numpy(array) for name, array in tokenized.batch(rows).items()}
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in batch.items()}).logits
            probabilities[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return probabilities
