"""Runs scripts/train.py and lets one of its processes fail.

accelerate launch tests/helpers/fail_in_training.py raise|nan|die|wait [arguments of scripts/train.py]

raise: the fourth step of the second process raises an error.
nan: its fourth loss is no number.
die: it ends while a checkpoint is saved.
wait: the first takes longer to prepare the data than the others may wait for it in a step.
"""

import os
import runpy
import sys
import time
from datetime import timedelta
from pathlib import Path

from torch.distributed.distributed_c10d import _set_pg_timeout

from hf_brnn.training import prepare as preparation
from hf_brnn.training.trainer import BrnnTrainer

TRAIN = Path(__file__).parent.parent.parent / "scripts" / "train.py"


def change(owner, name, changed):
    """Lets `changed`, which is given the function too, stand for a function."""
    function = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: changed(function, *args, **kwargs))


def is_fourth_step_of_second(trainer):
    return trainer.args.process_index == 1 and trainer.state.global_step == 3


def raise_error(training_step, trainer, *args, **kwargs):
    if is_fourth_step_of_second(trainer):
        raise FloatingPointError("the second process fails")
    return training_step(trainer, *args, **kwargs)


def give_nan(mean_loss, trainer, *args, **kwargs):
    loss = mean_loss(trainer, *args, **kwargs)
    return loss * float("nan") if is_fourth_step_of_second(trainer) else loss


def die(save, trainer, *args, **kwargs):
    if trainer.args.process_index == 1:
        os._exit(1)
    save(trainer, *args, **kwargs)


def wait(prepare_data, *args, **kwargs):
    _set_pg_timeout(timedelta(seconds=5))  # what ddp_timeout sets on GPUs
    change(preparation, "_write_data", write_late)
    return prepare_data(*args, **kwargs)


def write_late(write_data, *args, **kwargs):
    time.sleep(10)
    write_data(*args, **kwargs)


FAILURES = {
    "raise": (BrnnTrainer, "training_step", raise_error),
    "nan": (BrnnTrainer, "_mean_loss", give_nan),
    "die": (BrnnTrainer, "_save_rng_state", die),
    "wait": (preparation, "prepare_data", wait),
}

if __name__ == "__main__":
    change(*FAILURES[sys.argv[1]])
    runpy.run_path(str(TRAIN))["main"](sys.argv[2:])
