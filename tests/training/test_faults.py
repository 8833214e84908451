"""What is left of a run that something ends: it is made to happen, to real processes."""

import math
import os
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from arguments import parse_arguments
from processes import (
    REPOSITORY,
    checkpoints_of,
    run_python,
    start_training,
    train,
    wait_for_checkpoints,
    wait_for_end,
    wait_until,
)
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.commands.train import main as train_main
from hf_brnn.data.arguments import SAMPLE_FILE
from hf_brnn.training.build import build_trainer
from hf_brnn.training.callbacks import StopOnSignal, Stopped
from hf_brnn.training.checkpoints import (
    DATA_FOLDER,
    OPTIONS,
    check_model,
    checkpoint_to_resume,
    describe_last_checkpoint,
    find_problem,
    remove_checkpoints,
)
from hf_brnn.training.ngram_embedding import NgramEmbedding
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.trainer import NonFiniteError, RunError

RESUME = "--resume_from_checkpoint"
QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"
# Checkpoints within the epochs, and all that draws random numbers.
ARGUMENTS = (
    "--config=quickstart",
    *("--max_rows=700", "--validation_size=200", "--test_size=40", "--num_train_epochs=5"),
    *("--eval_strategy=steps", "--eval_steps=7", "--save_strategy=steps", "--save_steps=7", "--precision=fp32"),
    *("--recurrent_dropout=0.2", "--input_dropout=0.1", "--adversarial_epsilon=0.1", "--early_stopping_patience=100"),
    "--ngram_embeddings=True",
    "--per_device_eval_batch_size=16",
)


def weights_of(folder):
    return (folder / "model.safetensors").read_bytes()


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
    process = start_training(folder, *ARGUMENTS)
    wait_for_checkpoints(process, folder, 2)
    process.kill()
    process.communicate()
    return folder


@pytest.fixture
def copied(interrupted, tmp_path):
    shutil.copytree(f"{interrupted}.checkpoints", tmp_path / "run.checkpoints")
    return tmp_path / "run"


MOMENTS = random.Random(0).choices(("stepping", "evaluating", "saving"), k=16)


