"""Scoring of an upload in a process of its own."""

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes import run_new_python

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.apps import upload
from hf_brnn.data.problem_type import SINGLE_LABEL, TOKENS


def score(source, target, *setup):
    """Returns what the process that scores an upload reports. `setup` is run in it first."""
    arguments = ["score", str(source), str(PRETRAINED_FOLDER), str(target), "text"]
    code = "\n".join(("from hf_brnn.apps import upload", *setup, f"upload.main(*{arguments})"))
    process = run_new_python("-c", code, check=False)
    return process.returncode, [json.loads(line) for line in process.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "content", "problem_type", "columns", "text_column"),
    [
        (
            "named.csv",
            "a very long note,Tweet\nthat says nothing,x\n",
            SINGLE_LABEL,
            ["a very long note", "Tweet"],
            "Tweet",
        ),
        ("other.csv", "id,body,url\n1,so happy,x\n2,so sad,y\n", SINGLE_LABEL, ["id", "body", "url"], "body"),
        ("several.csv", "review,comment\nshort,much longer\n", SINGLE_LABEL, ["review", "comment"], "comment"),
        ("words.jsonl", '{"n": 123456789, "id": "a", "parts": ["so", "happy"]}', TOKENS, ["n", "id", "parts"], "parts"),
        ("same.csv", "note,note\na,so happy\n", SINGLE_LABEL, ["note", "note_2"], "note_2"),
    ],
)
def test_the_column_of_the_texts_is_found(write_file, capsys, name, content, problem_type, columns, text_column):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upload, "limit_resources", lambda: None)
        upload.main("columns", str(write_file(name, content)), problem_type)
    assert json.loads(capsys.readouterr().out) == [columns, text_column]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "", "empty.txt: there are no rows to score."),
        ("wide.csv", "a," * 101 + "\n" + "b," * 101 + "\n", "wide.csv has 102 columns; the limit is 100. Remove some."),
        ("name.csv", "a" * 1001 + "\nb\n", "name.csv: the name of column 1 has 1,001 characters; the limit is 1,000."),
    ],
)
def test_columns_that_cannot_be_listed_are_named(write_file, capsys, name, content, message):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upload, "limit_resources", lambda: None)
        upload.main("columns", str(write_file(name, content)), SINGLE_LABEL)
    assert message in json.loads(capsys.readouterr().out)


def test_columns_are_read_within_the_limits(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + " " * 300 * 2**20)
    code = f"from hf_brnn.apps import upload; upload.MAX_MEGABYTES = 100; upload.main('columns', {str(path)!r}, '')"
    process = run_new_python("-c", code)
    assert "a.json needs more than 100 MB of memory, the limit of this page" in json.loads(process.stdout)


def test_rows_are_counted_then_scored(tmp_path):
    (tmp_path / "a.csv").write_text("text\n=so happy\n@me so sad\n")
    code, reports = score(tmp_path / "a.csv", tmp_path / "scored.csv")
    assert (code, reports[:2]) == (0, [2, 2])
    assert [row[0] for row in reports[2]] == ["POSITIVE", "NEGATIVE"]
    assert pd.read_csv(tmp_path / "scored.csv")["text"].tolist() == ["'=so happy", "'@me so sad"]


def test_memory_has_a_limit_that_is_named(tmp_path):
    with gzip.open(tmp_path / "a.json.gz", "wb", compresslevel=1) as file:
        file.write(b"[")
        for _ in range(300):
            file.write(b" " * 2**20)
    setup = "upload.MAX_MEGABYTES = 100"
    code, reports = score(tmp_path / "a.json.gz", tmp_path / "scored.jsonl", setup)
    assert code == 0
    assert reports[0].endswith("a.json.gz needs more than 100 MB of memory, the limit of this page. Split the file.")


def test_seconds_have_a_limit(tmp_path):
    (tmp_path / "a.csv").write_text("text\nso happy\n")
    setup = ["import time", "upload.MAX_SECONDS = 1", "upload.count_rows = lambda *_: time.sleep(600)"]
    assert score(tmp_path / "a.csv", tmp_path / "scored.csv", *setup) == (-14, [])


def test_a_scored_file_has_a_limit(tmp_path):
    (tmp_path / "a.csv").write_text("text\n" + "so happy\n" * 100)
    _, reports = score(tmp_path / "a.csv", tmp_path / "scored.csv", "upload.MAX_SCORED_MEGABYTES = 0")
    assert "a.csv makes a scored file of more than 0 MB, the limit" in reports[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["dictionary.parquet", "columns.parquet", "keys.jsonl"])
def test_files_that_would_take_gigabytes_are_refused(tmp_path, name, capsys):
    path = tmp_path / name
    if name == "dictionary.parquet":
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), ["a" * 2**20])
        pq.write_table(pa.table({"text": texts}), path, compression="zstd")
        message = "row 1: the text has 1,048,576 characters; the limit is 1,000"
    elif name == "columns.parquet":
        pq.write_table(pa.table({"text": ["a"]} | {str(number): [1] for number in range(200)}), path)
        message = f"{name} has 201 columns; the limit is 100"
    else:
        path.write_text("".join(json.dumps({"text": "a", f"key {number}": 1}) + "\n" for number in range(5000)))
        message = f"{name} has 1,024 columns; the limit is 100"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upload, "limit_resources", lambda: None)
        upload.main("score", str(path), str(PRETRAINED_FOLDER), str(tmp_path / "out.jsonl"), "text")
    assert message in json.loads(capsys.readouterr().out)
