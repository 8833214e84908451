"""Starts Chromium: that of the system, or else the one that playwright installs.

python tests/helpers/chromium.py     # installs it where there is none: playwright's, or else Debian's package
"""

import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress

from playwright.sync_api import Error, sync_playwright

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --no-first-run"
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALLS = (
    [sys.executable, "-m", "playwright", "install", "chromium"],
    ["sh", "-c", "apt-get update -qq && apt-get install -qq --no-install-recommends chromium"],
)


class NoBrowserError(Exception):
    def __init__(self):
        super().__init__("Chromium can't be started: install it, or run `playwright install --with-deps chromium`")


@contextmanager
def start_chromium():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS.split())
        except Error as error:
            raise NoBrowserError from error
        yield browser
        browser.close()


def can_start():
    try:
        with start_chromium():
            return True
    except NoBrowserError:
        return False


if __name__ == "__main__":
    for install in INSTALLS:
        if can_start():
            break
        print("Chromium is missing:", *install, flush=True)
        with suppress(subprocess.TimeoutExpired):  # without a browser, its tests are skipped
            subprocess.run(install, timeout=600)
