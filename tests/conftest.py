import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forks import run_in_fork
from hub_server import HubServer
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parent.parent
# Arguments of a training of a second or two.
SHORT = ("--num_train_epochs", 3, "--max_rows", 400, "--validation_size", 40, "--test_size", 40)


def pytest_configure(config):
    """Each worker of pytest-xdist and its processes keep to one core: threads of several would wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


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


@pytest.fixture(scope="session")
def saved_folder(tmp_path_factory):
    """The folder that the quickstart training saves."""
    folder = tmp_path_factory.mktemp("runs") / "quickstart"
    train(folder)
    return folder


@pytest.fixture(scope="session")
def exported_folder(saved_folder, tmp_path_factory):
    """The same folder with its ONNX graphs."""
    folder = shutil.copytree(saved_folder, tmp_path_factory.mktemp("exported") / "model")
    run_python("scripts/export_onnx.py", folder)
    return folder


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A Hub on loopback, for this process and those that it starts; they are logged in as alice."""
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "alice")
    yield server
    server.shutdown()


@pytest.fixture
def write_file(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture(scope="module")
def browser():
    """Chromium: that of the system, or else the one that playwright installs."""
    arguments = (
        "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
        " --no-first-run"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments.split())
        yield browser
        browser.close()
