"""How much of a text a tokenizer knows. The web page (web/src/words.js) follows the same rule."""

import unicodedata

import numpy as np
from tokenizers import Tokenizer

from .dataset import TokenizedDataset

# What stands for names and addresses, and for padding.
PLACEHOLDERS = ("<user>", "<url>", "[PAD]")


class KnownWords:
    """The words that a tokenizer knows. Punctuation marks, @names and addresses are not words; emoticons and emoji are.

    Args:
        tokenizer: The tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        vocabulary = tokenizer.get_vocab()
        self._unknown = vocabulary.get(tokenizer.model.unk_token, -1)
        others = (tokenizer.model.unk_token, *PLACEHOLDERS)
        self._is_known_word = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
        for token, index in vocabulary.items():
            self._is_known_word[index] = token not in others and not is_punctuation(token)

    def shares(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(texts,)` the share of the words of each text that are known; 0 for a text without words."""
        text_of_token = np.repeat(np.arange(len(tokenized)), tokenized.lengths)
        is_known = self._is_known_word[tokenized.token_ids]
        known = np.bincount(text_of_token, weights=is_known, minlength=len(tokenized))
        is_word = is_known | (tokenized.token_ids == self._unknown)
        words = np.bincount(text_of_token, weights=is_word, minlength=len(tokenized))
        return known / np.maximum(words, 1)


def is_punctuation(token: str) -> bool:
    """Returns whether a token is a punctuation mark or an ASCII symbol; `?!` is one mark."""
    if len(token) != 1:
        return not token.strip("!?")
    return unicodedata.category(token).startswith("P") or (token.isascii() and not token.isalnum())
