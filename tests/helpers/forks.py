"""Runs Python in forks of a process that has the imports behind it: a start takes a tenth of a second, not ten."""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
# Guards against hanging; no test waits that long.
HANGS = 600

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["preload"])


def start_fork_server():
    """Starts the process that forks, which begins its imports while the first tests are collected."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), str(REPOSITORY), path)))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if path is not None:
            os.environ["PYTHONPATH"] = path


def run_in_child(arguments, folder, cwd, environment):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    match arguments:
        case ["-c", code, *rest]:
            sys.path.insert(0, str(cwd))
            sys.argv = ["-c", *rest]
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        case ["-m", module, *rest]:
            sys.path.insert(0, str(cwd))
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *_]:
            sys.path.insert(0, str(Path(script).resolve().parent))
            sys.argv = arguments
            runpy.run_path(script, run_name="__main__")


class Fork:
    """A process under way, with as much of `subprocess.Popen` as the tests use. Its output goes to files."""

    def __init__(self, *arguments, cwd=REPOSITORY, environment=None):
        self.args = list(map(str, arguments))
        self.output = tempfile.TemporaryDirectory()
        folder = Path(self.output.name)
        # Both files are there before the process is.
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        environment = dict(os.environ) | {name: str(value) for name, value in (environment or {}).items()}
        self.process = forks.Process(target=run_in_child, args=(self.args, folder, cwd, environment))
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.process.exitcode

    def read(self, name):
        return (Path(self.output.name) / name).read_text(encoding="utf-8", errors="surrogateescape")

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.process.kill()

    def wait(self, timeout=HANGS):
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.kill()
            raise TimeoutError(f"{self.args}\n{self.read('stdout')}\n{self.read('stderr')}")
        return self.process.exitcode

    def communicate(self, timeout=HANGS):
        self.wait(timeout)
        return self.read("stdout"), self.read("stderr")

    def completed(self, check):
        """Waits for the end; returns what `subprocess.run` does."""
        ended = subprocess.CompletedProcess(self.args, self.wait(), self.read("stdout"), self.read("stderr"))
        if check and ended.returncode:
            raise AssertionError(f"exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return ended


def run_in_fork(*arguments, cwd=REPOSITORY, check=True, **environment):
    """Runs a script, `-c code` or `-m module`, as `subprocess.run` does.

    The variables in `environment` count only where they are read later than at an import.
    """
    return Fork(*arguments, cwd=cwd, environment=environment).completed(check)


@contextmanager
def started_together(count, script, *arguments, machines=1):
    """Starts a script in `count` processes that find each other, with the variables that a launch on CPUs gives them.

    They are spread over as many `machines`; {machine} in an argument is the number of the process's machine.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    local = count // machines
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": local, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared["OMP_NUM_THREADS"] = 1  # as accelerate launch does; by itself accelerate warns that it is unset
    shared["ACCELERATE_USE_CPU"] = "true"
    processes = [
        Fork(
            script,
            *(str(argument).format(machine=rank // local) for argument in arguments),
            environment=shared | {"RANK": rank, "LOCAL_RANK": rank % local, "GROUP_RANK": rank // local},
        )
        for rank in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def run_together(count, script, *arguments, machines=1):
    """Runs a script as `started_together` starts it. Returns the ended processes."""
    with started_together(count, script, *arguments, machines=machines) as processes:
        return [process.completed(check=True) for process in processes]
