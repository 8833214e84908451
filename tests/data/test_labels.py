from datetime import date

import numpy as np
import pytest

from hf_brnn.data.labels import MAX_LABELS, LabelCounts, LabelFormat, spell_label

OWN = LabelFormat()
SENTIMENT140 = LabelFormat(is_sentiment140=True)


def count(*sources):
    counts = LabelCounts()
    for number, (label_format, labels) in enumerate(sources):
        counts.add(f"{number}.csv", label_format, labels)
    return counts


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (5, "5"),
        (5.0, "5"),
        (" 5.0 ", "5"),
        ("-1", "-1"),
        (np.int64(5), "5"),
        (np.float32(5), "5"),
        (4.5, "4.5"),
        ("007", "007"),
        (True, "True"),
        (np.bool_(False), "False"),
        (" very sad ", "very sad"),
        (date(2020, 1, 2), "2020-01-02"),
        (None, None),
        (float("nan"), None),
        (" ", None),
    ],
)
def test_values_of_the_same_label_have_the_same_name(value, name):
    assert spell_label(value) == name


@pytest.mark.parametrize("value", [["a"], {"a": 1}, ("a",), np.array([1, 0])])
def test_lists_and_objects_are_not_labels(value):
    with pytest.raises(ValueError, match="is not a name or a number"):
        spell_label(value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["1.5", "1", "10"], ["1", "1.5", "10"]),
        (["sad", "Happy", "happy", "Happy", "angry"], ["angry", "Happy", "sad"]),
        (["True", "false", "False", "False"], ["False", "True"]),
        (["10", "9", "other"], ["10", "9", "other"]),
        (["negative", "neutral", "positive"], ["negative", "neutral", "positive"]),
        (["0", "4"], ["0", "4"]),
    ],
)
def test_names_are_sorted_by_number_or_alphabet(labels, names):
    assert count((OWN, labels)).infer_names() == names


def test_all_files_of_a_source_are_counted():
    assert count((OWN, ["1"]), (OWN, ["0"]), (OWN, ["2"])).infer_names() == ["0", "1", "2"]


def test_files_of_sentiment140_keep_its_labels():
    counts = count((SENTIMENT140, ["0"] * 3), (SENTIMENT140, ["4", "2", "4"]))
    assert counts.infer_names() == ["NEGATIVE", "POSITIVE"]
    assert counts.count_rows(["NEGATIVE", "POSITIVE"]) == 5


def test_class_label_features_give_names_and_order():
    label_format = LabelFormat(class_names=("positive", "negative"))
    names = count((label_format, ["0", "1", "0"])).infer_names()
    assert names == ["positive", "negative"]
    assert label_format.label_ids(names)["0"] == 0


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([(OWN, ["1", "1.0", "1"])], "0.csv: all rows have the label '1'"),
        ([(SENTIMENT140, ["0", "4"]), (OWN, ["0", "1"])], "0.csv has the columns of Sentiment140 and 1.csv has not"),
        ([(OWN, map(str, range(MAX_LABELS + 1)))], "--label_column, or all labels with --label_names"),
        (
            [(LabelFormat(class_names=("a", "b")), ["0"]), (LabelFormat(class_names=("b", "a")), ["0"])],
            "The files name their labels differently: 0.csv (a, b), 1.csv (b, a)",
        ),
    ],
)
def test_labels_without_a_clear_meaning_are_refused(sources, message):
    with pytest.raises(ValueError) as error:
        count(*sources).infer_names()
    assert message in str(error.value)


@pytest.mark.parametrize("other", ["2", "4"])
def test_two_schemes_in_files_of_sentiment140_are_refused(other):
    counts = count((SENTIMENT140, ["0", "1"]), (SENTIMENT140, [other]))
    with pytest.raises(ValueError, match=rf"labels 1 \(1 rows\) and {other} \(1 rows\)"):
        counts.check_sentiment140(["NEGATIVE", "POSITIVE"])
    counts.check_sentiment140(["0", "1", "2"])


@pytest.mark.parametrize(
    ("label_format", "names", "ids"),
    [
        (OWN, ["NEGATIVE", "POSITIVE"], {"0": 0, "1": 1, "negative": 0, "positive": 1, "neutral": -1}),
        (OWN, ["b", "a"], {"0": 0, "1": 1, "b": 0, "a": 1}),
        (OWN, ["1", "2"], {"1": 0, "2": 1}),
        (
            SENTIMENT140,
            ["POSITIVE", "NEGATIVE"],
            {"0": 1, "1": 0, "2": -1, "4": 0, "positive": 0, "negative": 1},
        ),
        (
            SENTIMENT140,
            ["negative", "neutral", "positive"],
            {"0": 0, "2": 1, "4": 2, "negative": 0, "neutral": 1, "positive": 2},
        ),
        (SENTIMENT140, ["0", "2", "4"], {"0": 0, "2": 1, "4": 2}),
        (LabelFormat(class_names=("good", "bad")), ["bad", "good"], {"0": 1, "1": 0, "bad": 0, "good": 1}),
        (LabelFormat(class_names=("good", "bad")), ["x", "y"], {"0": 0, "1": 1, "x": 0, "y": 1}),
    ],
)
def test_given_names_fix_order_and_meaning(label_format, names, ids):
    assert label_format.label_ids(names) == ids


@pytest.mark.parametrize(
    ("columns", "label_column", "expected"),
    [
        (["target", "id", "date", "query", "user", "text"], "target", True),
        (["text", "date", "user", "sentiment", "query"], "sentiment", True),
        (["polarity", "text"], "polarity", True),
        (["polarity", "text", "id"], "polarity", False),
        (["text", "label"], "label", False),
        (["text", "date", "user", "sentiment", "query"], "query", False),
    ],
)
def test_sentiment140_is_known_by_its_columns(columns, label_column, expected):
    assert LabelFormat.from_columns(columns, label_column).is_sentiment140 == expected
