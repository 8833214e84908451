"""Measures the CPU time of starting each command: its --help, a mistyped option, a missing file, and one prediction.

python benchmarks/startup.py
python benchmarks/startup.py --rounds 1 --commands predict train
"""

import os
import statistics
import sys
from collections.abc import Sequence

from timing import in_turn, print_goal, print_setup, print_table, ratio, run_measured

from hf_brnn import PRETRAINED
from hf_brnn.commands.main import COMMANDS
from hf_brnn.commands.parser import CommandParser

MISSING_FILE = {
    "train": ["no-such-file.csv"],
    "evaluate": [PRETRAINED, "--data_files", "no-such-file.csv"],
    "compare": [PRETRAINED, PRETRAINED, "--data_files", "no-such-file.csv"],
    "predict": [PRETRAINED, "--input", "no-such-file.csv", "--output", "scored.csv"],
    "export": ["no-such-model/"],
    "push": ["no-such-model/", "--repo_id", "user/name"],
    "serve": ["no-such-model/"],
    "demo": ["no-such-model/"],
}
LIMIT = 2.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS), help="Default: all.")
    parser.add_argument("--rounds", type=int, default=3, help="Figures are medians of this many rounds (default: 3).")
    args = parser.parse_args(argv)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    print_setup()
    calls = {"python -c pass": ["-c", "pass"], "import transformers": ["-c", "import transformers"]}
    for command in args.commands:
        calls |= {
            f"{command} --help": ["-m", "hf_brnn", command, "--help"],
            f"{command}, mistyped option": ["-m", "hf_brnn", command, "--no_such_option", "1"],
            f"{command}, missing file": ["-m", "hf_brnn", command, *MISSING_FILE[command]],
        }
    if "predict" in args.commands:
        calls["predict, one text"] = ["-m", "hf_brnn", "predict", PRETRAINED, "so happy today"]
    measured = {
        name: lambda rest=rest: run_measured([sys.executable, *rest], check=False).cpu_seconds
        for name, rest in calls.items()
    }
    times = in_turn(measured, args.rounds)
    base, transformers, *_ = times.values()
    table = [
        {
            "what": name,
            "CPU seconds": statistics.median(found),
            "times python -c pass": ratio(found, base),
            "times import transformers": ratio(found, transformers),
        }
        for name, found in times.items()
    ]
    print_table("CPU time of a process (user and system)", table)
    answers = {row["what"]: row["CPU seconds"] for row in table[2:] if row["what"] != "predict, one text"}
    slowest = max(answers, key=answers.get)
    print_goal(f"The slowest answer, {slowest}", answers[slowest], at_most=LIMIT)
    if "predict" in args.commands:
        print_goal("CPU seconds of predict, one text", table[-1]["CPU seconds"], at_most=0.3)


if __name__ == "__main__":
    main()
