import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import run_main
from processes import REPOSITORY, run_python
from transformers import pipeline

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.commands.predict import main
from hf_brnn.inference.load import load

TEXTS = ["so happy today", "", "worst day ever, 'quoted' \"twice\"", "word " * 3000, "two\nlines 😀", "0012"]


@pytest.fixture
def predict(float_model, capsys):
    return lambda *arguments: run_main(main, float_model, *arguments, capsys=capsys)


@pytest.fixture(scope="module")
def expected_scores(float_model):
    classifier = pipeline("text-classification", model=str(float_model), trust_remote_code=True)
    return lambda texts: classifier(list(texts))


def test_texts_from_the_command_line(predict):
    texts = ["I do not recommend this product", "so happy with it"]
    lines = [line.split(maxsplit=2) for line in predict(*texts).stdout.splitlines()]
    assert [label for label, _, _ in lines] == ["NEGATIVE", "POSITIVE"]
    assert [text for _, _, text in lines] == texts


def test_the_graph_is_used_where_there_is_one():
    process = run_python("-X", "importtime", "-m", "hf_brnn", "predict", PRETRAINED_FOLDER, "so happy, love it")
    assert process.stdout.startswith("POSITIVE")
    assert not any(line.endswith(("| torch", "| transformers")) for line in process.stderr.splitlines())


def test_the_old_spelling_of_the_model_works(capsys):
    ended = run_main(main, "--model", PRETRAINED_FOLDER, "so happy", "so sad", capsys=capsys)
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["POSITIVE", "NEGATIVE"]


def test_options_may_come_before_the_texts(capsys):
    ended = run_main(main, PRETRAINED_FOLDER, "--batch_size", 2, "so happy", "--known_words", "so sad", capsys=capsys)
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["POSITIVE", "NEGATIVE"]


def test_a_text_without_a_known_word_gets_no_label(predict):
    lines = predict("so happy", "xqwzf @bob fdsf!!", "...").stdout.splitlines()
    assert lines[0].startswith("POSITIVE  0.")
    assert lines[1:] == ["no known word     xqwzf @bob fdsf!!", "no known word     ..."]


def test_scores_of_all_labels_and_known_words_on_request(predict, float_model):
    classifier = load(float_model)
    text = "so happy xqwzf"
    negative, positive = classifier([text])[0]
    options = ("--all_scores", "--known_words", "--min_score", 0.999)
    line = predict(text, *options).stdout.rstrip()
    assert line == (
        f"unsure    {positive:.4f}  NEGATIVE {negative:.4f}  POSITIVE {positive:.4f}  known words 0.67  {text}"
    )


@pytest.mark.parametrize(("model", "suffix"), [("torch", "csv"), ("onnx", "jsonl"), ("onnx", "parquet")])
def test_doubt_is_written_to_files(float_model, tmp_path, capsys, suffix, model):
    folder = float_model if model == "torch" else PRETRAINED_FOLDER
    texts = ["so happy", "xqwzf", "it is a bus", "so sad, xqwzf"]
    (tmp_path / "in.csv").write_text("id,text\n" + "".join(f'{row},"{text}"\n' for row, text in enumerate(texts)))
    target = tmp_path / f"out.{suffix}"
    options = ("--input", tmp_path / "in.csv", "--output", target, "--batch_size", 1)
    doubt = ("--all_scores", "--known_words", "--min_score", 0.8)
    assert run_main(main, folder, *options, *doubt, capsys=capsys).code == 0
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    scored = read[suffix](target)
    assert list(scored.columns) == ["id", "text", "label", "score", "score_NEGATIVE", "score_POSITIVE", "known_words"]
    expected = load(folder, batch_size=1)(texts)
    np.testing.assert_allclose(scored[["score_NEGATIVE", "score_POSITIVE"]], expected, atol=1e-5)
    np.testing.assert_allclose(scored["score"], expected.max(axis=1), atol=1e-5)
    labels = ["unsure" if row.max() < 0.8 else ["NEGATIVE", "POSITIVE"][row.argmax()] for row in expected]
    assert scored["label"].tolist() == [labels[0], "unsure", *labels[2:]]
    assert {"unsure", "POSITIVE"} <= set(labels)
    np.testing.assert_allclose(scored["known_words"], [1, 0, 1, 2 / 3], atol=1e-6)


def test_texts_of_mostly_unknown_words_are_told_of(predict, write_file, tmp_path, caplog):
    target = ("--output", tmp_path / "out.csv")
    predict("--input", write_file("in.csv", "text\nqwx zxq\nso xqz qqz qqx\n"), *target)
    assert "in.csv: the model knows 12 % of the words of a text on average. Don't rely on the labels." in caplog.text
    caplog.clear()
    predict("--input", write_file("in.csv", "text\nso happy\nqwx\n"), *target)
    assert "the model knows" not in caplog.text


