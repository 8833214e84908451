"""Measures whether the memory of a training with --streaming grows with the number of rows.

python benchmarks/streaming.py --data_files data/train-00000-of-00001.parquet

Trains a tiny model for one epoch on the files, and again on the same files ten times.
"""

import sys
import tempfile
from collections.abc import Sequence

from timing import print_goal, print_setup, print_table, run_measured

from hf_brnn.commands.parser import CommandParser

OPTIONS = (
    "--streaming --embedding_size 8 --hidden_size 8 --per_device_train_batch_size 4096 --num_train_epochs 1 "
    "--test_size 0"
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--data_files", nargs="+", required=True, help="Labelled rows, as hf-brnn train reads them.")
    parser.add_argument("--config", default="sentiment140", help="Recipe, by name or path (default: sentiment140).")
    args, rest = parser.parse_known_args(argv)
    print_setup()
    table = []
    for copies in (1, 10):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "hf_brnn", "train", "--config", args.config, *OPTIONS.split()]
            command += [*rest, "--output_dir", f"{folder}/run", "--data_files", *args.data_files * copies]
            usage = run_measured(command)
        table.append({"copies of the files": copies, "seconds": usage.seconds, "peak MiB": usage.peak_mib})
    print_table("One epoch from a stream", table)
    print_goal("MiB more for ten times the rows", table[1]["peak MiB"] - table[0]["peak MiB"], at_most=200)


if __name__ == "__main__":
    main()
