"""What SIGINT and SIGTERM do to a run."""

import ctypes
import os
import signal
import sys
from typing import Any, Optional

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

PR_SET_PDEATHSIG = 1  # of Linux's prctl
SIGNAL_CHECK_STEPS = 10


class Stopped(SystemExit):
    """A signal ended the run. The exit code is 128 plus its number, as shells have it."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


class StopOnSignal(TrainerCallback):
    """Ends a run on SIGINT (Ctrl-C) or SIGTERM: while it steps, after the step and with a checkpoint; while it reads
    or saves, at once, and when the same signal comes again.

    accelerate's launcher may end without passing a signal on: Linux then sends SIGTERM to the processes it started.
    """

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._is_training = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)
        if sys.platform == "linux" and "ACCELERATE_MIXED_PRECISION" in os.environ:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def _receive(self, number: int, frame: Any) -> None:
        if self.signal not in (None, number):  # that of the launcher's end, after Ctrl-C ended it too
            return
        is_second, self.signal = self.signal == number, number
        if is_second or not self._is_training:
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
            self.signal = next(filter(None, signals), None)
        if self.signal:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.signal and state.epoch and state.epoch % 1:
            # The epoch goes on when the run does: it is not to be logged, evaluated and saved as if it were complete.
            control.should_log = control.should_evaluate = control.should_save = False

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_training = False
        if self.signal:
            raise Stopped(self.signal)
