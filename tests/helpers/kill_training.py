"""Kills a training in phases of it, one after the other, and starts it again each time, but for the last.

python tests/helpers/kill_training.py --kills reading stepping ... -- --output_dir FOLDER [options of hf-brnn train]

Fails where a run ends before it is killed. A killed process is a fork of this one, which saves the time of the imports.
"""

import argparse
import mmap
import os
import random
import signal
import time

from hf_brnn.commands.train import main
from hf_brnn.training import run
from hf_brnn.training.trainer import BrnnTrainer

PHASES = ("reading", "stepping", "evaluating", "saving", "saved", "finishing")
phase_in_child = mmap.mmap(-1, 1)


def show_phase(owner, name, phase, next_phase=None):
    """Lets a function say, while it runs, that the process is in a phase, and then that it is in the next one or in the
    one before."""
    function = getattr(owner, name)

    def shown(*args, **kwargs):
        before, phase_in_child[0] = phase_in_child[0], PHASES.index(phase)
        try:
            return function(*args, **kwargs)
        finally:
            phase_in_child[0] = PHASES.index(next_phase) if next_phase else before

    setattr(owner, name, shown)


def kill_once(arguments, phase, delay):
    phase_in_child[0] = len(PHASES)
    process = os.fork()
    if not process:
        main(arguments)
        os._exit(0)
    while phase_in_child[0] != PHASES.index(phase):
        ended, _ = os.waitpid(process, os.WNOHANG)
        assert not ended, f"the run ended before it was {phase}"
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert status == signal.SIGKILL, f"the run ended by itself while it was {phase}, with wait status {status}"


show_phase(run, "prepare_data", "reading")
show_phase(BrnnTrainer, "training_step", "stepping")
show_phase(BrnnTrainer, "evaluate", "evaluating")
show_phase(BrnnTrainer, "_save_checkpoint", "saving", "saved")
show_phase(run, "save_model_directory", "finishing")

parser = argparse.ArgumentParser()
parser.add_argument("--kills", nargs="+", choices=PHASES)
parser.add_argument("arguments", nargs="*")
args = parser.parse_args()

rng = random.Random(0)
arguments = args.arguments
for phase in args.kills:
    kill_once(arguments, phase, rng.uniform(0, 0.05))
    arguments = [*args.arguments, "--resume_from_checkpoint"]
