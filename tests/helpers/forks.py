"""Runs scripts in forks of a process that has imported what a training needs: it saves the seconds of the imports."""

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
IMPORTS = [
    "hf_brnn.evaluation.calibration",
    "hf_brnn.hub.save",
    "hf_brnn.training.trainer",
    "torch.distributed.elastic.multiprocessing.errors",
]

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(IMPORTS)


def run_script(script, arguments, folder, environment):
    os.chdir(REPOSITORY)
    os.environ.update(environment)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


def run_in_forks(environments, script, *arguments, check=True):
    """Runs a script in several processes at once, one for each of `environments`, and returns them, as `subprocess.run`
    does, when they have ended."""
    arguments = list(map(str, arguments))
    ended = []
    with tempfile.TemporaryDirectory() as parent:
        folders = [Path(tempfile.mkdtemp(dir=parent)) for _ in environments]
        processes = [
            forks.Process(target=run_script, args=(script, arguments, folder, environment))
            for folder, environment in zip(folders, environments)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(300)
        for process, folder in zip(processes, folders):
            if process.exitcode is None:
                for other in processes:
                    other.kill()
                raise TimeoutError(f"{script} {arguments}")
            output = [(folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
            ended.append(subprocess.CompletedProcess([script, *arguments], process.exitcode, *output))
    for process in ended:
        if check and process.returncode:
            raise AssertionError(f"exit {process.returncode}\n{process.stdout}\n{process.stderr}")
    return ended


def run_in_fork(script, *arguments, check=True):
    (ended,) = run_in_forks([{}], script, *arguments, check=check)
    return ended


def run_together(count, script, *arguments):
    """Runs a script in `count` processes that find each other, with the variables that a launch on CPUs gives them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared["ACCELERATE_USE_CPU"] = "true"
    environments = [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in range(count)]
    run_in_forks(
        [{name: str(value) for name, value in environment.items()} for environment in environments], script, *arguments
    )
