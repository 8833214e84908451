import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from forks import run_in_fork
from processes import REPOSITORY, run_python
from transformers import pipeline

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.evaluation.plots import plot_confusion_matrix

TEXTS = ["so happy today", "", "worst day ever, 'quoted' \"twice\"", "word " * 3000, "two\nlines 😀", "0012"]


def predict(saved_folder, *arguments, check=True):
    return run_in_fork("scripts/predict.py", "--model", saved_folder, *arguments, check=check)


def expected_scores(saved_folder, texts=TEXTS):
    return pipeline("text-classification", model=str(saved_folder), trust_remote_code=True)(list(texts))


def test_one_text_from_the_command_line(saved_folder):
    process = predict(saved_folder, "I do not recommend this product")
    assert "NEGATIVE" in process.stdout
    assert "I do not recommend this product" in process.stdout


def test_an_interrupted_run_says_so_and_leaves_no_file(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "so happy today\n" * 300_000)
    command = ["scripts/predict.py", "--model", PRETRAINED_FOLDER, "--input", source, "--output", tmp_path / "out.csv"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob("out.csv.*.part")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped."
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_comes_back_with_label_and_score(saved_folder, tmp_path, suffix):
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    frame = pd.DataFrame({"id": [f"00{i}" for i in range(len(TEXTS))], "text": TEXTS})
    separator = {"csv": ",", "tsv": "\t"}.get(suffix)
    if separator:
        frame.to_csv(source, sep=separator, index=False)
    elif suffix == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    else:
        frame.to_parquet(source)
    predict(saved_folder, "--input", source, "--output", target)
    if separator:
        scored = pd.read_csv(target, sep=separator, dtype={"id": str, "text": str}, keep_default_na=False)
    else:
        scored = pd.read_json(target, lines=True, dtype={"id": str}) if suffix == "jsonl" else pd.read_parquet(target)
    assert scored["id"].tolist() == frame["id"].tolist()
    assert scored["text"].tolist() == TEXTS
    expected = expected_scores(saved_folder)
    assert scored["label"].tolist() == [result["label"] for result in expected]
    np.testing.assert_allclose(scored["score"], [result["score"] for result in expected], atol=1e-5)


def test_a_text_file_is_a_text_a_line(saved_folder, write_file, tmp_path):
    source = write_file("in.txt", "so happy\n\nso sad\n")
    predict(saved_folder, "--input", source, "--output", tmp_path / "out.csv")
    scored = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert scored["text"].tolist() == ["so happy", "", "so sad"]


def test_many_rows_keep_their_order(saved_folder, tmp_path):
    texts = [f"{'happy' if i % 3 else 'sad'} {i} " + "really " * (i % 17) for i in range(25_000)]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "in.parquet")
    process = predict(saved_folder, "--input", tmp_path / "in.parquet", "--output", tmp_path / "out.parquet")
    assert "25,000 rows scored, 0 left out" in process.stdout
    scored = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert scored["text"].tolist() == texts
    sample = list(range(0, 25_000, 1250))
    expected = [result["score"] for result in expected_scores(saved_folder, [texts[i] for i in sample])]
    np.testing.assert_allclose(scored["score"].iloc[sample], expected, atol=1e-5)


def test_a_row_that_cannot_be_read_stops_the_run_or_is_listed(saved_folder, write_file, tmp_path):
    source = write_file("in.csv", "id,text\n1,good\n2,too,many\n3,bad\n")
    target = tmp_path / "out.csv"
    process = predict(saved_folder, "--input", source, "--output", target, check=False)
    assert process.returncode
    assert f"{source}, line 3: 3 fields instead of 2" in process.stderr
    assert not target.exists()
    process = predict(saved_folder, "--input", source, "--output", target, "--skip_bad_rows")
    assert f"{source}, line 3" in process.stderr
    assert "2 rows scored, 1 left out" in process.stdout
    assert pd.read_csv(target)["id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [("id,tweet\n1,x\n", "no column 'text' among id, tweet"), ("text,label\nx,1\n", "already has a column label")],
)
def test_columns_that_do_not_fit_are_named(saved_folder, write_file, tmp_path, content, message):
    source = write_file("in.csv", content)
    process = predict(saved_folder, "--input", source, "--output", tmp_path / "out.csv", check=False)
    assert message in process.stderr
    assert not (tmp_path / "out.csv").exists()


