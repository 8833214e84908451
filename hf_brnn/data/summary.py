"""A summary of a source for people."""

from collections import Counter
from collections.abc import Mapping
from typing import Optional

import numpy as np

from .arguments import DataArguments
from .problem_type import TOKENS
from .rows import LabelledRows
from .targets import TargetScale, write_label

SHOWN_ROWS = 5
SHOWN_WIDTH = 80


def describe(
    rows: LabelledRows,
    sizes: Mapping[str, int],
    classes: Counter[int],
    lengths: np.ndarray,
    args: DataArguments,
    scale: Optional[TargetScale] = None,
) -> str:
    """Returns a summary for people.

    Args:
        rows: The rows of the source, or with `streaming` the first of them; and what was skipped of all.
        sizes: Number of rows of each split.
        classes: Number of rows of each label id.
        lengths: Number of tokens of each training text; with `streaming`, of each text of `rows`.
        args: The options.
        scale: Mean and standard deviation of the targets of a regression.
    """
    truncated = int((lengths > args.max_length).sum())
    splits = ", ".join(f"{name} {sizes[name]:,}" for name in ("train", "validation", "test") if sizes.get(name))
    percentiles = ", ".join(f"{p}%: {np.percentile(lengths, p):.0f}" for p in (50, 95, 99))
    names = [write_label(label, rows.label_names, rows.problem_type) for label in rows.labels[:SHOWN_ROWS]]
    width = max(map(len, names), default=0)
    return "\n".join(
        (
            f"columns  {', '.join(rows.columns)}",
            f"rows     {sum(sizes.values()):,} ({splits}); "
            f"skipped: {rows.neutral:,} neutral rows, {len(rows.bad_rows):,} bad rows",
            _describe_labels(rows, classes, scale),
            f"tokens   {'of the first rows: ' if args.streaming else ''}mean {lengths.mean():.1f}, {percentiles}, "
            f"longest {lengths.max()}; {truncated:,} texts truncated to {args.max_length}",
            *(f"  {name:{width}}  {_shorten(text)}" for name, text in zip(names, rows.texts)),
        )
    )


def _describe_labels(rows: LabelledRows, classes: Counter[int], scale: Optional[TargetScale]) -> str:
    if scale is not None:
        targets = zip(rows.label_names, scale.mean, scale.std)
        return "targets  " + ", ".join(f"{name}: mean {mean:.4g}, deviation {std:.4g}" for name, mean, std in targets)
    names = enumerate(rows.label_names)
    counts = ", ".join(f"{name} {classes[index]:,}" for index, name in names)
    return f"{'tags' if rows.problem_type == TOKENS else 'labels':8} {counts}"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_WIDTH else f"{line[: SHOWN_WIDTH - 1]}…"
