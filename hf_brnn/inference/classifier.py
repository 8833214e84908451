"""Classifying texts through torch."""

from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ..data.dataset import TokenizedDataset
from ..data.problem_type import read_problem_type
from ..evaluation.thresholds import read_thresholds
from ..hub.layout import check_model_directory
from ..hub.load import load_model
from ..model.auto import BrnnClassifierModel
from ..model.text_encoder import TextEncoder
from .base_classifier import Classifier

BATCH_SIZE = 128


class TorchClassifier(Classifier):
    """Classifies texts with torch, on a GPU where there is one.

    Args:
        model: A model directory, or a model id on the Hub.
        batch_size: Number of texts per batch; 128 by default.
        revision: Branch, tag or commit of a model on the Hub.

    Attributes:
        label_names: The label names, in the order of the probabilities.

    Raises:
        OSError: There is no such directory or model, or a file is missing.
        ValueError: The weights don't match config.json, or `check_model_directory` refuses the directory.
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
        if torch.cuda.is_available():
            self.model.cuda()

    @classmethod
    def from_model(
        cls, model: BrnnClassifierModel, tokenizer: PreTrainedTokenizerFast, batch_size: Optional[int] = None
    ) -> "TorchClassifier":
        """Makes a classifier of a model in memory and its tokenizer."""
        classifier = cls.__new__(cls)
        classifier._set(model, tokenizer, batch_size)
        return classifier

    def _set(self, model: BrnnClassifierModel, tokenizer: PreTrainedTokenizerFast, batch_size: Optional[int]) -> None:
        self.model = model.eval()
        self.tokenizer: Tokenizer = tokenizer.backend_tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.encode = TextEncoder(self.tokenizer)
        self.pad_token_id: int = tokenizer.pad_token_id
        self.problem_type = read_problem_type({**model.config.to_dict(), "architectures": [type(model).__name__]})
        self.label_names = [model.config.id2label[index] for index in range(model.config.num_labels)]
        self.thresholds = read_thresholds(vars(model.config), model.config.num_labels)
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size

    @torch.inference_mode()
    def logits(self, tokenized: TokenizedDataset, rows: np.ndarray) -> np.ndarray:
        """Returns the logits of some of the texts, as `Classifier.logits` describes."""
        batch = tokenized.batch(rows)
        names = ("input_ids", "attention_mask")
        tensors = {name: torch.from_numpy(batch[name]).to(self.model.device) for name in names}
        return self.model(**tensors).logits.float().cpu().numpy()
