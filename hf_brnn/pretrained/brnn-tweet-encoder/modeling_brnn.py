"""Bidirectional recurrent neural networks for text: encoder, sequence classifier and token classifier.

This file is saved with every model (`trust_remote_code`). It needs torch and transformers 4.48 or later, nothing else.
"""

from dataclasses import dataclass
from typing import Any, Optional, Union

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput, TokenClassifierOutput

from .configuration_brnn import BrnnConfig

try:
    from transformers.modeling_layers import GradientCheckpointingLayer
except ImportError:  # transformers before 4.52

    class GradientCheckpointingLayer(nn.Module):  # type: ignore[no-redef]
        gradient_checkpointing = False
        _gradient_checkpointing_func: Any

        def __call__(self, *args: Any) -> Any:
            if self.gradient_checkpointing and self.training:
                return self._gradient_checkpointing_func(super().__call__, *args)
            return super().__call__(*args)


RECURRENT_MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
# Arguments that tools pass to every model and that mean nothing to a recurrent network.
# fmt: off
TRANSFORMER_ARGUMENTS = (
    "output_attentions", "token_type_ids", "position_ids", "head_mask", "use_cache", "past_key_values",
    "cache_position", "encoder_hidden_states", "encoder_attention_mask", "encoder_outputs", "cross_attn_head_mask",
    "decoder_input_ids", "decoder_attention_mask", "decoder_head_mask", "decoder_inputs_embeds",
)
# fmt: on
IGNORED_LABEL = -100  # the default of torch's cross entropy


@dataclass
class ReadingOrder:
    """The order in which the two directions of a layer read the rows of a padded batch.

    Each direction reads the real tokens of a text first and its padding last, so that padding never reaches a real
    token. An index has one entry for each of the `batch_size * sequence_length` tokens and is used by `reorder`.

    Attributes:
        is_real: `(batch_size, sequence_length)` bool, False at padding.
        forward: Index that moves real tokens to the front of their row, first token first.
        forward_inverse: Index that undoes `forward`.
        backward: Index that moves real tokens to the front of their row, last token first.
        backward_inverse: Index that undoes `backward`.
    """

    is_real: torch.Tensor
    forward: torch.Tensor
    forward_inverse: torch.Tensor
    backward: torch.Tensor
    backward_inverse: torch.Tensor

    @classmethod
    def from_attention_mask(cls, attention_mask: torch.Tensor) -> "ReadingOrder":
        is_real = attention_mask.ne(0)
        index = torch.arange(is_real.numel(), device=is_real.device).view(is_real.shape)
        position = index[:1]
        # Real tokens get the lower sort keys.
        forward = torch.where(is_real, position, position + is_real.shape[1]).argsort(dim=1)
        backward = torch.where(is_real, -position, position + 1).argsort(dim=1)
        orders = (forward, forward.argsort(dim=1), backward, backward.argsort(dim=1))
        return cls(is_real, *((index[:, :1] + order).flatten() for order in orders))


