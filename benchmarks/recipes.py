"""How the benchmarks train a recipe."""

import subprocess
import sys
from pathlib import Path


def train_recipe(arguments: list[str], folder: Path, seed: int) -> Path:
    """Runs `hf-brnn train` in a process of its own. Returns the model directory.

    Raises:
        RuntimeError: The training fails.
    """
    command = [sys.executable, "-m", "hf_brnn", "train", *arguments, "--output_dir", str(folder), "--seed", str(seed)]
    process = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if process.returncode:
        raise RuntimeError(f"Training failed:\n{process.stderr[-2000:]}")
    return folder
