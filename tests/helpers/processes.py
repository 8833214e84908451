"""Runs Python and trainings in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from forks import run_in_fork

REPOSITORY = Path(__file__).parent.parent.parent
# Arguments of a training of a second or two.
SHORT = ("--num_train_epochs", 3, "--max_rows", 400, "--validation_size", 40, "--test_size", 40)


def run_python(*arguments, cwd=REPOSITORY, check=True, **environment):
    """Runs Python in a new process and returns it when it has ended."""
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check and process.returncode:
        raise AssertionError(f"exit {process.returncode}\n{process.stdout}\n{process.stderr}")
    return process


def train(output_dir, *arguments, check=True, **environment):
    """Trains in a process of its own: a fork of one that has the imports behind it, unless it is to have another
    environment or Hub."""
    arguments = ("--output_dir", output_dir, *arguments)
    if environment or "HF_ENDPOINT" in os.environ:
        return run_python("scripts/train.py", *arguments, check=check, **environment)
    return run_in_fork("scripts/train.py", *arguments, check=check)


def start_training(output_dir, *arguments):
    """Starts a training and returns its process."""
    command = [sys.executable, "scripts/train.py", "--output_dir", output_dir, *arguments]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell without job control starts its background processes with Ctrl-C switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def checkpoints_of(folder):
    return sorted(Path(f"{folder}.checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def wait_for_checkpoints(process, folder, count):
    while len([path for path in checkpoints_of(folder) if (path / "trainer_state.json").exists()]) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
