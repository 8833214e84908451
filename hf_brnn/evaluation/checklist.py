"""A checklist for sentiment classifiers: negation, contrast, typos and the like (CheckList, Ribeiro et al., 2020)."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

import numpy as np

from ..data.labels import label_key

if TYPE_CHECKING:
    import pandas as pd

NEGATIVE, POSITIVE = 0, 1

PRAISE = ("good", "great", "awesome", "amazing", "wonderful", "perfect", "lovely", "fun")
BLAME = ("bad", "terrible", "awful", "horrible", "boring", "sad", "annoying", "useless")
THINGS = ("movie", "phone", "song", "day", "food", "game")

PLAIN = (
    ("I love this phone", POSITIVE),
    ("I recommend this product", POSITIVE),
    ("so happy with my new laptop", POSITIVE),
    ("had a great time with my friends tonight", POSITIVE),
    ("thanks, this made my day", POSITIVE),
    ("best concert ever", POSITIVE),
    ("the food was delicious", POSITIVE),
    ("finally finished my exams, so excited", POSITIVE),
    ("I hate this phone", NEGATIVE),
    ("I am so tired and my head hurts", NEGATIVE),
    ("missed the bus again, worst morning", NEGATIVE),
    ("my laptop broke and I lost everything", NEGATIVE),
    ("the food was disgusting", NEGATIVE),
    ("I feel sick and lonely", NEGATIVE),
    ("sad that the holidays are over", NEGATIVE),
    ("stuck in traffic, this sucks", NEGATIVE),
)

NEGATION = (
    ("I recommend this", POSITIVE),
    ("I do not recommend this", NEGATIVE),
    ("I don't recommend this", NEGATIVE),
    ("I like it", POSITIVE),
    ("I don't like it", NEGATIVE),
    ("I do not like it at all", NEGATIVE),
    ("I never liked this place", NEGATIVE),
    ("it works", POSITIVE),
    ("it doesn't work", NEGATIVE),
    ("I am happy", POSITIVE),
    ("I am not happy", NEGATIVE),
    ("I'm not happy about this", NEGATIVE),
    ("can't complain", POSITIVE),
    ("no problem at all, thanks", POSITIVE),
    ("I can't wait for tonight", POSITIVE),
    ("nothing works today", NEGATIVE),
    ("not fun anymore", NEGATIVE),
    ("I didn't enjoy it", NEGATIVE),
)
NEGATED_PATTERNS = (
    ("this {thing} is {praise}", POSITIVE),
    ("this {thing} is not {praise}", NEGATIVE),
    ("this {thing} isn't {praise}", NEGATIVE),
    ("this {thing} is {blame}", NEGATIVE),
    ("this {thing} is not {blame} at all", POSITIVE),
    ("this {thing} isn't {blame} at all", POSITIVE),
)

CONTRAST = (
    ("slow start but I loved it", POSITIVE),
    ("long day but it was so much fun", POSITIVE),
    ("I was worried at first but it went great", POSITIVE),
    ("not cheap but totally worth it", POSITIVE),
    ("tired but very happy", POSITIVE),
    ("it rained all day but we had an amazing time", POSITIVE),
    ("great start but I hated the end", NEGATIVE),
    ("it looks nice but it doesn't work", NEGATIVE),
    ("I wanted to love it but it was so boring", NEGATIVE),
    ("the sun is out but I have to work all day", NEGATIVE),
    ("good food but the service was terrible", NEGATIVE),
    ("I had fun but now I feel awful", NEGATIVE),
)


NEUTRAL = (
    "I went home",
    "on my way to work",
    "just had lunch",
    "watching the news",
    "it is Tuesday",
    "reading a book in the park",
)
EMOTICONS = (
    (":)", POSITIVE),
    (":-)", POSITIVE),
    (":D", POSITIVE),
    (":(", NEGATIVE),
    (":-(", NEGATIVE),
    ("=(", NEGATIVE),
)


class Check(NamedTuple):
    """A text, and its expected label or another text that must get the same label."""

    capability: str
    text: str
    expected: Union[int, str]


def checks() -> list[Check]:
    """Returns all checks. Label 0 is negative, label 1 positive."""
    return [*_labelled_checks(), *_invariance_checks()]


def _labelled_checks() -> Iterator[Check]:
    for text, label in PLAIN:
        yield Check("plain words", text, label)
    for text, label in NEGATION:
        yield Check("negation", text, label)
    for pattern, label in NEGATED_PATTERNS:
        for index, (praise, blame) in enumerate(zip(PRAISE, BLAME)):
            text = pattern.format(thing=THINGS[index % len(THINGS)], praise=praise, blame=blame)
            yield Check("negation", text, label)
    for text, label in CONTRAST:
        yield Check("contrast", text, label)
    for text in NEUTRAL:
        for emoticon, label in EMOTICONS:
            yield Check("emoticons", f"{text} {emoticon}", label)


def _invariance_checks() -> Iterator[Check]:
    for text, _ in PLAIN:
        yield Check("@names", f"@bob {text}", f"@Maria_1984 {text}")
        yield Check("addresses", f"{text} http://bit.ly/a1B2", f"{text} www.example.com/page?id=7")
        for changed in sorted({text.upper(), text.title(), text.lower()} - {text}):
            yield Check("case", changed, text)
        for mark in ("!", ".", "?"):
            yield Check("repeated punctuation", text + 5 * mark, text + mark)
        yield Check("outer white space", f" \t{text}\n ", text)
        for changed in _typos(text):
            yield Check("typos", changed, text)


def _typos(text: str) -> Iterator[str]:
    """Yields the text with its longest word misspelled: two letters swapped, one dropped, one doubled."""
    word = max(text.replace(",", "").split(), key=len)
    middle = len(word) // 2
    exchanged = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    lost = word[:middle] + word[middle + 1 :]
    doubled = word[:middle] + word[middle] + word[middle:]
    for changed in (exchanged, lost, doubled):
        yield text.replace(word, changed)


def sentiment_labels(label_names: Sequence[str]) -> Optional[tuple[int, int]]:
    """Returns the ids of the negative and the positive label: those of these names, or the first and the second of two
    labels; None for other labels."""
    keys = [label_key(name) for name in label_names]
    if "negative" in keys and "positive" in keys:
        return keys.index("negative"), keys.index("positive")
    return (NEGATIVE, POSITIVE) if len(keys) == 2 else None


def checklist_table(predict: Callable[[list[str]], np.ndarray]) -> tuple["pd.DataFrame", list[str]]:
    """Runs all checks.

    Args:
        predict: Takes n texts and returns `(n, 2)` probabilities of negative and positive.

    Returns:
        Number of checks, number passed and pass rate by capability; and a line for each failed check.
    """
    import pandas as pd

    all_checks = checks()
    texts = sorted({text for check in all_checks for text in (check.text, check.expected) if isinstance(text, str)})
    labels = dict(zip(texts, predict(texts).argmax(axis=1).tolist()))
    rows, failures = [], []
    for check in all_checks:
        passed = labels[check.text] == (labels[check.expected] if isinstance(check.expected, str) else check.expected)
        rows.append({"capability": check.capability, "passed": passed})
        if not passed:
            wanted = (
                ("negative", "positive")[check.expected] if isinstance(check.expected, int) else repr(check.expected)
            )
            failures.append(f"{check.capability}: {check.text!r} should be labeled as {wanted}")
    table = pd.DataFrame(rows).groupby("capability", sort=False)["passed"].agg(["size", "sum", "mean"])
    return table.set_axis(["checks", "passed", "pass rate"], axis=1), failures
