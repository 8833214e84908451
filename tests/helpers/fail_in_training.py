"""Runs a training and lets one of its processes fail.

python tests/helpers/fail_in_training.py raise|nan|die|wait [options of hf-brnn train], in several processes

raise: the fourth step of the second process raises an error.
nan: its fourth loss is NaN.
die: it ends while a checkpoint is saved.
wait: the first takes longer to prepare the data than the others may wait for it in a step.
"""

import os
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed.distributed_c10d import _set_pg_timeout

from hf_brnn.commands.train import main
from hf_brnn.training import prepare, run
from hf_brnn.training.trainer import BrnnTrainer


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
    change(prepare, "_write_data", write_late)
    change(prepare, "_others_waiting", wait_briefly)
    return prepare_data(*args, **kwargs)


def write_late(write_data, *args, **kwargs):
    time.sleep(3)
    write_data(*args, **kwargs)


@contextmanager
def wait_briefly(others_waiting, *args):
    _set_pg_timeout(timedelta(seconds=1))  # what ddp_timeout sets on GPUs
    with others_waiting(*args):
        yield
    _set_pg_timeout(timedelta(minutes=10))


FAILURES = {
    "raise": (BrnnTrainer, "training_step", raise_error),
    "nan": (BrnnTrainer, "_mean_loss", give_nan),
    "die": (BrnnTrainer, "_save_rng_state", die),
    "wait": (run, "prepare_data", wait),
}

if __name__ == "__main__":
    change(*FAILURES[sys.argv[1]])
    main(sys.argv[2:])
