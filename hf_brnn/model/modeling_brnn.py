"""Bidirectional recurrent models: encoder, sequence classifier and token classifier.

Right-padded batches run through torch's fused recurrent kernels without packing: real tokens are moved to the front of
their row, one kernel reads the row as it stands and one reads its real tokens in reverse, so what a padding position
computes never reaches a real token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput, TokenClassifierOutput

from .configuration_brnn import BrnnConfig

RECURRENT_MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
RECURRENT_FUNCTIONS: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}
RECURRENT_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")

# The states of both directions of a layer, `(batch_size, sequence_length, num_units)` each in the order in which it
# read: real tokens in front, and meaningless values at padding. Last, `(num_units,)`, which of the `hidden_size` units
# these are; None if all.
Directions = tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]


@dataclass
class TokenOrder:
    """Where the real tokens of a padded batch stand, as indices into its `batch_size * sequence_length` rows.

    Attributes:
        mask: `(batch_size, sequence_length)` bool, True at real tokens once they are moved to the front of their row.
        lengths: `(batch_size,)` number of real tokens.
        to_front: Flat index that moves the real tokens to the front and keeps their order.
        to_original: Flat index that undoes `to_front`.
        to_reversed: Flat index that reverses the real tokens of each row; it undoes itself.
    """

    mask: torch.Tensor
    lengths: torch.Tensor
    to_front: torch.Tensor
    to_original: torch.Tensor
    to_reversed: torch.Tensor

    @classmethod
    def from_attention_mask(cls, attention_mask: torch.Tensor) -> "TokenOrder":
        is_real = attention_mask.ne(0)
        index = torch.arange(is_real.numel(), device=is_real.device)
        positions = index[: is_real.shape[1]]
        row_starts = index.view(is_real.shape)[:, :1]
        counts = is_real.cumsum(1)
        lengths = counts[:, -1:]
        mask = positions < lengths
        # A real token goes behind the real tokens before it, padding behind all of them and the padding before it.
        front_positions = torch.where(is_real, counts - 1, lengths + positions - counts)
        to_original = (front_positions + row_starts).flatten()
        reversed_positions = torch.where(mask, lengths - 1 - positions, positions)
        return cls(
            mask=mask,
            lengths=lengths[:, 0],
            to_front=torch.empty_like(index).scatter_(0, to_original, index),
            to_original=to_original,
            to_reversed=(reversed_positions + row_starts).flatten(),
        )


def select_rows(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return states.flatten(0, 1).index_select(0, index).view(states.shape)


class Rearrange(torch.autograd.Function):
    """What `rearrange` does. The gradient is rearranged by the inverse; `index_select` would add it up, slowly."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(index, inverse)
        return select_rows(states, index)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        index, inverse = ctx.saved_tensors
        return Rearrange.apply(gradient, inverse, index), None, None


