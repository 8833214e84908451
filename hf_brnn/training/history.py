"""What a training logged, by epoch."""

from typing import Optional

from transformers import Trainer


def best_epoch(trainer: Trainer) -> Optional[float]:
    """The epoch whose weights a training with `load_best_model_at_end` ended with; None without that."""
    state = trainer.state
    kept = [entry["epoch"] for entry in state.log_history if entry["step"] == state.best_global_step]
    return kept[0] if trainer.args.load_best_model_at_end and kept else None


def epoch_history(log_history: list[dict[str, float]]) -> list[dict[str, float]]:
    """One entry an epoch: `epoch`, `loss` and `accuracy` of training, and all `eval_` metrics."""
    epochs: dict[float, dict[str, float]] = {}
    for entry in log_history:
        if "loss" in entry or "eval_loss" in entry:
            epochs.setdefault(entry["epoch"], {}).update(entry)
    wanted = ("epoch", "loss", "accuracy", "eval_")
    return [{key: value for key, value in entry.items() if key.startswith(wanted)} for entry in epochs.values()]