@pytest.mark.parametrize(
    "kills",
    [
        ["saving", "finishing"],
        pytest.param(["reading", *MOMENTS, "reading", "finishing", "finishing"], marks=pytest.mark.slow),
    ],
    ids=["twice", "20 times"],
)
def test_a_killed_run_gives_the_weights_of_one_that_was_not(whole, tmp_path, kills):
    arguments = ("--output_dir", tmp_path / "run", *ARGUMENTS)
    run_python("tests/helpers/kill_training.py", "--kills", *kills, "--", *arguments)
    train(*arguments[1:], RESUME)
    assert weights_of(tmp_path / "run") == weights_of(whole)
    for name in ("config.json", "tokenizer.json", "training_config.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_leaves_a_checkpoint_to_go_on_from(whole, tmp_path, number):
    process = start_training(tmp_path / "run", *ARGUMENTS)
    wait_for_checkpoints(process, tmp_path / "run", 1)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    checkpoint = checkpoints_of(tmp_path / "run")[-1]
    assert errors.splitlines()[-1] == (
        f"Stopped by {number.name}. The last checkpoint is {checkpoint}: add --resume_from_checkpoint to resume."
    )
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()
    train(tmp_path / "run", *ARGUMENTS, RESUME)
    assert weights_of(tmp_path / "run") == weights_of(whole)


@pytest.mark.parametrize("are_both_told", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_training_stops_when_its_launcher_is_ended(tmp_path, are_both_told):
    """Also where a scheduler ends both at once: then the training is told twice."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "scripts/train.py", "--output_dir", tmp_path / "run"]
    command += ["--config", write_endless(tmp_path)]
    with (tmp_path / "errors").open("w") as errors, (tmp_path / "output").open("w") as output:
        launcher = psutil.Popen(list(map(str, command)), cwd=REPOSITORY, stdout=output, stderr=errors)
    output, errors = tmp_path / "output", tmp_path / "errors"
    wait_until(lambda: "train loss" in output.read_text(), launcher, errors.read_text)
    processes = launcher.children(recursive=True)
    for process in (*(processes if are_both_told else []), launcher):
        process.terminate()
    for process in processes:
        wait_for_end(process)
    (checkpoint,) = checkpoints_of(tmp_path / "run")
    assert find_problem(checkpoint) is None
    reason = "SIGTERM" if are_both_told else "the end of its launcher"
    last_line = (tmp_path / "errors").read_text().splitlines()[-1]
    assert last_line.startswith(f"Stopped by {reason}. The last checkpoint is {checkpoint}")


def write_endless(tmp_path):
    """A recipe without evaluations, checkpoints and an end, which prints a line a step."""
    config = tmp_path / "endless.yaml"
    endless = {"num_train_epochs": 1_000_000, "eval_strategy": "no", "save_strategy": "no", "max_rows": 700}
    endless |= {"load_best_model_at_end": False, "logging_strategy": "steps", "logging_steps": 1}
    config.write_text(yaml.safe_dump(endless), encoding="utf-8")
    return config


def test_a_signal_before_the_training_ends_the_run_at_once(tmp_path):
    rows = SAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    file = tmp_path / "many.csv"
    file.write_text("\n".join([rows[0], *rows[1:] * 500]), encoding="utf-8")
    process = start_training(tmp_path / "run", "--data_files", file)
    wait_until((tmp_path / "run.checkpoints" / DATA_FOLDER).exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped by SIGINT. There is no checkpoint yet: start from scratch."


def test_a_newest_checkpoint_that_is_truncated_is_removed(whole, copied):
    earlier, newest = checkpoints_of(copied)[-2:]
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate((newest / "optimizer.pt").stat().st_size // 2)
    process = train(copied, *ARGUMENTS, RESUME)
    assert f"Removing {newest}, which can't be resumed: optimizer.pt is damaged" in process.stderr
    assert f"Resuming from {earlier}" in process.stderr
    assert weights_of(copied) == weights_of(whole)


def test_a_run_without_a_whole_checkpoint_starts_at_its_beginning(whole, copied):
    for checkpoint in checkpoints_of(copied):
        (checkpoint / "trainer_state.json").unlink()
    process = train(copied, *ARGUMENTS, RESUME)
    assert "holds no complete checkpoint: the run starts from scratch" in process.stderr
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


def test_a_damaged_scaler_is_found_too(copied):
    checkpoint = checkpoints_of(copied)[-1]
    (checkpoint / "scaler.pt").write_bytes(b"")
    assert "scaler.pt is damaged" in find_problem(checkpoint)


def parsed(output_dir, *arguments):
    argv = ["--output_dir", output_dir, "--use_cpu", "True", *arguments]
    return parse_arguments(list(map(str, argv)), QUICKSTART)


def test_a_checkpoint_with_later_ones_beside_it_is_refused_until_they_are_removed(copied):
    first, *later = checkpoints_of(copied)
    checkpoints = Path(f"{copied}.checkpoints")
    training_args = parsed(checkpoints, RESUME, first).training
    with pytest.raises(FileExistsError, match=f"later checkpoints than {first.name}, such as {later[-1].name}"):
        checkpoint_to_resume(training_args)
    assert checkpoints_of(copied) == [first, *later]
    for path in later:
        shutil.rmtree(path)
    assert checkpoint_to_resume(training_args) == str(first)


def test_a_folder_of_checkpoints_is_no_checkpoint(copied):
    training_args = parsed(f"{copied}.checkpoints", RESUME, f"{copied}.checkpoints").training
    with pytest.raises(FileNotFoundError, match="is not a checkpoint"):
        checkpoint_to_resume(training_args)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden_size", "16"], "hidden_size is 16, but the run of CHECKPOINT began with 64"),
        (["--cell_type", "gru"], "cell_type is 'gru', but the run of CHECKPOINT began with 'lstm'"),
        (["--seed", "7"], "seed is 7, but the run of CHECKPOINT began with 42"),
        (["--data_seed", "7"], "data_seed is 7, but the run of CHECKPOINT began with None"),
        (["--max_length", "9"], "max_length is 9, but the run of CHECKPOINT began with 128"),
        (["--word_dropout", "0.3"], "word_dropout is 0.3, but the run of CHECKPOINT began with"),
        (["--learning_rate", "0.1"], "learning_rate is 0.1, but the run of CHECKPOINT began with"),
        (["--gradient_accumulation_steps", "2"], "gradient_accumulation_steps is 2, but the run of CHECKPOINT began"),
    ],
)
def test_a_run_is_resumed_with_the_options_it_began_with(copied, signals, arguments, message):
    before = checkpoints_of(copied)
    with pytest.raises(SystemExit) as error:
        train_main(["--output_dir", str(copied), "--use_cpu", "True", *ARGUMENTS, *arguments, RESUME])
    assert message.replace("CHECKPOINT", str(before[-1])) in str(error.value.code)
    assert checkpoints_of(copied) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden_size", "16"], "was trained with hidden_size 64, not 16"),
        (["--ngram_embeddings", "False"], "was trained with ngram_embeddings True, not False"),
        (["--per_device_train_batch_size", "16"], "epoch has 29 steps"),
    ],
)
def test_a_checkpoint_whose_options_are_unknown_is_compared_with_the_model(copied, signals, arguments, message):
    Path(f"{copied}.checkpoints", DATA_FOLDER, OPTIONS).unlink()
    before = checkpoints_of(copied)
    with pytest.raises(SystemExit) as error:
        train_main(["--output_dir", str(copied), "--use_cpu", "True", *ARGUMENTS, *arguments, RESUME])
    assert message in str(error.value.code)
    assert checkpoints_of(copied) == before


def test_a_checkpoint_of_other_labels_is_refused(copied):
    checkpoint = checkpoints_of(copied)[-1]
    config = BrnnConfig.from_pretrained(checkpoint)
    model = BrnnForSequenceClassification(config)
    model.set_input_embeddings(NgramEmbedding(PreTrainedTokenizerFast.from_pretrained(checkpoint), config))
    check_model(str(checkpoint), model)
    model.config.id2label = {0: "POSITIVE", 1: "NEGATIVE"}
    with pytest.raises(ValueError, match="was trained with id2label"):
        check_model(str(checkpoint), model)


def test_a_checkpoint_of_another_folder_leaves_the_checkpoints_of_this_one(copied, interrupted):
    checkpoint = checkpoints_of(interrupted)[0]
    training_args = parsed(f"{copied}.checkpoints", RESUME, checkpoint).training
    with pytest.raises(FileExistsError, match="of an interrupted run"):
        checkpoint_to_resume(training_args)


def test_a_run_killed_while_it_cleans_up_has_ended(copied, tmp_path, monkeypatch):
    checkpoints = Path(f"{copied}.checkpoints")
    removed = []
    rmtree = shutil.rmtree

    class KilledError(Exception):
        pass

    def remove_one(path):
        if removed:
            raise KilledError
        removed.append(path)
        rmtree(path)

    for wanted in ([], [RESUME]):
        shutil.copytree(checkpoints, tmp_path / "again", dirs_exist_ok=True)
        removed.clear()
        monkeypatch.setattr("hf_brnn.training.checkpoints.shutil.rmtree", remove_one)
        with pytest.raises(KilledError):
            remove_checkpoints(tmp_path / "again")
        monkeypatch.setattr("hf_brnn.training.checkpoints.shutil.rmtree", rmtree)
        assert "its model is saved" in describe_last_checkpoint(tmp_path / "again")
        training_args = parsed(tmp_path / "again", *wanted).training
        if wanted:
            with pytest.raises(FileNotFoundError, match="holds no checkpoint to resume"):
                checkpoint_to_resume(training_args)
        else:
            assert checkpoint_to_resume(training_args) is None
        assert [path.name for path in (tmp_path / "again").iterdir()] in ([], ["run.lock"])


def test_checkpoints_without_the_data_beside_them_are_those_of_an_interrupted_run(copied):
    shutil.rmtree(Path(f"{copied}.checkpoints") / DATA_FOLDER)
    training_args = parsed(f"{copied}.checkpoints", RESUME).training
    assert checkpoint_to_resume(training_args) == str(checkpoints_of(copied)[-1])


class EndedError(Exception):
    pass


class EndAfterSave(TrainerCallback):
    """Ends a training after some checkpoints, without a word, as a kill does."""

    def __init__(self, count):
        self.count = count

    def on_save(self, args, state, control, **kwargs):
        self.count -= 1
        if not self.count:
            raise EndedError


def make_trainer(folder, *arguments):
    small = ("--max_rows", 300, "--hidden_size", 8, "--embedding_size", 8, "--precision", "fp32")
    is_patient = "--early_stopping_patience" not in arguments
    arguments = parsed(folder, *small, *arguments)
    if is_patient:
        arguments.training.early_stopping_patience = None
    data = prepare_data(arguments.data, arguments.training, folder / DATA_FOLDER)
    return build_trainer(arguments.model, arguments.training, data)


def train_until_save(count, folder, *arguments):
    trainer = make_trainer(folder, *arguments)
    trainer.add_callback(EndAfterSave(count))
    with pytest.raises(EndedError):
        trainer.train()
    return trainer


UNEVALUATED = ("--eval_strategy", "no", "--load_best_model_at_end", False)


@pytest.mark.parametrize(
    ("arguments", "saves"),
    [
        (("--learning_rate", 0, "--early_stopping_patience", 3), 2),
        (("--learning_rate", 0, "--early_stopping_patience", 3), 4),
        (("--max_steps", 10, "--save_strategy", "steps", "--save_steps", 5, *UNEVALUATED), 1),
        (("--max_steps", 10, "--save_strategy", "steps", "--save_steps", 5, *UNEVALUATED), 2),
    ],
)
def test_a_resumed_run_ends_where_one_that_nothing_ended_does(tmp_path, arguments, saves):
    whole = make_trainer(tmp_path / "whole", *arguments)
    whole.train()
    train_until_save(saves, tmp_path / "run", *arguments)
    resumed = make_trainer(tmp_path / "run", *arguments)
    resumed.train(resume_from_checkpoint=get_last_checkpoint(tmp_path / "run"))
    assert resumed.state.global_step == whole.state.global_step
    assert resumed.state.epoch == whole.state.epoch
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), atol=0, rtol=0)


def test_the_best_checkpoint_is_found_where_the_folder_was_moved_to(tmp_path):
    arguments = ("--learning_rate", 0, "--early_stopping_patience", 3)
    ended = train_until_save(4, tmp_path / "run", *arguments)
    first = Path(ended.state.best_model_checkpoint)
    (tmp_path / "run").rename(tmp_path / "moved")
    resumed = make_trainer(tmp_path / "moved", *arguments)
    resumed.train(resume_from_checkpoint=get_last_checkpoint(tmp_path / "moved"))
    assert resumed.state.best_model_checkpoint == str(tmp_path / "moved" / first.name)


def test_without_the_best_checkpoint_the_best_of_those_to_come_counts(tmp_path):
    arguments = ("--learning_rate", 0, "--early_stopping_patience", 3)
    ended = train_until_save(2, tmp_path / "run", *arguments)
    shutil.rmtree(ended.state.best_model_checkpoint)
    last = get_last_checkpoint(tmp_path / "run")
    resumed = make_trainer(tmp_path / "run", *arguments)
    resumed.train(resume_from_checkpoint=last)
    assert Path(resumed.state.best_model_checkpoint).is_dir()
    assert resumed.state.best_model_checkpoint != last


class SendSignal(TrainerCallback):
    def __init__(self, step):
        self.step = step
        self.saved = []

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_save(self, args, state, control, **kwargs):
        self.saved.append(state.global_step)


@pytest.fixture
def signals():
    """Puts the handlers of signals back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


# 240 rows are 8 steps an epoch.
@pytest.mark.parametrize("step", [9, 14, 16, 24])
@pytest.mark.parametrize(
    "arguments", [("--save_strategy", "steps", "--save_steps", 7, *UNEVALUATED), ("--save_strategy", "epoch")]
)
def test_a_stop_saves_its_step_once(tmp_path, signals, step, arguments):
    """A second save of a step, if it failed, would take the first with it."""
    stop, sender = StopOnSignal(), SendSignal(step)
    trainer = make_trainer(tmp_path, "--num_train_epochs", 3, *arguments)
    trainer.add_callback(stop)
    trainer.add_callback(sender)
    with pytest.raises(Stopped):
        trainer.train()
    assert sender.saved.count(step) == 1
    assert sender.saved[-1] == step
    assert len(sender.saved) == len(set(sender.saved))


def test_the_same_signal_counts_as_another_after_a_while(signals, monkeypatch):
    stop = StopOnSignal()
    stop.on_train_begin(None, None, None)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr("hf_brnn.training.callbacks.SAME_SIGNAL_SECONDS", 0)
    with pytest.raises(Stopped) as error:
        os.kill(os.getpid(), signal.SIGTERM)
    assert error.value.code == 143


class MakeInfinite(TrainerCallback):
    """Makes a weight infinite in the last step."""

    def on_step_end(self, args, state, control, model, **kwargs):
        if state.global_step == state.max_steps:
            model.classifier.bias.data[0] = math.inf


def test_weights_that_are_infinite_at_the_end_are_an_error(tmp_path):
    trainer = make_trainer(tmp_path, "--max_steps", 3, "--save_strategy", "no", *UNEVALUATED)
    trainer.add_callback(MakeInfinite())
    with pytest.raises(NonFiniteError, match=r"Step 3 made weights NaN or infinite"):
        trainer.train()


def test_the_checkpoint_that_the_argument_names_must_be_whole(copied):
    checkpoint = checkpoints_of(copied)[-1]
    (checkpoint / "model.safetensors").unlink()
    process = train(copied, *ARGUMENTS, RESUME, checkpoint, check=False)
    problem = f"{checkpoint} can't be resumed: it has no model.safetensors. Name an earlier one."
    assert process.stderr == f"hf-brnn train: error: {problem}\n"


def test_a_checkpoint_of_another_number_of_processes_is_refused(copied):
    checkpoint = checkpoints_of(copied)[-1]
    for name in ("rng_state_0.pth", "rng_state_1.pth"):
        shutil.copy(checkpoint / "rng_state.pth", checkpoint / name)
    (checkpoint / "rng_state.pth").unlink()
    process = train(copied, *ARGUMENTS, RESUME, check=False)
    assert f"{checkpoint} was saved by a different number of processes than the 1 of this run." in process.stderr
    assert checkpoint.exists()


def test_a_full_disk_leaves_what_was_saved_before(saved_folder, tmp_path):
    """A tmpfs with room for the earlier folder, the data and one or two checkpoints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs -o size=12m tmpfs {disk}
        cp -r {saved_folder} {disk}/run
        {sys.executable} scripts/train.py --config quickstart --output_dir {disk}/run --save_total_limit 10 \
            --num_train_epochs 30 --early_stopping_patience 30 2> {tmp_path}/errors
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
    assert "Earlier ones are complete. Free or repair the disk" in last_line
    left = checkpoints_of(tmp_path / "left" / "run")
    assert left
    assert [find_problem(path) for path in left] == [None] * len(left)
    assert weights_of(tmp_path / "left" / "run") == weights_of(saved_folder)
    assert not list((tmp_path / "left").glob(".*"))


def test_a_second_run_into_one_folder_is_refused_by_name_of_the_first(tmp_path):
    first = start_training(tmp_path / "run", *ARGUMENTS, "--num_train_epochs=1000")
    wait_for_checkpoints(first, tmp_path / "run", 1)
    second = train(tmp_path / "run", *ARGUMENTS, RESUME, check=False)
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert f"{tmp_path}/run.checkpoints is locked by another run, process {first.pid} on " in line
    assert first.poll() is None
    first.kill()
    first.communicate()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    config = tmp_path / "explode.yaml"
    config.write_text(
        "learning_rate: 3.0e+37\nload_best_model_at_end: false\nsave_strategy: steps\nsave_steps: 1\n", encoding="utf-8"
    )
    process = train(tmp_path / "run", "--config", config, check=False)
    assert process.returncode == 1
    last_line = process.stderr.splitlines()[-1]
    last = checkpoints_of(tmp_path / "run")[-1]
    step = int(last.name.split("-")[1]) + 1
    assert f"The loss of step {step} is NaN" in last_line or f"Step {step} made weights NaN" in last_line
    assert f"The last checkpoint is {last}" in last_line
    assert find_problem(last) is None
    assert all(value.isfinite().all() for value in load_file(last / "model.safetensors").values())


def test_a_metric_that_is_undefined_chooses_nothing(tmp_path):
    arguments = parsed(tmp_path / "run", "--max_rows", 300, "--metric_for_best_model", "roc_auc")
    data = prepare_data(arguments.data, arguments.training, tmp_path / DATA_FOLDER)
    data.label_names.append("NEVER")
    trainer = build_trainer(arguments.model, arguments.training, data)
    with pytest.raises(RunError, match="roc_auc is undefined"):
        trainer.train()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such configuration file or recipe."),
        (["--data_files", "nowhere.csv"], "nowhere.csv: no such file."),
        (["--vocab_size", "2"], "vocab_size is 2, but must be at least 3"),
        (["--recurrent_dropout", "1.5"], "recurrent_dropout is 1.5"),
        (["--eval_strategy", "no", "--load_best_model_at_end", "False"], "early_stopping_patience needs evaluations"),
        (["--validation_size", "0"], "set validation_size, or switch them off"),
        (["--validation_size", "9999"], "validation_size is 9999"),
        (["--label_names", "one"], "label_names is ['one']"),
        (["--label_names", "a", "b"], "label '4' is not one of a, b"),
        (["--text_column", "tweet"], "no column 'tweet' among"),
        ([RESUME, "nowhere"], "nowhere: no such checkpoint"),
        (["--save_strategy", "steps"], "save"),
        (["--precision", "int3"], "precision is 'int3'"),
        (["--max_length", "0"], "max_length is 0"),
        (
            ["--metric_for_best_model", "f1_macro"],
            "metric_for_best_model is 'f1_macro', but must be",
        ),
        (["--per_device_train_batch_size", "0"], "per_device_train_batch_size is 0"),
        (["--num_train_epochs", "0"], "num_train_epochs is 0"),
        (["--early_stopping_patience", "-1"], "early_stopping_patience is -1"),
        (["--seed", "-1"], "seed is -1"),
        (["--data_seed", "4294967296"], "data_seed is 4294967296"),
        (["--prediction_loss_only"], "prediction_loss_only is True, but must be False"),
        (["--eval_do_concat_batches", "False"], "eval_do_concat_batches is False, but must be True"),
        (["--batch_eval_metrics"], "batch_eval_metrics is True, but must be False"),
    ],
)
def test_wrong_arguments_end_in_one_line_and_leave_nothing(tmp_path, monkeypatch, signals, arguments, message):
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(REPOSITORY / "scripts" / "train.py"))["main"]
    with pytest.raises(SystemExit) as error:
        main(["--config", "quickstart", "--output_dir", "run", *arguments])
    assert message in str(error.value.code)
    assert not (tmp_path / "run").exists()
