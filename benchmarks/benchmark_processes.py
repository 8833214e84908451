"""Measures trainings on one and two processes of one thread each, for `scripts/benchmark.py processes`.

Each training is a launch of this file: accelerate launch scripts/benchmark_processes.py FOLDER STEPS sparse|dense
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from hf_brnn import BrnnForSequenceClassification
from hf_brnn.data.dataset import TokenizedDataset
from hf_brnn.training.arguments import parse_arguments
from hf_brnn.training.device import prepare_cpu
from hf_brnn.training.trainer import BrnnTrainer

CONFIGS = Path(__file__).parent.parent / "configs"
ARGUMENTS = (
    "--embedding_size=256 --hidden_size=256 --per_device_train_batch_size=512 --eval_strategy=no --save_strategy=no "
    "--load_best_model_at_end=false --logging_strategy=no --disable_tqdm=true"
)
VOCABULARY = 60_000
WARM_UP_STEPS = 3
EPOCH_STEPS = 50
MEASURED = "measured.json"


def process_tables(rounds: int, steps: int) -> dict[str, list[dict[str, Any]]]:
    """Medians over the rounds; in each round the trainings run one after the other."""
    contestants = {"one process": (1, "sparse"), "two processes": (2, "sparse"), "two, dense gradients": (2, "dense")}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (processes, gradients) in contestants.items():
            found[name].append(measure_launch(processes, steps, gradients))
    rates = {name: statistics.median(run["rows/s"] for run in runs) for name, runs in found.items()}
    sent = {name: statistics.median(run["MB"] for run in runs) for name, runs in found.items()}
    return {
        f"Training on processes of one thread: 512 rows each in a step, {VOCABULARY:,} words x 256, LSTM 256": [
            {
                "what": name,
                "rows/s": rate,
                "times one process": rate / rates["one process"],
                "MB sent in a step, by all": sent[name],
            }
            for name, rate in rates.items()
        ]
    }


def measure_launch(processes: int, steps: int, gradients: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--config_file",
            CONFIGS / "accelerate" / "cpu.yaml",
        ]
        command += ["--num_processes", processes, "--main_process_port", 0, __file__, folder, steps, gradients]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        return json.loads((Path(folder) / MEASURED).read_text(encoding="utf-8"))


def loopback_bytes() -> int:
    """What all processes of this machine have sent to each other."""
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    (loopback,) = (line for line in lines if line.strip().startswith("lo:"))
    return int(loopback.partition(":")[2].split()[8])


class Clock(TrainerCallback):
    """Time and traffic from the end of the warm-up to the end of the last step."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == WARM_UP_STEPS:
            self.start, self.sent = time.perf_counter(), loopback_bytes()
        elif state.global_step == state.max_steps:
            steps = state.max_steps - WARM_UP_STEPS
            rows = steps * args.train_batch_size * args.world_size
            rate = rows / (time.perf_counter() - self.start)
            self.measured = {"rows/s": rate, "MB": (loopback_bytes() - self.sent) / steps / 1e6}


def make_texts(rows: int) -> TokenizedDataset:
    """Texts of about 15 tokens, whose words are as frequent as Zipf's law has them."""
    rng = np.random.default_rng(0)
    lengths = rng.poisson(15, rows).clip(1)
    frequencies = 1 / np.arange(1, VOCABULARY - 1)
    ids = rng.choice(np.arange(2, VOCABULARY, dtype=np.int32), lengths.sum(), p=frequencies / frequencies.sum())
    return TokenizedDataset(ids, np.concatenate(([0], lengths.cumsum())), rng.integers(0, 2, rows), pad_token_id=0)


def main(folder: str, steps: int, gradients: str) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ.get("LOCAL_RANK", 0))]})
    argv = [*ARGUMENTS.split(), f"--output_dir={folder}/run", f"--max_steps={WARM_UP_STEPS + steps}"]
    model_args, data_args, training_args, _ = parse_arguments(argv, CONFIGS / "sentiment140.yaml")
    prepare_cpu(training_args)
    model = BrnnForSequenceClassification(model_args.to_config(VOCABULARY, data_args.label_names))
    texts = make_texts(EPOCH_STEPS * training_args.train_batch_size * training_args.world_size)
    clock = Clock()
    trainer = BrnnTrainer(model=model, args=training_args, train_dataset=texts, callbacks=[clock])
    if gradients == "dense":
        trainer._is_sparse = model.get_input_embeddings().sparse = False
    trainer.train()
    if trainer.is_world_process_zero():
        (Path(folder) / MEASURED).write_text(json.dumps(clock.measured), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
