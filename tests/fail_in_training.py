"""Runs scripts/train.py; in the second process the fourth step of the training raises an error.

accelerate launch tests/fail_in_training.py [arguments of scripts/train.py]
"""

import runpy
import sys
from pathlib import Path

from hf_brnn.training import BrnnTrainer

training_step = BrnnTrainer.training_step


def fail_in_the_second_process(trainer, *arguments, **kwargs):
    if trainer.args.process_index == 1 and trainer.state.global_step == 3:
        raise FloatingPointError("the second process fails")
    return training_step(trainer, *arguments, **kwargs)


if __name__ == "__main__":
    BrnnTrainer.training_step = fail_in_the_second_process
    runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "train.py"))["main"](sys.argv[1:])
