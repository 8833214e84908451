"""A stock `Trainer` fine-tunes the model that ships, and the directory that it saves works in every command."""

import json
import pickle
import shutil

import numpy as np
import pytest
from commands import run_main
from forks import run_in_fork
from processes import run_new_python
from transformers import AutoModelForSequenceClassification

import hf_brnn
from hf_brnn import PRETRAINED
from hf_brnn.commands import evaluate, export, predict
from hf_brnn.commands import push as push_command
from hf_brnn.commands import train as train_command
from hf_brnn.hub.card import build_card
from hf_brnn.hub.layout import check_graph

FINE_TUNE = """
import sys
from datasets import Dataset
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
                          TrainingArguments)
folder, target = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
names = {0: "calm", 1: "angry", 2: "glad"}
model = AutoModelForSequenceClassification.from_pretrained(
    folder, trust_remote_code=True, num_labels=3, id2label=names, label2id={names[label]: label for label in names},
    ignore_mismatched_sizes=True)
assert type(model).__module__.startswith("transformers_modules."), type(model).__module__
texts = ["a quiet day", "I hate this, awful", "so happy with it"] * 20
rows = Dataset.from_dict({"text": texts, "labels": [0, 1, 2] * 20})
rows = rows.map(lambda row: tokenizer(row["text"], truncation=True, max_length=64), remove_columns="text")
arguments = TrainingArguments(target, num_train_epochs=5, learning_rate=1e-2, per_device_train_batch_size=16,
                              report_to="none", save_strategy="no", use_cpu=True, disable_tqdm=True)
trainer = Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer,
                  data_collator=DataCollatorWithPadding(tokenizer))
trainer.train()
trainer.save_model(target)
"""


