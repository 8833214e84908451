"""The effect of each word on a prediction, by occlusion. The web page (web/src/classifier.js) follows the same rule."""

import re
from typing import TYPE_CHECKING, NamedTuple, Optional

import numpy as np

from ..data.dataset import TokenizedDataset
from ..data.problem_type import MULTI_LABEL, SINGLE_LABEL, TOKENS
from ..evaluation.activation import activate
from ..model.tokenization_brnn import UNKNOWN_WORD

if TYPE_CHECKING:
    from .base_classifier import Classifier

# The characters with the Unicode property White_Space, as in JavaScript's \p{White_Space}. Python's \s has more.
WHITE_SPACE = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"

# Each word costs a classification of the whole text, so the time grows with the square of the words: this many take
# tens of seconds.
MAX_WORDS = 1_000


class Explanation(NamedTuple):
    """The probabilities of a text, and the effect of each of its words.

    Attributes:
        label: Index of the label that the classifier chooses, or of its most probable label where it may choose
            several; 0 for a regression.
        probabilities: `(num_labels,)` float32, or the predicted numbers of a regression.
        known_words: Share of the words that the tokenizer knows.
        parts: The text, cut into words with their effect and white space with None. Joined, the parts are the text.
    """

    label: int
    probabilities: np.ndarray
    known_words: float
    parts: list[tuple[str, Optional[float]]]


def explain(classifier: "Classifier", text: str) -> Explanation:
    """Classifies a text, and once more for each word with the word replaced by the unknown token.

    The effect of a word is the log odds of the label for the whole text minus those for the text without the word:
    above 0, the word speaks for the label; below 0, against it. Log odds are log(p / (1 - p)) of a probability p. They
    still change where the classifier is almost sure, and p hardly does. For a regression, effects are changes of the
    number. Effects need not add up.

    Each variant is a batch of its own: an int8 graph rounds by the largest value of a batch, so that its logits would
    depend on the other variants.

    Occlusion is from Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014); for words see
    Li, Monroe and Jurafsky, "Understanding Neural Networks through Representation Erasure" (2016).

    Args:
        classifier: A classifier, as `hf_brnn.load` returns it.
        text: The text.

    Raises:
        ValueError: The text has more than `MAX_WORDS` words, the tokenizer has no unknown token, or the classifier is
            one of tokens.
    """
    if classifier.problem_type == TOKENS:
        raise ValueError("explain is for models of whole texts, but this one gives each word a tag.")
    if classifier.tokenizer.token_to_id(classifier.tokenizer.model.unk_token) is None:
        raise ValueError("The tokenizer has no unknown token, which is put in the place of a word. Train it with one.")
    parts = split_words(text)
    words = sum(is_word for _, is_word in parts)
    if words > MAX_WORDS:
        raise ValueError(
            f"The text has {words:,} words, but explain classifies it once for each word and takes at most "
            f"{MAX_WORDS:,}. Explain a part of it."
        )
    tokenized = classifier.tokenize([text])
    logits = _logits(classifier, tokenized)
    probabilities = activate(logits, classifier.problem_type)[None]
    label = 0
    if classifier.problem_type == SINGLE_LABEL:
        label = int(classifier.choose(probabilities)[0])
    elif classifier.problem_type == MULTI_LABEL:
        label = int(probabilities[0].argmax())
    whole = _log_odds(logits, label, classifier.problem_type)
    explained: list[tuple[str, Optional[float]]] = []
    for index, (part, is_word) in enumerate(parts):
        effect = None
        if is_word:
            variant = "".join(UNKNOWN_WORD if other == index else piece for other, (piece, _) in enumerate(parts))
            without = _logits(classifier, classifier.tokenize([variant]))
            effect = whole - _log_odds(without, label, classifier.problem_type)
        explained.append((part, effect))
    known_words = float(classifier.known_words.shares(tokenized)[0])
    return Explanation(label, probabilities[0], known_words, explained)


def _logits(classifier: "Classifier", tokenized: TokenizedDataset) -> np.ndarray:
    """Returns the `(num_labels,)` logits of the only text."""
    return classifier.logits(tokenized, np.array([0]))[0]


def _log_odds(logits: np.ndarray, label: int, problem_type: str) -> float:
    """Returns the log odds of a label, given the logits of all; the number itself for a regression."""
    if problem_type != SINGLE_LABEL:
        return float(logits[label])
    return float(logits[label] - np.logaddexp.reduce(np.delete(logits, label)))


def split_words(text: str) -> list[tuple[str, bool]]:
    """Splits a text at white space. Returns its parts in order, and whether each is a word."""
    pieces = re.split(f"({WHITE_SPACE})", text)
    return [(piece, index % 2 == 0) for index, piece in enumerate(pieces) if piece]
