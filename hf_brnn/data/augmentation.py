"""Emoticons like those that Sentiment140's labels are made of, put into some of the training texts.

Its makers labelled tweets by these emoticons and then took them out (Go et al., 2009), so that a classifier that learns
from the texts as they are doesn't know what ":)" means.
"""

import random
import zlib

NEGATIVE = (":(", ":-(", ": (", "=(")  # the last one is not of Go et al.: it is to "=)" what ":(" is to ":)"
POSITIVE = (":)", ":-)", ": )", "=)", ":D")
EMOTICONS = (NEGATIVE, POSITIVE)
# Share of these texts whose emoticon is of the other label: it should be strong evidence and no proof.
OTHER_LABEL_SHARE = 0.05


def restore_emoticons(texts: list[str], labels: list[int], share: float) -> list[str]:
    """Puts an emoticon between two words, or at an end, of some of the texts. Which texts and where depends on the text
    alone, which emoticon on text and label.

    Args:
        texts: Texts of tweets.
        labels: Their labels, 0 for negative and 1 for positive.
        share: Probability that a text gets one.
    """
    return [_restore(text, label, share) for text, label in zip(texts, labels)]


def _restore(text: str, label: int, share: float) -> str:
    checksum = zlib.crc32(text.encode())
    if checksum >= share * 2**32:
        return text
    draw = random.Random(checksum)
    kind = 1 - label if draw.random() < OTHER_LABEL_SHARE else label
    words = text.split(" ")
    words.insert(draw.randint(0, len(words)), draw.choice(EMOTICONS[kind]))
    return " ".join(words)
