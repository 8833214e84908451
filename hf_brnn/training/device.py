"""The processor that a training runs on: how it is set up, what it is called, what power it is taken to draw."""

import ctypes
import math
import os
import sys
from typing import Any

import joblib
import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from .arguments import BrnnTrainingArguments, resolved_precision

# Parameters of glibc's mallopt, as in its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
# Bytes of freed memory that a process keeps at most: half as much again as batches of 512 came to.
MAX_KEPT = 3 * 2**29


def prepare_cpu(training_args: BrnnTrainingArguments) -> None:
    """Shares the cores that this run may use among its processes. `accelerate launch` alone gives each of them one
    thread, and more threads than cores would wait for each other most of the time."""
    if training_args.device.type == "cpu":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        torch.set_num_threads(max(1, joblib.cpu_count() // processes))


class FreedMemory(TrainerCallback):
    """Has glibc keep the memory that a step frees for the next one. By default it gives large blocks back, to
    have them from the system page by page again, which takes a tenth of a step or more. As no two steps free the same
    blocks, holes between those in use add up: they are given back when they come to more than `MAX_KEPT`.

    It begins after the first step, which makes what lasts as long as the training, such as moments: in the midst of the
    kept memory, these would make more holes."""

    # Bytes that this process, whatever it trains, may hold before it gives free ones back; infinite as long as it
    # keeps none.
    limit = math.inf

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None)
        self.process = psutil.Process()

    @staticmethod
    def is_available() -> bool:
        return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        if self.limit < math.inf:
            # Others may have taken memory since the training before.
            self._set_limit()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.limit == math.inf:
            self.libc.mallopt(M_MMAP_MAX, 0)
            self.libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
            self._give_back()
        elif control.should_evaluate:
            # What the steps needed is not what an evaluation needs.
            self._give_back()
        else:
            self._check()

    on_epoch_end = on_step_end

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        self._check()

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        if self.limit < math.inf:
            self._give_back()

    def _check(self) -> None:
        if self.process.memory_info().rss > self.limit:
            self._give_back()

    def _give_back(self) -> None:
        self.libc.malloc_trim(0)
        self._set_limit()

    def _set_limit(self) -> None:
        FreedMemory.limit = self.process.memory_info().rss + MAX_KEPT


def describe_processor(training_args: BrnnTrainingArguments) -> str:
    """What the training runs on, in which precision."""
    if training_args.device.type == "cuda":
        processor = torch.cuda.get_device_name()
    else:
        processor = f"{torch.get_num_threads()} threads of {torch.cpu.get_capabilities().get('cpu_name', 'a CPU')}"
    return f"{training_args.world_size} x {processor}, {resolved_precision(training_args)}"


def assumed_watts(training_args: BrnnTrainingArguments) -> int:
    """The power of all devices: 10 W for a CPU thread, 700 W (the limit of an H100 or H200) for a GPU."""
    device = 10 * torch.get_num_threads() if training_args.device.type == "cpu" else 700 * max(1, training_args.n_gpu)
    return training_args.world_size * device
