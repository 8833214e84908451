"""Recurrent layers that are faster to train than those of `modeling_brnn.py`: batchwise dropout and mixed precision.

`modeling_brnn.BrnnLayer`, which is saved with every model, drops channels by multiplying them by zero.
`BatchwiseDropoutLayer` leaves them out of the matrix products. Its weights have the same names and its outputs in
evaluation are the same.
"""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import torch
from torch import nn

from ...model.modeling_brnn import BrnnLayer, BrnnPreTrainedModel, ReadingOrder

RECURRENT_FUNCTIONS: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}
RECURRENT_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def use_batchwise_dropout(model: BrnnPreTrainedModel) -> None:
    """Replaces the recurrent layers of a model by `BatchwiseDropoutLayer`, with the same parameters."""
    layers = model.base_model.encoder.layer
    for index, layer in enumerate(layers):
        layers[index] = BatchwiseDropoutLayer(layer)


class BatchwiseDropoutLayer(BrnnLayer):
    """A bidirectional layer with batchwise dropout (Graham, Reizenstein and Robinson, 2015).

    In each step of training, all texts of the batch and both directions share one random subset of the input channels
    and one of the units. The layer multiplies by the weights of these alone and scales the products up.

    Args:
        layer: The layer to replace. Its parameters are shared, not copied.

    Attributes:
        num_channels: Input channels that a step of training reads.
        num_units: Units of a direction that a step of training computes.
    """

    def __init__(self, layer: BrnnLayer) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(vars(layer))
        self.num_channels = num_kept(layer.forward_rnn.input_size, layer.input_dropout)
        self.num_units = num_kept(layer.forward_rnn.hidden_size, layer.recurrent_dropout)

    def forward(self, hidden_states: torch.Tensor, order: ReadingOrder) -> torch.Tensor:
        """Takes `(batch_size, sequence_length, input_size)` and returns `(batch_size, sequence_length, 2 *
        hidden_size)`, zero at padding."""
        device_type = hidden_states.device.type
        if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
            # Cast once, instead of once for each direction.
            hidden_states = hidden_states.to(torch.get_autocast_dtype(device_type))
        channels, units = self.draw(hidden_states.device)
        if channels is not None:
            hidden_states = select_channels(hidden_states, channels)
        forward_states = permute(hidden_states, order.forward, order.forward_inverse)
        backward_states = permute(hidden_states, order.backward, order.backward_inverse)
        return self.join(
            run(self.forward_rnn, forward_states, channels, units),
            run(self.backward_rnn, backward_states, channels, units),
            units,
            order,
        )

    def draw(self, device: torch.device) -> tuple[Optional[torch.Tensor], Optional[torch.Tensor]]:
        """Draws the channels `(num_channels,)` and the units `(num_units,)` of a step; None stands for all of them."""
        if not self.training:
            return None, None
        rnn = self.forward_rnn
        return draw(rnn.input_size, self.num_channels, device), draw(rnn.hidden_size, self.num_units, device)

    def join(
        self,
        forward_states: torch.Tensor,
        backward_states: torch.Tensor,
        units: Optional[torch.Tensor],
        order: ReadingOrder,
    ) -> torch.Tensor:
        """Joins the states of both directions, `(batch_size, sequence_length, num_units)` each, in reading order.
        Returns `(batch_size, sequence_length, 2 * hidden_size)` in the order of the text, zero at padding."""
        forward_states = permute(forward_states, order.forward_inverse, order.forward)
        backward_states = permute(backward_states, order.backward_inverse, order.backward)
        states = torch.stack((forward_states, backward_states), dim=2)
        states = spread_units(states, units, self.forward_rnn.hidden_size)
        return states.flatten(2).masked_fill(~order.is_real[..., None], 0)


