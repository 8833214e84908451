"""Measures training on two processes of one thread each against one process.

python benchmarks/processes.py

Each training is a launch of this file by accelerate. The traffic is that of the loopback device, so Linux only.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from timing import REPOSITORY, print_goal, print_setup, print_table, ratio

from hf_brnn.commands.parser import CommandParser

BATCH_SIZE = 512
VOCAB_SIZE = 60_000
OPTIONS = [f"--per_device_train_batch_size={BATCH_SIZE}", "--embedding_size=256", "--hidden_size=256"]
CONTESTANTS = {"one process": (1, "sparse"), "two processes": (2, "sparse"), "two, dense gradients": (2, "dense")}


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="Figures are medians of this many rounds (default: 5).")
    parser.add_argument("--steps", type=int, default=40, help="Measured steps of a training (default: 40).")
    args = parser.parse_args(argv)
    print_setup()
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    sent: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(args.rounds):
        for name, (processes, gradients) in CONTESTANTS.items():
            seconds, traffic = launch(processes, args.steps, gradients)
            rates[name].append(processes * BATCH_SIZE / seconds)
            sent[name].append(traffic / 1e6)
    table = [
        {
            "what": name,
            "rows/s": statistics.median(rates[name]),
            "times one process": ratio(rates[name], rates["one process"]),
            "MB sent per step": statistics.median(sent[name]),
        }
        for name in CONTESTANTS
    ]
    print_table(f"{BATCH_SIZE} rows per process and step, {VOCAB_SIZE:,} words x 256, LSTM 256", table)
    print_goal("Two processes against one", table[1]["times one process"], at_least=1.8)


def launch(processes: int, steps: int, gradients: str) -> list[float]:
    """Trains in new processes. Returns the seconds of a step and the bytes sent in it."""
    with tempfile.TemporaryDirectory() as folder:
        config = REPOSITORY / "configs" / "accelerate" / "cpu.yaml"
        command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config]
        command += ["--num_processes", processes, "--main_process_port", 0, __file__, "--run", folder, steps, gradients]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        return json.loads((Path(folder) / "measured.json").read_text(encoding="utf-8"))


def run_training(folder: str, steps: int, gradients: str) -> None:
    """Trains in this process, on a core of its own."""
    from steps import time_steps

    rank, cores = int(os.environ.get("LOCAL_RANK", 0)), sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    counters = time.perf_counter, loopback_bytes
    measured = time_steps(OPTIONS, VOCAB_SIZE, steps, dense=gradients == "dense", counters=counters)
    if rank == 0:
        (Path(folder) / "measured.json").write_text(json.dumps(measured), encoding="utf-8")


def loopback_bytes() -> int:
    """Bytes that all processes of this machine have sent to each other."""
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    (loopback,) = (line for line in lines if line.strip().startswith("lo:"))
    return int(loopback.partition(":")[2].split()[8])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_training(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
