"""What the rows of multi-label problems, regressions and token classifications are labeled with, in every form."""

import json
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.bad_rows import BadRowsError
from hf_brnn.data.dataset import NO_LABEL, tokenize_words
from hf_brnn.data.rows import load_rows
from hf_brnn.data.targets import TargetMoments

TEXTS = ["late and torn", "cheap", "nothing to say", "torn, and dear"]
LABELS = [["delivery", "quality"], ["price"], [], ["quality", "price"]]
NAMES = ["delivery", "price", "quality"]
MULTI_LABEL = {"problem_type": "multi_label_classification"}
TOKENS = {"problem_type": "token_classification"}


def rows_of(path, **values):
    return load_rows(DataArguments(data_files=[str(path)], **values))


def write(tmp_path, name, **columns):
    path = tmp_path / name
    frame = pd.DataFrame({"text": TEXTS, **columns})
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "labels", "values"),
    [
        ("a.csv", [";".join(row) for row in LABELS], {"label_separator": ";"}),
        ("a.csv", ["|".join(row) for row in LABELS], MULTI_LABEL),
        ("a.csv", [" , ".join(row) for row in LABELS], {"label_separator": ","}),
        ("a.csv", [str(row) for row in LABELS], MULTI_LABEL),
        ("a.csv", [json.dumps(row) for row in LABELS], MULTI_LABEL),
        ("a.jsonl", LABELS, MULTI_LABEL),
        ("a.parquet", LABELS, MULTI_LABEL),
        ("a.parquet", ["/".join(row) for row in LABELS], {"label_separator": "/"}),
    ],
    ids=["separator", "bar", "spaces", "python list", "json list", "json", "parquet list", "parquet text"],
)
def test_several_labels_are_read_from_a_field(tmp_path, name, labels, values):
    rows = rows_of(write(tmp_path, name, labels=labels), **values)
    assert rows.label_names == NAMES
    assert [sorted(rows.label_names[index] for index in row) for row in rows.labels] == [sorted(row) for row in LABELS]


@pytest.mark.parametrize("values", [(0, 1), (False, True), ("0", "1.0")])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_several_labels_are_read_from_columns_of_0_and_1(tmp_path, name, values):
    columns = {label: [values[label in row] for row in LABELS] for label in ("quality", "delivery", "price")}
    rows = rows_of(write(tmp_path, name, **columns), label_columns=["quality", "delivery", "price"])
    assert rows.label_names == ["quality", "delivery", "price"]
    assert [set(row) for row in rows.labels] == [{0, 1}, {2}, set(), {0, 2}]


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        ({"a": [0, 1, 2, 1], "b": [1, 1, 0, 0]}, {"label_columns": ["a", "b"]}, "line 4: field 'a' is '2', not 0 or 1"),
        ({"a": [0, 1, 1, 1]}, {"label_columns": ["a", "b"]}, "no column 'b' among text, a"),
        ({"labels": ["x|y", "y", "x", "z"]}, MULTI_LABEL | {"label_names": ["x", "y"]}, "label 'z' is not one of"),
        (
            {"label": [1, "two", 3, "inf"]},
            {"problem_type": "regression"},
            "line 3: target 'two' is not a finite number",
        ),
        ({"label": [1, 2, 3, "inf"]}, {"problem_type": "regression"}, "line 5: target 'inf' is not a finite number"),
        ({"tags": ["A B C", "A", "A B", "A B C"]}, TOKENS, "line 4: 3 words and 2 tags: give each word one tag"),
    ],
)
def test_what_is_no_label_is_named_by_line(tmp_path, columns, values, message):
    with pytest.raises((BadRowsError, ValueError)) as error:
        rows_of(write(tmp_path, "a.csv", **columns), **values)
    assert message in str(error.value)


def test_a_list_where_one_label_is_expected_names_the_option(tmp_path):
    with pytest.raises(BadRowsError, match="lists of labels need --problem_type multi_label_classification"):
        rows_of(write(tmp_path, "a.jsonl", labels=LABELS))


def test_numbers_are_read_from_one_column_or_several(tmp_path):
    path = write(tmp_path, "a.csv", stars=[1, 2.5, "4", 5], minutes=[-1e6, 0, 1e-3, 7])
    rows = rows_of(path, problem_type="regression")
    assert rows.label_names == ["stars"] and rows.labels == [(1.0,), (2.5,), (4.0,), (5.0,)]
    rows = rows_of(path, problem_type="regression", label_columns=["minutes", "stars"])
    assert rows.label_names == ["minutes", "stars"] and rows.labels[0] == (-1e6, 1.0)


