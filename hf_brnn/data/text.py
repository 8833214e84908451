"""Small helpers for texts and for what messages show of them."""

from collections.abc import Sequence
from reprlib import Repr
from typing import Any

# A message shows at most this many characters of a value.
SHOWN_CHARACTERS = 300

_short_repr = Repr()
_short_repr.maxstring = _short_repr.maxother = SHOWN_CHARACTERS


def shorten(value: Any) -> str:
    """What a message shows of a value, however long or nested it is."""
    return _short_repr.repr(value)


def list_names(names: Sequence[str]) -> str:
    """What a message shows of the names of columns."""
    text = ", ".join(names)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def has_surrogates(text: str) -> bool:
    """Whether a text holds half a character: a lone surrogate, or a byte that `surrogateescape` let through."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def text_key(text: str) -> str:
    """What makes two texts the same text: their words, whatever case and white space."""
    return " ".join(text.split()).casefold()
