"""How much of a text a tokenizer knows. The web page (web/src/words.js) follows the same rule."""

import unicodedata

import numpy as np
from tokenizers import Tokenizer

from .dataset import TokenizedDataset

# What stands for names and addresses, and for padding.
PLACEHOLDERS = ("<user>", "<url>", "[PAD]")


def known_word_shares(tokenized: TokenizedDataset, tokenizer: Tokenizer) -> np.ndarray:
    """Returns `(texts,)` the share of the words of each text that the tokenizer knows.

    Punctuation marks, @names and addresses are not words; emoticons and emoji are. A text without words has share 0.
    """
    unknown = tokenizer.token_to_id(tokenizer.model.unk_token)
    is_known_word = find_known_words(tokenized.token_ids, tokenizer)
    text_of_token = np.repeat(np.arange(len(tokenized)), tokenized.lengths)
    known = np.bincount(text_of_token, weights=is_known_word[tokenized.token_ids], minlength=len(tokenized))
    is_unknown = tokenized.token_ids == (-1 if unknown is None else unknown)
    words = known + np.bincount(text_of_token, weights=is_unknown, minlength=len(tokenized))
    return known / np.maximum(words, 1)


def find_known_words(token_ids: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    """Returns a table that says of each of these ids whether it is that of a known word."""
    others = (tokenizer.model.unk_token, *PLACEHOLDERS)
    occurs = np.bincount(token_ids)
    is_known_word = np.zeros(len(occurs), dtype=bool)
    for index in np.flatnonzero(occurs).tolist():
        token = tokenizer.id_to_token(index)
        assert token is not None  # the id came from this tokenizer
        is_known_word[index] = token not in others and not is_punctuation(token)
    return is_known_word


def is_punctuation(token: str) -> bool:
    """Returns whether a token is a punctuation mark or an ASCII symbol; `?!` is one mark."""
    if len(token) > 1:
        return not token.strip("!?")
    return unicodedata.category(token).startswith("P") or (token.isascii() and not token.isalnum())
