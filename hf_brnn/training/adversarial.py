"""Adversarial training on word embeddings (Miyato, Dai and Goodfellow, 2017)."""

from typing import Any

import torch
from transformers import Trainer


def adversarial_step(trainer: Trainer, model: Any, inputs: Any, num_items_in_batch: Any) -> torch.Tensor:
    """Computes the gradients of the loss on a batch and on its adversarial embeddings, which add up.

    The embeddings of a text move by `adversarial_epsilon`, in the L2 norm, along the gradient of the text's own loss
    (Miyato et al., 2017, equation 5; embeddings are not normalized). Both passes use the same dropout masks.

    Args:
        trainer: Its arguments hold `adversarial_epsilon`.
        model: The model, as the trainer wraps it.
        inputs: The batch.
        num_items_in_batch: Number of rows over which the loss is averaged.

    Returns:
        The loss on the batch itself, a scalar.
    """
    args, accelerator = trainer.args, trainer.accelerator
    embeddings = accelerator.unwrap_model(model).get_input_embeddings()
    seen: list[torch.Tensor] = []

    def keep_gradient(module: Any, arguments: Any, output: torch.Tensor) -> None:
        if not output.requires_grad:  # the embeddings are frozen
            output.requires_grad_()
        output.retain_grad()
        seen.append(output)

    devices = [] if args.device.type == "cpu" else [args.device]
    with (
        torch.random.fork_rng(devices, device_type=args.device.type),
        embeddings.register_forward_hook(keep_gradient),
        accelerator.no_sync(model),
    ):
        loss = Trainer.training_step(trainer, model, inputs, num_items_in_batch)
    gradient = seen[0].grad
    norms = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    perturbation = args.adversarial_epsilon * gradient / norms.clamp(min=torch.finfo(norms.dtype).tiny)
    with embeddings.register_forward_hook(lambda module, arguments, output: output + perturbation):
        with trainer.compute_loss_context_manager():
            adversarial_loss = Trainer.compute_loss(
                trainer, model, trainer._prepare_inputs(inputs), num_items_in_batch=num_items_in_batch
            )
        accelerator.backward(adversarial_loss)
    return loss
