import logging
from array import array
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from hf_brnn.data.arguments import HUB_DATASET, DataArguments
from hf_brnn.data.files import BadRowsError
from hf_brnn.data.rows import LabelledRows, load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.data.summary import describe
from hf_brnn.data.text import text_key

ORIGINAL = '"0","1","d","q","u","bad caf\xe9"\n"2","2","d","q","u","neutral"\n"4","3","d","q","u","good, really"\n'


def args(*files, **kwargs):
    return DataArguments(data_files=[str(file) for file in files], **kwargs)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("hub.parquet", None, ["bad", "good"]),
        ("original.csv", ORIGINAL.encode("latin-1"), ["bad café", "good, really"]),
        ("tutorial.csv", "polarity,text\n0,bad\n1,good\n", ["bad", "good"]),
        ("names.csv", "text,label\nbad,Negative\ngood,POSITIVE\nmeh,neutral\n", ["bad", "good"]),
        ("own.tsv", "text\tlabel\nbad\t0\ngood\t1\n", ["bad", "good"]),
        ("lines.jsonl", '{"text": "bad", "label": 0}\n{"text": "good", "label": 1}\n', ["bad", "good"]),
        (
            "array.json",
            '[{"text": "bad", "label": "negative"}, {"text": "good", "label": "positive"}]',
            ["bad", "good"],
        ),
    ],
)
def test_every_source_gives_texts_and_labels(tmp_path, name, content, texts):
    path = tmp_path / name
    if content is None:
        columns = {"text": ["bad", "meh", "good"], "date": "", "user": "", "sentiment": [0, 2, 4], "query": ""}
        pd.DataFrame(columns).to_parquet(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = load_rows(args(path))
    assert rows.texts == texts
    assert rows.labels == [0, 1]
    assert rows.neutral == (name in ("hub.parquet", "original.csv", "names.csv"))


def test_the_embedded_sample_is_the_default():
    rows = load_rows(DataArguments())
    assert len(rows) >= 1500
    assert sum(rows.labels) * 2 == len(rows)


def test_columns_and_classes_can_be_named(write_file):
    path = write_file("a.csv", "tweet,mood\nx,calm\ny,2\nz,Angry\n")
    rows = load_rows(args(path, text_column="tweet", label_column="mood", label_names=["angry", "happy", "calm"]))
    assert rows.labels == [2, 2, 0]


@pytest.mark.parametrize(
    ("kwargs", "message"), [({}, "--text_column"), ({"text_column": "tweet"}, "'label' or .*--label_column")]
)
def test_a_missing_column_is_named(write_file, kwargs, message):
    with pytest.raises(ValueError, match=message):
        load_rows(args(write_file("a.csv", "tweet,mood\nx,1\n"), **kwargs))


def test_other_separators_than_commas_are_told_of(write_file):
    with pytest.raises(ValueError, match="separate them by commas"):
        load_rows(args(write_file("a.csv", "text;label\nx;1\n")))


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_row_that_a_part_would_take_whole_is_too_few(part):
    sizes = {"test_size": 0, "validation_size": 0} | {f"{part}_size": 0.1}
    with pytest.raises(ValueError, match=rf"{part}_size is 0\.1, but only 1 rows are left to draw from"):
        split_rows(make_rows(["x"]), DataArguments(**sizes))


BAD = b"text,label\ngood one,1\n  ,0\nwhat,7\nbad \xff,0\nx,1,2\nbad one,0\n"


def test_rows_that_cannot_be_used_stop_the_run_with_their_places(write_file):
    path = write_file("a.csv", BAD)
    with pytest.raises(BadRowsError) as error:
        load_rows(args(path))
    message = str(error.value)
    for part in ("4 rows", f"{path}, line 3: no text", "line 4: label '7'", "line 5: bytes", "line 6: 3 fields"):
        assert part in message
    assert "--skip_bad_rows" in message


def test_rows_that_cannot_be_used_are_counted_and_listed_when_skipped(write_file, caplog):
    path = write_file("a.csv", BAD)
    rows = load_rows(args(path, skip_bad_rows=True))
    assert rows.texts == ["good one", "bad one"]
    assert len(rows.bad_rows) == 4
    assert "Left out 4 rows" in caplog.text
    assert f"{path}, line 4: label '7'" in caplog.text


@pytest.mark.parametrize("other", [2, 4])
def test_labels_of_two_schemes_in_one_file_are_refused(write_file, other):
    with pytest.raises(ValueError, match=rf"1 \(1 rows\) and {other} \(1 rows\)"):
        load_rows(args(write_file("a.csv", f"text,label\na,0\nb,1\nc,{other}\n")))


def test_a_missing_label_is_not_the_class_none(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": ["a", "b", "c"], "label": ["none", None, "severe"]}).to_parquet(path)
    given = {"label_names": ["none", "severe"]}
    with pytest.raises(ValueError, match="row 2: there is no label"):
        load_rows(args(path, **given))
    assert load_rows(args(path, **given, skip_bad_rows=True)).texts == ["a", "c"]


def test_names_that_are_numbers_are_names(write_file):
    path = write_file("a.csv", "text,label\na,1\nb,3\n")
    assert load_rows(args(path, label_names=["1", "2", "3"])).labels == [0, 2]


def test_class_names_differ_by_more_than_case():
    with pytest.raises(ValueError, match="different names"):
        DataArguments(label_names=["Good", "good"])


def test_a_source_without_usable_rows_is_refused(write_file):
    with pytest.raises(ValueError, match="no row"):
        load_rows(args(write_file("a.csv", "text,label\nmeh,2\n")))


def test_max_rows_are_drawn_by_seed(write_file):
    path = write_file("a.csv", "text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(100)))
    drawn = load_rows(args(path, max_rows=10))
    assert len(drawn) == 10
    assert drawn.texts == load_rows(args(path, max_rows=10)).texts
    assert drawn.texts != load_rows(args(path, max_rows=10, split_seed=1)).texts
    assert drawn.texts != [f"text {i}" for i in range(10)]
    assert load_rows(args(path, max_rows=1000)).texts == [f"text {i}" for i in range(100)]


def test_an_unreachable_hub_names_two_ways_on(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"--data_files.*quickstart"):
        load_rows(DataArguments(dataset_name=HUB_DATASET))


def make_rows(texts):
    labels = [i % 2 for i in range(len(texts))]
    places = {"sources": [("a.csv", "line")], "source_ids": array("i", [0] * len(texts))}
    numbers = array("q", range(2, len(texts) + 2))
    return LabelledRows(["text", "label"], texts, labels, numbers=numbers, **places)


def test_the_tutorials_split_is_had_exactly():
    texts = [f"text {i}" for i in range(3000)]
    splits = split_rows(make_rows(texts), DataArguments(test_size=0.33, validation_size=0, split_seed=42))
    frame = pd.DataFrame({"text": texts})
    train, test = train_test_split(frame, test_size=0.33, random_state=42)
    assert splits["test"].texts == test["text"].tolist()
    assert splits["train"].texts == train["text"].tolist()
    assert set(splits) == {"train", "test"}


def test_sizes_are_shares_or_numbers_and_parts_are_disjoint():
    splits = split_rows(
        make_rows([f"text {i}" for i in range(1000)]), DataArguments(test_size=100, validation_size=0.1)
    )
    assert {name: len(part) for name, part in splits.items()} == {"train": 810, "validation": 90, "test": 100}
    texts = [text for part in splits.values() for text in part.texts]
    assert len(set(texts)) == 1000


def test_a_text_never_stands_on_both_sides_of_a_split(caplog):
    rng = np.random.default_rng(0)
    texts = [f"Text  {n}" if i % 2 else f" text {n}" for i, n in enumerate(rng.integers(0, 300, 1000))]
    with caplog.at_level(logging.INFO):
        splits = split_rows(make_rows(texts), DataArguments(test_size=0.2, validation_size=0.2))
    keys = {name: {text_key(text) for text in part.texts} for name, part in splits.items()}
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["validation"]
    assert not keys["validation"] & keys["test"]
    assert len(splits["test"]) == 200
    purged = 640 - len(splits["train"])
    assert f"Purged {purged} rows of train" in caplog.text


def test_held_out_texts_are_in_no_part(write_file):
    held_out = write_file("test.csv", "text,label\nTEXT 1,0\ntext 2,1\nnew,1\n")
    splits = split_rows(
        make_rows([f"text {i}" for i in range(20)]), DataArguments(held_out_files=[str(held_out)], test_size=5)
    )
    texts = {text for part in splits.values() for text in part.texts}
    assert texts == {f"text {i}" for i in range(20)} - {"text 1", "text 2"}


@pytest.mark.parametrize("size", [-0.1, 1.0, 2.5])
def test_a_size_that_is_neither_share_nor_number_is_refused(size):
    with pytest.raises(ValueError, match=f"test_size is {size}"):
        DataArguments(test_size=size)


def test_a_split_that_leaves_no_rows_is_refused():
    with pytest.raises(ValueError, match="test_size is 50, but only 10"):
        split_rows(make_rows([f"text {i}" for i in range(10)]), DataArguments(test_size=50))


def test_the_summary_shows_columns_rows_classes_first_rows_and_lengths():
    rows = make_rows([f"some text {i}" for i in range(10)])
    sizes = {"train": 8, "validation": 0, "test": 2}
    summary = describe(rows, sizes, Counter(rows.labels), np.array([3, 3, 9]), DataArguments(max_length=8))
    parts = (
        "text, label",
        "10 (train 8, test 2)",
        "NEGATIVE 5, POSITIVE 5",
        "some text 4",
        "mean 5.0",
        "longest 9; 1 texts cut to 8",
    )
    for part in parts:
        assert part in summary
    assert "some text 5" not in summary