def rearrange(states: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """Rearranges `(batch_size, sequence_length)` ids or `(batch_size, sequence_length, channels)` states by a flat
    index, which another one undoes."""
    # TorchScript can't save an autograd function.
    return select_rows(states, index) if torch.jit.is_tracing() else Rearrange.apply(states, index, inverse)


def cast_to_block(tensors: Sequence[torch.Tensor], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """The tensors in another dtype, one behind the other in one block of memory."""
    block = torch.cat([tensor.flatten() for tensor in tensors]).to(dtype)
    parts = block.split([tensor.numel() for tensor in tensors])
    return tuple(part.view_as(tensor) for part, tensor in zip(parts, tensors))


class CastWeights(torch.autograd.Function):
    """`cast_to_block` for weights, in a few operations forward and backward."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.dtype = weights[0].dtype
        return cast_to_block(weights, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Optional[torch.Tensor], ...]:
        return None, *cast_to_block(gradients, ctx.dtype)


def draw(size: int, num_kept: int, device: torch.device) -> Optional[torch.Tensor]:
    """`(num_kept,)` of the indices below `size`, at random and each once; None for all of them."""
    return None if num_kept == size else torch.rand(size, device=device).argsort()[:num_kept]


def select_channels(values: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """`values[..., channels]`. Its gradient takes half the time of that of indexing."""
    return values.gather(-1, channels.expand(*values.shape[:-1], len(channels)))


def spread_units(values: torch.Tensor, units: Optional[torch.Tensor], hidden_size: int) -> torch.Tensor:
    """From values of some units, `(..., num_units)`, to those of all, `(..., hidden_size)`: zero for the dropped ones,
    `hidden_size / num_units` times as large for the others."""
    if units is None:
        return values
    zeros = values.new_zeros(*values.shape[:-1], hidden_size)
    return zeros.index_copy(-1, units, values * (hidden_size / len(units)))


class BrnnEmbeddings(nn.Module):
    """Token embeddings with word dropout."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.word_dropout = config.word_dropout
        self.unk_token_id = config.unk_token_id

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Takes ids `(batch_size, sequence_length)` or their embeddings `(batch_size, sequence_length,
        embedding_size)`, whose words can't be dropped any more. Returns the latter."""
        if inputs.dim() == 2:
            inputs = self.look_up(inputs)
        device_type = inputs.device.type
        if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
            # Cast once here, not once for each direction.
            inputs = inputs.to(torch.get_autocast_dtype(device_type))
        return inputs

    def look_up(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The embeddings of ids, in training without the words that word dropout takes."""
        if self.training and self.word_dropout > 0:
            is_dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.word_dropout
            input_ids = input_ids.masked_fill(is_dropped, self.unk_token_id)
        # transformers 4.48 gives float ids for batches that begin with an empty text.
        return self.word_embeddings(input_ids.long())


def kept_channels(size: int, p: float) -> int:
    """How many of `size` channels are kept if each is dropped with probability `p`, one of them at least, and one at
    least is dropped. From 128 on a multiple of 8 is kept: of 16-bit numbers, tensor cores multiply these fastest
    (NVIDIA, Matrix Multiplication Background User's Guide)."""
    if p == 0:
        return size
    grid = 8 if size >= 128 else 1
    return max(grid, min(grid * round(size * (1 - p) / grid), (size - 1) // grid * grid))


class BrnnLayer(nn.Module):
    """One bidirectional layer: A_t from A_{t-1} in reading order, A'_t from A'_{t+1} against it.

    In training it reads some channels of its input and has some of its units, the same ones in all texts of a batch, at
    every step and in both directions, and multiplies by the weights of these alone (batchwise dropout; Graham,
    Reizenstein and Robinson, 2015)."""

    def __init__(self, config: BrnnConfig, input_size: int, input_dropout: float) -> None:
        super().__init__()
        cell = RECURRENT_MODULES[config.cell_type]
        kwargs = {"nonlinearity": config.hidden_act} if config.cell_type == "rnn" else {}
        self.forward_rnn = cell(input_size, config.hidden_size, batch_first=True, **kwargs)
        self.backward_rnn = cell(input_size, config.hidden_size, batch_first=True, **kwargs)
        self.num_channels = kept_channels(input_size, input_dropout)
        self.num_units = kept_channels(config.hidden_size, config.recurrent_dropout)

    def draw(self, device: torch.device) -> tuple[Optional[torch.Tensor], Optional[torch.Tensor]]:
        """The channels that a batch reads and the units that it has; None for all of them."""
        if not self.training:
            return None, None
        rnn = self.forward_rnn
        return draw(rnn.input_size, self.num_channels, device), draw(rnn.hidden_size, self.num_units, device)

    def forward(self, hidden_states: torch.Tensor, to_reversed: torch.Tensor) -> Directions:
        """Takes `(batch_size, sequence_length, input_size)` with the real tokens in front and the index that reverses
        them."""
        channels, units = self.draw(hidden_states.device)
        if channels is not None:
            hidden_states = select_channels(hidden_states, channels)
        reversed_states = rearrange(hidden_states, to_reversed, to_reversed)
        return (
            self._run(self.forward_rnn, hidden_states, channels, units),
            self._run(self.backward_rnn, reversed_states, channels, units),
            units,
        )

    def _run(
        self,
        rnn: nn.RNNBase,
        hidden_states: torch.Tensor,
        channels: Optional[torch.Tensor],
        units: Optional[torch.Tensor],
    ) -> torch.Tensor:
        has_cast = hidden_states.is_cuda and torch.is_autocast_enabled("cuda")
        if channels is None and units is None and not has_cast:
            return rnn(hidden_states)[0]
        weights = self.weights(rnn, channels, units)
        if hidden_states.is_cuda:
            # By itself, autocast on CUDA runs these kernels in float16, whatever its dtype is. They read one block.
            dtype = torch.get_autocast_dtype("cuda") if has_cast else hidden_states.dtype
            hidden_states = hidden_states.to(dtype)
            weights = CastWeights.apply(dtype, *weights)
        initial = hidden_states.new_zeros(1, len(hidden_states), weights[1].shape[1])
        state = (initial, initial) if rnn.mode == "LSTM" else initial
        function = RECURRENT_FUNCTIONS[rnn.mode]
        with torch.autocast("cuda", enabled=False):
            return function(hidden_states, state, weights, True, 1, 0.0, self.training, False, True)[0]

    def weights(
        self, rnn: nn.RNNBase, channels: Optional[torch.Tensor], units: Optional[torch.Tensor]
    ) -> list[torch.Tensor]:
        """`RECURRENT_WEIGHTS` of these channels and units, scaled up to stand for all."""
        weights = [getattr(rnn, name) for name in RECURRENT_WEIGHTS]
        if units is not None:
            first_rows = torch.arange(0, len(weights[1]), rnn.hidden_size, device=units.device)
            rows = (first_rows[:, None] + units).flatten()
            weights = [weight.index_select(0, rows) for weight in weights]
            weights[1] = select_channels(weights[1], units) * (rnn.hidden_size / len(units))
        if channels is not None:
            weights[0] = select_channels(weights[0], channels) * (rnn.input_size / len(channels))
        return weights


def join(states: Directions, order: TokenOrder, hidden_size: int) -> torch.Tensor:
    """Joins both directions token by token: `(batch_size, sequence_length, 2 * hidden_size)`, zero at padding."""
    forward_states, reversed_states, units = states
    backward_states = rearrange(reversed_states, order.to_reversed, order.to_reversed)
    joined = torch.stack((forward_states, backward_states), dim=2)
    return spread_units(joined, units, hidden_size).flatten(2).masked_fill(~order.mask[..., None], 0)


class BrnnEncoder(nn.Module):
    """The stack of bidirectional layers."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        input_sizes = [config.embedding_size] + [2 * config.hidden_size] * (config.num_hidden_layers - 1)
        # A channel of the embeddings must pass both dropouts.
        first_dropout = 1 - (1 - config.embedding_dropout) * (1 - config.input_dropout)
        dropouts = [first_dropout] + [config.input_dropout] * (config.num_hidden_layers - 1)
        self.layer = nn.ModuleList(BrnnLayer(config, *layer) for layer in zip(input_sizes, dropouts))
        self.hidden_size = config.hidden_size
        self.gradient_checkpointing = False
        self._gradient_checkpointing_func: Callable[..., Directions]

    def forward(self, hidden_states: torch.Tensor, order: TokenOrder) -> tuple[list[torch.Tensor], Directions]:
        """Returns the input of every layer, real tokens in front, and the states of the last layer."""
        inputs = [hidden_states]
        for layer in self.layer[:-1]:
            inputs.append(join(self._run(layer, inputs[-1], order), order, self.hidden_size))
        return inputs, self._run(self.layer[-1], inputs[-1], order)

    def _run(self, layer: nn.Module, hidden_states: torch.Tensor, order: TokenOrder) -> Directions:
        if self.gradient_checkpointing and self.training:
            return self._gradient_checkpointing_func(layer.__call__, hidden_states, order.to_reversed)
        return layer(hidden_states, order.to_reversed)


class BrnnPooler(nn.Module):
    """Turns the states of a text into one vector; a text without tokens becomes the zero vector."""

    def __init__(self, config: BrnnConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.hidden_size = config.hidden_size
        self.output_size = (2 if config.pooling == "last" else 4) * config.hidden_size

    def forward(self, states: Directions, order: TokenOrder) -> torch.Tensor:
        """Returns `(batch_size, output_size)`: the last states, or the maxima and means over the tokens."""
        *directions, units = states
        lengths = order.lengths.clamp(min=1)[:, None]
        if self.pooling == "last":
            rows = torch.arange(len(lengths), device=lengths.device)
            pooled = [direction[rows, lengths[:, 0] - 1] for direction in directions]
        else:
            is_padding = ~order.mask[..., None]
            lowest = torch.finfo(directions[0].dtype).min
            maxima = [direction.masked_fill(is_padding, lowest).amax(1) for direction in directions]
            means = [direction.masked_fill(is_padding, 0).sum(1) / lengths for direction in directions]
            pooled = [*maxima, *means]
        of_all_units = spread_units(torch.stack(pooled, dim=1), units, self.hidden_size)
        return of_all_units.flatten(1).masked_fill(order.lengths[:, None] == 0, 0)


class BrnnPreTrainedModel(PreTrainedModel):
    config_class = BrnnConfig
    base_model_prefix = "brnn"
    supports_gradient_checkpointing = True
    _no_split_modules = ["BrnnLayer"]

    def _init_weights(self, module: nn.Module) -> None:
        """Recurrent matrices start orthogonal gate by gate (Saxe et al., 2014), input matrices Glorot-uniform (Glorot
        and Bengio, 2010), the LSTM's forget bias at 1 (Jozefowicz et al., 2015), other biases and the padding row at
        0, embeddings and classifiers normal with `initializer_range`. Weights that were loaded are left alone."""
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
                gate.copy_(nn.init.orthogonal_(torch.empty_like(gate, dtype=torch.float32)))
        elif name.startswith("weight_ih"):
            for gate in gates:
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(value)
            if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(gates[1])


class BrnnModel(BrnnPreTrainedModel):
    """Embeddings, bidirectional recurrent layers and pooling, without a head."""

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
        output_last_hidden_state: bool = True,
    ) -> Union[tuple, BaseModelOutputWithPooling]:
        """Encodes a batch of texts. Padding on either side, of any length, never changes a result.

        Args:
            input_ids: `(batch_size, sequence_length)` token ids.
            attention_mask: `(batch_size, sequence_length)`, 1 at real tokens and 0 at padding. Without it, ids equal to
                `config.pad_token_id` are padding; with `inputs_embeds`, nothing is.
            inputs_embeds: `(batch_size, sequence_length, embedding_size)` instead of `input_ids`.
            output_hidden_states: Whether to return the embeddings and the output of every layer too.
            return_dict: Whether to return a `BaseModelOutputWithPooling` or a tuple.
            output_last_hidden_state: Whether to return `last_hidden_state`, which pooling does without.

        Returns:
            `last_hidden_state` `(batch_size, sequence_length, 2 * hidden_size)`, zero at padding; `pooler_output`
            `(batch_size, 2 * hidden_size)` with pooling `"last"`, `(batch_size, 4 * hidden_size)` with `"max_mean"`;
            `hidden_states`, if asked for, `num_hidden_layers + 1` tensors `(batch_size, sequence_length, channels)`.

        Raises:
            ValueError: Both or neither of `input_ids` and `inputs_embeds` are given, or `attention_mask` has another
                shape than they have.
        """
        inputs = inputs_embeds if input_ids is None else input_ids
        if inputs is None or (input_ids is not None and inputs_embeds is not None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if return_dict is None:
            return_dict = self.config.return_dict

        batch_shape = inputs.shape[:2]
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids.ne(self.config.pad_token_id)
        elif attention_mask is None:
            attention_mask = torch.ones(batch_shape, device=inputs.device)
        if attention_mask.shape != batch_shape:
            raise ValueError(
                f"attention_mask has shape {tuple(attention_mask.shape)}, but the batch is {tuple(batch_shape)}."
            )

        sequence_length = batch_shape[1]
        if sequence_length == 0:
            # All texts are empty: one padding token stands in for nothing.
            attention_mask = attention_mask.new_zeros(len(inputs), 1)
            inputs = inputs.new_full((len(inputs), 1, *inputs.shape[2:]), self.config.pad_token_id)

        order = TokenOrder.from_attention_mask(attention_mask)
        embeddings = self.embeddings(rearrange(inputs, order.to_front, order.to_original))
        layer_inputs, last_states = self.encoder(embeddings, order)
        wanted_states = layer_inputs if output_hidden_states else []
        if output_hidden_states or output_last_hidden_state:
            wanted_states.append(join(last_states, order, self.config.hidden_size))
        hidden_states = tuple(
            rearrange(states, order.to_original, order.to_front)[:, :sequence_length] for states in wanted_states
        )

        output = BaseModelOutputWithPooling(
            last_hidden_state=hidden_states[-1] if hidden_states else None,
            pooler_output=self.pooler(last_states, order),
            hidden_states=hidden_states if output_hidden_states else None,
        )
        return output if return_dict else output.to_tuple()


class BrnnForSequenceClassification(BrnnPreTrainedModel):
    """A bidirectional recurrent classifier of whole texts: pooling, dropout and one linear layer."""

    def __init__(self, config: BrnnConfig) -> None:
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
    ) -> Union[tuple, SequenceClassifierOutput]:
        """Scores a batch of texts.

        Args:
            labels: As `config.problem_type` says: `"single_label_classification"`, `(batch_size,)` class ids (cross
                entropy); `"multi_label_classification"`, `(batch_size, num_labels)` floats of 0 and 1 (binary cross
                entropy); `"regression"`, `(batch_size,)` or `(batch_size, num_labels)` floats (mean squared error).
                Where it is None, the first labels decide: one label means regression, integers mean a single label,
                others several.

        The other arguments are those of `BrnnModel.forward`.

        Returns:
            `loss` (if `labels` are given), `logits` `(batch_size, num_labels)` and, if asked for, `hidden_states`.
        """
        if return_dict is None:
            return_dict = self.config.return_dict
        outputs = self.brnn(
            input_ids,
            attention_mask,
            inputs_embeds,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            output_last_hidden_state=False,
        )
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
            return nn.functional.cross_entropy(logits, labels.view(-1).long())
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


class BrnnForTokenClassification(BrnnPreTrainedModel):
    """A label for every token: O_t = H_t W + b, with H_t the joined forward and backward state."""

    def __init__(self, config: BrnnConfig) -> None:
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
    ) -> Union[tuple, TokenClassifierOutput]:
        """Scores every token of a batch of texts.

        Args:
            labels: `(batch_size, sequence_length)` class ids for the cross entropy; -100 is left out of it.

        The other arguments are those of `BrnnModel.forward`.

        Returns:
            `loss` (if `labels` are given), `logits` `(batch_size, sequence_length, num_labels)` and, if asked for,
            `hidden_states`.
        """
        if return_dict is None:
            return_dict = self.config.return_dict
        outputs = self.brnn(
            input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, return_dict=True
        )
        logits = self.token_classifier(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten().long())
        output = TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)
        return output if return_dict else output.to_tuple()
