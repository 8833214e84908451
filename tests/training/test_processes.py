"""Trainings in several processes, started as users start them."""

import functools
import json
import os
import socket
import sys
import time
from collections import Counter

import numpy as np
import psutil
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from arguments import parse_arguments
from forks import HANGS, run_together, started_together
from processes import QUICKSTART, REPOSITORY, SHORT, wait_for_end, wait_until
from safetensors.torch import load_file

from hf_brnn.training.checkpoints import find_problem

ACCELERATE = REPOSITORY / "configs" / "accelerate"
FOUR = pytest.param(4, marks=pytest.mark.slow)


class Launch:
    """An `accelerate launch` under way; its output goes to files in `folder`."""

    def __init__(self, folder, *arguments):
        folder.mkdir(exist_ok=True)
        self.files = [folder / "stdout", folder / "stderr"]
        with self.files[0].open("w") as stdout, self.files[1].open("w") as stderr:
            self.process = psutil.Popen(
                [sys.executable, "-m", "accelerate.commands.launch", *map(str, arguments)],
                cwd=REPOSITORY,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def stdout(self):
        return self.files[0].read_text()

    @property
    def stderr(self):
        return self.files[1].read_text()

    def workers(self):
        return self.process.children(recursive=True)

    def wait(self):
        """The exit status, when the launch has ended; where it hangs, it and its processes are killed."""
        try:
            return self.process.wait(HANGS)
        except psutil.TimeoutExpired:
            for process in [self.process, *self.workers()]:
                process.kill()
            raise

    def succeed(self):
        assert self.wait() == 0, f"{self.stdout}\n{self.stderr}"


def launch(folder, *arguments):
    """Processes on this machine, as configs/accelerate/cpu.yaml has them, at a port that is free."""
    return Launch(folder, "--config_file", ACCELERATE / "cpu.yaml", "--main_process_port", 0, *arguments)


def launch_two_machines(folder, *arguments, processes=2):
    """Two launches that find each other over loopback; {rank} in an argument is the machine's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        Launch(
            folder / f"machine{rank}", "--config_file", ACCELERATE / "multi_machine.yaml", "--num_processes", processes,
            "--machine_rank", rank, "--main_process_port", port, "scripts/train.py",
            *(str(argument).format(rank=rank) for argument in arguments),
        )
        for rank in (0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(ACCELERATE.iterdir()), ids=lambda path: path.name)
def test_every_file_of_accelerate_is_read(path):
    config = load_config_from_file(str(path))
    assert config.mixed_precision == "no"
    assert config.num_processes % config.num_machines == 0


def test_fsdp_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="FSDP is not supported"):
        parse_arguments([], REPOSITORY / "configs" / "quickstart.yaml")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Gives what tests/helpers/train_together.py does on a number of processes."""

    @functools.cache
    def run(count):
        folder = tmp_path_factory.mktemp(f"on{count}")
        run_together(count, "tests/helpers/train_together.py", folder)
        return torch.load(folder / "found.pt", weights_only=False)

    return run


@pytest.mark.parametrize("count", [2, FOUR])
def test_the_weights_are_those_of_one_process(together, count):
    torch.testing.assert_close(together(count)["fp32"], together(1)["fp32"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [2, FOUR])
def test_in_double_precision_they_are_also_with_the_maximum_over_tokens_and_adversarial_texts(together, count):
    """Where two tokens tie for a maximum, single precision may choose one on one process and the other on two."""
    torch.testing.assert_close(together(count)["fp64"], together(1)["fp64"], atol=1e-12, rtol=0)


@pytest.mark.parametrize("count", [1, 2, FOUR])
def test_predictions_and_metrics_are_of_each_row_once_and_in_order(together, count):
    found, alone = together(count), together(1)
    np.testing.assert_array_equal(found["labels"], found["true_labels"])
    np.testing.assert_allclose(found["predicted"], alone["expected"], atol=1e-5)
    counts = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "roc_auc")
    assert [found["metrics"][f"eval_{name}"] for name in counts] == [
        alone["metrics"][f"eval_{name}"] for name in counts
    ]
    loss = torch.nn.functional.cross_entropy(torch.tensor(found["predicted"]), torch.tensor(found["labels"]))
    assert found["metrics"]["eval_loss"] == pytest.approx(loss.item(), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, FOUR])
