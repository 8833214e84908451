"""How much each word of a text moves the classifier, by occlusion."""

import unicodedata
from typing import TYPE_CHECKING, NamedTuple, Optional

import numpy as np

from ..data.dataset import TokenizedDataset

if TYPE_CHECKING:
    from .classifier import Classifier


class Explanation(NamedTuple):
    """A text's class probabilities, and the text in parts.

    Attributes:
        label: Index of the most probable class.
        probabilities: `(num_labels,)` float32.
        parts: Pieces of the text as it was typed, in their order: a word with its change of the label's probability, or
            what stands between words with None. Joined they are the text. A word that shares its only character with
            the one before has no piece.
    """

    label: int
    probabilities: np.ndarray
    parts: list[tuple[str, Optional[float]]]


def explain(classifier: "Classifier", text: str) -> Explanation:
    """Classifies a text as it is and once more for each of its words, with that word replaced by the unknown word.

    A word's change is the probability of the label for the whole text minus that for the text without the word: above
    0 the word speaks for the label, below 0 against it. A word that the tokenizer doesn't know is the unknown word
    already and changes nothing. Changes need not add up.

    Occlusion is from Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014); for words see
    Li, Monroe and Jurafsky, "Understanding Neural Networks through Representation Erasure" (2016).

    Raises:
        ValueError: The tokenizer has no unknown word.
    """
    tokenizer = classifier.tokenizer
    unknown_id = tokenizer.token_to_id(tokenizer.model.unk_token)
    if unknown_id is None:
        raise ValueError("The tokenizer has no unknown word to put in the place of others.")
    encoding = tokenizer.encode(text)
    words = len(encoding.ids)
    token_ids = np.tile(np.array(encoding.ids, dtype=np.int32), (words + 1, 1))
    occluded = np.arange(words)
    token_ids[occluded + 1, occluded] = unknown_id
    offsets = np.arange(words + 2) * words
    rows = TokenizedDataset(token_ids.reshape(-1), offsets, None, classifier.pad_token_id)
    probabilities = classifier.probabilities(rows)
    label = int(probabilities[0].argmax())
    changes = probabilities[0, label] - probabilities[1:, label]

    parts: list[tuple[str, Optional[float]]] = []
    position = 0
    for (start, end), change in zip(word_spans(text, encoding.offsets), changes.tolist()):
        if position < start:
            parts.append((text[position:start], None))
        if start < end:
            parts.append((text[start:end], change))
        position = end
    if position < len(text):
        parts.append((text[position:], None))
    return Explanation(label, probabilities[0], parts)


def word_spans(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where each word begins and ends in the text as it was typed.

    Of an address, an @name, an HTML entity or repeated characters, which the tokenizer shortens, `offsets` give the
    last characters alone. What stands before them and after the previous word belongs to them, but for white space.
    Accents, joiners and skin tones, which it drops, belong to the character that they follow.
    """
    spans: list[tuple[int, int]] = []
    position = 0
    for index, (first, end) in enumerate(offsets):
        start = position
        while start < first and text[start].isspace():
            start += 1
        following = offsets[index + 1][0] if index + 1 < len(offsets) else len(text)
        while end < following and _modifies_the_previous(text[end]):
            end += 1
        # Two words may share a character: the tokenizer takes İ for i and a dot.
        position = max(start, end)
        spans.append((start, position))
    return spans


def _modifies_the_previous(character: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    # Vowels and finals of Korean syllables that are written letter by letter.
    is_in_syllable = "\u1160" <= character <= "\u11ff"
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or is_skin_tone or is_in_syllable