def test_columns_of_the_same_name_get_another(predict, write_file, tmp_path, caplog):
    caplog.set_level("INFO")
    source = write_file("in.csv", "text,label,known_words,predicted_label\nx,1,2,3\n")
    target = ("--input", source, "--output", tmp_path / "out.csv")
    assert predict(*target, "--known_words").code == 0
    names = ["text", "label", "known_words", "predicted_label"]
    names += ["predicted_predicted_label", "score", "predicted_known_words"]
    assert pd.read_csv(tmp_path / "out.csv").columns.tolist() == names
    assert "writing label as predicted_predicted_label, known_words as predicted_known_words" in caplog.text
    assert "--min_score is 80.0, expected a probability" in predict(*target, "--min_score", 80).stderr


def test_thresholds_in_the_configuration_choose_the_label(float_model, tmp_path, capsys):
    folder = shutil.copytree(float_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    [[negative, positive]] = load(folder)(["so happy"]).astype(float)
    assert positive > 0.5
    thresholds = [negative / 2, (1 + positive) / 2]
    (folder / "config.json").write_text(json.dumps(config | {"thresholds": thresholds}))
    assert load(folder).predict(["so happy"]) == ["NEGATIVE"]
    assert run_main(main, folder, "so happy", capsys=capsys).stdout == f"NEGATIVE  {negative:.4f}  so happy\n"
    (folder / "config.json").write_text(json.dumps(config | {"thresholds": [0.5, 0.5, 0.5]}))
    assert "expected a number between 0 and 1 for each of the 2" in run_main(main, folder, "x", capsys=capsys).stderr


def test_a_file_name_in_place_of_a_text_is_an_error(predict, write_file):
    source = write_file("tweets.csv", "text\nso happy\n")
    ended = predict(source)
    assert ended.code == 2
    assert f"'{source}' is a file, but a text was expected" in ended.stderr
    assert f"--input {source} --output scored.csv" in ended.stderr


def test_an_interrupted_run_says_so_and_leaves_no_file(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "so happy today\n" * 300_000)
    command = ["-m", "hf_brnn", "predict", PRETRAINED_FOLDER, "--input", source, "--output", tmp_path / "out.csv"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob("out.csv.*.part")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped."
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_comes_back_with_label_and_score(predict, expected_scores, tmp_path, suffix):
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    frame = pd.DataFrame({"id": [f"00{i}" for i in range(len(TEXTS))], "text": TEXTS})
    separator = {"csv": ",", "tsv": "\t"}.get(suffix)
    if separator:
        frame.to_csv(source, sep=separator, index=False)
    elif suffix == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    else:
        frame.to_parquet(source)
    assert predict("--input", source, "--output", target).code == 0
    if separator:
        scored = pd.read_csv(target, sep=separator, dtype={"id": str, "text": str}, keep_default_na=False)
    else:
        scored = pd.read_json(target, lines=True, dtype={"id": str}) if suffix == "jsonl" else pd.read_parquet(target)
    assert scored["id"].tolist() == frame["id"].tolist()
    assert scored["text"].tolist() == TEXTS
    expected = expected_scores(TEXTS)
    assert scored["label"].tolist() == [result["label"] for result in expected]
    np.testing.assert_allclose(scored["score"], [result["score"] for result in expected], atol=1e-5)


def test_a_text_file_is_a_text_a_line(predict, write_file, tmp_path):
    source = write_file("in.txt", "so happy\n\nso sad\n")
    predict("--input", source, "--output", tmp_path / "out.csv")
    scored = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert scored["text"].tolist() == ["so happy", "", "so sad"]


def test_many_rows_keep_their_order(tmp_path, capsys):
    texts = [f"{'happy' if i % 3 else 'sad'} {i} " + "really " * (i % 17) for i in range(25_000)]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "in.parquet")
    files = ("--input", tmp_path / "in.parquet", "--output", tmp_path / "out.parquet")
    ended = run_main(main, PRETRAINED_FOLDER, *files, capsys=capsys)
    assert "25,000 rows written" in ended.stdout
    assert "0 skipped" in ended.stdout
    scored = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert scored["text"].tolist() == texts
    sample = list(range(0, 25_000, 1250))
    expected = load(PRETRAINED_FOLDER)([texts[i] for i in sample]).max(axis=1)
    # int8 graphs quantize a batch as a whole: probabilities depend slightly on the other texts.
    np.testing.assert_allclose(scored["score"].iloc[sample], expected, atol=0.03)


def test_a_row_that_cannot_be_read_stops_the_run_or_is_listed(predict, write_file, tmp_path, caplog):
    source = write_file("in.csv", "id,text\n1,good\n2,too,many\n3,bad\n")
    target = tmp_path / "out.csv"
    ended = predict("--input", source, "--output", target)
    assert ended.code == 1
    assert f"{source}, line 3: 3 fields instead of 2" in ended.stderr
    assert not target.exists()
    with caplog.at_level("INFO"):
        ended = predict("--input", source, "--output", target, "--skip_bad_rows")
    assert f"{source}, line 3" in caplog.text
    assert "2 rows written" in ended.stdout
    assert "1 skipped" in ended.stdout
    assert pd.read_csv(target)["id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,words\n1,x\n", "no column of texts among id, words. Add --text_column NAME."),
        ("id,text\n", "no rows to score"),
    ],
)
def test_files_that_do_not_fit_are_refused(predict, write_file, tmp_path, content, message):
    source = write_file("in.csv", content)
    ended = predict("--input", source, "--output", tmp_path / "out.csv")
    assert ended.code == 1
    assert message in ended.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_missing_text_is_a_bad_row(predict, write_file, tmp_path):
    source = write_file("in.jsonl", '{"text": "good"}\n{"text": null}\n{"text": "bad"}\n')
    ended = predict("--input", source, "--output", tmp_path / "out.jsonl")
    assert f"{source}, line 2: field 'text' is None" in ended.stderr
    predict("--input", source, "--output", tmp_path / "out.jsonl", "--skip_bad_rows")
    assert pd.read_json(tmp_path / "out.jsonl", lines=True)["text"].tolist() == ["good", "bad"]