def num_kept(size: int, p: float) -> int:
    """Returns how many of `size` channels are kept if a share `p` is dropped: at least 1 and, unless `p` is 0, at most
    `size - 1`. From 128 channels on it is a multiple of 8, because tensor cores multiply such matrices of 16-bit
    numbers fastest (NVIDIA, Matrix Multiplication Background User's Guide)."""
    if p == 0:
        return size
    grid = 8 if size >= 128 else 1
    return max(grid, min(grid * round(size * (1 - p) / grid), (size - 1) // grid * grid))


def draw(size: int, num_kept: int, device: torch.device) -> Optional[torch.Tensor]:
    """Returns `num_kept` distinct random indices below `size`, or None for all of them."""
    return None if num_kept == size else torch.rand(size, device=device).argsort()[:num_kept]


def select_channels(values: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """Returns `values[..., channels]`. The gradient of `gather` takes half the time of that of indexing."""
    return values.gather(-1, channels.expand(*values.shape[:-1], len(channels)))


def spread_units(values: torch.Tensor, units: Optional[torch.Tensor], hidden_size: int) -> torch.Tensor:
    """Returns `(..., hidden_size)` from the values `(..., num_units)` of some units: those of dropped units are 0, the
    others `hidden_size / num_units` times as large."""
    if units is None:
        return values
    zeros = values.new_zeros(*values.shape[:-1], hidden_size)
    return zeros.index_copy(-1, units, values * (hidden_size / len(units)))


class Permute(torch.autograd.Function):
    """`modeling_brnn.reorder`, with a gradient that is reordered too. The gradient of `index_select` adds rows up."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(index, inverse)
        return states.flatten(0, 1).index_select(0, index).view(states.shape)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        index, inverse = ctx.saved_tensors
        return Permute.apply(gradient, inverse, index), None, None


def permute(states: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """Returns `states` `(batch_size, sequence_length, channels)` in the order of `index`, which `inverse` undoes."""
    return Permute.apply(states, index, inverse)


def run(
    rnn: nn.RNNBase, hidden_states: torch.Tensor, channels: Optional[torch.Tensor], units: Optional[torch.Tensor]
) -> torch.Tensor:
    """Runs one direction on `(batch_size, sequence_length, num_channels)` in reading order. Returns its states,
    `(batch_size, sequence_length, num_units)`."""
    has_cast = hidden_states.is_cuda and torch.is_autocast_enabled("cuda")
    if channels is None and units is None and not has_cast:
        return rnn(hidden_states)[0]
    weights: Sequence[torch.Tensor] = subset_weights(rnn, channels, units)
    if hidden_states.is_cuda:
        # Under autocast, cuDNN computes in float16 even if the dtype is bfloat16. It reads the weights from one block.
        dtype = torch.get_autocast_dtype("cuda") if has_cast else hidden_states.dtype
        hidden_states = hidden_states.to(dtype)
        weights = CastWeights.apply(dtype, *weights)
    initial = hidden_states.new_zeros(1, len(hidden_states), weights[1].shape[1])
    state = (initial, initial) if rnn.mode == "LSTM" else initial
    function = RECURRENT_FUNCTIONS[rnn.mode]
    with torch.autocast("cuda", enabled=False):
        return function(hidden_states, state, weights, True, 1, 0.0, rnn.training, False, True)[0]


def subset_weights(
    rnn: nn.RNNBase, channels: Optional[torch.Tensor], units: Optional[torch.Tensor]
) -> list[torch.Tensor]:
    """Returns `RECURRENT_WEIGHTS` for some channels and units, scaled up by the share that is left out."""
    weights = [getattr(rnn, name) for name in RECURRENT_WEIGHTS]
    if units is not None:
        first_rows = torch.arange(0, len(weights[1]), rnn.hidden_size, device=units.device)
        rows = (first_rows[:, None] + units).flatten()
        weights = [weight.index_select(0, rows) for weight in weights]
        weights[1] = select_channels(weights[1], units) * (rnn.hidden_size / len(units))
    if channels is not None:
        weights[0] = select_channels(weights[0], channels) * (rnn.input_size / len(channels))
    return weights


class CastWeights(torch.autograd.Function):
    """`cast_to_block` for weights, in a few operations forward and backward."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.dtype = weights[0].dtype
        return cast_to_block(weights, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Optional[torch.Tensor], ...]:
        return None, *cast_to_block(gradients, ctx.dtype)


def cast_to_block(tensors: Sequence[torch.Tensor], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Returns the tensors in another dtype, in one block of memory."""
    block = torch.cat([tensor.flatten() for tensor in tensors]).to(dtype)
    parts = block.split([tensor.numel() for tensor in tensors])
    return tuple(part.view_as(tensor) for part, tensor in zip(parts, tensors))
