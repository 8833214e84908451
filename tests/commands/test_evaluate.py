import json
import shutil

import numpy as np
import pandas as pd
import pytest
from commands import run_main
from pictures import texts_of
from safetensors.numpy import load_file, save_file
from transformers import pipeline

from hf_brnn.commands.evaluate import main


@pytest.fixture
def evaluate(float_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_main(main, float_model, *arguments, capsys=capsys)


def test_it_writes_metrics_plots_and_predictions(evaluate, float_model, write_file, tmp_path):
    labels = ["positive", "positive", "negative", "negative", "neutral"]
    rows = list(zip(["so happy today", "love it, great", "worst day ever", "i hate this, awful", "meh"], labels))
    source = write_file("test.csv", "sentiment,text\n" + "".join(f'{label},"{text}"\n' for text, label in rows))
    ended = evaluate("--data_files", source)
    folder = tmp_path / "runs" / "model.evaluation"
    metrics = json.loads((folder / "metrics.json").read_text())
    predictions = pd.read_csv(folder / "predictions.csv")
    assert metrics["rows"] == len(predictions) == 4
    assert metrics["neutral_left_out"] == 1
    assert metrics["accuracy"] == (predictions["label"] == predictions["predicted"]).mean()
    assert metrics["per_class"]["POSITIVE"]["support"] == 2
    assert np.sum(metrics["confusion_matrix"]) == 2
    assert predictions["text"].tolist() == [text for text, label in rows if label != "neutral"]
    classifier = pipeline("text-classification", model=str(float_model), trust_remote_code=True)
    expected = [result["score"] for result in classifier(predictions["text"].tolist())]
    np.testing.assert_allclose(predictions["score"], expected, atol=1e-5)
    for name in ("confusion_matrix", "precision_recall", "reliability", "risk_coverage"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert any(text.startswith("model: ") for text in texts_of(folder / f"{name}.svg"))
    chosen = [row["rows"] for row in metrics["by_threshold"]["POSITIVE"]]
    assert chosen == sorted(chosen, reverse=True)
    assert metrics["risk_coverage"]["curve"][-1]["accuracy"] == metrics["accuracy"]
    for line in (
        "accuracy",
        "class     precision  recall",
        "Share of each true class",
        "Area under the risk-coverage curve: ",
        "threshold  POSITIVE precision  POSITIVE recall",
    ):
        assert line in ended.stdout


def test_a_model_directory_is_never_written_into(float_model, write_file, tmp_path, capsys):
    folder = shutil.copytree(float_model, tmp_path / "model")
    source = write_file("test.csv", "label,text\n0,x\n1,y\n")
    ended = run_main(main, folder, "--data_files", source, "--output_dir", folder, capsys=capsys)
    assert f"{folder} holds the config.json of a model. Choose another --output_dir" in ended.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in float_model.iterdir())


def test_it_wants_rows_with_the_labels_of_the_model(evaluate, write_file):
    source = write_file("test.csv", "label,text\na,x\nb,y\n")
    assert "label 'a' is not one of" in evaluate("--data_files", source).stderr
    assert "name the rows" in evaluate().stderr
    assert "name the rows" in evaluate("--dataset_split", "test").stderr
    other_order = ("--data_files", source, "--label_names", "POSITIVE", "NEGATIVE")
    assert "Leave out --label_names" in evaluate(*other_order).stderr


@pytest.mark.parametrize("option", ["--checklist", "--behaviour"])
def test_the_checklist_finds_what_the_tokenizer_ignores(evaluate, tmp_path, option):
    ended = evaluate(option, "--output_dir", "out")
    report = json.loads((tmp_path / "out" / "checklist.json").read_text())
    for capability in ("@names", "addresses", "case", "repeated punctuation", "outer white space"):
        assert report["rates"][capability]["pass rate"] == 1
        assert capability in ended.stdout
    assert report["rates"]["negation"]["checks"] > 50


def test_the_checklist_needs_two_labels(float_model, tmp_path, capsys):
    folder = shutil.copytree(float_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b", "2": "c"}}))
    ended = run_main(main, folder, "--checklist", capsys=capsys)
    assert ended.code == 1
    assert "names 3 labels, but the classifier" in ended.stderr


def test_the_checklist_compares_negative_and_positive_of_three_labels(float_model, tmp_path, capsys):
    folder = shutil.copytree(float_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    # Neutral is the most probable label of every text.
    for name, shift in (("weight", 0), ("bias", np.float32([20, 0, 0]))):
        tensors[f"classifier.{name}"] = tensors[f"classifier.{name}"][[0, 1, 0]] + np.float32(shift)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    names = {"0": "neutral", "1": "positive", "2": "negative"}
    ids = {name: int(index) for index, name in names.items()}
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names, "label2id": ids}))
    rates = []
    for name, model in (("two", float_model), ("three", folder)):
        ended = run_main(main, model, "--checklist", "--output_dir", tmp_path / name, capsys=capsys)
        assert ended.code == 0, ended.stderr
        rates.append(json.loads((tmp_path / name / "checklist.json").read_text())["rates"])
    assert rates[0] == rates[1]


def test_the_old_spelling_of_the_model_works(float_model, capsys):
    ended = run_main(main, "--model", float_model, capsys=capsys)
    assert "name the rows" in ended.stderr
