"""CUDA graphs of the recurrent part of a training step: one launch for all kernels, instead of one for each."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from transformers.modeling_outputs import SequenceClassifierOutput

from ...model.modeling_brnn import BrnnForSequenceClassification

# Maximum sequence length of a captured step.
MAX_CAPTURED_LENGTH = 64
# Batches of a length that run eagerly before its step is captured. A capture takes as long as two batches.
EAGER_BATCHES = 2


@dataclass
class CapturedStep:
    """The captured forward and backward pass for batches of one shape, with the memory that they read and write.

    Attributes:
        forward_graph: From `embeddings` and `attention_mask` to `logits`.
        backward_graph: From `logits_gradient` to `embeddings_gradient` and `parameter_gradients`.
        embeddings: `(batch_size, sequence_length, embedding_size)`, as is its gradient.
        attention_mask: `(batch_size, sequence_length)`.
        logits: `(batch_size, num_labels)`, as is its gradient.
        parameter_gradients: The gradients of all parameters, flattened and concatenated.
    """

    forward_graph: torch.cuda.CUDAGraph
    backward_graph: torch.cuda.CUDAGraph
    embeddings: torch.Tensor
    embeddings_gradient: torch.Tensor
    attention_mask: torch.Tensor
    logits: torch.Tensor
    logits_gradient: torch.Tensor
    parameter_gradients: torch.Tensor


class Replay(torch.autograd.Function):
    """Replays a captured step. All results except the gradient of the embeddings are copies, because the next step
    overwrites the originals and autograd may accumulate gradients in place."""

    @staticmethod
    def forward(
        ctx: Any,
        step: CapturedStep,
        embeddings: torch.Tensor,
        attention_mask: torch.Tensor,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        ctx.step, ctx.parameters = step, parameters
        step.embeddings.copy_(embeddings)
        step.attention_mask.copy_(attention_mask)
        step.forward_graph.replay()
        return step.logits.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        ctx.step.logits_gradient.copy_(gradient)
        ctx.step.backward_graph.replay()
        gradients = ctx.step.parameter_gradients.clone().split([parameter.numel() for parameter in ctx.parameters])
        views = (part.view_as(parameter) for part, parameter in zip(gradients, ctx.parameters))
        return None, ctx.step.embeddings_gradient, None, *views


class GraphedClassifier:
    """Calls a classifier in training. Embeddings are looked up eagerly. What follows is captured as CUDA graphs, once
    for each sequence length, and replayed: launching the kernels of a small model takes longer than running them.

    Args:
        model: A classifier on a GPU.
        autocast: Returns the context of mixed precision, without a cache of weights, which would outlive a capture.
        batch_size: Texts of a full batch. Other batches are not captured.
    """

    def __init__(
        self,
        model: BrnnForSequenceClassification,
        autocast: Callable[[], AbstractContextManager[None]],
        batch_size: int,
    ) -> None:
        self.model = model
        self.autocast = autocast
        self.batch_size = batch_size
        self.steps: dict[int, CapturedStep] = {}
        self.batches_seen: Counter[int] = Counter()

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Takes `(batch_size, sequence_length)` and returns an output with `logits` `(batch_size, num_labels)`."""
        rows, length = input_ids.shape
        self.batches_seen[length] += 1
        is_captured = rows == self.batch_size and length <= MAX_CAPTURED_LENGTH
        if not is_captured or self.batches_seen[length] <= EAGER_BATCHES:
            return self.model(input_ids, attention_mask)
        if length not in self.steps:
            self.steps[length] = self._capture(length)
        embeddings = self.model.brnn.embeddings(input_ids)
        logits = Replay.apply(self.steps[length], embeddings, attention_mask, *self._parameters)
        return SequenceClassifierOutput(logits=logits)

    @cached_property
    def _parameters(self) -> list[torch.Tensor]:
        """The trainable parameters, without the embeddings."""
        looked_up = {id(parameter) for parameter in self.model.get_input_embeddings().parameters()}
        return [value for value in self.model.parameters() if value.requires_grad and id(value) not in looked_up]

    @cached_property
    def _memory(self) -> dict[str, torch.Tensor]:
        """Inputs and outputs of the graphs. All lengths share them, because only one step runs at a time."""
        device, tokens = self.model.device, self.batch_size * MAX_CAPTURED_LENGTH
        values = tokens * self.model.config.embedding_size
        return {
            "embeddings": torch.empty(values, device=device),
            "embeddings_gradient": torch.empty(values, device=device),
            "attention_mask": torch.empty(tokens, dtype=torch.long, device=device),
            "parameter_gradients": torch.empty(sum(value.numel() for value in self._parameters), device=device),
        }

    @cached_property
    def _pool(self) -> Any:
        return torch.cuda.graph_pool_handle()

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()

    def _capture(self, length: int) -> CapturedStep:
        tokens = self.batch_size * length
        shape = (self.batch_size, length, self.model.config.embedding_size)
        embeddings, embeddings_gradient = (
            self._memory[name][: tokens * shape[-1]].view(shape) for name in ("embeddings", "embeddings_gradient")
        )
        embeddings.requires_grad_()
        attention_mask = self._memory["attention_mask"][:tokens].view(shape[:2])
        parameter_gradients = self._memory["parameter_gradients"]
        with self._capturing() as forward_graph, self.autocast():
            # Not model(...): accelerate wraps it in its own autocast context.
            output: Any = type(self.model).forward(
                self.model, inputs_embeds=embeddings, attention_mask=attention_mask, return_dict=True
            )
            logits = output.logits.float()
        logits_gradient = torch.empty_like(logits)
        with self._capturing() as backward_graph:
            gradient, *gradients = torch.autograd.grad(logits, [embeddings, *self._parameters], logits_gradient)
            embeddings_gradient.copy_(gradient)
            torch.cat([gradient.flatten() for gradient in gradients], out=parameter_gradients)
        return CapturedStep(
            forward_graph,
            backward_graph,
            embeddings,
            embeddings_gradient,
            attention_mask,
            logits.detach(),
            logits_gradient,
            parameter_gradients,
        )

    @contextmanager
    def _capturing(self) -> Iterator[torch.cuda.CUDAGraph]:
        """Like `torch.cuda.graph`, but without emptying the memory cache and synchronizing first."""
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream()
        self._stream.wait_stream(stream)
        with torch.cuda.stream(self._stream):
            # Threads that pin the memory of batches may go on meanwhile.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                yield graph
            finally:
                graph.capture_end()
        stream.wait_stream(self._stream)
