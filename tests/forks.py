"""Runs a script in a fork of a process that has imported what a training needs: it saves the seconds of the imports."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
IMPORTS = [
    "hf_brnn.calibration",
    "hf_brnn.saving",
    "hf_brnn.training",
    "torch.distributed.elastic.multiprocessing.errors",
]

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(IMPORTS)


def run_script(script, arguments, folder):
    os.chdir(REPOSITORY)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


def run_in_fork(script, *arguments, check=True, timeout=300):
    """Runs a script and returns it, as `subprocess.run` does, when it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        process = forks.Process(target=run_script, args=(script, list(map(str, arguments)), Path(folder)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{script} {arguments}")
        output = [(Path(folder) / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
    ended = subprocess.CompletedProcess([script, *arguments], process.exitcode, *output)
    if check and ended.returncode:
        raise AssertionError(f"exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return ended
