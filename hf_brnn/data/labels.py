"""What the label values of a source mean: their names, their order and their ids."""

import logging
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from .text import list_names, shorten

# The labels of Sentiment140. Its files write 0, 2 and 4 for negative, neutral and positive, or 0 and 1.
LABEL_NAMES = ("NEGATIVE", "POSITIVE")
NEUTRAL = -1
SENTIMENT140_LABELS = {"0": "negative", "1": "positive", "2": "neutral", "4": "positive"}
SENTIMENT140_COLUMNS = (
    {"target", "id", "date", "query", "user", "text"},
    {"text", "date", "user", "sentiment", "query"},
    {"polarity", "text"},
)
SENTIMENT140_LABEL_COLUMNS = ("target", "sentiment", "polarity")
# More label values than this are not classes: the column holds something else.
MAX_LABELS = 1000

logger = logging.getLogger(__name__)

_announced: set[str] = set()
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.0*)?")


def spell_label(value: Any) -> Optional[str]:
    """Returns the name of a label value: `5`, `5.0`, `"5"` and `"5.0"` are the label `5`, `True` is `True`.

    Returns:
        None where there is no label: None, NaN or white space.

    Raises:
        ValueError: The value is a list or an object.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple, dict, set, np.ndarray)):
        raise ValueError(f"label {shorten(value)} is not a name or a number")
    if value is None or value != value:  # NaN differs from itself
        return None
    text = str(value).strip()
    whole_number = _WHOLE_NUMBER.fullmatch(text)
    return whole_number[1] if whole_number else text or None


def label_key(name: str) -> str:
    """Returns what two spellings of the same label have in common: case, Unicode form and outer white space don't
    matter."""
    key = (spell_label(name) or "").casefold()
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def is_sentiment(names: Iterable[str]) -> bool:
    """Returns whether these are the two labels of Sentiment140."""
    return [label_key(name) for name in names] == [label_key(name) for name in LABEL_NAMES]


@dataclass(frozen=True)
class LabelFormat:
    """How one file writes its labels.

    Attributes:
        is_sentiment140: Whether the file has one of the forms in which Sentiment140 is published.
        class_names: Names of the integers 0, 1, ..., from the `ClassLabel` feature of a data set.
    """

    is_sentiment140: bool = False
    class_names: Optional[tuple[str, ...]] = None

    @classmethod
    def from_columns(
        cls, columns: Iterable[str], label_column: str, class_names: Optional[Iterable[str]] = None
    ) -> "LabelFormat":
        """The format of a file with these columns."""
        is_sentiment140 = label_column in SENTIMENT140_LABEL_COLUMNS and set(columns) in SENTIMENT140_COLUMNS
        return cls(is_sentiment140, None if class_names is None else tuple(class_names))

    def label_ids(self, names: list[str]) -> dict[str, int]:
        """Returns the id of each label that a file of this format may hold, by its `label_key`; `NEUTRAL` for labels
        that are skipped.

        A label is one of `names`, or its place among them if no name is a number.
        """
        named = {label_key(name): index for index, name in enumerate(names)}
        has_numbers = any(_is_number(key) for key in named)
        ids = {} if has_numbers else {str(index): index for index in range(len(names))}
        if self.is_sentiment140 and {"negative", "positive"} <= named.keys():
            meanings = {key: named.get(name, NEUTRAL) for key, name in SENTIMENT140_LABELS.items()}
            if "neutral" in named:  # then 0, 2 and 4 are meant
                del meanings["1"]
            ids = meanings
        elif self.class_names and any(label_key(name) in named for name in self.class_names):
            keys = map(label_key, self.class_names)
            ids = {str(index): named[key] for index, key in enumerate(keys) if key in named}
        if is_sentiment(names):
            named["neutral"] = NEUTRAL
        return ids | named


class LabelCounts:
    """Counts the labels of a source to find out what they mean. All files count before anything is decided: one shard
    may hold a single label.

    Attributes:
        column: The label column of the last file.
    """

    def __init__(self) -> None:
        self.column = ""
        self._counts: dict[LabelFormat, Counter[str]] = {}
        self._sources: dict[LabelFormat, str] = {}

    def __bool__(self) -> bool:
        """Whether there is any label."""
        return bool(self._counts)

    def add(self, source: str, label_format: LabelFormat, labels: Iterable[str]) -> None:
        """Counts the labels of some rows of a file."""
        labels = list(labels)
        if not labels:
            return
        self._sources.setdefault(label_format, source)
        self._counts.setdefault(label_format, Counter()).update(labels)

    def count_rows(self, names: list[str]) -> int:
        """Returns the number of rows with one of the labels `names`."""
        rows = 0
        for label_format, counts in self._counts.items():
            ids = label_format.label_ids(names)
            rows += sum(count for name, count in counts.items() if ids.get(label_key(name), NEUTRAL) != NEUTRAL)
        return rows

    def check_number(self) -> None:
        """Raises:
        ValueError: There are more labels than a classifier can be meant to have.
        """
        for label_format, counts in self._counts.items():
            if len(counts) > MAX_LABELS:
                raise ValueError(
                    f"{self._sources[label_format]}: the label column holds more than {MAX_LABELS} different labels, "
                    f"such as {list_names(sorted(counts)[:3])}. Name the column of the labels with --label_column, or "
                    "all labels with --label_names."
                )

    def check_sentiment140(self, names: list[str]) -> None:
        """Raises:
        ValueError: Sentiment140's files hold both 0/1 and 0/4, so that the meaning of 1 is unknown.
        """
        if "neutral" in map(label_key, names) or not {"negative", "positive"} <= set(map(label_key, names)):
            return
        formats = [label_format for label_format in self._counts if label_format.is_sentiment140]
        counts = sum((self._counts[label_format] for label_format in formats), Counter())
        for other in ("2", "4"):
            if counts["1"] and counts[other]:
                raise ValueError(
                    f"{self._sources[formats[0]]}: labels 1 ({counts['1']} rows) and {other} ({counts[other]} rows) "
                    "both occur. Sentiment140 has labels 0 and 1, or 0 and 4 with 2 for neutral. If these rows have "
                    "other labels, name all of them: --label_names 0 1 2."
                )

    def infer_names(self) -> list[str]:
        """Returns the names of the labels in the order of their ids: those of Sentiment140 for its own files, those of
        `ClassLabel` features, else the labels found, numbers in numeric and names in alphabetic order.

        Raises:
            ValueError: The files disagree, or there are fewer than two or too many labels.
        """
        self.check_number()
        sentiment140 = [label_format for label_format in self._counts if label_format.is_sentiment140]
        if sentiment140 and len(sentiment140) == len(self._counts):
            return list(LABEL_NAMES)
        if sentiment140:
            other = next(label_format for label_format in self._counts if not label_format.is_sentiment140)
            raise ValueError(
                f"{self._sources[sentiment140[0]]} has the columns of Sentiment140 and {self._sources[other]} has not, "
                "so that their labels may mean different things. Say what the labels are: --label_names "
                f"{' '.join(LABEL_NAMES)}."
            )
        named = [label_format for label_format in self._counts if label_format.class_names]
        if named:
            for label_format in named[1:]:
                if label_format.class_names != named[0].class_names:
                    first, second = (
                        f"{self._sources[found]} ({list_names(found.class_names or ())})"
                        for found in (named[0], label_format)
                    )
                    raise ValueError(
                        f"The files name their labels differently: {first}, {second}. Give all names with "
                        "--label_names."
                    )
            return list(named[0].class_names or ())
        counts = sum(self._counts.values(), Counter())
        spellings: dict[str, list[str]] = {}
        for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            spellings.setdefault(label_key(name), []).append(name)
        _announce_spellings(spellings.values())
        names = {key: found[0] for key, found in spellings.items()}
        if len(names) < 2:
            sources = list_names(list(self._sources.values()))
            raise ValueError(
                f"{sources}: all rows have the label {shorten(next(iter(names.values()), None))}, but a "
                "classifier needs two or more. Add rows with other labels, or name the "
                "column of the labels with --label_column."
            )
        keys = sorted(names)
        if all(_is_number(key) for key in keys):
            keys.sort(key=float)
        return [names[key] for key in keys]


def _announce_spellings(spellings: Iterable[list[str]]) -> None:
    """Logs once which labels are read as one. What the logger drops does not count: files are checked before logging is
    set up."""
    for found in spellings:
        message = f"The labels {', '.join(map(shorten, found))} are read as one: {found[0]}."
        if len(found) > 1 and message not in _announced and logger.isEnabledFor(logging.INFO):
            _announced.add(message)
            logger.info(message)


def _is_number(key: str) -> bool:
    try:
        return math.isfinite(float(key))
    except ValueError:
        return False
