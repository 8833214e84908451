"""Splits and token ids of the Sentiment140 recipes never change: published results depend on them."""

import hashlib
import random

import numpy as np
import pandas as pd
import pytest

from hf_brnn.data.arguments import DataArguments
from hf_brnn.training.arguments import BrnnTrainingArguments
from hf_brnn.training.prepare import prepare_data

TEXT = "so happy sad rain sun monday work coffee again never love hate day night @friend http://x.example :) !"
WORDS = TEXT.split()


def make_rows(count):
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(count)]
    return texts, [rng.choice([0, 4, 4, 0, 2]) for _ in texts]


DATE = "Mon Apr 06 22:19:45 PDT 2009"


def write_source(folder, kind):
    texts, labels = make_rows(400)
    if kind == "original":
        rows = {"target": labels, "id": range(400), "date": DATE, "query": "NO_QUERY", "user": "u", "text": texts}
        pd.DataFrame(rows).to_csv(folder / "a.csv", index=False, header=False, encoding="latin-1")
        return folder / "a.csv"
    if kind == "hub":
        rows = {"text": texts, "date": "d", "user": "u", "sentiment": labels, "query": "q"}
        pd.DataFrame(rows).to_parquet(folder / "a.parquet")
        return folder / "a.parquet"
    rows = {"polarity": [int(label > 1) for label in labels], "text": texts}
    pd.DataFrame(rows).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def fingerprint(token_lists, labels):
    """A short hash of token ids and labels."""
    content = repr([(np.asarray(ids).tolist(), int(label)) for ids, label in zip(token_lists, labels)])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def fingerprint_of_split(split):
    return fingerprint(np.split(split.token_ids, split.offsets[1:-1]), split.labels)


def fingerprint_of_epoch(stream):
    """The first epoch of a stream, batch by batch."""
    steps = [stream.__getitems__([step * stream.batch_size]) for step in range(stream.steps)]
    return fingerprint([batch["input_ids"] for batch in steps], [batch["labels"].sum() for batch in steps])


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("sample", {}, {"validation": "15152452b896", "test": "8ed38f211c8a", "train": "7fa0fc38ffae"}),
        (
            "sample",
            {"emoticon_prob": 0.2, "max_rows": 1000, "min_frequency": 1},
            {"validation": "aa04df3190a0", "test": "b8871b85d51c", "train": "70ee826a8150"},
        ),
        (
            "sample",
            {"streaming": True, "shuffle_buffer_size": 300, "validation_size": 100},
            {"validation": "e2fb90cd2bb5", "test": "d6c617df77fa", "train": "eef36b281285"},
        ),
        (
            "original",
            {"validation_size": 25, "test_size": 25, "emoticon_prob": 0.02},
            {"validation": "dc0c3c230197", "test": "027d229761f9", "train": "2ab7fa616a3c"},
        ),
        (
            "hub",
            {"validation_size": 25, "test_size": 25, "emoticon_prob": 0.02},
            {"validation": "dc0c3c230197", "test": "027d229761f9", "train": "2ab7fa616a3c"},
        ),
        (
            "tutorial",
            {"validation_size": 100, "test_size": 0.33},
            {"validation": "4b982dd30219", "test": "aae7b8f440eb", "train": "df2603d7dd28"},
        ),
    ],
)
def test_splits_token_ids_and_labels_stay_as_published(tmp_path, kind, values, expected):
    files = None if kind == "sample" else [str(write_source(tmp_path, kind))]
    training_args = BrnnTrainingArguments(output_dir=str(tmp_path / "run"))
    data = prepare_data(DataArguments(data_files=files, **values), training_args, tmp_path / "data")
    assert data.label_names == ["NEGATIVE", "POSITIVE"]
    found = {name: fingerprint_of_split(split) for name, split in data.eval_splits.items()}
    found["train"] = (fingerprint_of_epoch if values.get("streaming") else fingerprint_of_split)(data.train)
    assert found == expected
