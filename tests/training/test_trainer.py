import hashlib
import itertools
import json
import os
import platform
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from arguments import parse_arguments
from processes import REPOSITORY, SHORT, run_new_python, run_python, start_training, train, wait_until
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerControl, TrainerState

from hf_brnn.data.arguments import SAMPLE_FILE
from hf_brnn.data.dataset import MAX_BATCH_TOKENS, LengthBatchSampler, TokenizedDataset
from hf_brnn.data.rows import load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.training import trainer as training
from hf_brnn.training.build import build_trainer
from hf_brnn.training.callbacks import CurvesCallback
from hf_brnn.training.device import describe_processor
from hf_brnn.training.history import epoch_history
from hf_brnn.training.options import recipe_path
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed import batchwise_dropout
from hf_brnn.training.trainer import MAX_MICRO_BATCH_TOKENS, STEPS_PER_SYNC, collate, use_one_gpu

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_command_line_overrides_the_file():
    arguments = parse_arguments(["--config", str(QUICKSTART), "--hidden_size", "9", "--seed", "3"], QUICKSTART)
    values = yaml.safe_load(QUICKSTART.read_text())
    assert arguments.model.hidden_size == 9
    assert arguments.model.embedding_size == values["embedding_size"]
    assert arguments.training.learning_rate == values["learning_rate"]
    assert arguments.training.output_dir == "runs/quickstart"
    assert arguments.config["seed"] == 3
    assert "output_dir" not in arguments.config


def test_the_resolved_configuration_names_no_folder(tmp_path):
    arguments = parse_arguments(["--data_files", f"{tmp_path}/a.csv", "--output_dir", str(tmp_path)], QUICKSTART)
    assert arguments.config["data_files"] == ["a.csv"]
    assert str(tmp_path) not in yaml.safe_dump(arguments.config)


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml")))
def test_every_configuration_is_read(name):
    parse_arguments(["--config", str(REPOSITORY / "configs" / name)], QUICKSTART)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hiden_size: 3", "unknown key 'hiden_size'. Did you mean hidden_size?"),
        ("[1, 2]", "must hold"),
        ("a: [", "not a YAML file"),
    ],
)
def test_a_wrong_configuration_file_is_named(write_file, content, message):
    path = write_file("wrong.yaml", content)
    with pytest.raises(ValueError, match=r"wrong\.yaml") as error:
        parse_arguments(["--config", str(path)], QUICKSTART)
    assert message in str(error.value)


def test_a_missing_configuration_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml"):
        parse_arguments(["--config", "nowhere.yaml"], QUICKSTART)


@pytest.mark.parametrize("arguments", [["--hidden_size", "many"], ["--no_such_argument", "1"]])
def test_a_wrong_argument_is_refused(arguments, capsys):
    with pytest.raises((SystemExit, ValueError)) as error:
        parse_arguments(arguments, QUICKSTART)
    assert arguments[0] in capsys.readouterr().err + str(error.value)


@pytest.mark.parametrize(
    ("arguments", "bf16", "expected"),
    [
        ([], True, "bf16"),
        ([], False, "fp32"),
        (["--precision", "fp32"], True, "fp32"),
        (["--precision", "bf16"], False, "bf16"),
        (["--bf16"], False, "bf16"),
    ],
)
def test_the_precision_is_what_the_processor_has_or_what_is_asked_for(monkeypatch, arguments, bf16, expected):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": bf16, "cpu_name": "Some CPU"})
    training_args = parse_arguments(arguments, QUICKSTART).training
    assert describe_processor(training_args).endswith(f"threads of Some CPU, {expected}")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system can't bind a process to cores")
def test_there_are_no_more_threads_than_cores_that_the_process_may_use(tmp_path):
    code = f"""
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from hf_brnn.training.arguments import BrnnTrainingArguments
from hf_brnn.training.device import describe_processor, prepare_cpu
training_args = BrnnTrainingArguments(output_dir={str(tmp_path)!r}, use_cpu=True)
prepare_cpu(training_args)
print(describe_processor(training_args))
"""
    assert run_python("-c", code).stdout.startswith("1 x 1 threads of ")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system can't bind a process to cores")
