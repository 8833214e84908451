import logging

import pytest

from hf_brnn.data.columns import find_columns, find_text_column


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "Review", "Stars"], ("Review", "Stars")),
        (["tweet", "polarity"], ("tweet", "polarity")),
        (["comment", "text", "LABEL", "target"], ("text", "LABEL")),
        (["target", "id", "date", "query", "user", "text"], ("text", "target")),
    ],
)
def test_columns_are_guessed_by_their_names_and_announced(names, expected, caplog, tmp_path):
    with caplog.at_level(logging.WARNING):
        find_columns(str(tmp_path), names)
    with caplog.at_level(logging.INFO):
        assert find_columns(str(tmp_path), names) == expected
        assert find_columns(str(tmp_path), names) == expected
    message = f"{tmp_path}: texts from column {expected[0]!r}, labels from column {expected[1]!r}"
    assert caplog.messages == [message]


def test_given_columns_are_not_announced(caplog):
    with caplog.at_level(logging.INFO):
        assert find_columns("a.csv", ["x", "y", "text", "label"], "x", "y") == ("x", "y")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (
            ["body", "mood"],
            (None, None),
            "a.csv: no column of texts and no column of labels among body, mood. Add --text_column NAME "
            "--label_column NAME. If line 1 is a row, write a header line above it, such as text,label.",
        ),
        (
            ["tweet", "review", "label"],
            (None, None),
            "a.csv: several columns may hold the texts (tweet, review) among tweet, review, label. Add "
            "--text_column NAME.",
        ),
        (
            ["text", "mood"],
            ("txt", "moood"),
            "a.csv: no column 'txt' and no column 'moood' among text, mood. Did you mean --text_column text "
            "--label_column mood?",
        ),
        (
            ["text;label"],
            (None, "label"),
            "a.csv: no column of texts and no column 'label' among text;label. Add --text_column NAME "
            "--label_column NAME. If the one column is several, name what separates them: --delimiter ';'.",
        ),
    ],
)
def test_one_message_lists_all_that_is_missing(names, given, message):
    with pytest.raises(ValueError) as error:
        find_columns("a.csv", names, *given)
    assert str(error.value) == message


def test_the_text_column_alone_is_guessed():
    assert find_text_column("a.csv", ["id", "Message"]) == "Message"
    with pytest.raises(ValueError, match=r"a\.csv: no column of texts among id\. Add --text_column NAME\."):
        find_text_column("a.csv", ["id"])
