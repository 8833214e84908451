"""Configuration of the bidirectional recurrent models."""

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
    """Sizes, cell, pooling and dropouts of a bidirectional recurrent model.

    Args:
        vocab_size: Number of token ids.
        embedding_size: Width of a token's embedding.
        hidden_size: Width of the recurrent state of one direction; a layer's output is twice as wide.
        num_hidden_layers: Number of bidirectional layers.
        cell_type: `"lstm"` (Hochreiter and Schmidhuber, 1997; Gers et al., 2000), `"gru"` (Cho et al., 2014, with the
            reset gate applied after the matrix product, as cuDNN and Keras have it) or `"rnn"` (Elman, 1990).
        hidden_act: Activation of the `"rnn"` cell, `"tanh"` or `"relu"`; the gated cells are fixed to tanh.
        pooling: How the states become one vector: `"last"` joins the final states of the two directions
            (`2 * hidden_size`), `"max_mean"` joins maximum and mean over the tokens (`4 * hidden_size`).
        embedding_dropout: Share of the embedding channels that the first layer doesn't read in a step of training, the
            same in all texts of a batch (batchwise dropout; Graham, Reizenstein and Robinson, 2015). Keras'
            SpatialDropout1D draws channels anew for each text.
        input_dropout: The same for the input of every layer, that of the first one included.
        recurrent_dropout: Share of its units that a layer does without in a step of training, the same in all texts of
            a batch, at every step and in both directions: neither the recurrence (Gal and Ghahramani, 2016) nor what
            follows reads their states. Keras draws anew for each text, and drops them from the recurrence alone.
        classifier_dropout: Probability of dropping an input of the classification layer.
        word_dropout: Probability of reading a token as `unk_token_id` while training.
        initializer_range: Standard deviation of the normal distribution that embeddings and classifier start from.
        pad_token_id: Id of the padding token. Its embedding is zero.
        unk_token_id: Id of the token that stands for unknown words.

    Raises:
        ValueError: A value is out of range. The message names the field, the value and what is allowed.
    """

    model_type = "brnn"

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
        """Two configurations are equal when all their values are; where they were loaded from doesn't count."""
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
