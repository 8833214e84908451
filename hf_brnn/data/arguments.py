"""Where the rows of a training come from, how they are split and how they are tokenized."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from .columns import LABEL_COLUMNS, TEXT_COLUMNS
from .file_format import QUOTINGS, FileFormat
from .labels import LABEL_NAMES, is_sentiment, label_key
from .problem_type import MULTI_LABEL, PROBLEM_TYPES, REGRESSION, SINGLE_LABEL
from .targets import LABEL_SEPARATOR
from .text import did_you_mean

SAMPLE = "sample"
SAMPLE_FOLDER = Path(__file__).parent / "sample"
# The embedded data sets: one for each kind of problem.
SAMPLE_FILES = {
    SAMPLE: SAMPLE_FOLDER / "tweets.csv",
    "sample_multi_label": SAMPLE_FOLDER / "reviews.csv",
    "sample_regression": SAMPLE_FOLDER / "stars.csv",
    "sample_tokens": SAMPLE_FOLDER / "entities.jsonl",
}
SAMPLE_FILE = SAMPLE_FILES[SAMPLE]
HUB_DATASET = "stanfordnlp/sentiment140"
HUB_REVISION = "refs/convert/parquet"


@dataclass
class DataArguments:
    """The options of the data: source, columns, labels, splits and tokenizer."""

    dataset_name: str = field(
        default=SAMPLE,
        metadata={
            "help": f"A data set on the Hub, such as {HUB_DATASET}, or an embedded one: {', '.join(SAMPLE_FILES)}."
        },
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
    encoding: Optional[str] = field(
        default=None,
        metadata={"help": "Encoding of text files, such as cp1252. [UTF-8, or detected and reported]"},
    )
    delimiter: Optional[str] = field(
        default=None, metadata={"help": "What separates the fields of csv and tsv files. [detected in the first line]"}
    )
    quoting: Optional[str] = field(
        default=None,
        metadata={
            "help": "Quotes of csv and tsv files: minimal, fields may be quoted; none, quotes are part of the text.",
            "choices": QUOTINGS,
        },
    )
    validation_files: Optional[list[str]] = field(
        default=None,
        metadata={"help": "Files of the validation split, taken as they are; validation_size then draws no rows."},
    )
    test_files: Optional[list[str]] = field(
        default=None, metadata={"help": "Files of the test split, taken as they are; test_size then draws no rows."}
    )
    held_out_files: Optional[list[str]] = field(
        default=None, metadata={"help": "Files of texts that must not occur in any split that is drawn."}
    )
    problem_type: Optional[str] = field(
        default=None,
        metadata={
            "help": f"{SINGLE_LABEL} (the default); {MULTI_LABEL}, any number of labels per text; {REGRESSION}, a "
            "number per text; token_classification, a tag per word.",
            "choices": PROBLEM_TYPES,
        },
    )
    text_column: Optional[str] = field(
        default=None,
        metadata={"help": f"Column of the texts; by default the one whose name is one of {', '.join(TEXT_COLUMNS)}."},
    )
    label_column: Optional[str] = field(
        default=None,
        metadata={"help": f"Column of the labels; by default the one whose name is one of {', '.join(LABEL_COLUMNS)}."},
    )
    label_separator: Optional[str] = field(
        default=None,
        metadata={
            "help": f"What separates the labels in label_column, where a text has several. [{LABEL_SEPARATOR}; a list "
            "needs none]"
        },
    )
    label_columns: Optional[list[str]] = field(
        default=None,
        metadata={
            "help": "Instead of label_column: a column of 0 and 1 for each label of a multi-label problem, or a column "
            "for each target of a regression."
        },
    )
    weight_column: Optional[str] = field(
        default=None, metadata={"help": "Column of the weights of the training rows in the loss: 0 or more."}
    )
    label_probability_columns: Optional[list[str]] = field(
        default=None,
        metadata={
            "help": "Columns of the probabilities of the labels, one for each label, to train on instead of "
            "label_column (soft labels). Labels are named as the columns, without score_."
        },
    )
    label_names: Optional[list[str]] = field(
        default=None,
        metadata={
            "help": "Names of the labels in the order of their ids; by default all labels of the data, sorted. Rows "
            "hold names, or ids if no name is a number."
        },
    )
    streaming: bool = field(
        default=False,
        metadata={"help": "Read the training rows in each epoch instead of holding them in memory."},
    )
    shuffle_buffer_size: int = field(
        default=100_000, metadata={"help": "With streaming: rows that each process reads ahead and shuffles."}
    )
    max_rows: Optional[int] = field(
        default=None, metadata={"help": "Random subset of this size to train on (seed: split_seed)."}
    )
    validation_size: float = field(
        default=0.1, metadata={"help": "Rows to draw for the validation split: a share, or a number of rows."}
    )
    test_size: float = field(
        default=0.1, metadata={"help": "Rows to draw for the test split: a share, or a number of rows."}
    )
    split_seed: int = field(default=42, metadata={"help": "Seed of max_rows and of the splits."})
    emoticon_prob: float = field(
        default=0.0,
        metadata={"help": "Probability that a training text gets an emoticon like those that labeled Sentiment140."},
    )
    skip_bad_rows: bool = field(default=False, metadata={"help": "List and skip rows that can't be used."})
    vocab_size: Optional[int] = field(default=4000, metadata={"help": "Maximum number of words in the vocabulary."})
    extend_vocabulary: bool = field(
        default=False,
        metadata={"help": "Add the words of the training texts to the vocabulary of the model to start from."},
    )
    min_frequency: int = field(
        default=2, metadata={"help": "Minimum number of times that a word occurs in the training texts."}
    )
    max_length: int = field(default=128, metadata={"help": "Training texts are truncated to this number of tokens."})

    def __post_init__(self) -> None:
        self._set_problem_type()
        self.file_format.check()
        self._check_dataset_name()
        for name in ("validation_size", "test_size"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value > 1 and value != int(value)) or value == 1:
                raise ValueError(f"{name} is {value}, but must be a share in [0, 1) or a whole number of rows.")
        for name in ("max_rows", "vocab_size", "min_frequency", "max_length", "shuffle_buffer_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1.")
        if self.split_seed not in range(2**32):
            raise ValueError(f"split_seed is {self.split_seed}, but must be between 0 and {2**32 - 1}.")
        if not 0 <= self.emoticon_prob <= 1:
            raise ValueError(f"emoticon_prob is {self.emoticon_prob}, but must be a probability in [0, 1].")
        if self.streaming and self.max_rows is not None:
            raise ValueError(
                "max_rows draws from all rows, but streaming does not hold all rows in memory. Remove one of the two "
                "options."
            )
        if columns := self.label_probability_columns:
            if self.label_column is not None:
                raise ValueError(
                    f"label_column is {self.label_column!r} and label_probability_columns is {columns}: remove one."
                )
            if self.label_names is None:
                self.label_names = [name.removeprefix("score_") for name in columns]
            if len(self.label_names) != len(columns):
                raise ValueError(
                    f"label_probability_columns names {len(columns)} columns and label_names {len(self.label_names)} "
                    "labels. Name a column for each label."
                )
        if self.label_names is not None:
            self.check_label_names(self.label_names)

    @property
    def file_format(self) -> FileFormat:
        """How text files are written."""
        return FileFormat(self.encoding, self.delimiter, self.quoting)

    def _check_dataset_name(self) -> None:
        name = self.dataset_name
        if self.data_files is not None or name in SAMPLE_FILES:
            return
        if Path(name).is_file():
            raise ValueError(f"dataset_name is {name!r}, which is a file: give --data_files {name} instead.")
        if "/" not in name and (hint := did_you_mean(name, SAMPLE_FILES)):
            raise ValueError(f"dataset_name is {name!r}, but there is no such embedded data set.{hint}")

    def _set_problem_type(self) -> None:
        """Sets the kind of problem where it is not given, and checks the options that belong to one kind."""
        if self.problem_type is None:
            is_multi_label = self.label_columns is not None or self.label_separator is not None
            self.problem_type = MULTI_LABEL if is_multi_label else SINGLE_LABEL
        if self.problem_type not in PROBLEM_TYPES:
            raise ValueError(f"problem_type is {self.problem_type!r}, but must be one of {', '.join(PROBLEM_TYPES)}.")
        allowed = {
            "label_columns": (MULTI_LABEL, REGRESSION),
            "label_separator": (MULTI_LABEL,),
            "label_probability_columns": (SINGLE_LABEL,),
            "emoticon_prob": (SINGLE_LABEL,),
        }
        for name, problem_types in allowed.items():
            if getattr(self, name) and self.problem_type not in problem_types:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, which is for {' and '.join(problem_types)}, but problem_type "
                    f"is {self.problem_type}. Leave out one of them."
                )
        if self.label_columns is not None:
            names = self.label_names or self.label_columns
            if self.label_column is not None or self.label_separator is not None or names != self.label_columns:
                raise ValueError(
                    "label_columns names the columns and so the labels: leave out label_column, label_names and "
                    "label_separator."
                )
            self.label_names = list(self.label_columns)

    def check_label_names(self, names: list[str]) -> None:
        """Raises:
        ValueError: There are fewer than two different names, where a classifier needs them, or `emoticon_prob` has no
            emoticons for them.
        """
        if self.problem_type == REGRESSION:
            if len(set(names)) < len(names):
                raise ValueError(f"label_columns is {names}, but must be different names.")
            return
        if len(names) < 2 or len(set(map(label_key, names))) < len(names) or "" in map(label_key, names):
            option = "label_columns" if names == self.label_columns else "label_names"
            raise ValueError(f"{option} is {names}, but must be two or more different names.")
        if self.emoticon_prob and not is_sentiment(names):
            raise ValueError(
                f"emoticon_prob is for the labels {', '.join(LABEL_NAMES)}, but label_names is {names}: "
                "give --emoticon_prob 0."
            )
