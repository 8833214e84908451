"""What SIGINT and SIGTERM do to a run."""

import ctypes
import math
import os
import signal
import sys
import time
from typing import Any, Optional

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

PR_SET_PDEATHSIG = 1  # of Linux's prctl
# After SIGTERM in number, so that Python handles SIGTERM first where both came.
LAUNCHER_ENDED = signal.SIGRTMIN if sys.platform == "linux" else None
SIGNAL_CHECK_STEPS = 10
# A signal that comes again within so many seconds is the same one: from a terminal or a scheduler, and from a launcher
# that passes it on.
SAME_SIGNAL_SECONDS = 2.0


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
