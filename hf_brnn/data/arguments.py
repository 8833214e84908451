"""Where the rows of a training come from, how they are split and how they are tokenized."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from .labels import LABEL_COLUMNS, LABEL_NAMES, is_sentiment, label_key

SAMPLE = "sample"
SAMPLE_FILE = Path(__file__).parent / "sample" / "tweets.csv"
HUB_DATASET = "stanfordnlp/sentiment140"
HUB_REVISION = "refs/convert/parquet"


@dataclass
class DataArguments:
    """Where the rows come from, how they are split and how they are tokenized."""

    dataset_name: str = field(
        default=SAMPLE,
        metadata={"help": f"'{SAMPLE}' (the embedded one) or a data set on the Hub, such as {HUB_DATASET}."},
    )
    dataset_revision: Optional[str] = field(
        default=None,
        metadata={"help": f"Branch, tag or commit on the Hub; by default {HUB_REVISION} for {HUB_DATASET}."},
    )
    dataset_split: str = field(default="train", metadata={"help": "Split of the data set on the Hub to read."})
    data_files: Optional[list[str]] = field(
        default=None,
        metadata={"help": "csv, tsv, json or parquet files, or patterns of them, to read instead of dataset_name."},
    )
    held_out_files: Optional[list[str]] = field(
        default=None, metadata={"help": "Files of test texts, read for one purpose: no split may hold one of them."}
    )
    text_column: str = field(default="text", metadata={"help": "Column of the texts."})
    label_column: Optional[str] = field(
        default=None, metadata={"help": f"Column of the labels; by default the first of {', '.join(LABEL_COLUMNS)}."}
    )
    label_names: list[str] = field(
        default_factory=lambda: list(LABEL_NAMES),
        metadata={"help": "Names of the labels in the order of their ids. Rows hold names, or ids if no name is one."},
    )
    streaming: bool = field(
        default=False,
        metadata={"help": "Read the training rows anew in each epoch instead of holding them in memory."},
    )
    shuffle_buffer_size: int = field(
        default=100_000, metadata={"help": "With streaming: rows that each process reads ahead and shuffles."}
    )
    max_rows: Optional[int] = field(default=None, metadata={"help": "Use so many rows, drawn by split_seed."})
    validation_size: float = field(default=0.1, metadata={"help": "Rows kept for validation: a share, or a number."})
    test_size: float = field(default=0.1, metadata={"help": "Rows kept for the test: a share, or a number."})
    split_seed: int = field(default=42, metadata={"help": "Seed of max_rows and of the splits."})
    emoticon_prob: float = field(
        default=0.0,
        metadata={"help": "Share of the training texts that get an emoticon like those Sentiment140 was labelled by."},
    )
    skip_bad_rows: bool = field(default=False, metadata={"help": "Count, list and leave out rows that can't be used."})
    vocab_size: int = field(default=4000, metadata={"help": "Words the tokenizer knows at most."})
    min_frequency: int = field(default=2, metadata={"help": "A word seen less often in training stays unknown."})
    max_length: int = field(default=128, metadata={"help": "Training texts are cut to so many tokens."})

    def __post_init__(self) -> None:
        for name in ("validation_size", "test_size"):
            value = getattr(self, name)
            if value < 0 or (value > 1 and value != int(value)) or value == 1:
                raise ValueError(f"{name} is {value}, but must be a share in [0, 1) or a whole number of rows.")
        for name in ("max_rows", "vocab_size", "min_frequency", "max_length", "shuffle_buffer_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1.")
        if not 0 <= self.emoticon_prob <= 1:
            raise ValueError(f"emoticon_prob is {self.emoticon_prob}, but must be a share in [0, 1].")
        if self.emoticon_prob and not is_sentiment(self.label_names):
            names = ", ".join(LABEL_NAMES)
            raise ValueError(
                f"emoticon_prob is for the labels {names}, but label_names is {self.label_names}: "
                "give --emoticon_prob 0."
            )
        if self.streaming and self.max_rows is not None:
            raise ValueError("max_rows draws from all rows, which streaming does not hold: leave one of them out.")
        if len(self.label_names) < 2 or len(set(map(label_key, self.label_names))) < len(self.label_names):
            raise ValueError(f"label_names is {self.label_names}, but must be two or more different names.")
