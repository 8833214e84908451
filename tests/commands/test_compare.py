import json
import shutil

import pandas as pd
import pytest
from commands import run_main

from hf_brnn.commands.compare import main
from hf_brnn.inference.classifier import TorchClassifier

TEXTS = ["so happy today", "love it, great", "worst day ever", "i hate this, awful", "happy, but sad too"]
LABELS = ["POSITIVE", "POSITIVE", "NEGATIVE", "NEGATIVE", "NEGATIVE"]


@pytest.fixture
def other_model(float_model, tmp_path):
    """The same weights with the names of the labels exchanged: it gives each text the other label."""
    folder = shutil.copytree(float_model, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    names = {"id2label": {"0": "POSITIVE", "1": "NEGATIVE"}, "label2id": {"POSITIVE": 0, "NEGATIVE": 1}}
    (folder / "config.json").write_text(json.dumps(config | names))
    return folder


@pytest.fixture
def source(write_file):
    return write_file("test.csv", "label,text\n" + "".join(f'{row[0]},"{row[1]}"\n' for row in zip(LABELS, TEXTS)))


def test_it_compares_by_the_names_of_the_labels(float_model, other_model, source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ended = run_main(main, float_model, other_model, "--data_files", source, capsys=capsys)
    folder = tmp_path / "runs" / "model.vs.other"
    found = json.loads((folder / "comparison.json").read_text())
    rows = pd.read_csv(folder / "disagreements.csv")
    classifier = TorchClassifier(float_model)
    predicted = classifier.predict(TEXTS)
    right = sum(guess == label for guess, label in zip(predicted, LABELS))
    assert found["rows"] == 5
    assert (found["a_alone"], found["b_alone"]) == (right, 5 - right)
    assert found["metrics"]["accuracy"]["a"] == pytest.approx(right / 5)
    assert found["metrics"]["accuracy"]["b"] == pytest.approx(1 - right / 5)
    assert found["per_class"]["b"]["NEGATIVE"]["support"] == 3
    assert rows["text"].tolist() == TEXTS
    assert rows["label"].tolist() == LABELS
    assert rows["label_a"].tolist() == predicted
    assert (rows["label_a"] != rows["label_b"]).all()
    assert rows["score_a"].tolist() == pytest.approx(classifier(TEXTS).max(axis=1).tolist())
    assert rows["score_b"].tolist() == pytest.approx(rows["score_a"].tolist())
    for line in ("Exact McNemar test: p = ", "class     rows  precision A", "has the 5 rows that A and B label"):
        assert line in ended.stdout


def test_models_that_agree_leave_an_empty_file(float_model, source, tmp_path, capsys):
    output = ("--output_dir", tmp_path / "out")
    ended = run_main(main, float_model, float_model, "--data_files", source, *output, capsys=capsys)
    assert "p = 1\n" in ended.stdout
    assert (tmp_path / "out" / "disagreements.csv").read_text() == "text,label,label_a,score_a,label_b,score_b\n"


def test_models_with_other_labels_are_refused(float_model, other_model, source, capsys):
    config = json.loads((other_model / "config.json").read_text())
    (other_model / "config.json").write_text(json.dumps(config | {"id2label": {"0": "bad", "1": "good"}}))
    ended = run_main(main, float_model, other_model, "--data_files", source, capsys=capsys)
    assert "Compare models with the same labels." in ended.stderr
    assert "NEGATIVE, POSITIVE" in ended.stderr and "bad, good" in ended.stderr


def test_results_are_never_written_into_a_model(float_model, other_model, source, capsys):
    files = ("--data_files", source, "--output_dir", other_model)
    ended = run_main(main, float_model, other_model, *files, capsys=capsys)
    assert f"{other_model} holds the config.json of a model. Choose another --output_dir" in ended.stderr
