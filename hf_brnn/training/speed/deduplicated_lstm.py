"""Training on a CPU that multiplies each distinct word of a batch by the input weights once, wherever it stands.

Of ten tokens of a batch of tweets, seven are of words that the batch has already. torch's LSTM multiplies them all.
"""

from collections.abc import Callable, Iterator
from typing import Any, Optional

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ...model.modeling_brnn import BrnnLayer, BrnnPreTrainedModel, Directions, select_channels, select_rows

# Of texts in a batch and of units in a layer. With fewer of either, torch's LSTM is as fast or faster.
MIN_SIZE = 128

# The vectors of the distinct words of a batch, `(num_words, channels)`, and which of them each token has,
# `(batch_size, sequence_length)`.
Words = tuple[torch.Tensor, torch.Tensor]


class DistinctEmbedding(nn.Embedding):
    """An embedding table that makes the vector of each distinct word of a batch once.

    Attributes:
        keeps_words: Whether it keeps those of a batch to train on for `words_of`.
    """

    keeps_words = False
    _last: Optional[tuple[torch.Tensor, Words]] = None

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Takes ids of any shape and returns their vectors in one more dimension."""
        is_used = torch.zeros(self.num_embeddings, dtype=torch.bool, device=input_ids.device)
        is_used.scatter_(0, input_ids.flatten(), True)
        vectors = self.make_vectors(is_used.nonzero()[:, 0])
        places = is_used.cumsum(0)[input_ids] - 1
        embeddings = nn.functional.embedding(places, vectors)
        if self.keeps_words and self.training:
            self._last = embeddings, (vectors, places)
        return embeddings

    def make_vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """`(num_ids, embedding_size)`, the vectors of ids of which none comes twice."""
        return super().forward(ids)

    def words_of(self, embeddings: torch.Tensor) -> Optional[Words]:
        """Those of a batch to train on, if it made these embeddings last; they are given once."""
        last, self._last = self._last, None
        return last[1] if last is not None and last[0] is embeddings else None


class DistinctWordsLayer(BrnnLayer):
    """A first layer whose directions are LSTMs: in training on batches that are large enough, `WordLSTM` computes both.

    Args:
        layer: Has the weights.
        words_of: Gives the words that embeddings were made of; None if that isn't known.
    """

    def __init__(self, layer: BrnnLayer, words_of: Callable[[torch.Tensor], Optional[Words]]) -> None:
        nn.Module.__init__(self)
        self.forward_rnn, self.backward_rnn = layer.forward_rnn, layer.backward_rnn
        self.num_channels, self.num_units = layer.num_channels, layer.num_units
        self._words_of = words_of

    def forward(self, hidden_states: torch.Tensor, to_reversed: torch.Tensor) -> Directions:
        words = self._words_of(hidden_states)
        if words is None or min(len(hidden_states), self.num_units) < MIN_SIZE:
            return super().forward(hidden_states, to_reversed)
        vectors, places = words
        channels, units = self.draw(vectors.device)
        if channels is not None:
            vectors = select_channels(vectors, channels)
        directions = [self.weights(rnn, channels, units) for rnn in (self.forward_rnn, self.backward_rnn)]
        weight_ih, weight_hh, bias_ih, bias_hh = (torch.stack(pair) for pair in zip(*directions))
        both_places = torch.stack((places, select_rows(places, to_reversed))).mT.contiguous()
        forward_states, reversed_states = WordLSTM.apply(vectors, both_places, weight_ih, weight_hh, bias_ih + bias_hh)
        return forward_states.transpose(0, 1), reversed_states.transpose(0, 1), units


class WordLSTM(torch.autograd.Function):
    """Two LSTMs (Hochreiter and Schmidhuber, 1997; with the gates of Gers et al., 2000, and the weights of
    `torch.nn.LSTM`) side by side over words out of a table:

        i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c' = f c + i g, h' = o tanh(c')

    W x + b is computed for each row of the table, and its gradient added up over the places of that row before it is
    multiplied again. Tensors that hold both have two rows in front.
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
        """Takes `(num_words, channels)` vectors, the row of each token in them, `(2, sequence_length, batch_size)`, and
        weights `(2, 4 * units, channels)`, `(2, 4 * units, units)` and `(2, 4 * units)`, in the order i, f, g, o.
        Returns the states h of both, `(sequence_length, batch_size, units)` each."""
        _, length, batch_size = places.shape
        num_units = weight_hh.shape[2]
        inputs = torch.baddbmm(bias[:, None], vectors.expand(2, *vectors.shape), weight_ih.mT)
        gates = inputs.new_empty(2, length, batch_size, 4 * num_units)
        for direction in range(2):
            torch.index_select(inputs[direction], 0, places[direction].flatten(), out=gates[direction].flatten(0, 1))
        # Of each step and, in front, before the first.
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
    """For each step of `gates`, `(2, sequence_length, batch_size, 4 * units)`, views of them all, of i and f together
    and of i, f, g and o, and those of other tensors of as many steps."""
    num_units = gates.shape[-1] // 4
    parts = (gates, gates[..., : 2 * num_units], *gates.split(num_units, dim=-1), *others)
    return zip(*(part.unbind(1) for part in parts))


def sigmoid_backward(gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Turns the gradient of the output of a sigmoid, in its place, into that of the input."""
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=gradient)


def tanh_backward(gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The same for a hyperbolic tangent."""
    return torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)


def is_worthwhile(model: BrnnPreTrainedModel, batch_size: int, precision: str) -> bool:
    """Whether steps of so many texts are quicker after `read_distinct_words`. That was measured on a processor with
    AVX2 and no more (docs/lab/training_speed.md); for AVX-512 and bfloat16, torch's kernels are others."""
    capabilities = torch.cpu.get_capabilities()
    return (
        model.device.type == "cpu"
        and precision == "fp32"
        and bool(capabilities.get("avx2") and not capabilities.get("avx512_f"))
        and model.config.cell_type == "lstm"
        and min(batch_size, model.base_model.encoder.layer[0].num_units) >= MIN_SIZE
    )


def read_distinct_words(model: BrnnPreTrainedModel) -> None:
    """Has the first layer of a model of LSTMs multiply each distinct word of a batch once, in training in float32 on a
    CPU. Outputs and gradients stay the same but for rounding, and so do the names of the weights."""
    embeddings = model.get_input_embeddings()
    if not isinstance(embeddings, DistinctEmbedding):
        embeddings = DistinctEmbedding.from_pretrained(embeddings.weight, False, embeddings.padding_idx)
        model.set_input_embeddings(embeddings)
    embeddings.keeps_words = True
    layers = model.base_model.encoder.layer
    layers[0] = DistinctWordsLayer(layers[0], embeddings.words_of)