def reorder(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Returns `states` `(batch_size, sequence_length, channels)` with the tokens in the order of an index of
    `ReadingOrder`."""
    return states.flatten(0, 1).index_select(0, index).view(states.shape)


def drop_channels(states: torch.Tensor, p: float) -> torch.Tensor:
    """Variational dropout (Gal and Ghahramani, 2016): drops the same channels at all tokens of a text. Takes and
    returns `(batch_size, sequence_length, channels)`."""
    return states * nn.functional.dropout(states.new_ones(states.shape[0], 1, states.shape[2]), p)


def refuse_arguments(arguments: dict[str, Any]) -> None:
    """Accepts `TRANSFORMER_ARGUMENTS` that are None or False, as tools pass them by default.

    Raises:
        TypeError: There is no such argument.
        ValueError: The argument asks for something that a recurrent network has not.
    """
    for name, value in arguments.items():
        if name not in TRANSFORMER_ARGUMENTS:
            raise TypeError(f"forward() got an unexpected keyword argument {name!r}")
        if value is not None and value is not False:
            raise ValueError(f"{name} is given, but a recurrent network has no use for it: leave it out or pass None.")


def class_ids(labels: torch.Tensor, num_labels: int) -> torch.Tensor:
    """Returns labels of any dtype as int64.

    Raises:
        ValueError: A label is neither an integer in [0, num_labels) nor `IGNORED_LABEL`.
    """
    ids = labels.long()
    is_valid = (ids == labels) & ((ids >= 0) & (ids < num_labels) | (ids == IGNORED_LABEL))
    if not is_valid.all():
        raise ValueError(
            f"labels holds {labels[~is_valid][0].item()}, but must hold class ids from 0 to {num_labels - 1}, or "
            f"{IGNORED_LABEL} for what the loss ignores. Floats need the problem_type regression or "
            "multi_label_classification."
        )
    return ids


class BrnnEmbeddings(nn.Module):
    """Word embeddings. In training, word dropout (Iyyer et al., 2015) replaces words by the unknown word."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.word_dropout = config.word_dropout
        self.unk_token_id = config.unk_token_id

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Takes `(batch_size, sequence_length)` and returns `(batch_size, sequence_length, embedding_size)`."""
        if self.training and self.word_dropout > 0:
            is_dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.word_dropout
            input_ids = input_ids.masked_fill(is_dropped, self.unk_token_id)
        # The pipeline of transformers 4.48 gives float ids for a batch that begins with an empty text.
        return self.word_embeddings(input_ids.long())


class BrnnLayer(GradientCheckpointingLayer):
    """One bidirectional recurrent layer (Schuster and Paliwal, 1997): two unidirectional layers of the same size, one
    of which reads each text from its last token to its first.

    Args:
        config: Cell, size and recurrent dropout.
        input_size: Channels of the input.
        input_dropout: Probability of dropping a channel of the input.
    """

    def __init__(self, config: BrnnConfig, input_size: int, input_dropout: float) -> None:
        super().__init__()
        cell = RECURRENT_MODULES[config.cell_type]
        kwargs = {"nonlinearity": config.hidden_act} if config.cell_type == "rnn" else {}
        self.forward_rnn = cell(input_size, config.hidden_size, batch_first=True, **kwargs)
        self.backward_rnn = cell(input_size, config.hidden_size, batch_first=True, **kwargs)
        self.input_dropout = input_dropout
        self.recurrent_dropout = config.recurrent_dropout

    def forward(self, hidden_states: torch.Tensor, order: ReadingOrder) -> torch.Tensor:
        """Takes `(batch_size, sequence_length, input_size)` and returns `(batch_size, sequence_length, 2 *
        hidden_size)`: the states of the forward direction, then those of the backward direction, zero at padding."""
        if self.training and self.input_dropout > 0:
            hidden_states = drop_channels(hidden_states, self.input_dropout)
        forward_states = self._run(self.forward_rnn, reorder(hidden_states, order.forward))
        backward_states = self._run(self.backward_rnn, reorder(hidden_states, order.backward))
        states = (reorder(forward_states, order.forward_inverse), reorder(backward_states, order.backward_inverse))
        return torch.cat(states, dim=-1).masked_fill(~order.is_real[..., None], 0)

    def _run(self, rnn: nn.RNNBase, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns the states of one direction, `(batch_size, sequence_length, hidden_size)`, in reading order."""
        recurrent_weight = rnn.all_weights[0][1]  # under torch.func a tensor, and no parameter
        if hidden_states.is_cuda and torch.is_autocast_enabled("cuda"):
            # Under autocast, cuDNN computes in float16 even if the dtype is bfloat16, and small gradients become zero.
            with torch.autocast("cuda", enabled=False):
                return self._run(rnn, hidden_states.to(recurrent_weight.dtype))
        if not self.training or self.recurrent_dropout == 0:
            return rnn(hidden_states)[0]
        # Neither the recurrence nor what follows the layer reads the state of a dropped unit.
        units = nn.functional.dropout(recurrent_weight.new_ones(rnn.hidden_size), self.recurrent_dropout)
        weights = {"weight_hh_l0": recurrent_weight * units}
        return torch.func.functional_call(rnn, weights, hidden_states)[0] * units


class BrnnEncoder(nn.Module):
    """The stack of bidirectional layers."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        # A channel of the embeddings must pass both dropouts.
        first_dropout = 1 - (1 - config.embedding_dropout) * (1 - config.input_dropout)
        layers = [BrnnLayer(config, config.embedding_size, first_dropout)]
        for _ in range(config.num_hidden_layers - 1):
            layers.append(BrnnLayer(config, 2 * config.hidden_size, config.input_dropout))
        self.layer = nn.ModuleList(layers)

    def forward(self, hidden_states: torch.Tensor, order: ReadingOrder) -> list[torch.Tensor]:
        """Returns the embeddings and the output of every layer, `(batch_size, sequence_length, channels)` each."""
        all_hidden_states = [hidden_states]
        for layer in self.layer:
            all_hidden_states.append(layer(all_hidden_states[-1], order))
        return all_hidden_states


class BrnnPooler(nn.Module):
    """Turns the states of a text into one vector. A text without tokens becomes the zero vector."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.output_size = (2 if config.pooling == "last" else 4) * config.hidden_size

    def forward(self, hidden_states: torch.Tensor, is_real: torch.Tensor) -> torch.Tensor:
        """Pools `hidden_states` `(batch_size, sequence_length, 2 * hidden_size)`, which are zero at padding.

        Returns:
            `(batch_size, 2 * hidden_size)` with pooling `"last"`: the state of each direction after its last token
            (the forward state at the last token, the backward state at the first one).
            `(batch_size, 4 * hidden_size)` with `"max_mean"`: the maximum and the mean over the tokens (concat pooling
            without the last state; Howard and Ruder, 2018).
        """
        lengths = is_real.sum(dim=1, keepdim=True)
        if self.pooling == "last":
            row = torch.arange(is_real.shape[0], device=is_real.device)
            first = is_real.int().argmax(dim=1)
            last = is_real.shape[1] - 1 - is_real.flip(1).int().argmax(dim=1)
            forward_states, backward_states = hidden_states.chunk(2, dim=-1)
            parts = (forward_states[row, last], backward_states[row, first])
        else:
            lowest = torch.finfo(hidden_states.dtype).min
            maximum = hidden_states.masked_fill(~is_real[..., None], lowest).amax(dim=1)
            parts = (maximum, hidden_states.sum(dim=1) / lengths.clamp(min=1))
        return torch.cat(parts, dim=-1).masked_fill(lengths == 0, 0)


class BrnnPreTrainedModel(PreTrainedModel):
    """Initialization, and what transformers needs to know to load and save the models."""

    config_class = BrnnConfig
    base_model_prefix = "brnn"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # Trainer's num_items_in_batch; it would infer True from **kwargs
    _no_split_modules = ["BrnnLayer"]

    def _init_weights(self, module: nn.Module) -> None:
        """Initializes the weights that were not loaded.

        Recurrent matrices are orthogonal for each gate (Saxe et al., 2014), input matrices uniform (Glorot and Bengio,
        2010), embeddings and classifiers normal with standard deviation `initializer_range`. Biases and the embedding
        of padding are 0, the bias of the LSTM's forget gate is 1 (Jozefowicz et al., 2015).
        """
        if isinstance(module, nn.RNNBase):
            for name, parameter in module.named_parameters():
                if not getattr(parameter, "_is_hf_initialized", False):
                    self._init_recurrent_parameter(module, name, parameter.data)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding) and not getattr(module.weight, "_is_hf_initialized", False):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight.data[module.padding_idx])

    def _init_recurrent_parameter(self, module: nn.RNNBase, name: str, value: torch.Tensor) -> None:
        gates = value.split(module.hidden_size)
        if name.startswith("weight_hh"):
            for gate in gates:
                # torch has no orthogonal initialization in 16 bits.
                gate.copy_(nn.init.orthogonal_(torch.empty_like(gate, dtype=torch.float32)))
        elif name.startswith("weight_ih"):
            for gate in gates:
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(value)
            if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(gates[1])  # torch's gates are i, f, g, o