@pytest.mark.parametrize(("variables", "threads"), [({}, 1), ({"LOCAL_WORLD_SIZE": "1"}, os.cpu_count())])
def test_a_number_of_threads_is_kept_unless_a_launcher_set_it(tmp_path, variables, threads):
    code = f"""
import os
os.sched_setaffinity(0, range(os.cpu_count()))
from hf_brnn.training.arguments import BrnnTrainingArguments
from hf_brnn.training.device import describe_processor, prepare_cpu
training_args = BrnnTrainingArguments(output_dir={str(tmp_path)!r}, use_cpu=True)
prepare_cpu(training_args)
print(describe_processor(training_args))
"""
    assert run_new_python("-c", code, OMP_NUM_THREADS="1", **variables).stdout.startswith(f"1 x {threads} threads of ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the system has no glibc")
def test_a_step_has_the_memory_of_the_step_before():
    code = """
import resource
import torch
from hf_brnn.training.device import keep_freed_memory

def page_faults_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**26, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# The block that a step frees may begin at an address that does not suit the next one, but suits a later one.
page_faults_of_a_step()
print(min(page_faults_of_a_step() for _ in range(9)))
keep_freed_memory()
print(min(page_faults_of_a_step() for _ in range(9)))
"""
    by_default, kept = map(int, run_python("-c", code).stdout.split())
    assert kept < by_default / 4


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'int3'"):
        parse_arguments(["--precision", "int3"], QUICKSTART)


@pytest.mark.parametrize("arguments", [["--precision", "fp16"], ["--fp16"]])
def test_float16_on_a_cpu_is_refused(arguments):
    with pytest.raises(ValueError, match="precision is fp16, but a CPU trains in bf16 or fp32 only"):
        parse_arguments([*arguments, "--use_cpu"], QUICKSTART)


