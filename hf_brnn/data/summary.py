"""A summary of a source for people."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from .arguments import DataArguments
from .rows import LabelledRows


def describe(
    rows: LabelledRows, sizes: Mapping[str, int], classes: Counter[int], lengths: np.ndarray, args: DataArguments
) -> str:
    """A summary for people.

    Args:
        rows: The first rows of the source, or all, and what was left out of all.
        sizes: Number of rows by part.
        classes: Number of rows by class id.
        lengths: Numbers of tokens of the training part; with `streaming`, of `rows`.
        args: Names of the classes, the length that texts are cut to.
    """
    cut = int((lengths > args.max_length).sum())
    parts = ", ".join(f"{name} {sizes[name]:,}" for name in ("train", "validation", "test") if sizes.get(name))
    import pandas as pd

    first = pd.DataFrame({"text": rows.texts[:5], "label": [args.label_names[label] for label in rows.labels[:5]]})
    percentiles = ", ".join(f"{p}%: {np.percentile(lengths, p):.0f}" for p in (50, 95, 99))
    return "\n".join(
        (
            f"columns  {', '.join(rows.columns)}",
            f"rows     {classes.total():,} ({parts}); left out: {rows.neutral:,} neutral, {len(rows.bad_rows):,} bad",
            "classes  " + ", ".join(f"{name} {classes[index]:,}" for index, name in enumerate(args.label_names)),
            f"tokens   {'of the first rows: ' if args.streaming else ''}mean {lengths.mean():.1f}, {percentiles}, "
            f"longest {lengths.max()}; {cut:,} texts cut to {args.max_length}",
            first.to_string(max_colwidth=80),
        )
    )