class Opened:
    def __reduce__(self):
        return (open, ("opened", "w"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What `Trainer.save_model` saves, with a pickle that shows whether it was opened."""
    folder = tmp_path_factory.mktemp("trainer") / "moods"
    run = run_in_fork("-c", FINE_TUNE, PRETRAINED, folder, cwd=folder.parent)
    assert (folder / "training_args.bin").is_file(), run.stderr
    (folder / "training_args.bin").write_bytes(pickle.dumps(Opened()))
    return folder


@pytest.fixture
def folder(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield shutil.copytree(saved, tmp_path / "moods")
    assert not (tmp_path / "opened").exists(), "training_args.bin was unpickled"


@pytest.mark.slow
def test_a_new_process_without_this_package_fine_tunes_the_model_that_ships(tmp_path):
    """Nothing of the package is importable there."""
    guard = "import sys; sys.modules['hf_brnn'] = None\n"
    run_new_python("-c", guard + FINE_TUNE, PRETRAINED, tmp_path / "moods", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    classifier = hf_brnn.load(tmp_path / "moods")
    assert classifier.predict(["I hate this, awful", "so happy with it"]) == ["angry", "glad"]


def test_predict_and_evaluate_name_the_pickle_and_do_not_open_it(folder, capsys, caplog):
    run = run_main(predict.main, folder, "I hate this, awful", "so happy with it", capsys=capsys)
    assert run.code == 0, run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["angry", "glad"]
    assert "moods holds training_args.bin, a pickle" in caplog.text
    (folder.parent / "rows.csv").write_text("text,label\nI hate this,angry\nso happy with it,glad\na quiet day,calm\n")
    arguments = ("--data_files", "rows.csv", "--output_dir", "figures")
    assert run_main(evaluate.main, folder, *arguments, capsys=capsys).code == 0


def test_it_is_exported_and_pushed_with_a_card_and_without_the_pickle(folder, server, capsys):
    assert run_main(export.main, folder, capsys=capsys).code == 0
    texts = ["I hate this, awful", "so happy with it"]
    assert hf_brnn.load(folder).predict(texts) == ["angry", "glad"]
    arguments = (folder, "--repo_id", "alice/moods")
    refused = run_main(push_command.main, *arguments, capsys=capsys)
    assert refused.code == 1
    assert "has no README.md, the model card. Add --write_card" in refused.stderr
    assert not server.requests
    pushed = run_main(push_command.main, *arguments, "--write_card", capsys=capsys)
    assert pushed.code == 0, pushed.stderr
    files = server.repositories["alice/moods"].find("main").files
    assert {"README.md", "model.safetensors", "modeling_brnn.py", "onnx/model.onnx"} <= files.keys()
    assert "training_args.bin" not in files
    assert b"calm, angry, glad" in files["README.md"]


def test_a_training_starts_from_it(folder, capsys):
    texts = (("a quiet day", "calm"), ("I hate this", "angry"), ("so happy", "glad"))
    rows = [f"{text} {number},{label}" for number in range(10) for text, label in texts]
    (folder.parent / "rows.csv").write_text("text,label\n" + "\n".join(rows))
    arguments = ("rows.csv", "--model_name_or_path", folder, "--num_train_epochs", 1, "--validation_size", 3)
    run = run_main(train_command.main, *arguments, capsys=capsys)
    assert run.code == 0, run.stderr
    assert json.loads((folder.parent / "runs" / "rows" / "config.json").read_text())["id2label"]["1"] == "angry"


def test_checkpoints_beside_it_are_not_opened_either(folder):
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "optimizer.pt").write_bytes(pickle.dumps(Opened()))
    assert hf_brnn.load(folder).predict(["so happy with it"]) == ["glad"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The model that ships in shards of 1 MB, beside files of its directory."""
    folder = shutil.copytree(
        PRETRAINED, tmp_path_factory.mktemp("shards") / "brnn", ignore=shutil.ignore_patterns("onnx")
    )
    (folder / "model.safetensors").unlink()
    model = AutoModelForSequenceClassification.from_pretrained(PRETRAINED)
    model.save_pretrained(folder, max_shard_size="1MB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    return folder


def test_shards_load_in_every_command(shards, tmp_path, capsys):
    folder = shutil.copytree(shards, tmp_path / "brnn")
    texts = ["so happy today", "worst day ever"]
    expected = hf_brnn.inference.classifier.TorchClassifier(PRETRAINED)(texts)
    np.testing.assert_allclose(hf_brnn.load(folder)(texts), expected, atol=1e-6)
    assert run_main(export.main, folder, capsys=capsys).code == 0
    for graph in ("model.onnx", "model_quantized.onnx"):
        check_graph(folder / "onnx" / graph, folder)
    np.testing.assert_allclose(hf_brnn.load(folder)(texts), expected, atol=0.05)
    parameters = [line for line in build_card(folder).text.splitlines() if "parameters" in line]
    assert parameters == [
        line for line in build_card(hf_brnn.PRETRAINED_FOLDER).text.splitlines() if "parameters" in line
    ]
    run = run_main(push_command.main, folder, "--repo_id", "a/b", "--dry_run", capsys=capsys)
    assert run.code == 0, run.stderr
    assert "model-00001-of-" in run.stdout


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: next(folder.glob("model-00001*")).unlink(), "it has no model-00001-of-"),
        (lambda folder: next(folder.glob("model-00001*")).write_bytes(b"x" * 99), "holds no complete"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("{}"), "is not an index of weights"),
        (
            lambda folder: (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b"}}'),
            r"names \['../b'\], expected files such as",
        ),
    ],
)
def test_shards_that_are_not_whole_are_refused(shards, tmp_path, damage, message):
    folder = shutil.copytree(shards, tmp_path / "brnn")
    damage(folder)
    with pytest.raises((OSError, ValueError), match=message):
        hf_brnn.load(folder)


@pytest.mark.slow
def test_a_training_that_evaluates_in_16_bits_saves_the_bytes_of_one_that_does_not(tmp_path):
    for name, options in (("plain", ()), ("cast", ("--bf16_full_eval",))):
        short = ("--config", "quickstart", "--num_train_epochs", 1, "--max_rows", 200, "--hidden_size", 16)
        run_in_fork("scripts/train.py", *short, *options, "--output_dir", tmp_path / name)
    plain, cast = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "cast"))
    assert plain == cast
