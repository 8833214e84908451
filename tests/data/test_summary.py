from collections import Counter

import numpy as np

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import LabelledRows
from hf_brnn.data.summary import describe


def test_the_summary_shows_columns_rows_classes_first_rows_and_lengths():
    rows = LabelledRows.from_lists([f"some text {i}" for i in range(10)], [0, 1] * 5, ["NEGATIVE", "POSITIVE"])
    rows.columns = ["text", "label"]
    sizes = {"train": 8, "validation": 0, "test": 2}
    summary = describe(rows, sizes, Counter(rows.labels), np.array([3, 3, 9]), DataArguments(max_length=8))
    parts = (
        "text, label",
        "10 (train 8, test 2)",
        "NEGATIVE 5, POSITIVE 5",
        "some text 4",
        "mean 5.0",
        "longest 9; 1 texts truncated to 8",
    )
    for part in parts:
        assert part in summary
    assert "some text 5" not in summary
