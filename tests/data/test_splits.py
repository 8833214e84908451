import logging

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import LabelledRows, load_splits
from hf_brnn.data.splits import split_rows
from hf_brnn.data.text import text_key


def make_rows(texts):
    labels = [i % 2 for i in range(len(texts))]
    return LabelledRows.from_lists(texts, labels, ["NEGATIVE", "POSITIVE"])


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_row_that_a_part_would_take_whole_is_too_few(part):
    sizes = {"test_size": 0, "validation_size": 0} | {f"{part}_size": 0.1}
    with pytest.raises(ValueError, match=rf"{part}_size is 0\.1, but only 1 rows are left to draw from"):
        split_rows(make_rows(["x"]), DataArguments(**sizes))


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


def test_published_splits_stay_whole_and_their_texts_leave_the_training_rows(write_file):
    train = write_file("train.csv", "text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(20)))
    validation = write_file("validation.csv", "text,label\nTEXT 3,1\nnew,0\nnew,0\n")
    args = DataArguments(data_files=[str(train)], validation_files=[str(validation)], test_size=5)
    source = load_splits(args)
    splits = split_rows(source["train"], args, source)
    assert splits["validation"].texts == ["TEXT 3", "new", "new"]
    assert len(splits["test"]) + len(splits["train"]) == 19
    assert "text 3" not in splits["train"].texts + splits["test"].texts
    args = DataArguments(data_files=[str(train)], validation_files=[str(validation)], test_files=[str(validation)])
    source = load_splits(args)
    assert len(split_rows(source["train"], args, source)["train"]) == 19
