"""What a label in a file means."""

from collections import Counter
from typing import Any

LABEL_COLUMNS = ("label", "sentiment", "polarity", "target")
LABEL_NAMES = ("NEGATIVE", "POSITIVE")
NEUTRAL = -1
SENTIMENT_LABELS = {"0": 0, "1": 1, "2": NEUTRAL, "4": 1, "negative": 0, "positive": 1, "neutral": NEUTRAL}


def label_ids(names: list[str]) -> dict[str, int]:
    if is_sentiment(names):
        return SENTIMENT_LABELS
    named = {label_key(name): index for index, name in enumerate(names)}
    if any(key.isdigit() for key in named):
        return named
    return {str(index): index for index in range(len(names))} | named


def label_key(label: Any) -> str:
    return str(label).strip().casefold()


def is_sentiment(names: list[str]) -> bool:
    return [label_key(name) for name in names] == [label_key(name) for name in LABEL_NAMES]


def check_scheme(source: str, labels_seen: Counter[str], names: list[str]) -> None:
    for other in ("2", "4"):
        if is_sentiment(names) and labels_seen["1"] and labels_seen[other]:
            raise ValueError(
                f"{source}: labels 1 ({labels_seen['1']} rows) and {other} ({labels_seen[other]} rows) both occur. "
                "Labels are 0 and 1, or 0 and 4 with 2 for neutral; for others, give their names with --label_names."
            )
