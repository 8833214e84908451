"""Configuration of the bidirectional recurrent models.

This file is saved with every model (`trust_remote_code`). It needs transformers 4.48 or later.
"""

import math
from typing import Any

from transformers import PretrainedConfig

CELL_TYPES = ("lstm", "gru", "rnn")
HIDDEN_ACTS = ("tanh", "relu")
POOLINGS = ("last", "max_mean")
PROBLEM_TYPES = (None, "single_label_classification", "multi_label_classification", "regression")
AUTO_MAP = {
    "AutoConfig": "configuration_brnn.BrnnConfig",
    "AutoModel": "modeling_brnn.BrnnModel",
    "AutoModelForSequenceClassification": "modeling_brnn.BrnnForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_brnn.BrnnForTokenClassification",
}


class BrnnConfig(PretrainedConfig):
    """Configuration of a bidirectional recurrent model: sizes, cell, pooling and dropouts.

    The dropouts apply in training only. A stock `transformers.Trainer` trains with those that are described here.
    `hf_brnn.BrnnTrainer` replaces `embedding_dropout`, `input_dropout` and `recurrent_dropout` by batchwise dropout
    (Graham, Reizenstein and Robinson, 2015): in a step, all texts of the batch drop the same channels and units, a
    fixed number of them, which saves their arithmetic.

    Args:
        vocab_size: Number of token ids.
        embedding_size: Channels of an embedding.
        hidden_size: Units of one direction of a layer. The output of a layer has twice as many channels.
        num_hidden_layers: Number of bidirectional layers.
        cell_type: `"lstm"` (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000), `"gru"` (Cho
            et al., 2014, with the reset gate after the matrix product, as in cuDNN and Keras) or `"rnn"` (Elman, 1990).
            The equations are those of `torch.nn.LSTM`, `GRU` and `RNN`.
        hidden_act: Activation of the `"rnn"` cell, `"tanh"` or `"relu"`. The other cells ignore it.
        pooling: How the states of a text become one vector. `"last"` joins the final states of both directions
            (`2 * hidden_size` channels), `"max_mean"` joins maximum and mean over the tokens (`4 * hidden_size`).
        embedding_dropout: Probability of dropping a channel of the embeddings, at all tokens of a text (variational
            dropout; Gal and Ghahramani, 2016; `SpatialDropout1D` in Keras).
        input_dropout: Likewise for the input of every layer, including the first.
        recurrent_dropout: Probability of dropping a unit of a direction of a layer, for all texts of a batch: neither
            the recurrence nor what follows the layer reads its state (the recurrent weights of whole units are dropped,
            as single ones are in Merity et al., 2018).
        classifier_dropout: Probability of dropping an input of the classifier (Srivastava et al., 2014).
        word_dropout: Probability of replacing a token by `unk_token_id` (Iyyer et al., 2015).
        initializer_range: Standard deviation of the initial embeddings and classifier weights.
        pad_token_id: Id of the padding token. Its embedding is zero.
        unk_token_id: Id of the token for unknown words.
        kwargs: Any other field of `PretrainedConfig`, such as `num_labels`, `id2label` and `problem_type`.

    Raises:
        ValueError: A value is out of range. The message names the field, the value and the allowed values.
    """

    model_type = "brnn"
    _auto_class = "AutoConfig"  # makes save_pretrained copy the code; in 4.48, reloaded classes don't have it

    def __init__(
        self,
        vocab_size: int = 4000,
        embedding_size: int = 256,
        hidden_size: int = 196,
        num_hidden_layers: int = 1,
        cell_type: str = "lstm",
        hidden_act: str = "tanh",
        pooling: str = "last",
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        classifier_dropout: float = 0.0,
        word_dropout: float = 0.0,
        initializer_range: float = 0.05,
        pad_token_id: int = 0,
        unk_token_id: int = 1,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("auto_map", dict(AUTO_MAP))
        kwargs.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.cell_type = cell_type
        self.hidden_act = hidden_act
        self.pooling = pooling
        self.embedding_dropout = embedding_dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.classifier_dropout = classifier_dropout
        self.word_dropout = word_dropout
        self.initializer_range = initializer_range
        self.pad_token_id = pad_token_id
        self.unk_token_id = unk_token_id
        self._check_values()

    def __eq__(self, other: object) -> bool:
        """Compares all values except the place that a configuration was loaded from."""
        if not isinstance(other, PretrainedConfig):
            return False
        return {**self.to_dict(), "_name_or_path": ""} == {**other.to_dict(), "_name_or_path": ""}

    def _check_values(self) -> None:
        self._check("vocab_size", "an integer of at least 2", lambda value: _is_int(value) and value >= 2)
        for name in ("embedding_size", "hidden_size", "num_hidden_layers", "num_labels"):
            self._check(name, "an integer of at least 1", lambda value: _is_int(value) and value >= 1)
        self._check("problem_type", f"one of {PROBLEM_TYPES}", lambda value: value in PROBLEM_TYPES)
        for name, choices in (("cell_type", CELL_TYPES), ("hidden_act", HIDDEN_ACTS), ("pooling", POOLINGS)):
            self._check(name, f"one of {', '.join(choices)}", lambda value, choices=choices: value in choices)
        for name in (
            "embedding_dropout",
            "input_dropout",
            "recurrent_dropout",
            "classifier_dropout",
            "word_dropout",
        ):
            self._check(name, "a number in [0, 1)", lambda value: _is_number(value) and 0 <= value < 1)
        self._check("initializer_range", "a positive number", lambda value: _is_number(value) and 0 < value < math.inf)
        for name in ("pad_token_id", "unk_token_id"):
            allowed = f"an integer in [0, {self.vocab_size}) (vocab_size)"
            self._check(name, allowed, lambda value: _is_int(value) and 0 <= value < self.vocab_size)
        self._check("unk_token_id", "different from pad_token_id", lambda value: value != self.pad_token_id)

    def _check(self, name: str, allowed: str, is_allowed: Any) -> None:
        value = getattr(self, name)
        if not is_allowed(value):
            raise ValueError(f"BrnnConfig.{name} is {value!r}, but must be {allowed}.")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
