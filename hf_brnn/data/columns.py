"""Which columns of a source hold the texts and the labels."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from .open_file import split_suffix
from .text import closest, list_names

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_announced: set[tuple[str, str, str]] = set()

# The first name is taken whatever other columns there are, one of the others if no second one fits.
TEXT_COLUMNS = ("text", "tweet", "sentence", "review", "content", "message", "comment")
# The same for token classification.
WORD_COLUMNS = ("tokens", "words", *TEXT_COLUMNS)
TAG_COLUMNS = ("tags", "ner_tags", "pos_tags", "labels", "label")
LABEL_COLUMNS = ("label", "labels", "class", "category", "sentiment", "polarity", "target", "stars", "rating")


def find_columns(
    source: str,
    names: Sequence[str],
    text_column: Optional[str] = None,
    label_column: Optional[str] = None,
    is_tokens: bool = False,
) -> tuple[str, str]:
    """Returns the columns of texts and labels: those that are named, else those whose name says so.

    Args:
        source: The file, for messages.
        names: Its columns.
        text_column: The column of texts, if it is known.
        label_column: The column of labels, if it is known.
        is_tokens: Whether the columns hold words and their tags.

    Raises:
        ValueError: A column is missing, several could be meant, or one would hold both. The message names all that is
            missing.
    """
    text_names, label_names = (WORD_COLUMNS, TAG_COLUMNS) if is_tokens else (TEXT_COLUMNS, LABEL_COLUMNS)
    text, text_problem = _find(names, text_column, text_names, "texts", "--text_column")
    label, label_problem = _find(names, label_column, label_names, "labels", "--label_column")
    _check(source, names, (text_problem, label_problem))
    if text == text_column == label:
        raise ValueError(
            f"{source}: column {text!r} can't hold both the texts and the labels. Name another --text_column or "
            "--label_column."
        )
    guessed = {"texts": text if text_column is None else "", "labels": label if label_column is None else ""}
    _announce(source, *guessed.values())
    return text, label


def find_text_column(
    source: str, names: Sequence[str], text_column: Optional[str] = None, is_tokens: bool = False
) -> str:
    """Returns the column of texts: the one that is named, else the one whose name says so.

    Raises:
        ValueError: The column is missing, or several could be meant.
    """
    text, problem = _find(names, text_column, WORD_COLUMNS if is_tokens else TEXT_COLUMNS, "texts", "--text_column")
    _check(source, names, (problem,))
    _announce(source, text if text_column is None else "", "")
    return text


def _find(
    names: Sequence[str], wanted: Optional[str], known: Sequence[str], what: str, option: str
) -> tuple[str, Optional[tuple[str, str]]]:
    """Returns a column, or what is wrong and the option that helps."""
    if wanted is not None:
        suggestion = closest(wanted, names, cutoff=0.7) or "NAME"
        return wanted, None if wanted in names else (f"no column {wanted!r}", f"{option} {suggestion}")
    for fitting in ([name for name in names if name.casefold() == known[0]], names):
        found = [name for name in fitting if name.casefold() in known]
        if len(found) == 1:
            return found[0], None
        if found:
            return "", (f"several columns may hold the {what} ({list_names(found)})", f"{option} NAME")
    return "", (f"no column of {what}", f"{option} NAME")


def _check(source: str, names: Sequence[str], problems: Sequence[Optional[tuple[str, str]]]) -> None:
    found = [problem for problem in problems if problem]
    if found:
        options = " ".join(option for _, option in found)
        advice = f"Add {options}." if "NAME" in options else f"Did you mean {options}?"
        raise ValueError(
            f"{source}: {' and '.join(problem for problem, _ in found)} among {list_names(names)}. {advice}"
            f"{_hint(source, names)}"
        )


def _hint(source: str, names: Sequence[str]) -> str:
    """Returns what else may be wrong with a file whose columns are not found."""
    suffix, _ = split_suffix(Path(source))
    if suffix == ".txt":
        return (
            " A txt file has no labels: write a csv file with the columns text and label, or fastText's lines of "
            "__label__NAME and text."
        )
    if suffix not in (".csv", ".tsv", ".xlsx"):
        return ""
    if any(_looks_like_a_field(name) for name in names):
        return " Line 1 looks like a row: write a header line above it, such as text,label."
    if len(names) == 1:
        return " If the one column is several, name what separates them: --delimiter ';'."
    if not {name.casefold() for name in names} & {*WORD_COLUMNS, *TAG_COLUMNS, *LABEL_COLUMNS}:
        return " If line 1 is a row, write a header line above it, such as text,label."
    return ""


def _looks_like_a_field(name: str) -> bool:
    """Returns whether the name of a column is rather a label or a text: a number, or five words."""
    return name.strip().lstrip("-").isdigit() or len(name.split()) >= 5


def _announce(source: str, text: str, label: str) -> None:
    """Logs a guess once, however often a file is read. A guess that the logger drops does not count: files are checked
    before logging is set up."""
    if (source, text, label) in _announced or not logger.isEnabledFor(logging.INFO):
        return
    _announced.add((source, text, label))
    found = [f"{what} from column {name!r}" for what, name in (("texts", text), ("labels", label)) if name]
    if found:
        logger.info("%s: %s", source, ", ".join(found))


def find_class_names(schema: "pa.Schema", column: str) -> Optional[list[str]]:
    """Returns the names that the `ClassLabel` feature of a column gives to its integers, as `datasets` writes them into
    a parquet file's metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
        names = feature.get("feature", feature)["names"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None