def test_without_onnxruntime_it_says_what_to_install(tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError(name='onnxruntime')")
    path = f"{tmp_path}:{REPOSITORY}"
    process = run_python("-m", "hf_brnn", "predict", PRETRAINED_FOLDER, "so happy", check=False, PYTHONPATH=path)
    assert process.returncode == 1
    assert "pip install onnxruntime" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.fixture
def predict_stdin(capfd, monkeypatch):
    """Runs `predict` with bytes on stdin."""

    def run(content, *arguments):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        return run_main(main, PRETRAINED_FOLDER, "--input", "-", *arguments, capsys=capfd)

    return run


def test_rows_come_from_stdin_and_go_to_stdout(predict_stdin, tmp_path, caplog):
    caplog.set_level("INFO")
    content = "id;text\n1;so happy\n2;café, so sad\n".encode("cp1252")
    ended = predict_stdin(content, "--output", "-")
    assert ended.code == 0
    scored = pd.read_csv(io.StringIO(ended.stdout))
    assert scored["text"].tolist() == ["so happy", "café, so sad"]
    assert scored["label"].tolist() == ["POSITIVE", "NEGATIVE"]
    assert "2 rows written to stdout, 0 skipped." in ended.stderr
    assert "stdin: texts from column 'text'" in caplog.messages
    ended = predict_stdin(content, "--output", tmp_path / "out.jsonl")
    assert pd.read_json(tmp_path / "out.jsonl", lines=True)["label"].tolist() == ["POSITIVE", "NEGATIVE"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "stdin: the file has no header line."),
        (b"text\na\nb,c\n", "stdin, line 3: 2 fields instead of 1"),
        (b"\x1f\x8b\x08", "stdin: the first bytes are those of a .gz file"),
    ],
)
def test_bad_input_on_stdin_is_named_so(predict_stdin, content, message):
    ended = predict_stdin(content, "--output", "-")
    assert ended.code == 1
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-"], "to classify the rows of a csv on stdin, use --input - --output -"),
        (["--engine", "ray", "--input", "-", "--output", "out"], "--engine ray reads and writes directories"),
        (["--input", "-", "--output", "a.jsonl", "--escape_formulas"], "--escape_formulas is for csv and tsv files"),
        (["--input", "-", "--output", "a.xml"], "--output a.xml: unknown suffix"),
    ],
)
def test_what_stdin_and_stdout_do_not_go_with_is_named(predict, arguments, message):
    assert message in predict(*arguments).stderr


def test_formulas_come_out_as_they_came_in_or_escaped(predict, write_file, tmp_path):
    source, target = write_file("in.csv", "text,n\n=1+1,-5\n@me,+x\n"), tmp_path / "out.csv"
    predict("--input", source, "--output", target)
    assert pd.read_csv(target)["text"].tolist() == ["=1+1", "@me"]
    predict("--input", source, "--output", target, "--escape_formulas")
    assert pd.read_csv(target)[["text", "n"]].values.tolist() == [["'=1+1", "-5"], ["'@me", "'+x"]]


def test_a_text_that_is_too_long_is_a_bad_row(predict, write_file, tmp_path):
    source = write_file("in.txt", "so happy\n" + "a" * (2**20 + 1) + "\n")
    ended = predict("--input", source, "--output", tmp_path / "out.csv")
    assert "in.txt, line 2: the text has 1,048,577 characters; the limit is 1,048,576" in ended.stderr