def test_evaluation_writes_metrics_pictures_and_predictions(saved_folder, write_file, tmp_path):
    rows = [("so happy today", 4), ("love it, great", 4), ("worst day ever", 0), ("i hate this, awful", 0), ("meh", 2)]
    source = write_file("test.csv", "sentiment,text\n" + "".join(f'{label},"{text}"\n' for text, label in rows))
    folder = tmp_path / "evaluation"
    run_in_fork("scripts/evaluate_model.py", "--model", saved_folder, "--data_files", source, "--output_dir", folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    predictions = pd.read_csv(folder / "predictions.csv")
    assert metrics["rows"] == len(predictions) == 4
    assert metrics["neutral_left_out"] == 1
    assert metrics["accuracy"] == (predictions["label"] == predictions["predicted"]).mean()
    assert predictions["text"].tolist() == [text for text, label in rows if label != 2]
    expected = expected_scores(saved_folder, predictions["text"])
    np.testing.assert_allclose(predictions["score"], [result["score"] for result in expected], atol=1e-5)
    for name in ("confusion_matrix.png", "reliability.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_evaluation_leaves_a_saved_folder_alone(saved_folder, write_file, tmp_path):
    folder = shutil.copytree(saved_folder, tmp_path / "model")
    source = write_file("test.csv", "label,text\n0,x\n1,y\n")
    command = ("scripts/evaluate_model.py", "--model", folder, "--data_files", source, "--output_dir", folder)
    process = run_in_fork(*command, check=False)
    assert f"{folder} holds the config.json of a model: choose another --output_dir" in process.stderr
    for path in saved_folder.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_a_missing_text_is_a_bad_row(saved_folder, write_file, tmp_path):
    source = write_file("in.jsonl", '{"text": "good"}\n{"text": null}\n{"text": "bad"}\n')
    process = predict(saved_folder, "--input", source, "--output", tmp_path / "out.jsonl", check=False)
    assert f"{source}, line 2: field 'text' is None" in process.stderr
    predict(saved_folder, "--input", source, "--output", tmp_path / "out.jsonl", "--skip_bad_rows")
    assert pd.read_json(tmp_path / "out.jsonl", lines=True)["text"].tolist() == ["good", "bad"]


def test_a_file_without_rows_is_refused(saved_folder, write_file, tmp_path):
    source = write_file("in.csv", "id,text\n")
    process = predict(saved_folder, "--input", source, "--output", tmp_path / "out.csv", check=False)
    assert "no row to score" in process.stderr
    assert not (tmp_path / "out.csv").exists()


def test_evaluation_wants_rows_of_the_models_classes(saved_folder, write_file):
    source = write_file("test.csv", "label,text\na,x\nb,y\n")
    command = ("scripts/evaluate_model.py", "--model", saved_folder)
    assert "label 'a' is not one of" in run_in_fork(*command, "--data_files", source, check=False).stderr
    assert "name the rows to measure on" in run_in_fork(*command, check=False).stderr
    assert "name the rows to measure on" in run_in_fork(*command, "--dataset_split", "test", check=False).stderr
    other_order = ("--data_files", source, "--label_names", "POSITIVE", "NEGATIVE")
    assert "leave out --label_names" in run_in_fork(*command, *other_order, check=False).stderr


def test_without_onnxruntime_predict_says_what_to_install(tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError(name='onnxruntime')")
    process = run_python(
        "scripts/predict.py", "--model", PRETRAINED_FOLDER, "so happy", check=False, PYTHONPATH=str(tmp_path)
    )
    assert process.returncode
    assert "onnxruntime is not installed: pip install 'hf-brnn[onnx]'" in process.stderr
    assert "Traceback" not in process.stderr


def test_names_of_classes_are_drawn_as_they_are(tmp_path):
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    drawn = []
    for names in (["$", "$$"], ["$10-$50", "$50-$100"], ["10-50", "50-100"]):
        plot_confusion_matrix(labels, probabilities, names, tmp_path / "matrix.png")
        drawn.append((tmp_path / "matrix.png").read_bytes())
    assert len(set(drawn)) == 3
