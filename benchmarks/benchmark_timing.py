"""How `scripts/benchmark.py` measures: contestants in turn, whole processes, and the device that they run on."""

import statistics
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

import psutil
import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
Table = list[dict[str, object]]
Name = TypeVar("Name")


def synchronize() -> None:
    """Waits until the device has done what it was told to do."""
    if DEVICE.type != "cpu":
        torch.accelerator.synchronize()


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(contestants: dict[Name, Callable[[], object]], rounds: int) -> dict[Name, list[float]]:
    """Seconds of each contestant in each round: one after the other in every round, after one round that doesn't
    count. A contestant that returns a float has timed itself."""
    times: dict[Name, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, function in contestants.items():
            start = time.perf_counter()
            result = function()
            elapsed = time.perf_counter() - start
            if count:
                times[name].append(result if isinstance(result, float) else elapsed)
    return times


def ratio(times: list[float], base: list[float]) -> float:
    """The median over the rounds of how much longer one contestant took than another in the same round."""
    return statistics.median(one / other for one, other in zip(times, base))


def run_measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident MiB of a process, looked at every 50 ms."""
    start = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    elapsed = time.perf_counter() - start
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return elapsed, peak / 2**20