@pytest.mark.parametrize("option", ["--bf16_full_eval", "--fp16_full_eval"])
def test_an_evaluation_in_16_bits_leaves_the_weights_as_they_are(tmp_path, option):
    argv = [*map(str, SHORT), "--output_dir", str(tmp_path), "--ngram_embeddings", "--use_cpu", "--precision", "fp32"]
    arguments = parse_arguments([*argv, option], QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    dtypes = []
    trainer.model.classifier.register_forward_hook(lambda module, inputs, output: dtypes.append(output.dtype))

    def tensors():
        return {name: value.clone() for name, value in (*model.named_parameters(), *model.named_buffers())}

    model = trainer.model
    before = tensors()
    trainer.evaluate()
    assert set(dtypes) == {torch.bfloat16 if "bf16" in option else torch.float16}
    torch.testing.assert_close(tensors(), before, rtol=0, atol=0)


def test_history_has_an_entry_an_epoch():
    log = [
        {"loss": 0.7, "accuracy": 0.5, "grad_norm": 1.0, "epoch": 1.0, "step": 5},
        {"eval_loss": 0.6, "eval_accuracy": 0.6, "epoch": 1.0, "step": 5},
        {"train_runtime": 3.0, "train_loss": 0.7, "epoch": 1.0, "step": 5},
    ]
    assert epoch_history(log) == [{"epoch": 1.0, "loss": 0.7, "accuracy": 0.5, "eval_loss": 0.6, "eval_accuracy": 0.6}]


def test_curves_are_drawn_while_a_longer_training_runs(tmp_path, monkeypatch):
    clock = [0]
    monkeypatch.setattr("hf_brnn.training.callbacks.time.monotonic", lambda: clock[0])
    callback = CurvesCallback(tmp_path, "validation")
    state = TrainerState(log_history=[{"epoch": 1.0, "loss": 0.6, "eval_loss": 0.5, "eval_accuracy": 0.7}])
    for seconds, drawn in ((29, []), (31, ["curves.png", "curves.svg"]), (60, [])):
        clock[0] = seconds
        callback.on_evaluate(None, state, TrainerControl())
        assert sorted(path.name for path in tmp_path.iterdir()) == drawn
        for path in tmp_path.iterdir():
            path.unlink()


def test_the_quickstart_learns_and_logs(saved_folder):
    metrics = json.loads((saved_folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.75
    first, last = metrics["history"][0], metrics["history"][-1]
    assert last["loss"] < first["loss"]
    assert last["accuracy"] > max(0.9, first["accuracy"])
    assert len(metrics["history"]) >= 5


def test_the_accuracy_of_an_epoch_is_that_of_all_its_rows(tmp_path):
    """Of more steps than are counted at once, by a model that stays as it is."""
    dropout = ("--embedding_dropout", 0, "--word_dropout", 0, "--classifier_dropout", 0)
    steps = ("--per_device_train_batch_size", 5, "--num_train_epochs", 2, "--learning_rate", 0, "--max_grad_norm", 0)
    argv = list(map(str, (*SHORT, *steps, *dropout, "--precision", "fp32", "--output_dir", tmp_path)))
    arguments = parse_arguments(argv, QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    prediction = trainer.predict(data.train)
    expected = (prediction.predictions.argmax(-1) == data.train.labels).mean()
    assert trainer.state.global_step / 2 > STEPS_PER_SYNC
    assert [entry["accuracy"] for entry in logs] == [expected] * 2
    assert not any("grad_norm" in entry for entry in logs)


def test_two_runs_give_equal_weights_and_another_seed_others(tmp_path):
    for name, seed in (("a", 42), ("b", 42), ("c", 43)):
        train(tmp_path / name, *SHORT, "--seed", seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def sample_rows(folder):
    data_args = parse_arguments(["--config", str(folder / "training_config.yaml")], QUICKSTART).data
    return load_rows(data_args), data_args


def is_json(path):
    try:
        return bool(json.loads(path.read_text()))
    except ValueError:
        return False


def kill_after_first_checkpoint(output_dir, *arguments):
    process = start_training(output_dir, *arguments)
    # What is written last, and not at once: a checkpoint whose state is cut off is none.
    wait_until(
        lambda: any(
            is_json(path) for path in Path(f"{output_dir}.checkpoints").glob("checkpoint-*/trainer_state.json")
        ),
        process,
    )
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_killed_and_resumed_run_gives_the_weights_of_one_that_was_not(tmp_path):
    arguments = (
        *SHORT,
        "--num_train_epochs",
        10,
        "--recurrent_dropout",
        0.2,
        "--input_dropout",
        0.1,
        "--adversarial_epsilon",
        0.1,
    )
    train(tmp_path / "whole", *arguments)
    assert not list(Path(f"{tmp_path}/whole.checkpoints").glob("checkpoint-*"))
    kill_after_first_checkpoint(tmp_path / "killed", *arguments)
    process = train(tmp_path / "killed", *arguments, check=False)
    assert "of an interrupted run" in process.stderr
    train(tmp_path / "killed", *arguments, "--resume_from_checkpoint")
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    for folder in ("whole", "killed"):
        history = json.loads((tmp_path / folder / "metrics.json").read_text())["history"]
        assert [entry["epoch"] for entry in history] == list(range(1, len(history) + 1))
    assert f"Trained for {len(history)} epochs in " in (tmp_path / "whole" / "README.md").read_text()
    killed_card = (tmp_path / "killed" / "README.md").read_text()
    assert re.search(rf"Trained for {len(history)} epochs, those after epoch \d+, in ", killed_card)


def test_a_checkpoint_of_other_rows_is_refused(tmp_path):
    rows = tmp_path / "rows.csv"
    header, *lines = SAMPLE_FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    rows.write_text("".join([header, *lines[:800]]), encoding="utf-8")
    arguments = ("--data_files", rows, *SHORT, "--num_train_epochs", 100)
    kill_after_first_checkpoint(tmp_path / "run", *arguments)
    rows.write_text("".join([header, *lines[800:1600]]), encoding="utf-8")
    process = train(tmp_path / "run", *arguments, "--resume_from_checkpoint", check=False)
    assert "another vocabulary" in process.stderr


def test_resuming_without_a_checkpoint_is_refused(tmp_path):
    process = train(tmp_path / "new", "--resume_from_checkpoint", check=False)
    assert process.returncode
    message = f"{tmp_path}/new.checkpoints holds no checkpoint to resume: start without --resume_from_checkpoint.\n"
    assert process.stderr == f"hf-brnn train: error: {message}"
    assert not list(tmp_path.iterdir())


def test_every_epoch_has_an_order_of_its_own(tmp_path, monkeypatch):
    epochs = []
    monkeypatch.setattr(LengthBatchSampler, "set_epoch", lambda self, epoch: epochs.append(epoch))
    arguments = parse_arguments([*map(str, SHORT), "--output_dir", str(tmp_path)], QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    build_trainer(arguments.model, arguments.training, data).train()
    assert sorted(set(epochs)) == [0, 1, 2]


def test_a_very_long_text_to_evaluate_on_is_read_whole(tmp_path):
    arguments = parse_arguments(["--output_dir", str(tmp_path), *map(str, SHORT)], QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    lengths = np.array([3, 30_000, 5, 0] * 10)
    ids = np.random.default_rng(0).integers(2, 50, lengths.sum()).astype(np.int32)
    texts = TokenizedDataset(ids, np.concatenate(([0], lengths)).cumsum(), np.zeros(40, np.int64), 0)
    assert max(batch["input_ids"].numel() for batch in trainer.get_test_dataloader(texts)) <= MAX_BATCH_TOKENS
    found = trainer.predict(texts).predictions
    trainer.model.eval()
    for row in (0, 1, 3):
        with torch.no_grad(), trainer.compute_loss_context_manager():
            expected = trainer.model(**collate(texts.batch(np.array([row])))).logits.float()
        np.testing.assert_allclose(found[row], expected[0], atol=1e-2)


def test_a_step_of_long_texts_reads_them_in_parts_and_gives_the_same_gradients(tmp_path, monkeypatch):
    dropout = ("--embedding_dropout", 0, "--word_dropout", 0, "--classifier_dropout", 0, "--pooling", "last")
    argv = list(map(str, (*SHORT, *dropout, "--precision", "fp32", "--use_cpu", True, "--output_dir", tmp_path)))
    arguments = parse_arguments(argv, QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    trainer.current_gradient_accumulation_steps = 1
    model, batch = trainer.model.double(), collate(data.train.batch(np.arange(32)))
    sizes = []

    def see(module, args, inputs):
        sizes.append(inputs["input_ids"].shape)
        assert inputs["attention_mask"].any(0).all(), "a column of padding alone"

    model.register_forward_pre_hook(see, with_kwargs=True)
    found = []
    for limit in (MAX_MICRO_BATCH_TOKENS, 100, 1):
        monkeypatch.setattr(training, "MAX_MICRO_BATCH_TOKENS", limit)
        model.zero_grad()
        loss = trainer.training_step(model, batch, torch.tensor(32))
        found.append([loss, *(parameter.grad.to_dense() for parameter in model.parameters())])
    assert sizes[0] == batch["input_ids"].shape
    assert all(rows * length <= 100 or rows == 1 for rows, length in sizes[1:])
    assert sum(rows for rows, _ in sizes) == 3 * 32
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])


def test_the_adversarial_gradient_is_that_of_the_paper(tmp_path):
    plain = ("--embedding_dropout", 0, "--word_dropout", 0, "--classifier_dropout", 0, "--precision", "fp32")
    argv = map(
        str,
        (*SHORT, *plain, "--output_dir", tmp_path, "--use_cpu", True, "--adversarial_epsilon", 0.3, "--optim", "sgd"),
    )
    arguments = parse_arguments(list(argv), QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    trainer.current_gradient_accumulation_steps = 1
    model, batch = trainer.model, collate(data.train.batch(np.arange(8)))
    trainer.training_step(model, batch, torch.tensor(8))
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    model.zero_grad()
    ids, mask, labels = batch["input_ids"], batch["attention_mask"], batch["labels"]
    embeddings = model.get_input_embeddings()(ids)
    loss = torch.nn.functional.cross_entropy(model(inputs_embeds=embeddings, attention_mask=mask).logits, labels)
    (gradient,) = torch.autograd.grad(loss, embeddings, retain_graph=True)
    moved = embeddings + torch.stack([0.3 * row / row.square().sum().sqrt() for row in gradient])
    moved_logits = model(inputs_embeds=moved, attention_mask=mask).logits
    (loss + torch.nn.functional.cross_entropy(moved_logits, labels)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-6, rtol=1e-4)


def test_both_passes_of_adversarial_training_drop_the_same(tmp_path, monkeypatch):
    dropped = []
    dropout, select_channels = torch.nn.functional.dropout, batchwise_dropout.select_channels

    def watch_dropout(*args, **kwargs):
        output = dropout(*args, **kwargs)
        dropped.append(output == 0)
        return output

    def watch_channels(values, channels):
        dropped.append(channels)
        return select_channels(values, channels)

    monkeypatch.setattr(torch.nn.functional, "dropout", watch_dropout)
    monkeypatch.setattr(batchwise_dropout, "select_channels", watch_channels)
    argv = map(str, (*SHORT, "--output_dir", tmp_path, "--use_cpu", True, "--adversarial_epsilon", 1e-9))
    arguments = parse_arguments(list(argv), QUICKSTART)
    data = prepare_data(arguments.data, arguments.training, tmp_path / "data")
    trainer = build_trainer(arguments.model, arguments.training, data)
    trainer.current_gradient_accumulation_steps = 1
    trainer.training_step(trainer.model, collate(data.train.batch(np.arange(8))), torch.tensor(8))
    first, second = dropped[: len(dropped) // 2], dropped[len(dropped) // 2 :]
    # The channels that tokens and the weights of both directions are cut to, and those that the classifier reads.
    assert len(first) == 4
    for one, other in zip(first, second):
        assert torch.equal(one, other)


@pytest.mark.parametrize("value", [-1, "nan", "inf"])
def test_an_impossible_adversarial_norm_is_refused(value):
    with pytest.raises(ValueError, match="adversarial_epsilon is"):
        parse_arguments(["--adversarial_epsilon", str(value)], QUICKSTART)


def test_the_saved_scores_are_those_of_the_calibrated_model(saved_folder):
    metrics = json.loads((saved_folder / "metrics.json").read_text())
    weights = load_file(saved_folder / "model.safetensors")
    assert metrics["temperature"] > 0
    assert metrics["temperature"] != 1
    assert weights["classifier.weight"].isfinite().all()
    rows = split_rows(*sample_rows(saved_folder))["validation"]
    probabilities = TorchClassifier(saved_folder)(rows.texts)
    loss = -np.log(probabilities[np.arange(len(rows)), rows.labels]).mean()
    assert metrics["validation"]["loss"] == pytest.approx(loss, abs=2e-3)


@pytest.mark.parametrize(
    "arguments",
    [("--max_grad_norm", 0), ("--optim", "sgd"), ("--adversarial_epsilon", 0.1), ("--gradient_accumulation_steps", 2)],
)
def test_other_optimizers_and_no_clipping_train_too(tmp_path, arguments):
    train(tmp_path / "run", *SHORT, "--num_train_epochs", 1, *arguments)


def test_the_least_calibration_error_is_the_best():
    arguments = parse_arguments(["--metric_for_best_model", "calibration_error"], QUICKSTART)
    assert arguments.training.greater_is_better is False
    training = parse_arguments(["--metric_for_best_model", "f1"], QUICKSTART).training
    assert (training.metric_for_best_model, training.greater_is_better) == ("macro_f1", True)


def test_patience_of_0_switches_early_stopping_off():
    assert parse_arguments([], QUICKSTART).training.early_stopping_patience == 5
    assert parse_arguments(["--early_stopping_patience", "0"], QUICKSTART).training.early_stopping_patience is None


def test_names_that_yaml_reads_as_booleans_are_refused(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("label_names: [no, yes]\n")
    with pytest.raises(ValueError, match=r"mine\.yaml: label_names holds False\. Put yes, no"):
        parse_arguments([], config)


def test_early_stopping_ends_the_run(tmp_path):
    train(tmp_path / "run", "--max_rows", 400, "--learning_rate", 0, "--early_stopping_patience", 2)
    assert len(json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]) == 3


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        (["--min_steps", 20], 5),  # 4 steps an epoch
        (["--min_steps", 20, "--num_train_epochs", 6], 6),
        (["--min_steps", 20, "--max_steps", 8], 2),
        (["--min_steps", 18, "--per_device_train_batch_size", 32, "--gradient_accumulation_steps", 2], 5),
        (["--min_steps", 3], 2),
    ],
)
def test_few_rows_get_more_epochs(tmp_path, options, epochs):
    sizes = ("--max_rows", 240, "--validation_size", 20, "--test_size", 20)
    process = train(
        tmp_path / "run", *sizes, "--num_train_epochs", 2, "--per_device_train_batch_size", 64, *options,
        "--early_stopping_patience", 0,
    )  # fmt: skip
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["history"][-1]["epoch"] == epochs
    assert (f"{epochs} epochs, because min_steps is" in process.stdout) == (epochs == 5)


def test_epochs_that_min_steps_adds_are_evaluated_less_often(tmp_path):
    sizes = ("--max_rows", 240, "--validation_size", 20, "--test_size", 20, "--per_device_train_batch_size", 64)
    train(tmp_path / "run", *sizes, "--num_train_epochs", 3, "--min_steps", 40, "--load_best_model_at_end", False)
    history = json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == [3, 6, 9, 10]
    assert all({"loss", "accuracy", "eval_accuracy"} <= entry.keys() for entry in history)


def test_a_process_with_several_gpus_trains_adversarially_on_one(tmp_path, caplog):
    arguments = parse_arguments(["--adversarial_epsilon", 0.1, "--output_dir", tmp_path], QUICKSTART)
    arguments.training._n_gpu = 3
    use_one_gpu(arguments.training)
    assert arguments.training.n_gpu == 1
    assert "Training on one of 3 GPUs" in caplog.text


@pytest.mark.parametrize(
    ("option", "name", "expected"),
    [
        (["--freeze", "encoder"], "ngram_embeddings", False),
        (["--freeze", "encoder", "--ngram_embeddings"], "ngram_embeddings", True),
        (["--metric_for_best_model", "macro_f1"], "load_best_model_at_end", True),
        (["--early_stopping_patience", 2], "load_best_model_at_end", True),
        (["--early_stopping_patience", 0], "load_best_model_at_end", False),
    ],
)
def test_an_option_sets_back_what_would_make_it_useless(option, name, expected):
    arguments = parse_arguments([*option, "--output_dir", "run"], recipe_path("finetune"))
    assert getattr(arguments.training, name) == expected


def test_a_given_number_of_epochs_overrides_min_steps_of_the_recipe(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("num_train_epochs: 2\nmin_steps: 100\n")
    assert parse_arguments([], recipe).training.min_steps == 100
    assert parse_arguments(["--num_train_epochs", 3], recipe).training.min_steps == 0
    assert parse_arguments(["--num_train_epochs", 3, "--min_steps", 7], recipe).training.min_steps == 7
    with pytest.raises(ValueError, match="min_steps is -1, but must be 0 or more"):
        parse_arguments(["--min_steps", -1], recipe)


def test_the_best_checkpoint_is_the_one_that_is_saved(tmp_path):
    train(tmp_path / "run", "--max_rows", 400, "--num_train_epochs", 6)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    best = max(metrics["history"], key=lambda entry: (entry["eval_accuracy"], -entry["eval_loss"]))
    assert metrics["validation"]["accuracy"] == best["eval_accuracy"]
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"The weights are those of epoch {best['epoch']:.0f}, the best on the validation split." in card


def test_of_epochs_with_the_same_metric_the_one_with_the_lowest_loss_is_saved(tmp_path, write_file):
    lines = [f"{'good' if row % 2 else 'bad'} day {row},{row % 2}" for row in range(200)]
    rows = write_file("easy.csv", "\n".join(["text,label", *lines[20:]]))
    validation = write_file("validation.csv", "\n".join(["text,label", *lines[:20]]))
    files = ("--data_files", rows, "--validation_files", validation, "--test_size", 0)
    train(tmp_path / "run", *files, "--num_train_epochs", 6, "--early_stopping_patience", 0)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    equal = [entry for entry in metrics["history"] if entry["eval_accuracy"] == 1]
    assert len(equal) > 1
    best = min(equal, key=lambda entry: entry["eval_loss"])
    assert metrics["training"]["best_epoch"] == best["epoch"] != equal[0]["epoch"]
    probabilities = TorchClassifier(tmp_path / "run")([line.partition(",")[0] for line in lines[:20]])
    logits = torch.from_numpy(probabilities).double().log() * metrics["temperature"]
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(20) % 2).item()
    assert loss == pytest.approx(best["eval_loss"], rel=1e-3)


def test_choosing_a_model_on_the_test_part_is_refused(tmp_path):
    process = train(tmp_path / "run", "--validation_size", 0, check=False)
    assert "set validation_size" in process.stderr
    assert not (tmp_path / "run").exists()


def test_a_training_is_watched_with_tensorboard(tmp_path):
    process = train(tmp_path / "run", *SHORT, "--report_to", "tensorboard")
    logs = Path(f"{tmp_path}/run.checkpoints")
    assert f"Logs are in {logs}" in process.stdout
    assert [path.name for path in logs.iterdir()] == ["runs"]
    events = EventAccumulator(str(next(logs.rglob("events.out.tfevents.*")).parent)).Reload()
    history = json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]
    for tag, name in (("train/accuracy", "accuracy"), ("eval/loss", "eval_loss")):
        assert [event.value for event in events.Scalars(tag)] == pytest.approx([entry[name] for entry in history])


def test_a_training_is_watched_with_trackio(tmp_path):
    arguments = ("--report_to", "trackio", "--project", "tweets")
    train(tmp_path / "run", *SHORT, *arguments, TRACKIO_DIR=str(tmp_path / "trackio"))
    history = json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]
    with closing(sqlite3.connect(tmp_path / "trackio" / "tweets.db")) as database:
        logged = [json.loads(metrics) for (metrics,) in database.execute("SELECT metrics FROM metrics ORDER BY id")]
    found = [entry["eval/accuracy"] for entry in logged if "eval/accuracy" in entry]
    assert found == pytest.approx([entry["eval_accuracy"] for entry in history])
    assert not Path(f"{tmp_path}/run.checkpoints").exists()


def test_words_that_share_no_ngrams_are_trained_too(tmp_path):
    texts = itertools.islice(itertools.product("qwrtpzxvm", repeat=3), 120)
    lines = [f"{' '.join(text)},{('NEGATIVE', 'POSITIVE')[row % 2]}\n" for row, text in enumerate(texts)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(lines))
    train(
        tmp_path / "saved", "--data_files", tmp_path / "rows.csv", "--ngram_embeddings", True, "--num_train_epochs", 1
    )
    assert (tmp_path / "saved" / "model.safetensors").exists()
