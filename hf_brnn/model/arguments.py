"""The values of a model that a training sets."""

from dataclasses import dataclass, field
from typing import Optional


@dataclass
class ModelArguments:
    """The model to start from, or sizes, cell and pooling of a new one; and the dropouts. `BrnnConfig` says what each
    of them means."""

    model_name_or_path: Optional[str] = field(
        default=None,
        metadata={"help": "Start from this model: a model directory, a model id on the Hub, or a model of hf-brnn."},
    )
    model_revision: Optional[str] = field(
        default=None, metadata={"help": "Branch, tag or commit of that model on the Hub."}
    )
    embedding_size: int = field(default=256, metadata={"help": "Width of a word's embedding."})
    hidden_size: int = field(default=196, metadata={"help": "Units of a layer in each direction."})
    num_hidden_layers: int = field(default=1, metadata={"help": "Number of bidirectional layers."})
    cell_type: str = field(default="lstm", metadata={"help": "lstm, gru or rnn.", "choices": ("lstm", "gru", "rnn")})
    hidden_act: str = field(
        default="tanh", metadata={"help": "Activation of the rnn cell: tanh or relu.", "choices": ("tanh", "relu")}
    )
    pooling: str = field(default="last", metadata={"help": "last or max_mean.", "choices": ("last", "max_mean")})
    embedding_dropout: float = field(default=0.0, metadata={"help": "Share of embedding channels to drop."})
    input_dropout: float = field(default=0.0, metadata={"help": "Share of each layer's input channels to drop."})
    recurrent_dropout: float = field(default=0.0, metadata={"help": "Share of a layer's units to drop."})
    classifier_dropout: float = field(default=0.0, metadata={"help": "Dropout before the classifier."})
    word_dropout: float = field(default=0.0, metadata={"help": "Share of words to read as unknown in training."})
    initializer_range: float = field(
        default=0.05, metadata={"help": "Standard deviation of the initial embeddings and classifier weights."}
    )
