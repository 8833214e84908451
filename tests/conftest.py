import os
import shutil

import pytest
from hub_server import HubServer
from playwright.sync_api import sync_playwright
from processes import run_python, train


def pytest_configure(config):
    """Each worker of pytest-xdist and its processes keep to one core: threads of several would wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


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