def test_a_bad_weight_leaves_no_trace_of_its_row(tmp_path):
    path = write(tmp_path, "a.csv", a=[0.5, 1, 0, 1], b=[0.5, 0, 1, 3], weight=[1, "heavy", 3, 4])
    rows = rows_of(path, label_probability_columns=["a", "b"], weight_column="weight", skip_bad_rows=True)
    assert rows.weights.tolist() == [1, 3, 4]
    assert rows.label_probabilities.tolist() == [[0.5, 0.5], [0, 1], [0.25, 0.75]]


def test_the_scale_of_targets_is_that_of_numpy():
    targets = np.random.default_rng(0).normal([1e6, -3], [2, 1e-3], (500, 2))
    moments = TargetMoments()
    for start, end in ((0, 1), (1, 1), (1, 200), (200, 500)):
        moments.add(targets[start:end])
    scale = moments.scale(["a", "b"])
    np.testing.assert_allclose(scale.mean, targets.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale.std, targets.std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(scale.restore(scale.standardize(targets)), targets, rtol=1e-6)


def test_a_target_that_never_changes_is_refused():
    moments = TargetMoments()
    moments.add(np.array([[1.0, 2.1], [3.0, 2.1], [4.0, 2.1]]))
    with pytest.raises(ValueError, match=r"b is 2\.1 in all training rows: add rows with other numbers"):
        moments.scale(["a", "b"])


WORDS = [["Ruth", "lives", "in", "Graz"], ["Oslo"], ["a", "b"]]
TAGS = [["PER", "O", "O", "LOC"], ["LOC"], ["O", "O"]]


def test_words_and_tags_are_read_from_lists_and_from_texts(tmp_path):
    lists = pd.DataFrame({"tokens": WORDS, "ner_tags": TAGS})
    lists.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    lists.to_parquet(tmp_path / "a.parquet")
    lists.to_csv(tmp_path / "a.csv", index=False)
    texts = lists.map(" ".join).rename(columns={"tokens": "text", "ner_tags": "tags"})
    texts.to_csv(tmp_path / "b.csv", index=False)
    names = Features({"tokens": List(Value("string")), "tags": List(ClassLabel(names=["O", "LOC", "PER"]))})
    ids = [[["O", "LOC", "PER"].index(tag) for tag in row] for row in TAGS]
    Dataset.from_dict({"tokens": WORDS, "tags": ids}, names).to_parquet(tmp_path / "c.parquet")
    for name in ("a.jsonl", "a.parquet", "a.csv", "b.csv", "c.parquet"):
        rows = rows_of(tmp_path / name, **TOKENS)
        assert rows.texts == [" ".join(words) for words in WORDS], name
        assert [[rows.label_names[tag] for tag in row] for row in rows.labels] == TAGS, name
    assert rows.label_names == ["O", "LOC", "PER"]


def test_a_word_with_a_space_in_it_is_refused(tmp_path):
    pq.write_table(pa.table({"tokens": [["New York"]], "tags": [["LOC"]]}), tmp_path / "a.parquet")
    with pytest.raises(BadRowsError, match="row 1: word 'New York' is not one word"):
        rows_of(tmp_path / "a.parquet", **TOKENS)


def test_the_first_token_of_a_word_has_its_tag():
    def encode(words):
        """A token for each letter, none for `-`."""
        ids = [[ord(letter) for letter in word.strip("-")] for word in words]
        return np.array([*chain.from_iterable(ids)], np.int32), np.array(list(map(len, ids)))

    tokenized = tokenize_words(["ab c", "", "- d"], encode, 0, 1, np.array([5, 6, 7, 8]))
    assert tokenized.token_ids.tolist() == [97, 98, 99, 1, 100]
    assert tokenized.token_labels.tolist() == [5, NO_LABEL, 6, 7, 8]
    assert tokenized.offsets.tolist() == [0, 3, 3, 5]
    batch = tokenized.batch(np.array([2, 0, -1]))
    assert batch["labels"].tolist() == [[7, 8, NO_LABEL], [5, NO_LABEL, 6], [NO_LABEL] * 3]
    assert tokenized.cut(2).token_labels.tolist() == [5, NO_LABEL, 7, 8]
