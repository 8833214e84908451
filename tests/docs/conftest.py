from pathlib import Path

import pandas as pd
import pytest
from processes import run_python

import hf_brnn

ROWS = 600
TEST_ROWS = 180


@pytest.fixture(scope="session")
def examples(tmp_path_factory):
    """A folder with what the pages take as given: three csv files, and `runs/reviews`, trained on one and exported."""
    folder = tmp_path_factory.mktemp("examples")
    rows = pd.read_csv(Path(hf_brnn.__file__).parent / "data" / "sample" / "tweets.csv")
    rows["label"] = rows["sentiment"].map({0: "bad", 4: "good"})
    labeled = rows[["text", "label"]]
    labeled[:ROWS].to_csv(folder / "reviews.csv", index=False)
    labeled[ROWS : ROWS + TEST_ROWS].to_csv(folder / "test.csv", index=False)
    rows[["text"]].to_csv(folder / "tweets.csv", index=False)
    run_python("-m", "hf_brnn", "train", "reviews.csv", cwd=folder)
    run_python("-m", "hf_brnn", "export", "runs/reviews", cwd=folder)
    return folder
