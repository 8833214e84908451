"""Runs Python and trainings in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
from forks import HANGS, REPOSITORY, Fork, run_in_fork

QUICKSTART = ("--config", "quickstart")
# Arguments of a training of a second or two.
SHORT = ("--num_train_epochs", 3, "--max_rows", 400, "--validation_size", 40, "--test_size", 40)
# Variables that are read when something is imported.
READ_AT_IMPORT = {"HF_HOME", "HF_HUB_OFFLINE", "HF_MODULES_CACHE", "PYTHONPATH"}


def run_python(*arguments, cwd=REPOSITORY, check=True, **environment):
    """Runs Python in a new process and returns it when it has ended. Where `arguments` begin with a script, a fork of a
    process that has the imports behind it does, unless that makes a difference."""
    if str(arguments[0]).endswith(".py") and not READ_AT_IMPORT & environment.keys():
        return run_in_fork(*arguments, cwd=cwd, check=check, **environment)
    return run_new_python(*arguments, cwd=cwd, check=check, **environment)


def run_new_python(*arguments, cwd=REPOSITORY, check=True, **environment):
    """Runs Python in a new process that has imported nothing, and returns it when it has ended."""
    paths = [environment["PYTHONPATH"]] if "PYTHONPATH" in environment else []
    paths += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    environment |= {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    if check and process.returncode:
        raise AssertionError(f"exit {process.returncode}\n{process.stdout}\n{process.stderr}")
    return process


def train(output_dir, *arguments, check=True, **environment):
    """Trains in a process of its own, with the recipe quickstart if the arguments name no other."""
    return run_python(
        "scripts/train.py", *QUICKSTART, "--output_dir", output_dir, *arguments, check=check, **environment
    )


def start_training(output_dir, *arguments):
    """Starts a training and returns its process."""
    return Fork("scripts/train.py", *QUICKSTART, "--output_dir", output_dir, *arguments)


def checkpoints_of(folder):
    return sorted(Path(f"{folder}.checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def wait_until(condition, process, errors=None):
    """Returns the condition's value as soon as it is true; the process must not end before."""
    deadline = time.monotonic() + HANGS
    while not (value := condition()):
        ended = process.poll() is not None
        assert not ended, errors() if errors else process.communicate()[1]
        assert time.monotonic() < deadline, "nothing happened for ten minutes"
        time.sleep(0.01)
    return value


def wait_for_checkpoints(process, folder, count):
    """Waits until a training has saved as many checkpoints: what is written last is there."""

    def is_saved():
        return len([path for path in checkpoints_of(folder) if (path / "trainer_state.json").exists()]) >= count

    wait_until(is_saved, process)


def wait_for_end(process):
    """Waits until a process of psutil has ended; one that nobody collects has ended too."""
    deadline = time.monotonic() + HANGS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, process
        time.sleep(0.01)
