"""Puts emoticons back into training texts of Sentiment140.

Its tweets were labeled by these emoticons, which were then removed from the texts (Go et al., 2009). A classifier
trained on such texts does not know what ":)" means.
"""

import random
import zlib

NEGATIVE = (":(", ":-(", ": (", "=(")  # the last one is not from Go et al., but matches "=)"
POSITIVE = (":)", ":-)", ": )", "=)", ":D")
EMOTICONS = (NEGATIVE, POSITIVE)
# Share of these texts that get an emoticon of the other label: emoticons are strong evidence, not proof.
OTHER_LABEL_SHARE = 0.05


def restore_emoticons(texts: list[str], labels: list[int], probability: float) -> list[str]:
    """Returns the texts, some of them with an emoticon at a random place between the words or at an end. The text alone
    determines whether and where it gets one; text and label determine which one.

    Args:
        texts: The texts.
        labels: Their labels, 0 for negative and 1 for positive.
        probability: Probability that a text gets an emoticon.
    """
    return [_restore(text, label, probability) for text, label in zip(texts, labels)]


def _restore(text: str, label: int, probability: float) -> str:
    checksum = zlib.crc32(text.encode())
    if checksum >= probability * 2**32:
        return text
    draw = random.Random(checksum)
    kind = 1 - label if draw.random() < OTHER_LABEL_SHARE else label
    words = text.split(" ")
    words.insert(draw.randint(0, len(words)), draw.choice(EMOTICONS[kind]))
    return " ".join(words)
