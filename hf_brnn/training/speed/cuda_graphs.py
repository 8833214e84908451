"""Training steps as CUDA graphs: one launch for a step instead of one for each kernel."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from ...model.modeling_brnn import BrnnForSequenceClassification

# Longest texts, in tokens, whose step is captured.
MAX_CAPTURED_LENGTH = 64
# Batches of a length that run without a graph before one is captured, which takes about as long as three.
EAGER_BATCHES = 2


class _Head(nn.Module):
    """A classifier from its embeddings on, as `torch.cuda.make_graphed_callables` takes it: with the parameters whose
    gradients are captured."""

    def __init__(self, model: BrnnForSequenceClassification) -> None:
        super().__init__()
        self._model = (model,)  # in a tuple, so that the embeddings are not among the parameters
        looked_up = {id(parameter) for parameter in model.get_input_embeddings().parameters()}
        trained = (value for value in model.parameters() if value.requires_grad and id(value) not in looked_up)
        self.weights = nn.ParameterList(trained)

    def forward(self, embeddings: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        (model,) = self._model
        # Not model(...), which accelerate replaces by one with a context of its own.
        output: Any = type(model).forward(
            model, inputs_embeds=embeddings, attention_mask=attention_mask, return_dict=True
        )
        return output.logits.float()


class GraphedClassifier:
    """Calls a classifier in training. Embeddings are looked up as usual. What follows is captured once for each length
    of texts and then replayed: launching the kernels of a small model takes longer than running them.

    The gradients that a replay returns are overwritten by the next one of that length. So each must be used up by an
    optimizer step before: don't accumulate gradients over several batches.

    Args:
        model: The classifier.
        autocast: Makes the context that the classifier runs in, without a cache of cast weights.
        batch_size: Rows of a whole batch. Other batches are not captured.
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
        self.graphs: dict[int, Callable[..., torch.Tensor]] = {}
        self.batches_seen: Counter[int] = Counter()

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Takes `(batch_size, sequence_length)` and returns an output with `logits` `(batch_size, num_labels)`."""
        rows, length = input_ids.shape
        self.batches_seen[length] += 1
        is_captured = rows == self.batch_size and length <= MAX_CAPTURED_LENGTH
        if not is_captured or self.batches_seen[length] <= EAGER_BATCHES:
            return self.model(input_ids, attention_mask)
        embeddings = self.model.brnn.embeddings(input_ids)
        if length not in self.graphs:
            self.graphs[length] = self._capture(embeddings, attention_mask)
        return SequenceClassifierOutput(logits=self.graphs[length](embeddings, attention_mask))

    @cached_property
    def _pool(self) -> Any:
        return torch.cuda.graph_pool_handle()

    def _capture(self, embeddings: torch.Tensor, attention_mask: torch.Tensor) -> Callable[..., torch.Tensor]:
        # The gradients of earlier steps come from another stream than the capture's, of which torch would warn.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        samples = (torch.randn_like(embeddings).requires_grad_(), torch.ones_like(attention_mask))
        # The capture runs the step a few times, but draws no random numbers of the training.
        with self.autocast(), torch.random.fork_rng([embeddings.device], device_type="cuda"):
            return torch.cuda.make_graphed_callables(_Head(self.model), samples, num_warmup_iters=2, pool=self._pool)
