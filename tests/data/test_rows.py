import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_brnn.data.arguments import HUB_DATASET, DataArguments
from hf_brnn.data.bad_rows import BadRowsError
from hf_brnn.data.file_format import AS_FOUND
from hf_brnn.data.rows import LabelledRows, check_source, load_rows, load_splits

ORIGINAL = (
    '"0","1","Mon Apr 06 22:19:45 PDT 2009","q","u","bad caf\xe9"\n'
    '"2","2","d","q","u","neutral"\n"4","3","d","q","u","good, really"\n'
)


def args(*files, **kwargs):
    return DataArguments(data_files=[str(file) for file in files], **kwargs)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("hub.parquet", None, ["bad", "good"]),
        ("original.csv", ORIGINAL.encode("latin-1"), ["bad café", "good, really"]),
        ("tutorial.csv", "polarity,text\n0,bad\n1,good\n", ["bad", "good"]),
        ("names.csv", "text,label\nbad,Negative\ngood,POSITIVE\n", ["bad", "good"]),
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
    assert rows.neutral == (name in ("hub.parquet", "original.csv"))


def test_the_embedded_sample_is_the_default():
    rows = load_rows(DataArguments())
    assert len(rows) >= 1500
    assert sum(rows.labels) * 2 == len(rows)


def test_columns_and_classes_can_be_named(write_file):
    path = write_file("a.csv", "tweet,mood\nx,calm\ny,2\nz,Angry\n")
    rows = load_rows(args(path, text_column="tweet", label_column="mood", label_names=["angry", "happy", "calm"]))
    assert rows.labels == [2, 2, 0]


def test_other_separators_than_commas_are_found_or_told_of(write_file):
    assert load_rows(args(write_file("a.csv", "text;label\nx, or y;1\nz;2\n"))).texts == ["x, or y", "z"]
    path = write_file("a.csv", "text:label\nx:1\ny:2\n")
    with pytest.raises(ValueError, match="If the one column is several, name what separates them: --delimiter"):
        load_rows(args(path))
    assert load_rows(args(path, delimiter=":")).texts == ["x", "y"]


def test_a_file_without_a_header_is_told_of(write_file):
    path = write_file("a.csv", "I love this so very much,1\nnot for me,0\n")
    with pytest.raises(ValueError, match="Line 1 looks like a row: write a header line above it"):
        load_rows(args(path))


BAD = b"text,label\ngood one,1\n  ,0\nwhat,7\nbad \xff,0\nx,1,2\nbad caf\xc3\xa9,0\n"


def test_rows_that_cannot_be_used_stop_the_run_with_their_places(write_file):
    path = write_file("a.csv", BAD)
    with pytest.raises(BadRowsError) as error:
        load_rows(args(path, label_names=["0", "1"]))
    message = str(error.value)
    for part in ("4 rows", f"{path}, line 3: no text", "line 4: label '7'", "line 5: bytes", "line 6: 3 fields"):
        assert part in message
    assert "--skip_bad_rows" in message


def test_rows_that_cannot_be_used_are_counted_and_listed_when_skipped(write_file, caplog):
    path = write_file("a.csv", BAD)
    rows = load_rows(args(path, label_names=["0", "1"], skip_bad_rows=True))
    assert rows.texts == ["good one", "bad café"]
    assert len(rows.bad_rows) == 4
    assert "Skipped 4 rows" in caplog.text
    assert f"{path}, line 4: label '7'" in caplog.text


def test_a_missing_label_is_not_the_class_none(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": ["a", "b", "c"], "label": ["none", None, "severe"]}).to_parquet(path)
    given = {"label_names": ["none", "severe"]}
    with pytest.raises(ValueError, match="row 2: no label"):
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
        load_rows(args(write_file("a.csv", "polarity,text\n2,meh\n")))


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


def test_labels_are_named_by_the_data(write_file):
    rows = load_rows(args(write_file("a.csv", "Review,stars\nx,5.0\ny,1\nz,10\n")))
    assert rows.label_names == ["1", "5", "10"]
    assert rows.labels == [1, 0, 2]


def test_shards_that_hold_one_label_each_agree_on_ids(write_file):
    files = [write_file(f"{label}.csv", f"text,label\nx,{label}\n") for label in ("2", "0", "4")]
    rows = load_rows(args(*files))
    assert (rows.labels, rows.label_names) == ([1, 0, 2], ["0", "2", "4"])


def test_shards_of_sentiment140_that_hold_one_label_each_keep_its_meaning(write_file):
    files = [write_file(f"{label}.csv", f"polarity,text\n{label},x\n") for label in ("4", "0", "2")]
    rows = load_rows(args(*files))
    assert (rows.labels, rows.neutral, rows.label_names) == ([1, 0], 1, ["NEGATIVE", "POSITIVE"])
    with pytest.raises(ValueError, match=r"1 \(1 rows\) and 2 \(1 rows\)"):
        load_rows(args(*files, write_file("1.csv", "polarity,text\n1,x\n")))


def test_class_label_features_of_parquet_files_name_the_labels(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["positive", "negative"])}
    )
    path = tmp_path / "a.parquet"
    columns = {"text": ["good", "bad", "fine"], "label": [0, 1, 0]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)
    rows = load_rows(args(path))
    assert (rows.labels, rows.label_names) == ([0, 1, 0], ["positive", "negative"])
    rows = load_rows(args(path, label_names=["NEGATIVE", "POSITIVE"]))
    assert rows.labels == [1, 0, 1]
    datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, -1, 1]}, features=features).to_parquet(path)
    with pytest.raises(BadRowsError, match="row 2: no label"):
        load_rows(args(path))


