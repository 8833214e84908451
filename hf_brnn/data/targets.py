"""What the rows of each kind of problem are labeled with.

A row of a single-label problem has a label, one of a multi-label problem a set of labels, one of a token
classification problem a tag for each word, and one of a regression a number for each target.
"""

import ast
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Optional, Union

import numpy as np

from .labels import spell_label
from .problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from .text import shorten

# The label of a single-label row, the labels of a multi-label row, the tags of its words, or its numbers.
Label = Union[str, tuple[str, ...], tuple[float, ...]]
# The same with ids instead of names.
LabelIds = Union[int, tuple[int, ...], tuple[float, ...]]

# Separates the labels of a multi-label row in a text, in what is read and in what is written.
LABEL_SEPARATOR = "|"
YES, NO = ("1", "true"), ("0", "false")


_spell_label = lru_cache(maxsize=10_000, typed=True)(spell_label)


def join_words(text: Any) -> Any:
    """Returns a list of words as a text with a space between them; anything else as it is."""
    return " ".join(map(str, text)) if isinstance(text, list) else text


def read_text(text: Any, problem_type: str) -> str:
    """Reads the text of a row. The words of a token classification may be a list; they get one space between two.

    Raises:
        ValueError: There is no text.
    """
    if problem_type == TOKENS:
        text = " ".join(_read_words(text))
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text")
    return text


def read_weight(value: Any) -> np.ndarray:
    """Reads the weight of a row.

    Raises:
        ValueError: It is not a number of 0 or more.
    """
    numbers = _to_numbers(value)
    if numbers is None:
        raise ValueError(f"weight {shorten(value)} must be a number of 0 or more")
    return numbers


def read_probabilities(values: Sequence[Any]) -> np.ndarray:
    """Reads the `(num_labels,)` label probabilities of a row, divided by their sum.

    Raises:
        ValueError: They are not numbers of 0 or more, or all 0.
    """
    numbers = _to_numbers(values)
    if numbers is None or not numbers.any():
        raise ValueError(f"label probabilities {shorten(values)} must be numbers of 0 or more")
    return numbers / numbers.sum()


def _to_numbers(value: Any) -> Optional[np.ndarray]:
    """Returns a number or numbers as an array; None if one is missing, negative or not finite."""
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() and (numbers >= 0).all() else None


def read_label(value: Any, problem_type: str, separator: str, text: str) -> Label:
    """Reads the label of a row from its field, or for several label columns from the tuple of their fields.

    Args:
        value: The field.
        problem_type: The kind of problem.
        separator: What separates the labels of a multi-label row in a text.
        text: The text of the row, as `read_text` reads it, which needs a tag for each word.

    Raises:
        ValueError: The field holds no such label. The message says what is wrong.
    """
    if problem_type == MULTI_LABEL:
        return _read_labels(value, separator)
    if problem_type == REGRESSION:
        return _read_numbers(value)
    if problem_type == TOKENS:
        return _read_tags(value, text)
    try:
        label = _spell_label(value)
    except (TypeError, ValueError):  # a list or an object
        hint = f"; lists of labels need --problem_type {MULTI_LABEL}" if isinstance(value, list) else ""
        raise ValueError(f"label {shorten(value)} is not a name or a number{hint}") from None
    if label is None:
        raise ValueError("no label")
    return label


def _read_labels(value: Any, separator: str) -> tuple[str, ...]:
    if value is None:
        raise ValueError("no labels")
    items = _read_list(value)
    if items is None:
        items = str(value).split(separator)
    names = [spell_label(item) for item in items]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _read_numbers(value: Any) -> tuple[float, ...]:
    numbers = []
    for item in value if isinstance(value, tuple) else (value,):
        try:
            number = float(item)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"target {shorten(item)} is not a finite number")
        numbers.append(number)
    return tuple(numbers)


def _read_tags(value: Any, text: str) -> tuple[str, ...]:
    items = _read_list(value)
    tags = [spell_label(item) or "" for item in (str(value or "").split() if items is None else items)]
    words = text.split(" ")
    if len(tags) != len(words):
        raise ValueError(f"{len(words)} words and {len(tags)} tags: give each word one tag")
    if "" in tags:
        raise ValueError(f"word {shorten(words[tags.index('')])} has no tag")
    return tuple(tags)


def _read_words(text: Any) -> list[str]:
    """Returns the words of a list, or of a text with white space between its words."""
    words = _read_list(text)
    if words is None:
        return str(text or "").split()
    for word in words:
        if not isinstance(word, str) or word.split() != [word]:
            raise ValueError(f"word {shorten(word)} is not one word")
    return words


