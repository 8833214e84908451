"""Fixtures of all tests. No test reaches the Hub: its address is that of a server on loopback."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from hub_server import HubServer

CACHE = Path(tempfile.mkdtemp(prefix="hf-brnn-tests-"))
HUB = HubServer()
# Before anything of Hugging Face is imported. Processes that the tests start are logged in as alice.
os.environ |= {
    "HF_ENDPOINT": HUB.endpoint,
    "HF_HOME": str(CACHE),
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_TOKEN": "alice",
}

from forks import start_fork_server  # noqa: E402
from processes import run_python, train  # noqa: E402

NO_BROWSER = "no browser"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker("browser")


def pytest_configure(config):
    """The tests of a process and what they start keep to one core: on a busy machine, threads of several cores wait
    for each other most of the time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    is_alone = not config.getoption("numprocesses", None)
    if (worker or is_alone) and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number = int(worker.removeprefix("gw")) if worker else os.getpid()
        os.sched_setaffinity(0, {cores[number % len(cores)]})
    if worker or is_alone:
        start_fork_server()


def pytest_unconfigure():
    shutil.rmtree(CACHE, ignore_errors=True)


def skipped_browser_tests(reporter):
    return [report for report in reporter.stats.get("skipped", []) if NO_BROWSER in str(report.longrepr)]


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and skipped_browser_tests(reporter) and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if skipped := skipped_browser_tests(terminalreporter):
        reason = skipped[0].longrepr[2].partition(f"{NO_BROWSER}: ")[2]
        line = f"{len(skipped)} BROWSER TESTS WERE SKIPPED. {reason}"
        if os.environ.get("CI") == "true":
            line += ". With CI=true, this is a failure."
        terminalreporter.write_sep("!", line, red=True, bold=True)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder that all workers of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder


@pytest.fixture(scope="session")
def saved_folder(shared_folder):
    """The model directory that the quickstart training saves."""
    folder = shared_folder / "saved" / "quickstart"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            train(folder)
    return folder


@pytest.fixture(scope="session")
def exported_folder(saved_folder, tmp_path_factory):
    """A copy of it with its ONNX graphs."""
    folder = shutil.copytree(saved_folder, tmp_path_factory.mktemp("exported") / "model")
    run_python("scripts/export_onnx.py", folder)
    return folder


@pytest.fixture
def server():
    """The Hub on loopback, with nothing in it and nothing of it in the cache."""
    HUB.forget()
    for name in ("hub", "datasets"):
        shutil.rmtree(CACHE / name, ignore_errors=True)
    return HUB


@pytest.fixture
def write_file(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture(scope="module")
def browser():
    from chromium import NoBrowserError, start_chromium

    try:
        with start_chromium() as browser:
            yield browser
    except NoBrowserError as error:
        pytest.skip(f"{NO_BROWSER}: {error}")
