"""What is left of a run that something ends: it is made to happen, to real processes."""

import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import psutil
import pytest
from conftest import REPOSITORY, run_python, train
from safetensors.torch import load_file

from hf_brnn.arguments import parse_arguments
from hf_brnn.batching import TokenizedTexts
from hf_brnn.checkpoints import DATA_FOLDER, find_problem
from hf_brnn.data import SAMPLE_FILE
from hf_brnn.preparation import prepare_data
from hf_brnn.training import NonFiniteError, build_trainer

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"
# Checkpoints within the epochs, and all that draws random numbers.
ARGUMENTS = (
    *("--max_rows=700", "--validation_size=200", "--test_size=40", "--num_train_epochs=9"),
    *("--eval_strategy=steps", "--eval_steps=7", "--save_strategy=steps", "--save_steps=7", "--precision=fp32"),
    *("--recurrent_dropout=0.2", "--input_dropout=0.1", "--adversarial_norm=0.1", "--early_stopping_patience=100"),
    "--per_device_eval_batch_size=16",
)


def weights_of(folder):
    return (folder / "model.safetensors").read_bytes()


def checkpoints_of(folder):
    return sorted(Path(f"{folder}.checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def start(output_dir, *arguments):
    command = [sys.executable, "scripts/train.py", "--output_dir", output_dir, *arguments]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell without job control starts its background processes with Ctrl-C switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for_checkpoints(process, folder, count):
    while len([path for path in checkpoints_of(folder) if (path / "trainer_state.json").exists()]) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing ended."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder, *ARGUMENTS)
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The folder of a run that was killed after its second checkpoint."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    process = start(folder, *ARGUMENTS)
    wait_for_checkpoints(process, folder, 2)
    process.kill()
    process.communicate()
    return folder


@pytest.fixture
def copied(interrupted, tmp_path):
    shutil.copytree(f"{interrupted}.checkpoints", tmp_path / "run.checkpoints")
    return tmp_path / "run"


def test_a_run_killed_20_times_gives_the_weights_of_one_that_was_not(whole, tmp_path):
    moments = random.Random(0).choices(("stepping", "evaluating", "saving"), k=16)
    kills = ["reading", *moments, "reading", "finishing", "finishing"]
    arguments = ("--output_dir", tmp_path / "run", *ARGUMENTS)
    process = run_python("tests/kill_training.py", "--kills", *kills, "--", *arguments)
    assert [line for line in process.stdout.splitlines() if line in kills] == kills
    train(*arguments[1:], "--resume_from_checkpoint")
    assert weights_of(tmp_path / "run") == weights_of(whole)
    for name in ("config.json", "tokenizer.json", "training_config.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_to_go_on_from(whole, tmp_path, number):
    process = start(tmp_path / "run", *ARGUMENTS)
    wait_for_checkpoints(process, tmp_path / "run", 1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    checkpoint = checkpoints_of(tmp_path / "run")[-1]
    assert errors.splitlines()[-1] == (
        f"Stopped by {number.name}. {checkpoint} is the last checkpoint: go on with --resume_from_checkpoint."
    )
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()
    train(tmp_path / "run", *ARGUMENTS, "--resume_from_checkpoint")
    assert weights_of(tmp_path / "run") == weights_of(whole)


def test_the_training_stops_when_its_launcher_is_ended(tmp_path):
    command = [sys.executable, "-m", "accelerate.commands.launch", "scripts/train.py", "--output_dir", tmp_path / "run"]
    command += [*ARGUMENTS, "--num_train_epochs=100"]
    with (tmp_path / "errors").open("w") as errors:
        launcher = psutil.Popen(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=errors)
    while not checkpoints_of(tmp_path / "run"):
        assert launcher.is_running()
        time.sleep(0.05)
    processes = launcher.children(recursive=True)
    launcher.terminate()
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    last_line = (tmp_path / "errors").read_text().splitlines()[-1]
    assert last_line.startswith(f"Stopped by SIGTERM. {checkpoints_of(tmp_path / 'run')[-1]} is the last checkpoint")


def test_a_signal_before_the_training_ends_the_run_at_once(tmp_path):
    rows = SAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    file = tmp_path / "many.csv"
    file.write_text("\n".join([rows[0], *rows[1:] * 500]), encoding="utf-8")
    process = start(tmp_path / "run", "--data_files", file)
    while not (tmp_path / "run.checkpoints" / DATA_FOLDER).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped by SIGINT. There is no checkpoint yet: start again."


def test_a_newest_checkpoint_that_is_truncated_is_set_aside(whole, copied):
    earlier, newest = checkpoints_of(copied)[-2:]
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate((newest / "optimizer.pt").stat().st_size // 2)
    process = train(copied, *ARGUMENTS, "--resume_from_checkpoint")
    assert f"{newest} is not whole: optimizer.pt is damaged" in process.stderr
    assert f"set aside as broken-{newest.name}" in process.stderr
    assert f"Going on from {earlier}" in process.stderr
    assert weights_of(copied) == weights_of(whole)


def test_a_run_without_a_whole_checkpoint_starts_at_its_beginning(whole, copied):
    for checkpoint in checkpoints_of(copied):
        (checkpoint / "trainer_state.json").unlink()
    process = train(copied, *ARGUMENTS, "--resume_from_checkpoint")
    assert "holds no whole checkpoint: the run starts at its beginning" in process.stderr
    assert weights_of(copied) == weights_of(whole)


FILES = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
)


@pytest.mark.parametrize(
    ("name", "damage"),
    [*product(FILES, ("missing", "truncated", "empty")), ("optimizer.pt", "changed"), ("rng_state.pth", "changed")],
)
def test_a_checkpoint_is_known_not_to_be_whole(copied, name, damage):
    checkpoint = checkpoints_of(copied)[-1]
    assert find_problem(checkpoint) is None
    path = checkpoint / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: -len(content) // 3] if damage == "truncated" else b"")
    assert name in find_problem(checkpoint)


def test_the_checkpoint_that_the_argument_names_must_be_whole(copied):
    checkpoint = checkpoints_of(copied)[-1]
    (checkpoint / "model.safetensors").unlink()
    process = train(copied, *ARGUMENTS, "--resume_from_checkpoint", checkpoint, check=False)
    assert process.stderr == f"{checkpoint} is not whole: it has no model.safetensors. Name an earlier one.\n"


def test_a_checkpoint_of_another_number_of_processes_is_refused(copied):
    checkpoint = checkpoints_of(copied)[-1]
    for name in ("rng_state_0.pth", "rng_state_1.pth"):
        shutil.copy(checkpoint / "rng_state.pth", checkpoint / name)
    (checkpoint / "rng_state.pth").unlink()
    process = train(copied, *ARGUMENTS, "--resume_from_checkpoint", check=False)
    assert process.stderr == (f"{checkpoint} was saved by another number of processes than 1: start as many again.\n")
    assert checkpoint.exists()


def test_a_full_disk_leaves_what_was_saved_before(saved_folder, tmp_path):
    """A tmpfs with room for the earlier folder, the data and one or two checkpoints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs -o size=12m tmpfs {disk}
        cp -r {saved_folder} {disk}/run
        {sys.executable} scripts/train.py --output_dir {disk}/run --save_total_limit 10 --num_train_epochs 30 \
            --early_stopping_patience 30 2> {tmp_path}/errors
        echo $?
        cp -r {disk} {tmp_path}/left
    """
    process = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.splitlines()[-1] == "1"
    last_line = (tmp_path / "errors").read_text().splitlines()[-1]
    assert "could not be saved" in last_line
    assert re.search(r"; \d\.\d MB are free on its disk", last_line)
    assert "Earlier ones are whole: mend that" in last_line
    left = checkpoints_of(tmp_path / "left" / "run")
    assert left
    assert [find_problem(path) for path in left] == [None] * len(left)
    assert weights_of(tmp_path / "left" / "run") == weights_of(saved_folder)
    assert not list((tmp_path / "left").glob(".*"))


def test_a_second_run_into_one_folder_is_refused_by_name_of_the_first(tmp_path):
    first = start(tmp_path / "run", *ARGUMENTS)
    wait_for_checkpoints(first, tmp_path / "run", 1)
    second = train(tmp_path / "run", *ARGUMENTS, "--resume_from_checkpoint", check=False)
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"{tmp_path}/run.checkpoints belongs to a run that is at work, process {first.pid} on ")
    assert first.poll() is None
    first.kill()
    first.communicate()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    config = tmp_path / "explode.yaml"
    config.write_text(
        "learning_rate: 1.0e+30\nload_best_model_at_end: false\nsave_strategy: steps\nsave_steps: 1\n", encoding="utf-8"
    )
    process = train(tmp_path / "run", "--config", config, check=False)
    assert process.returncode == 1
    last_line = process.stderr.splitlines()[-1]
    last = checkpoints_of(tmp_path / "run")[-1]
    step = int(last.name.split("-")[1]) + 1
    assert last_line.startswith(
        (f"The loss of step {step} is no finite number.", f"Step {step} made weights infinite.")
    )
    assert "Its rows: tweets.csv, line " in last_line
    assert f"{last} is the last checkpoint" in last_line
    assert find_problem(last) is None
    assert all(value.isfinite().all() for value in load_file(last / "model.safetensors").values())


def test_the_rows_of_a_step_that_went_wrong_are_those_that_were_read(tmp_path, monkeypatch):
    batches = []
    batch = TokenizedTexts.batch
    monkeypatch.setattr(TokenizedTexts, "batch", lambda self, rows: (batches.append(rows), batch(self, rows))[1])
    argv = ["--output_dir", str(tmp_path), "--learning_rate", "1e30", "--max_rows", "100", "--use_cpu", "True"]
    arguments = parse_arguments([*argv, "--per_device_train_batch_size", "8"], QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / DATA_FOLDER)
    trainer = build_trainer(arguments.model, arguments.data, arguments.training, data)
    with pytest.raises(NonFiniteError) as error:
        trainer.train()
    step = int(
        re.match(r"The loss of step (\d+) is no finite number. Its rows: tweets.csv, line ", str(error.value))[1]
    )
    numbers = [int(number) for number in re.findall(r"\d+", str(error.value))[1:]]
    lines = SAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    read = [data.train.batch(rows[None])["input_ids"][0] for rows in batches[step - 1]]
    assert len(numbers) == len(read) == 8
    for number, ids in zip(numbers, read):
        words = data.tokenizer.tokenize(lines[number - 1].partition(",")[2].strip('"'))
        assert words == data.tokenizer.convert_ids_to_tokens(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such configuration file."),
        (["--data_files", "nowhere.csv"], "nowhere.csv: no such file."),
        (["--vocab_size", "2"], "vocab_size is 2, but must be at least 3"),
        (["--cell_type", "gra"], "cell_type is 'gra'"),
        (["--recurrent_dropout", "1.5"], "recurrent_dropout is 1.5"),
        (["--validation_size", "0"], "set validation_size, or switch them off"),
        (["--validation_size", "9999"], "validation_size is 9999"),
        (["--class_names", "one"], "class_names is ['one']"),
        (["--class_names", "a", "b"], "label '4' is not one of 0, 1, a, b"),
        (["--text_column", "tweet"], "no column 'tweet' among"),
        (["--resume_from_checkpoint", "nowhere"], "There is no checkpoint nowhere"),
        (["--save_strategy", "steps"], "save"),
        (["--precision", "int3"], "precision is 'int3'"),
        (["--max_length", "0"], "max_length is 0"),
    ],
)
def test_wrong_arguments_end_in_one_line_and_leave_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        main = runpy.run_path(str(REPOSITORY / "scripts" / "train.py"))["main"]
        with pytest.raises(SystemExit) as error:
            main(["--output_dir", "run", *arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert message in str(error.value.code)
    assert not (tmp_path / "run").exists()
