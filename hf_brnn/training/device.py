"""The processor that a training runs on: how it is set up, what it is called, what power it is taken to draw."""

import ctypes
import os
import sys

import joblib
import torch

from .arguments import BrnnTrainingArguments, resolved_precision

# Set by accelerate launch and by torchrun, which set OMP_NUM_THREADS, too.
LAUNCHER_VARIABLES = {"ACCELERATE_MIXED_PRECISION", "LOCAL_WORLD_SIZE"}
# Parameters of glibc's mallopt, as in its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Larger blocks, and more free memory than this, go back to the system.
KEPT_BYTES = 2**30


def prepare_cpu(training_args: BrnnTrainingArguments) -> None:
    """Shares the cores that this run may use among its processes: launchers give each of them one thread, and more
    threads than cores would wait for each other most of the time. Without a launcher, OMP_NUM_THREADS is the user's."""
    is_launched = not LAUNCHER_VARIABLES.isdisjoint(os.environ)
    if training_args.device.type == "cpu" and (is_launched or "OMP_NUM_THREADS" not in os.environ):
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        torch.set_num_threads(max(1, joblib.cpu_count() // processes))


def keep_freed_memory() -> None:
    """Makes glibc keep the memory that a step frees for the next step. By default it returns large blocks to the
    system, and a tenth of a step or more goes into getting them again. Does nothing without glibc."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(parameter, KEPT_BYTES)


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