class BrnnModel(BrnnPreTrainedModel):
    """Embeddings, bidirectional recurrent layers and pooling, without a head."""

    _auto_class = "AutoModel"  # makes save_pretrained copy the code; in 4.48, reloaded classes don't have it
    _keys_to_ignore_on_load_unexpected = [r"^(token_)?classifier\."]

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__(config)
        self.embeddings = BrnnEmbeddings(config)
        self.encoder = BrnnEncoder(config)
        self.pooler = BrnnPooler(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: Optional[torch.Tensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        inputs_embeds: Optional[torch.Tensor] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Union[tuple, BaseModelOutputWithPooling]:
        """Encodes a batch of texts. Padding on either side, of any length, never changes a result.

        Args:
            input_ids: `(batch_size, sequence_length)` token ids. Both sizes may be 0.
            attention_mask: `(batch_size, sequence_length)`, 0 at padding. By default, ids equal to
                `config.pad_token_id` are padding; `inputs_embeds` have none.
            inputs_embeds: `(batch_size, sequence_length, embedding_size)`, instead of `input_ids`. Word dropout does
                not apply to them.
            output_hidden_states: Whether to return `hidden_states`. By default `config.output_hidden_states`.
            return_dict: Whether to return a dataclass or a tuple. By default `config.return_dict`.
            kwargs: `TRANSFORMER_ARGUMENTS` that are None or False.

        Returns:
            `last_hidden_state` `(batch_size, sequence_length, 2 * hidden_size)`, zero at padding; `pooler_output`
            `(batch_size, 2 * hidden_size)` with pooling `"last"` or `(batch_size, 4 * hidden_size)` with `"max_mean"`;
            `hidden_states`, if asked for: the embeddings and the output of every layer, `num_hidden_layers + 1`
            tensors `(batch_size, sequence_length, channels)`.

        Raises:
            TypeError: There is no such argument.
            ValueError: Both or neither of `input_ids` and `inputs_embeds` are given, the shape of `attention_mask`
                differs from theirs, or one of `kwargs` is neither None nor False.
        """
        refuse_arguments(kwargs)
        inputs = inputs_embeds if input_ids is None else input_ids
        if inputs is None or (input_ids is not None and inputs_embeds is not None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if return_dict is None:
            return_dict = self.config.return_dict

        batch_size, sequence_length = inputs.shape[:2]
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids.ne(self.config.pad_token_id)
        elif attention_mask is None:
            attention_mask = torch.ones(batch_size, sequence_length, device=inputs.device)
        if attention_mask.shape != inputs.shape[:2]:
            raise ValueError(
                f"attention_mask has shape {tuple(attention_mask.shape)}, but must have the shape of the batch, "
                f"{(batch_size, sequence_length)}."
            )

        has_no_tokens = inputs.numel() == 0
        if has_no_tokens:
            # torch's recurrent layers refuse empty sequences: compute on one padding token, and cut it off below.
            shape = (max(batch_size, 1), max(sequence_length, 1))
            attention_mask = attention_mask.new_zeros(shape)
            inputs = inputs.new_full((*shape, *inputs.shape[2:]), self.config.pad_token_id)

        order = ReadingOrder.from_attention_mask(attention_mask)
        embeddings = inputs if input_ids is None else self.embeddings(inputs)
        hidden_states = self.encoder(embeddings, order)
        pooled = self.pooler(hidden_states[-1], order.is_real)
        if has_no_tokens:
            hidden_states = [states[:batch_size, :sequence_length] for states in hidden_states]
            pooled = pooled[:batch_size]

        output = BaseModelOutputWithPooling(
            last_hidden_state=hidden_states[-1],
            pooler_output=pooled,
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
        )
        return output if return_dict else output.to_tuple()


class BrnnForSequenceClassification(BrnnPreTrainedModel):
    """A classifier of whole texts: `BrnnModel`, dropout and one linear layer on the pooled states."""

    _auto_class = "AutoModelForSequenceClassification"

    def __init__(self, config: BrnnConfig) -> None:
        if config.num_labels == 1 and config.problem_type == "single_label_classification":
            # `from_pretrained(directory, num_labels=1)` means regression, and one class would have no loss.
            config.problem_type = "regression"
        super().__init__(config)
        self.num_labels = config.num_labels
        self.brnn = BrnnModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(self.brnn.pooler.output_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Optional[torch.Tensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        inputs_embeds: Optional[torch.Tensor] = None,
        labels: Optional[torch.Tensor] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Union[tuple, SequenceClassifierOutput]:
        """Scores a batch of texts. Arguments that are not listed here are those of `BrnnModel.forward`.

        Args:
            labels: What the loss compares `logits` with. Their form depends on `config.problem_type`:
                `"single_label_classification"`: `(batch_size,)` class ids (cross entropy); rows with -100 do not count;
                `"multi_label_classification"`: `(batch_size, num_labels)` floats, 0 or 1 (binary cross entropy);
                `"regression"`: `(batch_size,)` or `(batch_size, num_labels)` floats (mean squared error).
                If it is None, the first labels set it: `"regression"` if `num_labels` is 1, else
                `"single_label_classification"` for integers and `"multi_label_classification"` for floats.

        Returns:
            `loss`, a scalar, if `labels` are given; `logits` `(batch_size, num_labels)`; `hidden_states`, if asked for.

        Raises:
            ValueError: As in `BrnnModel.forward`, or labels are not class ids where they must be.
        """
        if return_dict is None:
            return_dict = self.config.return_dict
        outputs = self.brnn(input_ids, attention_mask, inputs_embeds, output_hidden_states, return_dict=True, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output))
        output = SequenceClassifierOutput(
            loss=None if labels is None else self._loss(logits, labels),
            logits=logits,
            hidden_states=outputs.hidden_states,
        )
        return output if return_dict else output.to_tuple()

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.config.problem_type is None:
            if self.num_labels == 1:
                self.config.problem_type = "regression"
            elif labels.dtype in (torch.long, torch.int):
                self.config.problem_type = "single_label_classification"
            else:
                self.config.problem_type = "multi_label_classification"
        if self.config.problem_type == "regression":
            return nn.functional.mse_loss(logits.float().reshape(labels.shape), labels.float())
        if self.config.problem_type == "single_label_classification":
            return nn.functional.cross_entropy(logits, class_ids(labels.view(-1), self.num_labels))
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


class BrnnForTokenClassification(BrnnPreTrainedModel):
    """A classifier of every token: `BrnnModel`, dropout and one linear layer on the states of each token."""

    _auto_class = "AutoModelForTokenClassification"

    def __init__(self, config: BrnnConfig) -> None:
        if config.num_labels == 1:
            raise ValueError(
                "num_labels is 1, but a token classifier needs two or more. For one number of a whole text, use "
                "AutoModelForSequenceClassification."
            )
        super().__init__(config)
        self.num_labels = config.num_labels
        self.brnn = BrnnModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.token_classifier = nn.Linear(2 * config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Optional[torch.Tensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        inputs_embeds: Optional[torch.Tensor] = None,
        labels: Optional[torch.Tensor] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Union[tuple, TokenClassifierOutput]:
        """Scores every token of a batch of texts. Arguments that are not listed here are those of `BrnnModel.forward`.

        Args:
            labels: `(batch_size, sequence_length)` class ids for the cross entropy; tokens with -100 do not count.

        Returns:
            `loss`, a scalar, if `labels` are given; `logits` `(batch_size, sequence_length, num_labels)`;
            `hidden_states`, if asked for.

        Raises:
            ValueError: As in `BrnnModel.forward`, or labels are not class ids.
        """
        if return_dict is None:
            return_dict = self.config.return_dict
        outputs = self.brnn(input_ids, attention_mask, inputs_embeds, output_hidden_states, return_dict=True, **kwargs)
        logits = self.token_classifier(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), class_ids(labels.flatten(), self.num_labels))
        output = TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)
        return output if return_dict else output.to_tuple()
