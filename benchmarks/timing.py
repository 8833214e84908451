"""How the benchmarks measure and print."""

import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil
from tabulate import tabulate

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime", "tensorflow", "fasttext-community", "scikit-learn")
Table = Sequence[dict[str, object]]
Name = TypeVar("Name")


class Usage(NamedTuple):
    """What a process took: wall-clock seconds, CPU seconds (user and system), peak resident MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def in_turn(
    contestants: dict[Name, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[Name, list[float]]:
    """Seconds of each contestant in each round. In a round they run one after the other; a first round is not counted.
    A contestant that returns a float has timed itself."""
    times: dict[Name, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, function in contestants.items():
            start = clock()
            result = function()
            elapsed = clock() - start
            if count:
                times[name].append(result if isinstance(result, float) else elapsed)
    return times


def ratio(times: list[float], base: list[float]) -> float:
    """The median over rounds of one contestant's time divided by another's in the same round."""
    return statistics.median(one / other for one, other in zip(times, base))


def run_measured(command: Sequence[object], check: bool = True) -> Usage:
    """Runs a process and looks at its memory every 50 ms.

    Raises:
        RuntimeError: It fails, and `check` is set.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = psutil.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while True:
        try:
            peak = max(peak, process.memory_info().rss)
            _, error = process.communicate(timeout=0.05)
            break
        except subprocess.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            _, error = process.communicate()
            break
    elapsed = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if check and process.returncode:
        command_line = " ".join(map(str, command))
        raise RuntimeError(f"{command_line} ended with {process.returncode}:\n{error.decode()[-2000:]}")
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(elapsed, cpu_seconds, peak / 2**20)


def cpuinfo(name: str) -> str:
    """A field of /proc/cpuinfo, empty where there is no such file."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith(name)), "")


def cpu_flags() -> set[str]:
    return set(cpuinfo("flags").split())


def print_setup() -> None:
    """Prints the command line, the processor and the versions, which belong to each figure."""
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    kinds = sorted({"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"} & cpu_flags())
    processor = f"{cpuinfo('model name') or platform.machine()} ({', '.join(kinds)}), {os.cpu_count()} cores"
    found = ", ".join(f"{name} {installed}" for name in PACKAGES if (installed := installed_version(name)))
    print(f"`{command}`\n\n{processor}; Python {platform.python_version()}, {found}", flush=True)


def installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def print_table(title: str, rows: Table) -> None:
    print(f"\n**{title}**\n\n{format_table(rows)}", flush=True)


def format_table(rows: Table) -> str:
    """A Markdown table of figures with four digits."""
    cells = [{name: _show(value) for name, value in row.items()} for row in rows]
    return tabulate(cells, headers="keys", tablefmt="github", disable_numparse=True)


def print_goal(what: str, value: float, at_most: float | None = None, at_least: float | None = None) -> bool:
    """Prints whether a goal is met, and returns it."""
    is_met = value <= at_most if at_least is None else value >= at_least
    goal = f"at most {_show(at_most)}" if at_least is None else f"at least {_show(at_least)}"
    print(f"\n{what}: {_show(value)} (goal: {goal}), {'met' if is_met else '**missed**'}", flush=True)
    return is_met


def _show(value: object) -> str:
    if isinstance(value, (int, float)):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)
