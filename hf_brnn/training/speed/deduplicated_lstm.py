"""An LSTM for training on CPUs that multiplies each distinct word of a batch by the input weights once.

In a batch of tweets, seven of ten tokens repeat a word of the same batch. torch's LSTM multiplies every token.
"""

from collections.abc import Iterator
from typing import Any, Optional

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ...model.modeling_brnn import BrnnPreTrainedModel, ReadingOrder
from .batchwise_dropout import BatchwiseDropoutLayer, select_channels, subset_weights

# Texts of a batch and units of a layer. With fewer of either, torch's LSTM is as fast or faster.
MIN_SIZE = 128

# The vectors of the distinct words of a batch, `(num_words, channels)`, and the row of each token in them,
# `(batch_size, sequence_length)`.
Words = tuple[torch.Tensor, torch.Tensor]


class DistinctEmbedding(nn.Embedding):
    """An embedding table that computes the vector of each distinct word of a batch once.

    Attributes:
        gives_words: Whether embeddings in training have the `Words` that they were computed from as an attribute
            `words`.
    """

    gives_words = False

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Takes ids of any shape. Returns their vectors, with `embedding_size` as an additional last dimension."""
        is_used = torch.zeros(self.num_embeddings, dtype=torch.bool, device=input_ids.device)
        is_used.scatter_(0, input_ids.flatten(), True)
        vectors = self.make_vectors(is_used.nonzero()[:, 0])
        places = is_used.cumsum(0)[input_ids] - 1
        embeddings = nn.functional.embedding(places, vectors)
        if self.gives_words and self.training:
            embeddings.words = (vectors, places)  # type: ignore[attr-defined]
        return embeddings

    def make_vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """Returns the vectors of unique ids, `(num_ids, embedding_size)`."""
        return super().forward(ids)


class DistinctWordsLayer(BatchwiseDropoutLayer):
    """A first layer of LSTMs that runs `WordLSTM` in training, if batch and layer are large enough. It replaces another
    layer and shares its parameters."""

    def forward(self, hidden_states: torch.Tensor, order: ReadingOrder) -> torch.Tensor:
        words: Optional[Words] = getattr(hidden_states, "words", None)
        if words is None or min(len(hidden_states), self.num_units) < MIN_SIZE:
            return super().forward(hidden_states, order)
        vectors, places = words
        channels, units = self.draw(vectors.device)
        if channels is not None:
            vectors = select_channels(vectors, channels)
        directions = [subset_weights(rnn, channels, units) for rnn in (self.forward_rnn, self.backward_rnn)]
        weight_ih, weight_hh, bias_ih, bias_hh = (torch.stack(pair) for pair in zip(*directions))
        reading = [places.flatten()[index].view_as(places) for index in (order.forward, order.backward)]
        both_places = torch.stack(reading).mT.contiguous()
        forward_states, backward_states = WordLSTM.apply(vectors, both_places, weight_ih, weight_hh, bias_ih + bias_hh)
        return self.join(forward_states.transpose(0, 1), backward_states.transpose(0, 1), units, order)


class WordLSTM(torch.autograd.Function):
    """Two LSTMs (Hochreiter and Schmidhuber, 1997; with the gates of Gers et al., 2000, and the weights of
    `torch.nn.LSTM`) side by side, whose inputs are rows of a table of words:

        i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c' = f c + i g, h' = o tanh(c')

    W x + b is computed once for each row of the table. Backward, the gradients of all tokens of a row are added up
    before they are multiplied by W. The first dimension of a tensor of both LSTMs has size 2.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: torch.Tensor,
        places: torch.Tensor,
        weight_ih: torch.Tensor,
        weight_hh: torch.Tensor,
        bias: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes the vectors `(num_words, channels)`, the row of each token in them `(2, sequence_length, batch_size)`,
        and weights `(2, 4 * units, channels)`, `(2, 4 * units, units)` and `(2, 4 * units)` with gates in the order i,
        f, g, o. Returns the states h of both LSTMs, `(sequence_length, batch_size, units)` each."""
        _, length, batch_size = places.shape
        num_units = weight_hh.shape[2]
        inputs = torch.baddbmm(bias[:, None], vectors.expand(2, *vectors.shape), weight_ih.mT)
        gates = inputs.new_empty(2, length, batch_size, 4 * num_units)
        for direction in range(2):
            torch.index_select(inputs[direction], 0, places[direction].flatten(), out=gates[direction].flatten(0, 1))
        # Index 0 is the state before the first step.
        states, cells = inputs.new_empty(2, 2, length + 1, batch_size, num_units)
        activations = inputs.new_empty(2, length, batch_size, num_units)
        state, cell = states[:, 0].zero_(), cells[:, 0].zero_()
        steps = step_views(gates, activations, cells[:, 1:], states[:, 1:])
        for gate, i_and_f, i, f, g, o, activation, next_cell, next_state in steps:
            gate.baddbmm_(state, weight_hh.mT)
            i_and_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            cell = torch.mul(f, cell, out=next_cell).addcmul_(i, g)
            torch.tanh(cell, out=activation)
            state = torch.mul(o, activation, out=next_state)
        ctx.save_for_backward(vectors, places, weight_ih, weight_hh, gates, states, cells, activations)
        return states[0, 1:], states[1, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Optional[torch.Tensor], ...]:
        vectors, places, weight_ih, weight_hh, gates, states, cells, activations = ctx.saved_tensors
        state_gradients = torch.stack(gradients).unbind(1)
        by_gates = torch.empty_like(gates)
        by_cell = torch.zeros_like(cells[:, 0])
        by_tanh = torch.empty_like(by_cell)
        by_state = state_gradients[-1].clone()
        steps = zip(step_views(gates, activations, cells[:, :-1]), step_views(by_gates))
        for step, (outputs, inputs) in reversed(list(enumerate(steps))):
            _, i_and_f, i, f, g, o, activation, cell = outputs
            by_gate, by_i_and_f, by_i, by_f, by_g, by_o = inputs
            torch.mul(by_state, activation, out=by_o)
            torch.mul(by_state, o, out=by_tanh)
            by_cell += tanh_backward(by_tanh, activation)
            torch.mul(by_cell, g, out=by_i)
            torch.mul(by_cell, cell, out=by_f)
            torch.mul(by_cell, i, out=by_g)
            by_cell *= f
            sigmoid_backward(by_i_and_f, i_and_f)
            tanh_backward(by_g, g)
            sigmoid_backward(by_o, o)
            if step:
                torch.baddbmm(state_gradients[step - 1], by_gate, weight_hh, out=by_state)
        by_gates = by_gates.flatten(1, 2)
        by_inputs = torch.stack(
            [
                torch.ops.aten.embedding_dense_backward(gradient, rows.flatten(), len(vectors), -1, False)
                for gradient, rows in zip(by_gates, places)
            ]
        )
        return (
            torch.bmm(by_inputs, weight_ih).sum(0),
            None,
            torch.bmm(by_inputs.mT, vectors.expand(2, *vectors.shape)),
            torch.bmm(by_gates.mT, states[:, :-1].flatten(1, 2)),
            by_inputs.sum(1),
        )


def step_views(gates: torch.Tensor, *others: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yields, for each step, views of `gates` `(2, sequence_length, batch_size, 4 * units)`: all gates, i with f, i, f,
    g and o; then a view of each of the other tensors, which have the same number of steps."""
    num_units = gates.shape[-1] // 4
    parts = (gates, gates[..., : 2 * num_units], *gates.split(num_units, dim=-1), *others)
    return zip(*(part.unbind(1) for part in parts))


def sigmoid_backward(gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Turns the gradient of a sigmoid's output into that of its input, in place."""
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=gradient)


def tanh_backward(gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Turns the gradient of a hyperbolic tangent's output into that of its input, in place."""
    return torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)


def is_worthwhile(model: BrnnPreTrainedModel, batch_size: int, precision: str) -> bool:
    """Whether `read_distinct_words` speeds up steps of `batch_size` texts. It does in float32 with torch's AVX2
    kernels (docs/lab/training_speed.md); with AVX-512 or bfloat16, torch's own LSTM is fast enough.

    Args:
        model: A model after `use_batchwise_dropout`.
        batch_size: Texts of a step.
        precision: `"fp32"`, `"bf16"` or `"fp16"`.
    """
    return (
        model.device.type == "cpu"
        and precision == "fp32"
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and model.config.cell_type == "lstm"
        and min(batch_size, model.base_model.encoder.layer[0].num_units) >= MIN_SIZE
    )


def read_distinct_words(model: BrnnPreTrainedModel) -> None:
    """Makes the first layer of a model of LSTMs multiply each distinct word of a batch once, in training in float32 on
    a CPU. Outputs and gradients change by rounding alone, the names of the weights not at all.

    Args:
        model: A model after `use_batchwise_dropout`.
    """
    embeddings = model.get_input_embeddings()
    if not isinstance(embeddings, DistinctEmbedding):
        embeddings = DistinctEmbedding.from_pretrained(
            embeddings.weight, not embeddings.weight.requires_grad, embeddings.padding_idx
        )
        model.set_input_embeddings(embeddings)
    embeddings.gives_words = True
    layers = model.base_model.encoder.layer
    layers[0] = DistinctWordsLayer(layers[0])
