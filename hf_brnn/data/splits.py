"""Splits rows into train, validation and test. Duplicate texts never cross splits."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

import numpy as np

from .arguments import DataArguments
from .bad_rows import BadRow, BadRowsError
from .batches import column_values
from .columns import find_text_column
from .files import read_batches
from .problem_type import TOKENS
from .rows import LabelledRows, expand_patterns
from .targets import join_words
from .text import text_key

logger = logging.getLogger(__name__)


def split_rows(
    rows: LabelledRows, args: DataArguments, published: Optional[Mapping[str, LabelledRows]] = None
) -> dict[str, LabelledRows]:
    """Draws validation and test rows by `split_seed`; the others are for training.

    With `test_size=0.33, split_seed=42` the test split is that of scikit-learn's
    `train_test_split(rows, test_size=0.33, random_state=42)`. A text that occurs in a later split or in
    `held_out_files` is purged from the earlier ones; the number of purged rows is logged.

    Args:
        rows: The rows to split.
        args: Sizes, seed and `held_out_files`.
        published: `validation` and `test` as they are published: they stay whole, and no rows are drawn for them.

    Returns:
        The splits that are not empty, by name.

    Raises:
        ValueError: No row is left to train on.
    """
    published = {name: split for name, split in (published or {}).items() if name != "train"}
    train = np.arange(len(rows))
    drawn: dict[str, np.ndarray] = {}
    for name in ("test", "validation"):
        size = getattr(args, f"{name}_size")
        if name not in published and size:
            count = int(size) if size > 1 else math.ceil(size * len(train))
            if count >= len(train):
                raise ValueError(
                    f"{name}_size is {int(size) if size > 1 else size}, but only {len(train)} rows are left to draw "
                    f"from. Lower --{name}_size, or add rows."
                )
            train, drawn[name] = draw_rows(train, count, args.split_seed)
    drawn["train"] = train
    splits = dict(published)
    keys = [text_key(text) for text in rows.texts]
    seen = read_held_out_keys(args).union(*(map(text_key, split.texts) for split in published.values()))
    for name, indices in drawn.items():
        kept = [index for index in indices.tolist() if keys[index] not in seen]
        if len(kept) < len(indices):
            logger.info("Purged %d rows of %s: their texts occur in another split.", len(indices) - len(kept), name)
        seen |= {keys[index] for index in kept}
        if kept:
            splits[name] = rows.select(kept)
    if "train" not in splits:
        if len(train):
            raise ValueError(
                f"No row is left to train on: the texts of all {len(train)} rows for training are also in "
                "held_out_files, or in the validation or test split. Name other files, or add rows."
            )
        raise ValueError(
            f"No row of {len(rows)} is left to train on: lower --validation_size and --test_size, or add rows."
        )
    return splits


def draw_rows(rows: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that are left and `count` that are drawn, as scikit-learn's `train_test_split` draws them."""
    order = np.random.RandomState(seed).permutation(len(rows))
    return rows[order[count:]], rows[order[:count]]


def read_held_out_keys(args: DataArguments) -> set[str]:
    """Returns the `text_key` of all texts of `held_out_files`.

    Raises:
        BadRowsError: Rows can't be read and `skip_bad_rows` is off.
    """
    keys: set[str] = set()
    bad_rows: list[BadRow] = []
    for file in expand_patterns(args.held_out_files or []):
        for batch in read_batches(Path(file), bad_rows.append, file_format=args.file_format):
            is_tokens = args.problem_type == TOKENS
            text_column = find_text_column(file, batch.table.column_names, args.text_column, is_tokens)
            for text in column_values(file, batch, text_column):
                text = join_words(text) if is_tokens else text
                if isinstance(text, str):
                    keys.add(text_key(text))
    if bad_rows and not args.skip_bad_rows:
        raise BadRowsError(bad_rows)
    return keys