def test_bools_are_labels(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": [True, False]}), path)
    rows = load_rows(args(path))
    assert (rows.labels, rows.label_names) == ([1, 0], ["False", "True"])


def test_lists_of_labels_are_bad_rows(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": [["x"], ["y"]]}), path)
    with pytest.raises(BadRowsError, match=r"row 1: label \['x'\] is not a name or a number"):
        load_rows(args(path))


def test_emoticons_need_the_labels_of_sentiment140(write_file):
    with pytest.raises(ValueError, match=r"label_names is \['0', '1'\]: give --emoticon_prob 0"):
        load_rows(args(write_file("a.csv", "text,label\na,0\nb,1\n"), emoticon_prob=0.1))


def test_splits_with_files_of_their_own_share_the_names_of_the_labels(write_file):
    train = write_file("train.csv", "text,label\na,x\nb,z\n")
    validation = write_file("validation.csv", "text,label\nc,y\n")
    splits = load_splits(args(train, validation_files=[str(validation)], max_rows=1))
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 1, "validation": 1}
    assert all(rows.label_names == ["x", "y", "z"] for rows in splits.values())
    assert splits["validation"].labels == [1]


def test_rows_are_made_of_lists():
    rows = LabelledRows.from_lists(["good", "bad", "fine"], np.array([5.0, 1.0, 5.0]))
    assert (rows.labels, rows.label_names) == ([1, 0, 1], ["1", "5"])
    rows = LabelledRows.from_lists(["good", "bad"], ["b", "a"], ["b", "a"])
    assert (rows.labels, rows.label_names) == ([0, 1], ["b", "a"])
    assert LabelledRows.from_lists(["good", "bad"], [True, False]).label_names == ["False", "True"]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], [1], "2 texts and 1 labels"),
        (["a", ""], [0, 1], "texts, index 1: no text"),
        (["a", None], [0, 1], "texts, index 1: no text"),
        (["a", "b"], [0, None], "texts, index 1: no label"),
        (["a", "b"], [[0], [1]], r"texts, index 0: label \[0\] is not a name"),
        (["a", "b"], [1, 1], "all rows have the label '1'"),
    ],
)
def test_lists_that_can_not_be_used_are_refused(texts, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        LabelledRows.from_lists(texts, labels)
    assert "skip_bad_rows" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "kwargs", "message"),
    [
        ("text:label\nx:1\n", {}, "no column of texts and no column of labels"),
        ("text,label\nx,1\n", {}, "all rows have the label '1'"),
        ("text,label\nx,1\n,2\n", {}, "line 3: no text"),
        ("text,label\nx,1\ny,2\n", {"label_names": ["0", "1"]}, "label '2' is not one of 0, 1"),
        ("text,label\nx,1\ny,2\n", {"validation_files": ["nowhere.csv"]}, "nowhere.csv: no such file"),
        ("text,label\nx,1\ny,2\n", {"held_out_files": ["nowhere.csv"]}, "nowhere.csv: no such file"),
        ("text,label\nx,1\ny,2\n", {"held_out_files": ["-"]}, "-: stdin can't be read here"),
        ("", {}, "the file has no header line"),
    ],
)
def test_the_check_of_a_source_finds_what_stops_its_reading(write_file, content, kwargs, message):
    source = args(write_file("a.csv", content), **kwargs)
    with pytest.raises((ValueError, OSError), match=message) as checked:
        check_source(source)
    if "held_out_files" not in kwargs:
        with pytest.raises(type(checked.value)) as read:
            load_splits(source)
        assert str(read.value) == str(checked.value)


def test_the_check_of_a_source_reads_the_first_batch_alone(write_file, monkeypatch):
    monkeypatch.setattr("hf_brnn.data.files.BATCH_SIZE", 2)
    monkeypatch.setattr("hf_brnn.data.files.read_batches.__defaults__", (2, AS_FOUND))
    path = write_file("a.csv", "text,label\na,1\nb,1\n" + "c,2\n" * 10 + "one field\n")
    check_source(args(path))
    check_source(DataArguments())
    check_source(DataArguments(dataset_name="someone/somewhere"))
