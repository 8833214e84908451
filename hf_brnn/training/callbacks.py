"""The callbacks of a training: its progress on the terminal, its curves, and how a signal stops it."""

import ctypes
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Optional, Union

from accelerate.utils import gather_object
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..data.dataset import LengthBatchSampler
from ..data.streaming import StreamSampler
from ..evaluation.plots import plot_curves
from .checkpoints import CHECKPOINTS_SUFFIX, CURVES
from .history import epoch_history

PR_SET_PDEATHSIG = 1  # of Linux's prctl
# After SIGTERM in number, so that Python handles SIGTERM first where both came.
LAUNCHER_ENDED = signal.SIGRTMIN if sys.platform == "linux" else None
SIGNAL_CHECK_STEPS = 10
# Drawing takes half a second, longer than an epoch of a small training.
CURVES_SECONDS = 30
# The metrics of an evaluation that a line shows, where the kind of problem has them.
SHOWN_METRICS = {
    "loss": "loss",
    "accuracy": "acc",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "mae": "MAE",
    "spearman": "Spearman",
}
# A signal that comes again within so many seconds is the same one: from a terminal or a scheduler, and from a launcher
# that passes it on.
SAME_SIGNAL_SECONDS = 2.0


class SamplerEpoch(TrainerCallback):
    """Sets the epoch of the sampler. accelerate does so too, but not where several processes resume within an epoch."""

    def __init__(self, sampler: Union[LengthBatchSampler, StreamSampler]) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


def has_more_epochs(args: TrainingArguments, state: TrainerState) -> bool:
    """Whether `min_steps` makes more epochs than `num_train_epochs`."""
    return args.max_steps < 0 and state.num_train_epochs > math.ceil(args.num_train_epochs)


class FewerEvaluations(TrainerCallback):
    """Evaluates, logs and saves about `num_train_epochs` times where `min_steps` asks for more epochs."""

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        interval = state.num_train_epochs // math.ceil(args.num_train_epochs)
        is_last = state.global_step >= state.max_steps
        if has_more_epochs(args, state) and round(state.epoch or 0) % interval and not is_last:
            control.should_evaluate = control.should_log = control.should_save = False


class CurvesCallback(TrainerCallback):
    """Draws the curves of a longer training into its folder of checkpoints, at most every `CURVES_SECONDS`."""

    def __init__(self, folder: Path, evaluated: str) -> None:
        self.path = folder / CURVES
        self.evaluated = evaluated
        self.last_drawn = time.monotonic()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero and time.monotonic() - self.last_drawn >= CURVES_SECONDS:
            self.last_drawn = time.monotonic()
            name = self.path.parent.name.removesuffix(CHECKPOINTS_SUFFIX)
            plot_curves(epoch_history(state.log_history), self.path, self.evaluated, name)


class ProgressTable(TrainerCallback):
    """Prints one line an epoch: losses, metrics and seconds. On a terminal, shows one progress bar.

    Args:
        evaluated: The split that is evaluated, `"validation"` or `"test"`.
    """

    def __init__(self, evaluated: str = "validation") -> None:
        self.evaluated = evaluated
        self.bar: Optional[tqdm] = None
        self.logs: dict[str, float] = {}
        self.has_header = False
        self.last_line = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            self.has_header = False
            self.last_line = time.monotonic()
            if has_more_epochs(args, state):
                print(f"{state.num_train_epochs} epochs, because min_steps is {args.min_steps}")
            is_hidden = True if args.disable_tqdm else None  # None hides it where the output is not a terminal
            self.bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc="Training",
                unit=" steps",
                disable=is_hidden,
                leave=False,
                dynamic_ncols=True,
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Optional[dict[str, float]] = None,
        **kwargs: Any,
    ) -> None:
        self.logs |= logs or {}
        is_complete = "loss" in self.logs and (args.eval_strategy == "no" or "eval_loss" in self.logs)
        if state.is_world_process_zero and is_complete and state.epoch is not None:
            self._print_line(state.epoch)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the bar from the screen."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _print_line(self, epoch: float) -> None:
        now = time.monotonic()
        values = {**self.logs, "epoch": epoch}
        names = {"epoch": "epoch", "loss": "train loss", "accuracy": "train acc"}
        names |= {f"eval_{key}": f"{self.evaluated} {name}" for key, name in SHOWN_METRICS.items()}
        columns = {key: name for key, name in names.items() if key in values}
        cells = [f"{values[key]:.4g}" if key == "epoch" else f"{values[key]:.4f}" for key in columns]
        lines = [[*columns.values(), "seconds"]] if not self.has_header else []
        lines.append([*cells, f"{now - self.last_line:.1f}"])
        widths = [max(len(name), 7) for name in (*columns.values(), "seconds")]
        for line in lines:
            text = "  ".join(cell.rjust(width) for cell, width in zip(line, widths))
            tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        self.has_header, self.last_line, self.logs = True, now, {}


class Stopped(SystemExit):
    """A signal ended the run. The exit code is 128 plus its number, as shells have it."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.reason = "the end of its launcher" if number == LAUNCHER_ENDED else signal.Signals(number).name


class StopOnSignal(TrainerCallback):
    """Ends a run on SIGINT (Ctrl-C) or SIGTERM: while it steps, after the step and with a checkpoint; while it reads
    or saves, at once, and when the same signal comes again.

    accelerate's launcher may end without passing a signal on: Linux then sends the processes that it started another.
    """

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._received = -math.inf
        self._is_training = False
        self._is_stopping = False
        self._saved_step = -1
        numbers = [signal.SIGINT, signal.SIGTERM]
        if LAUNCHER_ENDED and "ACCELERATE_MIXED_PRECISION" in os.environ:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, LAUNCHER_ENDED)
            numbers.append(LAUNCHER_ENDED)
        for number in numbers:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        is_again = self.signal is not None
        now = time.monotonic()
        if is_again and (number == LAUNCHER_ENDED or now - self._received < SAME_SIGNAL_SECONDS):
            return
        self.signal, self._received = number, now
        if is_again or not self._is_training:
            raise Stopped(number)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_training = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if args.world_size > 1:
            # All processes stop at the same step; to ask them costs time.
            if state.global_step % SIGNAL_CHECK_STEPS:
                return
            signals = gather_object([self.signal])
            if self.signal is None and any(signals):
                self.signal, self._received = next(filter(None, signals)), time.monotonic()
        if self.signal:
            self._is_stopping = control.should_training_stop = True
            control.should_save |= _is_within_epoch(state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._is_stopping and _is_within_epoch(state):
            # The epoch goes on when the run does: it is not to be logged, evaluated and saved as if it were complete.
            control.should_log = control.should_evaluate = control.should_save = False
        elif self._is_stopping and self._saved_step != state.global_step:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._saved_step = state.global_step

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_training = False
        if self.signal:
            raise Stopped(self.signal)


def _is_within_epoch(state: TrainerState) -> bool:
    return bool((state.epoch or 0) % 1) and state.global_step < state.max_steps
