"""Small helpers for texts and for values in messages."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from reprlib import Repr
from typing import Any, Optional

# A message shows at most this many characters of a value.
SHOWN_CHARACTERS = 300

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*<>\[\]|~]|(?<!\w)_|_(?!\w)")

_short_repr = Repr()
_short_repr.maxstring = _short_repr.maxother = SHOWN_CHARACTERS


def shorten(value: Any) -> str:
    """Returns the repr of a value, shortened for a message."""
    return _short_repr.repr(value)


def list_names(names: Sequence[str]) -> str:
    """Returns names separated by commas, shortened for a message."""
    text = ", ".join(names)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def escape_markdown(text: str) -> str:
    """Returns a text that Markdown shows as it is: no HTML, link, emphasis or end of a table's cell."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def closest(name: str, names: Iterable[str], cutoff: float = 0.6) -> Optional[str]:
    """Returns the one of `names` that is spelled almost as `name` is, if there is one as similar as `cutoff`, from 0 to
    1."""
    by_key = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), by_key, n=1, cutoff=cutoff)
    return by_key[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns the end of a message: ` Did you mean text?`; empty if none of `names` is close."""
    found = closest(name, names)
    return f" Did you mean {found}?" if found else ""


def has_surrogates(text: str) -> bool:
    """Returns whether a text holds a lone surrogate, which is invalid Unicode; `surrogateescape` makes one of each byte
    that is not UTF-8."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def text_key(text: str) -> str:
    """Returns the words of a text without case and white space, in the Unicode form NFC, which the tokenizer reads.
    Texts with the same key are duplicates."""
    words = " ".join(text.split())
    return words.lower() if words.isascii() else unicodedata.normalize("NFC", words).casefold()
