"""Which rows are for training, validation and test."""

import logging
import math
from pathlib import Path

import numpy as np

from .arguments import DataArguments
from .columns import find_column
from .files import BadRow, BadRowsError, column_values, read_batches
from .rows import LabelledRows
from .text import text_key

logger = logging.getLogger(__name__)


def split_rows(rows: LabelledRows, args: DataArguments) -> dict[str, LabelledRows]:
    """Splits rows into train, validation and test by `split_seed`; a text stands in one of them only.

    With `test_size=0.33, split_seed=42` the test part is that of scikit-learn's
    `train_test_split(rows, test_size=0.33, random_state=42)`. A text of a later part (or of `held_out_files`) is purged
    from the earlier ones, and the number of purged rows is logged.

    Returns:
        The parts that hold a row, by name.

    Raises:
        ValueError: No row is left to train on.
    """
    from sklearn.model_selection import train_test_split

    parts = {"train": np.arange(len(rows)), "validation": np.arange(0), "test": np.arange(0)}
    for name in ("test", "validation"):
        size = getattr(args, f"{name}_size")
        size = int(size) if size > 1 else size
        if (math.ceil(size * len(parts["train"])) if size < 1 else size) >= len(parts["train"]):
            raise ValueError(f"{name}_size is {size}, but only {len(parts['train'])} rows are left to draw from.")
        if size:
            parts["train"], parts[name] = train_test_split(parts["train"], test_size=size, random_state=args.split_seed)
    keys = [text_key(text) for text in rows.texts]
    kept_apart = read_held_out_keys(args)
    splits: dict[str, LabelledRows] = {}
    for name in ("test", "validation", "train"):
        kept = [index for index in parts[name].tolist() if keys[index] not in kept_apart]
        if len(kept) < len(parts[name]):
            logger.info("Purged %d rows of %s whose text is held out elsewhere.", len(parts[name]) - len(kept), name)
        kept_apart |= {keys[index] for index in kept}
        if kept:
            splits[name] = rows.select(kept)
    if "train" not in splits:
        raise ValueError(f"No row of {len(rows)} is left to train on: lower validation_size and test_size.")
    return splits


def read_held_out_keys(args: DataArguments) -> set[str]:
    """The `text_key` of all texts of `held_out_files`.

    Raises:
        BadRowsError: Rows can't be read and `skip_bad_rows` is off.
    """
    keys: set[str] = set()
    bad_rows: list[BadRow] = []
    for file in args.held_out_files or []:
        for batch in read_batches(Path(file), bad_rows.append):
            text_column = find_column(file, batch.table.column_names, (args.text_column,), "--text_column")
            keys |= {text_key(text) for text in column_values(file, batch.table, text_column) if isinstance(text, str)}
    if bad_rows and not args.skip_bad_rows:
        raise BadRowsError(bad_rows)
    return keys
