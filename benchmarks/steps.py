"""Times training steps of `BrnnTrainer` on random texts, for training.py and processes.py."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import torch
from transformers import PrinterCallback, TrainerCallback

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.commands.train import parse_values
from hf_brnn.data.dataset import TokenizedDataset
from hf_brnn.training.arguments import build_arguments
from hf_brnn.training.device import prepare_cpu
from hf_brnn.training.trainer import BrnnTrainer

LENGTH = 15
WARM_UP_STEPS = 5
OPTIONS = (
    "--eval_strategy=no --save_strategy=no --load_best_model_at_end=false --logging_strategy=no --disable_tqdm=true"
)


class Counter(TrainerCallback):
    """Reads counters after the warm-up and after the last step."""

    def __init__(self, counters: Sequence[Callable[[], float]]) -> None:
        self.counters = counters

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.global_step in (WARM_UP_STEPS, state.max_steps):
            synchronize()
            self.before, self.after = getattr(self, "after", None), [counter() for counter in self.counters]


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def time_steps(
    options: Sequence[str],
    vocab_size: int,
    steps: int,
    dense: bool = False,
    counters: Sequence[Callable[[], float]] = (time.perf_counter,),
) -> list[float]:
    """Trains a model for `steps` steps after a warm-up.

    Args:
        options: Options of `hf-brnn train`, such as `--hidden_size=256`.
        vocab_size: Number of words.
        steps: Number of measured steps.
        dense: Whether embeddings get dense gradients.
        counters: Functions whose increase is measured; by default the clock.

    Returns:
        The mean increase of each counter in a step.
    """
    with tempfile.TemporaryDirectory() as folder:
        argv = [*OPTIONS.split(), *options, f"--output_dir={folder}", f"--max_steps={WARM_UP_STEPS + steps}"]
        model_args, _, training_args, _ = build_arguments(parse_values(["--config=sentiment140", *argv]))
        prepare_cpu(training_args)
        model = BrnnForSequenceClassification(BrnnConfig(vocab_size=vocab_size, **asdict(model_args)))
        texts = random_texts(vocab_size, 50 * training_args.train_batch_size * training_args.world_size)
        counter = Counter(counters)
        trainer = BrnnTrainer(model=model, args=training_args, train_dataset=texts, callbacks=[counter])
        trainer.remove_callback(PrinterCallback)
        if dense:
            trainer._is_sparse = model.get_input_embeddings().sparse = False
        trainer.train()
    return [(after - before) / steps for before, after in zip(counter.before, counter.after)]


def random_texts(vocab_size: int, rows: int) -> TokenizedDataset:
    """Tokenized texts of about 15 words with Zipf's frequencies, so that a batch repeats words as tweets do."""
    rng = np.random.default_rng(0)
    lengths = rng.poisson(LENGTH, rows).clip(1)
    frequencies = 1 / np.arange(1, vocab_size - 1)
    ids = rng.choice(np.arange(2, vocab_size, dtype=np.int32), lengths.sum(), p=frequencies / frequencies.sum())
    return TokenizedDataset(ids, np.concatenate(([0], lengths.cumsum())), rng.integers(0, 2, rows), pad_token_id=0)
