"""Token ids of many texts, word by word: a word that was seen before is a look-up."""

import re
from array import array
from collections.abc import Sequence
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from .tokenization_brnn import UNKNOWN_WORD, first_tokenizer, has_rules_of, new_tokenizer

# Pieces that are remembered, 30 MB of them at most. Longer ones are rare.
MAX_PIECES = 200_000
MAX_PIECE_LENGTH = 50
# Pieces that hold no emoticon and need no rule of Unicode, and what an address has.
PLAIN_PIECE = re.compile(r"[a-z0-9.,!?/*\"'()#-]+", re.IGNORECASE | re.ASCII)
ADDRESS = re.compile(r"www\.|\.(?:com|net|org|ly|fm|tv)", re.IGNORECASE)
# How `new_tokenizer` normalizes and splits these pieces, once they are in lower case.
REPEATED = re.compile(r"([a-z])(?=\1\1)|([^a-z0-9]{1,2})(?=\2)")
DIGITS = str.maketrans("123456789", "000000000")
PLAIN_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)*|#[a-z0-9]+|[!?]+|[^a-z0-9]")
# A name and an address are read as <user> and <url>, whatever they are. An address ends at a space, which entities such
# as &nbsp; may hold.
SAME_FOR_ALL = (
    ("@a", re.compile(r"@[a-z0-9_]+", re.IGNORECASE | re.ASCII)),
    ("http://a", re.compile(r"https?://[!-%'-Z\\-~]+", re.IGNORECASE | re.ASCII)),
)


class TextEncoder:
    """Encodes texts as a tokenizer does that neither pads nor truncates, several times as fast.

    The tokenizer of `train_tokenizer` never reads across a space, so the ids of a text are those of the pieces between
    its spaces. Each piece is encoded once and remembered. Texts go whole through any other tokenizer.

    Args:
        tokenizer: The tokenizer. From now on it reads special tokens such as `[PAD]` in a text as text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self._reads_words = any(has_rules_of(tokenizer, other) for other in (new_tokenizer(), first_tokenizer()))
        if self._reads_words:
            self._pieces = _PieceIds(tokenizer)

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encodes texts.

        Returns:
            `(tokens,)` int32 ids of all texts, one after the other, and `(texts,)` int64 numbers of tokens.

        Raises:
            TypeError: A text is not a string, or holds a lone surrogate.
        """
        if not self._reads_words:
            ids = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]
            lengths = np.fromiter(map(len, ids), np.int64, len(ids))
            return np.fromiter(chain.from_iterable(ids), np.int32, lengths.sum()), lengths
        if len(self._pieces) > MAX_PIECES:
            self._pieces = _PieceIds(self.tokenizer)
        find = self._pieces.__getitem__
        encoded = [b"".join(map(find, text.replace("\n", " ").split(" "))) for text in texts]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) // np.dtype(np.int32).itemsize
        return np.frombuffer(b"".join(encoded), np.int32), lengths


class _PieceIds(dict[str, bytes]):
    """The int32 ids of pieces of text without spaces."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__({"": b""})
        self._tokenizer = tokenizer
        self._words = _WordIds(tokenizer)

    def __missing__(self, piece: str) -> bytes:
        if piece[0] in "@hH":
            for example, pattern in SAME_FOR_ALL:
                if piece != example and pattern.fullmatch(piece):
                    return self[example]
        text = piece.replace("&quot;", '"')
        if PLAIN_PIECE.fullmatch(text) and ("." not in text or not ADDRESS.search(text)):
            tokens = PLAIN_TOKEN.findall(REPEATED.sub("", text.lower().translate(DIGITS)))
            ids = b"".join(map(self._words.__getitem__, tokens))
        else:
            (encoding,) = self._tokenizer.encode_batch_fast([piece])
            ids = _to_bytes(encoding.ids)
        if len(piece) <= MAX_PIECE_LENGTH:
            self[piece] = ids
        return ids


class _WordIds(dict[str, bytes]):
    """The int32 id of each word that was seen, and that of the unknown word for words outside the vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._unknown = _to_bytes(tokenizer.encode(UNKNOWN_WORD).ids)

    def __missing__(self, word: str) -> bytes:
        word_id = self._tokenizer.token_to_id(word)
        if word_id is None:  # not remembered: there is no end of such words
            return self._unknown
        ids = self[word] = _to_bytes([word_id])
        return ids


def _to_bytes(ids: list[int]) -> bytes:
    return array("i", ids).tobytes()