def _read_list(value: Any) -> Any:
    """Returns the items of a list, also of one that is written as text, as pandas and JSON do in a csv; else None."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return None
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else None


def read_indicators(values: Iterable[Any], names: Sequence[str]) -> list[str]:
    """Returns those of `names` whose column holds a 1 or True.

    Raises:
        ValueError: A field is neither 0 nor 1.
    """
    found = []
    for name, value in zip(names, values):
        text = (spell_label(value) or "").lower()
        if text not in (*YES, *NO):
            raise ValueError(f"field {name!r} is {shorten(value)}, not 0 or 1")
        if text in YES:
            found.append(name)
    return found


def write_label(label: LabelIds, names: Sequence[str], problem_type: str) -> str:
    """Returns the label of a row as text: the name; names with `LABEL_SEPARATOR` between them; the tags of the words
    with a space between them; numbers."""
    if problem_type == SINGLE_LABEL:
        return names[label]  # type: ignore[index]
    if problem_type == REGRESSION:
        return " ".join(f"{number:.6g}" for number in label)  # type: ignore[union-attr]
    separator = " " if problem_type == TOKENS else LABEL_SEPARATOR
    return separator.join(names[index] for index in label)  # type: ignore[index, union-attr]


def count_labels(labels: Sequence[LabelIds], problem_type: str) -> Counter[int]:
    """Returns the number of rows, for token classification of words, with each label id; for regression none."""
    if problem_type == SINGLE_LABEL:
        return Counter(labels)  # type: ignore[arg-type]
    return Counter() if problem_type == REGRESSION else Counter(chain.from_iterable(labels))  # type: ignore[arg-type]


def to_array(labels: Sequence[LabelIds], problem_type: str, num_labels: int) -> np.ndarray:
    """Returns the labels of rows as an array.

    Returns:
        `(rows,)` int64 class ids; `(rows, num_labels)` float32, 1 for the labels of a multi-label row and 0 for others,
        or the numbers of a regression; `(words,)` int64 ids of the tags of all rows.
    """
    if problem_type == MULTI_LABEL:
        indicators = np.zeros((len(labels), num_labels), np.float32)
        for row, ids in zip(indicators, labels):
            row[list(ids)] = 1  # type: ignore[arg-type, index]
        return indicators
    if problem_type == REGRESSION:
        return np.array(labels, np.float32).reshape(len(labels), num_labels)
    if problem_type == TOKENS:
        return np.fromiter(chain.from_iterable(labels), np.int64)  # type: ignore[arg-type]
    return np.array(labels, np.int64)


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of the targets of a regression on the training rows. A training predicts standardized
    targets, so that its rates suit targets of any unit.

    Attributes:
        mean: `(num_labels,)`.
        std: `(num_labels,)`.
    """

    mean: list[float]
    std: list[float]

    def standardize(self, targets: np.ndarray) -> np.ndarray:
        """Takes and returns `(rows, num_labels)`."""
        return ((targets - np.array(self.mean)) / np.array(self.std)).astype(np.float32)

    def restore(self, predictions: np.ndarray) -> np.ndarray:
        """Undoes `standardize`."""
        return (predictions * np.array(self.std) + np.array(self.mean)).astype(np.float32)


class TargetMoments:
    """Mean and variance of targets that arrive in chunks, as Chan, Golub and LeVeque (1979) combine them."""

    def __init__(self) -> None:
        self.rows = 0
        self.mean = np.zeros(1)
        self.squares = np.zeros(1)  # sums of squared distances from the mean

    def add(self, targets: np.ndarray) -> None:
        """Adds `(rows, num_labels)` targets."""
        if not len(targets):
            return
        rows = self.rows + len(targets)
        mean = targets.mean(axis=0)
        distance = mean - self.mean
        self.squares = (
            self.squares + ((targets - mean) ** 2).sum(axis=0) + distance**2 * self.rows * len(targets) / rows
        )
        self.mean = self.mean + distance * len(targets) / rows
        self.rows = rows

    def scale(self, names: Sequence[str]) -> TargetScale:
        """Returns the scale of the targets, whose names are `names`.

        Raises:
            ValueError: A target is the same in all rows.
        """
        std = np.sqrt(self.squares / self.rows)
        for name, value, spread in zip(names, self.mean, std):
            if spread <= 1e-12 * abs(value):
                raise ValueError(f"{name} is {value:g} in all training rows: add rows with other numbers.")
        return TargetScale(self.mean.tolist(), std.tolist())
