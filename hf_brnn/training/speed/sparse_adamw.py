"""AdamW that updates only the embeddings of the words in the batch."""

from collections.abc import Callable, Iterable
from typing import Any, Optional

import torch
from torch.optim.adamw import adamw


class RowSparseAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter, 2019) for parameters with sparse and with dense gradients. Of a sparse gradient, it
    updates weights and moments of the rows that are present and leaves other rows alone, like `torch.optim.SparseAdam`.
    """

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    self._update_rows(group, parameter)
                    parameter.grad = None
        return super().step(closure)

    def _update_rows(self, group: dict[str, Any], parameter: torch.Tensor) -> None:
        gradient = parameter.grad.coalesce()  # type: ignore[union-attr]
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        tables = [parameter, state["exp_avg"], state["exp_avg_sq"]]
        weights, mean, square = (table.index_select(0, rows) for table in tables)
        beta1, beta2 = group["betas"]
        adamw(
            params=[weights],
            grads=[values],
            exp_avgs=[mean],
            exp_avg_sqs=[square],
            max_exp_avg_sqs=[],
            state_steps=[state["step"]],
            beta1=beta1,
            beta2=beta2,
            amsgrad=False,
            **{name: group[name] for name in ("fused", "lr", "weight_decay", "eps", "maximize")},
        )
        for table, updated in zip(tables, (weights, mean, square)):
            table.index_copy_(0, rows, updated)


def clip_grad_norm(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> torch.Tensor:
    """Scales the gradients in place so that their joint 2-norm is at most `max_norm`. Other than
    `torch.nn.utils.clip_grad_norm_`, it takes sparse gradients too.

    Returns:
        The norm before scaling, a scalar.
    """
    values = []
    for parameter in parameters:
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
                values.append(parameter.grad.values())
            else:
                values.append(parameter.grad)
    norm = torch.nn.utils.get_total_norm(values)
    if norm > max_norm:
        for value in values:
            value.mul_(max_norm / (norm + 1e-6))
    return norm