def test_every_process_count_reads_the_same_rows_in_the_same_steps(together, count):
    steps = [[row for part in parts for row in part if row >= 0] for parts in zip(*together(count)["rows"])]
    assert steps == [rows for (rows,) in zip(*together(1)["rows"])]
    epoch = Counter(row for step in steps[:14] for row in step)
    assert epoch == Counter(range(891))


@pytest.mark.parametrize("count", [2, FOUR])
def test_every_process_drops_its_own_units(together, count):
    masks = [str(mask) for mask in together(count)["masks"]]
    assert len(set(masks)) == count


@pytest.mark.slow
def test_two_machines_with_a_shared_disk_write_one_folder(tmp_path):
    launches = launch_two_machines(tmp_path, *SHORT, "--output_dir", tmp_path / "run")
    for machine in launches:
        machine.succeed()
    assert [machine.stdout.count("Saved ") for machine in launches] == [1, 0]
    assert [machine.stderr.count("texts from column") for machine in launches] == [1, 0]
    assert [machine.stdout.count("train loss") for machine in launches] == [1, 0]
    assert launches[1].stdout == ""
    assert "[rank" not in launches[0].stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["machine0", "machine1", "run"]
    assert "on 2 x " in (tmp_path / "run" / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["rows"] == 40


@pytest.mark.slow
def test_two_machines_without_a_shared_disk_write_a_folder_each(tmp_path):
    arguments = (*SHORT, "--output_dir", tmp_path / "disk{rank}" / "run", "--save_on_each_node", True)
    launches = launch_two_machines(tmp_path, *arguments, processes=4)
    for machine in launches:
        machine.succeed()
    assert [machine.stdout.count("Saved ") for machine in launches] == [1, 0]
    assert "%|" not in launches[1].stderr
    for rank in (0, 1):
        assert [path.name for path in (tmp_path / f"disk{rank}").iterdir()] == ["run"]
    weights = [load_file(tmp_path / f"disk{rank}" / "run" / "model.safetensors") for rank in (0, 1)]
    torch.testing.assert_close(*weights, atol=0, rtol=0)


TINY = (
    *QUICKSTART,
    *("--max_rows", 100, "--validation_size", 10, "--test_size", 10, "--hidden_size", 4, "--num_train_epochs", 2),
)


def test_processes_with_a_shared_disk_write_one_folder(tmp_path):
    first, second = run_together(2, "scripts/train.py", *TINY, "--output_dir", tmp_path / "run", machines=2)
    assert [process.stdout.count("Saved ") for process in (first, second)] == [1, 0]
    assert first.stderr.count("texts from column") == 1
    assert second.stdout == second.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert "on 2 x " in (tmp_path / "run" / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["rows"] == 10


def test_processes_without_a_shared_disk_write_a_folder_each(tmp_path):
    arguments = (*TINY, "--output_dir", tmp_path / "disk{machine}" / "run", "--save_on_each_node", True)
    first, second = run_together(2, "scripts/train.py", *arguments, machines=2)
    assert first.stdout.count("Saved ") == 1
    assert second.stdout == ""
    weights = [load_file(tmp_path / f"disk{machine}" / "run" / "model.safetensors") for machine in (0, 1)]
    torch.testing.assert_close(*weights, atol=0, rtol=0)


def test_processes_that_see_different_disks_are_told(tmp_path):
    arguments = (*TINY, "--output_dir", tmp_path / "disk{machine}" / "run")
    with started_together(2, "scripts/train.py", *arguments, machines=2) as processes:
        for process in processes:
            assert process.wait() == 1
            assert "a shared disk need --save_on_each_node True" in process.read("stderr")


def test_a_process_ends_when_another_is_killed(tmp_path):
    arguments = (*TINY, "--num_train_epochs", 1000, "--output_dir", tmp_path / "run")
    with started_together(2, "scripts/train.py", *arguments) as (first, second):
        wait_until(lambda: list(tmp_path.glob("run.checkpoints/checkpoint-*/trainer_state.json")), first)
        second.kill()
        assert first.wait()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_launches_of_both_machines(tmp_path):
    launches = launch_two_machines(tmp_path, *SHORT, "--num_train_epochs", 1000, "--output_dir", tmp_path / "run")
    while not list(tmp_path.glob("run.checkpoints/checkpoint-*/trainer_state.json")):
        assert all(machine.process.poll() is None for machine in launches), launches[0].stderr
        time.sleep(0.1)
    workers = [worker for machine in launches for worker in machine.workers()]
    launches[1].workers()[0].kill()
    assert all(machine.wait() for machine in launches)
    assert "Signal 9 (SIGKILL)" in launches[1].stderr
    for worker in workers:
        wait_for_end(worker)


def launch_failing(tmp_path, failure, *arguments):
    """A training that will fail, once it has come to its data: what a busy machine takes to start isn't timed."""
    arguments = (*SHORT, "--output_dir", tmp_path / "run", *arguments)
    failing = launch(tmp_path, "--num_processes", 2, "tests/helpers/fail_in_training.py", failure, *arguments)
    wait_until(lambda: "texts from column" in failing.stderr, failing.process, lambda: failing.stderr)
    return failing


def test_a_process_that_raises_ends_the_launch_with_its_traceback(tmp_path):
    failing = launch_failing(tmp_path, "raise")
    assert failing.wait()
    errors = [line for line in failing.stderr.splitlines() if "Error: " in line]
    assert errors[0].endswith("FloatingPointError: the second process fails")
    _, summary = failing.stderr.split("Root Cause (first observed failure):")
    assert "raise FloatingPointError" in summary


def test_a_loss_that_is_no_number_in_one_process_is_told_once_with_its_step(tmp_path):
    """The others have none a step later."""
    failing = launch_failing(tmp_path, "nan")
    assert failing.wait()
    (line,) = [line for line in failing.stderr.splitlines() if "infinite" in line]
    assert line.startswith("hf-brnn train: error: The loss of step 4 is NaN or infinite.")


FAIL = "tests/helpers/fail_in_training.py"


def test_a_process_that_dies_while_a_checkpoint_is_saved_is_no_error_of_the_disk(tmp_path):
    with started_together(2, FAIL, "die", *TINY, "--output_dir", tmp_path / "run") as (survivor, _):
        assert survivor.wait()
    assert "could not be saved" not in survivor.read("stderr")
    (checkpoint,) = tmp_path.glob("run.checkpoints/checkpoint-*")
    assert find_problem(checkpoint)


def test_the_processes_wait_for_the_data_however_long_its_preparation_takes(tmp_path):
    run_together(2, FAIL, "wait", *TINY, "--output_dir", tmp_path / "run")


@pytest.mark.slow
def test_processes_that_are_told_to_stop_go_on_in_the_middle_of_an_epoch(tmp_path):
    sizes = ("--num_train_epochs", 6, "--per_device_train_batch_size", 7, "--early_stopping_patience", 6)
    arguments = ("scripts/train.py", *QUICKSTART, *SHORT, *sizes, "--output_dir")
    run_together(2, *arguments, tmp_path / "whole" / "run")

    stopped = launch(tmp_path / "stopped", "--num_processes", 2, *arguments, tmp_path / "run")
    saved = "run.checkpoints/checkpoint-*/trainer_state.json"
    wait_until(lambda: list(tmp_path.glob(saved)), stopped.process, lambda: stopped.stderr)
    stopped.process.terminate()
    assert stopped.wait()
    checkpoints = tmp_path.glob("run.checkpoints/checkpoint-*")
    last = max(checkpoints, key=lambda path: int(path.name.removeprefix("checkpoint-")))
    assert f"Stopped by SIGTERM. The last checkpoint is {last}" in stopped.stderr
    assert json.loads((last / "trainer_state.json").read_text())["epoch"] % 1

    run_together(2, *arguments, tmp_path / "run", "--resume_from_checkpoint")
    weights = [load_file(folder / "run" / "model.safetensors") for folder in (tmp_path / "whole", tmp_path)]
    torch.testing.assert_close(*weights, atol=0, rtol=0)
